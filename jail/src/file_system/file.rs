//! An open file: its content as text, lines, pages and matches, and its description.

use std::cell::Cell;
use std::rc::Rc;

use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{NameText, OpenFile, Stat};
use rex_ipc::handle::{AnyId, DirId, FileId};
use rhai::{Array, Dynamic, INT, ImmutableString, Map, NativeCallContext};

use super::dir::DirHandle;
use super::lines;
use super::metadata::{Metadata, Ownership};
use super::options::{OpenFileOptions, ReadLinesOptions, ReadPageOptions};
use crate::error::{Fallible, TooLarge, io_error, too_large};
use crate::handle::OpenObject;
use crate::session::Session;
use crate::text::{ByteStream, Redaction, TextArray, array_limit, string_limit};
use crate::{pattern, value};

/// A file that is open. Copies share it, and share how far its pages were read.
#[derive(Clone)]
pub struct FileHandle {
    object: OpenObject,
    page_offset: Rc<Cell<u64>>,
}

/// A line that a search found.
#[derive(Clone, Debug)]
pub struct Match {
    /// Its number, from 1.
    pub line_number: INT,
    /// The whole line.
    pub line_content: ImmutableString,
}

/// What `wc` counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WordCount {
    /// Newline characters.
    pub lines: INT,
    /// Runs of bytes between white space.
    pub words: INT,
    /// Bytes.
    pub bytes: INT,
}

impl FileHandle {
    /// Takes charge of a file that the broker has just opened.
    pub fn adopt(session: &Session, id: FileId) -> Self {
        Self { object: OpenObject::adopt(session, id), page_offset: Rc::default() }
    }

    /// Opens the file with this name in a directory.
    ///
    /// # Errors
    /// `InvalidArguments` for options that allow nothing; the broker's failures.
    pub fn open(
        context: &NativeCallContext,
        dir: &DirHandle,
        name: &str,
        options: &OpenFileOptions,
    ) -> Fallible<Self> {
        let session = Session::of(context);
        let id = session.new_file();
        session.ask(value::line(context), open_request(id, dir.id(), value::name(name)?, options)?)?;
        Ok(Self::adopt(&session, id))
    }

    /// Opens a file for reading and describes it, in one round trip.
    ///
    /// # Errors
    /// The broker's failures; `IdentityResolutionError`.
    pub fn describe(
        context: &NativeCallContext,
        dir: &DirHandle,
        name: &str,
        options: &OpenFileOptions,
    ) -> Fallible<(Self, Metadata)> {
        let session = Session::of(context);
        let id = session.new_file();
        let requests =
            (open_request(id, dir.id(), value::name(name)?, options)?, Stat { handle: AnyId::File(id) });
        let ((), described) = session.perform(value::line(context), &requests)?;
        Ok((Self::adopt(&session, id), Metadata::new(described, None)?))
    }

    /// The content as text, from where pages were read to.
    ///
    /// # Errors
    /// The broker's failures; `IoError` for what is no text; the limit on strings.
    pub fn read(&self, context: &NativeCallContext) -> Fallible<String> {
        let text = self.stream(context, Redaction::Accepted)?.read_text()?;
        self.page_offset.set(0);
        Ok(text)
    }

    /// Some of its lines.
    ///
    /// # Errors
    /// As [`FileHandle::read`]; `InvalidArguments` when nothing says which.
    pub fn read_lines(&self, context: &NativeCallContext, options: &ReadLinesOptions) -> Fallible<Array> {
        // Lines from the end are counted from the end of the whole file.
        let offset = if options.count.is_some_and(|count| count < 0) { 0 } else { self.page_offset.get() };
        let stream = ByteStream::of_file(context, &self.object, offset, Redaction::Refused)?;
        let lines = lines::select(&Session::of(context), &mut stream.into_lines(), options)?;
        self.page_offset.set(0);
        Ok(lines)
    }

    /// The next lines after the page before; none at the end of the file.
    ///
    /// # Errors
    /// As [`FileHandle::read`].
    pub fn read_page(&self, context: &NativeCallContext, options: &ReadPageOptions) -> Fallible<Array> {
        let mut lines = self.stream(context, Redaction::Refused)?.into_lines();
        let mut page = TextArray::new(&Session::of(context));
        let wanted = options.num_lines.unwrap_or_default();
        while (page.len() as u64) < wanted
            && let Some(line) = lines.next_text()?
        {
            page.push(line)?;
        }
        self.page_offset.set(lines.offset_bytes());
        Ok(page.into_array())
    }

