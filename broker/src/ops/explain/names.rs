//! What the handles of a call would stand for: the objects that are open, and those that its requests would open.

use std::collections::HashMap;

use rex_ipc::handle::{DirId, FileId, WriterId};

use crate::gate::{Inode, Resource};
use crate::host::handles::Handles;
use crate::policy::ResourceRef;
use crate::policy::name::{EntryName, PathName};

/// A file or directory by its name.
#[derive(Clone)]
pub struct Place {
    pub(in crate::ops) path: PathName,
    is_dir: bool,
    /// What it is, when it is open.
    pub(in crate::ops) inode: Option<Inode>,
    /// Whether a link may have been followed on the way, so that the name may be another.
    pub(in crate::ops) as_spelled: bool,
}

impl Place {
    pub(in crate::ops) fn dir(path: PathName) -> Self {
        Self { path, is_dir: true, inode: None, as_spelled: false }
    }

    pub(in crate::ops) fn file(path: PathName) -> Self {
        Self { path, is_dir: false, inode: None, as_spelled: false }
    }

    /// This place, once a link on the way to it may have been followed.
    pub(in crate::ops) fn followed(self, follow: bool) -> Self {
        Self { as_spelled: self.as_spelled || follow, ..self }
    }

    /// The name of an entry of this directory; nothing when it is no single component.
    pub(in crate::ops) fn entry(&self, name: &str) -> Option<PathName> {
        Some(self.path.join(EntryName::parse(name)?.as_bytes()))
    }

    pub(in crate::ops) fn resource(&self) -> ResourceRef<'_> {
        if self.is_dir { ResourceRef::Dir(self.path.as_str()) } else { ResourceRef::File(self.path.as_str()) }
    }
}

/// An open file, or one that would be.
#[derive(Clone)]
pub struct OpenedFile {
    /// What it is known by.
    pub(in crate::ops) real: Place,
    /// The name by which it was opened, which is another one when that was a link.
    pub(in crate::ops) named: Place,
}

impl OpenedFile {
    /// One that no link led to.
    pub(in crate::ops) fn at(place: Place) -> Self {
        Self { real: place.clone(), named: place }
    }
}

/// What handles stand for.
pub(in crate::ops) struct Names<'a> {
    handles: &'a Handles,
    pub(in crate::ops) dirs: HashMap<DirId, Place>,
    pub(in crate::ops) files: HashMap<FileId, OpenedFile>,
    pub(in crate::ops) writers: HashMap<WriterId, Place>,
}

impl<'a> Names<'a> {
    pub(in crate::ops) fn of(handles: &'a Handles) -> Self {
        Self { handles, dirs: HashMap::new(), files: HashMap::new(), writers: HashMap::new() }
    }

    pub(in crate::ops) fn dir(&self, id: DirId) -> Option<Place> {
        self.dirs.get(&id).cloned().or_else(|| {
            let dir = self.handles.dir(id).ok()?;
            Some(Place { inode: Some(dir.inode), ..Place::dir(dir.name.clone()) })
        })
    }

    pub(in crate::ops) fn file(&self, id: FileId) -> Option<OpenedFile> {
        self.files.get(&id).cloned().or_else(|| {
            let file = self.handles.file(id).ok()?;
            let real = Place { inode: Some(file.inode), ..Place::file(file.name.clone()) };
            Some(OpenedFile { real, named: Place::file(file.origin.named.path.clone()) })
        })
    }

    pub(in crate::ops) fn writer(&self, id: WriterId) -> Option<Place> {
        self.writers.get(&id).cloned().or_else(|| {
            let writer = self.handles.writer(id).ok()?;
            let ResourceRef::File(path) = writer.as_question() else { return None };
            Some(Place { inode: writer.inode(), ..Place::file(PathName::parse(path).ok()?) })
        })
    }
}
