//! A file of requests with the decisions that are expected of a policy.

use std::fmt;
use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::{Asked, ExplainArguments};
use crate::policy::Mode;

/// What a file says.
#[derive(Debug)]
pub(super) struct Expectations {
    /// The policies that it is about, from the file's own directory; those beside it when it names none.
    pub(super) policies: Vec<PathBuf>,
    pub(super) requests: Vec<Request>,
}

/// One request, and what is to come of it.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) name: String,
    /// The line on which it begins, from 1.
    pub(super) line: usize,
    pub(super) asked: Asked,
    pub(super) principal: String,
    pub(super) is_permitted: bool,
    /// The ids of all policies that are to decide it, sorted; nothing where that does not matter.
    pub(super) by: Option<Vec<String>>,
}

/// Why a file says nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unusable {
    /// From 1; nothing where no line is to blame.
    pub(super) line: Option<usize>,
    pub(super) reason: String,
    pub(super) is_missing: bool,
}

impl fmt::Display for Unusable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(out, "{line}: {}", self.reason),
            None => write!(out, " {}", self.reason),
        }
    }
}

/// Reads the file.
pub(super) fn read(path: &Path, mode: Mode) -> Result<Expectations, Unusable> {
    let unread = |reason: String, is_missing| Unusable { line: None, reason, is_missing };
    let text = text_of(path).map_err(|(reason, is_missing)| unread(reason, is_missing))?;
    let beside = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    parse(&text, beside, mode)
}

fn text_of(path: &Path) -> Result<String, (String, bool)> {
    let failed = |error: std::io::Error| (format!("cannot be read: {error}"), true);
    // What is no file must not be waited for.
    let file =
        OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(("is not a regular file".to_owned(), false));
    }
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err((format!("is larger than {MOST_BYTES} bytes"), false));
    }
    String::from_utf8(bytes).map_err(|_| ("is not UTF-8".to_owned(), false))
}

/// Reads the text of a file in this directory.
fn parse(text: &str, beside: &Path, mode: Mode) -> Result<Expectations, Unusable> {
    let line_of = |byte: usize| 1 + text.as_bytes().iter().take(byte).filter(|byte| **byte == b'\n').count();
    let wrong =
        |byte: usize, reason: String| Unusable { line: Some(line_of(byte)), reason, is_missing: false };
    let whole = DeTable::parse(text)
        .map_err(|error| wrong(error.span().map_or(0, |span| span.start), error.message().to_owned()))?;
    let (mut policies, mut principal, mut tables) = (Vec::new(), None, Vec::new());
    for (key, value) in whole.get_ref() {
        let start = key.span().start;
        match (key.get_ref().as_ref(), value.get_ref()) {
            ("policy", _) => {
                policies = texts(value).ok_or_else(|| wrong(start, format!("`policy` {WANTS_TEXTS}")))?;
            }
            ("principal", DeValue::String(user)) => principal = Some(user.to_string()),
            ("request", DeValue::Array(requests)) => tables.extend(requests.iter()),
            ("principal", _) => return Err(wrong(start, "`principal` wants a text in quotes".to_owned())),
            ("request", _) => return Err(wrong(start, "requests are written [[request]]".to_owned())),
            (other, _) => {
                return Err(wrong(
                    start,
                    format!("there is no `{other}` here, only policy, principal and [[request]]"),
                ));
            }
        }
    }
    if tables.is_empty() {
        return Err(wrong(0, "there is no [[request]]".to_owned()));
    }
    if tables.len() > MOST_REQUESTS {
        return Err(wrong(0, format!("there are more than {MOST_REQUESTS} requests")));
    }
    let mut requests = Vec::new();
    for table in tables {
        let start = table.span().start;
        let DeValue::Table(inner) = table.get_ref() else {
            return Err(wrong(start, "requests are written [[request]]".to_owned()));
        };
        let read = Written::of(inner).and_then(|written| written.request(principal.as_deref(), mode));
        let mut request = read.map_err(|(place, reason)| wrong(place.unwrap_or(start), reason))?;
        request.line = line_of(start);
        requests.push(request);
    }
    let policies = match policies.as_slice() {
        [] => vec![beside.to_owned()],
        named => named.iter().map(|name| beside.join(name)).collect(),
    };
    Ok(Expectations { policies, requests })
}

