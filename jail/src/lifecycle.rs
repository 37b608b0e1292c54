//! The frames around the script: the script comes in, the text and the outcome go out.

use rex_ipc::bounded::{Bytes, Text};
use rex_ipc::codec;
use rex_ipc::control::{Arguments, Fatal, FatalCause, Hello, LoadBegin, OutputBegin, Piece, Ready};
use rex_ipc::frame::{Header, Kind};
use rex_ipc::interface::FINGERPRINT;
use rex_ipc::limits::{HEADER_BYTES, MAX_BODY_BYTES, MAX_LOAD_BYTES, MAX_OUTPUT_BYTES};

use crate::link::Frames;
use crate::run::Ended;

/// Most bytes of a transfer in one frame.
const PIECE_BYTES: usize = MAX_BODY_BYTES - 16;

/// The script and its arguments.
#[derive(Debug)]
pub struct Program {
    /// The text of the script.
    pub script: String,
    /// The variables it starts with.
    pub arguments: Arguments,
}

/// Waits for the first frame.
///
/// # Errors
/// What is wrong with it, for people.
pub fn receive_hello(frames: &mut Frames) -> Result<Hello, String> {
    let hello: Hello = codec::decode_exactly(frames.receive(Kind::Hello))
        .map_err(|reason| format!("cannot read the first frame: {reason}"))?;
    if hello.fingerprint == FINGERPRINT {
        Ok(hello)
    } else {
        Err(format!("the broker's table is {:016x} and the jail's is {FINGERPRINT:016x}", hello.fingerprint))
    }
}

/// Says that the lockdown is complete; the script comes next.
pub fn send_ready(frames: &mut Frames, report: Vec<u8>) {
    let report = Bytes::new(report).expect("the report of the lockdown is short");
    send(frames, Kind::Ready, |body| codec::encode(&Ready { fingerprint: FINGERPRINT, report }, body));
}

/// Says that the interpreter cannot go on. Nothing may be sent after it.
pub fn send_fatal(frames: &mut Frames, cause: FatalCause, message: &str) {
    send(frames, Kind::Fatal, |body| codec::encode(&Fatal { cause, message: Text::cut(message) }, body));
}

/// The frame that says that memory is exhausted, made while there still is some. Its sequence number is filled in later.
pub fn exhaustion_frame() -> Vec<u8> {
    let mut frame = vec![0; 256];
    let fatal = Fatal { cause: FatalCause::Arena, message: Text::cut("the memory of the script is used up") };
    let length = frame
        .get_mut(HEADER_BYTES..)
        .and_then(|body| codec::encode(&fatal, body).ok())
        .and_then(|body_bytes| Header::finish(Kind::Fatal, 0, body_bytes, &mut frame))
        .expect("the message is short");
    frame.truncate(length);
    frame
}

/// Waits for the script.
pub fn receive_program(frames: &mut Frames) -> Program {
    let begin: LoadBegin =
        codec::decode_exactly(frames.receive(Kind::LoadBegin)).expect("the broker announces what it sends");
    let script_bytes = begin.script_bytes as usize;
    let total = script_bytes.saturating_add(begin.arguments_bytes as usize);
    assert!(total <= MAX_LOAD_BYTES, "the broker announces no more than is allowed");
    let mut bytes = Vec::with_capacity(total);
    while let (Kind::LoadChunk, body) = frames.receive_either(Kind::LoadChunk, Kind::LoadEnd) {
        let piece: Piece = codec::decode_exactly(body).expect("the broker's pieces are well formed");
        bytes.extend_from_slice(piece.bytes.as_slice());
        assert!(bytes.len() <= total, "the broker sends no more than it announced");
    }
    assert!(bytes.len() == total, "the broker sends all that it announced");
    let arguments = bytes.split_off(script_bytes);
    Program {
        script: String::from_utf8(bytes).expect("the broker has read the script as text"),
        arguments: codec::decode_large(&arguments).expect("the broker has encoded the arguments"),
    }
}

/// Sends the output or the error message, and then how the script ended.
pub fn send_outcome(frames: &mut Frames, ended: &Ended) {
    let text = cut(&ended.text, MAX_OUTPUT_BYTES).as_bytes();
    let total_bytes = text.len() as u64;
    send(frames, Kind::OutputBegin, |body| codec::encode(&OutputBegin { total_bytes }, body));
    frames.receive(Kind::Ack);
    for part in text.chunks(PIECE_BYTES) {
        let piece = Piece { bytes: Bytes::new(part.to_vec()).expect("a chunk is no longer than a piece") };
        send(frames, Kind::OutputChunk, |body| codec::encode(&piece, body));
        frames.receive(Kind::Ack);
    }
    send(frames, Kind::OutputEnd, |_| Ok(0));
    frames.receive(Kind::Ack);
    send(frames, Kind::Result, |body| codec::encode(&ended.outcome, body));
}

fn send(frames: &mut Frames, kind: Kind, write: impl FnOnce(&mut [u8]) -> Result<usize, codec::CodecError>) {
    let body_bytes = write(frames.body()).expect("the frames around a run fit their bounds");
    frames.send(kind, body_bytes);
}

fn cut(text: &str, most_bytes: usize) -> &str {
    let mut end = text.len().min(most_bytes);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default()
}
