//! Waiting for sockets a moment at a time, with a deadline, and with an eye on whether the run is to end.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, connect, getsockopt, socket, sockopt,
};

use super::object::GoOn;
use crate::gate::error::Error;

/// Why nothing came of it.
#[derive(Debug)]
pub(super) enum Failed {
    /// The system said so.
    System(io::Error),
    /// Somebody else did.
    Refused(&'static str),
    /// The time is over.
    TimedOut,
    /// The run is to end.
    Run(Error),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl From<Errno> for Failed {
    fn from(errno: Errno) -> Self {
        Self::System(errno.into())
    }
}

/// Waits until a socket can go on.
pub(super) fn until(
    socket: &impl AsFd,
    wanted: PollFlags,
    deadline: Instant,
    go_on: GoOn<'_>,
) -> Result<(), Failed> {
    loop {
        go_on().map_err(Failed::Run)?;
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Failed::TimedOut);
        }
        let moment = PollTimeout::try_from(left.min(MOMENT)).unwrap_or(PollTimeout::ZERO);
        match poll(&mut [PollFd::new(socket.as_fd(), wanted)], moment) {
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Does something with a socket that does not wait, and waits until it can be done.
pub(super) fn patiently<S: AsFd, T>(
    socket: &S,
    wanted: PollFlags,
    deadline: Instant,
    go_on: GoOn<'_>,
    mut act: impl FnMut(&S) -> io::Result<T>,
) -> Result<T, Failed> {
    loop {
        match act(socket) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                until(socket, wanted, deadline, go_on)?
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return Ok(done?),
        }
    }
}

/// A connection of TCP that does not wait.
pub(super) fn connected(to: SocketAddr, deadline: Instant, go_on: GoOn<'_>) -> Result<TcpStream, Failed> {
    connected_by(stream_to(to)?, to, deadline, go_on)
}

/// A socket for a connection of TCP, which belongs to the network namespace of this thread for good.
pub(super) fn stream_to(to: SocketAddr) -> nix::Result<OwnedFd> {
    let family = if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    socket(family, SockType::Stream, SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC, None)
}

/// As [`connected`], by this socket.
pub(super) fn connected_by(
    descriptor: OwnedFd,
    to: SocketAddr,
    deadline: Instant,
    go_on: GoOn<'_>,
) -> Result<TcpStream, Failed> {
    match connect(descriptor.as_raw_fd(), &SockaddrStorage::from(to)) {
        Ok(()) => {}
        Err(Errno::EINPROGRESS | Errno::EINTR) => {
            until(&descriptor, PollFlags::POLLOUT, deadline, go_on)?;
            match getsockopt(&descriptor, sockopt::SocketError)? {
                0 => {}
                errno => return Err(Errno::from_raw(errno).into()),
            }
        }
        Err(errno) => return Err(errno.into()),
    }
    Ok(descriptor.into())
}

/// Sends everything.
pub(super) fn send(
    socket: &TcpStream,
    mut bytes: &[u8],
    deadline: Instant,
    go_on: GoOn<'_>,
) -> Result<(), Failed> {
    while !bytes.is_empty() {
        let count = patiently(socket, PollFlags::POLLOUT, deadline, go_on, |mut socket| socket.write(bytes))?;
        bytes = bytes.get(count..).unwrap_or_default();
    }
    Ok(())
}

/// How long nobody looks whether the run is to end.
const MOMENT: Duration = Duration::from_millis(50);