/// A request as it is written, key by key.
#[derive(Debug, Default)]
struct Written {
    name: Option<String>,
    action: Option<String>,
    resource: Option<String>,
    resource_type: Option<String>,
    principal: Option<String>,
    context: Option<String>,
    process: Option<String>,
    expect: Option<(usize, String)>,
    by: Option<Vec<String>>,
}

/// What is wrong, and at which byte where that is known.
type Wrong = (Option<usize>, String);

impl Written {
    fn of(table: &DeTable<'_>) -> Result<Self, Wrong> {
        let mut written = Self::default();
        for (key, value) in table {
            let start = key.span().start;
            written.take(key.get_ref(), value, start).map_err(|reason| (Some(start), reason))?;
        }
        Ok(written)
    }

    fn take(&mut self, key: &DeString<'_>, value: &Spanned<DeValue<'_>>, start: usize) -> Result<(), String> {
        let place = match key.as_ref() {
            "context" => {
                self.context = Some(json(value.get_ref())?.to_string());
                return Ok(());
            }
            "process" => {
                self.process = Some(json(value.get_ref())?.to_string());
                return Ok(());
            }
            "by" => {
                let mut ids = texts(value).ok_or_else(|| format!("`by` {WANTS_TEXTS}"))?;
                ids.sort();
                self.by = Some(ids);
                return Ok(());
            }
            "expect" => {
                let word = value.get_ref().as_str().ok_or("`expect` wants \"permitted\" or \"denied\"")?;
                self.expect = Some((start, word.to_owned()));
                return Ok(());
            }
            "name" => &mut self.name,
            "action" => &mut self.action,
            "resource" => &mut self.resource,
            "resource_type" => &mut self.resource_type,
            "principal" => &mut self.principal,
            other => return Err(format!("a request has no `{other}`; it has {}", KEYS.join(", "))),
        };
        let text = value.get_ref().as_str().ok_or_else(|| format!("`{key}` wants a text in quotes"))?;
        *place = Some(text.to_owned());
        Ok(())
    }

    fn request(self, principal: Option<&str>, mode: Mode) -> Result<Request, Wrong> {
        let missing = |key: &str| (None, format!("this request has no `{key}`"));
        let action = self.action.ok_or_else(|| missing("action"))?;
        let (place, word) = self.expect.ok_or_else(|| missing("expect"))?;
        let is_permitted = match word.as_str() {
            "permitted" => true,
            "denied" => false,
            _ => return Err((Some(place), "`expect` wants \"permitted\" or \"denied\"".to_owned())),
        };
        let principal = self.principal.or_else(|| principal.map(str::to_owned));
        // Whoever runs the tests must not decide what comes of them.
        let principal = principal.ok_or_else(|| (None, NOBODY.to_owned()))?;
        let name = self.name.unwrap_or_else(|| {
            let resource = self.resource.as_deref().unwrap_or_default();
            format!("{action} {resource}").trim_end().to_owned()
        });
        let asked = Asked::parse(&ExplainArguments {
            policy: Vec::new(),
            action,
            resource: self.resource,
            resource_type: self.resource_type,
            principal: Some(principal),
            context: self.context,
            process: self.process,
            policy_mode: mode,
            json: false,
        })
        .map_err(|error| (None, error.to_string()))?;
        let principal = asked.principal.clone().unwrap_or_default();
        Ok(Request { name, line: 0, asked, principal, is_permitted, by: self.by })
    }
}

/// A text, or a list of texts.
fn texts(value: &Spanned<DeValue<'_>>) -> Option<Vec<String>> {
    match value.get_ref() {
        DeValue::String(text) => Some(vec![text.to_string()]),
        DeValue::Array(values) => {
            values.iter().map(|value| value.get_ref().as_str().map(str::to_owned)).collect()
        }
        _ => None,
    }
}

