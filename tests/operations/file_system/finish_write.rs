//! New content takes its place: at once, or not at all.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use rex_broker::run::session::RunEnd;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{Attributes, FinishWrite, Permissions, WriteHow};
use rex_ipc::handle::{DirId, FileId};
use rex_ipc::interface::Request;
use rex_tests::session::{ALLOW_ALL, READ_WRITE, Session, WRITE};
use rex_tests::tree::{
    ORDINARY_USER, Tree, access_list, as_ordinary_user, attribute, is_root, set_attribute, with_mounts,
};

use super::writing::{
    REPLACE, begin, chunk, finish, finishing, looks, names, open, open_as, open_through, push, write,
};

const IN_PLACE: WriteHow = WriteHow::InPlace;

// spec, 10: "given the old mode, […] written, fsynced, and renamed over the name."
#[test]
fn permitted() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let path = session.tree.file("a", "old");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let file = open(&mut session, "a");
    let old_inode = path.metadata().unwrap().ino();
    let writer = begin(&mut session, file, REPLACE).unwrap();
    push(&mut session, writer, b"new").unwrap();
    session.records.clear();

    finish(&mut session, writer).unwrap();

    assert_eq!(session.outcomes(), ["finish_write done"]);
    assert_eq!(session.questions(), ["permit write File ~/a"]);
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(looks(&path).0, 0o640);
    assert_ne!(path.metadata().unwrap().ino(), old_inode);
    assert_eq!(names(&session, ""), ["a"]);
}

#[test]
fn denied() {
    let mut session = Session::with_policy(
        r#"permit(principal, action, resource);
        forbid(principal, action == file_system::Action::"chown", resource);"#,
    );
    let before = session.tree.picture();
    let root = session.root();
    let writer = super::writing::begin_file(&mut session, root, "new/file").unwrap();
    push(&mut session, writer, b"new").unwrap();
    session.records.clear();

    let user = Some(rex_ipc::file_system::NameOrNumber::Number(nix::unistd::geteuid().as_raw()));
    let attributes = Attributes { user, ..Attributes::default() };
    let refused = session.send(FinishWrite { attributes, ..finishing(writer) }).unwrap_err();

    assert!(refused.is_denial());
    assert_eq!(session.questions(), ["permit write File ~/new/file", "deny chown File ~/new/file"]);
    assert_eq!(session.tree.picture(), before);
}

// spec, 11: "`preserve_permissions`: check `chmod File`", and each entry is made as well as it may be.
#[test]
fn where_the_mode_may_not_be_set_the_file_is_made_and_no_more_open_than_was_said() {
    for said in [0o600, 0o000, 0o644, 0o755, 0o777, 0o444, 0o640] {
        let mut session = Session::with_policy(
            r#"permit(principal, action, resource);
            forbid(principal, action == file_system::Action::"chmod", resource);"#,
        );
        let root = session.root();
        let writer = super::writing::begin_file(&mut session, root, "new/file").unwrap();
        push(&mut session, writer, b"new").unwrap();
        session.records.clear();

        let attributes = Attributes { mode: Permissions::new(said), ..Attributes::default() };
        session.send(FinishWrite { attributes, ..finishing(writer) }).unwrap();

        assert_eq!(session.questions()[..2], ["permit write File ~/new/file", "deny chmod File ~/new/file"]);
        let found = u16::try_from(session.path("new/file").metadata().unwrap().mode() & 0o7777).unwrap();
        assert_eq!(found & !(said & 0o666), 0, "{said:o} gave {found:o}");
        assert_eq!(found & 0o600, said & 0o600, "{said:o} gave {found:o}");
        let line = format!("new/file is made without the mode {said:#o}: chmod is denied");
        assert_eq!(warnings(&session.document()), [session.text(&line)], "{said:o}");
    }
}

