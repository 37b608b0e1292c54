//! What of the network the policy is asked about, and what is held of it.

use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

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
    pub(super) exchange: Option<Exchange>,
}

/// A request that was sent, whose answer has not been read to its end.
#[derive(Debug)]
pub(super) struct Exchange {
    /// The questions that were asked for it, in their order: the text, and whether Rex does not ask it.
    pub(super) questions: Vec<Question>,
    pub(super) url: Url,
    pub(super) socket: Option<TcpStream>,
    pub(super) deadline: Instant,
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
            exchange: None,
        }
    }
}

impl Network {
    /// The questions that were asked for the exchange that is open, and its URL.
    pub fn open_exchange(&self) -> Option<(Vec<Question>, Url)> {
        let exchange = self.exchange.as_ref()?;
        Some((exchange.questions.clone(), exchange.url.clone()))
    }

    /// Ends the exchange that is open. The time of it goes on for what it was redirected to.
    pub fn end_exchange(&mut self, is_redirected: bool) {
        match &mut self.exchange {
            Some(exchange) if is_redirected => exchange.socket = None,
            exchange => *exchange = None,
        }
    }
}
