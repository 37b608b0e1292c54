//! The network namespace that a script has entered, and how something is done there.
//!
//! The broker stays where it is. What belongs to a namespace is made by a thread that enters it and ends, and is used from outside:
//! a socket stays in the namespace that it was made in, and so does an open table of the kernel.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::thread;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sched::{CloneFlags, setns};
use nix::sys::stat::Mode;
use rex_ipc::action::file_system;
use rex_ipc::action::process_system::NetworkNamespace;

use crate::gate::Permit;
use crate::host::file_system::object::FilePath;
use crate::host::process_system::object::Process;

/// A network namespace that was entered.
#[derive(Debug)]
pub struct Inside {
    /// What the host calls the namespace.
    name: String,
    namespace: OwnedFd,
}

impl Inside {
    /// Enters the network namespace of the process of the permit.
    ///
    /// # Errors
    /// `ESRCH` when it is gone; those of open(2) and setns(2), `EPERM` among them.
    pub fn of_process(permit: &Permit<'_, NetworkNamespace, Rc<Process>>) -> io::Result<Self> {
        let process = permit.resource();
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let namespace = openat(&process.directory, "ns/net", flags, Mode::empty())?;
        Self { name: format!("/proc/{}/ns/net", process.pid), namespace }.entered()
    }

    /// Enters the network namespace of the permit, which ip-netns(8) has named.
    ///
    /// # Errors
    /// Those of openat2(2), `ELOOP` for a link on the way; those of setns(2), `EINVAL` for what is no network namespace.
    pub fn of_file(permit: &Permit<'_, file_system::NetworkNamespace, FilePath>) -> io::Result<Self> {
        let FilePath(path) = permit.resource();
        let how = OpenHow::new()
            .flags(OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        let namespace = openat2(AT_FDCWD, path.to_os().as_path(), how)?;
        Self { name: path.as_str().to_owned(), namespace }.entered()
    }

    /// Whether it can be entered, and is a network namespace, is known from now on.
    fn entered(self) -> io::Result<Self> {
        within(Some(&self), || ())?;
        Ok(self)
    }

    /// What the policy is asked about that the namespace calls by this name.
    ///
    /// No object of the host has such a name: what stands before it is a file, below which there is nothing.
    pub fn name_of(&self, name: &str) -> String {
        let slash = if name.starts_with('/') { "" } else { "/" };
        format!("{}{slash}{name}", self.name)
    }
}

/// Does something in a namespace, or where the broker is.
///
/// # Errors
/// Those of setns(2) and of starting a thread.
pub(in crate::host) fn within<T: Send>(
    inside: Option<&Inside>,
    act: impl FnOnce() -> T + Send,
) -> io::Result<T> {
    let Some(inside) = inside else { return Ok(act()) };
    let namespace = inside.namespace.as_fd();
    thread::scope(|scope| {
        let enter = move || -> io::Result<T> {
            setns(namespace, CloneFlags::CLONE_NEWNET)?;
            Ok(act())
        };
        let done = thread::Builder::new().name("namespace".to_owned()).spawn_scoped(scope, enter)?.join();
        done.unwrap_or_else(|_| Err(Errno::EIO.into()))
    })
}