/// The lines of level WARN in a result.
fn warnings(document: &str) -> Vec<String> {
    let document: serde_json::Value = serde_json::from_str(document).unwrap();
    let logs = document["logs"].as_array().cloned().unwrap_or_default();
    let warnings = logs.iter().filter(|log| log["attributes"]["level"] == "WARN");
    warnings.map(|log| log["attributes"]["message"].as_str().unwrap_or_default().to_owned()).collect()
}

// The log is for somebody who reads it: an archive of many files is not told file by file.
#[test]
fn of_many_modes_that_may_not_be_set_the_log_names_twenty() {
    let mut session = Session::with_policy(
        r#"permit(principal, action, resource);
        forbid(principal, action == file_system::Action::"chmod", resource);"#,
    );
    let root = session.root();
    for number in 0..50 {
        let writer = super::writing::begin_file(&mut session, root, &format!("f{number}")).unwrap();
        let attributes = Attributes { mode: Permissions::new(0o640), ..Attributes::default() };
        session.send(FinishWrite { attributes, ..finishing(writer) }).unwrap();
    }

    let warnings = warnings(&session.document());

    assert_eq!(warnings.len(), 21, "{warnings:#?}");
    assert_eq!(warnings[20], "more is made without its mode, because chmod is denied");
    assert!(session.path("f49").exists());
}

// The writer is gone afterwards, whatever came of it.
#[test]
fn a_writer_is_finished_once() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "old");
    let file = open(&mut session, "a");
    let writer = begin(&mut session, file, REPLACE).unwrap();
    let attributes = Attributes { mode: Permissions::new(0o600), ..Attributes::default() };

    let refused = session.send(FinishWrite { attributes, ..finishing(writer) }).unwrap_err();
    assert_eq!(refused.errno(), Some(nix::libc::EINVAL as u16));
    let end = finish(&mut session, writer).unwrap_err().end();

    assert!(matches!(end, RunEnd::Violation(_)), "{end:?}");
}

// spec, 10: "Returns a new handle to the new inode, […] same open options […]; the old handle keeps the old inode".
#[test]
fn the_new_file_is_opened_like_the_old_one() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "old");
    for (read, write) in [(true, true), (false, true)] {
        let file = open_as(&mut session, "a", read, write);
        let old = fs::read(session.path("a")).unwrap();
        let writer = begin(&mut session, file, REPLACE).unwrap();
        push(&mut session, writer, b"newer").unwrap();
        let id = FileId(session.number());
        session.send(FinishWrite { reopen: Some(id), ..finishing(writer) }).unwrap();

        if read {
            assert_eq!(session.read(id, 0, 10).unwrap().bytes.as_slice(), b"newer");
            assert_eq!(session.read(file, 0, 10).unwrap().bytes.as_slice(), old);
        } else {
            assert_eq!(session.read(id, 0, 10).unwrap_err().kind(), Some(ErrorKind::InvalidFileMode));
        }
        super::writing::write(&mut session, id, REPLACE, b"newest").unwrap();
        assert_eq!(fs::read(session.path("a")).unwrap(), b"newest");
    }
}

// A script may go on with the handle that it has; what this run has put there is what it expects.
#[test]
fn every_handle_on_a_file_can_write_it_again() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "old");
    let one = open(&mut session, "a");
    let other = open(&mut session, "a");

    for (file, content) in [(one, "1"), (one, "2"), (other, "3"), (one, "4"), (other, "5")] {
        write(&mut session, file, REPLACE, content.as_bytes()).unwrap();
        assert_eq!(fs::read_to_string(session.path("a")).unwrap(), content);
    }

    assert_eq!(names(&session, ""), ["a"]);
}

// spec, 10: "Works after the file was deleted (re-creates it)."
#[test]
fn a_deleted_file_comes_back() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let path = session.tree.file("a", "old");
    let file = open(&mut session, "a");
    fs::remove_file(&path).unwrap();

    write(&mut session, file, REPLACE, b"new").unwrap();

    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(looks(&path).3, 1);
}

