//! A connection to the system bus: calls, one at a time, each with a deadline.

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::message::{FIXED_BYTES, Kind, Message, MethodCall, length};
use super::object::GoOn;
use crate::gate::error::Error;

/// A connection to the system bus.
#[derive(Debug)]
pub struct Bus {
    socket: UnixStream,
    serial: u32,
    /// Signals that came while something else was waited for.
    signals: Vec<Message>,
}

/// Why a call got no answer, or another than was hoped for.
#[derive(Debug)]
pub(super) enum Failed {
    /// The other side said no: name of the error, and its text.
    Refused(String, String),
    /// The bus does not work.
    Bus(String),
    /// The run is to end.
    Run(Error),
}

impl fmt::Display for Failed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(name, text) => write!(out, "{name}: {text}"),
            Self::Bus(text) => out.write_str(text),
            Self::Run(_) => out.write_str("interrupted"),
        }
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Bus(error.to_string())
    }
}

impl Bus {
    /// Connects to the bus at this address, and greets it.
    pub(super) fn connect(address: Option<&OsStr>, go_on: GoOn<'_>) -> Result<Self, Failed> {
        let place = place(address.unwrap_or(OsStr::new(USUAL_ADDRESS)))
            .ok_or_else(|| Failed::Bus("the address of the bus is not one of a UNIX socket".to_owned()))?;
        let socket = UnixStream::connect_addr(&place)?;
        socket.set_nonblocking(true)?;
        let mut bus = Self { socket, serial: 0, signals: Vec::new() };
        let deadline = Instant::now() + CALL_TIME;
        let user: String =
            nix::unistd::geteuid().to_string().bytes().map(|byte| format!("{byte:02x}")).collect();
        bus.send(format!("\0AUTH EXTERNAL {user}\r\n").as_bytes(), deadline, go_on)?;
        let answer = bus.line(deadline, go_on)?;
        if !answer.starts_with("OK ") {
            return Err(Failed::Bus(format!("the bus does not take this user: {}", answer.trim())));
        }
        bus.send(b"BEGIN\r\n", deadline, go_on)?;
        bus.call(BUS_NAME, BUS_PATH, BUS_NAME, "Hello", &[], go_on)?;
        Ok(bus)
    }

    /// Calls a method and waits for its answer.
    pub(super) fn call(
        &mut self,
        destination: &str,
        path: &str,
        interface: &str,
        member: &str,
        arguments: &[&str],
        go_on: GoOn<'_>,
    ) -> Result<Message, Failed> {
        let deadline = Instant::now() + CALL_TIME;
        self.serial = self.serial.wrapping_add(1).max(1);
        let call = MethodCall { destination, path, interface, member, arguments };
        self.send(&call.to_bytes(self.serial), deadline, go_on)?;
        loop {
            let message = self.message(deadline, go_on)?;
            match message.kind {
                Some(Kind::Signal) if self.signals.len() < MOST_SIGNALS => self.signals.push(message),
                Some(Kind::Return) if message.reply_to == Some(self.serial) => return Ok(message),
                Some(Kind::Error) if message.reply_to == Some(self.serial) => {
                    let text = message.texts().and_then(|texts| texts.into_iter().next()).unwrap_or_default();
                    return Err(Failed::Refused(message.error_name.unwrap_or_default(), text));
                }
                // An answer to somebody else's question, or a question to us: nobody gets one.
                _ => {}
            }
        }
    }

    /// Has the bus pass on the signals of this rule.
    pub(super) fn subscribe(&mut self, rule: &str, go_on: GoOn<'_>) -> Result<(), Failed> {
        self.call(BUS_NAME, BUS_PATH, BUS_NAME, "AddMatch", &[rule], go_on).map(drop)
    }

    /// Waits for a signal of this sender of which `is_it` says so.
    pub(super) fn signal(
        &mut self,
        sender: &str,
        deadline: Instant,
        is_it: impl Fn(&Message) -> bool,
        go_on: GoOn<'_>,
    ) -> Result<Message, Failed> {
        let is_it = |message: &Message| message.sender.as_deref() == Some(sender) && is_it(message);
        if let Some(at) = self.signals.iter().position(&is_it) {
            return Ok(self.signals.swap_remove(at));
        }
        loop {
            let message = self.message(deadline, go_on)?;
            if message.kind == Some(Kind::Signal) && is_it(&message) {
                return Ok(message);
            }
        }
    }

    fn message(&mut self, deadline: Instant, go_on: GoOn<'_>) -> Result<Message, Failed> {
        let mut bytes = vec![0; FIXED_BYTES];
        self.fill(&mut bytes, deadline, go_on)?;
        let whole = bytes.first_chunk().and_then(length).ok_or_else(nonsense)?;
        bytes.resize(whole, 0);
        self.fill(&mut bytes[FIXED_BYTES..], deadline, go_on)?;
        Message::parse(&bytes).ok_or_else(nonsense)
    }

