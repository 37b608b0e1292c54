//! Frames and bodies: decoding is total, bounded, and has one form for each value.

use rex_ipc::batch::{Call, ReplyReader};
use rex_ipc::codec;
use rex_ipc::control::{Arguments, Fatal, Hello, LoadBegin, Outcome, OutputBegin, Piece, Ready};
use rex_ipc::failure::Failure;
use rex_ipc::frame::{Header, Kind};
use rex_ipc::interface::Operation;
use rex_ipc::limits::{MAX_FRAME_BYTES, MAX_OUTPUT_BYTES};
use rex_ipc::messages::*;
use rex_ipc::state::{State, Tracker};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What the broker does with the bytes of a jail: several datagrams, each with two bytes of length in front.
pub fn frame_from_jail(bytes: &[u8]) {
    let mut tracker = Tracker::new();
    let mut output = Output::default();
    let mut rest = bytes;
    while let Some((length, tail)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_le_bytes(*length)).min(tail.len());
        let (datagram, tail) = tail.split_at(length);
        rest = tail;
        // The broker moves on by itself; the first byte decides when.
        if datagram.first().is_some_and(|byte| byte & 0x80 != 0) {
            let next = State::ALL.iter().find(|state| **state as u8 == tracker.state() as u8 + 1);
            next.into_iter().for_each(|state| tracker.advance(*state));
        }
        let Ok((header, body)) = Header::split(datagram) else { continue };
        assert_eq!(header.to_bytes(), datagram[..16], "a header has one form");
        if tracker.accept(&header).is_ok() {
            output.follow(&mut tracker, header.kind, body);
        }
        decode_body(header.kind, body);
    }
    // Also as the body of a call, so that the fuzzer need not find the header first.
    decode_body(Kind::Call, bytes);
}

/// A second account of the output, kept in another way than the tracker's.
#[derive(Default)]
struct Output {
    announced: u64,
    received: u64,
    ended: bool,
    finished: bool,
}

impl Output {
    fn follow(&mut self, tracker: &mut Tracker, kind: Kind, body: &[u8]) {
        assert!(!self.finished, "nothing is accepted after the last frame");
        match kind {
            Kind::OutputBegin => {
                let Ok(begin) = codec::decode_exactly::<OutputBegin>(body) else { return };
                if tracker.output_begins(begin.total_bytes, u64::MAX).is_ok() {
                    assert!(begin.total_bytes <= MAX_OUTPUT_BYTES as u64);
                    self.announced = begin.total_bytes;
                }
            }
            Kind::OutputChunk => {
                let Ok(piece) = codec::decode_exactly::<Piece>(body) else { return };
                let length = piece.bytes.as_slice().len();
                if tracker.output_piece(length).is_ok() {
                    self.received += length as u64;
                    assert!(length > 0 && self.received <= self.announced && !self.ended);
                }
            }
            Kind::OutputEnd => {
                if tracker.output_ends().is_ok() {
                    assert_eq!(self.received, self.announced, "all that was announced has come");
                    self.ended = true;
                }
            }
            Kind::Call => assert!(!self.ended && self.received == 0, "no call after the output has begun"),
            Kind::Result => {
                assert!(self.ended, "the result comes after the output");
                self.finished = true;
            }
            _ => self.finished = kind == Kind::Fatal,
        }
    }
}

fn decode_body(kind: Kind, body: &[u8]) {
    match kind {
        Kind::Call => {
            if let Ok(call) = Call::decode(body) {
                let mut space = vec![0; MAX_FRAME_BYTES];
                let length = call.encode(&mut space).expect("what was decoded can be encoded");
                assert_eq!(&space[..length], body, "a call has one form");
            }
        }
        Kind::Ready => one_form::<Ready>(body),
        Kind::OutputBegin => one_form::<OutputBegin>(body),
        Kind::OutputChunk => one_form::<Piece>(body),
        Kind::Result => one_form::<Outcome>(body),
        Kind::Fatal => one_form::<Fatal>(body),
        _ => {}
    }
}

/// What the jail does with the bytes of a broker.
pub fn frame_from_broker(bytes: &[u8]) {
    if let Ok((header, _)) = Header::split(bytes) {
        assert_eq!(header.to_bytes(), bytes[..16], "a header has one form");
    }
    one_form::<Hello>(bytes);
    one_form::<LoadBegin>(bytes);
    one_form::<Piece>(bytes);
    one_form::<Failure>(bytes);
    let _ = codec::decode_large::<Arguments>(bytes);
    if let Ok(mut replies) = ReplyReader::new(bytes) {
        for step in 0..replies.completed() {
            let taken = match step % 4 {
                0 => replies.take::<Chunk>().map(drop),
                1 => replies.take::<EntryPage>().map(drop),
                2 => replies.take::<Metadata>().map(drop),
                _ => replies.take::<()>(),
            };
            if taken.is_err() {
                return;
            }
        }
        let _ = replies.failure();
    }
}

/// Our codec against a second one with the same bytes, over every type of the table; the first byte chooses.
pub fn canonical_round_trip(bytes: &[u8]) {
    let Some((&choice, bytes)) = bytes.split_first() else { return };
    let choices = ROWS.len() + BODIES.len();
    let agree = ROWS.iter().chain(BODIES).nth(usize::from(choice) % choices);
    agree.expect("the number is within the lists")(bytes);
}

macro_rules! rows {
    ($($group:ident {
        $($number:literal $name:ident: $request:ident -> $reply:ty, needs [$($needed:tt)*];)+
    })+) => {
        const ROWS: &[fn(&[u8])] = &[$($(agree::<$request>, agree::<<$request as Operation>::Reply>,)+)+];
    };
}

rex_ipc::interface!(rows);

const BODIES: &[fn(&[u8])] = &[
    agree::<Hello>,
    agree::<Ready>,
    agree::<LoadBegin>,
    agree::<Piece>,
    agree::<OutputBegin>,
    agree::<Outcome>,
    agree::<Fatal>,
    agree::<Failure>,
];

/// Whatever ours accepts, the other accepts as the same value, and writes with the same bytes.
fn agree<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    let Ok((ours, length)) = codec::decode::<T>(bytes) else { return };
    let configuration = bincode_next::config::standard();
    let (theirs, their_length) = bincode_next::serde::decode_from_slice::<T, _>(bytes, configuration)
        .expect("the other codec reads what ours reads");
    assert_eq!((&ours, length), (&theirs, their_length), "both codecs read the same value");
    let written = bincode_next::serde::encode_to_vec(&ours, configuration).expect("a value can be written");
    assert_eq!(written, bytes[..length], "both codecs write the same bytes");
}

fn one_form<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    let Ok(value) = codec::decode_exactly::<T>(bytes) else { return };
    let mut space = vec![0; MAX_FRAME_BYTES * 2];
    let length = codec::encode(&value, &mut space).expect("what was decoded can be encoded");
    assert_eq!(&space[..length], bytes, "a value has one form");
}