#[test]
fn a_name_that_leads_elsewhere_by_now_is_left_alone() {
    for other in ["file", "link", "dir"] {
        let mut session = Session::with_policy(ALLOW_ALL);
        let path = session.tree.file("a", "old");
        let file = open(&mut session, "a");
        let writer = begin(&mut session, file, REPLACE).unwrap();
        push(&mut session, writer, b"new").unwrap();
        fs::rename(&path, session.path("moved")).unwrap();
        match other {
            "file" => drop(session.tree.file("a", "somebody else's")),
            "link" => drop(session.tree.link("moved", "a")),
            _ => drop(session.tree.dir("a")),
        }
        let before = session.tree.picture();

        let failure = finish(&mut session, writer).unwrap_err().failure();

        assert_eq!(failure.kind, ErrorKind::FileError, "{failure:?}");
        assert_eq!(session.tree.picture(), before, "{other}");
    }
}

// Rex, 16, Q6: "Atomic write through a followed link replaces the link, though write was authorized for the target".
#[test]
fn through_a_link_the_target_is_replaced_and_not_the_link() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("dir/target", "old");
    session.tree.link("dir/target", "link");
    let file = open_through(&mut session, "link");

    for content in ["new", "newer"] {
        let writer = begin(&mut session, file, REPLACE).unwrap();
        push(&mut session, writer, content.as_bytes()).unwrap();
        finish(&mut session, writer).unwrap();

        assert_eq!(fs::read_link(session.path("link")).unwrap().to_str(), Some("dir/target"));
        assert_eq!(fs::read_to_string(session.path("dir/target")).unwrap(), content);
        assert!(session.questions().iter().all(|question| question.ends_with("File ~/dir/target")));
    }
}

#[test]
fn owner_group_mode_and_attributes_pass_to_the_new_file() {
    if !is_root() {
        return;
    }
    for keep_owner in [true, false] {
        let mut session = Session::with_policy(ALLOW_ALL);
        let path = session.tree.file("a", "old");
        chown(&path, Some(ORDINARY_USER), Some(ORDINARY_USER + 1)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o6751)).unwrap();
        let told = set_attribute(&path, c"user.comment", b"kept");
        let file = open(&mut session, "a");

        write(&mut session, file, WriteHow::Replace { keep_owner }, b"new").unwrap();

        let (mode, user, group, _) = looks(&path);
        assert_eq!((mode, user, group), (0o751, ORDINARY_USER, ORDINARY_USER + 1));
        if told {
            assert_eq!(attribute(&path, c"user.comment").as_deref(), Some(&b"kept"[..]));
        }
    }
}

// A program that runs as its owner would run as somebody else.
#[test]
fn an_owner_who_cannot_be_kept_takes_the_set_id_bits_along() {
    if !is_root() {
        return;
    }
    let tree = Tree::new();
    let path = tree.file("open/a", "old");
    chown(&path, Some(ORDINARY_USER + 1), Some(ORDINARY_USER + 1)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o6777)).unwrap();
    fs::set_permissions(tree.path("open"), fs::Permissions::from_mode(0o777)).unwrap();

    as_ordinary_user(move || {
        let mut session = Session::on_tree(tree, ALLOW_ALL, |_| {});
        session.services.host.hard_links = true;
        let root = session.root();
        let dir = session.opening_entry(root, "open");
        let dir = session.send(dir.clone()).map(|_| dir.id).unwrap();
        let request = rex_ipc::file_system::OpenFile { mode: WRITE, ..session.opening_file(dir, "a") };
        let file = request.id;
        session.send(request).unwrap();

        let refused = write(&mut session, file, REPLACE, b"new").unwrap_err();
        assert_eq!(refused.kind(), Some(ErrorKind::IoError));
        assert!(refused.failure().message.as_str().contains("CAP_CHOWN"));
        assert_eq!(fs::read(session.path("open/a")).unwrap(), b"old");

        write(&mut session, file, WriteHow::Replace { keep_owner: false }, b"new").unwrap();
        let (mode, user, group, _) = looks(&session.path("open/a"));
        assert_eq!((mode, user, group), (0o777, ORDINARY_USER, ORDINARY_USER));
    });
}

