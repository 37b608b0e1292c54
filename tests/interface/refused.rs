//! Bytes that every peer must refuse, with the type they are offered as.

use rex_ipc::batch::Call;
use rex_ipc::codec;
use rex_ipc::control::{Arguments, LoadBegin, Outcome, OutputBegin};
use rex_ipc::failure::Failure;
use rex_ipc::file_system::{Chunk, EntryPage, OpenDir, OpenFile, ReadChunk, ReadLink, StatEntry};
use rex_ipc::frame::Header;
use rex_ipc::runtime::{Log, RandomBytes, Sleep};
use serde_json::{Value, json};

use crate::golden::{self, hex};

/// Why, as which type, and the bytes. `Frame` is a datagram, `Call` the body of a call.
const REFUSED: &[(&str, &str, &[u8])] = &[
    ("shorter than a header", "Frame", b"RX\x01\x02\0\0\0\0\0\0\0\0\0\0\0"),
    ("other magic number", "Frame", b"XR\x01\x02\0\0\0\0\0\0\0\0\0\0\0\0"),
    ("other version", "Frame", b"RX\x02\x02\0\0\0\0\0\0\0\0\0\0\0\0"),
    ("kind without a number", "Frame", b"RX\x01\x08\0\0\0\0\0\0\0\0\0\0\0\0"),
    ("kind zero", "Frame", b"RX\x01\x00\0\0\0\0\0\0\0\0\0\0\0\0"),
    ("length larger than the body", "Frame", b"RX\x01\x02\0\0\0\0\x01\0\0\0\0\0\0\0"),
    ("length smaller than the body", "Frame", b"RX\x01\x02\0\0\0\0\0\0\0\0\0\0\0\0\0"),
    ("reserved word", "Frame", b"RX\x01\x02\0\0\0\0\0\0\0\0\0\0\0\x01"),
    ("no bytes", "Call", b""),
    ("no request", "Call", b"\x00\0\0\0\0"),
    ("17 requests", "Call", &SEVENTEEN),
    ("fewer requests than announced", "Call", b"\x02\0\0\0\0\x01\0"),
    ("more requests than announced", "Call", b"\x01\0\0\0\0\x01\0\x01\0"),
    ("number without a row", "Call", b"\x01\0\0\0\0\xff\xff"),
    ("number big endian", "Call", b"\x01\0\0\0\0\x00\x01"),
    ("integer in three bytes that fits one", "OutputBegin", &[251, 250, 0]),
    ("integer in five bytes that fits three", "OutputBegin", &[252, 255, 255, 0, 0]),
    ("integer in nine bytes that fits five", "OutputBegin", &[253, 255, 255, 255, 255, 0, 0, 0, 0]),
    ("integer of 128 bits", "OutputBegin", &[254, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]),
    ("reserved integer mark", "OutputBegin", &[255]),
    ("integer cut off", "OutputBegin", &[253, 255, 255, 255]),
    ("bytes after the value", "OutputBegin", &[0, 0]),
    ("integer wider than its type", "LoadBegin", &[253, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]),
    ("truth value of 2", "Chunk", &[0, 2]),
    ("option of 2", "Outcome", &[0, 2, 0, 0, 0]),
    ("variant without a number", "OpenDir", &[7, 2, 0, 0, 0]),
    ("variant number in three bytes", "OpenDir", &[7, 0, 0, 0, 251, 1, 0]),
    ("text longer than the rest", "OpenDir", &[7, 0, 5, b'/', 0, 0]),
    ("text not UTF-8", "OpenDir", &[7, 0, 1, 0xff, 0, 0]),
    ("text with a surrogate", "OpenDir", &[7, 0, 3, 0xed, 0xa0, 0x80, 0, 0]),
    ("length of a text beyond memory", "OpenDir", &[7, 0, 253, 255, 255, 255, 255, 255, 255, 255, 255]),
    ("function name longer than 64 bytes", "Log", &LONG_FUNCTION),
    ("bytes longer than the rest", "Chunk", &[9, 1, 2, 1]),
    ("list longer than the rest", "EntryPage", &[200, 1, 97, 0, 1, 1]),
    ("list longer than 4096", "EntryPage", &[251, 1, 16, 0]),
    ("count of a list beyond memory", "EntryPage", &[253, 255, 255, 255, 255, 255, 255, 255, 255]),
    ("chunk of no bytes", "ReadChunk", &[8, 0, 0, 0]),
    ("chunk of 61,441 bytes", "ReadChunk", &[8, 0, 251, 1, 0xf0, 0]),
    ("sleep of 60,001 milliseconds", "Sleep", &[251, 0x61, 0xea]),
    ("4,097 random bytes", "RandomBytes", &[251, 1, 16]),
    ("permissions beyond 0o777", "OpenFile", &[8, 7, 1, b'x', 1, 1, 1, 251, 0, 2, 0]),
    ("empty name", "ReadLink", &[7, 0]),
    ("name `.`", "ReadLink", &[7, 1, b'.']),
    ("name `..`", "StatEntry", &[7, 2, b'.', b'.']),
    ("name with a slash", "ReadLink", &[7, 3, b'a', b'/', b'b']),
    ("name with a zero byte", "StatEntry", &[7, 2, b'a', 0]),
    ("name with an escaped slash", "ReadLink", &[7, 4, 0xf4, 0x8f, 0xbc, 0xaf]),
    ("escaped name `.`", "StatEntry", &[7, 4, 0xf4, 0x8f, 0xbc, 0xae]),
    ("open mode without a number", "OpenFile", &[8, 7, 1, b'x', 4, 0]),
    ("error number of 65,536", "Failure", &[2, 252, 0, 0, 1, 0, 0, 0]),
    ("error kind without a number", "Failure", &[0, 25, 0]),
    ("argument nested twice", "Arguments", &[1, 1, b'a', 4, 1, 4, 1, 3, 1]),
];

