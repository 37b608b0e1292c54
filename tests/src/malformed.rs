//! Frames that no honest jail sends: every way to be wrong, in endless variation.

use rex_ipc::bounded::List;
use rex_ipc::control::{Outcome, OutputBegin, Piece, ScriptEnd};
use rex_ipc::file_system::Close;
use rex_ipc::frame::Kind;
use rex_ipc::handle::{AnyId, DirId, FileId};
use rex_ipc::interface::Request;
use rex_ipc::limits::{HEADER_BYTES, MAX_FRAME_BYTES};
use rex_ipc::runtime::Now;

use crate::bench::Peer;

/// What is sent instead of a proper call.
#[derive(Clone, Debug)]
pub struct Malformed {
    /// How it is wrong.
    pub how: &'static str,
    /// What the broker has to say about it, in part.
    pub reason: &'static str,
    /// The datagrams, sent without waiting.
    pub datagrams: Vec<Vec<u8>>,
    /// Whether a descriptor travels with the first.
    pub with_descriptor: bool,
}

/// The same numbers in every run, so that a failure can be repeated.
#[derive(Clone, Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// Numbers from this seed, which must not be 0.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next one below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % bound
    }

    fn bytes(&mut self, count: u64) -> Vec<u8> {
        (0..count).map(|_| self.below(256) as u8).collect()
    }
}

/// The number of ways to be wrong.
pub const WAYS: u64 = 24;

/// A malformed frame of the given way, as the next that `peer` sends.
pub fn malformed(way: u64, peer: &mut Peer, numbers: &mut Numbers) -> Malformed {
    let honest = peer.call_frame(vec![Request::Now(Now {})]);
    let mut frame = honest.clone();
    let mut datagrams = Vec::new();
    let mut with_descriptor = false;
    let sequence = honest[4];
    let again = |peer: &mut Peer, kind: Kind, body: &[u8]| {
        let mut frame = peer.frame_of_bytes(kind, body);
        // `peer` counts every frame that it makes, and only one is sent.
        frame[4] = sequence;
        frame
    };
    let (how, reason) = match way {
        0 => {
            frame.truncate(1 + numbers.below(HEADER_BYTES as u64 - 1) as usize);
            ("shorter than a header", "shorter than its header")
        }
        1 => {
            frame[numbers.below(2) as usize] ^= 1 << numbers.below(8);
            ("magic number", "magic number")
        }
        2 => {
            frame[2] ^= 1 << numbers.below(8);
            ("version", "another version")
        }
        3 => {
            frame[3] = [0, 0x08, 0x7f, 0x80, 0x87, 0xff][numbers.below(6) as usize];
            ("unknown kind", "unknown kind")
        }
        4 => {
            frame[12 + numbers.below(4) as usize] ^= 1 << numbers.below(8);
            ("reserved word", "reserved word")
        }
        5 => {
            frame[8 + numbers.below(4) as usize] ^= 1 << numbers.below(8);
            ("length of the body", "length in the header differs")
        }
        6 => {
            frame.resize(MAX_FRAME_BYTES + 1 + numbers.below(5000) as usize, 0);
            ("longer than a frame", "sent a datagram of")
        }
        7 => {
            let kinds =
                [Kind::Hello, Kind::LoadBegin, Kind::LoadChunk, Kind::LoadEnd, Kind::Reply, Kind::Ack];
            frame[3] = kinds[numbers.below(6) as usize].number();
            ("a kind that only the broker sends", "only the broker sends")
        }
        8 => {
            frame[3] = Kind::Ready.number();
            ("ready again", "not permitted in this state")
        }
        9 => {
            frame[4 + numbers.below(4) as usize] ^= 1 << numbers.below(8);
            ("sequence number", "wrong sequence number")
        }
        10 => {
            let mut body = numbers.bytes(6);
            body[0] = if numbers.below(2) == 0 { 0 } else { 17 + numbers.below(200) as u8 };
            frame = again(peer, Kind::Call, &body);
            ("number of requests", "not a value")
        }
        11 => {
            let [low, high] = (0x0200 + numbers.below(0xf000) as u16).to_le_bytes();
            frame = again(peer, Kind::Call, &[1, 0, 0, 0, 0, low, high]);
            ("unknown operation", "not a value")
        }
        12 => {
            let mut body = honest[HEADER_BYTES..].to_vec();
            let more = 1 + numbers.below(50);
            body.extend(numbers.bytes(more));
            frame = again(peer, Kind::Call, &body);
            ("bytes after the last request", "bytes follow")
        }
        13 => {
            let number = numbers.below(200) as u8;
            frame = again(peer, Kind::Call, &[1, 0, 0, 0, 0, 7, 0, 0, 0xfb, number, 0]);
            ("an integer in a longer form than needed", "not in canonical form")
        }
        14 => {
            let number = numbers.below(u32::MAX.into()) as u32;
            let handle = match numbers.below(2) {
                0 => AnyId::Dir(DirId(number)),
                _ => AnyId::File(FileId(number)),
            };
            let call = peer.call_frame(vec![Request::Close(Close { handle })]);
            frame = again(peer, Kind::Call, &call[HEADER_BYTES..]);
            ("a handle that was never opened", "there is no open")
        }
        15 => {
            datagrams.push(honest);
            frame[4] = sequence + 1;
            ("a second frame before the answer", "second frame")
        }
        16 => {
            with_descriptor = true;
            ("a descriptor", "sent descriptors")
        }
        17 => {
            let kind = [Kind::OutputChunk, Kind::OutputEnd][numbers.below(2) as usize];
            let body = if kind == Kind::OutputChunk { vec![1, 65] } else { Vec::new() };
            frame = again(peer, kind, &body);
            ("a piece of output before its beginning", "outside of its transfer")
        }
        18 => {
            let body = [0xfd].into_iter().chain(numbers.bytes(3)).collect::<Vec<_>>();
            frame = again(peer, Kind::OutputBegin, &body);
            ("a length that is cut short", "not a value")
        }
        19 => {
            let outcome = peer.frame(
                Kind::Result,
                &Outcome { end: ScriptEnd::Value, ended_by: None, place: None, remarks: List::default() },
            );
            frame = again(peer, Kind::Result, &outcome[HEADER_BYTES..]);
            ("a result before the output", "outside of its transfer")
        }
        20 => {
            // metric: the name announces more bytes than there are in the world.
            let mut body = vec![1, 0, 0, 0, 0, 6, 0, 0xfd];
            body.extend(numbers.bytes(8));
            frame = again(peer, Kind::Call, &body);
            ("a text that is longer than its frame", "not a value")
        }
        21 => {
            datagrams.push(again(peer, Kind::OutputBegin, &[1]));
            let piece = peer.frame(Kind::OutputChunk, &Piece { bytes: Default::default() });
            frame = again(peer, Kind::OutputChunk, &piece[HEADER_BYTES..]);
            frame[4] = sequence + 1;
            ("two frames of output at once", "second frame")
        }
        22 => {
            let begin = peer.frame(Kind::OutputBegin, &OutputBegin { total_bytes: u64::MAX });
            frame = again(peer, Kind::OutputBegin, &begin[HEADER_BYTES..]);
            frame.push(0);
            ("a byte more than the header says", "length in the header differs")
        }
        _ => {
            let mut body = vec![2 + numbers.below(14) as u8, 0, 0, 0, 0];
            body.extend(&honest[HEADER_BYTES + 5..]);
            frame = again(peer, Kind::Call, &body);
            ("fewer requests than announced", "not a value")
        }
    };
    datagrams.push(frame);
    Malformed { how, reason, datagrams, with_descriptor }
}
