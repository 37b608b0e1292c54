//! The policies of a run: loaded, checked, told about, and closed to the script.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use crate::audit;
use crate::gate::forbidden::{self, Forbidden};
use crate::host::file_system::temporaries::Temporaries;
use crate::policy::{Finding, Link, Loaded, Policies, PolicyText, render};
use crate::result::{Format, NotStarted, Recorder};
use crate::run::delegation::{self, TokenSource};
use crate::run::input::Inputs;
use crate::run::register;
use crate::run::request::RunRequest;
use crate::terminal::Color;

/// Loads the policies of the caller and those that only forbid.
///
/// A person is told of findings together with the result, which has them for programs; other callers at once, on standard
/// error. Rex says nothing but its result.
pub(super) fn load(
    options: &RunRequest,
    inputs: &Inputs,
    links: &[Link],
    recorder: &mut Recorder,
) -> Result<Policies, NotStarted> {
    let texts = texts(inputs);
    let show = |findings: &[Finding]| {
        if !options.compat && !options.for_person {
            let in_colour = Color::Auto.is_wanted(io::stderr().is_terminal());
            // Nobody is there to be told that nobody listens.
            drop(io::stderr().lock().write_all(render(findings, &texts, in_colour).as_bytes()));
        }
    };
    let policies = match Policies::load_linked(&texts, options.policy_mode, links) {
        Ok(Loaded { policies, warnings }) => {
            show(&warnings);
            if options.for_person {
                recorder.diagnostics = warnings;
            }
            policies
        }
        Err(errors) => {
            let refused = errors.of_weight();
            show(&refused);
            let in_lines = || refused.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            let reason = match errors.cedar_reason() {
                Some(reason) if options.compat => reason.to_owned(),
                // They have just been shown to the person who reads this.
                _ if !options.compat && !options.for_person && options.format == Format::Human => {
                    "the policy is refused".to_owned()
                }
                _ => in_lines(),
            };
            recorder.diagnostics = refused;
            return Err(NotStarted::Policy(reason));
        }
    };
    for source in &inputs.forbids {
        if let Some((id, place)) = policies.permits_of(&source.name).next() {
            return Err(NotStarted::Refused(format!(
                "configuration refused: {place}: `{id}` permits something, and a policy that is added by configuration \
                 or with --forbid may only forbid"
            )));
        }
    }
    Ok(policies)
}

/// The sources as they are loaded, and as findings name them.
fn texts(inputs: &Inputs) -> Vec<PolicyText<'_>> {
    let sources = inputs.policies.iter().chain(&inputs.forbids);
    sources.map(|source| PolicyText { name: &source.name, text: &source.text }).collect()
}

/// Everything that a diagnostic may be about: the policies and the script.
pub(super) fn sources(inputs: &Inputs) -> Vec<PolicyText<'_>> {
    let mut sources = texts(inputs);
    sources.push(PolicyText { name: &inputs.script_name, text: &inputs.script });
    sources
}

/// The script reads and writes with the broker's rights, so the files of the run itself are closed to it, and so are the
/// places where the next run looks for its own. The script is no such file: nobody trusts what it says.
pub(super) fn close(forbidden: &mut Forbidden, options: &RunRequest, inputs: &Inputs) {
    // A policy that comes through a pipe has no path that could be read again.
    let told = |closed: io::Result<()>| {
        if let Err(error) = closed {
            tracing::debug!("there is no path to protect: {error}");
        }
    };
    for path in options.policies.iter().chain(&options.forbids).chain(&options.shadow) {
        told(match path.is_dir() {
            true => forbidden.add_policy_directory(path),
            false => forbidden.add_file(path, forbidden::POLICY),
        });
    }
    for source in inputs.policies.iter().chain(&inputs.forbids) {
        told(forbidden.add_file(Path::new(&source.name), forbidden::POLICY));
    }
    if let Some(TokenSource::Path(path)) = &options.delegation {
        told(forbidden.add_file(path, delegation::CLOSED));
    }
    if let Some(path) = &options.issuer.keys {
        told(forbidden.add_file(path, delegation::CLOSED));
    }
    // Nobody but root keeps any.
    if nix::unistd::geteuid().is_root() {
        told(forbidden.add_path(Path::new(delegation::PLACE), delegation::CLOSED));
    }
    if let Some(path) = register::own_place() {
        told(forbidden.add_path(&path, register::CLOSED));
    }
    for path in &options.configuration {
        told(forbidden.add_file(path, forbidden::CONFIGURATION));
    }
    if let Some(path) = &options.audit_blobs {
        told(forbidden.add_path(path, forbidden::AUDIT_LOG));
    }
    // The log of this run is closed where it is opened.
    for path in audit::places(&options.configured_log) {
        told(forbidden.add_path(&path, forbidden::AUDIT_LOG));
    }
    if let Some(path) = Temporaries::usual_place() {
        told(forbidden.add_path(&path, forbidden::JOURNALS));
    }
}
