//! What is wrong with policies, told before they are used.

use std::fmt::Write;

use super::{CheckArguments, may_be_coloured, print, read, texts};
use crate::policy::{Finding, Policies, Severity, render, unasked, undone};
use crate::result::Exit;
use crate::run::input::PolicySource;

pub(super) fn run(arguments: &CheckArguments) -> Exit {
    let sources = match read(&arguments.paths) {
        Ok(sources) => sources,
        Err(unread) if arguments.json => {
            return match print(&json(&[unread.finding()])) {
                Exit::Done => unread.exit,
                unwritten => unwritten,
            };
        }
        Err(unread) => return unread.exit,
    };
    let texts = texts(&sources);
    let (findings, policies): (Vec<Finding>, _) = match Policies::load(&texts, arguments.policy_mode) {
        Ok(loaded) => {
            let count = loaded.policies.len();
            // Only here: a run that goes on is not told each time what its author may have meant.
            let idle = unasked(&loaded.policies, &texts);
            let undone = undone(loaded.policies, &texts);
            let doubtful = sources.iter().flat_map(writable);
            (doubtful.chain(loaded.warnings).chain(idle).chain(undone).collect(), Some(count))
        }
        Err(errors) => (errors.findings().to_vec(), None),
    };
    let written = if arguments.json {
        print(&json(&findings))
    } else {
        let shown = render(&findings, &texts, may_be_coloured(&std::io::stdout()));
        print(&(shown + &summary(&findings, policies, texts.len())))
    };
    match (written, policies) {
        (Exit::Done, None) => Exit::InputInvalid,
        (Exit::Done, Some(_)) if arguments.deny_warnings && !findings.is_empty() => Exit::InputInvalid,
        (written, _) => written,
    }
}

/// Who else decides what scripts may do. No line of the file is to blame, so it is the first, and nothing is underlined.
fn writable(source: &PolicySource) -> impl Iterator<Item = Finding> + '_ {
    source.writable_by_group.iter().map(|path| Finding {
        severity: Severity::Warning,
        file: path.clone(),
        line: 1,
        column: 1,
        length: 0,
        message: "its group may write this policy, and so decides what scripts may do".to_owned(),
        hint: Some("take that away with chmod g-w; for a run by root it is refused".to_owned()),
        policy_id: None,
    })
}

/// An array on many lines, for people who look at it all the same.
fn json(findings: &[Finding]) -> String {
    // Texts and numbers always have a JSON form.
    serde_json::to_string_pretty(findings).unwrap_or_default() + "\n"
}

fn summary(findings: &[Finding], policies: Option<usize>, files: usize) -> String {
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let mut text = match policies {
        Some(policies) => format!(
            "accepted: {} in {}",
            several(policies, "policy", "policies"),
            several(files, "file", "files")
        ),
        None => format!("refused: {}", several(count(Severity::Error), "error", "errors")),
    };
    if count(Severity::Warning) > 0 {
        // Writing to a string does not fail.
        let _ = write!(text, ", {}", several(count(Severity::Warning), "warning", "warnings"));
    }
    text + "\n"
}

fn several(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
