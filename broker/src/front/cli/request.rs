//! What a caller asks for, before and after configuration has had its say.

use std::path::PathBuf;

use crate::audit::AuditTarget;
use crate::front::config::{ConfigError, Effective, Given, Layers, Places};
use crate::host::Children;
use crate::policy::Mode;
use crate::run::delegation::IssuerSettings;
use crate::run::request::RunRequest;

/// A run as the command line has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// With the values that hold unless something else is said.
    pub(super) run: RunRequest,
    /// The settings that the caller gave a value for.
    pub(super) given: Vec<Given>,
}

impl Asked {
    /// The run as it is asked for, with what is not configurable settled; to answer for a configuration that is refused.
    pub fn unsettled(&self) -> &RunRequest {
        &self.run
    }

    /// The run that configuration makes of it.
    ///
    /// # Errors
    /// When a flag loosens what a file of root's has a value for.
    pub fn settle(self, layers: &Layers) -> Result<RunRequest, ConfigError> {
        let Self { mut run, given } = self;
        // Rex's mode is what that form of the command line stands for, and no flag of the caller's.
        let default_mode = if run.compat { Mode::Rex } else { Mode::Standard };
        let default_children = if run.compat { Children::Unconfined } else { Children::Confined };
        let defaults = [("policy-mode", default_mode.name()), ("children", default_children.name())];
        let effective = layers.with_flags(&defaults, &given)?;
        take(&mut run, &effective)?;
        run.configuration = Places::usual().paths().chain(layers.files().iter().cloned()).collect();
        run.bus_address = super::environment::bus_address();
        run.configured_log = layers.with_flags(&[], &[])?.audit_log()?;
        Ok(run)
    }
}

fn take(run: &mut RunRequest, effective: &Effective) -> Result<(), ConfigError> {
    run.limits = effective.limits()?;
    run.policy_mode = effective.choice("policy-mode")?;
    run.hard_links = effective.choice("hard-links")?;
    run.children = effective.choice("children")?;
    run.child_sockets = effective.sockets()?;
    run.audit_sync = effective.choice("audit-sync")?;
    run.shadow = effective.text("shadow").map(PathBuf::from);
    run.audit_blobs = effective.text("audit-blobs").map(PathBuf::from);
    run.color = effective.choice("color")?;
    run.explain_denials = effective.text("explain-denials") == Some("true");
    run.require = effective.text("require").map(str::to_owned);
    run.ca_file = effective.text("ca-file").map(PathBuf::from);
    run.issuer = IssuerSettings {
        issuer: effective.text("delegation-issuer").map(str::to_owned),
        audience: effective.text("delegation-audience").map(str::to_owned),
        keys: effective.text("delegation-keys").map(PathBuf::from),
    };
    run.proxy = effective.proxy()?;
    run.url_userinfo = effective.choice("url-userinfo")?;
    run.audit_log = effective.audit_log()?;
    run.forbids = effective.forbids().map(PathBuf::from).collect();
    if run.dry_run {
        // Nothing happens that could be recorded.
        run.audit_log = AuditTarget::Nowhere;
        run.audit_blobs = None;
    }
    Ok(())
}
