//! Compressed files: their text, what they say of themselves, and making them.

use std::io::{self, BufRead, Read, Write};

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::WriteHow;
use rhai::{Array, Dynamic, EvalAltResult, FLOAT, INT, Map, NativeCallContext};

use super::options::CompressGzipOptions;
use super::pieces::{ByteReader, Places, ReadAt};
use crate::error::{Fallible, io_error};
use crate::file_system::file::FileHandle;
use crate::file_system::lines;
use crate::file_system::options::ReadLinesOptions;
use crate::session::Session;
use crate::stray::{Decoding, Stray};
use crate::text::{ByteStream, LineStream, Pieces, Redaction, string_limit};
use crate::value;
use crate::writer::Writer;

/// What a compressed file says of itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GzipInfo {
    /// Length of the file in bytes.
    pub compressed_size_bytes: INT,
    /// Length of the content in bytes, modulo 2^32, as the end of the file claims.
    pub uncompressed_size_bytes: INT,
    /// The second by the first.
    pub compression_ratio: FLOAT,
}

impl GzipInfo {
    /// Reads the last four bytes, whatever the file is.
    ///
    /// # Errors
    /// `IoError` with the system's text for EINVAL, for a file of less than four bytes; the broker's failures.
    pub fn of(context: &NativeCallContext, file: &FileHandle) -> Fallible<Self> {
        let mut places = Places::of(context, file);
        let length = places.length()?;
        let tail = match length.checked_sub(4) {
            Some(offset) => places.read_at(offset, 4)?,
            None => Vec::new(),
        };
        let size = <[u8; 4]>::try_from(tail.as_slice())
            .map_err(|_| io_error(ErrorKind::IoError, "Invalid argument (os error 22)"))?;
        let uncompressed = u32::from_le_bytes(size);
        Ok(Self {
            compressed_size_bytes: value::integer(length),
            uncompressed_size_bytes: uncompressed.into(),
            compression_ratio: FLOAT::from(uncompressed) / length as FLOAT,
        })
    }

    /// The fields as a map.
    pub fn to_map(self) -> Map {
        [
            ("compressed_size_bytes", Dynamic::from_int(self.compressed_size_bytes)),
            ("uncompressed_size_bytes", Dynamic::from_int(self.uncompressed_size_bytes)),
            ("compression_ratio", Dynamic::from_float(self.compression_ratio)),
        ]
        .into_iter()
        .map(|(key, field)| (key.into(), field))
        .collect()
    }
}

/// Some lines of a compressed text, as `read_lines` gives those of a plain one.
///
/// # Errors
/// The broker's failures; `ValidationError` when nothing says which lines; `IoError` for what is not compressed, is
/// damaged, or is no text; the limits on values.
pub fn read_lines(
    context: &NativeCallContext,
    file: &FileHandle,
    options: &ReadLinesOptions,
) -> Fallible<Array> {
    let mut lines = text_of(context, file)?;
    if options.count.is_none() && options.start.is_none() {
        let message = "Validation error: Must specify count or start option";
        return Err(io_error(ErrorKind::ValidationError, message));
    }
    lines::select(&Session::of(context), &mut lines, options)
}

/// The lines of a compressed text. Asks whether the file may be read before anything else is looked at.
///
/// # Errors
/// The broker's failures.
pub fn text_of(context: &NativeCallContext, file: &FileHandle) -> Fallible<LineStream<Inflater<ByteStream>>> {
    let stream = ByteStream::of_file(context, file.object(), file.path(), 0, Redaction::Refused)?;
    let session = Session::of(context);
    let decoding = Decoding::new(Stray::usual(&session), file.path());
    Ok(LineStream::new(Inflater::new(stream), string_limit(&session), 0, decoding))
}

/// Puts the compressed content of one file in the place of another one's.
///
/// # Errors
/// The broker's failures; nothing is changed then.
pub fn compress(
    context: &NativeCallContext,
    from: &FileHandle,
    to: &FileHandle,
    options: &CompressGzipOptions,
) -> Fallible<()> {
    let mut stream = ByteStream::of_file(context, from.object(), from.path(), 0, Redaction::Refused)?;
    let mut compressed = Writer::begin(context, to.id(), WriteHow::InPlace)?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(options.level));
    while let Some(piece) = stream.next_piece()? {
        encoder.write_all(&piece).map_err(|reason| unreadable(&reason))?;
        compressed.write(encoder.get_ref())?;
        encoder.get_mut().clear();
    }
    compressed.write(&encoder.finish().map_err(|reason| unreadable(&reason))?)?;
    compressed.finish()
}

