//! What a script's error is about: the place, the words there, and what to do about it.

use std::fmt;

use rex_ipc::control::{Doubt, Place, Remark};

use super::ending::Ending;
use crate::policy::{Finding, Severity};

/// What a script names and there is not.
#[derive(Clone, Copy, Debug)]
pub enum Unknown<'t> {
    /// A function for such values.
    Call {
        /// The engine's words: name and types.
        called: &'t str,
        /// The line of the script that has it.
        line: &'t str,
        /// Where in the line, from 1.
        column: usize,
        /// The whole script.
        script: &'t str,
    },
    /// A constant of a module.
    Constant {
        /// The module.
        module: &'t str,
        /// The constant.
        name: &'t str,
    },
    /// A property of a value.
    Property {
        /// The property.
        name: &'t str,
        /// The type of the value, in the engine's words.
        of: &'t str,
    },
    /// Nothing: this function is there, and something that it asked for was denied.
    Denied {
        /// The function.
        function: &'t str,
    },
}

/// Who knows what a script may have meant: the reference, which only the ways in have. Empty where there is nothing to say.
#[derive(Clone, Copy)]
pub struct Advise(pub fn(Unknown<'_>) -> String);

impl fmt::Debug for Advise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Advise")
    }
}

/// A program has one reference.
impl PartialEq for Advise {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// The error of a script as a remark about its text; nothing when it has no place there.
///
/// The place is the jail's claim. It decides nothing: at worst a lying jail points people at the wrong line.
pub fn diagnose(
    ending: &Ending,
    place: Option<Place>,
    file: &str,
    script: &str,
    advise: Advise,
) -> Option<Finding> {
    let place = place?;
    let (_, message) = ending.meaning(false).error?;
    let line = usize::try_from(place.line).unwrap_or(usize::MAX);
    let column = usize::try_from(place.column).unwrap_or(usize::MAX).max(1);
    Some(Finding {
        severity: Severity::Error,
        file: file.to_owned(),
        line,
        column,
        length: word_length(script, line, column),
        hint: hint(&message, script, (line, column), advise).or_else(|| limit_hint(ending)),
        message: without_place(&message, place),
        policy_id: None,
    })
}

/// What is doubtful in a script as a warning about its text. Place and kind are the jail's claim, the words are ours.
pub fn doubt(remark: &Remark, file: &str, script: &str) -> Finding {
    let line = usize::try_from(remark.place.line).unwrap_or(usize::MAX);
    let column = usize::try_from(remark.place.column).unwrap_or(usize::MAX).max(1);
    let (message, hint) = words_of(remark.doubt);
    Finding {
        severity: Severity::Warning,
        file: file.to_owned(),
        line,
        column,
        length: word_length(script, line, column),
        message: message.to_owned(),
        hint: Some(hint.to_owned()),
        policy_id: None,
    }
}

fn words_of(doubt: Doubt) -> (&'static str, &'static str) {
    match doubt {
        Doubt::InPlace => (
            "this changes its value in place and gives nothing, so that nothing is used here",
            "make it a statement of its own, and use the variable behind it",
        ),
        Doubt::NoBoolean => (
            "this function does not give true or false, so that no element is taken",
            "end it with a comparison, such as `x > 0`",
        ),
        Doubt::NoOrder => (
            "this comparison leaves the order as it is",
            "give an integer below, equal to or above 0, or `true` where the first comes first",
        ),
        Doubt::Tolerance => (
            "floats are compared with a tolerance: what is nearly equal is equal",
            "compare with `<` and `>`, or count in integers",
        ),
        Doubt::Types => (
            "values of these types are never equal, and neither is less than the other",
            "convert one of them, with `parse_int`, `parse_float` or `to_string`",
        ),
        Doubt::LoopVariable => (
            "every closure that is kept here will see the last value of this variable",
            "copy it within the loop: `let own = …;`, and use the copy",
        ),
        Doubt::Precedence => (
            "shifts bind closer than sums, comparisons closer than `&`, `|` and `^`, and a minus closer than `**`",
            "write parentheses",
        ),
        Doubt::LastValue => (
            "the value of the last statement is the result of the run, although a semicolon follows",
            "end with `()` if there is to be none",
        ),
        Doubt::TryValue => (
            "`try` gives no value, whatever its last statement is",
            "declare a variable before it and assign within it, or `return` the value",
        ),
        Doubt::OwnValue => (OWN_VALUE, OWN_VALUE_ADVICE),
        Doubt::Arity => (
            "no function of this name takes so many values",
            "`rex-broker sdk show NAME` has every form of a function",
        ),
        Doubt::NoFunction => (
            "there is no function of this name",
            "`rex-broker sdk search NAME` tells what is near; only a closure that a map has under this name can be meant",
        ),
    }
}

const OWN_VALUE: &str =
    "this closure uses the value whose method it is given to, and that fails when it is called";
const OWN_VALUE_ADVICE: &str =
    "open through what the closure is given, as in `entry.open_as_file(…)`, or open a second handle before";

/// The message without its place, which is shown beside it. Rex's forms have it once, twice or in the first of several lines.
fn without_place(message: &str, place: Place) -> String {
    let position = format!(" (line {}, position {})", place.line, place.column);
    let (first, rest) = message.split_once('\n').unwrap_or((message, ""));
    let mut first = first;
    while let Some(shorter) = first.strip_suffix(&position) {
        first = shorter;
    }
    if rest.is_empty() { first.to_owned() } else { format!("{first}\n{rest}") }
}

/// How many characters the word has that begins at this place; at least one.
fn word_length(script: &str, line: usize, column: usize) -> usize {
    word_at(script, line, column).chars().count().max(1)
}

/// The word that begins at this place, as far as it is marked.
fn word_at(script: &str, line: usize, column: usize) -> String {
    let line = script.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let rest = line.chars().skip(column.saturating_sub(1));
    rest.take_while(|character| character.is_alphanumeric() || *character == '_').take(MAX_WORD).collect()
}

/// What to do about an error that many scripts have. The text is only for people, so it is found by the message's words.
fn hint(message: &str, script: &str, (line, column): (usize, usize), advise: Advise) -> Option<String> {
    let quoted = |rest: &str| rest.split([' ', '\n']).next().unwrap_or_default().to_owned();
    for beginning in ["Syntax error: Undefined variable: ", "Variable not found: "] {
        if let Some(rest) = message.strip_prefix(beginning) {
            let name = quoted(rest);
            if let Some((module, name)) = name.split_once("::") {
                return Some(advise.0(Unknown::Constant { module, name }));
            }
            return Some(format!("declare it with `let {name} = …`, or give it with `--arg {name}=…`"));
        }
    }
    if let Some(called) = message.strip_prefix("Function not found: ") {
        let line = script.lines().nth(line.saturating_sub(1)).unwrap_or_default();
        return Some(advise.0(Unknown::Call { called, line, column, script }));
    }
    if let Some((name, of)) = unknown_property(message) {
        return Some(advise.0(Unknown::Property { name, of }));
    }
    let (words, advice) = ADVICE.iter().find(|(words, _)| message.contains(words))?;
    let mut advice = (*advice).to_owned();
    if *words == UNAUTHORIZED {
        let function = word_at(script, line, column);
        let more = advise.0(Unknown::Denied { function: &function });
        if !more.is_empty() {
            advice.push_str("; ");
            advice.push_str(&more);
        }
    }
    Some(advice)
}

/// The property and the type of which the engine says that the one is none of the other's.
fn unknown_property(message: &str) -> Option<(&str, &str)> {
    let rest = ["Unknown property '", "No writable property '"]
        .iter()
        .find_map(|words| message.strip_prefix(words))?;
    let (name, rest) = rest.split_once("' - a ")?;
    let (_, of) = rest.split_once("registered for type '")?;
    Some((name, of.split('\'').next()?))
}

fn limit_hint(ending: &Ending) -> Option<String> {
    match ending {
        Ending::Limit { name, .. } if name.starts_with("max-") => {
            Some(format!("`--{name}` sets it, unless the configuration pins it"))
        }
        Ending::Limit { .. } => Some("`--memory` gives the script more room".to_owned()),
        _ => None,
    }
}

/// What each denial has among its words.
const UNAUTHORIZED: &str = "unauthorized to perform";

/// Words of a message, and what helps.
const ADVICE: &[(&str, &str)] = &[
    ("Data race detected", OWN_VALUE_ADVICE),
    ("The comment that begins here is not closed", "end it with `*/`; comments may stand in each other"),
    ("A script has at most 65535 lines", "join lines, or read data from a file"),
    ("Cannot assign to a part of the constant", "declare it with `let`"),
    ("reserved keyword 'print' is disabled", "use info(…), whose text goes to the logs"),
    ("reserved keyword 'eval' is disabled", "text cannot be run as a script; call a function instead"),
    ("Module not found: ", "modules are not available: put everything that the script needs into one file"),
    ("Expression exceeds maximum complexity", "split the expression with several `let`s"),
    ("Stack overflow", "script functions may call each other 64 levels deep"),
    (UNAUTHORIZED, "the policy has to permit it, or the script to handle it with try … catch"),
    ("Authorization check failed", "a policy could not be evaluated for this; the record says which"),
];

/// The most characters that are marked.
const MAX_WORD: usize = 64;

#[cfg(test)]
mod tests {
    use super::super::ErrorClass;
    use super::*;

