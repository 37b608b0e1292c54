//! Entries of directories, a page at a time.

use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;

use nix::fcntl::{OFlag, ResolveFlag};
use nix::sys::stat::Mode;
use nix::unistd::Whence;
use rex_ipc::action::file_system::Read;
use rex_ipc::file_system::EntryType;
use rex_outside::kernel::getdents;

use super::{openat2, stat, walk};
use crate::gate::Permit;
use crate::host::file_system::object::{Directory, Listing};
use crate::policy::name::EntryName;

/// One entry in bytes.
#[derive(Debug)]
pub struct RawEntry<'a> {
    /// The name.
    pub name: &'a [u8],
    /// What it is.
    pub entry_type: EntryType,
    /// The inode number.
    pub inode: u64,
}

/// Gives the entries of a directory one by one, from the first or from where the last page ended, until `take`
/// refuses one; that one comes again in the next page. Says whether the listing has ended.
///
/// # Errors
/// Those of openat2(2), lseek(2) and getdents64(2); `InvalidData` for a record that is cut short.
pub fn entries(
    permit: &Permit<'_, Read, Rc<Directory>>,
    restart: bool,
    mut take: impl FnMut(RawEntry<'_>) -> bool,
) -> io::Result<bool> {
    let directory = permit.resource();
    let mut slot = directory.listing.borrow_mut();
    let listing = match &mut *slot {
        Some(listing) => {
            if restart {
                nix::unistd::lseek(&listing.fd, 0, Whence::SeekSet)?;
                listing.pending.clear();
                listing.taken = 0;
            }
            listing
        }
        none => {
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NONBLOCK;
            let fd = openat2(directory.fd.as_fd(), c".", flags, Mode::empty(), ResolveFlag::RESOLVE_BENEATH)?;
            none.insert(Listing { fd, pending: Vec::new(), taken: 0 })
        }
    };
    loop {
        while let Some((entry, next)) = parse(&listing.pending, listing.taken)? {
            if entry.name != b"." && entry.name != b".." && !take(entry) {
                return Ok(false);
            }
            listing.taken = next;
        }
        listing.pending.resize(BUFFER_BYTES, 0);
        let count = getdents(listing.fd.as_fd(), &mut listing.pending)?;
        listing.pending.truncate(count);
        listing.taken = 0;
        if count == 0 {
            return Ok(true);
        }
    }
}

/// What an entry is, also where the listing does not say it.
///
/// Some file systems do not, such as ext2 without the feature `filetype`; most do, so that it is no secret.
pub fn kind_of(permit: &Permit<'_, Read, Rc<Directory>>, raw: &RawEntry<'_>) -> EntryType {
    if raw.entry_type != EntryType::Unknown {
        return raw.entry_type;
    }
    let found = EntryName::from_bytes(raw.name.to_vec())
        .and_then(|entry| walk::stat_entry(permit.resource().fd.as_fd(), &entry).ok());
    found.map_or(EntryType::Unknown, |stat| stat::entry_type(&stat))
}

/// getdents64(2): u64 inode, i64 offset, u16 record length, u8 type, name, zero byte.
pub(super) fn parse(records: &[u8], at: usize) -> io::Result<Option<(RawEntry<'_>, usize)>> {
    let Some(record) = records.get(at..).filter(|rest| !rest.is_empty()) else { return Ok(None) };
    let damaged = || io::Error::from(io::ErrorKind::InvalidData);
    let inode = record.first_chunk::<8>().map(|bytes| u64::from_ne_bytes(*bytes)).ok_or_else(damaged)?;
    let length =
        record.get(16..18).and_then(|two| two.try_into().ok()).map(u16::from_ne_bytes).ok_or_else(damaged)?;
    let length = usize::from(length);
    let name = record.get(19..length).ok_or_else(damaged)?;
    let name = name.split(|&byte| byte == 0).next().ok_or_else(damaged)?;
    let entry_type = match record.get(18).copied() {
        Some(nix::libc::DT_REG) => EntryType::File,
        Some(nix::libc::DT_DIR) => EntryType::Dir,
        Some(nix::libc::DT_LNK) => EntryType::Symlink,
        Some(nix::libc::DT_FIFO) => EntryType::Fifo,
        Some(nix::libc::DT_SOCK) => EntryType::Socket,
        Some(nix::libc::DT_CHR) => EntryType::CharDevice,
        Some(nix::libc::DT_BLK) => EntryType::BlockDevice,
        _ => EntryType::Unknown,
    };
    Ok(Some((RawEntry { name, entry_type, inode }, at + length)))
}

const BUFFER_BYTES: usize = 32 * 1024;
