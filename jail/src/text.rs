//! Reading files as bytes, lines and text, piece by piece, without holding more than the limits of the script's values.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{
    Chunk, ChunkLength, CreateDir, DirPlace, IfMissing, OpenDir, OpenFile, OpenMode, PathText, ReadChunk,
    Spelled,
};
use rex_ipc::handle::{DirId, FileId};
use rex_ipc::limits::MAX_PATH_TEXT_BYTES;
use rhai::{Array, Dynamic, ImmutableString, NativeCallContext};

use crate::error::{Fallible, TooLarge, io_error, io_error_from, too_large};
use crate::handle::{OpenDirectory, OpenObject};
use crate::session::{Failed, Session};
use crate::stray::{Decoding, Stray};
use crate::value;

pub use crate::limits::{array_limit, map_limit, string_limit};

/// The content of an open file, from some offset on.
pub struct ByteStream {
    session: Session,
    line: u32,
    file: OpenObject,
    offset_bytes: u64,
    redacted: bool,
    ahead: Option<Chunk>,
    ended: bool,
    decoding: Decoding,
}

/// Content that comes piece by piece.
pub trait Pieces {
    /// The next piece, which has at least one byte; nothing at the end, however often it is asked for.
    ///
    /// # Errors
    /// Whatever keeps it from coming.
    fn next_piece(&mut self) -> Fallible<Option<Vec<u8>>>;
}

/// Whether redacted content will do when the whole may not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redaction {
    /// It will.
    Accepted,
    /// It will not.
    Refused,
}

impl ByteStream {
    /// Opens the file at a path the way commands do, and reads its first piece, in one round trip.
    ///
    /// The directory is followed through links, and so is the file, unless it has to be as in Rex; the policy is asked
    /// about the name and about every place that it leads to.
    ///
    /// # Errors
    /// `InvalidArguments` for a path without a last component; the broker's failures.
    pub fn open(context: &NativeCallContext, path: &str, redaction: Redaction) -> Fallible<Self> {
        Self::open_as(context, path, redaction == Redaction::Accepted, false)
    }

    /// Opens a file that may be overwritten afterwards: its content must be the whole, and no link is followed.
    ///
    /// # Errors
    /// As [`ByteStream::open`].
    pub fn open_for_update(context: &NativeCallContext, path: &str) -> Fallible<Self> {
        Self::open_as(context, path, false, true)
    }

    fn open_as(context: &NativeCallContext, path: &str, redacted: bool, write: bool) -> Fallible<Self> {
        let session = Session::of(context);
        let line = value::line(context);
        let (parent, name) = split(path, "file path")?;
        let mode = if write { OpenMode::ReadWrite(IfMissing::Fail) } else { OpenMode::Read };
        let attempt = |follow| {
            let (dir, file) = (session.new_dir(), session.new_file());
            let open = OpenFile { mode, follow, ..open_for_reading(file, dir, name.clone()) };
            let read = ReadChunk { file, offset_bytes: 0, length: ChunkLength::MAX, redacted };
            let (_, _, chunk) = session.perform(line, &(open_parent(dir, parent.clone()), open, read))?;
            Ok((dir, file, chunk))
        };
        let (dir, file, chunk) = if write {
            attempt(false).map_err(|failed: Failed| match failed.is_unfollowed_link() && !session.is_rex_compat() {
                true => io_error_from(
                    ErrorKind::FileError,
                    format!("File error: {path} is a symbolic link, and a file is not edited through one; edit what it leads to"),
                    Some(failed.number),
                ),
                false => failed.into(),
            })?
        } else {
            through_link(&session, attempt)?
        };
        // Nothing else is looked up in the directory, so its close may travel with the next frame.
        drop(OpenDirectory::adopt(&session, dir));
        let file = OpenObject::adopt(&session, file);
        let decoding = Decoding::new(Stray::usual(&session), path);
        Ok(Self {
            session,
            line,
            file,
            offset_bytes: 0,
            redacted,
            ahead: Some(chunk),
            ended: false,
            decoding,
        })
    }

