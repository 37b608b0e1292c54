//! Does sealing go on from wherever it was ended, and does it say what is not as it was?

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::key::Kind;
use crate::verify::{Knowledge, verify};

struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Place {
        let place = std::env::temp_dir().join(format!("rex-evidence-{name}-{}", std::process::id()));
        fs::remove_dir_all(&place).ok();
        fs::create_dir_all(place.join("log")).unwrap();
        Place(place)
    }

    fn directory(&self) -> Directory {
        Directory::open_to_write(&self.0.join("log")).unwrap()
    }

    fn write_records(&self, count: u64) -> PathBuf {
        let path = self.0.join("audit.jsonl");
        let lines: String = (0..count).map(|number| format!("{{\"seq\":{number}}}\n")).collect();
        fs::write(&path, lines).unwrap();
        path
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn key() -> SigningKey {
    SigningKey::from_seed("example.org/audit", Kind::Log, [9; 32]).unwrap()
}

fn verified(place: &Place) -> u64 {
    let known = Knowledge { key: key().verifier().clone(), older: vec![], witnesses: vec![], log: None };
    verify(&Directory::open(&place.0.join("log")).unwrap(), &known).unwrap().checkpoint.size
}

#[test]
fn an_end_between_any_two_steps_leaves_the_last_checkpoint_whole_and_the_next_call_goes_on() {
    let mut ends = 0;
    for steps in 0.. {
        let place = Place::new(&format!("ends-{steps}"));
        let log = place.write_records(250);
        seal(&log, &place.directory(), &key()).unwrap();
        let log = place.write_records(520);

        let directory = place.directory();
        directory.end_after(steps);
        let outcome = seal(&log, &directory, &key());
        drop(directory);

        let size = verified(&place);
        assert!(size == 250 || size == 520, "{size} records after {steps} steps");
        let sealed = seal(&log, &place.directory(), &key()).unwrap();
        assert_eq!(sealed.checkpoint.unwrap().size, 520);
        assert_eq!(verified(&place), 520);
        if outcome.is_ok() {
            break;
        }
        ends += 1;
    }
    // Two full tiles with their entries, one partial, one of level 1, checkpoint, and what goes: three steps a file.
    assert!(ends > 20, "only {ends} places to end at were found");
}

#[test]
fn sealing_again_changes_nothing() {
    let place = Place::new("again");
    let log = place.write_records(300);
    let first = seal(&log, &place.directory(), &key()).unwrap();
    let checkpoint = fs::read(place.0.join("log/checkpoint")).unwrap();

    let again = seal(&log, &place.directory(), &key()).unwrap();

    assert_eq!((first.before, again.before), (0, 300));
    assert_eq!(again.checkpoint, first.checkpoint);
    assert_eq!(fs::read(place.0.join("log/checkpoint")).unwrap(), checkpoint);
}

#[test]
fn a_line_that_does_not_end_waits_until_it_does() {
    let place = Place::new("torn");
    let log = place.write_records(3);
    let whole = fs::read(&log).unwrap();
    fs::write(&log, [whole.as_slice(), b"{\"seq\""].concat()).unwrap();
    let directory = place.directory();
    let mut sealer = Sealer::begin(&log, &directory, &key()).unwrap();

    let torn = sealer.advance(&directory, &key()).unwrap();
    fs::write(&log, [whole.as_slice(), b"{\"seq\":3}\n"].concat()).unwrap();
    let ended = sealer.advance(&directory, &key()).unwrap();

    assert_eq!(torn.checkpoint.unwrap().size, 3);
    assert_eq!(ended.checkpoint.unwrap().size, 4);
    let tiles = TileReader::new(&directory, 4);
    assert_eq!(tiles.record(3).unwrap(), b"{\"seq\":3}");
}

#[test]
fn what_is_sealed_step_by_step_is_what_is_sealed_at_once() {
    let (one, other) = (Place::new("steps"), Place::new("once"));
    for count in [1, 2, 255, 256, 257, 511, 700] {
        seal(&one.write_records(count), &one.directory(), &key()).unwrap();
        assert_eq!(verified(&one), count);
    }
    seal(&other.write_records(700), &other.directory(), &key()).unwrap();

    let checkpoint = |place: &Place| fs::read(place.0.join("log/checkpoint")).unwrap();
    assert_eq!(checkpoint(&one), checkpoint(&other));
    // The partial tiles of what is full now are gone.
    assert!(!one.0.join("log/tile/0/000.p").exists());
    assert!(one.0.join("log/tile/0/002.p/188").exists());
}

#[test]
fn the_first_record_that_is_not_as_it_was_is_named() {
    for changed in [0_usize, 255, 256, 299] {
        let place = Place::new(&format!("changed-{changed}"));
        let log = place.write_records(300);
        seal(&log, &place.directory(), &key()).unwrap();
        let text = fs::read_to_string(&log).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let with = |line: &str| {
            let mut lines = lines.clone();
            lines[changed] = line;
            lines.join("\n") + "\n"
        };
        let without: Vec<&str> =
            lines.iter().enumerate().filter(|(at, _)| *at != changed).map(|(_, line)| *line).collect();

        for (content, expected) in [
            (with("{\"seq\":\"\"}"), format!("record {changed} ")),
            (
                without.join("\n") + "\n",
                if changed == 299 { "has only 299".into() } else { format!("record {changed} ") },
            ),
            (text[..text.len() - 1].to_owned(), "has only 299".to_owned()),
            (String::new(), "has only 0".to_owned()),
        ] {
            fs::write(&log, content).unwrap();
            let error = seal(&log, &place.directory(), &key()).unwrap_err();
            assert!(error.to_string().contains(&expected), "{error}");
            assert_eq!(error.exit_status(), 1);
        }
        assert_eq!(verified(&place), 300);
    }
}

#[test]
fn tiles_that_were_changed_or_removed_are_named() {
    for (file, content) in [
        ("tile/0/000", None),
        ("tile/0/000", Some(vec![7; 8192])),
        ("tile/0/000", Some(vec![7; 32])),
        ("tile/1/000.p/1", None),
        ("tile/1/000.p/1", Some(vec![7; 32])),
        ("tile/0/001.p/44", Some(vec![7; 44 * 32])),
    ] {
        let place = Place::new("tiles");
        let log = place.write_records(300);
        seal(&log, &place.directory(), &key()).unwrap();
        let path = place.0.join("log").join(file);
        match content {
            None => fs::remove_file(&path).unwrap(),
            Some(content) => fs::write(&path, content).unwrap(),
        }

        let error = seal(&log, &place.directory(), &key()).unwrap_err();

        assert_eq!(error.exit_status(), 1, "{error}");
        let is_named = error.to_string().contains(file) || error.to_string().contains("record ");
        assert!(is_named, "{error}");
    }
}

#[test]
fn a_long_line_is_sealed_by_its_digest_and_kept_beside() {
    let place = Place::new("long");
    let log = place.0.join("audit.jsonl");
    let long = "x".repeat(70_000);
    fs::write(&log, format!("one\n{long}\n\ntwo\n")).unwrap();

    let sealed = seal(&log, &place.directory(), &key()).unwrap();

    assert_eq!(sealed.checkpoint.unwrap().size, 4);
    assert_eq!(verified(&place), 4);
    assert_eq!(fs::read(place.0.join("log/blobs/1")).unwrap(), long.as_bytes());
    fs::write(place.0.join("log/blobs/1"), &long[1..]).unwrap();
    let known = Knowledge { key: key().verifier().clone(), older: vec![], witnesses: vec![], log: None };
    assert!(verify(&Directory::open(&place.0.join("log")).unwrap(), &known).is_err());
}

#[test]
fn a_line_that_no_record_is_is_refused_with_its_place() {
    let place = Place::new("endless");
    let log = place.0.join("audit.jsonl");
    fs::write(&log, [b"one\n".as_slice(), &vec![b'x'; records::MOST_READ_BYTES + 2]].concat()).unwrap();

    let error = seal(&log, &place.directory(), &key()).unwrap_err();

    assert!(error.to_string().contains("line 2 (byte 4)"), "{error}");
}

// T21: what is erased with its entries keeps every proof.
#[test]
fn t21_pruned_entries_are_gone_and_every_proof_holds() {
    let place = Place::new("pruned");
    let log = place.write_records(1000);
    seal(&log, &place.directory(), &key()).unwrap();
    let held = place.directory();
    let proof = crate::query::prove(&held, key().verifier(), 17).unwrap();

    let first = crate::prune::prune(&held, &key(), 700).unwrap();
    drop(held);

    assert_eq!(first, 512);
    assert_eq!(verified(&place), 1000);
    assert!(!place.0.join("log/tile/entries/000").exists());
    assert!(!place.0.join("log/tile/entries/001").exists());
    let held = Directory::open(&place.0.join("log")).unwrap();
    assert!(crate::query::prove(&held, key().verifier(), 17).is_err());
    assert_eq!(proof.check(b"{\"seq\":17}", key().verifier()).unwrap().size, 1000);
    assert!(crate::query::prove(&held, key().verifier(), 512).is_ok());
    let mut tiles = TileReader::new(&held, 1000);
    let again = crate::tree::prove_inclusion(&mut tiles, 17, 1000).unwrap();
    assert_eq!(again, proof.hashes);
    // The file with the records is another matter, and sealing goes on with it.
    drop(held);
    seal(&place.write_records(1001), &place.directory(), &key()).unwrap();
    assert_eq!(verified(&place), 1001);
}
