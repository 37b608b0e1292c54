//! What an access list says of the classes of a mode, where the mode has to do without the list.

use std::ffi::CStr;
use std::io;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use rex_outside::kernel::fgetxattr;

use crate::gate::error::is;

/// The mode that keeps everybody out whom the file's access list keeps out.
///
/// acl(5): with a list, the bits of the group are those of its mask. Without the list the owning group, whoever has an
/// entry of their own, and members of the groups that have one are in the class of the group or of everybody; neither may
/// do what one of them could not.
pub(super) fn bits_without(file: BorrowedFd<'_>, mode: u32) -> io::Result<u32> {
    let mut list = vec![0; MAX_LIST_BYTES];
    match fgetxattr(file, ACCESS_LIST, &mut list) {
        Ok(length) => Ok(narrowed(mode, list.get(..length).unwrap_or_default())),
        Err(error) if is(&error, Errno::ENODATA) || is(&error, Errno::EOPNOTSUPP) => Ok(mode),
        Err(error) => Err(error),
    }
}

/// A list that cannot be understood leaves the owner alone.
fn narrowed(mode: u32, list: &[u8]) -> u32 {
    let Some((&VERSION, entries)) = list.split_first_chunk::<4>() else { return mode & !0o077 };
    let mut group = (mode >> 3) & 0o7;
    let mut named = 0o7;
    for entry in entries.chunks(ENTRY_BYTES) {
        let (Some(tag), Some(bits)) = (number(entry, 0), number(entry, 2)) else { return mode & !0o077 };
        match tag {
            GROUP_OWNER | MASK => group &= bits,
            NAMED_USER | NAMED_GROUP => named &= bits,
            _ => {}
        }
    }
    let everybody = mode & named & 0o7;
    (mode & !0o077) | ((group & named) << 3) | everybody
}

fn number(entry: &[u8], at: usize) -> Option<u32> {
    let bytes = entry.get(at..at + 2)?.first_chunk::<2>()?;
    Some(u16::from_le_bytes(*bytes).into())
}

/// The attribute that holds a file's list.
pub(super) const ACCESS_LIST: &CStr = c"system.posix_acl_access";
/// `POSIX_ACL_XATTR_VERSION` of linux/posix_acl_xattr.h, in little-endian as everything there: two bytes of tag, two of
/// permissions, four of id.
const VERSION: [u8; 4] = [2, 0, 0, 0];
const ENTRY_BYTES: usize = 8;
const NAMED_USER: u32 = 0x02;
const GROUP_OWNER: u32 = 0x04;
const NAMED_GROUP: u32 = 0x08;
const MASK: u32 = 0x10;
/// xattr(7): values have at most 64 KiB.
const MAX_LIST_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[(u32, u32)]) -> Vec<u8> {
        let mut list = VERSION.to_vec();
        for (tag, bits) in entries {
            list.extend([*tag as u8, 0, *bits as u8, 0, 0, 0, 0, 0]);
        }
        list
    }

    #[test]
    fn nobody_is_let_in_whom_the_list_kept_out() {
        let (owner, everybody) = (0x01, 0x20);
        // The mask is what the mode shows for the group, and more than the owning group had.
        let bob_reads = [(owner, 6), (NAMED_USER, 4), (GROUP_OWNER, 0), (MASK, 4), (everybody, 0)];
        assert_eq!(narrowed(0o640, &list(&bob_reads)), 0o600);
        // Somebody had less than everybody.
        let not_bob = [(owner, 6), (NAMED_USER, 0), (GROUP_OWNER, 4), (MASK, 4), (everybody, 4)];
        assert_eq!(narrowed(0o644, &list(&not_bob)), 0o600);
        let not_staff = [(owner, 6), (NAMED_GROUP, 0), (GROUP_OWNER, 4), (MASK, 4), (everybody, 4)];
        assert_eq!(narrowed(0o644, &list(&not_staff)), 0o600);
        let harmless = [(owner, 6), (NAMED_USER, 6), (GROUP_OWNER, 4), (MASK, 6), (everybody, 4)];
        assert_eq!(narrowed(0o664, &list(&harmless)), 0o644);
    }

    #[test]
    fn a_list_that_makes_no_sense_leaves_the_owner_alone() {
        for bytes in [&b""[..], b"\x03\0\0\0", b"\x02\0\0\0\x04", b"\x02\0\0"] {
            assert_eq!(narrowed(0o100_755, bytes), 0o100_700, "{bytes:?}");
        }
    }
}
