//! What of programs the policy is asked about, and what is held of the one that runs.

use std::fs;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::rc::Rc;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rex_outside::spawner::Spawner;
use rex_spawner::report::EVENT_BYTES;
use rex_spawner::{Confinement, Event};

use super::places::{Closed, Relocated};
use crate::gate::Inode;
use crate::gate::error::Error;
use crate::host::file_system::object::File;
use crate::policy::name::PathName;
use crate::policy::{Inner, Program};

/// Looks, while a program is waited for, whether the run is to end.
pub type GoOn<'a> = &'a mut dyn FnMut() -> Result<(), Error>;

/// An open file that is to be executed, and what it is given.
#[derive(Clone, Debug)]
pub struct Executed {
    /// The file.
    pub file: Rc<File>,
    /// What the policy is told.
    pub program: Program,
}

/// The program that interprets an open file, and what it is given.
#[derive(Clone, Debug)]
pub struct Interpreter {
    /// The file that is interpreted.
    pub script: Rc<File>,
    /// Where the interpreter is, without any link on the way.
    pub path: PathName,
    /// What it is.
    pub inode: Inode,
    /// The interpreter.
    pub(super) file: Rc<OwnedFd>,
    /// What the policy is told.
    pub program: Program,
}

impl Interpreter {
    /// This interpreter, of which the policy is told this.
    pub fn given(&self, program: Program) -> Self {
        Self { program, ..self.clone() }
    }
}

/// A program of the host that does what a function of the SDK is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// sysctl(8), which sets parameters.
    Parameters,
    /// gdb(1), which looks into core dumps, and tells where threads are.
    Debugger,
    /// gstack(1), a script that has gdb tell where threads are. It is gdb that is executed.
    Gstack,
}

impl Tool {
    /// Where it is.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Parameters => "/usr/sbin/sysctl",
            Self::Debugger => "/usr/bin/gdb",
            Self::Gstack => "/usr/bin/gstack",
        }
    }

    /// How far it is kept where other programs are kept that far.
    pub const fn confinement(self, of_others: Confinement) -> Confinement {
        match (self, of_others) {
            // What it reads is hostile, and can have it read, load and start whatever it may.
            (Self::Debugger | Self::Gstack, Confinement::Unconfined) => Confinement::Host,
            (Self::Debugger | Self::Gstack, of_others) => of_others,
            (_, Confinement::Unconfined) => Confinement::Unconfined,
            // In namespaces of its own it would set what is theirs.
            (Self::Parameters, _) => Confinement::Host,
        }
    }
}

/// What was asked for a program, and how.
#[derive(Clone, Debug)]
pub struct Question {
    /// The program, and what it was given.
    pub executed: Executed,
    /// Whether it is a question that Rex does not ask.
    pub is_beyond_rex: bool,
}

/// A socket that an operator has named for programs.
#[derive(Debug)]
pub struct NamedSocket {
    /// Where it was found.
    pub path: PathBuf,
    /// What was found there when the run began, whatever has the name by now; or why nothing can be given.
    pub held: Result<OwnedFd, String>,
}

/// How programs are started, and the one that runs.
#[derive(Debug)]
pub struct Programs {
    /// Who starts them; nothing where the policy could never permit one, or where there is none.
    pub spawner: Option<Spawner>,
    /// How far they are kept from what the policy does not permit.
    pub confinement: Confinement,
    /// What they may do at most.
    pub inner: Inner,
    /// What no policy opens.
    pub closed: Closed,
    /// What this run has moved.
    pub relocated: Relocated,
    /// Whether they get a file with several hard links wherever it lies.
    pub hard_links: bool,
    /// The sockets that they may connect to, where they have a root of their own.
    pub sockets: Vec<NamedSocket>,
    /// The group of the broker, which they have unless they are given another.
    pub gid: u32,
    pub(super) running: Option<Running>,
}

impl Default for Programs {
    fn default() -> Self {
        Self {
            spawner: None,
            confinement: Confinement::Confined,
            inner: Inner::default(),
            closed: Closed::default(),
            relocated: Relocated::default(),
            hard_links: false,
            sockets: Vec::new(),
            gid: nix::unistd::getegid().as_raw(),
            running: None,
        }
    }
}

impl Programs {
    /// What was asked for the program that runs.
    pub fn question(&self) -> Option<Question> {
        self.running.as_ref().map(|running| running.question.clone())
    }
}

/// A program that was started.
#[derive(Debug)]
pub(super) struct Running {
    /// What was asked for it last.
    pub(super) question: Question,
    /// What it writes to its standard output and its standard error; nothing once that has ended.
    pub(super) streams: [Option<fs::File>; 2],
    /// What its keeper says.
    pub(super) report: fs::File,
    /// Its end has the keeper end everything.
    pub(super) lifeline: Option<OwnedFd>,
    /// What the keeper has said and nobody has read yet.
    pub(super) told: Vec<u8>,
    /// How it has ended.
    pub(super) end: Option<Event>,
    /// How much it has written.
    pub(super) bytes: u64,
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        if self.end.is_some() {
            return;
        }
        // The keeper says that it has ended when nothing is left but itself; then its pipe has an end.
        let mut buffer = [0; 64 * EVENT_BYTES];
        for _ in 0..PATIENCE_ROUNDS {
            let moment = PollTimeout::from(ROUND_MS);
            let is_ready =
                poll(&mut [PollFd::new(std::os::fd::AsFd::as_fd(&self.report), PollFlags::POLLIN)], moment);
            if matches!(is_ready, Ok(1..)) && matches!(self.report.read(&mut buffer), Ok(0) | Err(_)) {
                return;
            }
        }
    }
}

/// How long the keeper is waited for at the end: five seconds.
const PATIENCE_ROUNDS: u32 = 100;
const ROUND_MS: u8 = 50;
