//! What to write in place of a text that no attribute ever has.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use cedar_policy_core::ast::{Pattern, PatternElem};
use rex_ipc::name;

use super::language::Language;
use crate::policy::name::PathName;

/// For a text that is compared.
pub(super) fn text(language: Language, written: &str) -> String {
    match language {
        Language::Path => path(written),
        Language::Name => match written.trim_end_matches('/').rsplit('/').next() {
            Some(last) if Language::Name.has(last) => format!(
                "a file name is one component: write `{}`, or compare the whole path",
                last.escape_debug()
            ),
            _ => "a file name is one component, and never `.` or `..`".to_owned(),
        },
        Language::Number => match written.trim().parse::<u32>() {
            Ok(number) => format!("write `{number}`"),
            Err(_) => "a process number is written in decimal digits".to_owned(),
        },
    }
}

fn path(written: &str) -> String {
    let written = written.strip_prefix("file://").unwrap_or(written);
    if written.is_empty() {
        return "paths are absolute: the topmost directory is `/`".to_owned();
    }
    if let Some((user, rest)) = home(written) {
        let place = normal(&format!("/home/{user}/{rest}"));
        return format!("nothing is filled in: write the directory itself, such as `{place}`");
    }
    let place = normal(&format!("/{written}"));
    if !written.starts_with('/') {
        format!("paths are absolute: write `{place}` if that is meant")
    } else if written.split('/').any(|part| part == "..") {
        format!("paths are absolute, and have no `..`: write `{place}` if that is meant")
    } else {
        format!("write `{place}`")
    }
}

/// The path that these words spell, `..` taken by the letter.
fn normal(absolute: &str) -> String {
    let bytes: Vec<u8> = name::to_bytes(absolute).into_iter().filter(|byte| *byte != 0).collect();
    PathName::from_os(Path::new(OsStr::from_bytes(&bytes))).as_str().escape_debug().to_string()
}

/// User and rest of what a shell would take for a home directory.
fn home(written: &str) -> Option<(&str, &str)> {
    for variable in ["$HOME", "${HOME}"] {
        if let Some(rest) = written.strip_prefix(variable)
            && (rest.is_empty() || rest.starts_with('/'))
        {
            return Some(("NAME", rest));
        }
    }
    let (user, rest) = written.strip_prefix('~').map(|rest| rest.split_once('/').unwrap_or((rest, "")))?;
    Some((if user.is_empty() { "NAME" } else { user }, rest))
}

/// For a pattern.
pub(super) fn pattern(language: Language, written: &[PatternElem]) -> String {
    match language {
        Language::Path => {
            let rule = "paths are absolute, and have no `.`, no `..`, no doubled slashes and no slash at the end, as in `/srv/*`";
            match repaired(written) {
                None => rule.to_owned(),
                Some(repaired) => {
                    let shown = Pattern::from(repaired.clone());
                    let below: Vec<PatternElem> =
                        repaired.into_iter().chain([PatternElem::Char('/'), PatternElem::Wildcard]).collect();
                    let ends_in_slash = written.last() == Some(&PatternElem::Char('/'));
                    if ends_in_slash && Language::Path.can_match(&below) {
                        format!("write `{shown}`, or `{}` for what is in it", Pattern::from(below))
                    } else {
                        format!("write `{shown}`")
                    }
                }
            }
        }
        Language::Name => {
            "a file name is one component: it has no slash, and is never `.` or `..`".to_owned()
        }
        Language::Number => {
            "a process number is written in decimal digits, without zeros before it".to_owned()
        }
    }
}

