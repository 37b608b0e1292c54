//! Templates and their links: to whom it was granted what a template permits, with what, and until when.

use std::sync::Arc;

use cedar_policy_core::ast::{
    Effect, EntityReference, EntityUID, PolicyID, PrincipalConstraint, PrincipalOrResourceConstraint,
    ResourceConstraint, SlotId, Template,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::finding::{Finding, Severity, Source};
use super::load::{PolicyText, hex, name};
use super::parse::{Parsed, parse};

/// A template with names in its slots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// What it is called.
    pub id: String,
    /// The id of the template.
    pub template: String,
    /// SHA-256 of the template's text, in hexadecimal digits: what was granted is not what somebody makes of it later.
    pub template_sha256: String,
    /// What stands for `?principal`, such as `User::"alice@corp.example"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// What stands for `?resource`, such as `file_system::Dir::"/srv/a"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Until when, in seconds since 1970, itself not.
    pub expires: u64,
}

impl Link {
    /// The id of the policy that it makes of the template, as verdicts name it.
    pub fn policy_id(&self) -> String {
        format!("{}#{}", self.template, self.id)
    }
}

/// The policies that links make of the templates among these, and what is doubtful about links.
pub(super) fn link(parsed: &[Parsed], links: &[Link], texts: &[Source<'_>]) -> (Vec<Parsed>, Vec<Finding>) {
    let (mut linked, mut findings) = (Vec::new(), Vec::new());
    for template in parsed.iter().filter(|parsed| is_template(parsed)) {
        for link in links.iter().filter(|link| link.template == template.id) {
            match fill(template, link) {
                Ok(parsed) => linked.push(parsed),
                Err(why) => {
                    let Some(source) = texts.get(template.source) else { continue };
                    let message = format!("the grant {} is left out: {why}", link.id);
                    let mut finding = source.finding(Severity::Warning, template.span, message);
                    finding.hint =
                        Some(format!("take it away with `policy revoke {}`, and grant it anew", link.id));
                    finding.policy_id = Some(template.id.clone());
                    findings.push(finding);
                }
            }
        }
    }
    (linked, findings)
}

/// Whether it has slots, and permits something where they are filled. A `forbid` that nobody fills forbids nothing, and is refused.
pub(super) fn is_template(parsed: &Parsed) -> bool {
    parsed.policy.slots().next().is_some() && parsed.policy.effect() == Effect::Permit
}

/// SHA-256 of a template as it is written.
pub(super) fn digest(template: &Template) -> String {
    let text = template.loc().and_then(|loc| loc.snippet()).unwrap_or_default();
    hex(&Sha256::digest(text))
}

fn fill(template: &Parsed, link: &Link) -> Result<Parsed, String> {
    let policy = &template.policy;
    if digest(policy) != link.template_sha256 {
        return Err("the template is not the one that it was given for".to_owned());
    }
    let value = |slot: SlotId, given: &Option<String>| {
        let is_wanted = policy.slots().any(|own| own.id == slot);
        match given {
            Some(text) if is_wanted => {
                let uid: EntityUID = text.parse().map_err(|_| format!("`{text}` is no entity"))?;
                Ok(Some(Arc::new(uid)))
            }
            None if !is_wanted => Ok(None),
            Some(_) => Err(format!("the template has no slot `{slot}`")),
            None => Err(format!("it has nothing for the slot `{slot}`")),
        }
    };
    let principal = value(SlotId::principal(), &link.principal)?;
    let resource = value(SlotId::resource(), &link.resource)?;
    let filled = Template::new_shared(
        PolicyID::from_string(link.policy_id()),
        policy.loc().cloned(),
        Arc::clone(policy.annotations_arc()),
        policy.effect(),
        PrincipalConstraint::new(put(policy.principal_constraint().as_inner(), principal.as_ref())),
        policy.action_constraint().clone(),
        ResourceConstraint::new(put(policy.resource_constraint().as_inner(), resource.as_ref())),
        policy.non_scope_constraints_arc().cloned(),
    );
    Ok(Parsed { policy: filled, id: link.policy_id(), link: Some(link.id.clone()), ..*template })
}

fn put(
    constraint: &PrincipalOrResourceConstraint,
    value: Option<&Arc<EntityUID>>,
) -> PrincipalOrResourceConstraint {
    let of = |reference: &EntityReference| match (reference, value) {
        (EntityReference::Slot(_), Some(uid)) => EntityReference::EUID(Arc::clone(uid)),
        (other, _) => other.clone(),
    };
    match constraint {
        PrincipalOrResourceConstraint::Any => PrincipalOrResourceConstraint::Any,
        PrincipalOrResourceConstraint::Is(ty) => PrincipalOrResourceConstraint::Is(Arc::clone(ty)),
        PrincipalOrResourceConstraint::Eq(reference) => PrincipalOrResourceConstraint::Eq(of(reference)),
        PrincipalOrResourceConstraint::In(reference) => PrincipalOrResourceConstraint::In(of(reference)),
        PrincipalOrResourceConstraint::IsIn(ty, reference) => {
            PrincipalOrResourceConstraint::IsIn(Arc::clone(ty), of(reference))
        }
    }
}

/// The digest of the template of this id among these policies; nothing when there is none, or they do not parse.
pub fn template_sha256(sources: &[PolicyText<'_>], id: &str) -> Option<String> {
    let texts: Vec<Source<'_>> = sources.iter().map(|source| Source::new(source.name, source.text)).collect();
    let mut parsed = parse(&texts, true).ok()?;
    name(&mut parsed, &texts);
    let template = parsed.iter().find(|parsed| parsed.id == id && is_template(parsed))?;
    Some(digest(&template.policy))
}
