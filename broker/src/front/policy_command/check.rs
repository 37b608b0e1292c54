//! What is wrong with policies, told before they are used.

use std::fmt::Write;

use super::report::{self, Told, sarif};
use super::{CheckArguments, ReportFormat, may_be_coloured, print, read, texts};
use crate::policy::{Finding, Policies, Severity, render, unasked, undone};
use crate::result::Exit;
use crate::run::input::PolicySource;

pub(super) fn run(arguments: &CheckArguments) -> Exit {
    let format = if arguments.json { ReportFormat::Json } else { arguments.format };
    let sources = match read(&arguments.paths) {
        Ok(sources) => sources,
        Err(unread) => {
            // For people it stands on standard error.
            let document = document(&[unread.finding()], format, arguments.deny_warnings);
            return match document.map_or(Exit::Done, |document| print(&document)) {
                Exit::Done => unread.exit,
                unwritten => unwritten,
            };
        }
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
    let written = print(&document(&findings, format, arguments.deny_warnings).unwrap_or_else(|| {
        let shown = render(&findings, &texts, may_be_coloured(&std::io::stdout()));
        shown + &summary(&findings, policies, texts.len())
    }));
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

/// The findings as a program reads them; nothing where a person does.
fn document(findings: &[Finding], format: ReportFormat, warnings_fail: bool) -> Option<String> {
    let told = || findings.iter().map(Told::of).collect::<Vec<_>>();
    match format {
        ReportFormat::Text => None,
        ReportFormat::Json => Some(json(findings)),
        ReportFormat::Sarif => Some(sarif(&told())),
        ReportFormat::Junit => Some(report::junit(&told(), warnings_fail)),
    }
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