/// What `policy explain` takes as JSON is written as TOML here.
fn json(value: &DeValue<'_>) -> Result<Value, String> {
    match value {
        DeValue::String(text) => Ok(Value::from(text.as_ref())),
        DeValue::Boolean(truth) => Ok(Value::from(*truth)),
        DeValue::Integer(number) => i64::from_str_radix(&number.as_str().replace('_', ""), number.radix())
            .map(Value::from)
            .map_err(|error| format!("`{number}`: {error}")),
        DeValue::Array(values) => values.iter().map(|value| json(value.get_ref())).collect(),
        DeValue::Table(table) => {
            table.iter().map(|(key, value)| Ok((key.get_ref().to_string(), json(value.get_ref())?))).collect()
        }
        DeValue::Float(_) | DeValue::Datetime(_) => Err("a policy sees no such value".to_owned()),
    }
}

const KEYS: [&str; 9] =
    ["name", "action", "resource", "resource_type", "principal", "context", "process", "expect", "by"];
const WANTS_TEXTS: &str = "wants a text in quotes, or a list of them";
const NOBODY: &str = "this request has no `principal`, and the file has none for all";
/// The longest file.
const MOST_BYTES: u64 = 1024 * 1024;
/// The most requests of one file.
const MOST_REQUESTS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        parse(text, Path::new("/p"), Mode::Standard).expect_err("it is wrong").to_string()
    }

    #[test]
    fn a_request_says_who_what_and_what_is_to_come_of_it() {
        let text = "principal = \"ana\"\n\n[[request]]\naction = \"read\"\nresource = \"/a\"\nexpect = \"permitted\"\nby = [\"z\", \"a\"]\n\n\
                    [[request]]\nname = \"n\"\nprincipal = \"bo\"\naction = \"systemd::restart\"\nresource = \"nginx.service\"\nexpect = \"denied\"\n";

        let read = parse(text, Path::new("/p"), Mode::Standard).expect("it is right");

        assert_eq!(read.policies, [PathBuf::from("/p")]);
        let told: Vec<_> = read
            .requests
            .iter()
            .map(|request| {
                (request.name.as_str(), request.line, request.principal.as_str(), request.is_permitted)
            })
            .collect();
        assert_eq!(told, [("read /a", 3, "ana", true), ("n", 9, "bo", false)]);
        assert_eq!(read.requests[0].by.as_deref(), Some(&["a".to_owned(), "z".to_owned()][..]));
    }

    #[test]
    fn policies_are_named_from_where_the_file_is() {
        let text = "policy = [\"a.cedar\", \"/b.cedar\"]\n[[request]]\nprincipal = \"a\"\naction = \"read\"\nresource = \"/a\"\nexpect = \"denied\"\n";

        let read = parse(text, Path::new("/p"), Mode::Standard).expect("it is right");

        assert_eq!(read.policies, [PathBuf::from("/p/a.cedar"), PathBuf::from("/b.cedar")]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let request = "[[request]]\nprincipal = \"a\"\naction = \"read\"\nresource = \"/a\"\n";
        for (text, said) in [
            (String::new(), "1: there is no [[request]]"),
            ("request = 1".into(), "1: requests are written [[request]]"),
            ("x = 1".into(), "1: there is no `x` here, only policy, principal and [[request]]"),
            (request.to_owned(), "1: this request has no `expect`"),
            (format!("{request}expect = \"allow\""), "5: `expect` wants \"permitted\" or \"denied\""),
            (format!("{request}expect = 1"), "5: `expect` wants \"permitted\" or \"denied\""),
            (format!("{request}colour = \"red\""), "5: a request has no `colour`; it has name, action,"),
            (format!("{request}name = 1"), "5: `name` wants a text in quotes"),
            (format!("{request}context = 1.5"), "5: a policy sees no such value"),
            (
                "[[request]]\naction = \"read\"\nexpect = \"denied\"".into(),
                "1: this request has no `principal`",
            ),
            ("[[request]]\naction = \"read\nexpect".into(), "3: "),
        ] {
            let told = wrong(&text);
            assert!(told.starts_with(said), "{text:?} says {told:?}, not {said:?}");
        }
    }
}