#[test]
fn an_access_list_passes_to_the_new_file_and_that_of_the_directory_does_not() {
    let (access, default) = (c"system.posix_acl_access", c"system.posix_acl_default");
    let mut session = Session::with_policy(ALLOW_ALL);
    let path = session.tree.file("a", "old");
    let plain = session.tree.file("plain", "old");
    if !set_attribute(&path, access, &access_list(6, (12_345, 4), 4, 4, 4)) {
        return;
    }
    let shown = |path| (looks(path).0, attribute(path, access));
    let before = (shown(&path), shown(&plain));
    assert!(before.0.1.is_some() && before.1.1.is_none());
    assert!(set_attribute(session.tree.root(), default, &access_list(7, (777, 7), 5, 7, 5)));
    // The control: what is made in this directory gets its list.
    assert!(attribute(&session.tree.file("made", ""), access).is_some());

    for name in ["a", "plain"] {
        let file = open(&mut session, name);
        write(&mut session, file, REPLACE, b"new").unwrap();
    }

    assert_eq!((shown(&path), shown(&plain)), before);
}

// spec, 10: "Writes at the current offset, then truncates to the content length": Rex's defect with an offset other
// than 0 cannot happen, because there is no offset.
#[test]
fn in_place_the_same_file_gets_exactly_the_new_content() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let path = session.tree.file("a", "something long");
    session.tree.hard_link("a", "b");
    session.services.host.hard_links = true;
    let file = open(&mut session, "a");
    let inode = path.metadata().unwrap().ino();
    session.read(file, 3, 5).unwrap();

    for content in ["short", "", "something longer than it was"] {
        write(&mut session, file, IN_PLACE, content.as_bytes()).unwrap();
        assert_eq!(fs::read_to_string(session.path("b")).unwrap(), content);
    }

    assert_eq!(path.metadata().unwrap().ino(), inode);
}

#[test]
fn in_place_content_larger_than_memory_is_kept_in_files() {
    let content: Vec<u8> = (0..5_000_000_u32).map(|number| (number % 253) as u8).collect();
    for how in [IN_PLACE, WriteHow::Append] {
        let mut session = Session::with_policy(ALLOW_ALL);
        session.tree.file("a", "old");
        let file = open(&mut session, "a");

        write(&mut session, file, how, &content).unwrap();

        let written = fs::read(session.path("a")).unwrap();
        let expected = if how == IN_PLACE { content.clone() } else { [b"old", &content[..]].concat() };
        assert!(written == expected);
        assert_eq!(names(&session, ""), ["a"]);
    }
}

// Rex, E, W20: an append without the permission to read lost the old content, and one byte that is no text did too.
#[test]
fn appending_keeps_every_byte_that_was_there() {
    let mut session = Session::with_policy(
        r#"permit(principal, action, resource);
        forbid(principal, action == file_system::Action::"read", resource);"#,
    );
    session.tree.file("a", [0xff, 0xfe, b'o', b'l', b'd']);
    let file = open_as(&mut session, "a", false, true);

    write(&mut session, file, WriteHow::Append, b"new").unwrap();

    assert_eq!(fs::read(session.path("a")).unwrap(), b"\xff\xfeoldnew");
    assert_eq!(session.questions(), vec!["permit write File ~/a"; 3]);
}

#[test]
fn appending_comes_behind_what_others_append_meanwhile() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "1");
    let file = open(&mut session, "a");
    let writer = begin(&mut session, file, WriteHow::Append).unwrap();
    push(&mut session, writer, b"3").unwrap();
    fs::write(session.path("a"), "12").unwrap();

    finish(&mut session, writer).unwrap();
    // The handle itself does not append: the next write in place begins at the beginning.
    assert_eq!(fs::read(session.path("a")).unwrap(), b"123");
    write(&mut session, file, IN_PLACE, b"4").unwrap();

    assert_eq!(fs::read(session.path("a")).unwrap(), b"4");
}