    /// The lines that match a regular expression, which is looked at after the file may be read.
    ///
    /// # Errors
    /// As [`FileHandle::read`]; `ValidationError` for a pattern that is none.
    pub fn search(&self, context: &NativeCallContext, pattern: &str) -> Fallible<Array> {
        let mut lines = self.stream(context, Redaction::Accepted)?.into_lines();
        let pattern = pattern::regex(pattern)?;
        let session = Session::of(context);
        let (most, most_bytes) = (array_limit(&session), string_limit(&session));
        let mut matches = Array::new();
        let mut bytes = 0_usize;
        let mut line_number: INT = 0;
        while let Some(line) = lines.next_text()? {
            line_number = line_number.saturating_add(1);
            if !pattern.is_match(line) {
                continue;
            }
            bytes = bytes.saturating_add(line.len());
            if matches.len() >= most {
                return Err(too_large(TooLarge::Array));
            }
            if bytes > most_bytes {
                return Err(too_large(TooLarge::Text));
            }
            matches.push(Dynamic::from(Match { line_number, line_content: line.into() }));
        }
        self.page_offset.set(0);
        Ok(matches)
    }

    /// Lines, words and bytes.
    ///
    /// # Errors
    /// The broker's failures.
    pub fn counts(&self, context: &NativeCallContext) -> Fallible<WordCount> {
        let counts = WordCount::of(&mut self.stream(context, Redaction::Refused)?)?;
        self.page_offset.set(0);
        Ok(counts)
    }

    /// Runs of at least four printable ASCII characters or tabs.
    ///
    /// # Errors
    /// The broker's failures, before anything was read; the limits on values.
    pub fn extract_strings(&self, context: &NativeCallContext) -> Fallible<Array> {
        let session = Session::of(context);
        let mut stream = self.stream(context, Redaction::Refused)?;
        let most = string_limit(&session);
        let mut found = TextArray::new(&session);
        let mut run = String::new();
        while let Some(piece) = stream.next_piece()? {
            for byte in piece {
                if matches!(byte, 0x20..=0x7e | b'\t') {
                    if run.len() >= most {
                        return Err(too_large(TooLarge::Text));
                    }
                    run.push(char::from(byte));
                } else {
                    keep_run(&mut found, &mut run)?;
                }
            }
        }
        keep_run(&mut found, &mut run)?;
        self.page_offset.set(0);
        Ok(found.into_array())
    }

    /// Its description.
    ///
    /// # Errors
    /// The broker's failures; `IdentityResolutionError`.
    pub fn metadata(&self, context: &NativeCallContext) -> Fallible<Metadata> {
        Metadata::new(self.stat(context)?, None)
    }

    /// Its user and group.
    ///
    /// # Errors
    /// As [`FileHandle::metadata`].
    pub fn ownership(&self, context: &NativeCallContext) -> Fallible<Ownership> {
        Ownership::of(&self.stat(context)?)
    }

    /// The last modification in nanoseconds since 1970 began.
    ///
    /// # Errors
    /// The broker's failures.
    pub fn last_modified_nanos(&self, context: &NativeCallContext) -> Fallible<INT> {
        let modified = self.stat(context)?.modified;
        Ok(modified.seconds.saturating_mul(1_000_000_000).saturating_add(modified.nanoseconds.into()))
    }

    fn stat(&self, context: &NativeCallContext) -> Fallible<rex_ipc::file_system::Metadata> {
        let request = Stat { handle: AnyId::File(self.object.id()) };
        Ok(Session::of(context).ask(value::line(context), request)?)
    }

    fn stream(&self, context: &NativeCallContext, redaction: Redaction) -> Fallible<ByteStream> {
        ByteStream::of_file(context, &self.object, self.page_offset.get(), redaction)
    }
}

impl WordCount {
    /// Counts what a stream has. Words are separated as C's `isspace` says, the vertical tab included.
    ///
    /// # Errors
    /// The broker's failures.
    pub fn of(stream: &mut ByteStream) -> Fallible<Self> {
        let mut counts = Self::default();
        let mut in_word = false;
        while let Some(piece) = stream.next_piece()? {
            counts.bytes = counts.bytes.saturating_add(value::integer(piece.len()));
            for byte in piece {
                counts.lines = counts.lines.saturating_add(INT::from(byte == b'\n'));
                let is_space = byte.is_ascii_whitespace() || byte == 0x0b;
                counts.words = counts.words.saturating_add(INT::from(!is_space && !in_word));
                in_word = !is_space;
            }
        }
        Ok(counts)
    }

    /// The counts as a map.
    pub fn to_map(self) -> Map {
        [("line_count", self.lines), ("word_count", self.words), ("byte_count", self.bytes)]
            .into_iter()
            .map(|(key, count)| (key.into(), Dynamic::from_int(count)))
            .collect()
    }
}

fn keep_run(found: &mut TextArray, run: &mut String) -> Fallible<()> {
    if run.len() >= SHORTEST_RUN {
        found.push(run.as_str())?;
    }
    run.clear();
    Ok(())
}

const SHORTEST_RUN: usize = 4;

fn open_request(id: FileId, dir: DirId, name: NameText, options: &OpenFileOptions) -> Fallible<OpenFile> {
    if !options.read && !options.write && !options.create {
        return Err(io_error(
            ErrorKind::InvalidArguments,
            "Invalid arguments: Invalid open file options: at least one of read, write or create flags must be true",
        ));
    }
    Ok(OpenFile {
        id,
        dir,
        name,
        read: options.read,
        write: options.write,
        create: options.create,
        permissions: options.mode(),
        follow: options.follow_symlinks,
    })
}
