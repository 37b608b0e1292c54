//! Copying content from file to file.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::time::{Duration, Instant, SystemTime};

use rex_broker::run::session::RunEnd;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{Copy, OpenFile};
use rex_tests::session::{ALLOW_ALL, READ_WRITE, Session};
use rex_tests::tree::{ORDINARY_USER, is_root, with_mounts};

use super::writing::{copy, looks, names, open, open_as, open_through, write};

#[test]
fn permitted() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "content");
    session.tree.file("b", "");
    let (from, to) = (open_as(&mut session, "a", true, false), open(&mut session, "b"));

    let copied = copy(&mut session, from, to, false).unwrap();

    assert_eq!((copied.bytes, session.records.done()[0].bytes), (7, 7));
    assert_eq!(session.questions(), ["permit read File ~/a", "permit write File ~/b"]);
    assert_eq!(fs::read(session.path("b")).unwrap(), b"content");
    // The number goes on to mean the file of that name.
    assert_eq!(session.read(to, 0, 10).unwrap().bytes.as_slice(), b"content");
    assert_eq!(names(&session, ""), ["a", "b"]);
}

#[test]
fn denied() {
    for (action, asked) in [("read", 1), ("write", 2)] {
        let mut session = Session::with_policy(&format!(
            r#"permit(principal, action, resource);
            forbid(principal, action == file_system::Action::"{action}", resource);"#
        ));
        session.tree.file("a", "content");
        session.tree.file("b", "");
        let (from, to) = (open(&mut session, "a"), open(&mut session, "b"));
        let before = session.tree.picture();

        assert!(copy(&mut session, from, to, true).unwrap_err().is_denial());

        assert_eq!(session.questions().len(), asked);
        assert_eq!(session.tree.picture(), before);
    }
}

// spec, 10: "Not `force` and dst size > 0 → `DestinationFileNotEmptyError`."
#[test]
fn what_has_content_is_overwritten_only_when_it_is_said() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "new");
    session.tree.file("b", "much longer");
    let (from, to) = (open(&mut session, "a"), open(&mut session, "b"));

    let failure = copy(&mut session, from, to, false).unwrap_err().failure();
    assert_eq!(failure.kind, ErrorKind::DestinationFileNotEmptyError);
    let expected = format!("Destination file not empty: File: {}, Size: 11 bytes", session.text("b"));
    assert_eq!(failure.message.as_str(), expected);
    assert_eq!(fs::read(session.path("b")).unwrap(), b"much longer");

    for _ in 0..2 {
        copy(&mut session, from, to, true).unwrap();
        assert_eq!(fs::read(session.path("b")).unwrap(), b"new");
    }
}

#[test]
fn the_source_has_to_be_readable_and_the_destination_writable() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "content");
    session.tree.file("b", "");
    let (read, written) = (open_as(&mut session, "a", true, false), open_as(&mut session, "b", false, true));

    let failure = copy(&mut session, written, read, true).unwrap_err().failure();
    assert_eq!(failure.kind, ErrorKind::InvalidFileMode);
    assert!(failure.message.as_str().contains("read option"));
    let failure = copy(&mut session, read, read, true).unwrap_err().failure();
    assert_eq!(failure.kind, ErrorKind::InvalidFileMode);
    assert!(failure.message.as_str().contains("write option"));
    // A destination that may not be read gets its content all the same, and still may not be read.
    copy(&mut session, read, written, false).unwrap();
    assert_eq!(session.read(written, 0, 1).unwrap_err().kind(), Some(ErrorKind::InvalidFileMode));
}

#[test]
fn a_file_is_not_copied_onto_itself() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "content");
    session.tree.hard_link("a", "b");
    session.services.host.hard_links = true;
    let (a, again, alias) = (open(&mut session, "a"), open(&mut session, "a"), open(&mut session, "b"));

    for to in [a, again, alias] {
        let refused = copy(&mut session, a, to, true).unwrap_err();
        assert_eq!(refused.kind(), Some(ErrorKind::InvalidArguments));
    }
    assert_eq!(fs::read(session.path("a")).unwrap(), b"content");
}

// Rex: "files reporting size 0 (e.g. in /proc) copy as empty".
#[test]
fn files_without_a_size_are_copied_to_their_end() {
    for name in ["version", "kallsyms"] {
        let mut session = Session::with_policy(ALLOW_ALL);
        session.tree.file("b", "");
        let expected = fs::read(format!("/proc/{name}")).unwrap();
        let dir = session.open_dir("/proc").unwrap();
        let from = session.open_file(dir, name).unwrap();
        let to = open(&mut session, "b");

        copy(&mut session, from, to, false).unwrap();

        assert!(fs::read(session.path("b")).unwrap() == expected, "{name}");
    }
}

