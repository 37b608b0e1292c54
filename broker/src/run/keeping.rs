//! What is kept of a run beside its record, so that its decisions can be made anew years later.

use crate::audit::blobs::Blobs;
use crate::policy::schema;
use crate::result::NotStarted;
use crate::run::input::Inputs;
use crate::run::request::RunRequest;

/// What the first record says of what was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeptBlobs {
    /// The schema that the policies were checked against.
    pub(super) schema_sha256: String,
}

/// Keeps policies, schema and script by their digests, where the caller or the host wants that.
///
/// # Errors
/// When they cannot be kept: then there would be decisions that nobody can make anew.
pub(super) fn keep(options: &RunRequest, inputs: &Inputs) -> Result<Option<KeptBlobs>, NotStarted> {
    let Some(directory) = &options.audit_blobs else { return Ok(None) };
    let kept = Blobs::hold(directory).and_then(|blobs| {
        let mut digests = Vec::new();
        for source in inputs.policies.iter().chain(&inputs.forbids) {
            digests.push(blobs.keep(source.text.as_bytes())?);
        }
        // What the record calls a set of several files is the digest of this list.
        if digests.len() != 1 {
            blobs.keep(digests.iter().flat_map(|digest| [digest, "\n"]).collect::<String>().as_bytes())?;
        }
        blobs.keep(inputs.script.as_bytes())?;
        Ok(KeptBlobs { schema_sha256: blobs.keep(schema::READABLE.as_bytes())? })
    });
    kept.map(Some).map_err(|reason| NotStarted::Audit(format!("--audit-blobs: {reason}")))
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
