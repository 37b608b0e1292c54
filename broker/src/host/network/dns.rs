//! One query to a name server: the message is made here, and what comes back is handed on unread.

use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use nix::poll::PollFlags;
use rex_ipc::action::sysinfo::ResolveHostname;
use rex_ipc::failure::ErrorKind;
use rex_ipc::limits::MAX_DNS_ANSWER_BYTES;
use rex_ipc::network::AddressKind;

use super::object::{GoOn, Name, Network};
use super::patience::{Failed, connected, patiently, send};
use crate::gate::Permit;
use crate::gate::error::Error;

/// What is asked, and how.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// The domain that is put behind the name.
    pub domain: Option<&'a str>,
    /// Addresses of which version.
    pub kind: AddressKind,
    /// Whom.
    pub server: IpAddr,
    /// Over TCP, and not over UDP.
    pub over_tcp: bool,
    /// How long an answer is waited for.
    pub wait: Duration,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The name that was asked for, without a dot behind it.
    pub name: String,
    /// The number of the query.
    pub id: u16,
    /// The message.
    pub message: Vec<u8>,
}

/// Asks for the addresses of a permitted name.
///
/// # Errors
/// The system's; `request timed out`; that this is no name; `Interrupted` when the run is to end.
pub fn query(
    permit: &Permit<'_, ResolveHostname, Name>,
    network: &Network,
    query: Query<'_>,
    go_on: GoOn<'_>,
) -> Result<Answer, Error> {
    let given = &permit.resource().given;
    // A name server that is near is heard without any patience, too.
    let deadline = Instant::now() + query.wait.max(LEAST_WAIT);
    ask(network, given, query, deadline, go_on).map_err(|failed| match failed {
        Failed::Run(error) => error,
        Failed::Refused(why) => Error::invalid(ErrorKind::Other, why),
        Failed::TimedOut => Error::invalid(ErrorKind::Other, "request timed out"),
        Failed::System(error) => Error::system_as(ErrorKind::Other, &error),
    })
}

/// Asks once, no longer than that is waited for and until the deadline.
pub(super) fn ask(
    network: &Network,
    given: &str,
    query: Query<'_>,
    deadline: Instant,
    go_on: GoOn<'_>,
) -> Result<Answer, Failed> {
    let given = given.strip_suffix('.').unwrap_or(given);
    let name = query.domain.map_or_else(|| given.to_owned(), |domain| format!("{given}.{domain}"));
    let mut id = [0; 2];
    getrandom::fill(&mut id).map_err(io::Error::other)?;
    let message = message(id, &name, query.kind).ok_or(Failed::Refused("this is no name of a host"))?;
    let deadline = deadline.min(Instant::now() + query.wait.max(LEAST_WAIT));
    let server = SocketAddr::new(query.server, network.name_server_port);
    let message = match query.over_tcp {
        true => over_tcp(server, &message, deadline, go_on)?,
        false => over_udp(server, id, &message, deadline, go_on)?,
    };
    Ok(Answer { name, id: u16::from_be_bytes(id), message })
}

/// RFC 1035, 4: a header that asks for recursion, and one question; nothing when the name is none.
fn message(id: [u8; 2], name: &str, kind: AddressKind) -> Option<Vec<u8>> {
    let mut message = id.to_vec();
    // Flags RD; one question, and nothing else.
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    if name.len() > MOST_NAME_BYTES {
        return None;
    }
    for label in name.split('.') {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let length =
            u8::try_from(label.len()).ok().filter(|length| (1..=MOST_LABEL_BYTES).contains(length))?;
        if !label.bytes().all(is_letter) {
            return None;
        }
        message.push(length);
        message.extend(label.bytes());
    }
    message.push(0);
    message.extend([0, if kind == AddressKind::V4 { TYPE_A } else { TYPE_AAAA }]);
    message.extend([0, CLASS_IN]);
    Some(message)
}

fn over_udp(
    server: SocketAddr,
    id: [u8; 2],
    message: &[u8],
    deadline: Instant,
    go_on: GoOn<'_>,
) -> Result<Vec<u8>, Failed> {
    let own =
        if server.is_ipv4() { IpAddr::from(Ipv4Addr::UNSPECIFIED) } else { Ipv6Addr::UNSPECIFIED.into() };
    // The kernel gives it a port that cannot be guessed, and passes on nothing that another sends.
    let socket = UdpSocket::bind(SocketAddr::new(own, 0))?;
    socket.set_nonblocking(true)?;
    socket.connect(server)?;
    patiently(&socket, PollFlags::POLLOUT, deadline, go_on, |socket| socket.send(message))?;
    let mut answer = vec![0; MAX_DNS_ANSWER_BYTES];
    loop {
        let count =
            patiently(&socket, PollFlags::POLLIN, deadline, go_on, |socket| socket.recv(&mut answer))?;
        // Who does not know the number of the query does not answer it.
        answer.truncate(count);
        if answer.starts_with(&id) {
            return Ok(answer);
        }
        if deadline <= Instant::now() {
            return Err(Failed::TimedOut);
        }
        answer.resize(MAX_DNS_ANSWER_BYTES, 0);
    }
}

/// RFC 1035, 4.2.2: each message has its length before it.
fn over_tcp(
    server: SocketAddr,
    message: &[u8],
    deadline: Instant,
    go_on: GoOn<'_>,
) -> Result<Vec<u8>, Failed> {
    let socket = connected(server, deadline, go_on)?;
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX).to_be_bytes();
    send(&socket, &[&length, message].concat(), deadline, go_on)?;
    let mut length = [0; 2];
    fill(&socket, &mut length, deadline, go_on)?;
    let length = usize::from(u16::from_be_bytes(length));
    if length > MAX_DNS_ANSWER_BYTES {
        return Err(io::Error::other("the answer of the name server is too long").into());
    }
    let mut answer = vec![0; length];
    fill(&socket, &mut answer, deadline, go_on)?;
    Ok(answer)
}

fn fill(socket: &TcpStream, mut space: &mut [u8], deadline: Instant, go_on: GoOn<'_>) -> Result<(), Failed> {
    while !space.is_empty() {
        if deadline <= Instant::now() {
            return Err(Failed::TimedOut);
        }
        let count = patiently(socket, PollFlags::POLLIN, deadline, go_on, |mut socket| socket.read(space))?;
        if count == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        space = space.get_mut(count..).unwrap_or_default();
    }
    Ok(())
}

const LEAST_WAIT: Duration = Duration::from_millis(200);
const MOST_NAME_BYTES: usize = 253;
const MOST_LABEL_BYTES: u8 = 63;
const TYPE_A: u8 = 1;
const TYPE_AAAA: u8 = 28;
const CLASS_IN: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_has_a_header_and_one_question() {
        assert_eq!(
            message([1, 2], "a.example", AddressKind::V6).unwrap(),
            b"\x01\x02\x01\0\0\x01\0\0\0\0\0\0\x01a\x07example\0\0\x1c\0\x01"
        );
        assert!(message([1, 2], "a", AddressKind::V4).unwrap().ends_with(b"\x01a\0\0\x01\0\x01"));
    }

    #[test]
    fn what_is_no_name_is_not_asked_for() {
        let long = "a".repeat(64);
        let longer = format!("{}a", "abcdefghi.".repeat(26));
        for name in ["", ".", "a..b", ".a", "a.", "a b", "ä", "a\0b", &long, &longer] {
            assert_eq!(message([0, 0], name, AddressKind::V4), None, "{name}");
        }
    }
}
