//! A temporary directory with files, links and worse, and what it looked like before.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{CStr, OsStr};
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::CloneFlags;
use nix::sys::stat::{Mode, SFlag, mknod};
use rex_ipc::name;

/// A directory of its own for one test; gone when the test ends.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    mounts: RefCell<Vec<PathBuf>>,
}

impl Tree {
    /// An empty directory, owned by the user who runs the tests and writable by nobody else.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);

        let base = std::env::temp_dir().canonicalize().expect("there is a directory for temporary files");
        let root = loop {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let root = base.join(format!("rex-tree-{}-{number}", std::process::id()));
            match fs::DirBuilder::new().mode(0o755).create(&root) {
                Ok(()) => break root,
                // A test of another process with this number was killed before it could tidy up.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => panic!("a temporary directory cannot be made: {error}"),
            }
        };
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).expect("and its mode set");
        Self { root, mounts: RefCell::default() }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The path of something in it.
    pub fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.root.join(name.as_ref())
    }

    /// The same, as a script would spell it.
    pub fn text(&self, name: impl AsRef<OsStr>) -> String {
        match name.as_ref().is_empty() {
            true => text_of(&self.root),
            false => text_of(&self.path(name)),
        }
    }

    /// Makes a file, and the directories it is in.
    pub fn file(&self, name: impl AsRef<OsStr>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.place(name);
        fs::write(&path, content).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
        path
    }

    /// Makes a directory, and the directories it is in.
    pub fn dir(&self, name: impl AsRef<OsStr>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap_or_else(|error| panic!("cannot make {}: {error}", path.display()));
        path
    }

    /// Makes a symbolic link; `{root}` in the target is the path of this tree.
    pub fn link(&self, target: &str, name: impl AsRef<OsStr>) -> PathBuf {
        let path = self.place(name);
        let target = target.replace("{root}", self.root.to_str().expect("temporary names are ASCII"));
        symlink(target, &path).unwrap_or_else(|error| panic!("cannot link {}: {error}", path.display()));
        path
    }

    /// Makes a second name for a file.
    pub fn hard_link(&self, original: &str, name: &str) -> PathBuf {
        let path = self.place(name);
        fs::hard_link(self.path(original), &path).expect("both names are on one file system");
        path
    }

    /// Makes a FIFO.
    pub fn fifo(&self, name: &str) -> PathBuf {
        let path = self.place(name);
        nix::unistd::mkfifo(&path, Mode::from_bits_truncate(0o644)).expect("a FIFO can be made");
        path
    }

    /// Makes a device; only root can.
    pub fn device(&self, name: &str, kind: SFlag, major: u64, minor: u64) -> PathBuf {
        let path = self.place(name);
        let number = nix::sys::stat::makedev(major, minor);
        mknod(&path, kind, Mode::from_bits_truncate(0o666), number).expect("root can make devices");
        path
    }

    /// Mounts a new file system of this type on a directory of this name, within [`with_mounts`].
    pub fn mount_new(&self, kind: &str, name: &str) {
        mount_new(kind, &self.dir(name));
        self.mounts.borrow_mut().push(self.path(name));
    }

    /// Makes `name` another place for what is at `from`, within [`with_mounts`].
    pub fn mount_bind(&self, from: impl AsRef<Path>, name: &str) {
        let at = if from.as_ref().is_dir() { self.dir(name) } else { self.file(name, "") };
        mount(Some(from.as_ref()), &at, None::<&str>, MsFlags::MS_BIND, None::<&str>)
            .expect("root can mount");
        self.mounts.borrow_mut().push(at);
    }

    /// Everything below, each with its type, mode, size and content: two equal pictures mean that nothing changed.
    pub fn picture(&self) -> BTreeMap<PathBuf, String> {
        let mut picture = BTreeMap::new();
        let mut left = vec![self.root.clone()];
        while let Some(directory) = left.pop() {
            let Ok(entries) = fs::read_dir(&directory) else { continue };
            for entry in entries.flatten() {
                let path = entry.path();
                let Ok(metadata) = path.symlink_metadata() else { continue };
                if metadata.is_dir() {
                    left.push(path.clone());
                }
                let content =
                    if metadata.is_file() { fs::read(&path).unwrap_or_default() } else { Vec::new() };
                let text = format!("{:o} {} {content:?}", metadata.mode(), metadata.ino());
                picture.insert(path, text);
            }
        }
        picture
    }

    fn place(&self, name: impl AsRef<OsStr>) -> PathBuf {
        let path = self.path(name);
        let parent = path.parent().expect("a name in the tree has a parent");
        fs::create_dir_all(parent)
            .unwrap_or_else(|error| panic!("cannot make {}: {error}", parent.display()));
        path
    }
}

