//! From the options of each form of the command line to what is asked for.

use std::path::{Path, PathBuf};

use super::arguments::RunArguments;
use super::deciding::DecidingArguments;
use super::person::PersonArguments;
use super::request::Asked;
use crate::audit::AuditTarget;
use crate::front::config::Given;
use crate::front::reference;
use crate::gate::limits::Limits;
use crate::policy::Mode;
use crate::result::Format;
use crate::run::delegation::IssuerSettings;
use crate::run::input::Script;
use crate::run::request::RunRequest;
use crate::terminal::Color;

impl RunArguments {
    pub(super) fn into_asked(self, given: Vec<Given>, compat: bool) -> Asked {
        let run = RunRequest {
            policies: self.policy_file.into_iter().collect(),
            arguments: self.script_arguments_file,
            format: self.output_format,
            verbose: self.verbose,
            compat,
            bare: self.bare,
            // Present, as the grammar demands it.
            ..plain(Script::File(self.script_file.unwrap_or_default()), self.deciding, self.limits)
        };
        Asked { run, given }
    }
}

impl PersonArguments {
    pub(super) fn into_asked(self, given: Vec<Given>) -> Asked {
        let script = if self.script == Path::new(STANDARD_INPUT) {
            Script::StandardInput
        } else {
            Script::File(self.script)
        };
        let run = RunRequest {
            policies: self.policies,
            arguments: self.arguments,
            given: self.given,
            dry_run: self.dry_run,
            format: match (self.json, self.pretty_json, self.ndjson) {
                (true, _, _) => Format::Json,
                (_, true, _) => Format::PrettyJson,
                (_, _, true) => Format::Ndjson,
                _ => Format::Human,
            },
            for_person: true,
            verbose: self.verbose,
            explain_denials: self.explain_denials,
            color: self.color,
            progress: !self.no_progress,
            ..plain(script, self.deciding, self.limits)
        };
        Asked { run, given }
    }
}

/// A run of `run` of which nothing is known but the form of its document.
pub(super) fn misunderstood(format: Format) -> RunRequest {
    let script = Script::StandardInput;
    RunRequest { format, for_person: true, ..plain(script, DecidingArguments::default(), Limits::default()) }
}

/// What is the same in both forms.
fn plain(script: Script, deciding: DecidingArguments, limits: impl Into<Limits>) -> RunRequest {
    RunRequest {
        script,
        policies: Vec::new(),
        forbids: deciding.forbid,
        arguments: None,
        given: Vec::new(),
        dry_run: false,
        format: Format::Json,
        for_person: false,
        verbose: false,
        explain_denials: false,
        color: Color::Never,
        progress: false,
        compat: false,
        bare: false,
        policy_mode: deciding.policy_mode.unwrap_or(Mode::Standard),
        hard_links: deciding.hard_links,
        children: deciding.children.unwrap_or_default(),
        child_sockets: deciding.child_socket.unwrap_or_default().0,
        audit_log: deciding.audit_log.unwrap_or(AuditTarget::Usual),
        audit_sync: deciding.audit_sync,
        shadow: deciding.shadow,
        audit_blobs: deciding.audit_blobs,
        require: deciding.require,
        jail_forensics: deciding.jail_forensics,
        limits: limits.into(),
        advise: reference::ADVISE,
        configuration: Vec::<PathBuf>::new(),
        configured_log: AuditTarget::Usual,
        ca_file: deciding.ca_file,
        proxy: deciding.proxy,
        url_userinfo: deciding.url_userinfo,
        bus_address: None,
        delegation: deciding.delegation,
        issuer: IssuerSettings::default(),
    }
}

const STANDARD_INPUT: &str = "-";
