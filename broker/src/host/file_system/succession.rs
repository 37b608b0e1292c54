//! What a new file takes over from the one that it replaces: owner, attributes, access list, mode.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::stat::{FileStat, Mode, fchmod, fstat};
use rex_ipc::action::file_system::{Read, Write};
use rex_outside::kernel::{fgetxattr, flistxattr, fremovexattr, fsetxattr};

use super::access_list::{self, ACCESS_LIST};
use super::attributes::set_owner_of;
use super::object::File;
use super::staged::Staged;
use super::writer::Replacement;
use crate::gate::Permit;
use crate::gate::error::is;

/// Why a new file could not become like the old one.
#[derive(Debug)]
pub enum NotLike {
    /// It cannot have the owner.
    Owner(io::Error),
    /// It cannot have this attribute.
    Attribute(CString, io::Error),
    /// The system said no.
    System(io::Error),
}

impl From<io::Error> for NotLike {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl From<Errno> for NotLike {
    fn from(errno: Errno) -> Self {
        Self::System(errno.into())
    }
}

/// Makes new content like the file that it replaces: its owner, its extended attributes with access list and security
/// label, its mode.
///
/// Without `keep_owner` an owner that cannot be given is no failure. Whoever owns the new file, nothing is opened by
/// that to anybody: a new group may do no more than everybody, and no set-user-ID or set-group-ID bit passes to new
/// content, as the kernel has it for everybody but root.
///
/// # Errors
/// What cannot be kept.
pub fn take_over(new: &impl Replacement, keep_owner: bool) -> Result<(), NotLike> {
    let (content, old) = (new.content().borrow(), new.replaced().fd.as_fd());
    let new = content.file()?;
    let like = fstat(old)?;
    let made = fstat(new)?;
    if (made.st_uid, made.st_gid) != (like.st_uid, like.st_gid) {
        match set_owner_of(new, Some(like.st_uid), Some(like.st_gid)) {
            Err(error) if keep_owner => return Err(NotLike::Owner(error)),
            // A user cannot give files away, but perhaps to a group of theirs.
            Err(_) => drop(set_owner_of(new, None, Some(like.st_gid))),
            Ok(()) => {}
        }
    }
    copy_attributes(old, new, MADE_FOR_CONTENT, true)?;
    let made = fstat(new)?;
    let bits = inherited_mode(like.st_mode, &like, &made);
    fchmod(new, Mode::from_bits_truncate(bits))?;
    Ok(())
}

/// Makes staged content as readable as the file it is copied from, and no more: that file's mode, without the bits that
/// the broker's umask takes from whatever it makes, and without any access list.
///
/// cp(1) does the same, but leaves a directory's default list on what it makes.
///
/// # Errors
/// Those of fchmod(2) and fremovexattr(2).
pub fn close_like_source(staged: &Staged<'_, Rc<File>>, source: &Source, umask: u32) -> io::Result<()> {
    let content = staged.content().borrow();
    let new = content.file()?;
    drop_access_list(new)?;
    let bits = inherited_mode(source.bits & !umask, &source.stat, &fstat(new)?);
    Ok(fchmod(new, Mode::from_bits_truncate(bits))?)
}

/// Makes the file of the permit, which gets the content itself, as readable as the file it is copied from, and no more:
/// that file's mode, without the bits that the broker's umask takes from whatever it makes, and without any access
/// list.
///
/// # Errors
/// Those of fremovexattr(2), fstat(2) and fchmod(2).
pub fn set_mode(permit: &Permit<'_, Write, Rc<File>>, source: &Source, umask: u32) -> io::Result<()> {
    let file = permit.resource().fd.as_fd();
    drop_access_list(file)?;
    let bits = inherited_mode(source.bits & !umask, &source.stat, &fstat(file)?);
    Ok(fchmod(file, Mode::from_bits_truncate(bits))?)
}

/// What a copy may get of its source.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// What the source is like.
    pub stat: FileStat,
    /// Its mode, as far as no access list is needed to keep anybody out.
    pub bits: u32,
}

