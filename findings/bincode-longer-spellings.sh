#!/usr/bin/env bash
# bincode 2.0.1: one value has several spellings that decode, longer integers and doubled keys among them.
#
# Guess, before it was run: its specification says which form a number takes by its size ("if u < 251, encode it as a single byte"),
# so a decoder refuses 5 in the form for large numbers; and a map with one key twice is refused, as a count that does not fit.
# Seen: a number may come in every form up to the width of its type, a map keeps the last of doubled keys and a set swallows them, and
# what is decoded is written back shorter than it came:
#
#   5 in 1 byte: [5] -> 5, written back as [5]
#   5 in 3 bytes: [251, 5, 0] -> 5, written back as [5]
#   5 in 9 bytes: [253, 5, 0, 0, 0, 0, 0, 0, 0] -> 5, written back as [5]
#   a map of 3: [3, 1, 1, 0, 2, 1, 3] -> {0: 2, 1: 3}, written back as [2, 0, 2, 1, 3]
#   a set of 2: [2, 1, 1] -> {1}, written back as [1, 1]
#
# Whoever compares, hashes or signs messages by their bytes has to ask for one spelling. Our codec writes what it decoded once more and
# compares (`ipc/src/codec.rs`, `check_canonical`); `docs/wire.md` says which form is the only one.
#
# Needs cargo and the crate registry. Fails when the behaviour has changed.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
mkdir "$place/src"
cat >"$place/Cargo.toml" <<'TOML'
[package]
name = "probe"
version = "0.0.0"
edition = "2021"

[dependencies]
bincode = "=2.0.1"

[workspace]
TOML
cat >"$place/src/main.rs" <<'RUST'
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use bincode::{config::standard, decode_from_slice, encode_to_vec, Decode, Encode};

fn show<T: Decode<()> + Encode + Debug>(name: &str, bytes: &[u8]) {
    let (value, read) = decode_from_slice::<T, _>(bytes, standard()).expect("it decodes");
    assert_eq!(read, bytes.len());
    println!("{name}: {bytes:?} -> {value:?}, written back as {:?}", encode_to_vec(&value, standard()).unwrap());
}

fn main() {
    show::<u64>("5 in 1 byte", &[5]);
    show::<u64>("5 in 3 bytes", &[251, 5, 0]);
    show::<u64>("5 in 9 bytes", &[253, 5, 0, 0, 0, 0, 0, 0, 0]);
    show::<BTreeMap<u8, u8>>("a map of 3", &[3, 1, 1, 0, 2, 1, 3]);
    show::<BTreeSet<u8>>("a set of 2", &[2, 1, 1]);
}
RUST
seen=$(cd "$place" && cargo run --quiet)
printf '%s\n' "$seen"
diff <(printf '%s\n' "$seen") - <<'TEXT'
5 in 1 byte: [5] -> 5, written back as [5]
5 in 3 bytes: [251, 5, 0] -> 5, written back as [5]
5 in 9 bytes: [253, 5, 0, 0, 0, 0, 0, 0, 0] -> 5, written back as [5]
a map of 3: [3, 1, 1, 0, 2, 1, 3] -> {0: 2, 1: 3}, written back as [2, 0, 2, 1, 3]
a set of 2: [2, 1, 1] -> {1}, written back as [1, 1]
TEXT
