//! The files a run begins with: script, policy, arguments.

mod arguments;
mod comments;
mod error;
mod file;
mod policies;
#[cfg(test)]
mod tests;
mod trust;

use std::path::Path;
use std::time::{Duration, Instant};

use rex_ipc::control::Arguments;
use sha2::{Digest, Sha256};

pub use arguments::TooDeep;
pub use error::InputError;
pub use policies::{PolicySource, read_policies};

use crate::audit::hex;

/// The contents of the files.
#[derive(Clone, Debug, PartialEq)]
pub struct Inputs {
    /// The script.
    pub script: String,
    /// SHA-256 of the script's file, in hexadecimal digits.
    pub script_sha256: String,
    /// The policy.
    pub policy: String,
    /// The variables that the script starts with; none when they are nested too deep.
    pub arguments: Arguments,
    /// SHA-256 of the arguments file, when there is one.
    pub arguments_sha256: Option<String>,
    too_deep: Option<TooDeep>,
}

/// Reads script, policy and arguments, in this order: the first that cannot be read is the one to be told of.
///
/// A pipe or a terminal is read until its end, for a minute at most.
///
/// # Errors
/// When a file cannot be read, is too large or not UTF-8, or when the arguments cannot be decoded.
pub fn read(script: &Path, policy: &Path, arguments: Option<&Path>) -> Result<Inputs, InputError> {
    read_before(script, policy, arguments, Instant::now() + PATIENCE)
}

/// Reads as [`read`] does, but waits no longer than this.
///
/// # Errors
/// As [`read`].
pub fn read_before(
    script: &Path,
    policy: &Path,
    arguments: Option<&Path>,
    deadline: Instant,
) -> Result<Inputs, InputError> {
    let named = |path: &Path| path.display().to_string();
    let script_text = file::read(script, MAX_SCRIPT_BYTES, deadline)
        .map_err(|source| InputError::Script { path: named(script), source })?;
    let policy_text = file::read_inspected(policy, MAX_POLICY_BYTES, deadline, trust::inspect)
        .map_err(|source| InputError::Policy { path: named(policy), source })?;
    let mut inputs = Inputs {
        script_sha256: digest(&script_text),
        script: script_text,
        policy: policy_text,
        arguments: Arguments::default(),
        arguments_sha256: None,
        too_deep: None,
    };
    if let Some(path) = arguments {
        // Script and arguments go to the jail in one transfer and share its limit.
        let room = MAX_SCRIPT_BYTES.saturating_sub(inputs.script.len());
        let text = file::read(path, room, deadline)
            .map_err(|source| InputError::Arguments { path: named(path), source })?;
        inputs.arguments_sha256 = Some(digest(&text));
        let decoded =
            arguments::decode(&text).map_err(|source| InputError::Json { path: named(path), source })?;
        match decoded.into_arguments() {
            Ok(arguments) => inputs.arguments = arguments,
            Err(too_deep) => inputs.too_deep = Some(too_deep),
        }
    }
    Ok(inputs)
}

impl Inputs {
    /// Whether the arguments are flat enough. To be asked after the policy was loaded, whose faults come first.
    ///
    /// # Errors
    /// When a list or map is nested in another and has elements.
    pub fn check_depth(&self) -> Result<(), TooDeep> {
        self.too_deep.clone().map_or(Ok(()), Err)
    }

    /// Whether there is nothing to execute: only blanks and comments.
    pub fn script_is_empty(&self) -> bool {
        comments::are_all(&self.script)
    }
}

fn digest(text: &str) -> String {
    hex(&Sha256::digest(text))
}

/// How long a pipe may take to come to its end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Script and arguments together; half of what may cross to the jail, so that the broker stays below 64 MiB.
pub const MAX_SCRIPT_BYTES: usize = 32 * 1024 * 1024;

/// Far more than policies need; parsing takes a multiple of it in memory.
pub const MAX_POLICY_BYTES: usize = 16 * 1024 * 1024;