/// The pattern without what no path has; nothing where it cannot be said what was meant.
fn repaired(written: &[PatternElem]) -> Option<Vec<PatternElem>> {
    const SLASH: PatternElem = PatternElem::Char('/');
    let spelled = |text: &str| -> Vec<PatternElem> { text.chars().map(PatternElem::Char).collect() };
    let parts: Vec<&[PatternElem]> = written.split(|element| *element == SLASH).collect();
    let (first, rest) = parts.split_first()?;
    let mut kept: Vec<Vec<PatternElem>> = Vec::new();
    let mut is_rooted = true;
    match first {
        [] => {}
        [PatternElem::Wildcard, ..] => {
            is_rooted = false;
            kept.push(first.to_vec());
        }
        [PatternElem::Char('~'), user @ ..] => {
            kept.push(spelled("home"));
            kept.push(if user.is_empty() { spelled("NAME") } else { user.to_vec() });
        }
        _ if **first == spelled("$HOME")[..] => kept.extend([spelled("home"), spelled("NAME")]),
        _ if **first == spelled(".")[..] => {}
        _ => kept.push(first.to_vec()),
    }
    for part in rest {
        if part.is_empty() || **part == spelled(".")[..] {
            continue;
        }
        if **part == spelled("..")[..] {
            // What a wildcard stands for may be several components.
            if kept.pop()?.contains(&PatternElem::Wildcard) {
                return None;
            }
            continue;
        }
        kept.push(part.to_vec());
    }
    let mut repaired = Vec::new();
    for (position, part) in kept.into_iter().enumerate() {
        if position > 0 || is_rooted {
            repaired.push(SLASH);
        }
        repaired.extend(part);
    }
    if repaired.is_empty() {
        repaired.push(SLASH);
    }
    Language::Path.can_match(&repaired).then_some(repaired)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands between the first two backquotes that follow `write` or `such as`.
    fn proposed(hint: &str) -> &str {
        let at = hint.find("write `").map(|at| at + 7).or_else(|| hint.find("such as `").map(|at| at + 9));
        at.and_then(|at| hint.get(at..)).and_then(|rest| rest.split('`').next()).unwrap_or_default()
    }

    #[test]
    fn the_right_text_is_offered() {
        for (written, right) in [
            ("/x/key/", "/x/key"),
            ("/x//key", "/x/key"),
            ("//x", "/x"),
            ("/x/./key", "/x/key"),
            ("/x/../key", "/key"),
            ("x/key", "/x/key"),
            ("./x", "/x"),
            ("~/.ssh/id", "/home/NAME/.ssh/id"),
            ("~backup/.ssh", "/home/backup/.ssh"),
            ("~", "/home/NAME"),
            ("$HOME/x", "/home/NAME/x"),
            ("${HOME}/x", "/home/NAME/x"),
            ("file:///etc/x", "/etc/x"),
            ("/\u{10ff65}tc", "/etc"),
        ] {
            let hint = text(Language::Path, written);

            assert!(!Language::Path.has(written));
            assert_eq!(proposed(&hint), right, "{written}: {hint}");
            assert!(Language::Path.has(right));
        }
        assert!(text(Language::Path, "").contains("`/`"));
        assert!(text(Language::Name, "a/b").contains("write `b`"));
        assert!(text(Language::Name, "..").contains("never"));
        assert!(text(Language::Number, "007").contains("write `7`"));
        assert!(text(Language::Number, "init").contains("digits"));
    }

    #[test]
    fn the_right_pattern_is_offered() {
        for (written, right) in [
            ("/x//key/*", "/x/key/*"),
            ("*//key", "*/key"),
            ("/x/./*", "/x/*"),
            ("/x/../*", "/*"),
            ("/x/key/", "/x/key"),
            ("/x/*/", "/x/*"),
            ("etc/*", "/etc/*"),
            ("./etc/*", "/etc/*"),
            ("~/.ssh/*", "/home/NAME/.ssh/*"),
            ("$HOME/*", "/home/NAME/*"),
            ("", "/"),
        ] {
            let elements: Vec<PatternElem> = written
                .chars()
                .map(|c| if c == '*' { PatternElem::Wildcard } else { PatternElem::Char(c) })
                .collect();

            let hint = pattern(Language::Path, &elements);

            assert!(!Language::Path.can_match(&elements), "{written}");
            assert_eq!(proposed(&hint), right, "{written}: {hint}");
        }
        let after_a_wildcard = [
            PatternElem::Wildcard,
            PatternElem::Char('/'),
            PatternElem::Char('.'),
            PatternElem::Char('.'),
            PatternElem::Char('/'),
            PatternElem::Char('a'),
        ];
        assert!(pattern(Language::Path, &after_a_wildcard).contains("no `..`"));
    }
}
