//! What somebody may have meant with a call for which there is no function: the nearest in the table, or the nearest types.

use super::entry::{Entry, Form, Reference};
use super::language::LANGUAGE;
use super::{lookup, property, reference};
use crate::result::{Advise, Unknown};

/// What to do about a name that there is not.
pub const ADVISE: Advise = Advise(|unknown| match unknown {
    Unknown::Call { called, line, column, script } => advice(called, line, column, script),
    Unknown::Constant { module, name } => advice_on_constant(module, name),
    Unknown::Property { name, of } => property::advice(name, of),
    Unknown::Denied { function } => advice_on_denied(function),
});

/// What to do about the engine's message `Function not found: NAME (TYPES)`, without its beginning.
///
/// The names beside an operator are taken from the line.
fn advice(called: &str, line: &str, column: usize, script: &str) -> String {
    let call = Called::read(called);
    // The message is the jail's, which may say anything at any length.
    if call.name.len() > MAX_NAME || call.types.len() > MAX_TYPES {
        return NOTHING.to_owned();
    }
    if !call.is_word() {
        return operator(&call, line, column);
    }
    if let Some(own) = own_function(script, call.name) {
        return format!("the script's own function is `{own}`");
    }
    let reference = reference();
    let same: Vec<&Entry> = entries_called(&reference, call.name);
    if let Some((builder, finished)) = unfinished(&same, &call) {
        return format!("`.build()` makes the `{finished}` that this takes of a `{builder}`");
    }
    if let Some(near) = meant_of_language(&same, &call) {
        return format!("did you mean `{near}`?");
    }
    if let Some(nearest) = nearest_call(&same, &call.types) {
        return wrong_values(&same, nearest, &call);
    }
    if LANGUAGE.contains(&call.name) {
        return format!(
            "`{}` is of the language, and not for values of these types: {}",
            call.name,
            in_words(&call.types)
        );
    }
    if same.is_empty() && !LANGUAGE.contains(&call.name) && is_variable(script, call.name) {
        return format!("`{0}` is a variable: what it holds is called with `{0}.call(…)`", call.name);
    }
    let near = lookup::nearest_calls(&reference, call.name);
    let of_language =
        LANGUAGE.iter().filter(|name| lookup::is_near(call.name, name)).map(|name| format!("`{name}`"));
    let near: Vec<String> =
        of_language.chain(near.into_iter().map(|near| format!("`{near}`"))).take(MOST).collect();
    if !near.is_empty() {
        return format!("did you mean {}?", near.join(", "));
    }
    if lookup::names_or_means(&reference, call.name) {
        return format!("`rex-broker sdk search {}` tells what has to do with it", call.name);
    }
    NOTHING.to_owned()
}

/// Where all is told that a function asks for, when that is more than one request can foresee; else nothing.
fn advice_on_denied(function: &str) -> String {
    let reference = reference();
    let is_long =
        |asks: &str| asks.matches("Action::").count() > MOST || MORE.iter().any(|words| asks.contains(words));
    let same = entries_called(&reference, function);
    if same.iter().any(|entry| is_long(&entry.actions)) {
        return format!("`rex-broker sdk show {function}` has all that it asks for");
    }
    String::new()
}

/// What to do about a constant `MODULE::NAME` that does not exist.
fn advice_on_constant(module: &str, name: &str) -> String {
    if module.len().max(name.len()) > MAX_NAME {
        return NOTHING.to_owned();
    }
    let reference = reference();
    let of_module = || reference.entries().map(|(_, entry)| entry).filter(|entry| entry.module == module);
    if of_module().next().is_none() {
        let near: Vec<String> = lookup::nearest(&reference, module).into_iter().take(MOST).collect();
        return match near.as_slice() {
            [] => NOTHING.to_owned(),
            near => format!("did you mean `{}`?", near.join("`, `")),
        };
    }
    let near = of_module().find(|entry| entry.form() == Form::Constant && lookup::is_near(name, &entry.name));
    let meant = near.map(|entry| format!("did you mean `{}`? ", entry.call())).unwrap_or_default();
    format!("{meant}`rex-broker sdk show {module}` has all of them")
}

