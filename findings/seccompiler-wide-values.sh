#!/usr/bin/env bash
# seccompiler 0.5.0: a comparison of 32 bits takes a value of 33 bits and drops the rest.
#
# Guess, before it was run: `SeccompCondition::new` and the JSON front end, which return an error for an argument index that does not
# exist, also refuse a value that the chosen length cannot hold.
# Seen: both accept it, and the program for 4294967296 is byte for byte the program for 0:
#
#   argument 6: InvalidArgumentNumber
#   4294967296 in 32 bits: accepted
#   the programs for 4294967296 and for 0 are equal: true
#   and in 64 bits: false
#
# A rule that compares with a 64-bit constant by mistake in `dword` tests something else than is written there. Our filters are written
# as instructions, and a test holds each of them against the kernel (`hardening/`).
#
# Needs cargo and the crate registry (x86_64). Fails when the behaviour has changed.
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
seccompiler = { version = "=0.5.0", features = ["json"] }

[workspace]
TOML
cat >"$place/src/main.rs" <<'RUST'
use seccompiler::{compile_from_json, BackendError, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, TargetArch};

fn program(length: &str, value: u64) -> Vec<(u16, u8, u8, u32)> {
    let rule = format!(r#"{{"syscall":"read","args":[{{"index":0,"type":"{length}","op":"eq","val":{value}}}]}}"#);
    let text = format!(r#"{{"main":{{"mismatch_action":"allow","match_action":"trap","filter":[{rule}]}}}}"#);
    let compiled = compile_from_json(text.as_bytes(), TargetArch::x86_64).expect("it compiles");
    compiled["main"].iter().map(|one| (one.code, one.jt, one.jf, one.k)).collect()
}

fn main() {
    let wide = 1_u64 << 32;
    match SeccompCondition::new(6, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, 0) {
        Err(BackendError::InvalidArgumentNumber) => println!("argument 6: InvalidArgumentNumber"),
        other => println!("argument 6: {other:?}"),
    }
    match SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, wide) {
        Ok(_) => println!("{wide} in 32 bits: accepted"),
        Err(error) => println!("{wide} in 32 bits: {error}"),
    }
    println!("the programs for {wide} and for 0 are equal: {}", program("dword", wide) == program("dword", 0));
    println!("and in 64 bits: {}", program("qword", wide) == program("qword", 0));
}
RUST
seen=$(cd "$place" && cargo run --quiet)
printf '%s\n' "$seen"
diff <(printf '%s\n' "$seen") - <<'TEXT'
argument 6: InvalidArgumentNumber
4294967296 in 32 bits: accepted
the programs for 4294967296 and for 0 are equal: true
and in 64 bits: false
TEXT