    /// The number of the file.
    pub fn file_id(&self) -> FileId {
        self.file.id()
    }

    /// The content of a file that is open already, under this path. Reads the first piece, so that the questions are asked
    /// now.
    ///
    /// # Errors
    /// The broker's failures.
    pub fn of_file(
        context: &NativeCallContext,
        file: &OpenObject,
        path: &str,
        offset_bytes: u64,
        redaction: Redaction,
    ) -> Fallible<Self> {
        let session = Session::of(context);
        let decoding = Decoding::new(Stray::usual(&session), path);
        let mut stream = Self {
            session,
            line: value::line(context),
            file: file.clone(),
            offset_bytes,
            redacted: redaction == Redaction::Accepted,
            ahead: None,
            ended: false,
            decoding,
        };
        stream.ahead = Some(stream.fetch()?);
        Ok(stream)
    }

    /// This content, of which bytes that are no text become something else.
    pub fn decoded(self, decoding: Decoding) -> Self {
        Self { decoding, ..self }
    }

    /// The next piece, or nothing at the end.
    ///
    /// # Errors
    /// The broker's failures.
    pub fn next_piece(&mut self) -> Fallible<Option<Vec<u8>>> {
        if self.ended {
            return Ok(None);
        }
        let chunk = match self.ahead.take() {
            Some(chunk) => chunk,
            None => self.fetch()?,
        };
        let bytes = chunk.bytes.into_vec();
        // A piece without bytes ends the file too: nothing would change by asking again at the same place.
        self.ended = chunk.end || bytes.is_empty();
        self.offset_bytes = self.offset_bytes.saturating_add(bytes.len() as u64);
        Ok(if bytes.is_empty() { None } else { Some(bytes) })
    }

    /// Everything that follows, as text.
    ///
    /// # Errors
    /// The limit on strings; `IoError` for bytes that are not UTF-8, where they are refused; the broker's failures.
    pub fn read_text(&mut self) -> Fallible<ImmutableString> {
        let limit = string_limit(&self.session);
        // Put together as what a script gets: a text in another form would be copied once more, and held twice.
        let mut text = ImmutableString::new();
        let mut cut_off = Vec::new();
        while let Some(mut piece) = self.next_piece()? {
            if !cut_off.is_empty() {
                cut_off.append(&mut piece);
                piece = std::mem::take(&mut cut_off);
            }
            if text.len().saturating_add(piece.len()) > limit {
                return Err(too_large(TooLarge::Text));
            }
            let Some(plain) = self.decoding.plain(&piece) else {
                return self.read_stray([text.as_bytes(), &piece].concat(), limit);
            };
            text += plain;
            cut_off.extend_from_slice(piece.get(plain.len()..).unwrap_or_default());
        }
        if cut_off.is_empty() {
            Ok(text)
        } else {
            self.read_stray([text.as_bytes(), &cut_off].concat(), limit)
        }
    }

    /// The text of content that is not text as it stands, of which this was read already.
    fn read_stray(&mut self, mut bytes: Vec<u8>, limit: usize) -> Fallible<ImmutableString> {
        while let Some(piece) = self.next_piece()? {
            if bytes.len().saturating_add(piece.len()) > limit {
                return Err(too_large(TooLarge::Text));
            }
            bytes.extend_from_slice(&piece);
        }
        let text = self.decoding.whole(bytes)?;
        // A byte that is no text is longer as a character.
        if text.len() > limit { Err(too_large(TooLarge::Text)) } else { Ok(text.into()) }
    }

    /// This content, line by line.
    pub fn into_lines(self) -> LineStream {
        let (limit, offset_bytes) = (string_limit(&self.session), self.offset_bytes);
        let decoding = self.decoding.clone();
        LineStream::new(self, limit, offset_bytes, decoding)
    }

    fn fetch(&self) -> Fallible<Chunk> {
        let request = ReadChunk {
            file: self.file.id(),
            offset_bytes: self.offset_bytes,
            length: ChunkLength::MAX,
            redacted: self.redacted,
        };
        Ok(self.session.ask(self.line, request)?)
    }
}

