//! The kernel's tables, each read under a permit for the name that scripts know it by.

use std::collections::HashMap;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use nix::sys::uio::pread;
use rex_ipc::action::file_system::Read;
use rex_ipc::sysinfo::Source;

use super::object::{Table, TableInside};
use crate::gate::Permit;
use crate::host::network::inside::{Inside, within};

/// The tables that are being read in parts, so that the parts belong together.
#[derive(Debug, Default)]
pub struct Sources(HashMap<Source, OwnedFd>);

impl Sources {
    /// Reads part of the table of the permit; gives the count and whether it ends there. From its beginning, the kernel makes
    /// it anew.
    ///
    /// # Errors
    /// Those of open(2) and pread(2), among them `ENOENT` for a table that this kernel does not have; `EINVAL` when its
    /// beginning was not read before.
    pub fn read(
        &mut self,
        permit: &Permit<'_, Read, Table>,
        offset_bytes: u64,
        space: &mut [u8],
    ) -> io::Result<(usize, bool)> {
        let table = *permit.resource();
        self.part(table.0, offset_bytes, space, || open_table(table))
    }

    /// As [`Self::read`], of the network namespace that was entered.
    ///
    /// # Errors
    /// As [`Self::read`]; those of entering it.
    pub fn read_inside(
        &mut self,
        permit: &Permit<'_, Read, TableInside>,
        inside: &Inside,
        offset_bytes: u64,
        space: &mut [u8],
    ) -> io::Result<(usize, bool)> {
        let source = permit.resource().source;
        self.part(source, offset_bytes, space, || within(Some(inside), || open_table(Table(source)))?)
    }

    fn part(
        &mut self,
        source: Source,
        offset_bytes: u64,
        space: &mut [u8],
        open: impl FnOnce() -> io::Result<OwnedFd>,
    ) -> io::Result<(usize, bool)> {
        if offset_bytes == 0 {
            self.0.insert(source, open()?);
        }
        let file = self.0.get(&source).ok_or(Errno::EINVAL)?;
        let read = fill(file.as_fd(), offset_bytes, space);
        if !matches!(read, Ok((_, false))) {
            self.0.remove(&source);
        }
        read
    }
}

fn open_table(table: Table) -> io::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOCTTY;
    let proc = open("/proc", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    Ok(openat(&proc, table.below_proc(), flags, Mode::empty())?)
}

fn fill(file: BorrowedFd<'_>, offset_bytes: u64, space: &mut [u8]) -> io::Result<(usize, bool)> {
    let mut count = 0;
    while count < space.len() {
        let offset = offset_bytes.checked_add(count as u64).and_then(|offset| i64::try_from(offset).ok());
        let Some(offset) = offset else { return Ok((count, true)) };
        match pread(file, &mut space[count..], offset) {
            Ok(0) => return Ok((count, true)),
            Ok(more) => count += more,
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok((count, false))
}

/// The first part of `/proc/stat`, in which the processors stand. For this layer, which tells how many they are.
pub(super) fn beginning_of_statistics() -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    std::fs::File::from(open_table(Table(Source::Statistics))?)
        .take(STATISTICS_BYTES)
        .read_to_end(&mut text)?;
    Ok(text)
}

/// Some 150 bytes a processor; interrupts come behind them.
const STATISTICS_BYTES: u64 = 4 * 1024 * 1024;
