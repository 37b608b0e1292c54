//! What of the network the policy is asked about, and what is held of it.

use std::cell::RefCell;
use std::net::{IpAddr, TcpStream};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rex_outside::{Least, Plan, Requirement, SealedImage};

use super::inside::Inside;
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
    /// The host of that, as a text.
    pub host: String,
    /// How many redirects have led here.
    pub hop: u8,
    /// Where the request goes, as far as that is known.
    pub address: Option<IpAddr>,
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
    /// How: `tcp`, `udp` or `auto`.
    pub protocol: &'static str,
    /// Where the connection goes, as far as that is known.
    pub address: Option<IpAddr>,
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
    /// How long one answer of a name server is waited for, where a script does not say it.
    pub query_time: Duration,
    /// How long a connection that is only tried is waited for.
    pub connect_time: Duration,
    /// The file with the certificates of those authorities that are believed; nothing for the store of the system.
    pub ca_file: Option<PathBuf>,
    /// The operator's proxy, to which requests go in place of their servers.
    pub proxy: Option<Url>,
    /// What becomes of user information in a URL.
    pub user_information: UserInformation,
    /// How workers are started; without it there is nothing that needs one.
    pub staff: Option<Staff>,
    /// The network namespace that connections are made in, where that is not the broker's.
    pub inside: Option<Inside>,
    pub(super) sealed: Option<SealedImage>,
    /// The processes of the workers that there are.
    pub(super) workers: Rc<RefCell<Vec<u32>>>,
    pub(super) exchange: Option<Exchange>,
}

/// What to do with name and password in a URL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UserInformation {
    /// Refuse the URL.
    #[default]
    Refuse,
    /// Send them to its server, and to no other that it redirects to.
    Allow,
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
    /// What was in force of those that were started, whether or not it was enough. Whoever makes the result shares it.
    pub seen: Arc<Mutex<Least>>,
}

impl Staff {
    /// Workers that are confined as the jail is by this plan, with a memory of their own.
    pub fn new(program: &'static [u8], plan: &Plan, requirement: &Requirement) -> Self {
        let mut plan = plan.clone();
        plan.arena_bytes = WORKER_BYTES;
        plan.cpu_seconds = WORKER_SECONDS;
        plan.forensics = false;
        Self { program, plan, requirement: requirement.clone(), seen: Arc::default() }
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
    /// How many redirects have led here.
    pub hop: u8,
    /// Where the request goes, as far as that was known.
    pub address: Option<IpAddr>,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            hosts: "/etc/hosts".into(),
            resolver: "/etc/resolv.conf".into(),
            name_server_port: 53,
            exchange_time: Duration::from_secs(30),
            query_time: Duration::from_secs(5),
            connect_time: Duration::from_secs(5),
            ca_file: None,
            proxy: None,
            user_information: UserInformation::Refuse,
            staff: None,
            inside: None,
            sealed: None,
            workers: Rc::default(),
            exchange: None,
        }
    }
}

impl Network {
    /// Where the numbers of the workers' processes stand while there are any.
    pub fn workers(&self) -> Rc<RefCell<Vec<u32>>> {
        Rc::clone(&self.workers)
    }

    /// The questions that were asked for the exchange that is open, and its URL.
    pub fn open_exchange(&self) -> Option<(Vec<Question>, Url)> {
        let exchange = self.exchange.as_ref()?;
        Some((exchange.questions.clone(), exchange.url.clone()))
    }

    /// Until when an exchange that is begun now may take: one that was redirected has the time that is left. The one that is
    /// open ends.
    pub fn begin_anew(&mut self, is_redirected: bool) -> Instant {
        self.end_exchange(is_redirected);
        let began = self.exchange.as_ref().map(|exchange| exchange.deadline);
        began.unwrap_or_else(|| Instant::now() + self.exchange_time)
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
