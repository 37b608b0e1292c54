//! Modes, owners, times and labels of objects that are held open.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{FchmodatFlags, Mode, SFlag, UtimensatFlags, fchmodat, fstat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchownat};
use rex_ipc::action::file_system::{Chmod, Chown, SetXAttr, Write};
use rex_ipc::file_system::NewTime;
use rex_outside::kernel::{fgetxattr, fsetxattr};

use super::object::{Directory, File, Labelled};
use super::tools::Tools;
use super::walk::file_type;
use crate::gate::{Permit, Resource};

/// A resource that is open, so that it can be changed whatever its name has come to mean.
pub trait Held: Resource {
    /// The open object.
    fn descriptor(&self) -> BorrowedFd<'_>;
}

impl Held for Rc<File> {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Held for Rc<Directory> {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Sets the permission bits.
///
/// # Errors
/// Those of chmod(2); `EOPNOTSUPP` for a link, which has none.
pub fn set_mode<R: Held>(permit: &Permit<'_, Chmod, R>, tools: &Tools, bits: u16) -> io::Result<()> {
    set_mode_of(permit.resource().descriptor(), tools, bits)
}

/// Sets user and group, of a link that of the link itself.
///
/// What runs under its owner's name does not run under the new owner's: set-user-ID and set-group-ID are cleared.
///
/// # Errors
/// Those of chown(2); and, when the new owner is set already, those of fstat(2) and chmod(2).
pub fn set_owner<R: Held>(
    permit: &Permit<'_, Chown, R>,
    tools: &Tools,
    user: Option<u32>,
    group: Option<u32>,
) -> io::Result<()> {
    let object = permit.resource().descriptor();
    set_owner_of(object, user, group)?;
    let stat = fstat(object)?;
    // chown(2): the kernel clears them too, but not the set-group-ID bit of a file that its group cannot execute.
    if file_type(&stat) == SFlag::S_IFREG && stat.st_mode & 0o6000 != 0 {
        set_mode_of(object, tools, u16::try_from(stat.st_mode & 0o1777).unwrap_or(0))?;
    }
    Ok(())
}

/// Sets last access and last modification; what is not given stays.
///
/// # Errors
/// Those of utimensat(2); `EINVAL` for a time whose nanoseconds make a second or more.
pub fn set_times(
    permit: &Permit<'_, Write, Rc<File>>,
    tools: &Tools,
    accessed: Option<NewTime>,
    modified: Option<NewTime>,
) -> io::Result<()> {
    set_times_of(permit.resource().fd.as_fd(), tools, time(accessed)?, time(modified)?)
}

/// The label of an open file, at most 1024 bytes.
///
/// # Errors
/// Those of fgetxattr(2), among them `ENODATA` when it has none and `ERANGE` for a longer one.
pub fn label(permit: &Permit<'_, SetXAttr, Labelled<Rc<File>>>) -> io::Result<Vec<u8>> {
    let Labelled { what, attribute } = permit.resource();
    let mut value = vec![0; MAX_LABEL_BYTES];
    let length = fgetxattr(what.fd.as_fd(), &c_string(attribute)?, &mut value)?;
    value.truncate(length);
    Ok(value)
}

/// Replaces the label of an open file, which has to have one.
///
/// # Errors
/// Those of fsetxattr(2), among them `ENODATA` when it has none.
pub fn set_label(permit: &Permit<'_, SetXAttr, Labelled<Rc<File>>>, value: &[u8]) -> io::Result<()> {
    let Labelled { what, attribute } = permit.resource();
    fsetxattr(what.fd.as_fd(), &c_string(attribute)?, value, nix::libc::XATTR_REPLACE)
}

/// By way of `/proc/self/fd`, because fchmod(2) does not take descriptors that were opened with `O_PATH`.
pub(super) fn set_mode_of(object: BorrowedFd<'_>, tools: &Tools, bits: u16) -> io::Result<()> {
    let mode = Mode::from_bits_truncate(bits.into());
    Ok(fchmodat(tools.own_fds(), number(object)?.as_c_str(), mode, FchmodatFlags::FollowSymlink)?)
}

pub(super) fn set_owner_of(object: BorrowedFd<'_>, user: Option<u32>, group: Option<u32>) -> io::Result<()> {
    let (user, group) = (user.map(Uid::from_raw), group.map(Gid::from_raw));
    Ok(fchownat(object, c"", user, group, AtFlags::AT_EMPTY_PATH)?)
}

pub(super) fn set_times_of(
    object: BorrowedFd<'_>,
    tools: &Tools,
    accessed: TimeSpec,
    modified: TimeSpec,
) -> io::Result<()> {
    let number = number(object)?;
    Ok(utimensat(tools.own_fds(), number.as_c_str(), &accessed, &modified, UtimensatFlags::FollowSymlink)?)
}

/// A time as utimensat(2) takes it.
pub(super) fn time(time: Option<NewTime>) -> io::Result<TimeSpec> {
    match time {
        None => Ok(TimeSpec::UTIME_OMIT),
        Some(NewTime::Now) => Ok(TimeSpec::UTIME_NOW),
        // Larger numbers would mean something else: UTIME_NOW and UTIME_OMIT are two of them.
        Some(NewTime::At(instant)) if instant.nanoseconds < 1_000_000_000 => {
            Ok(TimeSpec::new(instant.seconds, instant.nanoseconds.into()))
        }
        Some(NewTime::At(_)) => Err(Errno::EINVAL.into()),
    }
}

/// The name of a held object in the directory of the broker's own descriptors.
fn number(object: BorrowedFd<'_>) -> io::Result<CString> {
    c_string(&object.as_raw_fd().to_string())
}

fn c_string(text: &str) -> io::Result<CString> {
    CString::new(text).map_err(|_| Errno::EINVAL.into())
}

/// What a label may have, as in Rex.
const MAX_LABEL_BYTES: usize = 1024;
