//! Proofs, questions, following and pruning, as an operator asks for them.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::place::{Place, record};

fn place() -> Place {
    let place = Place::new();
    place.init();
    place.sealed(300);
    fs::copy(place.path("log/checkpoint"), place.path("older")).unwrap();
    place.sealed(600);
    place
}

fn audit(place: &Place, arguments: &[&str]) -> (i32, String) {
    let ran = place.run("rex-audit", &[arguments, &["--vkey-file", "log.vkey"]].concat());
    (ran.status, ran.output + &ran.errors)
}

#[test]
fn a_proof_holds_for_its_record_and_for_no_other() {
    let place = place();
    for index in ["0", "255", "256", "599"] {
        let (status, proof) = audit(&place, &["prove", "log", index]);
        assert_eq!(status, 0, "{proof}");
        fs::write(place.path("proof"), &proof).unwrap();
        let line = record(index.parse().unwrap());
        fs::write(place.path("record"), &line).unwrap();
        fs::write(place.path("other"), record(7)).unwrap();

        let (status, told) = audit(&place, &["check", "proof"]);
        assert_eq!(status, 0, "{told}");
        assert!(told.contains(&format!("record {index} of 600")) && told.contains(line.trim_end()), "{told}");
        assert_eq!(audit(&place, &["check", "proof", "--record", "record"]).0, 0);
        assert_eq!(audit(&place, &["check", "proof", "--record", "other"]).0, 1);
    }
    let (status, told) = audit(&place, &["prove", "log", "600"]);
    assert_eq!(status, 78, "{told}");
    assert!(told.contains("600 are sealed"), "{told}");
}

#[test]
fn one_log_goes_on_from_the_other_and_never_back() {
    let place = place();

    assert_eq!(audit(&place, &["consistency", "log", "older", "log/checkpoint"]).0, 0);
    assert_eq!(audit(&place, &["consistency", "log", "older", "older"]).0, 0);
    let (status, told) = audit(&place, &["consistency", "log", "log/checkpoint", "older"]);
    assert_eq!(status, 1, "{told}");
    assert!(told.contains("was cut"), "{told}");
}

#[test]
fn records_are_shown_as_they_were_sealed() {
    let place = place();

    assert_eq!(audit(&place, &["show", "log", "42"]), (0, record(42)));
    let checkpoint = fs::read_to_string(place.path("log/checkpoint")).unwrap();
    assert_eq!(audit(&place, &["show", "log"]), (0, checkpoint));
    let last: String = (597..600).map(|number| format!("{number}\t{}", record(number))).collect();
    assert_eq!(audit(&place, &["tail", "log", "3"]), (0, last));
    assert_eq!(audit(&place, &["tail", "log"]).1.lines().count(), 10);
}

#[test]
fn a_record_that_was_changed_is_neither_shown_nor_proved() {
    let place = place();
    let path = place.path("log/tile/entries/000");
    let mut bundle = fs::read(&path).unwrap();
    bundle[50] ^= 1;
    fs::write(path, bundle).unwrap();

    assert_eq!(audit(&place, &["show", "log", "0"]).0, 1);
    assert_eq!(audit(&place, &["prove", "log", "0"]).0, 1);
    assert_eq!(audit(&place, &["show", "log", "1"]), (0, record(1)));
}

#[test]
fn pruned_entries_are_gone_by_the_word_of_who_holds_the_key() {
    let place = place();

    let ran = place.run("rex-audit", &["prune", "--key", "key", "--before", "300", "log"]);

    assert_eq!(ran.status, 0, "{}", ran.errors);
    let verified = place.verify(&["--older", "older"]);
    assert_eq!(verified.status, 0, "{}", verified.errors);
    assert!(
        verified.output.contains("of the records before 256 only the hashes are there"),
        "{}",
        verified.output
    );
    assert_eq!(audit(&place, &["show", "log", "255"]).0, 1);
    assert_eq!(audit(&place, &["show", "log", "256"]), (0, record(256)));
    assert_eq!(place.run("rex-audit", &["prune", "--key", "key", "--before", "601", "log"]).status, 78);
    fs::remove_file(place.path("log/pruned")).unwrap();
    assert_eq!(place.verify(&[]).status, 1);
}

#[test]
fn following_seals_what_comes_until_the_file_gets_another_name() {
    let place = Place::new();
    place.init();
    place.records(10);
    let mut follower = Command::new(env!("CARGO_BIN_EXE_rex-audit"))
        .args(["seal", "--follow", "1", "--key", "key", "--log", "audit.jsonl", "log"])
        .current_dir(&place.0)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let until = |size: u64| {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !fs::read_to_string(place.path("log/checkpoint"))
            .is_ok_and(|text| text.contains(&format!("\n{size}\n")))
        {
            assert!(Instant::now() < deadline, "{size} records were not sealed in a minute");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let mut log = OpenOptions::new().append(true).open(place.path("audit.jsonl")).unwrap();

    until(10);
    // Nobody else seals meanwhile.
    assert_eq!(place.seal().status, 78);
    log.write_all(record(10).as_bytes()).unwrap();
    until(11);
    log.write_all(record(11).as_bytes()).unwrap();
    fs::rename(place.path("audit.jsonl"), place.path("audit.jsonl.1")).unwrap();
    let ended = follower.wait().unwrap();

    assert!(ended.success());
    until(12);
    assert_eq!(place.verify(&["--log", "audit.jsonl.1"]).status, 0);
}

#[test]
fn a_file_that_is_cut_while_it_is_followed_is_named() {
    let place = Place::new();
    place.init();
    place.records(10);
    let follower = Command::new(env!("CARGO_BIN_EXE_rex-audit"))
        .args(["seal", "--follow", "1", "--key", "key", "--log", "audit.jsonl", "log"])
        .current_dir(&place.0)
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !place.path("log/checkpoint").exists() {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(20));
    }

    place.records(3);
    let ended = follower.wait_with_output().unwrap();

    assert_eq!(ended.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("was cut to"));
    assert_eq!(place.verify(&[]).status, 0);
}

// As the disk of a host that goes on: what a crash of the host leaves is tried in the unit tests of sealing.
#[test]
fn a_kill_at_any_moment_leaves_a_whole_log_and_the_next_call_goes_on() {
    let place = Place::new();
    place.init();
    place.sealed(300);
    let (mut size, mut killed) = (300, 0);

    for round in 0..40_u32 {
        size += 400;
        place.records(size);
        let mut sealer = Command::new(env!("CARGO_BIN_EXE_rex-audit"))
            .args(["seal", "--key", "key", "--log", "audit.jsonl", "log"])
            .current_dir(&place.0)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_micros(u64::from(round) * 700));
        sealer.kill().unwrap();
        killed += u32::from(!sealer.wait().unwrap().success());

        let verified = place.verify(&[]);
        assert_eq!(verified.status, 0, "{}", verified.errors);
        if round % 4 == 3 {
            assert_eq!(place.seal().status, 0);
            assert!(place.verify(&[]).output.starts_with(&format!("verified: {size} records")));
        }
    }
    assert!(killed > 0, "none was killed before its end");
}
