//! A name that was made for content still to come: gone again when nothing comes of it.

use std::cell::Cell;

use crate::gate::Inode;
use crate::host::file_system::object::FileAt;
use crate::host::file_system::unguarded;

/// An empty file that an opening has made. Unless it is kept, it is removed when this is dropped: with the handle of a
/// call that failed, with content that was abandoned, and at the end of the run when the jail is gone.
///
/// Only a kill of the broker itself between the opening and the content leaves an empty file.
#[derive(Debug)]
pub struct Fresh {
    place: FileAt,
    inode: Inode,
    awaits_content: Cell<bool>,
    kept: Cell<bool>,
}

impl Fresh {
    /// The file of this inode has just been made at this place.
    pub fn new(place: FileAt, inode: Inode) -> Self {
        Self { place, inode, awaits_content: Cell::new(false), kept: Cell::new(false) }
    }

    /// Was made only for the content that follows: it outlives the call, but does not stay without content.
    pub fn await_content(&self) {
        self.awaits_content.set(true);
    }

    /// Whether it stays empty only until its content comes.
    pub fn awaits_content(&self) -> bool {
        self.awaits_content.get()
    }

    /// Leaves the file where it is.
    pub fn keep(self) {
        self.kept.set(true);
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if self.kept.get() {
            return;
        }
        if let Err(error) = unguarded::remove_made(&self.place, self.inode) {
            tracing::warn!("cannot remove {}, which was made for nothing: {error}", self.place.path);
        }
    }
}
