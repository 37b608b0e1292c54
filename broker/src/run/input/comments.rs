//! Whether a script has anything to execute.

/// Whether the text is only blanks and comments. Block comments nest in Rhai. What the jail passes over before a script, a
/// byte-order mark and a line for the kernel, executes nothing either.
pub(super) fn are_all(script: &str) -> bool {
    let script = script.strip_prefix('\u{feff}').unwrap_or(script);
    let script =
        if script.starts_with("#!") { script.split_once('\n').map_or("", |(_, rest)| rest) } else { script };
    let mut rest = script.trim_start();
    while !rest.is_empty() {
        rest = match after_comment(rest) {
            Some(after) => after.trim_start(),
            None => return false,
        };
    }
    true
}

/// What follows the comment at the beginning, if there is one.
fn after_comment(text: &str) -> Option<&str> {
    if text.starts_with("//") {
        return Some(text.split_once('\n').map_or("", |(_, after)| after));
    }
    let mut rest = text.strip_prefix("/*")?;
    let mut depth = 1_usize;
    while depth > 0 {
        let next = rest.find(['/', '*'])?;
        rest = rest.get(next..).unwrap_or_default();
        if let Some(after) = rest.strip_prefix("/*") {
            depth += 1;
            rest = after;
        } else if let Some(after) = rest.strip_prefix("*/") {
            depth -= 1;
            rest = after;
        } else {
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_and_comments_execute_nothing() {
        for script in [
            "",
            " \n\t",
            "// x",
            "\u{feff}",
            "#!/bin/x",
            "\u{feff}#!/bin/x\n// y",
            "// x\n/* y\n */ // z\n",
            "/* a /* b */ c */\n",
        ] {
            assert!(are_all(script), "{script:?}");
        }
    }

    #[test]
    fn anything_else_does() {
        for script in [
            "1",
            "#!/bin/x\n1",
            "\u{feff}1",
            " #!/bin/x",
            "// x\n1",
            "/* x */ 1",
            "/",
            "\"//\"",
            "/* a /* b */ 1",
            "/* open",
        ] {
            assert!(!are_all(script), "{script:?}");
        }
    }
}
