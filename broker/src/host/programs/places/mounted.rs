//! What is mounted on this host, and which of it has files of somebody's.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::libc::STATX_MNT_ID;
use rex_outside::kernel::statx;

use crate::host::own_processes::unescaped;
use crate::policy::name::PathName;

/// The mounts that the broker sees.
pub(super) struct Mounts {
    types: HashMap<u64, Vec<u8>>,
    points: Vec<PathName>,
}

impl Mounts {
    /// Reads them.
    ///
    /// # Errors
    /// Those of reading the list.
    pub(super) fn read() -> io::Result<Self> {
        Ok(Self::parse(&std::fs::read("/proc/thread-self/mountinfo")?))
    }

    /// proc_pid_mountinfo(5): fields 1 and 5 are id and mount point; the type is the first behind a lone hyphen.
    fn parse(text: &[u8]) -> Self {
        let mut mounts = Self { types: HashMap::new(), points: Vec::new() };
        for line in text.split(|byte| *byte == b'\n') {
            let mut fields = line.split(|byte| *byte == b' ');
            let id = fields.next().and_then(|id| std::str::from_utf8(id).ok()?.parse().ok());
            let (Some(id), Some(point)) = (id, fields.nth(3)) else { continue };
            mounts.points.push(PathName::from_os(Path::new(OsStr::from_bytes(&unescaped(point)))));
            if let Some(kind) = fields.skip_while(|field| *field != b"-").nth(1) {
                mounts.types.insert(id, kind.to_vec());
            }
        }
        mounts.points.sort();
        mounts.points.dedup();
        mounts
    }

    /// Whether an open object lies on a file system that has files of somebody's, and is no view of something else.
    pub(super) fn is_of_files(&self, object: BorrowedFd<'_>) -> bool {
        let Ok(found) = statx(object, STATX_MNT_ID) else { return false };
        let kind = self.types.get(&found.stx_mnt_id).filter(|_| found.stx_mask & STATX_MNT_ID != 0);
        // What is none of these is left out, so that a view of tomorrow is, too.
        kind.is_some_and(|kind| OF_FILES.contains(&kind.as_slice()) || kind.starts_with(b"fuse."))
    }

    /// What is mounted below a path, and what is mounted in that is left out.
    pub(super) fn below(&self, top: &PathName) -> Vec<PathName> {
        let mut below: Vec<PathName> = Vec::new();
        // A longer path comes behind the one that it begins with.
        for point in self.points.iter().filter(|point| *point != top && point.is_within(top)) {
            if !below.iter().any(|above| point.is_within(above)) {
                below.push(point.clone());
            }
        }
        below
    }
}

/// The types of file systems that programs get something of.
const OF_FILES: [&[u8]; 37] = [
    b"9p",
    b"aufs",
    b"bcachefs",
    b"btrfs",
    b"ceph",
    b"cifs",
    b"ecryptfs",
    b"erofs",
    b"exfat",
    b"ext2",
    b"ext3",
    b"ext4",
    b"f2fs",
    b"fuse",
    b"fuseblk",
    b"gfs2",
    b"iso9660",
    b"jfs",
    b"lustre",
    b"nfs",
    b"nfs4",
    b"nilfs2",
    b"ntfs",
    b"ntfs3",
    b"ocfs2",
    b"overlay",
    b"ramfs",
    b"reiserfs",
    b"rootfs",
    b"smb3",
    b"squashfs",
    b"tmpfs",
    b"udf",
    b"vfat",
    b"virtiofs",
    b"xfs",
    b"zfs",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_by_its_fields_and_what_is_mounted_in_a_mount_belongs_to_it() {
        let text = b"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
            30 22 0:5 / /srv/a\\040b rw - proc proc rw\n\
            31 30 0:6 / /srv/a\\040b/c rw shared:2 master:1 - tmpfs tmpfs rw\n\
            32 22 0:7 / /srvother rw - tmpfs tmpfs rw\n";

        let mounts = Mounts::parse(text);

        let below: Vec<_> = mounts.below(&PathName::parse("/srv").unwrap());
        assert_eq!(below, [PathName::parse("/srv/a b").unwrap()]);
        assert_eq!(mounts.types.get(&30).map(Vec::as_slice), Some(&b"proc"[..]));
        assert_eq!(mounts.types.get(&31).map(Vec::as_slice), Some(&b"tmpfs"[..]));
        assert!(OF_FILES.is_sorted());
    }
}