impl Pieces for ByteStream {
    fn next_piece(&mut self) -> Fallible<Option<Vec<u8>>> {
        ByteStream::next_piece(self)
    }
}

/// The lines of a file: split at `\n`, without a `\r` before it, without an empty line after a final `\n`.
pub struct LineStream<S = ByteStream> {
    bytes: S,
    piece: Vec<u8>,
    at: usize,
    line: Vec<u8>,
    limit: usize,
    offset_bytes: u64,
    decoding: Decoding,
    /// Of the last line; nothing when the content does not begin with the first one.
    number: Option<u64>,
}

impl<S: Pieces> LineStream<S> {
    /// The lines of this content, which are no longer than the limit; it begins at an offset of its own.
    pub fn new(bytes: S, limit: usize, offset_bytes: u64, decoding: Decoding) -> Self {
        let number = (offset_bytes == 0).then_some(0);
        Self { bytes, piece: Vec::new(), at: 0, line: Vec::new(), limit, offset_bytes, decoding, number }
    }

    /// The next line as bytes, or nothing at the end.
    ///
    /// # Errors
    /// The limit on strings, for a line that is longer; the broker's failures.
    pub fn next_bytes(&mut self) -> Fallible<Option<&[u8]>> {
        Ok(self.advance()?.map(|within| self.present(within)))
    }

    /// The next line as text, or nothing at the end.
    ///
    /// # Errors
    /// As [`LineStream::next_bytes`]; `IoError` for a line that is not UTF-8, where that is refused.
    pub fn next_text(&mut self) -> Fallible<Option<Cow<'_, str>>> {
        match self.advance()? {
            Some(within) => self.decoding.line(self.number, self.present(within)).map(Some),
            None => Ok(None),
        }
    }

    /// How lines of this content become text.
    pub fn decoding(&self) -> &Decoding {
        &self.decoding
    }

    /// Goes to the next line, which lies within one piece or was put together; nothing at the end.
    fn advance(&mut self) -> Fallible<Option<Option<Range<usize>>>> {
        self.line.clear();
        // Most lines lie within one piece and are given as they lie there; others are put together.
        let within = loop {
            let rest = self.piece.get(self.at..).unwrap_or_default();
            if rest.is_empty() {
                match self.bytes.next_piece()? {
                    Some(piece) => {
                        self.piece = piece;
                        self.at = 0;
                    }
                    None if self.line.is_empty() => return Ok(None),
                    None => break None,
                }
                continue;
            }
            let newline = memchr::memchr(b'\n', rest);
            let length = newline.unwrap_or(rest.len());
            if self.line.len().saturating_add(length) > self.limit {
                return Err(too_large(TooLarge::Text));
            }
            let begin = self.at;
            let taken = length.saturating_add(usize::from(newline.is_some()));
            self.at = begin.saturating_add(taken);
            self.offset_bytes = self.offset_bytes.saturating_add(taken as u64);
            if newline.is_some() && self.line.is_empty() {
                break Some(begin..begin.saturating_add(length));
            }
            self.line.extend_from_slice(rest.get(..length).unwrap_or_default());
            if newline.is_some() {
                break None;
            }
        };
        self.number = self.number.map(|number| number.saturating_add(1));
        Ok(Some(within))
    }

    fn present(&self, within: Option<Range<usize>>) -> &[u8] {
        let line = match within {
            Some(range) => self.piece.get(range).unwrap_or_default(),
            None => &self.line,
        };
        // A carriage return belongs to the end of the line only where there is one.
        let ended = self.at > 0 && self.piece.get(self.at.saturating_sub(1)) == Some(&b'\n');
        if ended { line.strip_suffix(b"\r").unwrap_or(line) } else { line }
    }

    /// Where the line after the last one begins.
    pub fn offset_bytes(&self) -> u64 {
        self.offset_bytes
    }
}

