#!/usr/bin/env bash
# rhai 1.27.0 (feature `serde`): numbers above `i64::MAX` become floats without a word, and bytes do not come back as bytes.
#
# Guess, before it was run: `to_dynamic` refuses a number that a script's integer cannot hold; `from_dynamic::<Vec<u8>>` takes a blob,
# the script's own type for bytes.
# Seen: the number is rounded to a float, so that two identifiers out of one JSON document become one; and a `Vec<u8>` goes in as an
# array, comes out of an array, and is refused out of a blob:
#
#   18446744073709551615 -> f64 18446744073709551616.0
#   {"first":9223372036854775809,"second":9223372036854775810} -> equal: true
#   Vec<u8> -> array
#   array -> Ok([1, 2])
#   blob -> Err("Output type incorrect: blob (expecting Blob)")
#
# Ours reads JSON by itself (`docs/sdk/text.md`), and bytes never pass through serde.
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
rhai = { version = "=1.27.0", features = ["serde"] }
serde_json = "=1.0.145"

[workspace]
TOML
cat >"$place/src/main.rs" <<'RUST'
use rhai::serde::{from_dynamic, to_dynamic};
use rhai::Dynamic;

fn main() {
    let large = to_dynamic(u64::MAX).unwrap();
    println!("{} -> {} {:.1}", u64::MAX, large.type_name(), large.as_float().unwrap());
    let text = r#"{"first":9223372036854775809,"second":9223372036854775810}"#;
    let json: serde_json::Value = serde_json::from_str(text).unwrap();
    let map = to_dynamic(json).unwrap().cast::<rhai::Map>();
    println!("{text} -> equal: {}", map["first"].as_float() == map["second"].as_float());
    let array = to_dynamic(vec![1_u8, 2]).unwrap();
    println!("Vec<u8> -> {}", array.type_name());
    println!("array -> {:?}", from_dynamic::<Vec<u8>>(&array).map_err(|error| error.to_string()));
    let blob = from_dynamic::<Vec<u8>>(&Dynamic::from_blob(vec![1, 2]));
    println!("blob -> {:?}", blob.map_err(|error| error.to_string()));
}
RUST
seen=$(cd "$place" && cargo run --quiet)
printf '%s\n' "$seen"
diff <(printf '%s\n' "$seen") - <<'TEXT'
18446744073709551615 -> f64 18446744073709551616.0
{"first":9223372036854775809,"second":9223372036854775810} -> equal: true
Vec<u8> -> array
array -> Ok([1, 2])
blob -> Err("Output type incorrect: blob (expecting Blob)")
TEXT