/// The content of a compressed file, whose members follow each other as if they were one.
///
/// gzip(1): "Multiple compressed files can be concatenated. In this case, gunzip will extract all members at once", and
/// what follows them and is no member is ignored. Zeros between members, and behind the last, are passed over.
pub struct Inflater<S> {
    state: State<S>,
}

enum State<S> {
    Member(Box<GzDecoder<Compressed<S>>>),
    Over,
}

impl<S: Pieces> Inflater<S> {
    /// The content of what these pieces compress.
    pub fn new(compressed: S) -> Self {
        let reader = ByteReader::new(compressed);
        Self { state: State::Member(Box::new(GzDecoder::new(Compressed { reader, failure: None }))) }
    }
}

impl<S: Pieces> Pieces for Inflater<S> {
    fn next_piece(&mut self) -> Fallible<Option<Vec<u8>>> {
        let mut piece = vec![0; PIECE_BYTES];
        while let State::Member(mut decoder) = std::mem::replace(&mut self.state, State::Over) {
            match decoder.read(&mut piece) {
                Ok(0) => {
                    let mut rest = decoder.into_inner();
                    // Tapes and block devices are filled up with zeros, which say nothing.
                    rest.reader.skip_zeros()?;
                    if rest.reader.starts_with(&MAGIC)? {
                        self.state = State::Member(Box::new(GzDecoder::new(rest)));
                    }
                }
                Ok(count) => {
                    self.state = State::Member(decoder);
                    piece.truncate(count);
                    return Ok(Some(piece));
                }
                // The library cannot carry our errors, so they wait where it reads.
                Err(reason) => {
                    let failure = decoder.get_mut().failure.take();
                    return Err(failure.unwrap_or_else(|| unreadable(&reason)));
                }
            }
        }
        Ok(None)
    }
}

/// Compressed content as the library wants to read it.
struct Compressed<S> {
    reader: ByteReader<S>,
    failure: Option<Box<EvalAltResult>>,
}

impl<S: Pieces> BufRead for Compressed<S> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self.reader.available() {
            Ok(bytes) => Ok(bytes),
            Err(failure) => {
                self.failure = Some(failure);
                Err(io::ErrorKind::Other.into())
            }
        }
    }

    fn consume(&mut self, bytes: usize) {
        self.reader.consume(bytes);
    }
}

impl<S: Pieces> Read for Compressed<S> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(room)?;
        self.consume(count);
        Ok(count)
    }
}

fn unreadable(reason: &io::Error) -> Box<EvalAltResult> {
    io_error(ErrorKind::IoError, reason.to_string())
}

