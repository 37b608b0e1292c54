#!/usr/bin/env bash
# rhai 1.27.0: `AST::clone_functions_only_filtered` keeps every function and never asks its filter.
#
# Expected, from its documentation ("Clone the AST's functions into a new AST based on a filter predicate"): of two script
# functions the one stays for which the predicate says true, and the other cannot be called.
# Seen: the predicate is not called once; both functions are in the new AST, and the one that was to be left out runs:
#
#   asked about: []
#   kept: ["first", "second"]
#   second: Ok(2)
#
# Whoever takes functions out of a script in this way, so that a later run cannot call them, has taken out none. The warnings of
# `--dry-run` need the functions of a script without its statements, and so take all of them and go by name afterwards
# (`jail/src/doubts.rs`).
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
rhai = "=1.27.0"

[workspace]
TOML
cat >"$place/src/main.rs" <<'RUST'
use std::cell::RefCell;

use rhai::{Engine, Scope};

fn main() {
    let engine = Engine::new();
    let program = engine.compile("fn first() { 1 } fn second() { 2 } first()").unwrap();
    let asked = RefCell::new(Vec::new());
    let functions = program.clone_functions_only_filtered(|_, _, _, name, _| {
        asked.borrow_mut().push(name.to_owned());
        name == "first"
    });
    let mut kept: Vec<&str> = functions.iter_functions().map(|function| function.name).collect();
    kept.sort();
    println!("asked about: {:?}", asked.borrow());
    println!("kept: {kept:?}");
    let second = engine.call_fn::<i64>(&mut Scope::new(), &functions, "second", ());
    println!("second: {:?}", second.map_err(|error| error.to_string()));
}
RUST
seen=$(cd "$place" && cargo run --quiet)
printf '%s\n' "$seen"
diff <(printf '%s\n' "$seen") - <<'TEXT'
asked about: []
kept: ["first", "second"]
second: Ok(2)
TEXT
