//! The table of open objects: numbers chosen by the jail, objects held by the broker.

use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use rex_ipc::handle::{AnyId, DirId, FileId, WriterId};

use crate::gate::Inode;
use crate::gate::error::{Error, LimitReached};
use crate::host::file_system::fresh::Fresh;
use crate::host::file_system::object::{Directory, File, FileAt};
use crate::host::file_system::writer::Writer;

/// Every object that one jail has open.
#[derive(Debug)]
pub struct Handles {
    objects: BTreeMap<u32, Object>,
    last: Option<u32>,
    limit: usize,
    opened_in_batch: Vec<u32>,
    /// The only file that keeps its redacted content.
    redacted: Weak<File>,
}

#[derive(Debug)]
enum Object {
    Dir(Rc<Directory>),
    File(Rc<File>),
    Writer(Writer),
}

impl Handles {
    /// No objects yet, and never more than `limit` at once.
    pub fn new(limit: usize) -> Self {
        Self {
            objects: BTreeMap::new(),
            last: None,
            limit,
            opened_in_batch: Vec::new(),
            redacted: Weak::new(),
        }
    }

    /// How many objects are open.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// Spends a number. Numbers only grow, so none ever means two objects.
    ///
    /// # Errors
    /// `Violation` for a number that is not greater than the last one; `Limit` when too many objects are open.
    pub fn spend(&mut self, number: u32) -> Result<(), Error> {
        if self.last.is_some_and(|last| number <= last) {
            return Err(Error::Violation(format!("handle number {number} was used before")));
        }
        self.last = Some(number);
        if self.objects.len() >= self.limit {
            return Err(Error::Limit(LimitReached { name: "max-open-handles", value: self.limit as u64 }));
        }
        Ok(())
    }

    /// Keeps a directory under a number that was spent for it.
    pub fn keep_dir(&mut self, id: DirId, directory: impl Into<Rc<Directory>>) {
        self.keep(id.0, Object::Dir(directory.into()));
    }

    /// Keeps a file under a number that was spent for it.
    pub fn keep_file(&mut self, id: FileId, file: File) {
        self.keep(id.0, Object::File(Rc::new(file)));
    }

    /// Keeps a writer under a number that was spent for it.
    pub fn keep_writer(&mut self, id: WriterId, writer: Writer) {
        self.keep(id.0, Object::Writer(writer));
    }

    fn keep(&mut self, number: u32, object: Object) {
        self.opened_in_batch.push(number);
        self.objects.insert(number, object);
    }

    /// Puts another file behind a number: the one that has taken the place of the file it stood for.
    pub fn exchange_file(&mut self, id: FileId, file: File) {
        if let Some(object @ Object::File(_)) = self.objects.get_mut(&id.0) {
            *object = Object::File(Rc::new(file));
        }
    }

    /// Has every open file that stands at this place, with this inode, know what this run has put there instead.
    pub fn note_replaced(&self, place: &FileAt, old: Inode, new: Inode) {
        for object in self.objects.values() {
            let Object::File(file) = object else { continue };
            let is_there = file
                .origin
                .real
                .as_ref()
                .is_some_and(|real| real.parent.inode == place.parent.inode && real.entry == place.entry);
            if is_there && file.at_real_name() == old && file.inode != new {
                file.replaced_by.set(Some(new));
            }
        }
    }

    /// The directory behind this number.
    ///
    /// # Errors
    /// `Violation` when there is none: an honest jail never names what it does not hold.
    pub fn dir(&self, id: DirId) -> Result<Rc<Directory>, Error> {
        match self.objects.get(&id.0) {
            Some(Object::Dir(directory)) => Ok(Rc::clone(directory)),
            _ => Err(no_such_handle("directory", id.0)),
        }
    }

    /// The file behind this number.
    ///
    /// # Errors
    /// `Violation` when there is none: an honest jail never names what it does not hold.
    pub fn file(&self, id: FileId) -> Result<Rc<File>, Error> {
        match self.objects.get(&id.0) {
            Some(Object::File(file)) => Ok(Rc::clone(file)),
            _ => Err(no_such_handle("file", id.0)),
        }
    }

    /// The writer behind this number.
    ///
    /// # Errors
    /// `Violation` when there is none: an honest jail never names what it does not hold.
    pub fn writer(&self, id: WriterId) -> Result<Writer, Error> {
        match self.objects.get(&id.0) {
            Some(Object::Writer(writer)) => Ok(writer.clone()),
            _ => Err(no_such_handle("writer", id.0)),
        }
    }

    /// The writer behind this number, which stands for nothing from now on.
    ///
    /// # Errors
    /// `Violation` when there is none: an honest jail never names what it does not hold.
    pub fn take_writer(&mut self, id: WriterId) -> Result<Writer, Error> {
        let writer = self.writer(id)?;
        self.objects.remove(&id.0);
        Ok(writer)
    }

    /// Keeps the redacted content of a file until another file's is kept: a jail can open many files, and each of
    /// them can be large.
    pub fn keep_redacted(&mut self, file: &Rc<File>, content: Rc<[u8]>) {
        if let Some(previous) = self.redacted.upgrade() {
            previous.redacted.take();
        }
        file.redacted.replace(Some(content));
        self.redacted = Rc::downgrade(file);
    }

    /// Closes an object.
    ///
    /// # Errors
    /// `Violation` when there is none of this kind behind the number.
    pub fn close(&mut self, id: AnyId) -> Result<(), Error> {
        match id {
            AnyId::Dir(dir) => drop(self.dir(dir)?),
            AnyId::File(file) => drop(self.file(file)?),
        }
        self.objects.remove(&id.number());
        Ok(())
    }

    /// Begins a batch.
    pub fn begin_batch(&mut self) {
        self.opened_in_batch.clear();
    }

    /// Ends a batch that was carried out: what it has made stays, unless content for it is still to come.
    pub fn end_batch(&mut self) {
        for number in self.opened_in_batch.drain(..) {
            if let Some(Object::File(file)) = self.objects.get(&number)
                && !file.fresh.borrow().as_ref().is_some_and(Fresh::awaits_content)
            {
                file.stays();
            }
        }
    }

    /// Closes what the batch had opened before it failed; empty files that it has made go with their handles.
    pub fn close_batch(&mut self) {
        for number in self.opened_in_batch.drain(..) {
            self.objects.remove(&number);
        }
    }
}

fn no_such_handle(kind: &str, number: u32) -> Error {
    Error::Violation(format!("there is no open {kind} with the number {number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_only_grow() {
        let mut handles = Handles::new(8);

        handles.spend(5).unwrap();

        assert!(matches!(handles.spend(5), Err(Error::Violation(_))));
        assert!(matches!(handles.spend(4), Err(Error::Violation(_))));
        handles.spend(6).unwrap();
    }

    #[test]
    fn what_was_never_opened_cannot_be_named() {
        let mut handles = Handles::new(8);
        handles.spend(1).unwrap();

        assert!(matches!(handles.file(FileId(1)), Err(Error::Violation(_))));
        assert!(matches!(handles.dir(DirId(9)), Err(Error::Violation(_))));
        assert!(matches!(handles.close(AnyId::File(FileId(1))), Err(Error::Violation(_))));
    }
}
