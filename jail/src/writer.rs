//! New content on its way to a file: sent in pieces, put in its place at the end, abandoned when it does not get there.

use std::rc::Rc;

use rex_ipc::bounded::Bytes;
use rex_ipc::file_system::{Attributes, BeginFile, BeginWrite, FinishWrite, PathText, WriteChunk, WriteHow};
use rex_ipc::handle::{DirId, FileId, WriterId};
use rex_ipc::limits::{MAX_BODY_BYTES, MAX_CHUNK_BYTES};
use rhai::NativeCallContext;

use crate::error::Fallible;
use crate::session::{Batch, CloseQueue, Session, Then, Unneeded};
use crate::value;

/// Content that comes bit by bit. Nobody sees any of it before it is finished.
pub struct Writer {
    session: Session,
    line: u32,
    begun: Begun,
    waiting: Vec<u8>,
}

impl Writer {
    /// Begins to give an open file new content.
    ///
    /// # Errors
    /// The broker's failures.
    pub fn begin(context: &NativeCallContext, file: FileId, how: WriteHow) -> Fallible<Self> {
        let session = Session::of(context);
        let line = value::line(context);
        let id = session.new_writer();
        session.ask(line, BeginWrite { id, file, how })?;
        Ok(Self::adopt(session, line, id))
    }

    /// Begins a file somewhere below a directory; what is there already is replaced at the end.
    ///
    /// # Errors
    /// The broker's failures.
    pub fn begin_file(context: &NativeCallContext, dir: DirId, path: PathText) -> Fallible<Self> {
        let session = Session::of(context);
        let line = value::line(context);
        let id = session.new_writer();
        session.ask(line, BeginFile { id, dir, path })?;
        Ok(Self::adopt(session, line, id))
    }

    /// Takes charge of content that was begun under this number.
    fn adopt(session: Session, line: u32, id: WriterId) -> Self {
        let begun = Begun { id: Some(id), closing: session.closing() };
        Self { session, line, begun, waiting: Vec::new() }
    }

    /// Adds to the content. Small pieces wait for more, so that each frame is a full one.
    ///
    /// # Errors
    /// The broker's failures.
    pub fn write(&mut self, bytes: &[u8]) -> Fallible<()> {
        let mut rest = bytes;
        while self.waiting.len().saturating_add(rest.len()) > MAX_CHUNK_BYTES {
            let room = MAX_CHUNK_BYTES.saturating_sub(self.waiting.len());
            let (fits, beyond) = rest.split_at(room.min(rest.len()));
            self.waiting.extend_from_slice(fits);
            rest = beyond;
            let full = std::mem::take(&mut self.waiting);
            self.session.ask(self.line, piece(self.begun.id(), full))?;
        }
        self.waiting.extend_from_slice(rest);
        Ok(())
    }

    /// Puts the content in its place.
    ///
    /// # Errors
    /// The broker's failures.
    pub fn finish(self) -> Fallible<()> {
        self.finish_as(None, Attributes::default())
    }

    /// Puts the content in its place, and gives the file these attributes; only for what [`Writer::begin_file`] began.
    ///
    /// # Errors
    /// The broker's failures.
    pub fn finish_with(self, attributes: Attributes) -> Fallible<()> {
        self.finish_as(None, attributes)
    }

    fn finish_as(mut self, reopen: Option<FileId>, attributes: Attributes) -> Fallible<()> {
        let writer = self.begun.id();
        let last = piece(writer, std::mem::take(&mut self.waiting));
        let outcome = self.session.perform(self.line, &(last, FinishWrite { writer, reopen, attributes }));
        match outcome {
            Ok(((), ())) => {
                self.begun.forget();
                Ok(())
            }
            Err(failed) => {
                // The first request adds the last piece; the second ends the writer whether it succeeds or not.
                if failed.index > 0 {
                    self.begun.forget();
                }
                Err(failed.into())
            }
        }
    }
}

/// Gives an open file this content and its length.
///
/// # Errors
/// The broker's failures.
pub fn overwrite(context: &NativeCallContext, file: FileId, bytes: &[u8]) -> Fallible<()> {
    let id = Session::of(context).new_writer();
    let begin = (BeginWrite { id, file, how: WriteHow::InPlace },);
    NewContent { id, bytes, reopen: None }.put(context, begin, 0, |_, _| ())
}

/// Content that is there as a whole.
pub struct NewContent<'a> {
    /// The number it is written under; the request that begins it is the last one of the opening batch.
    pub id: WriterId,
    /// The content.
    pub bytes: &'a [u8],
    /// The number under which the file is opened again, if it is; only after a replacing write.
    pub reopen: Option<FileId>,
}

impl NewContent<'_> {
    /// Sends the batch that begins the content, and then the content: in one frame, if that holds both.
    ///
    /// `text_bytes` is the length of the texts in the batch; `adopt` takes charge of what the batch opened.
    ///
    /// # Errors
    /// The first failure of the broker; the content is abandoned then.
    pub fn put<B: Batch, T>(
        self,
        context: &NativeCallContext,
        opening: B,
        text_bytes: usize,
        adopt: impl FnOnce(&Session, B::Replies) -> T,
    ) -> Fallible<T> {
        let session = Session::of(context);
        let line = value::line(context);
        let room = FRAME_BYTES.saturating_sub(text_bytes).min(MAX_CHUNK_BYTES);
        let Some((first, rest)) = self.bytes.split_at_checked(room) else {
            let attributes = Attributes::default();
            let finish = FinishWrite { writer: self.id, reopen: self.reopen, attributes };
            let writing = (piece(self.id, self.bytes.to_vec()), finish);
            let (opened, _) = session.perform(line, &Then(opening, writing))?;
            return Ok(adopt(&session, opened));
        };
        let (opened, _) = session.perform(line, &Then(opening, (piece(self.id, first.to_vec()),)))?;
        let opened = adopt(&session, opened);
        let mut writer = Writer::adopt(session, line, self.id);
        writer.write(rest)?;
        writer.finish_as(self.reopen, Attributes::default())?;
        Ok(opened)
    }
}

/// What a frame has room for beside the fixed parts of its requests, closes included.
const FRAME_BYTES: usize = MAX_BODY_BYTES - 1024;

/// Content that was begun; dropping it queues the request that abandons it.
struct Begun {
    id: Option<WriterId>,
    closing: Rc<CloseQueue>,
}

impl Begun {
    fn id(&self) -> WriterId {
        self.id.expect("it is forgotten only by what ends it")
    }

    fn forget(&mut self) {
        self.id = None;
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.closing.push(Unneeded::Writer(id));
        }
    }
}

fn piece(writer: WriterId, bytes: Vec<u8>) -> WriteChunk {
    WriteChunk { writer, bytes: Bytes::new(bytes).expect("a piece is at most a chunk") }
}
