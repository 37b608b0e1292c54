//! What is kept of a run beside its record, so that its decisions can be made anew years later.

use serde_json::Value;

use crate::audit::blobs::Blobs;
use crate::policy::{Link, LooksAt, Policies, schema};
use crate::result::NotStarted;
use crate::run::input::Inputs;
use crate::run::request::RunRequest;
use crate::run::shadow::Shadow;

/// What the first record says of what was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeptBlobs {
    /// The schema that the policies were checked against.
    schema_sha256: String,
}

/// What a run decides by, as its first record tells it.
#[derive(Debug)]
pub(super) struct Basis {
    pub(super) policy_sha256: String,
    /// The grants that fill slots of templates.
    pub(super) policy_links: Option<Value>,
    kept: Option<KeptBlobs>,
    pub(super) shadow_sha256: Option<String>,
    looks_at: LooksAt,
    shadow: Option<Shadow>,
}

impl Basis {
    /// Of these policies, with these grants.
    pub(super) fn new(
        policies: &Policies,
        granted: Vec<Link>,
        kept: Option<KeptBlobs>,
        shadow: Option<Shadow>,
    ) -> Self {
        Self {
            policy_sha256: policies.digest().to_owned(),
            // Objects of texts and a number always have a JSON form.
            policy_links: (!granted.is_empty()).then(|| serde_json::to_value(granted).unwrap_or_default()),
            kept,
            shadow_sha256: shadow.as_ref().map(|shadow| shadow.digest().to_owned()),
            looks_at: policies.looks_at(),
            shadow,
        }
    }

    /// What the record of each decision is made with.
    pub(super) fn take(&mut self) -> (LooksAt, Option<Shadow>) {
        (std::mem::take(&mut self.looks_at), self.shadow.take())
    }

    /// The schema, where it is kept.
    pub(super) fn schema_sha256(&self) -> Option<&str> {
        self.kept.as_ref().map(|kept| kept.schema_sha256.as_str())
    }
}

/// Keeps policies, schema and script by their digests, where the caller or the host wants that.
///
/// # Errors
/// When they cannot be kept: then there would be decisions that nobody can make anew.
pub(super) fn keep(
    options: &RunRequest,
    inputs: &Inputs,
    shadow: Option<&Shadow>,
) -> Result<Option<KeptBlobs>, NotStarted> {
    let Some(directory) = &options.audit_blobs else { return Ok(None) };
    let kept = Blobs::hold(directory).and_then(|blobs| {
        let texts = inputs.policies.iter().chain(&inputs.forbids).map(|source| source.text.as_str());
        keep_set(&blobs, texts)?;
        if let Some(shadow) = shadow {
            keep_set(&blobs, shadow.texts.iter().map(String::as_str))?;
        }
        blobs.keep(inputs.script.as_bytes())?;
        Ok(KeptBlobs { schema_sha256: blobs.keep(schema::READABLE.as_bytes())? })
    });
    kept.map(Some).map_err(|reason| NotStarted::Audit(format!("--audit-blobs: {reason}")))
}

/// Keeps the files of a policy. What the record calls a policy of several files is the digest of the list of their digests.
fn keep_set<'a>(blobs: &Blobs, texts: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let digests = texts.map(|text| blobs.keep(text.as_bytes())).collect::<Result<Vec<_>, _>>()?;
    if digests.len() != 1 {
        blobs.keep(digests.iter().flat_map(|digest| [digest, "\n"]).collect::<String>().as_bytes())?;
    }
    Ok(())
}

/// What evaluates policies; a test holds it to the version that is built in.
pub(super) const ENGINE: &str = "cedar-policy-core 4.14.1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_is_the_one_that_is_built_in() {
        let lock = include_str!("../../../Cargo.lock");
        let (name, version) = ENGINE.split_once(' ').expect("it has a version");

        assert!(lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"\n")), "{ENGINE}");
    }
}
