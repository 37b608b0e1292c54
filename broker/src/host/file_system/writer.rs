//! New content on its way to a file: collected out of sight, and put in its place when it is complete.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use rex_ipc::action::file_system::Write;
use rex_ipc::file_system::WriteHow;

use super::object::{File, FileBelow};
use super::staged::{Content, Staged};
use super::tools::Tools;
use super::{below, staged};
use crate::gate::Permit;
use crate::gate::sealed::Sealed;
use crate::policy::name::PathName;

/// New content of the handle table.
#[derive(Clone, Debug)]
pub enum Writer {
    /// For a file that is open.
    File(Rc<FileWriter>),
    /// For a name that may be missing, as may directories on the way to it.
    New(Rc<NewWriter>),
}

/// New content for a file that is open.
#[derive(Debug)]
pub struct FileWriter {
    /// The file.
    pub(in crate::host) file: Rc<File>,
    how: WriteHow,
    /// What has come of it so far.
    pub(super) content: RefCell<Content>,
}

/// Content of a new file.
#[derive(Debug)]
pub struct NewWriter {
    /// Where it goes.
    pub(in crate::host) new: FileBelow,
    /// What has come of it so far.
    pub(super) content: RefCell<Content>,
}

/// Proof that a file which is there may get new content, with both: a permit for a writer, or content staged under one.
pub trait Replacement: Sealed {
    /// The file.
    fn replaced(&self) -> &Rc<File>;

    /// The content.
    fn content(&self) -> &RefCell<Content>;
}

/// Begins to collect for the open file of the permit.
///
/// # Errors
/// Those of open(2); `ENOENT` when it is to be replaced and the directory of a link's target could not be held.
pub fn begin(write: &Permit<'_, Write, Rc<File>>, how: WriteHow, tools: &Tools) -> io::Result<FileWriter> {
    let content = match how {
        WriteHow::InPlace | WriteHow::Append => Content::in_memory(),
        WriteHow::Replace { .. } => staged::beside(write, tools)?.into_content(),
    };
    Ok(FileWriter { file: Rc::clone(write.resource()), how, content: content.into() })
}

/// Begins to collect for the new file of the permit, in the last directory on its way that is there.
///
/// # Errors
/// `ELOOP` for a link on the way, `ENOTDIR` for anything else that is no directory; those of openat2(2) and open(2).
pub fn begin_new(write: &Permit<'_, Write, FileBelow>, tools: &Tools) -> io::Result<NewWriter> {
    let walked = below::walk(write)?;
    let content = Content::beside(&walked.held, tools)?;
    Ok(NewWriter { new: write.resource().clone(), content: content.into() })
}

impl Writer {
    /// The path that the policy is asked about.
    pub fn path(&self) -> &PathName {
        match self {
            Self::File(writer) => &writer.file.name,
            Self::New(writer) => &writer.new.path,
        }
    }

    /// The open file that it is for.
    pub fn file(&self) -> Option<&Rc<File>> {
        match self {
            Self::File(writer) => Some(&writer.file),
            Self::New(_) => None,
        }
    }

    /// The content has come to its place.
    pub fn has_arrived(&self) {
        if let Some(file) = self.file() {
            file.stays();
        }
    }

    /// The content will not come: an empty file that was made for it goes again.
    pub fn was_for_nothing(&self) {
        if let Some(file) = self.file() {
            file.was_for_nothing();
        }
    }

    pub(super) fn content(&self) -> &RefCell<Content> {
        match self {
            Self::File(writer) => &writer.content,
            Self::New(writer) => &writer.content,
        }
    }
}

impl FileWriter {
    /// The file.
    pub fn file(&self) -> &Rc<File> {
        &self.file
    }

    /// How much there is.
    pub fn length_bytes(&self) -> u64 {
        self.content.borrow().length_bytes()
    }

    /// What is to become of the content.
    pub fn how(&self) -> WriteHow {
        self.how
    }
}

impl NewWriter {
    /// How much there is.
    pub fn length_bytes(&self) -> u64 {
        self.content.borrow().length_bytes()
    }

    /// Where it goes.
    pub fn path(&self) -> &PathName {
        &self.new.path
    }
}

impl Replacement for Permit<'_, Write, Rc<FileWriter>> {
    fn replaced(&self) -> &Rc<File> {
        &self.resource().file
    }

    fn content(&self) -> &RefCell<Content> {
        &self.resource().content
    }
}

impl Replacement for Staged<'_, Rc<File>> {
    fn replaced(&self) -> &Rc<File> {
        self.target()
    }

    fn content(&self) -> &RefCell<Content> {
        self.content()
    }
}
