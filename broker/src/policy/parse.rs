//! From text to single policies, or everything that keeps the text from being policies.

use cedar_policy_core::ast::Template;
use cedar_policy_core::parser;
use cedar_policy_core::parser::err::ParseError;
use miette::Diagnostic;

use super::finding::{BYTE_ORDER_MARK, Finding, PolicyErrors, Severity, Source};
use super::guard;

/// A policy that parsed.
pub(super) struct Parsed {
    pub(super) policy: Template,
    /// The position of its source.
    pub(super) source: usize,
    /// Its first and last byte there.
    pub(super) span: (usize, usize),
    /// Where the part that Cedar saw begins: what Cedar says of places counts from there.
    pub(super) base: usize,
    pub(super) id: String,
    /// The link that has filled its slots.
    pub(super) link: Option<String>,
}

impl Parsed {
    fn new(policy: &Template, source: usize, base: usize) -> Self {
        let span = policy.loc().map_or((base, base), |loc| (base + loc.start(), base + loc.end()));
        Self { policy: policy.clone(), source, span, base, id: String::new(), link: None }
    }
}

/// Parses every source. With `marks`, a text may begin with a byte-order mark, which Cedar's own parser refuses.
pub(super) fn parse(texts: &[Source<'_>], marks: bool) -> Result<Vec<Parsed>, PolicyErrors> {
    let mut policies = Vec::new();
    let mut errors = PolicyErrors { findings: Vec::new(), cedar_reason: None };
    let (mut total_bytes, mut total_policies) = (0_usize, 0_usize);
    for (position, source) in texts.iter().enumerate() {
        total_bytes = total_bytes.saturating_add(source.text().len());
        if total_bytes > LIMIT_BYTES {
            let message = format!("the policies are longer than {LIMIT_BYTES} bytes");
            errors.findings.push(source.finding(Severity::Error, (0, 0), message));
            break;
        }
        // Parsing takes a hundred times as long as counting.
        total_policies = total_policies.saturating_add(guard::policies(source.text()));
        if total_policies > LIMIT_POLICIES {
            let message = format!("there are more than {LIMIT_POLICIES} policies");
            errors.findings.push(source.finding(Severity::Error, (0, 0), message));
            break;
        }
        let has_mark = marks && source.text().starts_with(BYTE_ORDER_MARK);
        let begin = if has_mark { BYTE_ORDER_MARK.len_utf8() } else { 0 };
        parse_source(position, (source, begin), &mut policies, &mut errors);
    }
    if errors.findings.is_empty() { Ok(policies) } else { Err(errors) }
}

fn parse_source(
    position: usize,
    (source, begin): (&Source<'_>, usize),
    policies: &mut Vec<Parsed>,
    errors: &mut PolicyErrors,
) {
    let ends = match guard::scan(source.text()) {
        Ok(ends) => ends,
        Err(deep) => {
            let message = "the expression is nested too deeply".to_owned();
            let mut finding = source.finding(Severity::Error, (deep.at, deep.at + 1), message);
            finding.hint = Some("write several smaller policies".to_owned());
            errors.findings.push(finding);
            return;
        }
    };
    let limit = errors.findings.len() + LIMIT_FINDINGS;
    let mut base = begin;
    for end in ends.into_iter().chain([source.text().len()]) {
        let part = source.text().get(base..end).unwrap_or_default();
        match parser::parse_policyset(part) {
            Ok(set) => {
                let mut own: Vec<Parsed> =
                    set.all_templates().map(|policy| Parsed::new(policy, position, base)).collect();
                own.sort_by_key(|parsed| parsed.span);
                policies.append(&mut own);
            }
            Err(reasons) => {
                errors.cedar_reason.get_or_insert_with(|| reasons.to_string());
                let room = limit.saturating_sub(errors.findings.len());
                let told = reasons.iter().take(room).map(|reason| finding(source, base, reason));
                errors.findings.extend(told);
            }
        }
        // After so many, the rest are consequences, and each costs Cedar two kilobytes.
        if errors.findings.len() >= limit {
            return;
        }
        base = end;
    }
}

fn finding(source: &Source<'_>, base: usize, reason: &ParseError) -> Finding {
    let label = reason.labels().and_then(|mut labels| labels.next());
    let span = label.map_or((0, 0), |label| (label.offset(), label.offset() + label.len()));
    let mut finding = source.finding(Severity::Error, (base + span.0, base + span.1), reason.to_string());
    finding.hint = reason.help().map(|help| help.to_string());
    finding
}

/// Of all sources together.
const LIMIT_BYTES: usize = 16 << 20;
const LIMIT_POLICIES: usize = 100_000;
/// Of each source.
const LIMIT_FINDINGS: usize = 100;