/// RFC 1952, 2.3.1: the first two bytes of each member.
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// As much as is held of what was compressed; 2 GB of zeros come out of 2 MB one such piece after the other.
const PIECE_BYTES: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, Node};

    const OPEN: &str = r#"
        let d = DirConfig().path("/d").build().open(OpenDirOptions().build());
        let open = |name| d.open_file(name, OpenFileOptions().read(true).build());
        let count = |n| ReadLinesOptions().count(n).build();
        let why = |e| `${e.kind}: ${e.message}`;
    "#;

    fn gzip(content: impl AsRef<[u8]>) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
        encoder.write_all(content.as_ref()).unwrap();
        encoder.finish().unwrap()
    }

    fn gives(bench: Bench, script: &str, expected: &str) {
        assert_eq!(bench.output(&format!("{OPEN}{script}")), expected, "{script}");
    }

    #[test]
    fn lines_are_chosen_as_in_a_plain_file() {
        for chunk_bytes in [60 * 1024, 1] {
            let text = "first line\nsecond ERROR line\r\nthird line\nfourth error line\n";
            let bench = Bench::new().file("/d/a.gz", gzip(text)).chunks_of(chunk_bytes);

            gives(
                bench,
                r#"let z = open.call("a.gz");
                   [z.read_gzip_lines(count.call(2)), z.read_gzip_lines(count.call(-1)), z.read_gzip_lines(count.call(0)),
                    z.read_gzip_lines(ReadLinesOptions().start(4).build()),
                    z.read_gzip_lines(ReadLinesOptions().start(3).count(-2).build()),
                    z.read_gzip_lines(ReadLinesOptions().start(9).build())]"#,
                r#"[["first line", "second ERROR line"], ["fourth error line"], [], ["fourth error line"], ["second ERROR line", "third line"], []]"#,
            );
        }
    }

    #[test]
    fn all_members_are_read_and_what_follows_them_is_not() {
        for (rest, chunk_bytes) in [(&b""[..], 1), (b"\0\0\0", 7), (b"\x1f", 1), (b"garbage", 60_000)] {
            let content = [gzip("a\nb"), gzip(""), gzip("c\n"), rest.to_vec()].concat();
            let bench = Bench::new().file("/d/a.gz", content).chunks_of(chunk_bytes);

            gives(bench, r#"open.call("a.gz").read_gzip_lines(count.call(9))"#, r#"["a", "bc"]"#);
        }
    }

    // Python's `gzip` goes on behind zeros, wherever they stand.
    #[test]
    fn members_may_be_filled_up_with_zeros() {
        for (zeros, chunk_bytes) in [(1, 1), (3, 2), (511, 60_000), (100_000, 777)] {
            let padding = vec![0; zeros];
            let content = [gzip("a\n"), padding.clone(), gzip("b\n"), padding].concat();
            let bench = Bench::new().file("/d/a.gz", content).chunks_of(chunk_bytes);

            gives(bench, r#"open.call("a.gz").read_gzip_lines(count.call(9))"#, r#"["a", "b"]"#);
        }
    }

    #[test]
    fn what_is_not_compressed_or_is_damaged_is_an_error() {
        let whole = gzip("some text\n".repeat(500));
        let mut wrong_sum = whole.clone();
        let place = wrong_sum.len() - 6;
        wrong_sum[place] ^= 1;
        let bench = Bench::new()
            .like_rex()
            .file("/d/plain", "plain text")
            .file("/d/empty", "")
            .file("/d/cut", &whole[..whole.len() - 9])
            .file("/d/sum", wrong_sum)
            .file("/d/binary", gzip(b"\xff\n"));

        gives(
            bench,
            r#"let r = [];
               for name in ["plain", "empty", "cut", "sum", "binary"] {
                   try { open.call(name).read_gzip_lines(count.call(-1)) } catch (e) { r.push(why.call(e)) }
               }
               r"#,
            r#"["IoError: invalid gzip header", "IoError: unexpected end of file", "IoError: incomplete deflate stream", "IoError: corrupt gzip stream does not have a matching checksum", "IoError: stream did not contain valid UTF-8"]"#,
        );
    }

    #[test]
    fn lines_without_a_choice_are_an_error_after_the_question() {
        let script = format!(r#"{OPEN} open.call("a.gz").read_gzip_lines(ReadLinesOptions().build())"#);
        let bench = || Bench::new().file("/d/a.gz", gzip("x"));

        assert!(
            bench()
                .failure(&script)
                .contains("ValidationError: Validation error: Must specify count or start option")
        );
        assert!(bench().denying("read", "/d/a.gz").failure(&script).contains("PermissionDenied"));
    }

    #[test]
    fn a_bomb_gives_its_first_line_and_its_long_line_meets_the_limit() {
        let bomb = gzip([b"first\n".to_vec(), vec![0; 64 * 1024 * 1024]].concat());
        let bench = Bench::new().file("/d/bomb", bomb);

        let first = bench.output(&format!(r#"{OPEN} open.call("bomb").read_gzip_lines(count.call(1))"#));
        let all = bench.run(&format!(r#"{OPEN} open.call("bomb").read_gzip_lines(count.call(2))"#));

        assert_eq!(first, r#"["first"]"#);
        assert!(all.text.starts_with("Length of string too large"), "{}", all.text);
    }

    #[test]
    fn a_failure_of_the_broker_in_the_middle_is_the_broker_s() {
        let noise: Vec<u8> =
            (0..40_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let mut stream = Inflater::new(Failing { content: gzip(noise), left: 3 });

        let error = loop {
            match stream.next_piece() {
                Ok(piece) => assert!(piece.is_some(), "the failure comes before the end"),
                Err(error) => break error,
            }
        };

        assert!(error.to_string().contains("the disk is gone"), "{error}");
        assert!(stream.next_piece().unwrap().is_none());
    }

    struct Failing {
        content: Vec<u8>,
        left: usize,
    }

    impl Pieces for Failing {
        fn next_piece(&mut self) -> Fallible<Option<Vec<u8>>> {
            self.left = self.left.checked_sub(1).ok_or("the disk is gone")?;
            let rest = self.content.split_off(self.content.len().min(1000));
            Ok(Some(std::mem::replace(&mut self.content, rest)))
        }
    }

    #[test]
    fn compressing_replaces_all_of_the_destination() {
        let text = "a line of text\n".repeat(20_000);
        let bench = Bench::new().file("/d/a", &text).file("/d/b", "x".repeat(100_000)).chunks_of(1_000);

        gives(
            bench,
            r#"let z = d.open_file("b", OpenFileOptions().read(true).write(true).build());
               let r = [];
               for level in [1, 9] {
                   open.call("a").compress_gzip(z, CompressGzipOptions().level(level).build());
                   let info = z.gzip_info();
                   r.push([info.uncompressed_size_bytes, info.compressed_size_bytes < 5000,
                           info.compression_ratio > 60.0, z.read_gzip_lines(count.call(-1))]);
               }
               r"#,
            r#"[[300000, true, true, ["a line of text"]], [300000, true, true, ["a line of text"]]]"#,
        );
    }

    #[test]
    fn compressing_needs_both_and_changes_nothing_without() {
        let script = format!(
            r#"{OPEN} let r = [];
               let pack = |to| open.call("a").compress_gzip(to, CompressGzipOptions().build());
               try {{ pack.call(d.open_file("b", OpenFileOptions().write(true).build())) }} catch (e) {{ r.push(why.call(e)) }}
               try {{ pack.call(open.call("b")) }} catch (e) {{ r.push(why.call(e)) }}
               r"#
        );
        let bench = |action, path| Bench::new().file("/d/a", "x").file("/d/b", "old").denying(action, path);

        let read = bench("read", "/d/a");
        let write = bench("write", "/d/b");
        let neither = bench("read", "/nowhere");

        assert!(read.output(&script).contains(r#"Action::\"read\" for file_system::File::/d/a"#));
        assert!(write.output(&script).contains(r#"Action::\"write\" for file_system::File::/d/b"#));
        assert!(neither.output(&script).contains("InvalidFileMode: Invalid file mode: "));
        for bench in [read, write] {
            let world = bench.world.borrow();
            assert!(matches!(&world.nodes["/d/b"], Node::File(content) if content == b"old"));
        }
    }

    #[test]
    fn sizes_come_from_the_end_of_a_file_of_any_length() {
        for length in [4_usize, 5, 59, 60, 61, 1_000, 60 * 1024, 200_000] {
            for chunk_bytes in [60 * 1024, 60] {
                let mut content = vec![7; length - 4];
                content.extend_from_slice(&300_u32.to_le_bytes());
                let bench = Bench::new().file("/d/f", content).chunks_of(chunk_bytes);

                gives(
                    bench,
                    r#"let i = open.call("f").gzip_info(); [i.compressed_size_bytes, i.uncompressed_size_bytes]"#,
                    &format!("[{length}, 300]"),
                );
            }
        }
    }

    #[test]
    fn a_file_without_a_size_at_its_end_has_no_sizes() {
        let bench = Bench::new().file("/d/f", "abc").file("/d/half", [2, 0, 0, 0]);

        gives(
            bench,
            r#"let r = [open.call("half").gzip_info().to_map(), type_of(open.call("half").gzip_info())];
               try { open.call("f").gzip_info() } catch (e) { r.push(why.call(e)) } r"#,
            r##"[#{"compressed_size_bytes": 4, "compression_ratio": 0.5, "uncompressed_size_bytes": 2}, "rust_safe_io::file::gzip::GzipInfo", "IoError: Invalid argument (os error 22)"]"##,
        );
    }

    #[test]
    fn there_are_nine_levels() {
        gives(
            Bench::new().dir("/d"),
            r#"let r = [];
               for level in [0, 10] { try { CompressGzipOptions().level(level).build() } catch (e) { r.push(e) } }
               try { CompressGzipOptions().level(-1) } catch (e) { r.push(e) } r"#,
            r#"["Validation error: Compression level must be between 1 and 9, got 0", "Validation error: Compression level must be between 1 and 9, got 10", "Parameter conversion failed for level: out of range integral type conversion attempted"]"#,
        );
    }
}
