//! Is everything that can be wrong around a log an error that says what, with nothing lost?

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::place::{NAME, Place};

fn place() -> Place {
    let place = Place::new();
    place.init();
    place.sealed(300);
    place
}

/// Sealing ends with a status and a message, and what is sealed stays.
fn refused(place: &Place, status: i32, expected: &str) {
    let ran = place.seal();
    assert_eq!(ran.status, status, "{expected}: {}{}", ran.output, ran.errors);
    assert!(ran.errors.contains(expected), "{expected}: {}", ran.errors);
}

#[test]
fn keys_that_are_missing_open_to_others_or_damaged_are_refused() {
    let place = place();
    let key = place.path("key");
    let text = fs::read_to_string(&key).unwrap();

    fs::set_permissions(&key, Permissions::from_mode(0o640)).unwrap();
    refused(&place, 78, "chmod 600 key");
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    for (content, expected) in [
        ("", "no signing key"),
        (&text[..text.len() - 9], "no signing key"),
        (text.trim_start_matches("PRIVATE+KEY+"), "no signing key"),
        (&text.replace(NAME, "another.example"), "the id is not that of name and key"),
        ("\0\u{1b}[2J", "no signing key"),
    ] {
        fs::write(&key, content).unwrap();
        let ran = place.seal();
        assert_eq!(ran.status, 78, "{}", ran.errors);
        assert!(ran.errors.contains(expected), "{expected}: {}", ran.errors);
        let seed = text.trim_end().rsplit('+').next().unwrap();
        assert!(!ran.errors.contains(seed) && !ran.errors.contains('\u{1b}'), "{}", ran.errors);
    }
    fs::remove_file(&key).unwrap();
    refused(&place, 74, "cannot read the key key: No such file");
    fs::write(place.path("elsewhere"), &text).unwrap();
    symlink("elsewhere", &key).unwrap();
    refused(&place, 74, "cannot read the key key");
    fs::remove_file(&key).unwrap();
    fs::create_dir(&key).unwrap();
    refused(&place, 78, "the key key is no regular file");
    fs::remove_dir(&key).unwrap();

    let ran = place.run("rex-audit", &["init", "--name", NAME, "--key", "key", "other"]);
    assert_eq!(ran.status, 0, "{}", ran.errors);
    refused(&place, 1, "the checkpoint is not signed by");
    assert_eq!(place.verify(&[]).status, 0);
}

#[test]
fn a_new_key_takes_nothing_from_an_old_one() {
    let place = place();
    let key = fs::read(place.path("key")).unwrap();
    assert_eq!(fs::metadata(place.path("key")).unwrap().permissions().mode() & 0o777, 0o600);

    let again = place.run("rex-audit", &["init", "--name", NAME, "--key", "key", "other"]);
    let sealed_already = place.run("rex-audit", &["init", "--name", NAME, "--key", "new-key", "log"]);
    let odd = place.run("rex-audit", &["init", "--name", "with space", "--key", "new-key", "other"]);

    assert_eq!((again.status, sealed_already.status, odd.status), (74, 78, 78));
    assert!(again.errors.contains("File exists"), "{}", again.errors);
    assert!(!place.path("new-key").exists());
    assert_eq!(fs::read(place.path("key")).unwrap(), key);
}

#[test]
fn directories_that_others_may_write_to_are_exchanged_or_missing_are_refused() {
    let place = place();
    let log = place.path("log");
    place.records(400);

    fs::set_permissions(&log, Permissions::from_mode(0o770)).unwrap();
    refused(&place, 78, "chmod go-w log");
    fs::set_permissions(&log, Permissions::from_mode(0o750)).unwrap();

    // A directory of tiles that leads elsewhere takes nothing.
    fs::rename(place.path("log/tile"), place.path("tile")).unwrap();
    symlink(place.path("tile"), place.path("log/tile")).unwrap();
    refused(&place, 1, "no regular file");
    assert!(!place.path("tile/entries/001.p/144").exists());
    fs::remove_file(place.path("log/tile")).unwrap();
    fs::rename(place.path("tile"), place.path("log/tile")).unwrap();

    // So does a name that a tile is to get.
    fs::write(place.path("victim"), "mine").unwrap();
    fs::create_dir(place.path("log/tile/entries/001.p/144")).unwrap();
    refused(&place, 74, "cannot write log/tile/entries/001.p/144");
    fs::remove_dir(place.path("log/tile/entries/001.p/144")).unwrap();
    symlink(place.path("victim"), place.path("log/tile/entries/001.p/144")).unwrap();
    symlink(place.path("victim"), place.path("log/tile/entries/001.p/.144.new")).unwrap();
    assert_eq!(place.verify(&[]).status, 0);
    assert_eq!(place.seal().status, 0);
    assert_eq!(fs::read_to_string(place.path("victim")).unwrap(), "mine");
    assert_eq!(place.verify(&[]).status, 0);

    fs::rename(&log, place.path("away")).unwrap();
    refused(&place, 74, "cannot open log: No such file");
    fs::write(&log, "").unwrap();
    refused(&place, 74, "cannot open log: Not a directory");
}

