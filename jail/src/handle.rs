//! Objects that the broker holds open for the script, given back when the last copy is dropped.

use std::rc::Rc;

use rex_ipc::handle::{AnyId, DirId, FileId};

use crate::session::{CloseQueue, Session, Unneeded};

/// Keeps a handle open at the broker; dropping it queues the close.
struct Held {
    handle: AnyId,
    closing: Rc<CloseQueue>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.closing.push(Unneeded::Handle(self.handle));
    }
}

/// A directory that is open at the broker.
#[derive(Clone)]
pub struct OpenDirectory {
    id: DirId,
    _held: Rc<Held>,
}

impl OpenDirectory {
    /// Takes charge of a directory that the broker has just opened under this number.
    pub fn adopt(session: &Session, id: DirId) -> Self {
        Self { id, _held: Rc::new(Held { handle: AnyId::Dir(id), closing: session.closing() }) }
    }

    /// The number that requests name it by.
    pub fn id(&self) -> DirId {
        self.id
    }
}

/// A file, or a link as itself, that is open at the broker.
#[derive(Clone)]
pub struct OpenObject {
    id: FileId,
    _held: Rc<Held>,
}

impl OpenObject {
    /// Takes charge of a file or link that the broker has just opened under this number.
    pub fn adopt(session: &Session, id: FileId) -> Self {
        Self { id, _held: Rc::new(Held { handle: AnyId::File(id), closing: session.closing() }) }
    }

    /// The number that requests name it by.
    pub fn id(&self) -> FileId {
        self.id
    }
}
