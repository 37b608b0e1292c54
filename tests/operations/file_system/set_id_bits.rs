//! A program that runs as its owner does not do so with other content, whoever wrote it and however.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use rex_ipc::file_system::{Copy, Truncate, WriteHow};
use rex_tests::session::{ALLOW_ALL, Session};

use super::writing::{open, write};

// inode(7): the kernel takes the bits away when an ordinary user writes, and leaves them when root does.
#[test]
fn no_way_of_writing_leaves_them() {
    let ways =
        ["replace", "replace as owner", "in place", "append", "truncate", "copy", "copy with the mode"];
    for way in ways {
        let mut session = Session::with_policy(ALLOW_ALL);
        let program = session.tree.file("program", "content");
        session.tree.file("other", "other content");
        for name in ["program", "other"] {
            fs::set_permissions(session.path(name), Permissions::from_mode(0o6755)).unwrap();
        }
        let file = open(&mut session, "program");

        match way {
            "replace" => write(&mut session, file, WriteHow::Replace { keep_owner: false }, b"new").unwrap(),
            "replace as owner" => {
                write(&mut session, file, WriteHow::Replace { keep_owner: true }, b"new").unwrap()
            }
            "in place" => write(&mut session, file, WriteHow::InPlace, b"new").unwrap(),
            "append" => write(&mut session, file, WriteHow::Append, b"new").unwrap(),
            "truncate" => session.send(Truncate { file, size_bytes: 3 }).unwrap(),
            _ => {
                let from = open(&mut session, "other");
                let preserve = way == "copy with the mode";
                session.send(Copy { from, to: file, force: true, preserve }).map(drop).unwrap();
            }
        }

        assert_eq!(program.metadata().unwrap().mode() & 0o7777, 0o755, "{way}");
        assert_ne!(fs::read(&program).unwrap(), b"content", "{way}");
    }
}

// The control: root that writes by itself leaves them.
#[test]
fn root_alone_would_leave_them() {
    if !rex_tests::tree::is_root() {
        return;
    }
    let session = Session::with_policy(ALLOW_ALL);
    let program = session.tree.file("program", "content");
    fs::set_permissions(&program, Permissions::from_mode(0o6755)).unwrap();

    fs::write(&program, "new").unwrap();

    assert_eq!(program.metadata().unwrap().mode() & 0o7777, 0o6755);
}
