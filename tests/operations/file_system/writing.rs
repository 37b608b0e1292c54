//! What the tests of writing have in common.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rex_ipc::bounded::Bytes;
use rex_ipc::file_system::{
    Attributes, BeginFile, BeginWrite, Copied, Copy, FinishWrite, OpenFile, WriteChunk, WriteHow,
};
use rex_ipc::handle::{DirId, FileId, WriterId};
use rex_ipc::limits::MAX_CHUNK_BYTES;
use rex_tests::session::{READ_WRITE, Refused, Session, open_mode, path_text};

/// How a script writes by default.
pub(crate) const REPLACE: WriteHow = WriteHow::Replace { keep_owner: true };

/// Opens a file of the tree for reading and writing.
pub(crate) fn open(session: &mut Session, name: &str) -> FileId {
    open_as(session, name, true, true)
}

/// Opens a file of the tree.
pub(crate) fn open_as(session: &mut Session, name: &str, read: bool, write: bool) -> FileId {
    let root = session.root();
    let request = OpenFile { mode: open_mode(read, write, false), ..session.opening_file(root, name) };
    let id = request.id;
    session.send(request).expect("the tree's files can be opened");
    session.records.clear();
    id
}

/// Opens the file that a link of the tree leads to.
pub(crate) fn open_through(session: &mut Session, name: &str) -> FileId {
    let root = session.root();
    let request = OpenFile { mode: READ_WRITE, follow: true, ..session.opening_file(root, name) };
    let id = request.id;
    session.send(request).expect("the tree's links can be followed");
    session.records.clear();
    id
}

pub(crate) fn begin(session: &mut Session, file: FileId, how: WriteHow) -> Result<WriterId, Refused> {
    let id = WriterId(session.number());
    session.send(BeginWrite { id, file, how }).map(|()| id)
}

pub(crate) fn begin_file(session: &mut Session, dir: DirId, path: &str) -> Result<WriterId, Refused> {
    let id = WriterId(session.number());
    session.send(BeginFile { id, dir, path: path_text(path) }).map(|()| id)
}

pub(crate) fn push(session: &mut Session, writer: WriterId, content: &[u8]) -> Result<(), Refused> {
    for piece in content.chunks(MAX_CHUNK_BYTES) {
        session.send(chunk(writer, piece))?;
    }
    Ok(())
}

pub(crate) fn chunk(writer: WriterId, piece: &[u8]) -> WriteChunk {
    WriteChunk { writer, bytes: Bytes::new(piece.to_vec()).expect("a piece fits") }
}

pub(crate) fn finish(session: &mut Session, writer: WriterId) -> Result<(), Refused> {
    session.send(finishing(writer))
}

pub(crate) fn finishing(writer: WriterId) -> FinishWrite {
    FinishWrite { writer, reopen: None, attributes: Attributes::default() }
}

/// Writes all of it.
pub(crate) fn write(
    session: &mut Session,
    file: FileId,
    how: WriteHow,
    content: &[u8],
) -> Result<(), Refused> {
    let writer = begin(session, file, how)?;
    push(session, writer, content)?;
    finish(session, writer)
}

pub(crate) fn copy(session: &mut Session, from: FileId, to: FileId, force: bool) -> Result<Copied, Refused> {
    session.send(Copy { from, to, force, preserve: false })
}

/// Mode, owner, group, links.
pub(crate) fn looks(path: &Path) -> (u32, u32, u32, u64) {
    let metadata = fs::symlink_metadata(path).expect("it is there");
    (metadata.mode() & 0o7777, metadata.uid(), metadata.gid(), metadata.nlink())
}

/// The names in a directory of the tree.
pub(crate) fn names(session: &Session, directory: &str) -> Vec<String> {
    let path = if directory.is_empty() { session.tree.root().to_owned() } else { session.path(directory) };
    let mut names: Vec<_> = fs::read_dir(path)
        .expect("the directory can be listed")
        .map(|entry| entry.expect("so can its entries").file_name().into_string().expect("names are text"))
        .collect();
    names.sort();
    names
}
