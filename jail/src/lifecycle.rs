//! The frames around the script: the script comes in, the text and the outcome go out.

use rex_ipc::bounded::{Bytes, Text};
use rex_ipc::codec;
use rex_ipc::control::{Arguments, Fatal, FatalCause, Hello, LoadBegin, OutputBegin, Piece, Purpose, Ready};
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
    /// What to do with it.
    pub purpose: Purpose,
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
        purpose: begin.purpose,
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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::VecDeque;
    use std::rc::Rc;

    use rex_ipc::bounded::List;
    use rex_ipc::control::{Argument, Outcome, ScriptEnd};
    use rex_ipc::limits::MAX_FRAME_BYTES;

    use super::*;
    use crate::link::Link;

    /// Hands out prepared frames and keeps what is sent.
    #[derive(Default)]
    struct Tape {
        inbound: VecDeque<Vec<u8>>,
        sent: Rc<RefCell<Vec<Vec<u8>>>>,
        out: Vec<u8>,
        last: Vec<u8>,
    }

    impl Link for Tape {
        fn out(&mut self) -> &mut [u8] {
            self.out.resize(MAX_FRAME_BYTES, 0);
            &mut self.out
        }

        fn send(&mut self, frame_bytes: usize) {
            self.sent.borrow_mut().push(self.out[..frame_bytes].to_vec());
        }

        fn receive(&mut self) -> &[u8] {
            self.last = self.inbound.pop_front().unwrap();
            &self.last
        }
    }

    fn frame(kind: Kind, body: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; HEADER_BYTES];
        frame.extend_from_slice(body);
        Header::finish(kind, 0, body.len(), &mut frame).unwrap();
        frame
    }

    fn encoded(kind: Kind, write: impl FnOnce(&mut [u8]) -> Result<usize, codec::CodecError>) -> Vec<u8> {
        let mut body = vec![0; MAX_BODY_BYTES];
        let length = write(&mut body).unwrap();
        frame(kind, &body[..length])
    }

    fn frames(inbound: Vec<Vec<u8>>) -> (Frames, Rc<RefCell<Vec<Vec<u8>>>>) {
        let tape = Tape { inbound: inbound.into(), ..Tape::default() };
        let sent = Rc::clone(&tape.sent);
        (Frames::new(Box::new(tape)), sent)
    }

    #[test]
    fn script_and_arguments_arrive_in_pieces() {
        let arguments = Arguments { values: vec![("n".into(), Argument::Integer(7))] };
        let encoded_arguments = codec::encode_large(&arguments).unwrap();
        let bytes = [b"let x = n; x".as_slice(), &encoded_arguments].concat();
        let begin = LoadBegin {
            script_bytes: 12,
            arguments_bytes: encoded_arguments.len() as u32,
            purpose: Purpose::Check,
        };
        let piece = |part: &[u8]| {
            let piece = Piece { bytes: Bytes::new(part.to_vec()).unwrap() };
            encoded(Kind::LoadChunk, |body| codec::encode(&piece, body))
        };
        let (mut frames, _) = frames(vec![
            encoded(Kind::LoadBegin, |body| codec::encode(&begin, body)),
            piece(&bytes[..5]),
            piece(&bytes[5..]),
            frame(Kind::LoadEnd, &[]),
        ]);

        let program = receive_program(&mut frames);

        assert_eq!(program.script, "let x = n; x");
        assert_eq!(program.arguments, arguments);
        assert_eq!(program.purpose, Purpose::Check);
    }

    #[test]
    fn a_text_leaves_in_pieces_and_the_outcome_after_it() {
        let text = "é".repeat(PIECE_BYTES);
        let (mut frames, sent) = frames(vec![frame(Kind::Ack, &[]); 4]);
        let ended = Ended {
            text: text.clone(),
            outcome: Outcome { end: ScriptEnd::Value, ended_by: None, place: None, remarks: List::default() },
        };

        send_outcome(&mut frames, &ended);

        let sent = sent.borrow();
        let split: Vec<_> = sent.iter().map(|frame| Header::split(frame).unwrap()).collect();
        let kinds: Vec<_> = split.iter().map(|(header, _)| header.kind).collect();
        assert_eq!(
            kinds,
            [Kind::OutputBegin, Kind::OutputChunk, Kind::OutputChunk, Kind::OutputEnd, Kind::Result]
        );
        assert!(split.iter().zip(0..).all(|((header, _), sequence)| header.sequence == sequence));
        let received: Vec<u8> = split[1..3]
            .iter()
            .flat_map(|(_, body)| codec::decode_exactly::<Piece>(body).unwrap().bytes.into_vec())
            .collect();
        assert_eq!(received, text.as_bytes());
    }

    #[test]
    fn an_empty_text_has_no_pieces() {
        let (mut frames, sent) = frames(vec![frame(Kind::Ack, &[]); 2]);

        send_outcome(
            &mut frames,
            &Ended {
                text: String::new(),
                outcome: Outcome {
                    end: ScriptEnd::Error,
                    ended_by: None,
                    place: None,
                    remarks: List::default(),
                },
            },
        );

        assert_eq!(sent.borrow().len(), 3);
    }

    #[test]
    fn a_broker_with_another_table_is_refused() {
        let hello = |fingerprint| Hello {
            fingerprint,
            lockdown_bits: 0,
            arena_bytes: 1 << 20,
            log_threshold: rex_ipc::runtime::LogLevel::Info,
            limits: crate::testing::LIMITS,
            rex_compat: false,
        };

        let (mut same, _) =
            frames(vec![encoded(Kind::Hello, |body| codec::encode(&hello(FINGERPRINT), body))]);
        assert!(receive_hello(&mut same).is_ok());
        let (mut other, _) = frames(vec![encoded(Kind::Hello, |body| codec::encode(&hello(1), body))]);
        assert!(receive_hello(&mut other).unwrap_err().contains("0000000000000001"));
    }

    #[test]
    fn the_last_frame_of_an_exhausted_jail_is_short_and_well_formed() {
        let frame = exhaustion_frame();

        let (header, body) = Header::split(&frame).unwrap();
        let fatal: Fatal = codec::decode_exactly(body).unwrap();
        assert_eq!((header.kind, fatal.cause), (Kind::Fatal, FatalCause::Arena));
        assert!(frame.len() <= 512);
    }
}
