//! The broker's end of the process that starts programs: how it comes to life, and how it is told what to start.

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use nix::sys::socket::{AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, sendmsg, socketpair};

use crate::image::SealedImage;

/// A spawner; it ends when this is dropped, and by itself when the broker ends.
#[derive(Debug)]
pub struct Spawner {
    socket: OwnedFd,
    child: Child,
}

impl Spawner {
    /// Starts one from its image.
    ///
    /// To be called before the broker protects itself, which programs must not inherit, by a thread that lives as long as
    /// the spawner: the kernel ends it with that thread.
    ///
    /// # Errors
    /// Those of socketpair(2), fork(2) and execve(2).
    pub fn start(image: &SealedImage) -> io::Result<Self> {
        let (socket, other) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        // The file has no other name; between fork and exec it is open in the child as well.
        let child = Command::new(format!("/proc/self/fd/{}", image.as_fd().as_raw_fd()))
            .arg0("rex-spawner")
            .env_clear()
            .stdin(Stdio::from(other))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { socket, child })
    }

    /// Its process id, as seen from the broker's pid namespace.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Hands an order over, with what it is about.
    ///
    /// # Errors
    /// Those of sendmsg(2); `EPIPE` and `ECONNRESET` when it is gone.
    pub fn give(&self, order: &[u8], objects: &[BorrowedFd<'_>]) -> io::Result<()> {
        let numbers: Vec<RawFd> = objects.iter().map(AsRawFd::as_raw_fd).collect();
        let sent = sendmsg::<()>(
            self.socket.as_raw_fd(),
            &[IoSlice::new(order)],
            &[ControlMessage::ScmRights(&numbers)],
            MsgFlags::MSG_NOSIGNAL,
            None,
        )?;
        if sent == order.len() { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EMSGSIZE)) }
    }
}

impl Drop for Spawner {
    fn drop(&mut self) {
        // What it has started ends with it.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