const SEVENTEEN: [u8; 39] = {
    let mut call = [0; 39];
    call[0] = 17;
    let mut at = 5;
    while at < call.len() {
        call[at] = 1;
        at += 2;
    }
    call
};

const LONG_FUNCTION: [u8; 71] = {
    let mut log = [b'a'; 71];
    // Level, line, an empty message, not cut, a function of 65 bytes.
    let head = [0, 0, 0, 0, 1, 65];
    let mut at = 0;
    while at < head.len() {
        log[at] = head[at];
        at += 1;
    }
    log
};

fn is_refused(type_name: &str, bytes: &[u8]) -> bool {
    match type_name {
        "Frame" => Header::split(bytes).is_err(),
        "Call" => Call::decode(bytes).is_err(),
        "OutputBegin" => codec::decode_exactly::<OutputBegin>(bytes).is_err(),
        "LoadBegin" => codec::decode_exactly::<LoadBegin>(bytes).is_err(),
        "Chunk" => codec::decode_exactly::<Chunk>(bytes).is_err(),
        "Outcome" => codec::decode_exactly::<Outcome>(bytes).is_err(),
        "OpenDir" => codec::decode_exactly::<OpenDir>(bytes).is_err(),
        "OpenFile" => codec::decode_exactly::<OpenFile>(bytes).is_err(),
        "ReadLink" => codec::decode_exactly::<ReadLink>(bytes).is_err(),
        "StatEntry" => codec::decode_exactly::<StatEntry>(bytes).is_err(),
        "EntryPage" => codec::decode_exactly::<EntryPage>(bytes).is_err(),
        "ReadChunk" => codec::decode_exactly::<ReadChunk>(bytes).is_err(),
        "Sleep" => codec::decode_exactly::<Sleep>(bytes).is_err(),
        "RandomBytes" => codec::decode_exactly::<RandomBytes>(bytes).is_err(),
        "Log" => codec::decode_exactly::<Log>(bytes).is_err(),
        "Failure" => codec::decode_exactly::<Failure>(bytes).is_err(),
        "Arguments" => codec::decode_large::<Arguments>(bytes).is_err(),
        _ => panic!("{type_name} is not a type of the list"),
    }
}

#[test]
fn what_every_peer_refuses_is_refused() {
    for (why, type_name, bytes) in REFUSED {
        assert!(is_refused(type_name, bytes), "{type_name}: {why}");
    }

    let samples: Vec<Value> = REFUSED
        .iter()
        .map(|(why, type_name, bytes)| json!({ "refused": why, "type": type_name, "bytes": hex(bytes) }))
        .collect();
    golden::check("tests/golden/wire/refused.json", &golden::samples_file(&samples));
}
