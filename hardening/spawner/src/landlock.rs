//! The Landlock domain of a program: nothing but what is named, and only as far as it is.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rex_agreed::calls::Errno;

use crate::calls;
use crate::order::Rights;

/// The rights of Landlock on files, by the version that has brought them.
///
/// # Source
/// landlock(7), `linux/landlock.h`.
const EXECUTE: u64 = 1;
const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;
const READ_DIR: u64 = 1 << 3;
const REMOVE_DIR: u64 = 1 << 4;
const REMOVE_FILE: u64 = 1 << 5;
const MAKE_DIR: u64 = 1 << 7;
const MAKE_REG: u64 = 1 << 8;
const MAKE_SYM: u64 = 1 << 12;
/// Since version 3.
const TRUNCATE: u64 = 1 << 14;
/// What a version handles beyond the one before it: 13 rights in the first, then one each.
const FIRST: u64 = (1 << 13) - 1;
const REFER: u64 = 1 << 13;
const IOCTL_DEV: u64 = 1 << 15;
/// Since version 4: bind and connect of TCP.
const NETWORK: u64 = 3;
/// Since version 6: abstract sockets and signals.
const SCOPES: u64 = 3;
/// What can be had on something that is no directory.
const ON_FILES: u64 = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE;

/// A domain in the making.
pub(crate) struct Domain {
    ruleset: OwnedFd,
    handled: u64,
}

impl Domain {
    /// A domain that permits nothing, of everything that is known here and to the kernel.
    ///
    /// # Errors
    /// `ENOSYS` and `EOPNOTSUPP` where the kernel has no Landlock; `ENOTSUP` where it cannot keep a file from being cut.
    pub(crate) fn new() -> Result<Self, Errno> {
        let version = calls::landlock_version()?;
        if version < FIRST_SUFFICIENT {
            return Err(libc::ENOTSUP);
        }
        let mut handled = FIRST | REFER | TRUNCATE;
        if version >= 5 {
            handled |= IOCTL_DEV;
        }
        let network = if version >= 4 { NETWORK } else { 0 };
        let scopes = if version >= 6 { SCOPES } else { 0 };
        // The structure grows with the versions, and the kernel takes no more than it knows.
        let words = match version {
            ..4 => 1,
            4..6 => 2,
            _ => 3,
        };
        Ok(Self { ruleset: calls::landlock_ruleset([handled, network, scopes], words)?, handled })
    }

    /// Permits these rights on an object, and what is below it.
    pub(crate) fn allow(
        &self,
        object: BorrowedFd<'_>,
        is_directory: bool,
        rights: Rights,
    ) -> Result<(), Errno> {
        let mut wanted = bits(rights) & self.handled;
        if !is_directory {
            wanted &= ON_FILES;
        }
        match wanted {
            0 => Ok(()),
            wanted => calls::landlock_allow(self.ruleset.as_fd(), object, wanted),
        }
    }

    /// Enters it, for good.
    pub(crate) fn enter(&self) -> Result<(), Errno> {
        calls::landlock_enter(self.ruleset.as_fd())
    }
}

fn bits(rights: Rights) -> u64 {
    [
        (Rights::READ, READ_FILE),
        (Rights::LIST, READ_DIR),
        (Rights::WRITE, WRITE_FILE | TRUNCATE),
        (Rights::MAKE_FILES, MAKE_REG | MAKE_SYM),
        (Rights::MAKE_DIRECTORIES, MAKE_DIR),
        (Rights::REMOVE_FILES, REMOVE_FILE),
        (Rights::REMOVE_DIRECTORIES, REMOVE_DIR),
        (Rights::EXECUTE, EXECUTE),
    ]
    .into_iter()
    .filter(|(right, _)| rights.contains(*right))
    .fold(0, |bits, (_, bit)| bits | bit)
}

/// Without the right to cut files, which came with it, whoever may read a file could empty it.
const FIRST_SUFFICIENT: u32 = 3;
