//! The broker's end of the socket, where every datagram is hostile until shown otherwise.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, getsockopt, recvmsg, send, setsockopt, socketpair, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use rex_agreed::calls::errno;
use rex_agreed::{Layer, MAX_FRAME_BYTES};

use crate::measure::{Measure, State};
use crate::plan::Plan;

/// One byte more than a frame may have, so that a longer one shows.
pub const RECEIVE_BYTES: usize = MAX_FRAME_BYTES + 1;

/// How long [`Wait::Briefly`] waits; socket(7), SO_RCVTIMEO.
pub const BRIEFLY: Duration = Duration::from_millis(10);

/// The broker's end of the socket.
#[derive(Debug)]
pub struct Link {
    fd: OwnedFd,
}

/// Whether to wait for a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Until one arrives or the jail ends, and no longer than [`BRIEFLY`] and a tick of the kernel's clock.
    Briefly,
    /// Not at all.
    No,
}

/// What a call of [`Link::receive`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// A datagram of this many bytes, at the beginning of the buffer.
    Frame(usize),
    /// Nothing, in the time that was waited.
    Nothing,
    /// The jail has closed its end. An empty datagram looks the same, and means the same.
    Closed,
}

impl Link {
    /// A socket pair without a jail, for tests and fuzzing, which put a peer of their own at the other end.
    ///
    /// # Errors
    /// Those of socketpair(2) and setsockopt(2).
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        pair(&Plan::full().without(Layer::PassRights)).map(|(link, peer, _)| (link, peer))
    }

    /// Receives one datagram.
    ///
    /// # Errors
    /// [`LinkError::TooLong`] and [`LinkError::Ancillary`] are attacks: the caller kills the jail.
    pub fn receive(&self, buffer: &mut [u8; RECEIVE_BYTES], wait: Wait) -> Result<Received, LinkError> {
        let mut flags = MsgFlags::MSG_TRUNC | MsgFlags::MSG_CMSG_CLOEXEC;
        if wait == Wait::No {
            flags |= MsgFlags::MSG_DONTWAIT;
        }
        let mut parts = [IoSliceMut::new(buffer)];
        // Without room for control messages, the kernel drops them, closes what they carry, and sets MSG_CTRUNC.
        let message = match recvmsg::<()>(self.fd.as_raw_fd(), &mut parts, None, flags) {
            Ok(message) => message,
            // A signal cuts a wait short; whoever waits has to look anyway what has happened.
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(Received::Nothing),
            Err(Errno::ECONNRESET) => return Ok(Received::Closed),
            Err(errno) => return Err(LinkError::Call("receive", errno.into())),
        };
        if message.flags.contains(MsgFlags::MSG_CTRUNC) {
            return Err(LinkError::Ancillary);
        }
        if message.flags.contains(MsgFlags::MSG_TRUNC) || message.bytes > MAX_FRAME_BYTES {
            return Err(LinkError::TooLong(message.bytes));
        }
        match message.bytes {
            0 => Ok(Received::Closed),
            bytes => Ok(Received::Frame(bytes)),
        }
    }

    /// Sends one datagram without waiting.
    ///
    /// # Errors
    /// [`LinkError::Full`] when the jail does not read what it was sent; [`LinkError::Call`] with `EPIPE` when it is gone.
    pub fn send(&self, frame: &[u8]) -> Result<(), LinkError> {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        match send(self.fd.as_raw_fd(), frame, flags) {
            Ok(sent) if sent == frame.len() => Ok(()),
            Ok(sent) => Err(LinkError::Short(sent)),
            Err(Errno::EAGAIN) => Err(LinkError::Full),
            Err(errno) => Err(LinkError::Call("send", errno.into())),
        }
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Why a frame did not cross.
#[derive(Debug)]
pub enum LinkError {
    /// The datagram is longer than a frame may be; its length in bytes.
    TooLong(usize),
    /// The datagram carries descriptors or credentials.
    Ancillary,
    /// The jail does not read, and the socket's buffer is full.
    Full,
    /// The kernel took only this many bytes of a datagram.
    Short(usize),
    /// What could not be done, and why.
    Call(&'static str, io::Error),
}

impl fmt::Display for LinkError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(bytes) => write!(formatter, "the jail sent a datagram of {bytes} bytes"),
            Self::Ancillary => write!(formatter, "the jail sent descriptors or credentials"),
            Self::Full => write!(formatter, "cannot send to the jail: it does not read"),
            Self::Short(bytes) => write!(formatter, "cannot send to the jail: only {bytes} bytes were taken"),
            Self::Call(what, error) => write!(formatter, "cannot {what} on the jail's socket: {error}"),
        }
    }
}

impl std::error::Error for LinkError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Call(_, error) => Some(error),
            _ => None,
        }
    }
}

/// A socket pair: the broker's end, the jail's end, and what the report says about it.
///
/// The jail's end has no receive timeout: it would need a system call more to resume after one.
pub(crate) fn pair(plan: &Plan) -> io::Result<(Link, OwnedFd, Vec<Measure>)> {
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
    setsockopt(&ours, sockopt::ReceiveTimeout, &TimeVal::microseconds(BRIEFLY.as_micros() as i64))?;
    let mut room = usize::MAX;
    for end in [&ours, &theirs] {
        setsockopt(end, sockopt::SndBuf, &SEND_BUFFER_BYTES)?;
        room = room.min(getsockopt(end, sockopt::SndBuf)?);
    }
    let socket = match room >= SEND_BUFFER_BYTES {
        true => Measure::new(
            Layer::Socket,
            State::Enforced,
            format!("socket pair of datagrams, {room} bytes of room each way"),
        ),
        false => Measure::new(Layer::Socket, State::Failed, format!("only {room} bytes of room")),
    };
    let rights = match plan.wants(Layer::PassRights) {
        true => refuse_rights(plan, &ours, &theirs),
        false => Measure::unwanted(Layer::PassRights),
    };
    Ok((Link { fd: ours }, theirs, vec![socket, rights]))
}