#[test]
fn record_files_that_are_none_are_refused() {
    let place = place();
    let log = place.path("audit.jsonl");

    fs::rename(&log, place.path("away")).unwrap();
    refused(&place, 74, "cannot open audit.jsonl: No such file");
    symlink("away", &log).unwrap();
    refused(&place, 74, "cannot open audit.jsonl");
    fs::remove_file(&log).unwrap();
    fs::create_dir(&log).unwrap();
    refused(&place, 78, "audit.jsonl is no regular file");
    fs::remove_dir(&log).unwrap();
    let made = place.run("mkfifo", &["audit.jsonl"]);
    assert_eq!(made.status, 0, "{}", made.errors);
    refused(&place, 78, "audit.jsonl is no regular file");
    fs::remove_file(&log).unwrap();
    fs::write(&log, "").unwrap();
    refused(&place, 1, "300 records are sealed, and audit.jsonl has only 0");
    fs::rename(place.path("away"), &log).unwrap();
    assert_eq!(place.seal().status, 0);
    assert_eq!(place.verify(&[]).status, 0);
}

#[test]
fn an_empty_file_is_nothing_to_seal_and_no_log_yet() {
    let place = Place::new();
    place.init();
    fs::write(place.path("audit.jsonl"), "{\"torn").unwrap();

    let ran = place.seal();

    assert_eq!((ran.status, ran.output.as_str()), (0, "nothing to seal: there is no record yet\n"));
    assert_eq!(place.verify(&[]).status, 1);
}

#[test]
fn checkpoints_that_are_damaged_or_huge_end_everything() {
    let place = place();
    for content in [vec![], vec![0; 10], vec![b'\n'; 100], vec![b'x'; 2 << 20]] {
        fs::write(place.path("log/checkpoint"), &content).unwrap();
        assert_eq!(place.seal().status, 1);
        assert_eq!(place.verify(&[]).status, 1);
    }
}

// A file system of a few pages, which root alone can make.
#[test]
fn a_full_disk_leaves_what_was_sealed() {
    let place = place();
    let full = place.path("full");
    fs::create_dir(&full).unwrap();
    let script = "mount -t tmpfs -o size=300k,mode=750 tmpfs full && cp -r log/. full && \
        \"$0\" seal --key key --log more full; status=$?; \"$1\" full --vkey-file log.vkey; echo $status $?; \
        rm -f full/filler; umount full";
    let lines: String = (0..3000).map(crate::place::record).collect();
    fs::write(place.path("more"), lines).unwrap();
    let programs = [env!("CARGO_BIN_EXE_rex-audit"), env!("CARGO_BIN_EXE_rex-verify")];

    let ran = place.run("unshare", &["-m", "sh", "-c", script, programs[0], programs[1]]);

    if ran.output.is_empty() {
        eprintln!("SKIPPED: a full disk, because no file system can be mounted: {}", ran.errors.trim());
        return;
    }
    assert!(ran.errors.contains("No space left on device"), "{}", ran.errors);
    assert!(ran.output.contains("verified: 300 records") && ran.output.ends_with("74 0\n"), "{}", ran.output);
}

#[test]
fn a_disk_that_cannot_be_written_to_is_named_and_can_be_verified() {
    let place = place();
    fs::create_dir(place.path("fixed")).unwrap();
    place.records(400);
    let script = "mount -t tmpfs -o mode=750 tmpfs fixed && cp -r log/. fixed && mount -o remount,ro fixed && \
        \"$0\" seal --key key --log audit.jsonl fixed; status=$?; \"$1\" fixed --vkey-file log.vkey; echo $status $?; umount fixed";
    let programs = [env!("CARGO_BIN_EXE_rex-audit"), env!("CARGO_BIN_EXE_rex-verify")];

    let ran = place.run("unshare", &["-m", "sh", "-c", script, programs[0], programs[1]]);

    if ran.output.is_empty() {
        eprintln!("SKIPPED: a read-only disk, because no file system can be mounted: {}", ran.errors.trim());
        return;
    }
    assert!(ran.errors.contains("Read-only file system"), "{}", ran.errors);
    assert!(ran.output.contains("verified: 300 records") && ran.output.ends_with("74 0\n"), "{}", ran.output);
}

#[test]
fn wrong_command_lines_say_so() {
    let place = place();
    for arguments in [
        &[][..],
        &["unknown"],
        &["seal", "log"],
        &["seal", "--key"],
        &["seal", "--key", "key", "--key", "key", "--log", "audit.jsonl", "log"],
        &["seal", "--key", "key", "--log", "audit.jsonl", "--vkey", "x", "log"],
        &["seal", "--key", "key", "--log", "audit.jsonl", "--follow", "often", "log"],
        &["prove", "log", "--vkey-file", "log.vkey"],
        &["prove", "log", "-1", "--vkey-file", "log.vkey"],
        &["prove", "log", "1"],
        &["prove", "log", "1", "2", "--vkey-file", "log.vkey"],
        &["verify", "log", "--vkey-file", "log.vkey", "--vkey", "x"],
    ] {
        let ran = place.run("rex-audit", arguments);
        assert_eq!(ran.status, 64, "{arguments:?}: {}{}", ran.output, ran.errors);
        assert!(ran.errors.ends_with("Try 'rex-audit --help'.\n"), "{}", ran.errors);
    }
    assert_eq!(place.run("rex-verify", &["log"]).status, 64);
    assert_eq!(place.run("rex-verify", &["log", "--vkey", "no+key"]).status, 78);
    for program in ["rex-audit", "rex-verify"] {
        let help = place.run(program, &["--help"]);
        assert_eq!(help.status, 0);
        assert!(help.output.contains("Examples:") && help.output.contains("Exit status:"));
        assert!(help.output.lines().all(|line| line.chars().count() <= 120));
    }
}
