//! The options that every way to run a script has.

use std::path::PathBuf;

use clap::Args;

use super::values::{Sockets, audit_target, child_sockets, proxy, token_source};
use crate::audit::{AuditSync, AuditTarget};
use crate::host::network::object::UserInformation;
use crate::host::{Children, HardLinks};
use crate::policy::Mode;
use crate::policy::url::Url;
use crate::run::delegation::TokenSource;

/// What is decided, required and recorded.
///
/// Each of these can also be configured; what counts in the end is settled by [`crate::front::config`].
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Policy, record and jail")]
pub(super) struct DecidingArguments {
    /// How to treat policies that look like mistakes [default: standard, or rex with --rex-compat]
    #[arg(long, value_name = "MODE", value_enum)]
    pub(super) policy_mode: Option<Mode>,
    /// Add policies that only forbid; may be given several times
    #[arg(long, value_name = "FILE")]
    pub(super) forbid: Vec<PathBuf>,
    /// Ask this policy as well, and record where it decides otherwise; nothing else follows from it
    #[arg(long, value_name = "FILE_OR_DIR")]
    pub(super) shadow: Option<PathBuf>,
    /// What to do with files that may have a second name elsewhere
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = HardLinks::Refuse)]
    pub(super) hard_links: HardLinks,
    /// How far executed programs are kept from what the policy does not permit [default: confined, or unconfined with
    /// --rex-compat]
    #[arg(long, value_name = "HOW", value_enum)]
    pub(super) children: Option<Children>,
    /// Sockets that confined programs may connect to, with colons in between, such as /run/systemd/private
    #[arg(long, value_name = "PATH[:PATH]", value_parser = child_sockets())]
    pub(super) child_socket: Option<Sockets>,
    /// Where decisions are recorded [default: /var/log/rex-broker, or the user's state directory]
    #[arg(long, value_name = "PATH|fd:N|none", value_parser = audit_target())]
    pub(super) audit_log: Option<AuditTarget>,
    /// When records are forced to disk
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = AuditSync::Run)]
    pub(super) audit_sync: AuditSync,
    /// Keep policies, schema and script in this directory by their digests, for `audit replay` [default: nowhere]
    #[arg(long, value_name = "DIR")]
    pub(super) audit_blobs: Option<PathBuf>,
    /// Certificates of the authorities that servers are believed by, as PEM [default: the store of the system]
    #[arg(long, value_name = "FILE")]
    pub(super) ca_file: Option<PathBuf>,
    /// A signed token that says on whose behalf the script runs; root configures whose are believed
    #[arg(long, value_name = "FILE|fd:N", value_parser = token_source())]
    pub(super) delegation: Option<TokenSource>,
    /// Send requests for URLs to this proxy, http://HOST:PORT, in place of their servers
    #[arg(long, value_name = "URL", value_parser = proxy())]
    pub(super) proxy: Option<Url>,
    /// What to do with name and password in a URL
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = UserInformation::Refuse)]
    pub(super) url_userinfo: UserInformation,
    /// Which protections must be in force, such as core, strict, max, or +landlock,-cgroup
    #[arg(long, value_name = "SPEC", allow_hyphen_values = true)]
    pub(super) require: Option<String>,
    /// Let the kernel report which system call ended a jail, instead of only ending it
    #[arg(long)]
    pub(super) jail_forensics: bool,
}
