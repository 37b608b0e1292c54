//! Findings and outcomes as other programs read them: SARIF 2.1.0 and JUnit's XML.

use serde_json::{Value, json};

use crate::policy::{Finding, Severity};
use crate::terminal::printable_line;

/// Something that is told about one place of a file.
pub(super) struct Told<'a> {
    /// Which rule of [`RULES`] it comes from.
    pub rule: &'static str,
    /// Whether nothing is wrong there.
    pub passed: bool,
    /// Whether it is no error but a warning.
    pub is_warning: bool,
    /// The text for people.
    pub message: String,
    /// Empty where it is about no file alone.
    pub file: &'a str,
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1; nothing where the whole line is meant.
    pub column: Option<usize>,
    /// In characters; 0 where nothing is underlined.
    pub length: usize,
}

impl<'a> Told<'a> {
    /// What `policy check` has found.
    pub(super) fn of(finding: &'a Finding) -> Self {
        let help = finding.hint.as_ref().map(|hint| format!(" (help: {hint})")).unwrap_or_default();
        Self {
            rule: FINDING,
            passed: false,
            is_warning: finding.severity == Severity::Warning,
            message: format!("{}{help}", finding.message),
            file: &finding.file,
            line: finding.line,
            column: Some(finding.column),
            length: finding.length,
        }
    }

    fn level(&self) -> &'static str {
        match (self.passed, self.is_warning) {
            (true, _) => "none",
            (false, true) => "warning",
            (false, false) => "error",
        }
    }

    fn result(&self) -> Value {
        let mut result = json!({
            "ruleId": self.rule,
            "kind": if self.passed { "pass" } else { "fail" },
            "level": self.level(),
            "message": { "text": message(&self.message) },
        });
        if self.file.is_empty() {
            return result;
        }
        let mut region = json!({ "startLine": self.line.max(1) });
        if let Some(column) = self.column {
            region["startColumn"] = json!(column.max(1));
            if self.length > 0 {
                region["endColumn"] = json!(column.max(1).saturating_add(self.length));
            }
        }
        let place = json!({ "artifactLocation": { "uri": uri(self.file) }, "region": region });
        result["locations"] = json!([{ "physicalLocation": place }]);
        result
    }
}

/// A log with one run of this program.
pub(super) fn sarif(told: &[Told<'_>]) -> String {
    let rules: Vec<Value> =
        RULES.iter().map(|(id, text)| json!({ "id": id, "shortDescription": { "text": text } })).collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "rex-broker", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            // SARIF 2.1.0, 3.14.17: otherwise columns are counted in UTF-16.
            "columnKind": "unicodeCodePoints",
            "results": told.iter().map(Told::result).collect::<Vec<_>>(),
        }],
    });
    format!("{log:#}\n")
}

/// Findings as a suite with a case for each, of which errors are failures, and warnings too where they are to fail.
pub(super) fn junit(told: &[Told<'_>], warnings_fail: bool) -> String {
    let fails = |told: &Told<'_>| !told.is_warning || warnings_fail;
    let failures = told.iter().filter(|told| fails(told)).count();
    // A suite without a case is taken for one that did not run.
    let clean = "    <testcase classname=\"policy check\" name=\"nothing found\"/>\n".to_owned();
    let cases: String =
        if told.is_empty() { clean } else { told.iter().map(|told| case(told, fails(told))).collect() };
    let count = told.len().max(1);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"{count}\" failures=\"{failures}\" errors=\"0\">\n  \
         <testsuite name=\"policy check\" tests=\"{count}\" failures=\"{failures}\" errors=\"0\" skipped=\"0\">\n{cases}  \
         </testsuite>\n</testsuites>\n"
    )
}

fn case(told: &Told<'_>, fails: bool) -> String {
    let place = format!("{}:{}", told.file, told.line);
    let message = xml_text(&told.message);
    let (name, file, word) = (xml_text(&place), xml_text(told.file), told.level());
    let inner = match fails {
        true => format!("<failure type=\"{word}\" message=\"{message}\"/>"),
        false => format!("<system-out>{word}: {message}</system-out>"),
    };
    format!("    <testcase classname=\"{file}\" name=\"{name}\">{inner}</testcase>\n")
}

/// As a value of an attribute or as text (XML 1.0, 2.2 and 3.3.3).
pub(super) fn xml_text(text: &str) -> String {
    let mut xml = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\t' => xml.push_str("&#9;"),
            '\n' => xml.push_str("&#10;"),
            '\r' => xml.push_str("&#13;"),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => xml.push(char::REPLACEMENT_CHARACTER),
            other => xml.push(other),
        }
    }
    xml
}

/// SARIF 2.1.0, 3.11.5: braces are doubled, because a single one begins a placeholder.
fn message(text: &str) -> String {
    printable_line(text).replace('{', "{{").replace('}', "}}")
}

/// A reference to a file (RFC 3986): relative as it was given, or absolute.
fn uri(path: &str) -> String {
    let mut uri = if path.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                uri.push(char::from(byte))
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri
}

/// What is wrong or doubtful in a policy.
const FINDING: &str = "policy/finding";
/// What was expected of a policy.
pub(super) const EXPECTATION: &str = "policy/expectation";

const RULES: [(&str, &str); 2] = [
    (FINDING, "What is wrong or doubtful in a policy"),
    (EXPECTATION, "What a policy decides is what is expected of it"),
];

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_become_references_that_lead_back_to_them() {
        for (path, expected) in [
            ("a/site.cedar", "a/site.cedar"),
            ("/etc/a b.cedar", "file:///etc/a%20b.cedar"),
            ("c:\\é%\n", "c%3A%5C%C3%A9%25%0A"),
        ] {
            assert_eq!(uri(path), expected);
        }
    }

    #[test]
    fn a_message_has_no_placeholder_and_controls_no_terminal() {
        let text = message("when { \u{1b}[31m }");

        assert!(text.starts_with("when {{ ") && text.ends_with(" }}"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}