/// A call as the engine writes it.
struct Called<'m> {
    name: &'m str,
    /// As the engine names the types.
    written: Vec<&'m str>,
    types: Vec<&'static str>,
}

impl<'m> Called<'m> {
    fn read(called: &'m str) -> Self {
        let (name, rest) = called.split_once(" (").unwrap_or((called, ""));
        let rest = rest.lines().next().unwrap_or_default();
        let rest = rest.split_once(") (line ").map_or(rest, |(types, _)| types);
        let types = rest.strip_suffix(')').filter(|_| !rest.ends_with("()")).unwrap_or(rest);
        // One type may have several names, of which the engine tells all.
        let written: Vec<&str> = types.split(", ").filter(|name| !name.is_empty()).collect();
        let types = written.iter().copied().map(kind).collect();
        let name = name.split([' ', '\n']).next().unwrap_or_default();
        Self { name: name.rsplit("::").next().unwrap_or(name), written, types }
    }

    fn is_word(&self) -> bool {
        !self.name.is_empty() && self.name.chars().all(|c| c.is_alphanumeric() || c == '_')
    }
}

/// The kind of a value, from the name of a type in a message or in the table.
pub(super) fn kind(name: &str) -> &'static str {
    match name {
        text if text.contains("String") || text.contains("str") => TEXT,
        "i64" => INTEGER,
        "f64" => "a float",
        "char" => "a character",
        "bool" => "a boolean",
        "()" => "nothing",
        array if array.starts_with("Array") || array == "array" => "an array",
        map if map.eq_ignore_ascii_case("map") => "a map",
        function if function.starts_with("Fn") => "a function",
        range if range.contains("Range") => "a range",
        _ => "an object",
    }
}

fn in_words(kinds: &[&str]) -> String {
    if kinds.is_empty() { "none".to_owned() } else { kinds.join(", ") }
}

/// An operator is nothing to search for: its operands are what is wrong.
fn operator(call: &Called<'_>, line: &str, column: usize) -> String {
    let is_number = |kind: &&str| matches!(*kind, INTEGER | "a float");
    let text_at = call.types.iter().position(|kind| *kind == TEXT);
    if let [_, _] = call.types.as_slice()
        && let Some(at) = text_at
        && (call.types.iter().any(is_number) || call.types.iter().all(|kind| *kind == TEXT))
        && ARITHMETIC.contains(&call.name)
    {
        let (before, behind) = operands(line, column, call.name);
        return match if at == 0 { before } else { behind } {
            Some(name) => format!(
                "a text is no number: `parse_int({name})` makes one of it, and `--arg {name}:int=…` where it is an argument"
            ),
            None => "a text is no number: `parse_int(…)` makes one of it, and `--arg NAME:int=…` gives an argument as one".to_owned(),
        };
    }
    format!("`{}` does not go with values of these types: {}", call.name, in_words(&call.types))
}

/// The names that stand before and behind an operator.
fn operands(line: &str, column: usize, operator: &str) -> (Option<String>, Option<String>) {
    let characters: Vec<char> = line.chars().collect();
    let at = column.saturating_sub(1).min(characters.len());
    let (before, behind) = characters.split_at(at);
    let is_part = |c: &&char| c.is_alphanumeric() || **c == '_';
    let before: String = before.iter().rev().skip_while(|c| c.is_whitespace()).take_while(is_part).collect();
    let before: String = before.chars().rev().collect();
    let behind: String = behind
        .iter()
        .skip(operator.chars().count())
        .skip_while(|c| c.is_whitespace())
        .take_while(is_part)
        .collect();
    let is_name =
        |name: &String| name.starts_with(|c: char| c.is_alphabetic() || c == '_') && name.len() <= MAX_NAME;
    (Some(before).filter(is_name), Some(behind).filter(is_name))
}

/// The head of a function of this name that the script declares.
fn own_function<'s>(script: &'s str, name: &str) -> Option<&'s str> {
    script.lines().find_map(|line| {
        let head =
            line.trim_start().strip_prefix("private ").unwrap_or(line.trim_start()).strip_prefix("fn ")?;
        let head = head.trim_start();
        let rest = head.strip_prefix(name)?;
        let parameters = rest.trim_start().strip_prefix('(')?;
        let end = head.len().saturating_sub(parameters.len()).saturating_add(parameters.find(')')?);
        head.get(..=end).filter(|head| head.len() <= MAX_HEAD)
    })
}