// A full disk: what was there is there afterwards.
#[test]
fn a_full_disk_changes_nothing() {
    if !is_root() {
        return;
    }
    with_mounts(|| {
        for how in [REPLACE, IN_PLACE, WriteHow::Append] {
            let session = Session::with_policy(ALLOW_ALL);
            let small = session.path("small");
            fs::create_dir(&small).unwrap();
            let flags = nix::mount::MsFlags::empty();
            nix::mount::mount(Some("tmpfs"), &small, Some("tmpfs"), flags, Some("size=1m")).unwrap();
            let old = vec![b'o'; 700_000];
            fs::write(small.join("a"), &old).unwrap();
            let mut session = session;
            let text = session.text("small");
            let dir = session.open_dir(&text).unwrap();
            let request =
                rex_ipc::file_system::OpenFile { mode: READ_WRITE, ..session.opening_file(dir, "a") };
            let file = request.id;
            session.send(request).unwrap();

            let content = vec![b'n'; 1_200_000];
            let refused = write(&mut session, file, how, &content).unwrap_err();

            assert_eq!(refused.errno(), Some(nix::libc::ENOSPC as u16), "{how:?}");
            assert!(fs::read(small.join("a")).unwrap() == old, "{how:?}");
            assert_eq!(fs::read_dir(&small).unwrap().count(), 1);
            drop(session.services);
            nix::mount::umount(&small).unwrap();
        }
    });
}

// open(2): O_TMPFILE is not for every file system. Whatever that of the directory is, one that has it not is /proc.
#[test]
fn where_nothing_new_can_be_made_the_failure_says_so() {
    if !is_root() {
        return;
    }
    let mut session = Session::with_policy(ALLOW_ALL);
    let dir = session.open_dir("/proc/sys/kernel").unwrap();
    let request =
        rex_ipc::file_system::OpenFile { mode: READ_WRITE, ..session.opening_file(dir, "hostname") };
    let file = request.id;
    if session.send(request).is_err() {
        rex_tests::skip::skipped("/proc/sys cannot be written here");
        return;
    }
    let name = fs::read("/proc/sys/kernel/hostname").unwrap();

    assert!(write(&mut session, file, REPLACE, b"other\n").is_err());
    assert_eq!(fs::read("/proc/sys/kernel/hostname").unwrap(), name);
    // In place, a setting gets its value in one piece.
    write(&mut session, file, IN_PLACE, &name).unwrap();
    assert_eq!(fs::read("/proc/sys/kernel/hostname").unwrap(), name);
}

#[test]
fn a_mount_point_is_not_replaced() {
    if !is_root() {
        return;
    }
    with_mounts(|| {
        let mut session = Session::with_policy(ALLOW_ALL);
        let other = session.tree.file("other", "old");
        session.tree.mount_bind(&other, "a");
        let file = open(&mut session, "a");

        let refused = write(&mut session, file, REPLACE, b"new").unwrap_err();

        assert_eq!(refused.errno(), Some(nix::libc::EBUSY as u16));
        assert_eq!(fs::read(&other).unwrap(), b"old");
        assert_eq!(names(&session, ""), ["a", "other"]);
        write(&mut session, file, IN_PLACE, b"new").unwrap();
        assert_eq!(fs::read(&other).unwrap(), b"new");
    });
}

