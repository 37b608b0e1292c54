//! One exchange of HTTP: a request of the broker's own making goes out, and the bytes that come back are handed on unread.

use std::io::Read;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Instant;

use nix::poll::PollFlags;
use rex_ipc::action::network::Get;

use super::anchors;
use super::object::{Exchange, GoOn, Line, Network, Question, Spelled};
use super::patience::{Failed, connected, patiently, send};
use super::secure::Secure;
use super::worker::Worker;
use crate::gate::Permit;
use crate::gate::error::Error;
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
    let request = format!(
        "GET {} HTTP/1.1\r\nhost: {}\r\naccept: */*\r\nconnection: close\r\n\r\n",
        url.target,
        url.authority()
    );
    let line = match url.is_secure {
        false => {
            send(&socket, request.as_bytes(), deadline, go_on).map_err(told)?;
            Line::Plain(socket)
        }
        true => {
            let anchors = anchors::read(network).map_err(told)?;
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

    #[test]
    fn what_the_system_says_is_told_with_its_number() {
        let error = told(Failed::System(io::Error::from_raw_os_error(nix::libc::ECONNREFUSED)));

        assert!(matches!(error, Error::Failed { errno: Some(nix::libc::ECONNREFUSED), .. }), "{error:?}");
    }
}
