//! Replaces parts of a text, literal or by regular expression.

use std::borrow::Cow;

use regex::{Captures, NoExpand, Regex, Replacer};
use rhai::NativeCallContext;

use crate::error::{Fallible, TooLarge, too_large};
use crate::file_system::options::ReplacementOptions;
use crate::pattern;
use crate::session::Session;
use crate::text::string_limit;

/// The text with the first or every occurrence replaced. `$` in the new text means a group only with a regular expression.
///
/// # Errors
/// `ValidationError` for a pattern that is none; the limit on strings.
pub fn replace_text(
    context: NativeCallContext,
    text: &str,
    old: &str,
    new: &str,
    options: ReplacementOptions,
) -> Fallible<String> {
    replaced(&context, text, old, new, &options)
}

/// What [`replace_text`] gives, for the commands that replace in files.
///
/// # Errors
/// As [`replace_text`].
pub fn replaced(
    context: &NativeCallContext,
    text: &str,
    old: &str,
    new: &str,
    options: &ReplacementOptions,
) -> Fallible<String> {
    let most_bytes = string_limit(&Session::of(context));
    let count = if options.replace_all { 0 } else { 1 };
    let replaced = if options.is_regex {
        replace(&pattern::regex(old)?, text, count, new, most_bytes)
    } else {
        replace(&pattern::regex(&regex::escape(old))?, text, count, NoExpand(new), most_bytes)
    };
    replaced.map(Cow::into_owned).ok_or_else(|| too_large(TooLarge::Text))
}

/// As the library does it, but for looking at the length after each occurrence. `count` 0 means all.
fn replace<'t>(
    regex: &Regex,
    text: &'t str,
    count: usize,
    mut by: impl Replacer,
    most_bytes: usize,
) -> Option<Cow<'t, str>> {
    let mut result = String::new();
    let mut rest = 0;
    for (index, captures) in regex.captures_iter(text).enumerate() {
        if count > 0 && index >= count {
            break;
        }
        let found = whole(&captures);
        result.push_str(text.get(rest..found.start)?);
        by.replace_append(&captures, &mut result);
        rest = found.end;
        if result.len() > most_bytes {
            return None;
        }
    }
    if rest == 0 && result.is_empty() {
        return Some(Cow::Borrowed(text));
    }
    result.push_str(text.get(rest..)?);
    (result.len() <= most_bytes).then_some(Cow::Owned(result))
}

fn whole(captures: &Captures<'_>) -> std::ops::Range<usize> {
    captures.get(0).expect("the whole match is always a group").range()
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    #[test]
    fn literal_and_regular_first_and_all() {
        let script = r#"
            let o = |r, a| ReplacementOptions().is_regex(r).replace_all(a).build();
            [replace_text("a.b.c", ".", "$1", o.call(false, false)), replace_text("a.b.c", ".", "-", o.call(false, true)),
             replace_text("k1 k2", "k(\\d)", "<$1>", o.call(true, false)), replace_text("k1 k2", "k(\\d)", "<$1>", o.call(true, true)),
             replace_text("abc", "x", "y", o.call(false, true)), replace_text("ab", "", "-", o.call(true, true))]
        "#;

        assert_eq!(
            Bench::new().output(script),
            r#"["a$1b.c", "a-b-c", "<1> k2", "<1> <2>", "abc", "-a-b-"]"#
        );
    }

    #[test]
    fn a_result_beyond_the_limit_ends_the_script() {
        let script = r#"
            let t = "a"; t.pad(100000, "a");
            replace_text(t, "a", t, ReplacementOptions().replace_all(true).build())
        "#;

        assert_eq!(Bench::new().run(script).text, "Length of string too large (line 3, position 13)");
    }

    #[test]
    fn a_pattern_that_is_none_is_refused() {
        let message = Bench::new()
            .failure(r#"replace_text("a", "(", "b", ReplacementOptions().is_regex(true).build())"#);

        assert!(
            message.contains("ValidationError: Validation error: Invalid regex pattern: '(' - "),
            "{message}"
        );
    }
}
