//! How policy texts become policies, or the reasons why not.

use std::collections::{HashMap, HashSet};

use cedar_policy_core::FromNormalizedStr;
use cedar_policy_core::ast::{AnyId, PolicyID};
use sha2::{Digest, Sha256};

use super::check;
use super::finding::{Finding, PolicyErrors, Severity, Source};
use super::links::{self, Link};
use super::parse::{Parsed, parse};
use super::policies::{Place, Policies, Rule};
use super::vocabulary::Vocabulary;

/// One policy text.
#[derive(Clone, Copy, Debug)]
pub struct PolicyText<'a> {
    /// How findings call it; usually the path.
    pub name: &'a str,
    /// Policies in Cedar's syntax.
    pub text: &'a str,
}

/// What to do with policies that are doubtful or wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Refuse what can only be a mistake; warn about the rest.
    #[default]
    Standard,
    /// Refuse what Standard warns about, too.
    Strict,
    /// Refuse only what does not parse, as Rex does; warn about everything else.
    Rex,
}

impl Mode {
    /// The name on the command line and in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Strict => "strict",
            Self::Rex => "rex",
        }
    }
}

/// Policies that may be used, and what is doubtful in them.
#[derive(Debug)]
pub struct Loaded {
    /// Ready to decide.
    pub policies: Policies,
    /// In the order of the text.
    pub warnings: Vec<Finding>,
}

impl Policies {
    /// Parses and checks policies. No source, or one without policies, is valid and denies everything.
    ///
    /// # Errors
    /// Every finding, when at least one of them weighs as an error under `mode`.
    pub fn load(sources: &[PolicyText<'_>], mode: Mode) -> Result<Loaded, PolicyErrors> {
        Self::load_linked(sources, mode, &[])
    }

    /// Likewise, with what these links make of templates.
    ///
    /// # Errors
    /// As [`Policies::load`]. A link that does not fit its template is left out with a warning.
    pub fn load_linked(
        sources: &[PolicyText<'_>],
        mode: Mode,
        links: &[Link],
    ) -> Result<Loaded, PolicyErrors> {
        let texts: Vec<Source<'_>> =
            sources.iter().map(|source| Source::new(source.name, source.text)).collect();
        let mut parsed = parse(&texts, mode != Mode::Rex)?;
        let mut findings = name(&mut parsed, &texts);
        let (linked, doubts) = links::link(&parsed, links, &texts);
        findings.extend(doubts);
        // What is linked is checked like any other, and its template says nothing more.
        parsed.extend(linked);
        let words = Vocabulary::new();
        findings.extend(check::check(&parsed, &texts, &words));
        for finding in &mut findings {
            match mode {
                Mode::Standard => {}
                Mode::Strict => finding.severity = Severity::Error,
                Mode::Rex => finding.severity = Severity::Warning,
            }
        }
        let order: HashMap<&str, usize> =
            sources.iter().enumerate().rev().map(|(at, source)| (source.name, at)).collect();
        findings.sort_by_cached_key(|finding| {
            let file = order.get(finding.file.as_str()).copied().unwrap_or(usize::MAX);
            (file, finding.line, finding.column, finding.severity, finding.message.clone())
        });
        findings.dedup();
        if findings.iter().any(|finding| finding.severity == Severity::Error) {
            return Err(PolicyErrors { findings, cedar_reason: None });
        }
        let rules = parsed.into_iter().filter_map(|parsed| rule(parsed, &texts, &words)).collect();
        Ok(Loaded { policies: Policies::new(rules, words, policy_sha256(sources)), warnings: findings })
    }
}

/// Gives each policy its id: the `@id` annotation if it has one that is free, else `policyN`.
pub(super) fn name(parsed: &mut [Parsed], texts: &[Source<'_>]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut taken: HashSet<String> = HashSet::new();
    // Parsing it would build a second lexer, which takes longer than everything else that a small policy needs.
    let annotation = AnyId::from_normalized_str("id").ok();
    for (number, parsed) in parsed.iter_mut().enumerate() {
        let given = annotation
            .as_ref()
            .and_then(|key| parsed.policy.annotation(key))
            .map(|value| value.val.to_string());
        let wanted = given.unwrap_or_else(|| format!("policy{number}"));
        parsed.id = wanted.clone();
        while taken.contains(&parsed.id) {
            parsed.id += &format!("#{number}");
        }
        if parsed.id != wanted
            && let Some(source) = texts.get(parsed.source)
        {
            let message = format!("the id `{wanted}` is used by more than one policy");
            let mut finding = source.finding(Severity::Warning, parsed.span, message);
            finding.hint = Some(format!("verdicts will name this one `{}`", parsed.id));
            finding.policy_id = Some(parsed.id.clone());
            findings.push(finding);
        }
        taken.insert(parsed.id.clone());
        parsed.policy = parsed.policy.new_id(PolicyID::from_string(&parsed.id));
    }
    findings
}

/// A template is left out: only what links make of it applies to something.
fn rule(parsed: Parsed, texts: &[Source<'_>], words: &Vocabulary) -> Option<Rule> {
    if parsed.policy.slots().next().is_some() {
        return None;
    }
    let source = texts.get(parsed.source)?;
    let (line, column) = source.position(parsed.span.0);
    let place = Place { file: source.name().to_owned(), line, column };
    let mut rule = Rule::new(parsed.id, &parsed.policy, place, words);
    rule.link = parsed.link;
    Some(rule)
}

/// SHA-256 of one policy text, in hexadecimal digits; of several: of their digests in order, one a line.
pub fn policy_sha256(sources: &[PolicyText<'_>]) -> String {
    let digests: Vec<String> = sources.iter().map(|source| hex(&Sha256::digest(source.text))).collect();
    match digests.as_slice() {
        [only] => only.clone(),
        several => hex(&Sha256::digest(several.iter().flat_map(|digest| [digest, "\n"]).collect::<String>())),
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