/// Whether a line of the script declares a variable of this name.
fn is_variable(script: &str, name: &str) -> bool {
    script.lines().any(|line| {
        let line = line.trim_start();
        let rest = line.strip_prefix("let ").or_else(|| line.strip_prefix("const ")).map(str::trim_start);
        rest.and_then(|rest| rest.strip_prefix(name)).is_some_and(|rest| rest.trim_start().starts_with('='))
    })
}

fn entries_called<'r>(reference: &'r Reference, name: &str) -> Vec<&'r Entry> {
    let is_call = |entry: &&Entry| !matches!(entry.form(), Form::Constant | Form::Operator | Form::Property);
    reference.entries().map(|(_, entry)| entry).filter(|entry| entry.name == name).filter(is_call).collect()
}

/// Which of several that are called alike is nearest to a call with these kinds of values.
fn nearest_call<'r>(same: &[&'r Entry], given: &[&str]) -> Option<&'r Entry> {
    let distance = |entry: &&&Entry| {
        let wanted = kinds_of(entry);
        let differing = wanted.iter().zip(given).filter(|(wanted, given)| wanted != given).count();
        wanted.len().abs_diff(given.len()).saturating_mul(2).saturating_add(differing)
    };
    same.iter().min_by_key(distance).copied()
}

/// What the language has under nearly this name for a text, an array or a map, where the name itself is only for objects.
fn meant_of_language(same: &[&Entry], call: &Called<'_>) -> Option<&'static str> {
    let is_of_language = call.types.first().is_some_and(|kind| [TEXT, "an array", "a map"].contains(kind));
    let is_for_objects =
        |entry: &&Entry| entry.form() == Form::Method && kinds_of(entry).first() == Some(&"an object");
    if !is_of_language || same.is_empty() || !same.iter().all(is_for_objects) || LANGUAGE.contains(&call.name)
    {
        return None;
    }
    LANGUAGE.iter().find(|name| lookup::is_near(call.name, name)).copied()
}

/// The builder among the values of a call, where a function of this name takes what it builds.
fn unfinished<'m>(same: &[&Entry], call: &Called<'m>) -> Option<(&'m str, &'m str)> {
    same.iter().filter(|entry| entry.parameters().len() == call.written.len()).find_map(|entry| {
        let mut pairs = entry.parameters().into_iter().zip(&call.written);
        pairs.find_map(|(wanted, &given)| {
            let finished = given.strip_suffix("Builder")?;
            (wanted.rsplit(": ").next() == Some(finished)).then_some((given, finished))
        })
    })
}

fn kinds_of(entry: &Entry) -> Vec<&'static str> {
    let of_type = |parameter: &&str| kind(parameter.rsplit(": ").next().unwrap_or(parameter));
    entry.parameters().iter().map(of_type).collect()
}

/// There is such a function, for other values.
fn wrong_values(same: &[&Entry], nearest: &Entry, call: &Called<'_>) -> String {
    let mut calls = vec![format!("`{}`", nearest.call())];
    for entry in same {
        let other = format!("`{}`", entry.call());
        if calls.len() < MOST && !calls.contains(&other) {
            calls.push(other);
        }
    }
    let wanted = kinds_of(nearest);
    let mut differing = wanted.iter().zip(&call.types).filter(|(wanted, given)| wanted != given);
    let advice = match (differing.next(), differing.next(), wanted.len() == call.types.len()) {
        (Some((&TEXT, &given)), None, true) if given != "nothing" => {
            "; a value becomes text between backquotes: `${…}`"
        }
        (Some((&INTEGER, &TEXT)), None, true) => "; `parse_int(…)` makes a number of a text",
        _ => "",
    };
    format!("there is {}{advice}", calls.join(", "))
}

pub(super) const NOTHING: &str = "there is nothing of that name; `rex-broker sdk list` has all that there is";

const TEXT: &str = "a text";
const INTEGER: &str = "an integer";