/// An array of texts that stays within the limits of the script's values while it grows.
pub struct TextArray {
    values: Array,
    bytes: usize,
    most_values: usize,
    most_bytes: usize,
}

impl TextArray {
    /// An empty array under the limits of this session.
    pub fn new(session: &Session) -> Self {
        Self {
            values: Array::new(),
            bytes: 0,
            most_values: array_limit(session),
            most_bytes: string_limit(session),
        }
    }

    /// Adds a text.
    ///
    /// # Errors
    /// The limit on arrays, or on the length of all texts together, as the engine counts.
    pub fn push(&mut self, text: impl Into<String>) -> Fallible<()> {
        let text = text.into();
        self.bytes = self.bytes.saturating_add(text.len());
        if self.values.len() >= self.most_values {
            return Err(too_large(TooLarge::Array));
        }
        if self.bytes > self.most_bytes {
            return Err(too_large(TooLarge::Text));
        }
        self.values.push(Dynamic::from(text));
        Ok(())
    }

    /// How many texts there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The array.
    pub fn into_array(self) -> Array {
        self.values
    }
}

/// The directory and the name that a path means, split as Rust does: trailing and repeated slashes do not count.
///
/// # Errors
/// `InvalidArguments`, `Invalid <what>: <path>` for a path without a last component.
pub fn split(path: &str, what: &str) -> Fallible<(PathText, Spelled)> {
    let parts = Path::new(path);
    let name = parts.file_name().and_then(|name| name.to_str());
    let parent = parts.parent().and_then(|parent| parent.to_str());
    match (parent, name) {
        (Some(parent), Some(name)) => Ok((value::path(parent)?, value::spelled(name)?)),
        _ => Err(io_error(ErrorKind::InvalidArguments, format!("Invalid arguments: Invalid {what}: {path}"))),
    }
}

/// Two paths of one call, split; what no frame has room for is longer than any path of the system.
///
/// # Errors
/// `InvalidArguments` as [`split`]; `IoError` with the system's text for ENAMETOOLONG.
pub fn split_two(source: &str, destination: &str) -> Fallible<TwoPaths> {
    let two = (split(source, "source path")?, split(destination, "destination path")?);
    let length =
        |(parent, name): &(PathText, Spelled)| parent.as_str().len().saturating_add(name.as_str().len());
    if length(&two.0).saturating_add(length(&two.1)) > MOST_TEXT_BYTES {
        return Err(io_error(ErrorKind::IoError, "File name too long (os error 36)"));
    }
    Ok(two)
}

/// The directories and names of two paths.
type TwoPaths = ((PathText, Spelled), (PathText, Spelled));

/// Texts of requests in one frame; the rest of it is for their other fields, and for closes.
const MOST_TEXT_BYTES: usize = 3 * MAX_PATH_TEXT_BYTES;

/// Opens the directory that a command's file is in, without following any link.
pub fn open_unlinked(id: DirId, path: PathText) -> OpenDir {
    OpenDir { follow: false, ..open_parent(id, path) }
}

/// Opens the directory that a command's file is in, through links.
pub fn open_parent(id: DirId, path: PathText) -> OpenDir {
    OpenDir { id, at: DirPlace::Path(path), follow: true, create: CreateDir::No }
}

/// Opens a file for reading, not through a link.
pub fn open_for_reading(id: FileId, dir: DirId, name: Spelled) -> OpenFile {
    OpenFile { id, dir, name, mode: OpenMode::Read, follow: false }
}

/// Tries to open a file as itself, and where a link stands in its place, through the link; as in Rex only the former.
///
/// The first attempt keeps the kinds of errors: where a link is followed, those of the system have another one.
///
/// # Errors
/// The broker's failures.
pub fn through_link<T>(session: &Session, attempt: impl Fn(bool) -> Result<T, Failed>) -> Result<T, Failed> {
    match attempt(false) {
        Err(failed) if !session.is_rex_compat() && failed.is_unfollowed_link() => attempt(true),
        outcome => outcome,
    }
}
