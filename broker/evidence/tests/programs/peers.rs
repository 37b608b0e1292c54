//! T12 by others: do verifiers that nobody here wrote accept our logs and proofs, and refuse each attack?
//!
//! `.ci/full evidence` installs them and says where they are; without that they are not asked.

use std::env;
use std::fs;
use std::path::PathBuf;

use crate::attacks::{FOUND_ALONE, FOUND_BY_A_KEPT_CHECKPOINT, place};
use crate::place::{Place, Ran, record};

/// A verifier by its name, with what it is called by.
struct Peer {
    name: &'static str,
    command: Vec<String>,
}

/// Go's packages `note` and `tlog`, and the Python packages of `peers/requirements.txt`.
fn peers() -> Option<[Peer; 2]> {
    let (Ok(go), Ok(python)) = (env::var("REX_EVIDENCE_GO_PEER"), env::var("REX_EVIDENCE_PYTHON")) else {
        eprintln!("SKIPPED: other verifiers, because .ci/full evidence has not said where they are");
        return None;
    };
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/peers/peer.py").display().to_string();
    let go = Peer { name: "Go's sumdb packages", command: vec![go] };
    let python = Peer { name: "aics-tlog, dnsid and aics-witness", command: vec![python, script] };
    Some([go, python])
}

impl Peer {
    fn run(&self, place: &Place, arguments: &[&str]) -> Ran {
        let all: Vec<&str> =
            self.command[1..].iter().map(String::as_str).chain(arguments.iter().copied()).collect();
        place.run(&self.command[0], &all)
    }

    fn log(&self, place: &Place, older: Option<&str>) -> Ran {
        let key = fs::read_to_string(place.path("log.vkey")).unwrap();
        let command: &[&str] = if self.command.len() > 1 { &["log"] } else { &[] };
        self.run(place, &[command, &["log", key.trim()], older.as_slice()].concat())
    }
}

/// What they accept, because the records are whole: others follow links, and the Python package cuts what is too long.
const NOT_THEIRS: [(&str, &str); 2] =
    [("a directory that is a link", ""), ("a byte more in a tile", "aics-tlog, dnsid and aics-witness")];

#[test]
fn t12_other_verifiers_accept_logs_of_all_sizes() {
    let Some(peers) = peers() else { return };
    let place = Place::new();
    place.init();
    let mut older = None;

    for size in [1, 2, 3, 255, 256, 257, 511, 512, 700, 1000] {
        place.sealed(size);
        for peer in &peers {
            let ran = peer.log(&place, older);
            assert_eq!(ran.status, 0, "{size}, {}: {}", peer.name, ran.errors);
            assert_eq!(ran.output, format!("accepted: {size}\n"));
        }
        fs::copy(place.path("log/checkpoint"), place.path("kept")).unwrap();
        older = Some("kept");
    }
}

#[test]
fn t12_other_verifiers_refuse_each_attack() {
    let Some(peers) = peers() else { return };
    let place = place();

    for peer in &peers {
        for (name, attack, _) in FOUND_ALONE {
            let copy = place.copy();
            assert_eq!(peer.log(&copy, None).status, 0, "{name}, before, {}", peer.name);
            attack(&copy);
            let ran = peer.log(&copy, None);
            let is_theirs = |(other, by): &(&str, &str)| other == name && (by.is_empty() || *by == peer.name);
            if NOT_THEIRS.iter().any(is_theirs) {
                assert_eq!(ran.status, 0, "{name}, {}: {}", peer.name, ran.errors);
                continue;
            }
            assert_eq!(ran.status, 1, "{name}, {}: {}", peer.name, ran.output);
            assert!(ran.errors.starts_with("refused: "), "{name}, {}: {}", peer.name, ran.errors);
        }
        for (name, attack, _) in FOUND_BY_A_KEPT_CHECKPOINT {
            let copy = place.copy();
            assert_eq!(peer.log(&copy, Some("kept")).status, 0, "{name}, before, {}", peer.name);
            attack(&copy);
            assert_eq!(peer.log(&copy, None).status, 0, "{name}, alone, {}", peer.name);
            let ran = peer.log(&copy, Some("kept"));
            assert_eq!(ran.status, 1, "{name}, {}: {}", peer.name, ran.output);
            assert!(ran.errors.starts_with("refused: "), "{name}, {}: {}", peer.name, ran.errors);
        }
    }
}