const ARITHMETIC: [&str; 12] = ["+", "-", "*", "/", "%", "**", "<<", ">>", "+=", "-=", "*=", "/="];

/// How many are offered.
const MOST: usize = 3;

/// Words for questions that go by what is found on the way.
const MORE: [&str; 5] = [" per ", "then ", "each", "best effort", "(all "];

/// More values than any function takes.
const MAX_TYPES: usize = 16;

/// The most bytes of a name, and of the head of a function, that are repeated.
pub(super) const MAX_NAME: usize = 64;
const MAX_HEAD: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(called: &str) -> String {
        advice(called, "", 1, "")
    }

    #[test]
    fn a_function_for_other_values_is_named_with_its_values() {
        for (called, wanted) in [
            ("info (i64)", "there is `info(text: String)`; a value becomes text between backquotes: `${…}`"),
            ("info (map) (line 1, position 1)", "there is `info(text: String)`; a value"),
            ("info ()", "there is `info(text: String)`"),
            ("cat (i64)", "there is `cat(path: String)`"),
            ("cat (&str | ImmutableString | String, &str | ImmutableString | String)", "there is `cat("),
            ("sleep (i64)", "there is `sleep("),
            (
                "info (()) (line 1, position 1)\nin call to function 'f' (line 2, position 1)",
                "there is `info(text: String)`",
            ),
        ] {
            let told = of(called);
            assert!(told.starts_with(wanted) && !told.contains("search"), "{called}: {told}");
        }
    }

    #[test]
    fn a_variable_that_holds_a_closure_is_called_with_call() {
        let of = |script: &str| advice("twice (i64)", "", 1, script);

        for script in ["let twice = |x| x * 2;\ntwice(1)", "  const twice=|x| x; twice(1)"] {
            assert_eq!(of(script), "`twice` is a variable: what it holds is called with `twice.call(…)`");
        }
        for script in ["let twice_more = 1;", "// let twice = 1", "twice(1)"] {
            assert!(!of(script).contains("variable"), "{script}");
        }
    }

    #[test]
    fn a_lying_jail_gets_a_short_answer() {
        for called in [
            format!("{} (i64)", "a".repeat(100_000)),
            format!("f ({})", "i64, ".repeat(100_000)),
            "*".repeat(100_000),
        ] {
            assert_eq!(of(&called), NOTHING);
        }
        assert_eq!(advice_on_constant(&"M".repeat(100_000), "X"), NOTHING);
        assert_eq!(advice_on_constant("EntryType", &"X".repeat(100_000)), NOTHING);
    }

    #[test]
    fn a_text_in_arithmetic_is_told_of_with_its_name() {
        let texts = "&str | ImmutableString | String";
        let line = "let seconds = days * 86400 - 5 / hours;";
        let star = line.find('*').unwrap() + 1;
        let slash = line.find('/').unwrap() + 1;

        assert_eq!(
            advice(&format!("* ({texts}, i64) (line 1, position {star})"), line, star, ""),
            "a text is no number: `parse_int(days)` makes one of it, and `--arg days:int=…` where it is an argument"
        );
        assert!(advice(&format!("/ (i64, {texts})"), line, slash, "").contains("`--arg hours:int=…`"));
        assert!(advice(&format!("- ({texts}, i64)"), "\"a\" - 1", 5, "").contains("`--arg NAME:int=…`"));
        for operator in ["*", "+", "-", "[]", "<", "||", "$x", "!"] {
            let told = of(&format!("{operator} (i64, map)"));
            assert!(told.contains("an integer, a map") && !told.contains("--arg"), "{told}");
        }
    }

    #[test]
    fn a_name_that_is_nearly_right_is_told_with_its_values() {
        for (called, wanted) in [
            ("catt (String)", "`cat(path: String)`"),
            ("mkdri (String)", "`mkdir(path: String)`"),
            ("spilt (String)", "`split`"),
            ("Cat (String)", "`cat(path: String)`"),
            ("length (String)", "`len`"),
            ("sleepp (i64)", "`sleep("),
            ("system (String)", "`SystemInfo()`"),
        ] {
            assert!(of(called).contains(wanted), "{called}: {}", of(called));
        }
        assert_eq!(
            of("push (i64, i64)"),
            "`push` is of the language, and not for values of these types: an integer, an integer"
        );
    }

    #[test]
    fn options_that_are_not_finished_are_told_to_be_built() {
        assert_eq!(
            of("open (DirConfigBuilder, OpenDirOptions)"),
            "`.build()` makes the `DirConfig` that this takes of a `DirConfigBuilder`"
        );
        assert_eq!(
            of("open_file (DirHandle, &str | ImmutableString | String, OpenFileOptionsBuilder)"),
            "`.build()` makes the `OpenFileOptions` that this takes of a `OpenFileOptionsBuilder`"
        );
        assert!(!of("open (DirConfig, DirConfig)").contains(".build()"));
    }

    #[test]
    fn a_property_that_there_is_not_is_told_with_what_there_is() {
        let long = "p".repeat(100_000);
        let of = |name, of| ADVISE.0(Unknown::Property { name, of });

        for (name, kind, told) in [
            ("yaer", "DateTime", "did you mean `year`?"),
            ("yaer", "rust_sdk_common_utils::types::datetime::DateTime", "did you mean `year`?"),
            ("metadata", "DirEntry", "`metadata()` is a function: write the parentheses"),
            ("file_sise", "Metadata", "did you mean `file_size()`?"),
            ("length", "array", "did you mean `len`?"),
            ("pid", "()", "what stands before `.pid` gave no value"),
            ("colour", "DateTime", "`rex-broker sdk show DateTime` has all that there is"),
            ("path", "RcDirHandle", "`rex-broker sdk show DirHandle` has all that there is"),
            ("colour", "i64", "an integer has no property of that name"),
        ] {
            assert_eq!(of(name, kind), told, "{name} of {kind}");
        }
        assert_eq!(of(&long, "DateTime"), NOTHING);
        assert_eq!(of("p", &long), NOTHING);
    }

    #[test]
    fn a_function_of_the_script_is_told_with_its_own_parameters() {
        let script = "fn other() { }\nfn  check(path, days) {\n cat(path) }\ncheck(1)";

        assert_eq!(
            advice("check (i64)", "check(1)", 1, script),
            "the script's own function is `check(path, days)`"
        );
    }

    /// What one request foresees is told with the denial; what a function asks for beyond it has its page.
    #[test]
    fn who_was_denied_one_of_many_questions_is_told_where_all_are() {
        for function in ["df", "network_stats", "netstat", "lsblk", "rm", "processes_using_inode"] {
            let told = advice_on_denied(function);
            assert!(told.contains(&format!("`rex-broker sdk show {function}`")), "{function}: {told}");
        }
        for function in ["cat", "uname", "no_such_function", "", "df()"] {
            assert_eq!(advice_on_denied(function), "", "{function}");
        }
    }

    /// What only has the letters within a word of its documentation is nothing that anybody looks for.
    #[test]
    fn no_search_is_offered_that_finds_letters_alone() {
        for name in ["exec", "owne", "ilesyste"] {
            let told = of(&format!("{name} (String)"));
            assert!(!told.contains("sdk search"), "{name}: {told}");
        }
        assert!(of("chown (String)").contains("sdk search chown"), "{}", of("chown (String)"));
    }

    /// Every word of a large vocabulary: what is offered as a search finds something.
    #[test]
    fn no_search_is_offered_that_finds_nothing() {
        let reference = reference();
        let mut offered = 0;
        let words = reference.preface.split(|c: char| !c.is_alphanumeric()).map(str::to_owned);
        let others = ["qqqq", "foo", "read_file", "println", "exec", "open_file_now", "x"].map(str::to_owned);
        for word in words.chain(others).collect::<std::collections::BTreeSet<_>>() {
            let told = of(&format!("{word} (i64)"));
            if let Some((_, rest)) = told.split_once("sdk search ") {
                let searched = rest.split('`').next().unwrap().to_owned();
                assert!(!lookup::containing(&reference, &[searched]).is_empty(), "{told}");
                offered += 1;
            }
        }
        assert!(offered > 5, "{offered}");
    }
}
