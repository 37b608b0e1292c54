//! Reading files.

use rex_broker::run::session::RunEnd;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{Chunk, ChunkLength, OpenFile, OpenLink, ReadChunk};
use rex_ipc::handle::{DirId, FileId};
use rex_ipc::interface::Request;
use rex_ipc::limits::{MAX_CHUNK_BYTES, MAX_REPLY_BYTES};
use rex_tests::peer::Reply;
use rex_tests::session::{ALLOW_ALL, Session, WRITE, name_text};

fn opened(session: &mut Session, name: &str) -> FileId {
    let root = session.root();
    let file = session.open_file(root, name).unwrap();
    session.records.clear();
    file
}

#[test]
fn permitted() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "content");
    let file = opened(&mut session, "a");

    let chunk = session.read(file, 0, 100).unwrap();

    assert_eq!((chunk.bytes.as_slice(), chunk.end), (&b"content"[..], true));
    let done = session.records.done();
    assert_eq!((done[0].chunk_of, done[0].bytes, done[0].failure.as_deref()), (Some(file.0.into()), 7, None));
    assert_eq!(session.questions(), ["permit read File ~/a"]);
}

#[test]
fn denied() {
    let mut session =
        Session::with_policy(r#"permit(principal, action == file_system::Action::"open", resource);"#);
    session.tree.file("a", "content");
    let file = opened(&mut session, "a");

    let failure = session.read(file, 0, 100).unwrap_err().failure();

    assert_eq!(failure.kind, ErrorKind::PermissionDenied);
    let done = session.records.done();
    assert_eq!((done[0].bytes, done[0].failure.as_deref()), (0, Some("PermissionDenied")));
    assert_eq!(session.questions(), ["deny read File ~/a"]);
}

// spec, 15: "If denied too, the first error is reported."
#[test]
fn the_first_of_two_denials_is_told() {
    let mut session =
        Session::with_policy(r#"permit(principal, action == file_system::Action::"open", resource);"#);
    session.tree.file("a", "content");
    let file = opened(&mut session, "a");

    let request = ReadChunk { file, offset_bytes: 0, length: ChunkLength::MAX, redacted: true };
    let failure = session.send(request).unwrap_err().failure();

    assert!(failure.message.as_str().contains(r#"Action::"read""#), "{failure:?}");
    assert_eq!(session.questions(), ["deny read File ~/a", "deny redacted_read File ~/a"]);
}

#[test]
fn every_offset_gives_what_stands_there() {
    let content: Vec<u8> = (0..=255).cycle().take(1000).collect();
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", &content);
    let file = opened(&mut session, "a");

    for offset in [0, 1, 500, 999] {
        let chunk = session.read(file, offset as u64, 100).unwrap();
        let expected = &content[offset..(offset + 100).min(content.len())];
        assert_eq!(chunk.bytes.as_slice(), expected);
        assert_eq!(chunk.end, offset + 100 > content.len());
    }
}

#[test]
fn beyond_the_end_there_is_nothing() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "content");
    session.tree.file("empty", "");
    let file = opened(&mut session, "a");
    let empty = opened(&mut session, "empty");
    let nothing = Chunk { end: true, ..Chunk { bytes: Default::default(), end: true } };

    for offset in [7, 8, 1 << 40, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX] {
        assert_eq!(session.read(file, offset, 10).unwrap(), nothing, "{offset}");
        assert_eq!(session.read(empty, offset, 10).unwrap(), nothing, "{offset}");
    }
}

#[test]
fn a_whole_file_comes_in_pieces_of_any_length() {
    let content: Vec<u8> = (0..200_000_u32).map(|number| (number % 251) as u8).collect();
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", &content);
    let file = opened(&mut session, "a");

    for length in [4096, 65_535.min(MAX_CHUNK_BYTES as u32), MAX_CHUNK_BYTES as u32, 50_001] {
        let mut read = Vec::new();
        loop {
            let chunk = session.read(file, read.len() as u64, length).unwrap();
            read.extend_from_slice(chunk.bytes.as_slice());
            if chunk.end {
                break;
            }
            assert_eq!(chunk.bytes.as_slice().len(), length as usize);
        }
        assert!(read == content, "in pieces of {length}");
    }
}

#[test]
fn files_at_the_border_of_a_chunk_end_where_they_end() {
    let mut session = Session::with_policy(ALLOW_ALL);

    for size in [MAX_CHUNK_BYTES - 1, MAX_CHUNK_BYTES, MAX_CHUNK_BYTES + 1, 65_535, 65_536, 65_537] {
        let name = size.to_string();
        session.tree.file(&name, vec![b'x'; size]);
        let file = opened(&mut session, &name);
        let mut total = 0;
        loop {
            let chunk = session.read(file, total as u64, ChunkLength::MAX.into()).unwrap();
            total += chunk.bytes.as_slice().len();
            if chunk.end {
                break;
            }
            assert!(!chunk.bytes.as_slice().is_empty());
        }
        assert_eq!(total, size);
    }
}

#[test]
fn lengths_beyond_a_chunk_cannot_be_asked_for() {
    assert!(ChunkLength::new(0).is_none());
    assert!(ChunkLength::new(MAX_CHUNK_BYTES as u32 + 1).is_none());
}

// proc(5): most files say that they are empty, whatever they contain.
#[test]
fn files_without_a_size_are_read_to_their_end() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let expected = std::fs::read("/proc/kallsyms").unwrap();
    let dir = session.open_dir("/proc").unwrap();

    for name in ["uptime", "version", "meminfo", "kallsyms"] {
        let file = session.open_file(dir, name).unwrap();
        let mut read = Vec::new();
        loop {
            let chunk = session.read(file, read.len() as u64, ChunkLength::MAX.into()).unwrap();
            read.extend_from_slice(chunk.bytes.as_slice());
            if chunk.end {
                break;
            }
        }
        assert!(!read.is_empty(), "{name}");
        if name == "kallsyms" {
            assert_eq!(read.len(), expected.len());
        }
    }
}

#[test]
fn a_batch_of_chunks_fits_its_reply() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", vec![b'x'; 300_000]);
    let file = opened(&mut session, "a");
    let request = |offset_bytes| {
        Request::from(ReadChunk { file, offset_bytes, length: ChunkLength::MAX, redacted: false })
    };

    let answer = session.batch((0..16).map(|index| request(index * 1000)).collect()).unwrap();

    // What has no room any more is told so, and the run goes on.
    let failure = answer.failure.expect("sixteen chunks have no room");
    let expected = format!("the replies of one call do not fit a frame: {}", session.text("a"));
    assert_eq!(failure.message.as_str(), expected);
    let lengths: Vec<usize> = answer
        .replies
        .iter()
        .map(|reply| match reply {
            Reply::ReadChunk(chunk) => {
                assert!(!chunk.end);
                chunk.bytes.as_slice().len()
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(lengths[0], MAX_CHUNK_BYTES);
    assert!(lengths.iter().sum::<usize>() <= MAX_REPLY_BYTES);
}

// spec, 5: "Attempted to read a file without opening it with the read option".
#[test]
fn a_file_opened_for_writing_cannot_be_read() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "content");
    let root = session.root();
    let request = OpenFile { mode: WRITE, ..session.opening_file(root, "a") };
    let file = request.id;
    session.send(request).unwrap();

    for redacted in [false, true] {
        let request = ReadChunk { file, offset_bytes: 0, length: ChunkLength::MAX, redacted };
        let failure = session.send(request).unwrap_err().failure();
        let path = session.text("a");
        assert_eq!(failure.kind, ErrorKind::InvalidFileMode);
        assert_eq!(
            failure.message.as_str(),
            format!(
                "Invalid file mode: Attempted to read a file without opening it with the read option.: {path}"
            )
        );
    }
}

#[test]
fn a_link_opened_as_itself_has_no_content() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "content");
    session.tree.link("a", "link");
    let dir = session.root();
    let id = FileId(session.number());
    session.send(OpenLink { id, dir, name: name_text("link") }).unwrap();

    for redacted in [false, true] {
        let request = ReadChunk { file: id, offset_bytes: 0, length: ChunkLength::MAX, redacted };
        assert_eq!(session.send(request).unwrap_err().kind(), Some(ErrorKind::InvalidFileMode));
    }
}

