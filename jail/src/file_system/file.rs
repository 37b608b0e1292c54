//! An open file: its content as text, lines, pages and matches, and its description.

use std::cell::Cell;
use std::rc::Rc;

use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{self as wire, IfMissing, OpenFile, OpenMode, Opened, Spelled, Stat};
use rex_ipc::handle::{AnyId, DirId, FileId};
use rhai::{Array, Dynamic, INT, ImmutableString, Map, NativeCallContext};

use super::dir::DirHandle;
use super::metadata::{Metadata, Ownership};
use super::options::{OpenFileOptions, ReadLinesOptions, ReadPageOptions};
use super::{ending, lines};
use crate::error::{Fallible, TooLarge, io_error, too_large};
use crate::handle::OpenObject;
use crate::session::Session;
use crate::stray::{Decoding, Stray};
use crate::text::{ByteStream, Redaction, TextArray, array_limit, string_limit};
use crate::{pattern, value};

/// A file that is open. Copies share it, and share how far its pages were read.
#[derive(Clone)]
pub struct FileHandle {
    object: OpenObject,
    page_offset: Rc<Cell<u64>>,
    named: Rc<str>,
    path: Rc<str>,
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
    /// Takes charge of a file that the broker has just opened at this path, or where it says.
    pub fn adopt(session: &Session, id: FileId, named: &str, opened: &Opened) -> Self {
        let path = opened.real_path.as_ref().map_or(named, |real| real.as_str());
        Self {
            object: OpenObject::adopt(session, id),
            page_offset: Rc::default(),
            named: named.into(),
            path: path.into(),
        }
    }

    /// Takes charge of the file that has replaced this one.
    pub fn adopt_replacement(&self, session: &Session, id: FileId) -> Self {
        Self { object: OpenObject::adopt(session, id), page_offset: Rc::default(), ..self.clone() }
    }

    /// The number that requests name it by.
    pub fn id(&self) -> FileId {
        self.object.id()
    }

    /// What keeps it open at the broker.
    pub fn object(&self) -> &OpenObject {
        &self.object
    }

    /// The path that the policy knows it by.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The path that it was opened by; that of the link when one was followed.
    pub fn named(&self) -> &str {
        &self.named
    }

    /// Has the next page begin at the start of the file.
    pub fn rewind(&self) {
        self.page_offset.set(0);
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
        let request = open_request(id, dir.id(), value::spelled(name)?, options)?;
        let opened = session.ask(value::line(context), request)?;
        Ok(Self::adopt(&session, id, &dir.path_of(name), &opened))
    }

    /// Opens a file for reading and describes it, in one round trip.
    ///
    /// # Errors
    /// The broker's failures.
    pub fn describe(
        context: &NativeCallContext,
        dir: &DirHandle,
        name: &str,
        options: &OpenFileOptions,
    ) -> Fallible<(Self, wire::Metadata)> {
        let session = Session::of(context);
        let id = session.new_file();
        let requests =
            (open_request(id, dir.id(), value::spelled(name)?, options)?, Stat { handle: AnyId::File(id) });
        let (opened, described) = session.perform(value::line(context), &requests)?;
        Ok((Self::adopt(&session, id, &dir.path_of(name), &opened), described))
    }