    const ADVISE: Advise = crate::front::reference::ADVISE;

    const SCRIPT: &str = "let n = 0;\n  undeclared_name + n\n";

    fn diagnosed(message: &str, line: u32, column: u32) -> Finding {
        let ending = Ending::ScriptError { message: message.to_owned(), class: ErrorClass::Other };
        diagnose(&ending, Some(Place { line, column }), "s.rhai", SCRIPT, ADVISE).unwrap()
    }

    #[test]
    fn the_place_is_told_once() {
        let one = diagnosed("Division by zero: 0 / 0 (line 2, position 3)", 2, 3);
        let two = diagnosed("Runtime error: x (line 2, position 3) (line 2, position 3)", 2, 3);
        let call = diagnosed(
            "Runtime error: x (line 1, position 5)\nin call to function 'f' (line 2, position 3)",
            1,
            5,
        );

        assert_eq!((one.message.as_str(), one.line, one.column), ("Division by zero: 0 / 0", 2, 3));
        assert_eq!(two.message, "Runtime error: x");
        assert_eq!(call.message, "Runtime error: x\nin call to function 'f' (line 2, position 3)");
    }

    #[test]
    fn the_whole_word_is_marked() {
        assert_eq!(diagnosed("x", 2, 3).length, "undeclared_name".len());
        assert_eq!(diagnosed("x", 2, 19).length, 1);
        assert_eq!(diagnosed("x", 2, 400).length, 1);
        assert_eq!(diagnosed("x", u32::MAX, u32::MAX).length, 1);
    }