/// What the file of the permit is like, as the source of a copy.
///
/// # Errors
/// Those of fstat(2), and of fgetxattr(2) when there is an access list that cannot be read.
pub fn source_of(read: &Permit<'_, Read, Rc<File>>) -> io::Result<Source> {
    let file = read.resource().fd.as_fd();
    let stat = fstat(file)?;
    Ok(Source { stat, bits: access_list::bits_without(file, stat.st_mode)? })
}

/// The bits of a mode that may pass from `giver`'s file to one that belongs to `made`'s owner and group.
///
/// Where the group is another one, those who had less than everybody as members of the old group are among everybody
/// now, and the members of the new group were: both may do what both classes could.
fn inherited_mode(bits: u32, giver: &FileStat, made: &FileStat) -> u32 {
    let bits = bits & WITHOUT_SET_ID;
    if giver.st_gid == made.st_gid {
        return bits;
    }
    let both = (bits >> 3) & bits & 0o007;
    (bits & 0o1700) | (both << 3) | both
}

/// Makes the copy of a file that moves like the original: owner, attributes with access list and label, mode.
///
/// `strictly` has it fail where something cannot be kept. Else, as mv(1) does, what cannot be kept is left out: then
/// nothing is opened by that to anybody, and no program runs as another user than before.
pub(super) fn move_along(
    original: BorrowedFd<'_>,
    copy: BorrowedFd<'_>,
    like: &FileStat,
    strictly: bool,
) -> Result<(), NotLike> {
    let made = fstat(copy)?;
    if (made.st_uid, made.st_gid) != (like.st_uid, like.st_gid) {
        match set_owner_of(copy, Some(like.st_uid), Some(like.st_gid)) {
            Err(error) if strictly => return Err(NotLike::Owner(error)),
            // A user cannot give files away, but perhaps to a group of theirs.
            Err(_) => drop(set_owner_of(copy, None, Some(like.st_gid))),
            Ok(()) => {}
        }
    }
    let kept_list = match copy_attributes(original, copy, &[], strictly) {
        Ok(left_out) => !left_out.iter().any(|name| name.as_c_str() == ACCESS_LIST),
        Err(error) => return Err(error),
    };
    let made = fstat(copy)?;
    let same_owner = (made.st_uid, made.st_gid) == (like.st_uid, like.st_gid);
    let bits = match kept_list {
        true => like.st_mode & 0o7777,
        false => access_list::bits_without(original, like.st_mode)? & 0o7777,
    };
    let bits = if same_owner { bits } else { inherited_mode(bits, like, &made) };
    fchmod(copy, Mode::from_bits_truncate(bits))?;
    Ok(())
}

/// Takes set-user-ID and set-group-ID from a file that is about to get other content.
///
/// The kernel does it too, but not when root writes: who may write one program that runs as its owner would have his
/// own run as that owner.
pub(super) fn drop_set_id(file: BorrowedFd<'_>) -> io::Result<()> {
    let mode = fstat(file)?.st_mode;
    if mode & 0o6000 == 0 {
        return Ok(());
    }
    Ok(fchmod(file, Mode::from_bits_truncate(mode & WITHOUT_SET_ID))?)
}

/// The bits of a mode but those with which a program runs as somebody else.
const WITHOUT_SET_ID: u32 = 0o1777;

