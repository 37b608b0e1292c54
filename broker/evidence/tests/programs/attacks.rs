//! T12 and T13: is every way of changing what was sealed found, from a directory and a public key alone?

use std::fs;
use std::os::unix::fs::symlink;

use crate::place::{NAME, Place};

/// Two full tiles and a partial one, after a first checkpoint that was kept elsewhere.
const SEALED: u64 = 600;
const KEPT: u64 = 300;

/// What somebody does to the copy of a log.
pub(crate) type Attack = fn(&Place);

/// Seals other records than those that are sealed, with a key of the attacker's or with the log's own.
fn sealed_anew(place: &Place, key: &str, change: fn(&mut Vec<String>)) {
    let text = fs::read_to_string(place.path("audit.jsonl")).unwrap();
    let mut lines: Vec<String> = text.lines().map(|line| format!("{line}\n")).collect();
    change(&mut lines);
    fs::write(place.path("audit.jsonl"), lines.concat()).unwrap();
    fs::remove_dir_all(place.path("log")).unwrap();
    fs::create_dir(place.path("log")).unwrap();
    let ran = place.run("rex-audit", &["seal", "--key", key, "--log", "audit.jsonl", "log"]);
    assert_eq!(ran.status, 0, "{}", ran.errors);
}

/// Everything is made anew but for what the attacker cannot make: the signature.
fn with_the_old_checkpoint(place: &Place, change: fn(&mut Vec<String>)) {
    let checkpoint = fs::read(place.path("log/checkpoint")).unwrap();
    sealed_anew(place, "key", change);
    fs::write(place.path("log/checkpoint"), checkpoint).unwrap();
}

fn edit(place: &Place, file: &str, change: fn(&mut Vec<u8>)) {
    let path = place.path("log").join(file);
    let mut content = fs::read(&path).unwrap();
    change(&mut content);
    fs::write(path, content).unwrap();
}

fn remove(place: &Place, file: &str) {
    fs::remove_file(place.path("log").join(file)).unwrap();
}

/// Each with what is said of it. None needs more than directory and public key to be found.
pub(crate) const FOUND_ALONE: &[(&str, Attack, &str)] = &[
    ("a bit of a record", |at| edit(at, "tile/entries/000", |bytes| bytes[100] ^= 1), "record 0 "),
    (
        "a bit of a record in the last bundle",
        |at| edit(at, "tile/entries/002.p/88", |bytes| bytes[100] ^= 1),
        "record 512 ",
    ),
    ("a bit of a hash", |at| edit(at, "tile/0/001", |bytes| bytes[32] ^= 1), "record 257 "),
    ("a bit of a hash above", |at| edit(at, "tile/1/000.p/2", |bytes| bytes[0] ^= 1), "tile/1/000.p/2"),
    (
        "a bit of the signature",
        |at| {
            edit(at, "checkpoint", |bytes| {
                let end = bytes.len() - 20;
                bytes[end] = if bytes[end] == b'A' { b'B' } else { b'A' };
            })
        },
        "not signed",
    ),
    (
        "another size in the checkpoint",
        |at| {
            edit(at, "checkpoint", |bytes| {
                let text = String::from_utf8(bytes.clone()).unwrap();
                *bytes = text.replace("\n600\n", "\n599\n").into_bytes();
            })
        },
        "not signed",
    ),
    ("a byte more in a tile", |at| edit(at, "tile/0/002.p/88", |bytes| bytes.push(0)), "length"),
    ("a hash less in a tile", |at| edit(at, "tile/0/002.p/88", |bytes| bytes.truncate(87 * 32)), "length"),
    (
        "an entry more in a bundle",
        |at| edit(at, "tile/entries/002.p/88", |bytes| bytes.extend([0, 1, b'x'])),
        "damaged",
    ),
    (
        "a record less in a bundle",
        |at| {
            edit(at, "tile/entries/000", |bytes| {
                let length = usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
                bytes.drain(..length + 2);
            })
        },
        "damaged",
    ),
    ("no bundle", |at| remove(at, "tile/entries/001"), "missing"),
    ("no tile", |at| remove(at, "tile/0/000"), "missing"),
    ("no tile above", |at| remove(at, "tile/1/000.p/2"), "missing"),
    ("no checkpoint", |at| remove(at, "checkpoint"), "missing"),
    (
        "a bundle that is a link",
        |at| {
            remove(at, "tile/entries/001");
            symlink("/dev/null", at.path("log/tile/entries/001")).unwrap();
        },
        "regular",
    ),
    (
        "a directory that is a link",
        |at| {
            fs::rename(at.path("log/tile/entries"), at.path("entries")).unwrap();
            symlink(at.path("entries"), at.path("log/tile/entries")).unwrap();
        },
        "regular",
    ),
    (
        "a record exchanged, tiles made anew",
        |at| {
            with_the_old_checkpoint(at, |lines| {
                lines[400] = lines[400].replace("permit", "denies");
            })
        },
        "root",
    ),
    (
        "a record removed, tiles made anew",
        |at| with_the_old_checkpoint(at, |lines| drop(lines.remove(400))),
        "missing",
    ),
    (
        "the last record removed, tiles made anew",
        |at| with_the_old_checkpoint(at, |lines| drop(lines.pop())),
        "missing",
    ),
    (
        "a record put in, tiles made anew",
        |at| {
            with_the_old_checkpoint(at, |lines| {
                lines.insert(3, "{}\n".to_owned());
            })
        },
        "missing",
    ),
    (
        "two records in another order, tiles made anew",
        |at| with_the_old_checkpoint(at, |lines| lines.swap(5, 6)),
        "root",
    ),
    (
        "the first and the last in another order, tiles made anew",
        |at| {
            with_the_old_checkpoint(at, |lines| lines.swap(0, 599));
        },
        "root",
    ),
    (
        "sealed anew with another key of that name",
        |at| {
            at.run("rex-audit", &["init", "--name", NAME, "--key", "other-key", "other"]);
            sealed_anew(at, "other-key", |_| {});
        },
        "not signed",
    ),
    (
        "entries said to be pruned by somebody else",
        |at| {
            let forged = format!("rex-audit pruned/v1\n{NAME}\n256\n");
            let key = rex_evidence::key::SigningKey::generate(NAME, rex_evidence::key::Kind::Log).unwrap();
            let note = rex_evidence::note::Note::sign(forged, &key);
            fs::write(at.path("log/pruned"), note.to_string()).unwrap();
            remove(at, "tile/entries/000");
        },
        "pruned",
    ),
];

