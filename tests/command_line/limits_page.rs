//! Does `docs/limits.md` say what the code does? `REX_GOLDEN=write` writes it anew.

use std::fs;

use rex_broker::front::cli::{Described, LimitArguments, Unit};
use rex_broker::gate::limits::{USUAL, engine_limits};
use rex_broker::policy::name::MAX_COMPONENTS;
use rex_broker::run::input::{MAX_POLICY_BYTES, MAX_SCRIPT_BYTES};
use rex_ipc::limits as wire;
use rex_tests::program::checkout;

#[test]
fn the_page_is_that_of_the_code() {
    let path = checkout().join("docs/limits.md");
    let expected = page();
    if std::env::var_os("REX_GOLDEN").is_some_and(|value| value == "write") {
        fs::write(&path, &expected).expect("the page can be written");
    }

    let found = fs::read_to_string(path).expect("there is a page");

    assert!(found == expected, "docs/limits.md is not what REX_GOLDEN=write would write");
}

#[test]
fn the_usual_limits_are_those_of_the_help_text() {
    for limit in LimitArguments::described() {
        assert!(!limit.usual.is_empty() && !limit.help.is_empty() && !limit.name.is_empty(), "{limit:?}");
        assert!(limit.unit != Unit::Count || limit.value.ends_with('N'), "{limit:?}");
    }
}

fn page() -> String {
    let mut page = String::from(HEAD);
    for limit in LimitArguments::described() {
        page.push_str(&format!(
            "| `--{} {}` | {} | {} | {} | {} |\n",
            limit.name,
            limit.value,
            limit.help,
            limit.unit.name(),
            number(&limit.usual),
            end(&limit)
        ));
    }
    page.push_str(FIXED_HEAD);
    for (what, value, happens) in fixed() {
        page.push_str(&format!("| {what} | {} | {happens} |\n", number(&value)));
    }
    page.push_str(TAIL);
    page
}

fn end(limit: &Described) -> &'static str {
    match limit.name.as_str() {
        "timeout" => {
            "status 124; `jail.end` is `limit`; 66 where a script from a pipe has not come to its end by then"
        }
        "memory" => "status 75; `jail.end` is `arena`, which the jail says itself",
        "max-operations" | "max-variables" => "status 75; `jail.end` is `limit`, which the jail says itself",
        _ => "status 75; `jail.end` is `limit`",
    }
}

/// What the operator cannot change, and what happens then.
fn fixed() -> Vec<(String, String, &'static str)> {
    let engine = engine_limits(&USUAL);
    let row = |what: &str, value: u64, happens| (what.to_owned(), value.to_string(), happens);
    let bytes = |value: usize| u64::try_from(value).expect("a limit fits");
    vec![
        row("script and arguments together, in bytes", bytes(MAX_SCRIPT_BYTES), "not started, status 65"),
        row("policy, in bytes", bytes(MAX_POLICY_BYTES), "not started, status 65"),
        (
            "one string or blob in bytes: a quarter of `--memory`".to_owned(),
            engine.string_bytes.to_string(),
            "status 75, as `value-size`",
        ),
        row(
            "elements of one array: a quarter of `--memory`",
            engine.array_elements,
            "status 75, as `value-size`",
        ),
        row("entries of one map: a quarter of `--memory`", engine.map_entries, "status 75, as `value-size`"),
        row("nested calls of functions", engine.call_levels.into(), "the script fails: `Stack overflow`"),
        row("functions of a script", engine.functions, "the script does not compile"),
        row("nesting of expressions", engine.expression_depth.into(), "the script does not compile"),
        row(
            "nesting of expressions in functions",
            engine.function_expression_depth.into(),
            "the script does not compile",
        ),
        row("components of a path in a call", bytes(MAX_COMPONENTS), "the call fails: `File name too long`"),
        row("requests in one call", bytes(wire::MAX_BATCH), "the jail makes several calls"),
        row("bytes of a file in one reply", bytes(wire::MAX_CHUNK_BYTES), "the jail asks again"),
        row("entries in one page of a listing", bytes(wire::MAX_PAGE_ENTRIES), "the jail asks again"),
        row("random bytes in one reply", bytes(wire::MAX_RANDOM_BYTES), "the jail asks again"),
        row("milliseconds of one sleep", wire::MAX_SLEEP_MS.into(), "the jail sleeps again"),
        row("dimensions of a metric", bytes(wire::MAX_DIMENSIONS), "the call fails"),
        row("text of an alarm or metric, in bytes", bytes(wire::MAX_SIGNAL_TEXT_BYTES), "the text is cut"),
        row("log lines in the result", 1000, "the oldest are left out, and a line says so"),
        row("one log line in the result, in bytes", 2048, "the line is cut, and marked"),
        row("different denials in the result", 1000, "`denials_dropped` counts the rest; the record has all"),
    ]
}

/// A number with its thousands apart.
fn number(text: &str) -> String {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.to_owned();
    }
    let digits: Vec<char> = text.chars().collect();
    let groups: Vec<String> = digits.rchunks(3).rev().map(|group| group.iter().collect()).collect();
    groups.join(",")
}

const HEAD: &str = "\
# Limits

