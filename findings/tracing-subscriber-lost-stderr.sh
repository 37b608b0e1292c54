#!/usr/bin/env bash
# tracing-subscriber 0.3.23 (tracing 0.1.44): a warning that cannot be written ends the program with status 101.
#
# Guess, before it was run: a log line for which standard error has no room is lost, and the program goes on, as with syslog(3).
# Its documentation of `with_writer` says nothing else.
# Seen: where the writer is standard error and that cannot be written (a full device, a pipe whose reader is gone), the layer reports
# its own failure by `eprintln!`, which panics for the same reason. The line behind the event is never reached:
#
#   as it is: status 101, reached nothing
#   log_internal_errors(false): status 0, reached the end
#
# For a program whose exit status is read by others, text for people thus decides how a run ended. Ours asks for
# `log_internal_errors(false)` (`broker/src/front/cli/log.rs`), held by
# `command_line/exit_status::what_people_are_told_may_be_lost`.
#
# Needs cargo, the crate registry and /dev/full. Fails when the behaviour has changed.
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
tracing = "=0.1.44"
tracing-subscriber = "=0.3.23"

[workspace]
TOML
cat >"$place/src/main.rs" <<'RUST'
fn main() {
    let quiet = std::env::args().nth(1).is_some();
    let builder = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false);
    if quiet {
        builder.log_internal_errors(false).init();
    } else {
        builder.init();
    }
    tracing::warn!("for whoever reads it");
    println!("the end");
}
RUST
(cd "$place" && cargo build --quiet)
told() {
  local status=0 reached
  reached=$("$place/target/debug/probe" "${@:2}" 2>/dev/full) || status=$?
  echo "$1: status $status, reached ${reached:-nothing}"
}
seen=$(told 'as it is'; told 'log_internal_errors(false)' quiet)
printf '%s\n' "$seen"
diff <(printf '%s\n' "$seen") - <<'TEXT'
as it is: status 101, reached nothing
log_internal_errors(false): status 0, reached the end
TEXT