#[test]
fn holes_stay_holes() {
    for place in ["a", "hard"] {
        let mut session = Session::with_policy(ALLOW_ALL);
        let path = session.tree.file("source", "");
        let mut source = fs::File::options().write(true).open(&path).unwrap();
        for at in [0_u64, 1 << 20, (1 << 31) - 5] {
            source.seek(SeekFrom::Start(at)).unwrap();
            source.write_all(b"data").unwrap();
        }
        source.set_len(3 << 30).unwrap();
        session.tree.file(place, "x".repeat(100_000));
        if place == "hard" {
            // With a second name the destination is written in place.
            session.tree.hard_link("hard", "other");
            session.services.host.hard_links = true;
        }
        let (from, to) = (open_as(&mut session, "source", true, false), open(&mut session, place));

        let begun = Instant::now();
        let copied = copy(&mut session, from, to, true).unwrap();

        assert_eq!(copied.bytes, 3 << 30);
        let metadata = session.path(place).metadata().unwrap();
        assert_eq!(metadata.size(), 3 << 30);
        assert!(metadata.blocks() * 512 < 10 << 20, "{}", metadata.blocks());
        let mut same = std::process::Command::new("cmp");
        for range in [0_u64, (1 << 20) - 10, (1 << 31) - 100] {
            let range = format!("--ignore-initial={range}");
            let status = same.args([&range, "--bytes=200000"]).arg(&path).arg(session.path(place)).status();
            assert!(status.unwrap().success(), "{place}");
            same = std::process::Command::new("cmp");
        }
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
}

#[test]
fn owner_and_mode_of_the_destination_stay() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let (a, b) = (session.tree.file("a", "content"), session.tree.file("b", ""));
    fs::set_permissions(&a, fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&b, fs::Permissions::from_mode(0o604)).unwrap();
    if is_root() {
        chown(&b, Some(ORDINARY_USER), Some(ORDINARY_USER)).unwrap();
    }
    let before = looks(&b);
    let (from, to) = (open(&mut session, "a"), open(&mut session, "b"));

    copy(&mut session, from, to, false).unwrap();

    assert_eq!(looks(&b), before);
}

// Rex: "`preserve`: mode, and times — but access and modification time are swapped"; "owner is never preserved".
#[test]
fn mode_and_times_of_the_source_are_kept_when_it_is_said() {
    for links in [1, 2] {
        let mut session = Session::with_policy(ALLOW_ALL);
        let (a, b) = (session.tree.file("a", "content"), session.tree.file("b", ""));
        fs::set_permissions(&a, fs::Permissions::from_mode(0o4751)).unwrap();
        let [accessed, modified] =
            [1_000_000_000, 1_100_000_000].map(|s| SystemTime::UNIX_EPOCH + Duration::new(s, 7));
        let times = fs::FileTimes::new().set_accessed(accessed).set_modified(modified);
        fs::File::options().write(true).open(&a).unwrap().set_times(times).unwrap();
        if links == 2 {
            session.tree.hard_link("b", "c");
            session.services.host.hard_links = true;
        }
        if is_root() {
            chown(&b, Some(ORDINARY_USER), None).unwrap();
        }
        let (from, to) = (open(&mut session, "a"), open(&mut session, "b"));

        session.send(Copy { from, to, force: false, preserve: true }).unwrap();

        let metadata = b.metadata().unwrap();
        assert_eq!((metadata.accessed().unwrap(), metadata.modified().unwrap()), (accessed, modified));
        // What runs as the source's owner does not run as somebody else.
        let (mode, user) = if is_root() { (0o751, ORDINARY_USER) } else { (0o751, metadata.uid()) };
        assert_eq!((metadata.mode() & 0o7777, metadata.uid()), (mode, user));
        assert_eq!(fs::read(&b).unwrap(), b"content");
    }
}

// Documented: where another inode would change more than the content, the destination keeps its own.
#[test]
fn a_destination_with_several_names_or_none_is_written_in_place() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.services.host.hard_links = true;
    session.tree.file("a", "new");
    let b = session.tree.file("b", "something longer");
    session.tree.hard_link("b", "c");
    let gone = session.tree.file("gone", "old");
    let (from, to) = (open(&mut session, "a"), open(&mut session, "b"));
    let to_gone = open(&mut session, "gone");
    fs::remove_file(&gone).unwrap();
    let inode = b.metadata().unwrap().ino();

    copy(&mut session, from, to, true).unwrap();
    copy(&mut session, from, to_gone, true).unwrap();

    assert_eq!(b.metadata().unwrap().ino(), inode);
    assert_eq!(fs::read(session.path("c")).unwrap(), b"new");
    assert_eq!(session.read(to_gone, 0, 10).unwrap().bytes.as_slice(), b"new");
    assert_eq!(names(&session, ""), ["a", "b", "c"]);
}

