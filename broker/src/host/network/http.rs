//! One exchange of HTTP: a request of the broker's own making goes out, and the bytes that come back are handed on unread.

use std::io::Read;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Instant;

use nix::poll::PollFlags;
use rex_ipc::action::network::Get;

use super::anchors;
use super::hosts::reached_by;
use super::object::{Exchange, GoOn, Line, Network, Question, Spelled};
use super::patience::{Failed, connected, patiently, send};
use super::secure::Secure;
use super::worker::Worker;
use crate::gate::Permit;
use crate::gate::error::Error;
use crate::policy::url::{Host, Url};
use rex_ipc::failure::ErrorKind;

/// A connection to the server of a URL, over which nothing has been sent.
#[derive(Debug)]
pub struct Reached(TcpStream);

/// Connects to this address of a permitted URL.
///
/// # Errors
/// The system's, that the time is over, or `Interrupted` when the run is to end.
pub fn reach(
    permit: &Permit<'_, Get, Spelled>,
    address: IpAddr,
    deadline: Instant,
    go_on: GoOn<'_>,
) -> Result<Reached, Error> {
    let url = permit.resource().url.as_ref().ok_or_else(|| failed("there is no URL"))?;
    connected(SocketAddr::new(address, url.port), deadline, go_on).map(Reached).map_err(told)
}

/// Connects to the operator's proxy for a permitted URL. Where the name of its server leads the proxy finds out. No script has
/// named the proxy, and none is told of it.
///
/// # Errors
/// The system's, that there is no such proxy, that the time is over, or `Interrupted` when the run is to end.
pub fn reach_proxy(
    permit: &Permit<'_, Get, Spelled>,
    network: &Network,
    deadline: Instant,
    go_on: GoOn<'_>,
) -> Result<Reached, Error> {
    let proxy = match (&permit.resource().url, &network.proxy) {
        (Some(_), Some(proxy)) => proxy,
        _ => return Err(failed("there is no proxy")),
    };
    let mut reached = Err(failed(
        "the proxy has no address that this host knows: it is named by one, or by a name of /etc/hosts",
    ));
    for address in reached_by(&proxy.host, network) {
        match connected(SocketAddr::new(address, proxy.port), deadline, go_on).map_err(told) {
            Ok(socket) => return Ok(Reached(socket)),
            Err(error @ Error::Interrupted) => return Err(error),
            Err(error) => reached = Err(error),
        }
    }
    reached
}

/// Has the proxy lead the connection through to the server of a URL; see RFC 9110, 9.3.6.
fn lead_through(socket: &TcpStream, url: &Url, deadline: Instant, go_on: GoOn<'_>) -> Result<(), Failed> {
    let host = match &url.host {
        Host::Address(IpAddr::V6(address)) => format!("[{address}]"),
        host => host.to_string(),
    };
    let server = format!("{host}:{}", url.port);
    let request = format!("CONNECT {server} HTTP/1.1\r\nhost: {server}\r\n\r\n");
    send(socket, request.as_bytes(), deadline, go_on)?;
    let mut head = Vec::new();
    // One by one, so that nothing is taken of what the server says.
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        let count =
            patiently(socket, PollFlags::POLLIN, deadline, go_on, |mut socket| socket.read(&mut byte))?;
        if count == 0 || head.len() >= MOST_HEAD_BYTES {
            return Err(Failed::Refused("the proxy has not answered as one"));
        }
        head.extend(byte);
    }
    let is_through = head.starts_with(b"HTTP/1.") && head.get(8..10) == Some(b" 2");
    if is_through { Ok(()) } else { Err(Failed::Refused("the proxy does not lead through to the server")) }
}

/// The header that names the user, where the URL did. RFC 7617, 2.
fn authorization(url: &Url) -> String {
    url.user.as_ref().map_or_else(String::new, |user| format!("authorization: Basic {}\r\n", base64(user)))
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let number =
            group.iter().zip([16, 8, 0]).fold(0, |sum, (byte, shift)| sum | u32::from(*byte) << shift);
        for (place, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let digit = usize::try_from(number >> shift & 63).ok().and_then(|digit| BASE64.get(digit));
            text.push(digit.filter(|_| place <= group.len()).map_or('=', |digit| char::from(*digit)));
        }
    }
    text
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// What a proxy may say before it leads through.
const MOST_HEAD_BYTES: usize = 8 << 10;

