//! Who else could have written a policy file: whoever can write the policy decides what every script may do.

use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::cli::terminal::printable_line;

/// Refuses a file that everybody may write, and one that its group may write when the broker is root; warns of the
/// latter otherwise.
///
/// The metadata are those of the file that is already open, so that what was looked at is what is read.
///
/// # Errors
/// When the file is refused. A device is not judged: what it gives does not depend on who may write to it.
pub(super) fn inspect(path: &Path, metadata: &Metadata) -> io::Result<()> {
    let is_device = matches!(metadata.mode() & KIND_BITS, CHARACTER_DEVICE | BLOCK_DEVICE);
    let is_root = nix::unistd::geteuid().is_root();
    match judge(metadata.mode(), is_root) {
        _ if is_device => Ok(()),
        Trust::Sound => Ok(()),
        Trust::Doubtful => {
            tracing::warn!("{}: its group may write this policy", printable_line(&path.to_string_lossy()));
            Ok(())
        }
        // Not one of the kernel's, which is how `InputError` tells it from a file that may not be read.
        Trust::Refused(reason) => Err(io::Error::new(ErrorKind::PermissionDenied, reason)),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    Sound,
    Doubtful,
    Refused(&'static str),
}

fn judge(mode: u32, is_root: bool) -> Trust {
    if mode & WRITABLE_BY_OTHERS != 0 {
        Trust::Refused("everybody may write this policy; take that away with chmod o-w")
    } else if mode & WRITABLE_BY_GROUP != 0 && is_root {
        Trust::Refused(
            "its group may write this policy, which is to decide what root does; take that away with chmod g-w",
        )
    } else if mode & WRITABLE_BY_GROUP != 0 {
        Trust::Doubtful
    } else {
        Trust::Sound
    }
}

const WRITABLE_BY_GROUP: u32 = 0o020;
const WRITABLE_BY_OTHERS: u32 = 0o002;
/// `S_IFMT`, `S_IFCHR` and `S_IFBLK` of inode(7).
const KIND_BITS: u32 = 0o170_000;
const CHARACTER_DEVICE: u32 = 0o020_000;
const BLOCK_DEVICE: u32 = 0o060_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_else_may_write_a_policy_is_seen() {
        let refused = |mode, is_root| matches!(judge(mode, is_root), Trust::Refused(_));

        assert_eq!(judge(0o100_644, true), Trust::Sound);
        assert_eq!(judge(0o100_644, false), Trust::Sound);
        assert_eq!(judge(0o100_664, false), Trust::Doubtful);
        assert!(refused(0o100_664, true));
        assert!(refused(0o100_646, true) && refused(0o100_646, false));
        // The sticky bit of a directory keeps files from being removed, not from being added.
        assert!(refused(0o041_777, true) && refused(0o041_777, false));
    }
}
