//! What a run is to be, whoever asks for it.

use std::ffi::OsString;
use std::path::PathBuf;

use rex_ipc::runtime::LogLevel;

use crate::audit::{AuditSync, AuditTarget};
use crate::gate::limits::Limits;
use crate::host::network::object::UserInformation;
use crate::host::{Children, HardLinks};
use crate::policy;
use crate::policy::url::Url;
use crate::result::{Advise, Format};
use crate::run::delegation::{IssuerSettings, TokenSource};
use crate::run::input::{GivenArgument, Script};
use crate::terminal::Color;

/// How a script is to be run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRequest {
    /// The script.
    pub script: Script,
    /// The policies: files, and directories of them.
    pub policies: Vec<PathBuf>,
    /// Policies that only forbid.
    pub forbids: Vec<PathBuf>,
    /// The file with arguments, if any.
    pub arguments: Option<PathBuf>,
    /// Where the token is that says on whose behalf the script runs.
    pub delegation: Option<TokenSource>,
    /// Who is believed about that.
    pub issuer: IssuerSettings,
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
    pub policy_mode: policy::Mode,
    /// What to do with files that may have a second name.
    pub hard_links: HardLinks,
    /// How far executed programs are kept from what the policy does not permit.
    pub children: Children,
    /// The sockets that confined programs may connect to.
    pub child_sockets: Vec<PathBuf>,
    /// Where decisions are recorded.
    pub audit_log: AuditTarget,
    /// When records are forced to disk.
    pub audit_sync: AuditSync,
    /// A policy that is asked as well, and whose answers are only recorded.
    pub shadow: Option<PathBuf>,
    /// The directory in which policies, schema and script are kept by their digests.
    pub audit_blobs: Option<PathBuf>,
    /// Which protections must be in force; the hardening package reads it.
    pub require: Option<String>,
    /// Whether the kernel reports the system call that ended a jail.
    pub jail_forensics: bool,
    /// How much the run may use.
    pub limits: Limits,
    /// Who knows what a script may have meant by a name that there is not.
    pub advise: Advise,
    /// Where configuration is looked for, and where it was found; closed to the script.
    pub configuration: Vec<PathBuf>,
    /// Where configuration has the record go, whatever the flags say; closed to the script, too.
    pub configured_log: AuditTarget,
    /// The file with the certificates of those authorities that are believed; nothing for the store of the system.
    pub ca_file: Option<PathBuf>,
    /// The proxy to which requests go in place of their servers.
    pub proxy: Option<Url>,
    /// What to do with name and password in a URL.
    pub url_userinfo: UserInformation,
    /// Where the system bus is, as D-Bus writes addresses; nothing for the usual place.
    pub bus_address: Option<OsString>,
}

/// What the environment says. Nothing of it is visible to scripts, and nothing of it lowers a protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Environment {
    /// Script logs below this level are dropped.
    pub log_threshold: LogLevel,
    /// Whether the result names the memory and CPU use of the run.
    pub monitoring: bool,
}