#[test]
fn t12_another_verifier_accepts_our_proofs_and_refuses_changed_ones() {
    let Some([_, python]) = peers() else { return };
    let place = place();
    let key = fs::read_to_string(place.path("log.vkey")).unwrap();
    let check = |file: &str, record: &str| python.run(&place, &["proof", file, record, key.trim()]);
    fs::write(place.path("other"), record(7)).unwrap();

    for index in [0_u64, 255, 256, 511, 599] {
        let ran = place.run("rex-audit", &["prove", "log", &index.to_string(), "--vkey-file", "log.vkey"]);
        assert_eq!(ran.status, 0, "{}", ran.errors);
        fs::write(place.path("proof"), &ran.output).unwrap();
        fs::write(place.path("record"), record(index)).unwrap();
        let mut hashes: Vec<&str> = ran.output.lines().collect();
        hashes.swap(3, 4);
        fs::write(place.path("swapped"), hashes.join("\n") + "\n").unwrap();
        let moved =
            ran.output.replace(&format!("index {index}\n"), &format!("index {}\n", (index + 1) % 600));
        fs::write(place.path("moved"), moved).unwrap();

        assert_eq!(
            check("proof", "record").output,
            format!("accepted: {index}\n"),
            "{}",
            check("proof", "record").errors
        );
        for (file, record) in [("proof", "other"), ("swapped", "record"), ("moved", "record")] {
            let ran = check(file, record);
            assert_eq!(ran.status, 1, "{file} {record}: {}", ran.output);
            assert!(ran.errors.starts_with("refused: "), "{}", ran.errors);
        }
    }
}

// A witness of the kind that c2sp.org/tlog-witness describes, which remembers what it has signed.
#[test]
fn t12_another_witness_signs_what_goes_on_and_refuses_what_does_not() {
    let Some([_, python]) = peers() else { return };
    let place = place();
    let key = fs::read_to_string(place.path("log.vkey")).unwrap();
    let witness = python.run(&place, &["witness-vkey"]).output;
    let ask = |at: &Place, old: u64| {
        let old = old.to_string();
        let ran = at.run("rex-audit", &["request", "log", &old, "--vkey-file", "log.vkey"]);
        assert_eq!(ran.status, 0, "{}", ran.errors);
        fs::write(at.path("body"), ran.output).unwrap();
        let database = place.path("witness.db").display().to_string();
        python.run(at, &["witness", &database, key.trim(), "body"])
    };

    let first = ask(&place, 0);
    assert_eq!(first.status, 0, "{}", first.errors);
    place.sealed(700);
    let second = ask(&place, 600);
    assert_eq!(second.status, 0, "{}", second.errors);
    fs::write(place.path("lines"), &second.output).unwrap();
    let taken = place.run(
        "rex-audit",
        &["witnessed", "log", "lines", "--vkey-file", "log.vkey", "--witness", witness.trim()],
    );
    assert_eq!(taken.status, 0, "{}", taken.errors);

    let verified = place.verify(&["--witness", witness.trim()]);
    assert_eq!(verified.status, 0, "{}", verified.errors);
    assert!(verified.output.contains("witnessed: by witness.example"), "{}", verified.output);
    for peer in peers().iter().flatten() {
        assert_eq!(peer.log(&place, None).status, 0, "{}", peer.name);
    }
    let fork = place.copy();
    fs::remove_dir_all(fork.path("log")).unwrap();
    fs::create_dir(fork.path("log")).unwrap();
    let text = fs::read_to_string(fork.path("audit.jsonl")).unwrap();
    fs::write(fork.path("audit.jsonl"), text.replace("permit", "denies") + "{}\n").unwrap();
    assert_eq!(fork.seal().status, 0);
    let refused = ask(&fork, 700);
    assert_eq!(refused.status, 1, "{}", refused.output);
    assert!(refused.errors.contains("422"), "{}", refused.errors);
    assert_eq!(fork.verify(&["--witness", witness.trim()]).status, 1);
}