impl Default for Tree {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // What is mounted is not ours to remove; if it cannot be unmounted, everything stays.
        for at in self.mounts.take().iter().rev() {
            if umount2(at, MntFlags::MNT_DETACH).is_err() {
                return;
            }
        }
        // What a test closed for others is opened again, so that it can be removed by an ordinary user, too.
        if fs::remove_dir_all(&self.root).is_err() {
            let open = ["-xdev", "-type", "d", "-exec", "chmod", "u+rwx", "{}", ";"];
            let _ = std::process::Command::new("find").arg(&self.root).args(open).status();
            let _ = fs::remove_dir_all(&self.root);
        }
    }
}

/// A path as a script would spell it.
pub fn text_of(path: &Path) -> String {
    name::to_text(path.as_os_str().as_bytes())
}

/// Gives a file or directory an extended attribute; false where the file system has none of this kind.
///
/// # Panics
/// When it fails for another reason: a test that cannot prepare what it is about has shown nothing.
pub fn set_attribute(path: &Path, name: &CStr, value: &[u8]) -> bool {
    let object = fs::File::open(path).expect("what gets an attribute can be opened");
    match rex_outside::kernel::fsetxattr(object.as_fd(), name, value, 0) {
        Ok(()) => true,
        Err(error) if error.raw_os_error() == Some(nix::libc::EOPNOTSUPP) => {
            crate::skip::skipped(format!(
                "the file system of {} has no {}",
                path.display(),
                name.to_string_lossy()
            ));
            false
        }
        Err(error) => panic!("{}: {}: {error}", path.display(), name.to_string_lossy()),
    }
}

/// An extended attribute; nothing where there is none.
///
/// # Panics
/// When the object cannot be opened.
pub fn attribute(path: &Path, name: &CStr) -> Option<Vec<u8>> {
    let object = fs::File::open(path).expect("what has an attribute can be opened");
    let mut value = vec![0; 4096];
    let length = rex_outside::kernel::fgetxattr(object.as_fd(), name, &mut value).ok()?;
    value.truncate(length);
    Some(value)
}

/// The value of `system.posix_acl_access` and `system.posix_acl_default`: rights of the owner, of one more user, of the
/// group, the mask, and of others, each 0 to 7.
///
/// # Source
/// `include/uapi/linux/posix_acl_xattr.h`: version 2, then tag, rights and number of each entry in little endian.
pub fn access_list(owner: u16, user: (u32, u16), group: u16, mask: u16, others: u16) -> Vec<u8> {
    let nobody = u32::MAX;
    let entries = [
        (0x01, owner, nobody),
        (0x02, user.1, user.0),
        (0x04, group, nobody),
        (0x10, mask, nobody),
        (0x20, others, nobody),
    ];
    let mut value = 2_u32.to_le_bytes().to_vec();
    for (tag, rights, number) in entries {
        value.extend(u16::to_le_bytes(tag));
        value.extend(rights.to_le_bytes());
        value.extend(number.to_le_bytes());
    }
    value
}

/// Whether the tests run as root; says so on standard error when what follows is skipped.
pub fn is_root() -> bool {
    let is_root = nix::unistd::geteuid().is_root();
    if !is_root {
        crate::skip::skipped("only root can do this");
    }
    is_root
}

/// Runs `test` with the rights of an ordinary user over files; as another user than root it just runs.
///
/// # Panics
/// When the test does.
pub fn as_ordinary_user<T: Send>(test: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        // setfsuid(2) is about one thread; this one ends with the test.
        let apart = scope.spawn(|| {
            if nix::unistd::geteuid().is_root() {
                nix::unistd::setfsgid(ORDINARY_USER.into());
                nix::unistd::setfsuid(ORDINARY_USER.into());
            }
            test()
        });
        apart.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Nobody's number, on most systems.
pub const ORDINARY_USER: u32 = 54_321;

/// Runs `test` where it can mount what it likes without anybody else seeing it; only root can.
///
/// # Panics
/// When the test does.
pub fn with_mounts<T: Send>(test: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        // A mount namespace belongs to a thread; this one ends with the test.
        let apart = scope.spawn(|| {
            nix::sched::unshare(CloneFlags::CLONE_NEWNS).expect("root can have mounts of its own");
            let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
            mount(None::<&str>, "/", None::<&str>, private, None::<&str>).expect("and keep them to itself");
            test()
        });
        apart.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Mounts a file system of this type, within [`with_mounts`].
pub fn mount_new(kind: &str, at: &Path) {
    mount(Some(kind), at, Some(kind), MsFlags::empty(), None::<&str>).expect("root can mount");
}
