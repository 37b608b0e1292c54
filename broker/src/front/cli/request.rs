//! What a caller asks for, before and after configuration has had its say.

use std::path::PathBuf;

use super::limits::Limits;
use super::values::{AuditSync, AuditTarget, Color, Format, HardLinks, PolicyMode};
use crate::front::config::{ConfigError, Effective, Given, Layers};
use crate::run::input::{GivenArgument, Script};

/// A run as the command line has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// With the values that hold unless something else is said.
    pub(super) run: Run,
    /// The settings that the caller gave a value for.
    pub(super) given: Vec<Given>,
}

/// How a script is to be run.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The script.
    pub script: Script,
    /// The policies: files, and directories of them.
    pub policies: Vec<PathBuf>,
    /// Policies that only forbid.
    pub forbids: Vec<PathBuf>,
    /// The file with arguments, if any.
    pub arguments: Option<PathBuf>,
    /// Arguments from the command line.
    pub given: Vec<GivenArgument>,
    /// Whether the script is only compiled.
    pub dry_run: bool,
    /// The form of the result.
    pub format: Format,
    /// Whether this is the command `run`, whose human form streams logs and points at errors.
    pub for_person: bool,
    /// Whether the human form has logs and metrics.
    pub verbose: bool,
    /// Whether the human form says what a denied request lacked.
    pub explain_denials: bool,
    /// When to use colours.
    pub color: Color,
    /// Whether a terminal shows how far the run is.
    pub progress: bool,
    /// Whether exit status, policy loading and termination are Rex's.
    pub compat: bool,
    /// Whether the result lacks what Rex's does not have.
    pub bare: bool,
    /// How policies that look like mistakes are treated.
    pub policy_mode: PolicyMode,
    /// What to do with files that may have a second name.
    pub hard_links: HardLinks,
    /// Where decisions are recorded.
    pub audit_log: AuditTarget,
    /// When records are forced to disk.
    pub audit_sync: AuditSync,
    /// Which protections must be in force; the hardening package reads it.
    pub require: Option<String>,
    /// Whether the kernel reports the system call that ended a jail.
    pub jail_forensics: bool,
    /// How much the run may use.
    pub limits: Limits,
    /// The configuration files that were read; they are closed to the script.
    pub configuration: Vec<PathBuf>,
    /// Where configuration has the record go, whatever the flags say; closed to the script, too.
    pub configured_log: AuditTarget,
}

impl Asked {
    /// The run as it is asked for, with what is not configurable settled; to answer for a configuration that is refused.
    pub fn unsettled(&self) -> &Run {
        &self.run
    }

    /// The run that configuration makes of it.
    ///
    /// # Errors
    /// When a flag loosens what a file of root's has a value for.
    pub fn settle(self, layers: &Layers) -> Result<Run, ConfigError> {
        let Self { mut run, given } = self;
        // Rex's mode is what that form of the command line stands for, and no flag of the caller's.
        let default_mode = if run.compat { PolicyMode::Rex } else { PolicyMode::Standard };
        let effective = layers.with_flags(&[("policy-mode", default_mode.name())], &given)?;
        run.take(&effective)?;
        run.configuration = layers.files().to_vec();
        run.configured_log = layers.with_flags(&[], &[])?.audit_log()?;
        Ok(run)
    }
}

impl Run {
    fn take(&mut self, effective: &Effective) -> Result<(), ConfigError> {
        self.limits = effective.limits()?;
        self.policy_mode = effective.choice("policy-mode")?;
        self.hard_links = effective.choice("hard-links")?;
        self.audit_sync = effective.choice("audit-sync")?;
        self.color = effective.choice("color")?;
        self.explain_denials = effective.text("explain-denials") == Some("true");
        self.require = effective.text("require").map(str::to_owned);
        self.audit_log = effective.audit_log()?;
        self.forbids = effective.forbids().map(PathBuf::from).collect();
        if self.dry_run {
            // Nothing happens that could be recorded.
            self.audit_log = AuditTarget::Nowhere;
        }
        Ok(())
    }
}