#[test]
fn through_a_link_the_target_is_written_and_not_the_link() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "new");
    session.tree.file("dir/target", "");
    session.tree.link("dir/target", "link");
    let (from, to) = (open(&mut session, "a"), open_through(&mut session, "link"));

    copy(&mut session, from, to, false).unwrap();
    copy(&mut session, from, to, true).unwrap();

    assert!(session.path("link").symlink_metadata().unwrap().is_symlink());
    assert_eq!(fs::read(session.path("dir/target")).unwrap(), b"new");
    assert_eq!(names(&session, "dir"), ["target"]);
}

// Content crosses file systems in the broker; a destination that is a mount point keeps its inode.
#[test]
fn other_file_systems_and_mount_points_get_content_too() {
    if !is_root() {
        return;
    }
    with_mounts(|| {
        let content: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 241) as u8).collect();
        let mut session = Session::with_policy(ALLOW_ALL);
        session.tree.file("a", &content);
        session.tree.mount_new("tmpfs", "mnt");
        session.tree.file("mnt/b", "");
        let other = session.tree.file("mnt/other", "");
        session.tree.mount_bind(&other, "mount_point");
        let from = open(&mut session, "a");
        let text = session.text("mnt");
        let mnt = session.open_dir(&text).unwrap();
        let request = OpenFile { mode: READ_WRITE, ..session.opening_file(mnt, "b") };
        let to = request.id;
        session.send(request).unwrap();
        let at_mount = open(&mut session, "mount_point");

        copy(&mut session, from, to, false).unwrap();
        copy(&mut session, from, at_mount, false).unwrap();

        assert!(fs::read(session.path("mnt/b")).unwrap() == content);
        assert!(fs::read(&other).unwrap() == content);
    });
}

// A setting of the kernel has no directory in which anything new could be made.
#[test]
fn a_setting_can_be_a_destination() {
    if !is_root() {
        return;
    }
    let mut session = Session::with_policy(ALLOW_ALL);
    let value = fs::read("/proc/sys/kernel/hostname").unwrap();
    session.tree.file("a", &value);
    let from = open(&mut session, "a");
    let dir = session.open_dir("/proc/sys/kernel").unwrap();
    let request = OpenFile { mode: READ_WRITE, ..session.opening_file(dir, "hostname") };
    let to = request.id;
    if session.send(request).is_err() {
        rex_tests::skip::skipped("/proc/sys cannot be written here");
        return;
    }

    copy(&mut session, from, to, false).unwrap();

    assert_eq!(fs::read("/proc/sys/kernel/hostname").unwrap(), value);
}

#[test]
fn copied_bytes_have_a_limit_and_nothing_is_left_of_the_rest() {
    let mut session = Session::with_limits(ALLOW_ALL, |limits| limits.max_write_bytes = 1_500_000);
    session.tree.file("a", vec![b'x'; 3_000_000]);
    session.tree.file("b", "old");
    let (from, to) = (open(&mut session, "a"), open(&mut session, "b"));

    let end = copy(&mut session, from, to, true).unwrap_err().end();

    assert!(matches!(&end, RunEnd::Limit(limit) if limit.name == "max-write-bytes"), "{end:?}");
    assert_eq!(fs::read(session.path("b")).unwrap(), b"old");
    assert_eq!(names(&session, ""), ["a", "b"]);
}

// Whoever waits for the end of a run need not wait for the end of a copy.
#[test]
fn a_copy_ends_with_the_time_of_the_run() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "");
    let content = vec![b'x'; 1 << 20];
    let mut big = fs::File::options().write(true).open(session.path("a")).unwrap();
    for _ in 0..256 {
        big.write_all(&content).unwrap();
    }
    session.tree.file("b", "old");
    let (from, to) = (open_as(&mut session, "a", true, false), open(&mut session, "b"));

    let request = Copy { from, to, force: true, preserve: false };
    let begun = Instant::now();
    let (end, _) = session.serve_until(Duration::from_millis(20), |peer| peer.call(vec![request.into()]));

    assert!(matches!(end, RunEnd::Deadline), "{end:?}");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(fs::read(session.path("b")).unwrap(), b"old");
    assert_eq!(names(&session, ""), ["a", "b"]);
}

// After a copy each handle can go on: the number of the destination means the new file.
#[test]
fn a_copied_file_can_be_written_again() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "1");
    session.tree.file("b", "");
    let (from, to) = (open(&mut session, "a"), open(&mut session, "b"));
    let other = open(&mut session, "b");

    copy(&mut session, from, to, false).unwrap();
    write(&mut session, to, super::writing::REPLACE, b"2").unwrap();
    write(&mut session, other, super::writing::REPLACE, b"3").unwrap();
    write(&mut session, to, rex_ipc::file_system::WriteHow::Append, b"4").unwrap();

    // The last one went to the file that `to` had become, which has no name any more.
    assert_eq!(fs::read(session.path("b")).unwrap(), b"3");
}
