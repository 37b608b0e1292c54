//! The last lines of a file, read from its end: what stands before them is not read.

use rex_ipc::file_system::{ChunkLength, EndChunk, OpenFile, ReadChunk, ReadEnd};
use rhai::{Array, NativeCallContext};

use crate::error::{Fallible, TooLarge, too_large};
use crate::handle::{OpenDirectory, OpenObject};
use crate::session::Session;
use crate::stray::Decoding;
use crate::text::{TextArray, array_limit, open_for_reading, open_parent, split, string_limit, through_link};
use crate::value;

/// Opens the file at a path the way commands do, and reads its end, in one round trip.
///
/// # Errors
/// `InvalidArguments` for a path without a last component; the broker's failures.
pub fn open(context: &NativeCallContext, path: &str) -> Fallible<(OpenObject, EndChunk)> {
    let session = Session::of(context);
    let (parent, name) = split(path, "file path")?;
    let (dir, file, end) = through_link(&session, |follow| {
        let (dir, file) = (session.new_dir(), session.new_file());
        let open_file = OpenFile { follow, ..open_for_reading(file, dir, name.clone()) };
        let requests =
            (open_parent(dir, parent.clone()), open_file, ReadEnd { file, length: ChunkLength::MAX });
        let (_, _, end) = session.perform(value::line(context), &requests)?;
        Ok((dir, file, end))
    })?;
    drop(OpenDirectory::adopt(&session, dir));
    Ok((OpenObject::adopt(&session, file), end))
}

/// The end of a file that is open already.
///
/// # Errors
/// The broker's failures.
pub fn of_file(context: &NativeCallContext, file: &OpenObject) -> Fallible<EndChunk> {
    let request = ReadEnd { file: file.id(), length: ChunkLength::MAX };
    Ok(Session::of(context).ask(value::line(context), request)?)
}

/// The last `count` lines; nothing for a file that does not say how long it is, or that is cut meanwhile: it has to be
/// read from its start.
///
/// # Errors
/// The broker's failures; `IoError` for lines that are no text, where they are refused; the limits on values.
pub fn last_lines(
    context: &NativeCallContext,
    file: &OpenObject,
    end: EndChunk,
    count: u64,
    decoding: &Decoding,
) -> Fallible<Option<Array>> {
    let session = Session::of(context);
    let Some(mut offset_bytes) = end.offset_bytes else { return Ok(None) };
    let most_bytes = string_limit(&session);
    // From the last piece to the first; the newline that ends the last line separates nothing.
    let mut pieces = vec![end.bytes.into_vec()];
    let mut held_bytes = pieces.first().map_or(0, Vec::len);
    let ended = pieces.first().is_some_and(|piece| piece.ends_with(b"\n"));
    let mut to_find = count.saturating_add(u64::from(ended));
    let mut start = 0;
    loop {
        let piece = pieces.last().map(Vec::as_slice).unwrap_or_default();
        for newline in memchr::memrchr_iter(b'\n', piece) {
            to_find = to_find.saturating_sub(1);
            if to_find == 0 {
                start = newline.saturating_add(1);
                break;
            }
        }
        if to_find == 0 || offset_bytes == 0 {
            break;
        }
        if held_bytes > most_bytes {
            return Err(too_large(TooLarge::Text));
        }
        let wanted = offset_bytes.min(ChunkLength::MAX.bytes() as u64);
        offset_bytes = offset_bytes.saturating_sub(wanted);
        let Some(before) = exactly(context, file, offset_bytes, wanted)? else { return Ok(None) };
        held_bytes = held_bytes.saturating_add(before.len());
        pieces.push(before);
    }
    let mut text = Vec::with_capacity(held_bytes);
    for piece in pieces.iter().rev() {
        text.extend_from_slice(piece);
    }
    let text = text.get(start..).unwrap_or_default();
    split_lines(&session, if count == 0 { b"" } else { text }, decoding).map(Some)
}

/// These bytes and no fewer; nothing when the file has become shorter.
fn exactly(
    context: &NativeCallContext,
    file: &OpenObject,
    offset_bytes: u64,
    wanted_bytes: u64,
) -> Fallible<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < wanted_bytes {
        let left = wanted_bytes.saturating_sub(bytes.len() as u64);
        let length = u32::try_from(left).ok().and_then(ChunkLength::new).unwrap_or(ChunkLength::MAX);
        let request = ReadChunk {
            file: file.id(),
            offset_bytes: offset_bytes.saturating_add(bytes.len() as u64),
            length,
            redacted: false,
        };
        let chunk = Session::of(context).ask(value::line(context), request)?;
        if chunk.bytes.as_slice().is_empty() {
            return Ok(None);
        }
        bytes.extend_from_slice(chunk.bytes.as_slice());
    }
    Ok(Some(bytes))
}

fn split_lines(session: &Session, text: &[u8], decoding: &Decoding) -> Fallible<Array> {
    let mut lines = TextArray::new(session);
    let most = array_limit(session);
    let mut rest = text;
    while !rest.is_empty() {
        if lines.len() >= most {
            return Err(too_large(TooLarge::Array));
        }
        let (line, after) = match memchr::memchr(b'\n', rest) {
            Some(end) => {
                let line = rest.get(..end).unwrap_or_default();
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                (line, rest.get(end.saturating_add(1)..).unwrap_or_default())
            }
            None => (rest, &b""[..]),
        };
        lines.push(decoding.line(None, line)?)?;
        rest = after;
    }
    Ok(lines.into_array())
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    fn gives(text: &str, script: &str, expected: &str) {
        for chunk_bytes in [60 * 1024, 7, 1] {
            let bench = Bench::new().file("/n", text).chunks_of(chunk_bytes);
            assert_eq!(bench.output(script), expected, "{script} of {text:?} in pieces of {chunk_bytes}");
        }
    }

    #[test]
    fn the_last_lines_are_those_of_the_whole_text() {
        let tail = |count: i32| format!(r#"tail([tail::n({count})], "/n")"#);

        gives("a\nbb\nccc\n", &tail(-2), r#"["bb", "ccc"]"#);
        gives("a\nbb\nccc", &tail(-2), r#"["bb", "ccc"]"#);
        gives("a\nbb\nccc\n", &tail(-9), r#"["a", "bb", "ccc"]"#);
        gives("\n\n\n", &tail(-2), r#"["", ""]"#);
        gives("a\r\nb\r\nc\r", &tail(-3), "[\"a\", \"b\", \"c\\r\"]");
        gives("", &tail(-2), "[]");
        gives("one line", &tail(-1), r#"["one line"]"#);
    }

    #[test]
    fn a_handle_gives_its_last_lines_too() {
        let script = r#"
            let f = DirConfig().path("/").build().open(OpenDirOptions().build())
                .open_file("n", OpenFileOptions().read(true).build());
            [f.read_lines(ReadLinesOptions().count(-2).build()), f.read_lines(ReadLinesOptions().count(-1).start(2).build())]
        "#;

        gives("a\nb\nc\n", script, r#"[["b", "c"], ["b"]]"#);
    }

    #[test]
    fn what_stands_before_the_last_lines_is_not_read() {
        let text: String = (0..10_000).map(|number| format!("line {number}\n")).collect();
        let bench = Bench::new().file("/n", &text).chunks_of(1000);

        assert_eq!(bench.output(r#"tail("/n")[9]"#), "line 9999");
        assert!(bench.world.borrow().calls.len() <= 4, "{}", bench.world.borrow().calls.len());
    }
}