Everything that a run uses has a limit, and each is in force unless the operator says otherwise on the command line. A script can neither see nor change
them. This page is written from the code by a test; see `tests/command_line/limits_page.rs`.

A run that needs more than a limit allows is ended. The result document is written as always, with what was logged, raised and denied up to then; its
message ends with `limit reached: NAME of VALUE`, and ` (line N)` where a line is known, the record has a `limit` record with the same, and then its
`end` record. The line is that of the script's last request, or nearer where the jail can tell, and the jail's claim in both cases. What a limit allows can be
used to the last: a run with `--max-calls 5` may make five calls, and ends with the sixth.

## What the operator can set

| option | what is limited | unit | default | when more is needed |
|---|---|---|---|---|
";

const FIXED_HEAD: &str = "
A plain number is in the unit of the table. Where that is seconds, a duration may be written instead: numbers with `d`, `h`, `m` (or `min`) and `s` (or `sec`), the
largest first, such as `90s`, `5m`, `1h30m`, `1.5h`. Where it is bytes or MiB, a size: `K`, `M`, `G`, `T`, `P`, or `KiB`, `MiB` and so on, are powers of 1024, and `kB`,
`MB`, `GB` powers of 1000, as in GNU's tools. What is no whole number of the unit is refused, but for `--memory`, which is cut to whole MiB. The same holds in the
environment and in configuration files, where a value with a unit stands in quotes.

`--max-calls-per-operation` and `--max-bytes-per-operation` take a number for all operations, `NAME=N` for one of them, or both: `1000000,read_chunk=50000`. Without
a number for all, the others have no limit of their own. The names are those of `rex-broker protocol --json`, and of `operation` in the audit log.

A call is one message from the script to the broker and may hold several requests, as that of `cat` does. Bytes are counted when they are read or
written, so a piece that goes beyond the limit has been read, and is not given to the script.

Processor time is what the kernel counts for the two processes. The kernel itself ends a jail that has used a second more than `--max-jail-cpu`.

## What is fixed

| what | value | when more is needed |
|---|---|---|
";

const TAIL: &str = "
Both limits on paths are looked at before the policy is asked. `--max-depth` counts from the root of the tree that is removed or moved; of a path that grows by
descending, no more than that many components and those of the row above are asked about. What a decision costs grows with the length of the path, and not with its
square.

## What the caller leaves

Limits, timers and signals that the program inherits never end it without a word:

- Soft limits of the kernel that are too low are raised as far as the hard ones allow. Where those leave less than 8 MiB of stack, 64 descriptors, two seconds of
  processor time, or 256 MiB of address space and data beside `--memory`, nothing is run: status 71, and the message names the limit. The loader of programs
  needs four descriptors and some memory of its own; without these nothing of ours begins, and whoever starts programs is told by the system.
- `RLIMIT_FSIZE` makes a write fail (`EFBIG`), in the script as in the record; below the size of the jail's program nothing is run, with status 71.
- `RLIMIT_NPROC` of an ordinary user may leave no process for the jail: status 71.
- An alarm (`ITIMER_REAL`, `ITIMER_VIRTUAL`, `ITIMER_PROF`) and `RLIMIT_CPU` end the run as a signal does, with a document and status 128 and the number of the
  signal. Of `RLIMIT_CPU` the last second is kept for that. What fires before the script is sent, while the configuration is read or earlier, does the same, and nothing is run.
- That SIGCHLD is ignored, or any signal blocked, changes nothing. SIGHUP, SIGINT and SIGTERM stay ignored where they were, as with nohup(1).
- With a standard output that is closed nothing is done at all, and the status is 73; with `--rex-compat` the script runs, as in Rex. One that is full gives 73 too.

## Time, signals, and calls that do not come back

`--max-cpu` and `--max-write-bytes` do not count what executed programs use ([children.md](children.md)); `--timeout` ends them as well.

`--timeout` counts from the start of the program. SIGTERM, SIGINT and SIGHUP end a run at once; with `--rex-compat`, SIGTERM leaves the script ten seconds, but never
more than the time of the run. Either way the document is written within a second:

- While the broker waits for the jail it notices by itself, within milliseconds.
- While the broker is in a system call it cannot notice. A call on a file server that does not answer (NFS, SMB, FUSE), or on a disk that is failing, may never come
  back. Half a second after the signal or the deadline a second thread, the watchdog, ends the run: it kills the jail, records the call with
  `\"failure\":\"abandoned\"`, writes the closing record and the document, whose message names the call, and exits. The abandoned call may still take effect in the
  kernel; its decision is on record.
- While the result is written, a standard output that nobody reads holds the program until the deadline, or 0.8 seconds where that has passed. A signal ends it at once. A result that
  is being read is never cut. The record is complete before the first byte of the result is written.

What remains: a process whose thread waits in the kernel and cannot even be killed (state D with no way out: a frozen file system, a driver that does not answer) stays in the process table until its
call ends. Its document has been written by then, standard output is closed when the kernel lets go of the process. When the audit log itself lies on a file system that does
not answer, the document says that the record could not be written, with status 74; the closing record alone is given ten seconds, because a slow disk is no reason to give it up. Put the
log on a local disk.
";