    /// The content as text, from where pages were read to.
    ///
    /// # Errors
    /// The broker's failures; `IoError` for what is no text; the limit on strings.
    pub fn read(&self, context: &NativeCallContext) -> Fallible<ImmutableString> {
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
        if let (Some(count), None) = (options.count.filter(|count| *count < 0), options.start) {
            let end = ending::of_file(context, &self.object)?;
            let decoding = Decoding::new(Stray::usual(&Session::of(context)), self.path());
            let lines = ending::last_lines(context, &self.object, end, count.unsigned_abs(), &decoding)?;
            if let Some(lines) = lines {
                self.page_offset.set(0);
                return Ok(lines);
            }
        }
        let stream = ByteStream::of_file(context, &self.object, self.path(), offset, Redaction::Refused)?;
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
            if !pattern.is_match(&line) {
                continue;
            }
            bytes = bytes.saturating_add(line.len());
            if matches.len() >= most {
                return Err(too_large(TooLarge::Array));
            }
            if bytes > most_bytes {
                return Err(too_large(TooLarge::Text));
            }
            matches.push(Dynamic::from(Match { line_number, line_content: line.as_ref().into() }));
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

    /// What the broker says of it.
    ///
    /// # Errors
    /// The broker's failures.
    pub fn stat(&self, context: &NativeCallContext) -> Fallible<wire::Metadata> {
        let request = Stat { handle: AnyId::File(self.object.id()) };
        Ok(Session::of(context).ask(value::line(context), request)?)
    }

    fn stream(&self, context: &NativeCallContext, redaction: Redaction) -> Fallible<ByteStream> {
        ByteStream::of_file(context, &self.object, self.path(), self.page_offset.get(), redaction)
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

fn open_request(id: FileId, dir: DirId, name: Spelled, options: &OpenFileOptions) -> Fallible<OpenFile> {
    if !options.read && !options.write && !options.create {
        return Err(io_error(
            ErrorKind::InvalidArguments,
            "Invalid arguments: Invalid open file options: at least one of read, write or create flags must be true",
        ));
    }
    let if_missing = if options.create { IfMissing::Make(options.mode()) } else { IfMissing::Fail };
    let mode = match (options.read, options.write) {
        (true, true) => OpenMode::ReadWrite(if_missing),
        (false, true) => OpenMode::Write(if_missing),
        // Both are asked, and then it fails: spec, 6, "read+create without write -> `IoError` EINVAL".
        (_, false) if options.create => OpenMode::AskOnly,
        (_, false) => OpenMode::Read,
    };
    Ok(OpenFile { id, dir, name, mode, follow: options.follow_symlinks })
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    const OPEN: &str = r#"
        let d = DirConfig().path("/d").build().open(OpenDirOptions().build());
        let open = |name| d.open_file(name, OpenFileOptions().read(true).build());
    "#;

    fn bench() -> Bench {
        let rows: String = (1..=12).map(|number| format!("row {number}\n")).collect();
        Bench::new().file("/d/n", rows).file("/d/w", "a b\nc\n").file("/d/b", b"ok\nfoo\xff\nbar\n")
    }

    fn gives(script: &str, expected: &str) {
        for chunk_bytes in [60 * 1024, 5] {
            assert_eq!(
                bench().chunks_of(chunk_bytes).output(&format!("{OPEN}{script}")),
                expected,
                "{script}"
            );
        }
    }

    #[test]
    fn lines_are_chosen_by_count_and_start() {
        gives(
            r#"let f = open.call("n");
               let o = |c, s| { let b = ReadLinesOptions(); if c != () { b.count(c); } if s != () { b.start(s); } b.build() };
               [f.read_lines(o.call(2, ())), f.read_lines(o.call(-2, ())), f.read_lines(o.call((), 11)), f.read_lines(o.call(2, 3)),
                f.read_lines(o.call(-2, 3)), f.read_lines(o.call(0, ())), f.read_lines(o.call(2, 99)), f.read_lines(o.call(99, ())).len()]"#,
            r#"[["row 1", "row 2"], ["row 11", "row 12"], ["row 11", "row 12"], ["row 3", "row 4"], ["row 2", "row 3"], [], [], 12]"#,
        );
    }

    #[test]
    fn lines_without_a_choice_are_an_error_after_the_question() {
        let script = format!(r#"{OPEN} open.call("n").read_lines(ReadLinesOptions().build())"#);

        assert!(
            bench()
                .failure(&script)
                .contains("InvalidArguments: Invalid arguments: No read line mode specified")
        );
        assert!(bench().denying("read", "/d/n").failure(&script).contains("PermissionDenied"));
    }

    #[test]
    fn pages_go_on_where_the_last_one_ended_and_other_reads_start_over() {
        gives(
            r#"let f = open.call("n"); let p = ReadPageOptions().num_lines(5).build(); let g = f;
               let r = [f.read_page(p)[4], g.read_page(p)[0], f.read_page(p).len(), f.read_page(p)];
               f.read_page(p);
               r.push(f.read().len()); r.push(f.read_page(p)[0]);
               r.push(f.read_lines(ReadLinesOptions().count(1).build())); r.push(f.read_page(p)[0]); r"#,
            r#"["row 5", "row 6", 2, [], 0, "row 1", ["row 6"], "row 1"]"#,
        );
    }

    #[test]
    fn a_search_gives_lines_with_their_numbers() {
        gives(
            r#"open.call("n").search("1[01]").map(|m| [m.line_number, m.line_content])"#,
            r#"[[10, "row 10"], [11, "row 11"]]"#,
        );
    }

    #[test]
    fn counts_are_those_of_wc() {
        gives(
            r#"let c = open.call("w").counts(); [c.line_count, c.word_count, c.byte_count, c.to_map(), type_of(c)]"#,
            r##"[2, 3, 6, #{"byte_count": 6, "line_count": 2, "word_count": 3}, "rust_safe_io::file::counts::WordCount"]"##,
        );
    }

    #[test]
    fn printable_runs_of_four_are_found() {
        let bench = Bench::new().file("/d/s", b"\x01abc\x02abcd\x00tab\there\nxyz").chunks_of(3);

        assert_eq!(
            bench.output(&format!(r#"{OPEN} open.call("s").extract_strings()"#)),
            r#"["abcd", "tab\there"]"#
        );
    }

    #[test]
    fn text_functions_refuse_other_bytes_as_in_rex_and_a_failure_moves_nothing() {
        let script = format!(
            r#"{OPEN} let f = open.call("b"); let r = [];
               try {{ f.read() }} catch (e) {{ r.push(`${{e.kind}}: ${{e.message}}`) }}
               try {{ f.read_lines(ReadLinesOptions().count(9).build()) }} catch (e) {{ r.push(`${{e.kind}}`) }}
               r.push(f.read_lines(ReadLinesOptions().count(1).build())); r.push(f.counts().byte_count); r"#
        );

        assert_eq!(
            bench().like_rex().chunks_of(5).output(&script),
            r#"["IoError: stream did not contain valid UTF-8", "IoError", ["ok"], 12]"#
        );
    }

    #[test]
    fn a_handle_needs_the_option_for_what_it_is_used_for() {
        let script = |options: &str| {
            format!(r#"{OPEN} let f = d.open_file("n", OpenFileOptions(){options}.build()); f.read()"#)
        };

        assert!(bench().failure(&script(".write(true)")).starts_with(
            "IoErrorKind: InvalidFileMode: Invalid file mode: Attempted to read a file without opening it with the read option.: /d/n"
        ));
        assert!(bench().failure(&script("")).starts_with(
            "IoErrorKind: InvalidArguments: Invalid arguments: Invalid open file options: at least one of read, write or create"
        ));
    }

    #[test]
    fn a_file_is_described() {
        gives(
            r#"let f = open.call("w"); let m = f.metadata();
               [`${m.type()}`, m.file_size(), m.blocks(), m.allocated_size(), m.num_hardlinks(), m.permissions(),
                m.last_modified_time(), m.last_modified_time_nanos_component(), m.symlink_target(), m.owner.user,
                f.get_ownership().group, f.get_last_modified_time(), m.to_map().keys().len()]"#,
            r#"["File", 6, 8, 4096, 1, 33188, 1234567890, 5, (), "root", "root", 1234567890000000005, 9]"#,
        );
    }

    #[test]
    fn an_owner_without_a_name_is_an_error() {
        let bench = Bench::new().file("/d/nameless", "");

        assert_eq!(
            bench.failure(&format!("{OPEN}open.call(\"nameless\").get_ownership()")),
            "IoErrorKind: IdentityResolutionError: Identity resolution error: No user mapping found for uid: 4242 (line 4, position 27)"
        );
    }

    #[test]
    fn text_beyond_the_limit_ends_the_script_before_it_is_held() {
        let mut bench = Bench::new().file("/d/big", "x".repeat(5_000)).chunks_of(100);
        bench.limits.string_bytes = 1_000;

        for script in ["read()", "search(\"x\")", "read_lines(ReadLinesOptions().count(1).build())"] {
            let ended = bench.run(&format!("{OPEN}open.call(\"big\").{script}"));
            assert!(ended.text.starts_with("Length of string too large"), "{}", ended.text);
        }
        assert_eq!(bench.output(&format!("{OPEN}open.call(\"big\").counts().byte_count")), "5000");
    }
}