/// These are made by whoever holds the key, and found by who has kept a checkpoint.
pub(crate) const FOUND_BY_A_KEPT_CHECKPOINT: &[(&str, Attack, &str)] = &[
    (
        "cut back to an older checkpoint",
        |at| sealed_anew(at, "key", |lines| lines.truncate(200)),
        "it was cut",
    ),
    (
        "a record exchanged and sealed anew",
        |at| {
            sealed_anew(at, "key", |lines| {
                lines[10] = lines[10].replace("permit", "denies");
            })
        },
        "rewritten, or forked",
    ),
    (
        "a record removed and sealed anew",
        |at| sealed_anew(at, "key", |lines| drop(lines.remove(0))),
        "rewritten, or forked",
    ),
    (
        "two records in another order, sealed anew",
        |at| sealed_anew(at, "key", |lines| lines.swap(298, 299)),
        "forked",
    ),
    (
        "a fork of the same size",
        |at| {
            sealed_anew(at, "key", |lines| {
                lines.truncate(300);
                lines[299] = "{}\n".to_owned();
            })
        },
        "rewritten, or forked",
    ),
];

pub(crate) fn place() -> Place {
    let place = Place::new();
    place.init();
    place.sealed(KEPT);
    fs::copy(place.path("log/checkpoint"), place.path("kept")).unwrap();
    place.sealed(SEALED);
    place
}

#[test]
fn t12_every_change_by_somebody_without_the_key_is_found_and_named() {
    let place = place();

    for (name, attack, expected) in FOUND_ALONE {
        let copy = place.copy();
        let before = copy.verify(&[]);
        assert_eq!(before.status, 0, "{name}, before: {}", before.errors);

        attack(&copy);

        let after = copy.verify(&[]);
        assert_eq!(after.status, 1, "{name}: {}{}", after.output, after.errors);
        assert!(after.errors.contains(expected), "{name}: {}", after.errors);
        assert_eq!(after.output, "", "{name}");
    }
}

