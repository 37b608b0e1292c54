//! Do any bytes at all make the decoders panic, or let a second form of a value through?

use rex_ipc::batch::{Call, ReplyReader};
use rex_ipc::codec;
use rex_ipc::control::{
    Argument, Arguments, EngineLimits, Fatal, FatalCause, Hello, LoadBegin, Outcome, OutputBegin, Piece,
    Ready,
};
use rex_ipc::failure::Failure;
use rex_ipc::frame::Header;
use rex_ipc::interface::{Operation, ROWS, Request};
use rex_ipc::limits::{MAX_BODY_BYTES, MAX_FRAME_BYTES};
use rex_ipc::messages::*;
use rex_ipc::state::{State, Tracker};

/// Everything that either side does with a datagram before it believes it.
fn take(datagram: &[u8]) {
    if let Ok((header, body)) = Header::split(datagram) {
        for &state in State::ALL {
            let mut tracker = Tracker::new();
            tracker.advance(state);
            if tracker.accept(&header).is_ok() {
                let _ = tracker.output_begins(u64::from(header.sequence), u64::MAX);
                let _ = tracker.output_piece(body.len());
                let _ = tracker.output_ends();
            }
        }
        take_body(body);
    }
    take_body(datagram);
}

fn take_body(body: &[u8]) {
    if let Ok(call) = Call::decode(body) {
        let mut space = vec![0; MAX_BODY_BYTES];
        let length = call.encode(&mut space).expect("what was read fits");
        assert_eq!(&space[..length], body, "a call has one form");
    }
    for row in ROWS {
        if let Ok((request, length)) = Request::decode(row.number, body) {
            assert!(length <= body.len());
            assert_eq!(request.number(), row.number);
        }
    }
    one_form::<Hello>(body);
    one_form::<Ready>(body);
    one_form::<LoadBegin>(body);
    one_form::<Piece>(body);
    one_form::<OutputBegin>(body);
    one_form::<Outcome>(body);
    one_form::<Fatal>(body);
    one_form::<Failure>(body);
    let _ = codec::decode_large::<Arguments>(body);
    take_replies(body);
}

fn take_replies(body: &[u8]) {
    macro_rules! each_row {
        ($($group:ident {
            $($number:literal $name:ident: $request:ident -> $reply:ty, needs [$($needed:tt)*];)+
        })+) => {
            $($({
                one_form::<<$request as Operation>::Reply>(body);
                if let Ok(mut reader) = ReplyReader::new(body) {
                    while reader.take::<<$request as Operation>::Reply>().is_ok() {}
                    let _ = reader.failure();
                }
            })+)+
        };
    }
    rex_ipc::interface!(each_row);
}

fn one_form<T: serde::Serialize + serde::de::DeserializeOwned>(body: &[u8]) {
    if let Ok(value) = codec::decode_exactly::<T>(body) {
        let mut space = vec![0; MAX_FRAME_BYTES];
        let length = codec::encode(&value, &mut space).expect("what was read fits");
        assert_eq!(&space[..length], body, "a value has one form");
    }
}

/// Xorshift: the same bytes in every run.
struct Generator(u64);

impl Generator {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// A byte, more often than not one with a meaning: counts, tags and the marks of longer integers.
    fn byte(&mut self) -> u8 {
        const MEANT: [u8; 12] = [0, 1, 2, 3, 4, 7, 250, 251, 252, 253, 254, 255];
        if self.next().is_multiple_of(2) { MEANT[self.below(MEANT.len())] } else { self.next() as u8 }
    }
}

#[test]
fn random_bytes_are_met_without_panic() {
    let mut random = Generator(0x9E37_79B9_7F4A_7C15);

    for _ in 0..30_000 {
        let length = random.below(64);
        let bytes: Vec<u8> = (0..length).map(|_| random.byte()).collect();
        take(&bytes);
    }
}

#[test]
fn damaged_frames_are_met_without_panic() {
    let mut random = Generator(0xD1B5_4A32_D192_ED03);
    let frames = whole_frames();

    for round in 0..20_000 {
        let mut bytes = frames[round % frames.len()].clone();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => bytes[at] = random.byte(),
                1 => bytes[at] ^= 1 << random.below(8),
                2 => bytes.insert(at, random.byte()),
                _ => bytes.truncate(at.max(1)),
            }
        }
        // Half of them with a true length, so that what is behind the header is reached.
        if round % 2 == 0 && bytes.len() >= 16 {
            let body_bytes = (bytes.len() - 16) as u32;
            bytes[8..12].copy_from_slice(&body_bytes.to_le_bytes());
        }
        take(&bytes);
    }
}

fn whole_frames() -> Vec<Vec<u8>> {
    let frame = |write: &dyn Fn(&mut [u8]) -> usize, number: u8| {
        let mut frame = vec![0; MAX_FRAME_BYTES];
        let length = write(&mut frame[16..]);
        let kind = rex_ipc::frame::Kind::from_number(number).unwrap();
        let total = Header::finish(kind, 0, length, &mut frame).unwrap();
        frame.truncate(total);
        frame
    };
    let limits = EngineLimits {
        operations: 1 << 40,
        call_levels: 64,
        expression_depth: 128,
        function_expression_depth: 64,
        string_bytes: 1 << 24,
        array_elements: 100_000,
        map_entries: 100_000,
        variables: 1000,
        functions: 1000,
    };
    let hello = Hello {
        fingerprint: 1,
        lockdown_bits: 7,
        arena_bytes: 1 << 28,
        log_threshold: LogLevel::Info,
        limits,
        rex_compat: false,
    };
    let calls: [&[u8]; 3] = [
        b"\x01\0\0\0\0\x01\0",
        b"\x02\x05\0\0\0\x01\x01\x07\0\x04/tmp\0\0\x02\x01\x08\x07\x01x\0\0",
        b"\x01\0\0\0\0\x06\0\x01m\x00\x01\x01\x01k\x01v",
    ];
    let arguments = Arguments { values: vec![("a".into(), Argument::List(vec![Argument::Integer(-3)]))] };
    let mut frames: Vec<_> = calls
        .iter()
        .map(|body| {
            assert!(Call::decode(body).is_ok(), "{body:?}");
            frame(
                &|space| {
                    space[..body.len()].copy_from_slice(body);
                    body.len()
                },
                0x02,
            )
        })
        .collect();
    frames.push(frame(&|space| codec::encode(&hello, space).unwrap(), 0x81));
    frames.push(frame(&|space| codec::encode(&arguments, space).unwrap(), 0x83));
    frames.push(frame(&|space| codec::encode(&fatal(), space).unwrap(), 0x07));
    frames
}

fn fatal() -> Fatal {
    let message = rex_ipc::bounded::Text::cut("the memory of the script is used up");
    Fatal { cause: FatalCause::Arena, message }
}
