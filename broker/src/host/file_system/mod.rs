//! The system calls that operations make on files of the host: each takes the permit for its own act.
//!
//! The type of the permit names the policy action: `Permit<'_, Chmod, R>` is the proof of `file_system::chmod` on `R`.
//!
//! What they act on is inside the permit, or inside what another of them has made of one: an object that was reached,
//! content that was staged, a way that was gone. Such a value is as good as a permit, and like it can neither be made
//! elsewhere nor outlive its request. The few calls that need no permit live in [`unguarded`], each with the reason.

mod access_list;
pub mod attributes;
pub mod below;
pub mod copy;
pub mod fresh;
pub mod links;
pub mod list;
mod moment;
pub mod moves;
pub mod object;
pub mod open;
pub mod place;
pub mod places;
pub mod read;
pub mod remove;
pub mod resources;
pub mod staged;
pub mod stat;
pub mod succession;
pub mod temporaries;
pub mod tools;
pub mod tree;
pub mod unguarded;
pub mod walk;
pub mod way;
pub mod write;
pub mod writer;

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag};
use nix::sys::stat::Mode;

/// openat2(2), tried again a few times when a concurrent rename made the answer uncertain.
///
/// Links are never followed by the kernel: neither the ones on disk nor those of `/proc`.
fn openat2(
    directory: impl AsFd,
    path: &CStr,
    flags: OFlag,
    mode: Mode,
    resolve: ResolveFlag,
) -> io::Result<OwnedFd> {
    let how = OpenHow::new()
        .flags(flags | OFlag::O_CLOEXEC)
        .mode(mode)
        .resolve(resolve | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let mut tries = 0;
    loop {
        match nix::fcntl::openat2(directory.as_fd(), path, how) {
            // openat2(2): "EAGAIN ... the caller may choose to retry"; without a bound an attacker could hold us here.
            Err(Errno::EAGAIN) if tries < MAX_TRIES => tries += 1,
            // Opening may be interrupted by nothing we handle, but a network file system can report it.
            Err(Errno::EINTR) if tries < MAX_TRIES => tries += 1,
            result => return Ok(result?),
        }
    }
}

const MAX_TRIES: u32 = 16;