#[test]
fn a_new_file_gets_what_was_said_of_it() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let root = session.root();
    let writer = super::writing::begin_file(&mut session, root, "d/e/f").unwrap();
    push(&mut session, writer, b"new").unwrap();
    session.records.clear();

    let attributes = Attributes {
        mode: Permissions::new(0o711),
        modified: Some(rex_ipc::file_system::Instant { seconds: 1_000_000_000, nanoseconds: 5 }),
        ..Attributes::default()
    };
    session.send(FinishWrite { attributes, ..finishing(writer) }).unwrap();

    let expected = [
        "permit write File ~/d/e/f",
        "permit chmod File ~/d/e/f",
        "permit create Dir ~/d",
        "permit create Dir ~/d/e",
    ];
    assert_eq!(session.questions(), expected);
    let metadata = session.path("d/e/f").metadata().unwrap();
    assert_eq!(
        (metadata.mode() & 0o7777, metadata.mtime(), metadata.mtime_nsec()),
        (0o711, 1_000_000_000, 5)
    );
    assert_eq!(fs::read(session.path("d/e/f")).unwrap(), b"new");
}

#[test]
fn a_new_file_gets_an_owner_by_name_or_number() {
    use rex_ipc::bounded::Text;
    use rex_ipc::file_system::NameOrNumber;

    if !is_root() {
        return;
    }
    let mut session = Session::with_policy(ALLOW_ALL);
    let root = session.root();
    let named = |name: &str| Some(NameOrNumber::Name(Text::new(name).unwrap()));
    let finish_as = |session: &mut Session, path: &str, user, group| {
        let writer = super::writing::begin_file(session, root, path).unwrap();
        let attributes = Attributes { user, group, ..Attributes::default() };
        session.send(FinishWrite { attributes, ..finishing(writer) })
    };

    finish_as(&mut session, "a", Some(NameOrNumber::Number(1234)), named("root")).unwrap();
    let refused = finish_as(&mut session, "dir/b", named("no such user"), None).unwrap_err();
    let minus_one = finish_as(&mut session, "c", Some(NameOrNumber::Number(u32::MAX)), None).unwrap_err();

    assert_eq!((looks(&session.path("a")).1, looks(&session.path("a")).2), (1234, 0));
    assert_eq!(refused.kind(), Some(ErrorKind::IdentityResolutionError));
    assert_eq!(minus_one.errno(), Some(nix::libc::EINVAL as u16));
    assert_eq!(names(&session, ""), ["a"]);
}

// The policy of this run is nobody's to replace, whatever it is called.
#[test]
fn what_is_closed_to_every_script_is_not_replaced_under_another_name() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let path = session.tree.file("policy", "permit");
    session.tree.hard_link("policy", "alias");
    let policy = fs::File::open(&path).unwrap();
    session.services.deciding.forbidden.add_open(&policy, rex_broker::gate::forbidden::POLICY).unwrap();
    let root = session.root();
    let writer = super::writing::begin_file(&mut session, root, "alias").unwrap();
    let before = session.tree.picture();

    let refused = finish(&mut session, writer).unwrap_err();

    assert!(refused.is_denial(), "{refused:?}");
    assert_eq!(session.tree.picture(), before);
}

#[test]
fn a_failed_call_drops_what_it_had_begun_and_reopened() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "old");
    let file = open(&mut session, "a");
    let writer = begin(&mut session, file, REPLACE).unwrap();
    let id = FileId(session.number());
    let wrong = DirId(session.number());
    let requests: Vec<Request> = vec![
        chunk(writer, b"new").into(),
        FinishWrite { reopen: Some(id), ..finishing(writer) }.into(),
        rex_ipc::file_system::OpenDir {
            id: wrong,
            at: rex_ipc::file_system::DirPlace::Path(rex_tests::session::path_text("/nowhere")),
            follow: false,
            create: rex_ipc::file_system::CreateDir::No,
        }
        .into(),
    ];

    let answer = session.batch(requests).unwrap();

    assert_eq!(answer.replies.len(), 2);
    assert_eq!(fs::read(session.path("a")).unwrap(), b"new");
    assert!(matches!(session.read(id, 0, 1).unwrap_err().end(), RunEnd::Violation(_)));
}
