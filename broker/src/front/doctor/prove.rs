//! Proof of the walls: a jail with the same lockdown whose program attempts what it must not, one act to a jail.
//!
//! Each act is attempted twice: in a jail as scripts get it, and in one without seccomp, so that it shows which other
//! wall stands behind it.

use std::time::{Duration, Instant};

use rex_ipc::control::Arguments;
use rex_ipc::runtime::LogLevel;
use rex_outside::{Jail, JailExit, Layer, Plan, Requirement, SealedImage};
use serde::Serialize;

use crate::audit::Journal;
use crate::gate::deciding::Deciding;
use crate::gate::forbidden::Forbidden;
use crate::gate::limits::Limits;
use crate::host::Host;
use crate::policy::{Engine, Mode, Policies};
use crate::result::{Recorder, Settings};
use crate::run::image;
use crate::run::services::Services;
use crate::run::session::{RunEnd, Session};
use crate::run::starting::{self, Terms};
use crate::watch::wait::Waiter;

/// What became of one forbidden act.
#[derive(Serialize, Debug)]
pub(super) struct Proof {
    /// The act's name.
    pub(super) act: &'static str,
    /// What it tries, for people.
    pub(super) claim: &'static str,
    /// What became of it in a jail as scripts get it.
    pub(super) confined: Fate,
    /// What became of it in a jail without seccomp.
    pub(super) second: Fate,
}

impl Proof {
    /// Whether the act failed in the jail that scripts get.
    pub(super) fn holds(&self) -> bool {
        !matches!(self.confined, Fate::Done | Fate::Unclear(_))
    }
}

/// What became of an act.
#[derive(Serialize, Debug)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fate {
    /// The kernel killed the jail with this signal.
    Killed(i32),
    /// The act failed with this error.
    Refused(String),
    /// The act worked.
    Done,
    /// Nobody knows.
    Unclear(String),
}

impl std::fmt::Display for Fate {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Killed(nix::libc::SIGSYS) => out.write_str("killed by seccomp (SIGSYS)"),
            Self::Killed(signal) => write!(out, "killed by signal {signal}"),
            Self::Refused(error) => write!(out, "refused: {error}"),
            Self::Done => out.write_str("it worked"),
            Self::Unclear(what) => write!(out, "unclear: {what}"),
        }
    }
}

/// Attempts every act.
///
/// # Errors
/// When there is no jail to attempt it in.
pub(super) fn all(requirement: &Requirement) -> Result<Vec<Proof>, String> {
    let image = SealedImage::new(image::PROVER.bytes).map_err(|error| error.to_string())?;
    let plan = Plan::for_requirement(requirement);
    ACTS.iter()
        .map(|&(act, claim)| {
            Ok(Proof {
                act,
                claim,
                confined: attempt(&image, &plan, act)?,
                second: attempt(&image, &plan.clone().without(Layer::Seccomp), act)?,
            })
        })
        .collect()
}

/// Starts a jail and orders one act.
fn attempt(image: &SealedImage, plan: &Plan, act: &str) -> Result<Fate, String> {
    let mut services = services()?;
    let mut jail = starting::start(image, plan, &mut services.pace.waiter, Terms::of_probe())
        .map_err(|end| end.to_string())?;
    let end = order(&jail, &mut services, act).unwrap_or_else(|end| end);
    match end {
        RunEnd::Script { text, .. } => Ok(fate_of(&text)),
        _ => match jail.wait().map_err(|error| error.to_string())? {
            JailExit::Signaled(signal) => Ok(Fate::Killed(signal)),
            JailExit::Exited(code) => Ok(Fate::Unclear(format!("the jail exited with code {code}: {end}"))),
        },
    }
}

/// The order travels where a script would; its target is this process and the files of this host.
fn order(jail: &Jail, services: &mut Services, act: &str) -> Result<RunEnd, RunEnd> {
    let mut session = Session::new(&jail.socket);
    session.await_ready(&mut services.pace.waiter)?;
    session.verified();
    // Broker, neighbour, address, port, System V key, key, directory.
    let targets = format!("{pid} {pid} 4096 1 0 0 /etc", pid = std::process::id());
    session.load(services, &format!("act {act} {targets}"), &Arguments::default())?;
    Ok(session.serve(services))
}

fn fate_of(answer: &str) -> Fate {
    match answer.strip_prefix("errno ").and_then(|errno| errno.parse().ok()) {
        Some(errno) => Fate::Refused(std::io::Error::from_raw_os_error(errno).to_string()),
        None if answer == "done" => Fate::Done,
        None => Fate::Unclear(answer.to_owned()),
    }
}

/// A run without policy, record and result: the prover asks for nothing.
fn services() -> Result<Services, String> {
    let mut waiter = Waiter::new().map_err(|error| error.to_string())?;
    waiter.set_deadline(Some(Instant::now() + Duration::from_secs(30)));
    let loaded = Policies::load(&[], Mode::Strict).map_err(|_| "an empty policy was refused")?;
    let limits = Limits::default();
    let recorder = Recorder::new(Settings {
        compat: false,
        bare: true,
        started: Instant::now(),
        log_threshold: LogLevel::Info,
        max_log_lines: limits.max_log_lines,
        max_signals: limits.max_signals,
        max_signal_bytes: limits.max_signal_bytes,
    });
    let host = Host::open(limits.max_open_handles).map_err(|error| error.to_string())?;
    let engine = Engine::new(loaded.policies, "nobody");
    let deciding = Deciding::new(engine, Forbidden::new(), "nobody".into());
    let journal = Box::new(Journal::nowhere());
    Ok(Services::new(host, deciding, limits, waiter, journal, recorder))
}

/// What is attempted, and in which words it is told.
const ACTS: &[(&str, &str)] = &[
    ("open_shadow", "read /etc/shadow"),
    ("list_directory", "list a directory"),
    ("make_directory", "make a directory"),
    ("open_own_memory", "open its own /proc/self/mem"),
    ("open_device", "open /dev/null"),
    ("execute", "execute a program"),
    ("fork", "fork"),
    ("start_thread", "start a thread"),
    ("connect_tcp", "connect to 127.0.0.1"),
    ("send_udp", "send a UDP datagram"),
    ("make_netlink_socket", "open a netlink socket"),
    ("listen_abstract", "listen on an abstract socket"),
    ("pass_descriptor", "pass a descriptor to the broker"),
    ("signal_broker", "signal the broker"),
    ("trace", "trace the broker"),
    ("read_brokers_memory", "read the broker's memory"),
    ("take_brokers_pidfd", "take a descriptor of the broker"),
    ("duplicate", "duplicate a descriptor"),
    ("make_memory_file", "make a memory file"),
    ("map_executable", "map executable memory"),
    ("make_executable", "make memory executable"),
    ("make_program_writable", "make its program writable"),
    ("new_user_namespace", "make a user namespace"),
    ("mount", "mount a file system"),
    ("become_root", "become root"),
    ("take_capabilities", "take capabilities"),
    ("add_key_to_session", "add a key"),
    ("open_shared_memory", "open shared memory"),
    ("use_io_uring", "use io_uring"),
    ("ask_for_time", "ask for the time"),
];
