//! Every limit of the kernel with every small value: a run works, or ends with status 71 and a document that names it.

use std::process::Command;

use rex_tests::program;
use rex_tests::runs::Run;

/// A limit: how prlimit(1) calls it, the values, and the least with which the program can be loaded at all.
struct Row {
    limit: &'static str,
    values: &'static [u64],
    /// execve(2) and ld.so(8) need so much before the first instruction of ours; below it nobody could say anything.
    loads_from: u64,
}

const fn row(limit: &'static str, values: &'static [u64], loads_from: u64) -> Row {
    Row { limit, values, loads_from }
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// getrlimit(2) has sixteen.
const ROWS: [Row; 16] = [
    row("as", &[32 * MIB, 64 * MIB, 100 * MIB, 200 * MIB, 300 * MIB, 400 * MIB, 600 * MIB], 100 * MIB),
    row("core", FEW, 0),
    row("cpu", &[0, 1, 2, 3, 5], 1),
    row("data", &[4 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB, 64 * MIB, 200 * MIB, 600 * MIB], 4 * MIB),
    row("fsize", &[0, 1, 100, KIB, 4 * KIB, 64 * KIB, MIB, 64 * MIB], 0),
    row("locks", FEW, 0),
    row("memlock", FEW, 0),
    row("msgqueue", FEW, 0),
    row("nice", FEW, 0),
    row("nofile", &[3, 4, 5, 6, 7, 8, 9, 10, 12, 16, 20, 24, 32, 48, 63, 64, 128], 4),
    row("nproc", FEW, 0),
    row("rss", FEW, 0),
    row("rtprio", FEW, 0),
    row("rttime", &[1, 1000, 1_000_000], 0),
    row("sigpending", FEW, 0),
    row("stack", &[64 * KIB, 128 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB], 256 * KIB),
];
const FEW: &[u64] = &[0, 1, 2, 3, 4, 8, 64];

#[test]
fn a_run_with_any_small_limit_works_or_says_which_one_left_too_little() {
    let mut failures = Vec::new();
    let (mut worked, mut told) = (0, 0);

    for Row { limit, values, loads_from } in &ROWS {
        for value in *values {
            let option = format!("--{limit}={value}");
            if !loads(&option) {
                // Raising a limit is a right of its own.
                if value >= loads_from && can_be_set(&option) {
                    failures.push(format!("{option}: the program cannot even say its version"));
                }
                continue;
            }
            let ended =
                Run::of("info(cat(\"/proc/version\")); 6 * 7").behind(["prlimit", &option, "--"]).finish();
            let document = serde_json::from_slice::<serde_json::Value>(&ended.stdout).unwrap_or_default();
            let message = document["error"]["message"].as_str().unwrap_or_default();
            match ended.code() {
                Some(0) if document["output"] == "42" => worked += 1,
                Some(71) if message.contains(&format!("RLIMIT_{} of {value}", limit.to_uppercase())) => {
                    told += 1
                }
                // EFBIG, of the first file that is written: the jail's image.
                Some(71) if *limit == "fsize" && message.contains("File too large") => told += 1,
                code => failures.push(format!(
                    "{option}: {code:?}, signal {:?}, {message:?} {}",
                    ended.signal(),
                    ended.stderr
                )),
            }
        }
    }

    assert!(failures.is_empty(), "{failures:#?}");
    assert!(worked >= 50 && told >= 20, "{worked} worked and {told} were told");
}

/// Whether this user may give the limit to a program that needs next to nothing.
fn can_be_set(option: &str) -> bool {
    let output = Command::new("prlimit").args([option, "--", "true"]).output();
    output.expect("util-linux is there").status.success()
}

/// Whether the program can be loaded and say something: what is below that is between kernel, loader and caller.
fn loads(option: &str) -> bool {
    let output = Command::new("prlimit").args([option, "--"]).arg(program::path()).arg("--version").output();
    output.expect("util-linux is there").status.success()
}