fn refuse_rights(plan: &Plan, ours: &OwnedFd, theirs: &OwnedFd) -> Measure {
    let outcome = match plan.fault(Layer::PassRights) {
        Some(errno) => Err(errno),
        None => [ours, theirs].into_iter().try_for_each(set_pass_rights_off),
    };
    Measure::from_errno(Layer::PassRights, outcome.err().unwrap_or(0), "SO_PASSRIGHTS is 0 on both ends")
}

fn set_pass_rights_off(socket: &OwnedFd) -> Result<(), i32> {
    let off: libc::c_int = 0;
    // JUSTIFICATION: nix does not know this option yet.
    // SAFETY: the kernel reads one `int` from a variable of that type.
    let status = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_PASSRIGHTS,
            (&raw const off).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    errno(status.into()).map(drop)
}

/// `asm-generic/socket.h`, since 6.16.
const SO_PASSRIGHTS: libc::c_int = 83;
/// More than two frames with the kernel's own overhead.
const SEND_BUFFER_BYTES: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use nix::sys::socket::{ControlMessage, sendmsg};

    use super::*;

    fn ends() -> (Link, OwnedFd) {
        let (link, other, _) = pair(&Plan::full().without(Layer::PassRights)).unwrap();
        (link, other)
    }

    #[test]
    fn frames_of_both_extreme_lengths_cross() {
        let (link, other) = ends();
        let mut buffer = [0; RECEIVE_BYTES];

        for length in [16, MAX_FRAME_BYTES] {
            send(other.as_raw_fd(), &vec![7; length], MsgFlags::empty()).unwrap();
            assert_eq!(link.receive(&mut buffer, Wait::No).unwrap(), Received::Frame(length));
        }
        assert_eq!(link.receive(&mut buffer, Wait::No).unwrap(), Received::Nothing);
    }

    // socket(7): "If no data has been transferred and the timeout has been reached, then -1 is returned with errno set to
    // EAGAIN".
    #[test]
    fn a_brief_wait_ends_with_a_frame_with_the_peer_or_with_its_time() {
        let (link, other) = ends();
        let mut buffer = [0; RECEIVE_BYTES];

        let begun = std::time::Instant::now();
        assert_eq!(link.receive(&mut buffer, Wait::Briefly).unwrap(), Received::Nothing);
        assert!(begun.elapsed() >= BRIEFLY);
        send(other.as_raw_fd(), &[7; 16], MsgFlags::empty()).unwrap();
        assert_eq!(link.receive(&mut buffer, Wait::Briefly).unwrap(), Received::Frame(16));
        drop(other);
        assert_eq!(link.receive(&mut buffer, Wait::Briefly).unwrap(), Received::Closed);
    }

    #[test]
    fn a_datagram_longer_than_a_frame_is_seen() {
        let (link, other) = ends();
        let mut buffer = [0; RECEIVE_BYTES];

        for length in [MAX_FRAME_BYTES + 1, MAX_FRAME_BYTES + 4000] {
            send(other.as_raw_fd(), &vec![7; length], MsgFlags::empty()).unwrap();
            let error = link.receive(&mut buffer, Wait::No).unwrap_err();
            assert!(matches!(error, LinkError::TooLong(bytes) if bytes == length), "{error}");
        }
    }

    #[test]
    fn an_empty_datagram_is_the_end() {
        let (link, other) = ends();
        let mut buffer = [0; RECEIVE_BYTES];

        send(other.as_raw_fd(), &[], MsgFlags::empty()).unwrap();

        assert_eq!(link.receive(&mut buffer, Wait::No).unwrap(), Received::Closed);
    }

    #[test]
    fn descriptors_are_seen_and_not_taken() {
        let (link, other) = ends();
        let mut buffer = [0; RECEIVE_BYTES];
        let file = std::fs::File::open("/proc/self/status").unwrap();

        let sent = sendmsg::<()>(
            other.as_raw_fd(),
            &[IoSlice::new(&[0; 16])],
            &[ControlMessage::ScmRights(&[file.as_raw_fd()])],
            MsgFlags::empty(),
            None,
        );

        assert!(sent.is_ok());
        assert!(matches!(link.receive(&mut buffer, Wait::No).unwrap_err(), LinkError::Ancillary));
    }

    // unix(7), SO_PASSRIGHTS: where the kernel has it, the sender is refused.
    #[test]
    fn descriptors_cannot_be_sent_where_the_kernel_can_refuse_them() {
        let (_link, other, measures) = pair(&Plan::full()).unwrap();
        let file = std::fs::File::open("/proc/self/status").unwrap();

        let sent = sendmsg::<()>(
            other.as_raw_fd(),
            &[IoSlice::new(&[0; 16])],
            &[ControlMessage::ScmRights(&[file.as_raw_fd()])],
            MsgFlags::empty(),
            None,
        );

        let is_supported = measures[1].state == State::Enforced;
        assert_eq!(sent.is_err(), is_supported);
    }

    #[test]
    fn a_jail_that_does_not_read_fills_the_socket() {
        let (link, _other) = ends();
        let frame = vec![0; MAX_FRAME_BYTES];

        let error = (0..100).find_map(|_| link.send(&frame).err()).unwrap();

        assert!(matches!(error, LinkError::Full));
    }
}
