//! Which logs are taken, and what happens when they cannot be written.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::PathBuf;

use super::*;
use crate::audit::AuditTarget;

fn scratch(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("rex-audit-{}-{name}", std::process::id()));
    drop(fs::remove_file(&path));
    path
}

#[test]
fn a_new_log_is_ours_alone_and_is_appended_to() {
    let path = scratch("new");
    for _ in 0..2 {
        let mut journal = journal_on(Log::at(&path).unwrap());
        journal.note(&end()).unwrap();
    }

    let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    let text = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();
    assert_eq!(mode, 0o600);
    assert_eq!(text.lines().count(), 2);
}

#[test]
fn half_a_line_of_an_earlier_run_is_not_continued() {
    let path = scratch("torn");
    let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path).unwrap();
    file.write_all(b"{\"run\":\"old\"}\n{\"run\":\"ol").unwrap();

    let mut journal = journal_on(Log::at(&path).unwrap());
    journal.note(&end()).unwrap();
    journal.note(&end()).unwrap();

    let text = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4);
    assert!(lines[2..].iter().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{text}");
}

#[test]
fn logs_that_others_could_change_are_refused() {
    let (file, link, open, named_twice) =
        (scratch("file"), scratch("link"), scratch("open"), scratch("twice"));
    for path in [&file, &open] {
        File::create(path).unwrap().set_permissions(fs::Permissions::from_mode(0o600)).unwrap();
    }
    symlink(&file, &link).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o620)).unwrap();

    let refused =
        [&link, &open, &PathBuf::from("/dev/null"), &std::env::temp_dir()].map(|path| Log::at(path).err());
    fs::hard_link(&file, &named_twice).unwrap();
    let second_name = Log::at(&file).err();

    [&file, &link, &open, &named_twice].into_iter().for_each(|path| fs::remove_file(path).unwrap());
    assert!(refused.iter().all(Option::is_some), "{refused:?}");
    assert!(matches!(second_name, Some(AuditError::Unfit { .. })), "{second_name:?}");
}

#[test]
fn a_full_disk_stops_the_run() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let log = Log::inherited(full.as_raw_fd()).unwrap();

    let error = journal_on(log).note(&end()).unwrap_err();

    assert!(matches!(&error, AuditError::Write(source) if source.raw_os_error() == Some(28)), "{error}");
}

#[test]
fn a_reader_that_went_away_stops_the_run() {
    let (reader, writer) = io::pipe().unwrap();
    let log = Log::inherited(writer.as_raw_fd()).unwrap();
    drop((reader, writer));

    let error = journal_on(log).note(&end()).unwrap_err();

    assert!(matches!(&error, AuditError::Write(source) if source.raw_os_error() == Some(32)), "{error}");
}

#[test]
fn a_reader_that_does_not_read_stops_the_run() {
    let (reader, writer) = io::pipe().unwrap();
    let mut log = Log::inherited(writer.as_raw_fd()).unwrap().impatient();

    let error = log.append(&vec![b'x'; 1 << 20]).unwrap_err();

    drop(reader);
    assert!(
        matches!(&error, AuditError::Write(source) if source.kind() == io::ErrorKind::TimedOut),
        "{error}"
    );
}

#[test]
fn a_pipe_gets_whole_lines_in_pieces_that_cannot_be_torn() {
    let (mut reader, writer) = io::pipe().unwrap();
    let mut log = Log::inherited(writer.as_raw_fd()).unwrap();
    drop(writer);
    let lines: String =
        (0..500).map(|number| format!("line {number} {}\n", "x".repeat(number % 90))).collect();
    let expected = lines.clone();

    let reading = std::thread::spawn(move || io::read_to_string(&mut reader).unwrap());
    log.append(lines.as_bytes()).unwrap();
    drop(log);

    assert_eq!(reading.join().unwrap(), expected);
}

#[test]
fn only_descriptors_that_are_open_for_writing_are_taken() {
    let path = scratch("descriptor");
    let writable = File::create(&path).unwrap();
    let readable = File::open(&path).unwrap();

    let (taken, refused) = (Log::inherited(writable.as_raw_fd()), Log::inherited(readable.as_raw_fd()));
    let closed = Log::inherited(987_654);
    // Open by now, and not when this process started.
    let own = open(&AuditTarget::Descriptor(writable.as_raw_fd()));

    fs::remove_file(&path).unwrap();
    assert!(taken.is_ok());
    assert!(matches!(refused, Err(AuditError::Unfit { .. })));
    assert!(matches!(closed, Err(AuditError::Open { .. })));
    assert!(matches!(own, Err(AuditError::Unfit { .. })));
}

#[test]
fn two_runs_do_not_tear_each_others_lines() {
    let path = scratch("shared");
    let mut journals = [journal_on(Log::at(&path).unwrap()), journal_on(Log::at(&path).unwrap())];

    for round in 0..100 {
        for journal in &mut journals {
            journal.before(&decision(&format!("/{round}"))).unwrap();
            journal.commit().unwrap();
        }
    }

    let text = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();
    assert_eq!(text.lines().filter(|line| serde_json::from_str::<Value>(line).is_ok()).count(), 200);
}
