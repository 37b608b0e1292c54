//! The policies that runs were decided by, found by what their records call them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::read::text;
use crate::audit::blobs;
use crate::policy::{Link, Mode, Policies, PolicyText, policy_sha256, render};
use crate::run::input::read_policies;

/// Where policies are found.
pub(super) struct Statements {
    blobs: Option<PathBuf>,
    given: Vec<Source>,
    /// The digest of those that were given.
    given_digest: Option<String>,
    /// The texts of what was found already.
    found: HashMap<String, Result<Vec<Source>, String>>,
}

#[derive(Clone)]
struct Source {
    name: String,
    text: String,
}

impl Statements {
    /// From a directory of blobs, and from policy files.
    ///
    /// # Errors
    /// When a file cannot be read, or is refused.
    pub(super) fn new(blobs: Option<&Path>, paths: &[PathBuf]) -> Result<Self, String> {
        let sources = if paths.is_empty() {
            Vec::new()
        } else {
            read_policies(paths, Instant::now() + PATIENCE).map_err(|error| error.to_string())?
        };
        let given: Vec<_> =
            sources.into_iter().map(|source| Source { name: source.name, text: source.text }).collect();
        let digest = (!given.is_empty()).then(|| policy_sha256(&texts(&given)));
        Ok(Self { blobs: blobs.map(Path::to_owned), given, given_digest: digest, found: HashMap::new() })
    }

    /// Whether there is anywhere to look.
    pub(super) fn is_somewhere(&self) -> bool {
        self.blobs.is_some() || !self.given.is_empty()
    }

    /// The policies that a run was decided by.
    ///
    /// # Errors
    /// Why they are not to be had.
    pub(super) fn of(&mut self, start: &Value) -> Result<Policies, String> {
        let digest = text(start, "policy_sha256");
        if self.given_digest.as_deref() == Some(digest) {
            return load(&self.given, start);
        }
        if !self.found.contains_key(digest) {
            let read = match &self.blobs {
                Some(directory) => policies(directory, digest),
                None => Err(format!("there is no place to look for the policy {digest}: give --blobs")),
            };
            self.found.insert(digest.to_owned(), read);
        }
        match self.found.get(digest) {
            Some(Ok(sources)) => load(sources, start),
            Some(Err(reason)) => Err(reason.clone()),
            None => Err("it was not looked for".to_owned()),
        }
    }

    /// Those that were given, for a run that was decided by others.
    ///
    /// # Errors
    /// When they are refused.
    pub(super) fn given(&self, start: &Value) -> Result<Policies, String> {
        load(&self.given, start)
    }
}

/// The texts of a policy set. Of several files, what has the digest is the list of their digests.
fn policies(directory: &Path, digest: &str) -> Result<Vec<Source>, String> {
    let read = |digest: &str| {
        let text = String::from_utf8(blobs::read(directory, digest)?);
        text.map_err(|_| format!("the policy {digest} is not UTF-8"))
    };
    let named = |digest: &str, text| Source { name: digest.chars().take(SHOWN_DIGITS).collect(), text };
    let text = read(digest)?;
    // No policy begins with a line that is a digest: it would have to be a word, and the next one would be none.
    let is_list =
        text.lines().all(|line| line.len() == 64 && line.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if text.is_empty() || !is_list {
        return Ok(vec![named(digest, text)]);
    }
    text.lines().map(|line| Ok(named(line, read(line)?))).collect()
}

fn texts(sources: &[Source]) -> Vec<PolicyText<'_>> {
    sources.iter().map(|source| PolicyText { name: &source.name, text: &source.text }).collect()
}

fn load(sources: &[Source], start: &Value) -> Result<Policies, String> {
    let texts = texts(sources);
    let mode = match text(start, "policy_mode") {
        "rex" => Mode::Rex,
        "strict" => Mode::Strict,
        "standard" => Mode::Standard,
        other => return Err(format!("the record knows a policy mode `{other}`")),
    };
    let links: Vec<Link> = match start.get("policy_links") {
        None => Vec::new(),
        Some(links) => serde_json::from_value(links.clone())
            .map_err(|error| format!("the record's policy_links are not what they should be: {error}"))?,
    };
    let loaded = Policies::load_linked(&texts, mode, &links).map_err(|errors| {
        format!("the policy is refused:\n{}", render(&errors.of_weight(), &texts, false))
    })?;
    Ok(loaded.policies)
}

/// How long a pipe may take to come to its end.
const PATIENCE: Duration = Duration::from_secs(10);
/// As many as tell policies of one host apart.
const SHOWN_DIGITS: usize = 12;
