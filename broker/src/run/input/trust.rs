//! Who else could have written a policy file: whoever can write the policy decides what every script may do.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::host::believed::{Believed, Opened, refused};

/// Opens a policy file or a directory of them, if nobody else could have written it.
///
/// Refused are what belongs to somebody else, what everybody may write, and what its group may write when the broker is
/// root; otherwise it is said of the latter that its group may. Each directory and link on the way is judged likewise. What was
/// looked at is what is read.
///
/// # Errors
/// When it is refused, or cannot be opened. A device is not judged: what it gives does not depend on who may write to
/// it. Neither is a pipe that has no name, which only the caller can have given.
pub(super) fn open(path: &Path) -> io::Result<(Opened, GroupMayWrite)> {
    let believed = Believed::usual();
    let opened = believed.open(path)?;
    let kind = opened.metadata.mode() & KIND_BITS;
    let is_own_pipe = opened.is_handed_over && kind == FIFO;
    let group_may_write = if !is_own_pipe && !matches!(kind, CHARACTER_DEVICE | BLOCK_DEVICE) {
        inspect(&opened.metadata, &believed)?
    } else {
        false
    };
    Ok((opened, group_may_write))
}

/// Whether others than the owner may change what was opened, if they are of its group.
pub(super) type GroupMayWrite = bool;

fn inspect(metadata: &Metadata, believed: &Believed) -> io::Result<GroupMayWrite> {
    if !believed.is_owner(metadata.uid()) {
        let (owner, names) = (metadata.uid(), believed.names());
        return Err(refused(format!("this policy belongs to user {owner} and has to belong to {names}")));
    }
    match judge(metadata.mode(), !believed.groups_may_write) {
        Trust::Sound => Ok(false),
        Trust::Doubtful => Ok(true),
        Trust::Refused(reason) => Err(refused(reason.to_owned())),
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
/// `S_IFMT`, `S_IFIFO`, `S_IFCHR` and `S_IFBLK` of inode(7).
const KIND_BITS: u32 = 0o170_000;
const FIFO: u32 = 0o010_000;
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
