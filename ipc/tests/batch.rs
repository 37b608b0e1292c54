//! Are calls and replies read exactly as they were written, and never otherwise?

use rex_ipc::batch::{Call, CallWriter, ReplyReader, ReplyWriter};
use rex_ipc::bounded::{Bytes, Text};
use rex_ipc::codec::CodecError;
use rex_ipc::failure::{ErrorKind, Failure, FailureClass};
use rex_ipc::file_system::{Chunk, Close, CreateDir, DirPlace, OpenDir};
use rex_ipc::handle::{AnyId, DirId, FileId};
use rex_ipc::interface::Request;
use rex_ipc::limits::{MAX_BATCH, MAX_BODY_BYTES};
use rex_ipc::runtime::Now;

fn open_dir() -> Request {
    Request::OpenDir(OpenDir {
        id: DirId(7),
        at: DirPlace::Path(Text::cut("/tmp")),
        follow: false,
        create: CreateDir::No,
    })
}

fn written(call: &Call) -> Vec<u8> {
    let mut space = vec![0; MAX_BODY_BYTES];
    let length = call.encode(&mut space).unwrap();
    space.truncate(length);
    space
}

fn failure() -> Failure {
    Failure {
        class: FailureClass::System { errno: 2 },
        kind: ErrorKind::IoError,
        message: Text::cut("cannot open /tmp: no such file or directory"),
    }
}

#[test]
fn a_call_stands_as_documented() {
    let call = Call { line: 0x0102, requests: vec![Request::Now(Now {}), open_dir()] };

    let bytes = written(&call);

    assert_eq!(bytes[..5], [2, 2, 1, 0, 0]);
    assert_eq!(bytes[5..7], [1, 0], "the number of `now`, without a payload");
    assert_eq!(bytes[7..], *b"\x01\x01\x07\x00\x04/tmp\x00\x00");
    assert_eq!(Call::decode(&bytes), Ok(call));
}

#[test]
fn every_prefix_and_every_extension_of_a_call_is_refused() {
    let bytes = written(&Call { line: 1, requests: vec![open_dir(), Request::Now(Now {}), open_dir()] });

    for length in 0..bytes.len() {
        assert_eq!(Call::decode(&bytes[..length]), Err(CodecError::Malformed), "{length}");
    }
    for extra in 0..=255 {
        let longer = [bytes.as_slice(), &[extra]].concat();
        assert_eq!(Call::decode(&longer), Err(CodecError::TrailingBytes));
    }
}

#[test]
fn a_call_has_one_to_sixteen_requests() {
    let of = |count: u8| [&[count, 0, 0, 0, 0][..], &[1, 0].repeat(usize::from(count))].concat();

    assert_eq!(Call::decode(&of(0)), Err(CodecError::Malformed));
    assert_eq!(Call::decode(&of(1)).unwrap().requests.len(), 1);
    assert_eq!(Call::decode(&of(MAX_BATCH as u8)).unwrap().requests.len(), MAX_BATCH);
    assert_eq!(Call::decode(&of(MAX_BATCH as u8 + 1)), Err(CodecError::Malformed));
    assert_eq!(Call::decode(&of(255)), Err(CodecError::Malformed));
}

#[test]
fn a_call_writer_takes_sixteen_requests() {
    let mut space = vec![0; MAX_BODY_BYTES];
    let mut writer = CallWriter::new(0, &mut space).unwrap();

    for _ in 0..MAX_BATCH {
        writer.push(&Now {}).unwrap();
    }

    assert_eq!(writer.push(&Now {}), Err(CodecError::NoRoom));
    assert_eq!(writer.count(), MAX_BATCH);
}

#[test]
fn a_number_without_a_row_is_refused() {
    for number in 0..=u16::MAX {
        let [low, high] = number.to_le_bytes();
        let known = rex_ipc::interface::ROWS.iter().any(|row| row.number == number);
        if !known {
            assert_eq!(Call::decode(&[1, 0, 0, 0, 0, low, high]), Err(CodecError::Malformed));
        }
    }
}

#[test]
fn a_reply_returns_its_results_and_then_nothing() {
    let mut space = vec![0; 64];
    let mut writer = ReplyWriter::new(&mut space);
    writer.push(&()).unwrap();
    writer.push(&Chunk { bytes: Bytes::new(b"abc".to_vec()).unwrap(), end: true }).unwrap();
    let length = writer.finish(None).unwrap();

    assert_eq!(space[..length], *b"\x02\x03abc\x01\x00");
    let mut reader = ReplyReader::new(&space[..length]).unwrap();
    assert_eq!(reader.completed(), 2);
    reader.take::<()>().unwrap();
    assert_eq!(reader.take::<Chunk>().unwrap().bytes.as_slice(), b"abc");
    assert_eq!(reader.take::<()>(), Err(CodecError::Malformed));
    assert_eq!(reader.failure(), Ok(None));
}

#[test]
fn a_reply_returns_the_failure_of_the_first_request_that_failed() {
    let mut space = vec![0; 128];
    let mut writer = ReplyWriter::new(&mut space);
    writer.push(&()).unwrap();
    let length = writer.finish(Some(&failure())).unwrap();

    let mut reader = ReplyReader::new(&space[..length]).unwrap();
    reader.take::<()>().unwrap();
    assert_eq!(reader.failure(), Ok(Some(failure())));

    let early = ReplyReader::new(&space[..length]).unwrap();
    assert_eq!(early.failure(), Err(CodecError::Malformed), "a result was left");
}

#[test]
fn a_reply_ends_with_zero_or_a_failure() {
    let ends = |rest: &[u8]| ReplyReader::new(&[&[0][..], rest].concat()).unwrap().failure();

    assert_eq!(ends(&[0]), Ok(None));
    for wrong in [&[][..], &[0, 0], &[1], &[2], &[1, 0, 0, 0, 0]] {
        assert!(ends(wrong).is_err(), "{wrong:?}");
    }
    assert!(ReplyReader::new(&[]).is_err());
}

#[test]
fn a_result_that_does_not_fit_leaves_the_reply_usable() {
    let mut space = vec![0; 8];
    let mut writer = ReplyWriter::new(&mut space);
    writer.push(&()).unwrap();

    let large = Chunk { bytes: Bytes::new(vec![0; 100]).unwrap(), end: false };
    assert_eq!(writer.push(&large), Err(CodecError::NoRoom));

    assert_eq!(writer.finish(None), Ok(2));
    assert_eq!(space[..2], [1, 0]);
}

#[test]
fn handles_of_both_kinds_keep_their_number() {
    let close = Request::Close(Close { handle: AnyId::Dir(DirId(300)) });

    let bytes = written(&Call { line: 0, requests: vec![close.clone()] });

    assert_eq!(bytes[5..], [7, 0, 0, 251, 44, 1]);
    assert_eq!(Call::decode(&bytes).unwrap().requests, [close]);
}

// Both kinds share one sequence of numbers.
#[test]
fn a_handle_of_either_kind_has_its_number() {
    for number in [0, 1, 300, u32::MAX] {
        assert_eq!(AnyId::Dir(DirId(number)).number(), number);
        assert_eq!(AnyId::File(FileId(number)).number(), number);
    }
}
