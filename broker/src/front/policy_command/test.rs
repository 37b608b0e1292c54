//! Whether policies decide as their authors expect.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::expected::{self, Expectations, Request, Unusable};
use super::report::{EXPECTATION, Told, sarif, xml_text};
use super::{ReportFormat, TestArguments, complain, print, read, show, texts};
use crate::policy::explain::{Explanation, Ground, explain};
use crate::policy::{Engine, Policies};
use crate::result::Exit;
use crate::terminal::printable_line;

pub(super) fn run(arguments: &TestArguments) -> Exit {
    let mut outcomes = Vec::new();
    for path in &arguments.paths {
        let files = match files(path) {
            Ok(files) => files,
            Err((exit, reason)) => {
                complain(&format!("{}: {reason}", path.display()));
                return exit;
            }
        };
        for file in &files {
            match tried(file, arguments) {
                Ok(tried) => outcomes.extend(tried),
                Err(exit) => return exit,
            }
        }
    }
    let failed = outcomes.iter().filter(|outcome| !outcome.passed).count();
    if let Some(path) = &arguments.junit
        && let Err(error) = std::fs::write(path, junit(&outcomes))
    {
        complain(&format!("cannot write {}: {error}", path.display()));
        return Exit::OutputNotWritten;
    }
    let format = if arguments.json { ReportFormat::Json } else { arguments.format };
    let written = print(&match format {
        // Texts and numbers always have a JSON form.
        ReportFormat::Json => serde_json::to_string_pretty(&outcomes).unwrap_or_default() + "\n",
        ReportFormat::Text => text(&outcomes, failed, arguments.verbose),
        ReportFormat::Sarif => sarif(&outcomes.iter().map(Outcome::reported).collect::<Vec<_>>()),
        ReportFormat::Junit => junit(&outcomes),
    });
    match written {
        Exit::Done if failed > 0 => Exit::ScriptFailed,
        written => written,
    }
}

/// The file itself, or those of a directory, in the order of their names.
fn files(path: &Path) -> Result<Vec<PathBuf>, (Exit, String)> {
    let unread = |error: std::io::Error| (Exit::InputMissing, format!("cannot be read: {error}"));
    if !std::fs::metadata(path).map_err(unread)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unread)? {
        let path = entry.map_err(unread)?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !is_hidden && path.extension() == Some(OsStr::new("toml")) {
            files.push(path);
        }
        if files.len() > MOST_FILES {
            return Err((Exit::InputInvalid, format!("has more than {MOST_FILES} files *.toml")));
        }
    }
    files.sort();
    if files.is_empty() { Err((Exit::InputInvalid, "has no file *.toml".to_owned())) } else { Ok(files) }
}

/// Asks the policies everything that one file asks.
fn tried(file: &Path, arguments: &TestArguments) -> Result<Vec<Outcome>, Exit> {
    let mode = arguments.policy_mode;
    let Expectations { policies, requests } = expected::read(file, mode).map_err(|unusable| {
        complain(&format!("{}:{unusable}", file.display()));
        let Unusable { is_missing, .. } = unusable;
        if is_missing { Exit::InputMissing } else { Exit::InputInvalid }
    })?;
    let paths = if arguments.policy.is_empty() { &policies } else { &arguments.policy };
    let sources = read(paths).map_err(|unread| unread.exit)?;
    let texts = texts(&sources);
    let mut engines: BTreeMap<String, Engine> = BTreeMap::new();
    let mut outcomes = Vec::new();
    for request in requests {
        if !engines.contains_key(&request.principal) {
            let loaded = Policies::load(&texts, mode).map_err(|errors| {
                show(&errors.of_weight(), &texts);
                Exit::InputInvalid
            })?;
            if engines.is_empty() {
                show(&loaded.warnings, &texts);
            }
            engines.insert(request.principal.clone(), Engine::new(loaded.policies, &request.principal));
        }
        let Some(engine) = engines.get_mut(&request.principal) else { return Err(Exit::Internal) };
        let explanation = request.asked.with(|question| explain(engine, question));
        outcomes.push(Outcome::of(file, request, explanation));
    }
    Ok(outcomes)
}