#[test]
fn t12_what_the_holder_of_the_key_cuts_rewrites_or_forks_is_found_by_a_kept_checkpoint() {
    let place = place();

    for (name, attack, expected) in FOUND_BY_A_KEPT_CHECKPOINT {
        let copy = place.copy();
        let before = copy.verify(&["--older", "kept"]);
        assert_eq!(before.status, 0, "{name}, before: {}", before.errors);

        attack(&copy);

        // Alone it is a log like any other, which is why checkpoints have to be kept.
        let alone = copy.verify(&[]);
        assert_eq!(alone.status, 0, "{name}: {}", alone.errors);
        let after = copy.verify(&["--older", "kept"]);
        assert_eq!(after.status, 1, "{name}: {}{}", after.output, after.errors);
        assert!(after.errors.contains(expected), "{name}: {}", after.errors);
    }
}

#[test]
fn t12_a_record_file_that_was_changed_since_is_found() {
    let place = place();
    let text = fs::read_to_string(place.path("audit.jsonl")).unwrap();
    assert_eq!(place.verify(&["--log", "audit.jsonl"]).status, 0);

    for changed in [
        text.replacen("app-77.log", "app-78.log", 1),
        text[..text.len() - 1].to_owned(),
        text.lines().skip(1).map(|line| format!("{line}\n")).collect(),
        String::new(),
    ] {
        fs::write(place.path("audit.jsonl"), changed).unwrap();

        let ran = place.verify(&["--log", "audit.jsonl"]);
        assert_eq!(ran.status, 1, "{}", ran.output);
        // And it is not sealed any further.
        assert_eq!(place.seal().status, 1);
    }
    fs::write(place.path("audit.jsonl"), format!("{text}more\n")).unwrap();
    assert!(place.verify(&["--log", "audit.jsonl"]).output.contains("1 lines that are not sealed yet"));
}

#[test]
fn t12_no_bit_of_a_sealed_log_can_be_changed() {
    let place = Place::new();
    place.init();
    place.sealed(2);
    let key = fs::read_to_string(place.path("log.vkey")).unwrap();
    let known = rex_evidence::verify::Knowledge {
        key: rex_evidence::key::VerifierKey::parse(&key).unwrap(),
        older: vec![],
        witnesses: vec![],
        log: None,
    };
    let holds = || {
        let directory = rex_evidence::directory::Directory::open(&place.path("log")).unwrap();
        rex_evidence::verify::verify(&directory, &known).is_ok()
    };

    assert!(holds());
    for file in ["checkpoint", "tile/0/000.p/2", "tile/entries/000.p/2"] {
        let path = place.path("log").join(file);
        let content = fs::read(&path).unwrap();
        for at in 0..content.len() {
            for bit in 0..8 {
                let mut changed = content.clone();
                changed[at] ^= 1 << bit;
                fs::write(&path, changed).unwrap();
                assert!(!holds(), "bit {bit} of byte {at} of {file}");
            }
            fs::write(&path, &content[..at]).unwrap();
            assert!(!holds(), "{file} cut to {at} bytes");
        }
        fs::write(&path, &content).unwrap();
    }
    assert!(holds());
}

// T13: "verify on a machine with no broker, no network, from a directory + vkey".
#[test]
fn t13_a_directory_and_a_public_key_are_all_that_is_read() {
    let place = place();
    let key = fs::read_to_string(place.path("log.vkey")).unwrap();
    for gone in ["audit.jsonl", "key", "log.vkey", "kept"] {
        fs::remove_file(place.path(gone)).unwrap();
    }
    let trace = place.path("trace");
    let program = env!("CARGO_BIN_EXE_rex-verify");

    let ran = place.run("rex-verify", &["log", "--vkey", key.trim()]);
    assert_eq!(ran.status, 0, "{}", ran.errors);

    // Where strace is there, it is seen in the system calls: nothing is written, connected to or started.
    let calls = "trace=execve,socket,connect,openat,open,openat2,unlink,unlinkat,rename,renameat,renameat2,mkdir,mkdirat";
    let traced = std::process::Command::new("strace")
        .args(["-f", "-e", calls, "-o"])
        .arg(&trace)
        .args([program, "log", "--vkey", key.trim()])
        .current_dir(&place.0)
        .output();
    let Ok(traced) = traced.as_ref().map(|output| output.status.success()) else {
        eprintln!("SKIPPED: the system calls of rex-verify, because there is no strace");
        return;
    };
    assert!(traced);
    let trace = fs::read_to_string(trace).unwrap();
    let programs = trace.lines().filter(|line| line.contains("execve(")).count();
    assert_eq!(programs, 1, "{trace}");
    for call in ["socket(", "connect(", "unlink", "rename", "mkdir", "O_WRONLY", "O_RDWR", "O_CREAT"] {
        assert!(!trace.contains(call), "{call} in {trace}");
    }
}
