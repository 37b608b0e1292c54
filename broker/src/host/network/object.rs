//! What of the network the policy is asked about, and what is held of it.

use std::cell::Cell;
use std::net::TcpStream;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rex_outside::{Plan, Requirement, SealedImage};

use super::secure::Secure;
use crate::gate::error::Error;
use crate::policy::url::{Host, Url};

/// A URL under one of its spellings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spelled {
    /// The text that is asked about.
    pub text: String,
    /// What is fetched; nothing where the text is no URL.
    pub url: Option<Url>,
}

/// What is connected to, under one of its spellings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The text that is asked about.
    pub text: String,
    /// The host; nothing where the text is no name or address.
    pub host: Option<Host>,
    /// The port.
    pub port: u16,
}

/// The name of a host that is looked up, under one of its spellings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The text that is asked about.
    pub text: String,
    /// The text that the script gave.
    pub given: String,
}

/// Looks, while the network is waited for, whether the run is to end.
pub type GoOn<'a> = &'a mut dyn FnMut() -> Result<(), Error>;

/// Where this host says what it knows of names, how long servers are waited for, and the exchange that is open.
#[derive(Debug)]
pub struct Network {
    /// Names of hosts and their addresses; see hosts(5).
    pub hosts: PathBuf,
    /// Name servers and domains; see resolv.conf(5).
    pub resolver: PathBuf,
    /// The port of name servers.
    pub name_server_port: u16,
    /// How long one exchange may take, from the first connection to the last byte, redirects included.
    pub exchange_time: Duration,
    /// How long a connection that is only tried is waited for.
    pub connect_time: Duration,
    /// The file with the certificates of those authorities that are believed; nothing for the store of the system.
    pub ca_file: Option<PathBuf>,
    /// How workers are started; without it there is nothing that needs one.
    pub staff: Option<Staff>,
    pub(super) sealed: Option<SealedImage>,
    /// The process of the worker that there is, if any.
    pub(super) worker: Rc<Cell<Option<u32>>>,
    pub(super) exchange: Option<Exchange>,
}

/// How workers for the network are started.
#[derive(Clone, Debug)]
pub struct Staff {
    /// The program.
    pub program: &'static [u8],
    /// How it is confined.
    pub plan: Plan,
    /// What of that must be in force before it is given anything.
    pub requirement: Requirement,
}

impl Staff {
    /// Workers that are confined as the jail is by this plan, with a memory of their own.
    pub fn new(program: &'static [u8], plan: &Plan, requirement: &Requirement) -> Self {
        let mut plan = plan.clone();
        plan.arena_bytes = WORKER_BYTES;
        plan.cpu_seconds = WORKER_SECONDS;
        plan.forensics = false;
        Self { program, plan, requirement: requirement.clone() }
    }
}

/// A request that was sent, whose answer has not been read to its end.
#[derive(Debug)]
pub(super) struct Exchange {
    /// The questions that were asked for it, in their order: the text, and whether Rex does not ask it.
    pub(super) questions: Vec<Question>,
    pub(super) url: Url,
    pub(super) line: Option<Line>,
    pub(super) deadline: Instant,
}

/// How the bytes of an exchange come.
#[derive(Debug)]
pub(super) enum Line {
    /// As the server sends them.
    Plain(TcpStream),
    /// Through a worker, which decrypts them.
    Secure(Box<Secure>),
}

/// A question that was asked about a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The text.
    pub text: String,
    /// Whether Rex does not ask it, so that for its scripts a missing permit is none.
    pub beyond_rex: bool,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            hosts: "/etc/hosts".into(),
            resolver: "/etc/resolv.conf".into(),
            name_server_port: 53,
            exchange_time: Duration::from_secs(30),
            connect_time: Duration::from_secs(5),
            ca_file: None,
            staff: None,
            sealed: None,
            worker: Rc::default(),
            exchange: None,
        }
    }
}

impl Network {
    /// Where the number of the worker's process stands, while there is one.
    pub fn worker(&self) -> Rc<Cell<Option<u32>>> {
        Rc::clone(&self.worker)
    }

    /// The questions that were asked for the exchange that is open, and its URL.
    pub fn open_exchange(&self) -> Option<(Vec<Question>, Url)> {
        let exchange = self.exchange.as_ref()?;
        Some((exchange.questions.clone(), exchange.url.clone()))
    }

    /// Ends the exchange that is open. The time of it goes on for what it was redirected to.
    pub fn end_exchange(&mut self, is_redirected: bool) {
        match &mut self.exchange {
            Some(exchange) if is_redirected => exchange.line = None,
            exchange => *exchange = None,
        }
    }
}

/// What a worker needs for the largest store of authorities and one connection, several times.
const WORKER_BYTES: u64 = 32 << 20;
/// More than an exchange takes of its 30 seconds.
const WORKER_SECONDS: u64 = 60;