/// Sends the request for a permitted URL, over TLS where that is its scheme. `questions` are those that are to be asked again
/// for each part of the answer.
///
/// # Errors
/// The system's, why the server is not believed, that the time is over, or `Interrupted` when the run is to end.
pub fn begin(
    permit: &Permit<'_, Get, Spelled>,
    network: &mut Network,
    Reached(socket): Reached,
    questions: Vec<Question>,
    deadline: Instant,
    go_on: GoOn<'_>,
) -> Result<(), Error> {
    let url = permit.resource().url.clone().ok_or_else(|| failed("there is no URL"))?;
    network.end_exchange(false);
    let is_proxied = network.proxy.is_some();
    // RFC 9112, 3.2.2: a proxy is told the whole URL.
    let target = if is_proxied && !url.is_secure { url.to_string() } else { url.target.clone() };
    let request = format!(
        "GET {target} HTTP/1.1\r\nhost: {}\r\naccept: */*\r\n{}connection: close\r\n\r\n",
        url.authority(),
        authorization(&url)
    );
    let line = match url.is_secure {
        false => {
            send(&socket, request.as_bytes(), deadline, go_on).map_err(told)?;
            Line::Plain(socket)
        }
        true => {
            let anchors = anchors::read(network).map_err(told)?;
            if is_proxied {
                lead_through(&socket, &url, deadline, go_on).map_err(told)?;
            }
            let worker = Worker::start(network, deadline, go_on).map_err(told)?;
            let secure = Secure::begin(socket, worker, &url, &anchors, request.as_bytes(), deadline, go_on);
            Line::Secure(Box::new(secure.map_err(told)?))
        }
    };
    network.exchange = Some(Exchange { questions, url, line: Some(line), deadline });
    Ok(())
}

/// Waits for the next bytes of the exchange that the permit is for; gives their number, and whether that was the end.
///
/// # Errors
/// The system's; that the time is over; that there is no such exchange; `Interrupted` when the run is to end.
pub fn read(
    permit: &Permit<'_, Get, Spelled>,
    network: &mut Network,
    space: &mut [u8],
    go_on: GoOn<'_>,
) -> Result<(usize, bool), Error> {
    let Some(exchange) = &mut network.exchange else { return Err(failed("no exchange is open")) };
    let was_asked = exchange.questions.iter().any(|question| question.text == permit.resource().text);
    let Some(line) = exchange.line.as_mut().filter(|_| was_asked) else {
        return Err(failed("no exchange is open"));
    };
    // A server that sends without an end is waited for no longer than one that sends nothing.
    if exchange.deadline <= Instant::now() {
        exchange.line = None;
        return Err(failed("the server does not answer in time"));
    }
    let read = match line {
        Line::Plain(socket) => {
            patiently(socket, PollFlags::POLLIN, exchange.deadline, go_on, |mut socket| socket.read(space))
        }
        Line::Secure(secure) => secure.read(space, exchange.deadline, go_on),
    };
    if !matches!(read, Ok(1..)) {
        exchange.line = None;
    }
    read.map(|count| (count, count == 0)).map_err(told)
}

fn told(failure: Failed) -> Error {
    match failure {
        Failed::System(error) => Error::system(&error),
        Failed::Refused(why) => failed(why),
        Failed::TimedOut => failed("the server does not answer in time"),
        Failed::Run(error) => error,
    }
}

fn failed(why: &str) -> Error {
    Error::invalid(ErrorKind::IoError, why)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    // RFC 4648, section 10; RFC 7617, section 2.
    #[test]
    fn users_are_named_as_the_standard_has_it() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        let url = Url::parse_with_user("http://Aladdin:open%20sesame@h/").unwrap();
        assert_eq!(authorization(&url), "authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n");
    }

    #[test]
    fn what_the_system_says_is_told_with_its_number() {
        let error = told(Failed::System(io::Error::from_raw_os_error(nix::libc::ECONNREFUSED)));

        assert!(matches!(error, Error::Failed { errno: Some(nix::libc::ECONNREFUSED), .. }), "{error:?}");
    }
}
