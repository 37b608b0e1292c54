//! Contents of files and targets of links.

use std::io;
use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::stat::{FileStat, fstat};
use rex_ipc::action::file_system::{Read, RedactedRead};

use crate::gate::Permit;
use crate::host::file_system::object::{File, FileAt};

/// Reads at most `most_bytes` at `offset_bytes`; gives them and whether the file ends there.
///
/// # Errors
/// Those of pread(2).
pub fn at(
    permit: &Permit<'_, Read, Rc<File>>,
    offset_bytes: u64,
    most_bytes: usize,
) -> io::Result<(Vec<u8>, bool)> {
    let file = permit.resource();
    // As much as the file is likely to have, and one byte, which shows its end: a small file takes little space.
    let likely = match file.size_bytes.checked_sub(offset_bytes) {
        None | Some(0) => most_bytes,
        Some(left) => usize::try_from(left).map_or(most_bytes, |left| left.saturating_add(1).min(most_bytes)),
    };
    let mut bytes = vec![0; likely];
    let (mut count, mut ends) = fill(file, offset_bytes, &mut bytes)?;
    if !ends && likely < most_bytes {
        // It has grown since it was opened.
        bytes.resize(most_bytes, 0);
        let (more, then_ends) = fill(file, offset_bytes + count as u64, &mut bytes[count..])?;
        (count, ends) = (count + more, then_ends);
    }
    bytes.truncate(count);
    Ok((bytes, ends))
}

/// The size that an object says it has, in bytes.
pub(super) fn size(stat: &FileStat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

/// Reads at most `space.len()` bytes at `offset_bytes` that will be redacted before they are released; gives the count
/// and whether the file ends there.
///
/// # Errors
/// Those of pread(2).
pub fn at_for_redaction(
    permit: &Permit<'_, RedactedRead, Rc<File>>,
    offset_bytes: u64,
    space: &mut [u8],
) -> io::Result<(usize, bool)> {
    fill(permit.resource(), offset_bytes, space)
}

/// The last `most_bytes` of a file, or less, and where they begin; nothing for a file that says it has no size.
///
/// # Errors
/// Those of fstat(2) and pread(2).
pub fn end(permit: &Permit<'_, Read, Rc<File>>, most_bytes: usize) -> io::Result<Option<(u64, Vec<u8>)>> {
    let file = permit.resource();
    let size = size(&fstat(&file.fd)?);
    if size == 0 {
        return Ok(None);
    }
    let offset_bytes = size.saturating_sub(most_bytes as u64);
    let mut bytes = vec![0; usize::try_from(size - offset_bytes).unwrap_or(most_bytes)];
    let (count, _) = fill(file, offset_bytes, &mut bytes)?;
    bytes.truncate(count);
    Ok(Some((offset_bytes, bytes)))
}

/// Where a link points.
///
/// # Errors
/// Those of readlink(2), among them `EINVAL` when it is no link.
pub fn link(permit: &Permit<'_, Read, FileAt>) -> io::Result<std::path::PathBuf> {
    let place = permit.resource();
    Ok(nix::fcntl::readlinkat(&place.parent.fd, place.entry.as_c_str())?.into())
}

fn fill(file: &File, offset_bytes: u64, space: &mut [u8]) -> io::Result<(usize, bool)> {
    // Beyond the largest offset there is nothing, and the kernel refuses a read that could reach it.
    let last =
        offset_bytes.checked_add(space.len() as u64).and_then(|last| nix::libc::off_t::try_from(last).ok());
    let Some(first) = last.map(|last| last - space.len() as nix::libc::off_t) else { return Ok((0, true)) };
    let mut count = 0;
    while count < space.len() {
        let offset = first + count as nix::libc::off_t;
        match nix::sys::uio::pread(&file.fd, &mut space[count..], offset) {
            Ok(0) => return Ok((count, true)),
            Ok(more) => {
                count += more;
                // read(2): fewer bytes than asked for from a regular file means its end. Those of /proc, which say that
                // they have no size, give pieces as they like, so they are asked until they give nothing.
                if count < space.len() && file.size_bytes > 0 {
                    return Ok((count, true));
                }
            }
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok((count, false))
}