#[test]
fn a_file_that_changes_is_read_as_it_is() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let path = session.tree.file("a", vec![b'a'; 10_000]);
    let file = opened(&mut session, "a");

    assert_eq!(session.read(file, 0, 5_000).unwrap().bytes.as_slice().len(), 5_000);
    std::fs::write(&path, vec![b'b'; 6_000]).unwrap();
    let rest = session.read(file, 5_000, 5_000).unwrap();
    assert_eq!((rest.bytes.as_slice(), rest.end), (&vec![b'b'; 1_000][..], true));

    std::fs::write(&path, vec![b'c'; 20_000]).unwrap();
    let more = session.read(file, 6_000, 5_000).unwrap();
    assert_eq!((more.bytes.as_slice().len(), more.end), (5_000, false));

    // A new file of this name is another file.
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "new").unwrap();
    assert_eq!(session.read(file, 0, 3).unwrap().bytes.as_slice(), b"ccc");
}

#[test]
fn read_bytes_have_a_limit() {
    let mut session = Session::with_limits(ALLOW_ALL, |limits| limits.max_read_bytes = 10_000);
    session.tree.file("a", vec![b'x'; 20_000]);
    let file = opened(&mut session, "a");
    session.read(file, 0, 6_000).unwrap();
    session.read(file, 0, 4_000).unwrap();

    let end = session.read(file, 0, 1).unwrap_err().end();

    assert!(matches!(&end, RunEnd::Limit(limit) if limit.name == "max-read-bytes"), "{end:?}");
}

#[test]
fn only_an_open_file_can_be_read() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let root: DirId = session.root();

    for file in [FileId(root.0), FileId(99)] {
        let end = session.read(file, 0, 1).unwrap_err().end();
        assert!(matches!(end, RunEnd::Violation(_)), "{end:?}");
    }
}
