//! A small file read whole, as itself and not through a link, in one round trip for opening and reading it.

use rex_ipc::file_system::{Chunk, ChunkLength, CreateDir, DirPlace, OpenDir, ReadChunk};
use rex_ipc::handle::FileId;
use rhai::NativeCallContext;

use super::dir::DirHandle;
use crate::error::{Fallible, TooLarge, too_large};
use crate::handle::OpenObject;
use crate::session::Session;
use crate::text::{Redaction, open_for_reading, string_limit};
use crate::value;

/// Opens a directory and reads the file with this name in it. `follow` is about the way to the directory.
///
/// # Errors
/// The broker's failures; the limit on strings.
pub fn open_and_read(
    context: &NativeCallContext,
    directory: &str,
    follow: bool,
    name: &str,
    redaction: Redaction,
) -> Fallible<(DirHandle, Vec<u8>)> {
    let session = Session::of(context);
    let (dir, file) = (session.new_dir(), session.new_file());
    let at = DirPlace::Path(value::path(directory)?);
    let open_dir = OpenDir { id: dir, at, follow, create: CreateDir::No };
    let open_file = open_for_reading(file, dir, value::spelled(name)?);
    let requests = (open_dir, open_file, first_chunk(file, redaction));
    let (opened, _, chunk) = session.perform(value::line(context), &requests)?;
    let handle = DirHandle::adopt(&session, dir, directory, &opened);
    Ok((handle, rest_of(context, &session, file, chunk, redaction)?))
}

/// Reads the file with this name in a directory that is open.
///
/// # Errors
/// As [`open_and_read`].
pub fn read_in(
    context: &NativeCallContext,
    directory: &DirHandle,
    name: &str,
    redaction: Redaction,
) -> Fallible<Vec<u8>> {
    let session = Session::of(context);
    let file = session.new_file();
    let open_file = open_for_reading(file, directory.id(), value::spelled(name)?);
    let (_, chunk) = session.perform(value::line(context), &(open_file, first_chunk(file, redaction)))?;
    rest_of(context, &session, file, chunk, redaction)
}

fn first_chunk(file: FileId, redaction: Redaction) -> ReadChunk {
    let redacted = redaction == Redaction::Accepted;
    ReadChunk { file, offset_bytes: 0, length: ChunkLength::MAX, redacted }
}

fn rest_of(
    context: &NativeCallContext,
    session: &Session,
    file: FileId,
    first: Chunk,
    redaction: Redaction,
) -> Fallible<Vec<u8>> {
    // Dropping it gives the file back.
    let _open = OpenObject::adopt(session, file);
    let most = string_limit(session);
    let mut chunk = first;
    let mut content = Vec::new();
    loop {
        let bytes = chunk.bytes.into_vec();
        // A piece without bytes ends the file too: nothing would change by asking again at the same place.
        let end = chunk.end || bytes.is_empty();
        if content.len().saturating_add(bytes.len()) > most {
            return Err(too_large(TooLarge::Text));
        }
        content.extend_from_slice(&bytes);
        if end {
            return Ok(content);
        }
        let next = ReadChunk { offset_bytes: content.len() as u64, ..first_chunk(file, redaction) };
        chunk = session.ask(value::line(context), next)?;
    }
}