    /// A line of the greeting.
    fn line(&mut self, deadline: Instant, go_on: GoOn<'_>) -> Result<String, Failed> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            if line.len() > MOST_LINE_BYTES {
                return Err(nonsense());
            }
            let mut byte = [0];
            self.fill(&mut byte, deadline, go_on)?;
            line.extend(byte);
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    fn fill(&mut self, space: &mut [u8], deadline: Instant, go_on: GoOn<'_>) -> Result<(), Failed> {
        let mut count = 0;
        while count < space.len() {
            match self.socket.read(&mut space[count..]) {
                Ok(0) => return Err(Failed::Bus("the bus has closed the connection".to_owned())),
                Ok(more) => count += more,
                Err(error) => self.wait(error, PollFlags::POLLIN, deadline, go_on)?,
            }
        }
        Ok(())
    }

    fn send(&mut self, mut bytes: &[u8], deadline: Instant, go_on: GoOn<'_>) -> Result<(), Failed> {
        while !bytes.is_empty() {
            match self.socket.write(bytes) {
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(error) => self.wait(error, PollFlags::POLLOUT, deadline, go_on)?,
            }
        }
        Ok(())
    }

    /// Waits until the socket can go on, a moment at a time.
    fn wait(
        &mut self,
        error: io::Error,
        wanted: PollFlags,
        deadline: Instant,
        go_on: GoOn<'_>,
    ) -> Result<(), Failed> {
        match error.kind() {
            io::ErrorKind::WouldBlock => {}
            io::ErrorKind::Interrupted => return Ok(()),
            _ => return Err(error.into()),
        }
        loop {
            go_on().map_err(Failed::Run)?;
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Failed::Bus("no answer within the time for a call".to_owned()));
            }
            let moment = PollTimeout::try_from(left.min(MOMENT)).unwrap_or(PollTimeout::ZERO);
            match poll(&mut [PollFd::new(self.socket.as_fd(), wanted)], moment) {
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return Ok(()),
                Err(errno) => return Err(io::Error::from(errno).into()),
            }
        }
    }
}

fn nonsense() -> Failed {
    Failed::Bus("the bus answers what is no message of D-Bus".to_owned())
}

/// The D-Bus Specification, "Server Addresses": `unix:path=…` or `unix:abstract=…`, perhaps with further keys; bytes may be
/// written as `%` and two digits.
fn place(address: &OsStr) -> Option<SocketAddr> {
    let first = address.as_bytes().split(|byte| *byte == b';').next()?;
    let keys = first.strip_prefix(b"unix:")?;
    keys.split(|byte| *byte == b',').find_map(|key| {
        if let Some(path) = key.strip_prefix(b"path=") {
            return SocketAddr::from_pathname(OsStr::from_bytes(&unescaped(path)?)).ok();
        }
        SocketAddr::from_abstract_name(unescaped(key.strip_prefix(b"abstract=")?)?).ok()
    })
}

fn unescaped(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        if byte == b'%' {
            let digits = [*rest.next()?, *rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    Some(bytes)
}

const USUAL_ADDRESS: &str = "unix:path=/var/run/dbus/system_bus_socket";
const BUS_NAME: &str = "org.freedesktop.DBus";
const BUS_PATH: &str = "/org/freedesktop/DBus";
/// What D-Bus libraries wait for an answer, too.
const CALL_TIME: Duration = Duration::from_secs(25);
/// How long nobody looks whether the run is to end.
const MOMENT: Duration = Duration::from_millis(50);
const MOST_LINE_BYTES: usize = 4096;
/// More than come between a call and its answer; those beyond are lost.
const MOST_SIGNALS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_that_of_a_socket() {
        let path = |text: &str| {
            let address = place(OsStr::new(text))?;
            address.as_pathname().map(|path| path.display().to_string())
        };

        assert_eq!(path("unix:path=/run/bus").as_deref(), Some("/run/bus"));
        assert_eq!(path("unix:guid=ab,path=/a%20b;tcp:host=x").as_deref(), Some("/a b"));
        for wrong in ["", "tcp:host=x", "unix:", "unix:path=/a%2", "unix:path=/a%xx", "/run/bus"] {
            assert!(place(OsStr::new(wrong)).is_none(), "{wrong}");
        }
        let named = place(OsStr::new("unix:abstract=x")).unwrap();
        assert_eq!(named.as_abstract_name(), Some(&b"x"[..]));
    }
}