/// What came of one request.
#[derive(Serialize)]
struct Outcome {
    file: String,
    line: usize,
    name: String,
    passed: bool,
    expected: &'static str,
    decision: &'static str,
    /// The ids that were expected to decide, where that was said.
    expected_by: Option<Vec<String>>,
    grounds: Vec<Ground>,
    errors: Vec<String>,
}

impl Outcome {
    fn of(file: &Path, request: Request, explanation: Explanation) -> Self {
        let verdict = explanation.verdict;
        let mut by: Vec<&str> = explanation.grounds.iter().map(|ground| ground.id.as_str()).collect();
        by.sort_unstable();
        let is_by_them = request.by.as_ref().is_none_or(|expected| by.iter().eq(expected.iter()));
        Self {
            file: file.display().to_string(),
            line: request.line,
            name: request.name,
            passed: verdict.permitted == request.is_permitted && is_by_them,
            expected: word(request.is_permitted),
            decision: word(verdict.permitted),
            expected_by: request.by,
            grounds: explanation.grounds,
            errors: verdict.errors,
        }
    }

    fn reported(&self) -> Told<'_> {
        Told {
            rule: EXPECTATION,
            passed: self.passed,
            is_warning: false,
            message: format!("{}: {}", self.name, self.told()),
            file: &self.file,
            line: self.line,
            column: None,
            length: 0,
        }
    }

    /// What was decided, why, and what was expected, in one line.
    fn told(&self) -> String {
        let grounds: Vec<String> = self
            .grounds
            .iter()
            .map(|ground| match &ground.place {
                Some(place) => format!("`{}` ({place})", ground.id),
                None => format!("`{}`", ground.id),
            })
            .collect();
        let by = if grounds.is_empty() { "no statement".to_owned() } else { grounds.join(", ") };
        let mut told = format!("{} by {by}, expected {}", self.decision, self.expected);
        // Writing to a string does not fail.
        if let Some(expected) = &self.expected_by {
            let _ = write!(
                told,
                " by {}",
                if expected.is_empty() { "no statement".to_owned() } else { expected.join(", ") }
            );
        }
        for error in &self.errors {
            let _ = write!(told, "; evaluation failed: {error}");
        }
        told
    }
}

fn word(is_permitted: bool) -> &'static str {
    if is_permitted { "permitted" } else { "denied" }
}

/// A line for each request that failed, with `verbose` for each, and one for all.
fn text(outcomes: &[Outcome], failed: usize, verbose: bool) -> String {
    let mut text = String::new();
    for outcome in outcomes.iter().filter(|outcome| verbose || !outcome.passed) {
        let line = match outcome.passed {
            true => format!("ok      {}:{} {}", outcome.file, outcome.line, outcome.name),
            false => {
                format!("FAILED  {}:{} {}: {}", outcome.file, outcome.line, outcome.name, outcome.told())
            }
        };
        text.push_str(&printable_line(&line));
        text.push('\n');
    }
    let requests = if outcomes.len() == 1 { "request" } else { "requests" };
    // Writing to a string does not fail.
    let _ = writeln!(text, "{} {requests}, {failed} failed", outcomes.len());
    text
}

/// As continuous integration reads it: a suite for each file, a case for each request.
fn junit(outcomes: &[Outcome]) -> String {
    let failures = |outcomes: &[Outcome]| outcomes.iter().filter(|outcome| !outcome.passed).count();
    // Writing to a string does not fail.
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"{}\" failures=\"{}\" errors=\"0\">\n",
        outcomes.len(),
        failures(outcomes)
    );
    for suite in outcomes.chunk_by(|one, next| one.file == next.file) {
        let name = suite.first().map(|outcome| xml_text(&outcome.file)).unwrap_or_default();
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"0\">",
            suite.len(),
            failures(suite)
        );
        for outcome in suite {
            let case = format!(
                "    <testcase classname=\"{name}\" name=\"{}\" line=\"{}\"",
                xml_text(&outcome.name),
                outcome.line
            );
            let _ = match outcome.passed {
                true => writeln!(xml, "{case}/>"),
                false => {
                    writeln!(xml, "{case}><failure message=\"{}\"/></testcase>", xml_text(&outcome.told()))
                }
            };
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

/// The most files of one directory.
const MOST_FILES: usize = 10_000;
