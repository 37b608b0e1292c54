//! What every act on files needs beside its object: where walks begin, the broker's own descriptors, temporary names.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use super::object::Directory;
use super::temporaries::{Temporaries, TemporaryName};
use super::unguarded;

/// Held for the whole run. Nobody but this layer gets at what is in it.
#[derive(Debug)]
pub struct Tools {
    root: OwnedFd,
    own_fds: OwnedFd,
    temporaries: RefCell<Temporaries>,
}

impl Tools {
    /// Opens `/` and `/proc/self/fd`; temporary names are noted in the usual place.
    ///
    /// # Errors
    /// Those of open(2); without `/proc` no object can be opened for use.
    pub fn open() -> io::Result<Self> {
        Ok(Self {
            root: unguarded::root()?,
            own_fds: unguarded::own_fds()?,
            temporaries: RefCell::new(Temporaries::usual()),
        })
    }

    /// Temporary names are noted here from now on.
    pub fn note_in(&self, temporaries: Temporaries) {
        self.temporaries.replace(temporaries);
    }

    /// Removes what dead runs have left, as [`Temporaries::clean_up`].
    pub fn clean_up(&self) {
        self.temporaries.borrow().clean_up();
    }

    /// The root directory.
    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// The directory of the broker's own descriptors.
    pub(in crate::host) fn own_fds(&self) -> BorrowedFd<'_> {
        self.own_fds.as_fd()
    }

    /// A new temporary name in a directory; see [`Temporaries::name_in`].
    pub(super) fn name_in(&self, parent: &Rc<Directory>) -> io::Result<TemporaryName> {
        self.temporaries.borrow_mut().name_in(parent)
    }
}