    #[test]
    fn common_errors_have_a_remedy() {
        let hint = |message: &str| diagnosed(message, 1, 1).hint;

        assert_eq!(
            hint("Syntax error: Undefined variable: path (line 1, position 1)").unwrap(),
            "declare it with `let path = …`, or give it with `--arg path=…`"
        );
        assert_eq!(
            hint("Variable not found: MetricUnitType::COUTN (line 1, position 1)").unwrap(),
            "did you mean `MetricUnitType::COUNT`? `rex-broker sdk show MetricUnitType` has all of them"
        );
        assert!(hint("Module not found: m (line 1, position 8)").unwrap().contains("into one file"));
        assert_eq!(
            hint("Function not found: cta (&str) (line 1, position 1)").unwrap(),
            "did you mean `cat(path: String)`?"
        );
        for operator in ["*", "+", "<=", "??", "!", "[]"] {
            let hint =
                hint(&format!("Function not found: {operator} (i64, map) (line 1, position 1)")).unwrap();
            assert!(!hint.contains("search") && hint.contains(operator), "{hint}");
        }
        assert_eq!(
            hint("Unknown property 'yaer' - a getter is not registered for type 'DateTime' (line 1, position 7)").unwrap(),
            "did you mean `year`?"
        );
        assert_eq!(
            hint(
                "No writable property 'yaer' - a setter is not registered for type 'DateTime' to handle 'i64'"
            )
            .unwrap(),
            "did you mean `year`?"
        );
        assert!(hint("Syntax error: reserved keyword 'print' is disabled (…)").unwrap().contains("info("));
        assert_eq!(hint("Runtime error: x"), None);
    }

    #[test]
    fn a_denial_within_a_function_that_asks_much_names_its_page() {
        let message = "Runtime error: Permission denied: root unauthorized to perform x for y";
        let of = |script: &str| hint(message, script, (1, 9), ADVISE).unwrap();

        assert!(of("let x = df();").ends_with("; `rex-broker sdk show df` has all that it asks for"));
        assert!(of("let x = cat(p);").ends_with("with try … catch"));
        assert!(of("").ends_with("with try … catch"));
    }

    #[test]
    fn an_operator_is_nothing_to_search_for() {
        for operator in ["*", "-", "[]", "<", "||", "$x"] {
            let message = format!("Function not found: {operator} (i64, map) (line 1, position 1)");
            let hint = diagnosed(&message, 1, 1).hint.unwrap();

            assert!(hint.contains("types") && !hint.contains("search"), "{hint}");
        }
    }

    #[test]
    fn every_doubt_is_told_as_a_warning_with_a_remedy() {
        let remark = Remark { place: Place { line: 2, column: 3 }, doubt: Doubt::InPlace };

        let finding = doubt(&remark, "s.rhai", SCRIPT);

        assert_eq!((finding.severity, finding.line, finding.column), (Severity::Warning, 2, 3));
        assert_eq!(finding.length, "undeclared_name".len());
        assert!(finding.hint.unwrap().contains("statement of its own"));
    }

    #[test]
    fn a_success_or_an_error_without_a_place_is_no_remark() {
        let failed = Ending::ScriptError { message: "x".to_owned(), class: ErrorClass::Other };

        assert_eq!(diagnose(&failed, None, "s", SCRIPT, ADVISE), None);
        assert_eq!(
            diagnose(&Ending::Value(String::new()), Some(Place { line: 1, column: 1 }), "s", SCRIPT, ADVISE),
            None
        );
    }
}
