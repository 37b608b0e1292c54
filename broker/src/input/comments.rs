//! Whether a script has anything to execute.

/// Whether the text is only blanks and comments. Block comments nest in Rhai.
pub(super) fn are_all(script: &str) -> bool {
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
        for script in ["", " \n\t", "// x", "// x\n/* y\n */ // z\n", "/* a /* b */ c */\n"] {
            assert!(are_all(script), "{script:?}");
        }
    }

    #[test]
    fn anything_else_does() {
        for script in ["1", "// x\n1", "/* x */ 1", "/", "\"//\"", "/* a /* b */ 1", "/* open"] {
            assert!(!are_all(script), "{script:?}");
        }
    }
}
