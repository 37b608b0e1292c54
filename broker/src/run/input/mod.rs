//! The files a run begins with: script, policy, arguments.

mod arguments;
mod comments;
mod error;
mod file;
mod given;
mod policies;
#[cfg(test)]
mod tests;
mod trust;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rex_ipc::control::Arguments;
use sha2::{Digest, Sha256};

pub use arguments::TooDeep;
pub use error::InputError;
pub use given::GivenArgument;
pub use policies::{PolicySource, read_policies};

pub(super) use file::{read as read_token, read_inherited};

use crate::audit::hex;

/// Where the script is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Script {
    /// In a file.
    File(PathBuf),
    /// Where standard input comes from.
    StandardInput,
}

/// What a run is to be made of.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The script.
    pub script: &'a Script,
    /// The policies: files, and directories of them.
    pub policies: &'a [PathBuf],
    /// Whether a directory may stand for the policies in it.
    pub directories: bool,
    /// Policies that only forbid.
    pub forbids: &'a [PathBuf],
    /// The file with arguments.
    pub arguments: Option<&'a Path>,
    /// Further arguments, which win over those of the file.
    pub given: &'a [GivenArgument],
    /// Whether the arguments are read as Rex reads them.
    pub rex_compat: bool,
}

/// The contents of the files.
#[derive(Clone, Debug, PartialEq)]
pub struct Inputs {
    /// The script.
    pub script: String,
    /// What the script is called in messages.
    pub script_name: String,
    /// SHA-256 of the script's file, in hexadecimal digits.
    pub script_sha256: String,
    /// The policies.
    pub policies: Vec<PolicySource>,
    /// The policies that only forbid.
    pub forbids: Vec<PolicySource>,
    /// The variables that the script starts with; none when they are nested too deep.
    pub arguments: Arguments,
    /// SHA-256 of the arguments file, and of the arguments given besides, when there are any.
    pub arguments_sha256: Option<String>,
    too_deep: Option<TooDeep>,
}

/// Reads script, policies and arguments, in this order: the first that cannot be read is the one to be told of.
///
/// A pipe or a terminal is read until its end, but not beyond `deadline`.
///
/// # Errors
/// When a file cannot be read, is too large or not UTF-8, or when the arguments cannot be decoded.
pub fn read(wanted: &Wanted<'_>, deadline: Instant) -> Result<Inputs, InputError> {
    let named = |path: &Path| path.display().to_string();
    let (script_name, script_text) = match wanted.script {
        Script::File(path) => (named(path), file::read(path, MAX_SCRIPT_BYTES, deadline)),
        Script::StandardInput => (STDIN.to_owned(), file::read_standard_input(MAX_SCRIPT_BYTES, deadline)),
    };
    let script_text =
        script_text.map_err(|source| InputError::Script { path: script_name.clone(), source })?;
    if !wanted.directories {
        // Rex knows only files; what a directory stands for is for those who ask for it.
        refuse_directories(wanted.policies)?;
    }
    let policies = read_policies(wanted.policies, deadline)?;
    let forbids = read_policies(wanted.forbids, deadline)?;
    for doubt in policies.iter().chain(&forbids).flat_map(PolicySource::doubts) {
        tracing::warn!("{doubt}");
    }
    let mut inputs = Inputs {
        script_sha256: digest(&script_text),
        script: script_text,
        script_name,
        policies,
        forbids,
        arguments: Arguments::default(),
        arguments_sha256: None,
        too_deep: None,
    };
    let mut digested = Sha256::new();
    if let Some(path) = wanted.arguments {
        // Script and arguments go to the jail in one transfer and share its limit.
        let room = MAX_SCRIPT_BYTES.saturating_sub(inputs.script.len());
        let text = file::read(path, room, deadline)
            .map_err(|source| InputError::Arguments { path: named(path), source })?;
        digested.update(&text);
        let decoded = arguments::decode(&text, wanted.rex_compat).map_err(|source| {
            let is_told = wanted.rex_compat || source.to_string().contains("stringValue");
            let is_formless = !is_told && arguments::is_json(&text);
            InputError::Json { path: named(path), source, is_formless }
        })?;
        match decoded.into_arguments() {
            Ok(arguments) => inputs.arguments = arguments,
            Err(too_deep) => inputs.too_deep = Some(too_deep),
        }
    }
    refuse_repeated(wanted.given)?;
    for given in wanted.given {
        digested.update([0]);
        digested.update(given.written());
        inputs.arguments.values.retain(|(name, _)| *name != given.name);
        inputs.arguments.values.push((given.name.clone(), given.value.clone()));
    }
    if wanted.arguments.is_some() || !wanted.given.is_empty() {
        inputs.arguments_sha256 = Some(hex(&digested.finalize()));
    }
    Ok(inputs)
}

/// Of two values for one name neither is right. A name that the file has too is given another value on purpose.
fn refuse_repeated(given: &[GivenArgument]) -> Result<(), InputError> {
    let mut names = HashSet::new();
    match given.iter().find(|given| !names.insert(given.name.as_str())) {
        Some(given) => Err(InputError::GivenTwice { name: given.name.clone() }),
        None => Ok(()),
    }
}

fn refuse_directories(paths: &[PathBuf]) -> Result<(), InputError> {
    match paths.iter().find(|path| path.is_dir()) {
        Some(path) => Err(InputError::Policy {
            path: path.display().to_string(),
            source: nix::errno::Errno::EISDIR.into(),
        }),
        None => Ok(()),
    }
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

/// What messages call the script that comes through standard input.
const STDIN: &str = "<stdin>";

/// Script and arguments together; half of what may cross to the jail, so that the broker stays below 64 MiB.
pub const MAX_SCRIPT_BYTES: usize = 32 * 1024 * 1024;

/// Far more than policies need; parsing takes a multiple of it in memory.
pub const MAX_POLICY_BYTES: usize = 16 * 1024 * 1024;