/// Copies the extended attributes but some. Gives those that could not be copied, unless that is to be a failure.
pub(super) fn copy_attributes(
    old: BorrowedFd<'_>,
    new: BorrowedFd<'_>,
    without: &[&CStr],
    strictly: bool,
) -> Result<Vec<CString>, NotLike> {
    let mut left_out = Vec::new();
    let names = attribute_names(old)?;
    let mut value = if names.is_empty() { Vec::new() } else { vec![0; MAX_ATTRIBUTE_BYTES] };
    for name in &names {
        if without.contains(&name.as_c_str()) {
            continue;
        }
        let length = match fgetxattr(old, name, &mut value) {
            // It is gone, or is only a name for what cannot be read this way.
            Err(error) if is(&error, Errno::ENODATA) || is(&error, Errno::EOPNOTSUPP) => continue,
            length => length.map_err(|error| NotLike::Attribute(name.clone(), error))?,
        };
        let value = value.get(..length).unwrap_or_default();
        match fsetxattr(new, name, value, 0) {
            Ok(()) => {}
            Err(error) if strictly => return Err(NotLike::Attribute(name.clone(), error)),
            Err(error) => {
                tracing::debug!("cannot keep the attribute {}: {error}", name.to_string_lossy());
                left_out.push(name.clone());
            }
        }
    }
    // acl(5): a directory's default list is every new file's; this one has that of the file it replaces.
    if !names.iter().any(|name| name.as_c_str() == ACCESS_LIST)
        || left_out.iter().any(|name| name.as_c_str() == ACCESS_LIST)
    {
        drop_access_list(new).map_err(|error| NotLike::Attribute(ACCESS_LIST.to_owned(), error))?;
    }
    Ok(left_out)
}

fn drop_access_list(file: BorrowedFd<'_>) -> io::Result<()> {
    match fremovexattr(file, ACCESS_LIST) {
        Err(error) if !is(&error, Errno::ENODATA) && !is(&error, Errno::EOPNOTSUPP) => Err(error),
        _ => Ok(()),
    }
}

fn attribute_names(file: BorrowedFd<'_>) -> io::Result<Vec<CString>> {
    let mut space = vec![0; 256];
    let length = loop {
        match flistxattr(file, &mut space) {
            Ok(length) => break length,
            Err(error) if is(&error, Errno::EOPNOTSUPP) => return Ok(Vec::new()),
            Err(error) if is(&error, Errno::ERANGE) && space.len() < MAX_ATTRIBUTE_BYTES => {
                space.resize(MAX_ATTRIBUTE_BYTES, 0);
            }
            Err(error) => return Err(error),
        }
    };
    let names = space.get(..length).unwrap_or_default();
    Ok(names
        .split(|&byte| byte == 0)
        .filter_map(|name| CString::new(name).ok())
        .filter(|name| !name.is_empty())
        .collect())
}

/// What says something of the content that was: capabilities of a program, which the kernel takes away when it is
/// written, and signatures.
const MADE_FOR_CONTENT: &[&CStr] = &[c"security.capability", c"security.ima", c"security.evm"];
/// xattr(7): names and values have at most 64 KiB.
const MAX_ATTRIBUTE_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_opens_nothing_to_another_owner() {
        let root = crate::host::file_system::unguarded::root().unwrap();
        let stat = |uid, gid| {
            let mut stat = fstat(&root).unwrap();
            (stat.st_uid, stat.st_gid) = (uid, gid);
            stat
        };
        let giver = stat(1, 1);

        assert_eq!(inherited_mode(0o106_755, &giver, &stat(1, 1)), 0o755);
        assert_eq!(inherited_mode(0o104_775, &giver, &stat(2, 1)), 0o775);
        assert_eq!(inherited_mode(0o102_770, &giver, &stat(1, 2)), 0o700);
        assert_eq!(inherited_mode(0o100_664, &giver, &stat(0, 0)), 0o644);
        assert_eq!(inherited_mode(0o100_640, &giver, &stat(0, 0)), 0o600);
        // Members of the old group could not read it, and are everybody for the new one.
        assert_eq!(inherited_mode(0o100_604, &giver, &stat(0, 0)), 0o600);
        assert_eq!(inherited_mode(0o100_604, &giver, &stat(0, 1)), 0o604);
    }
}
