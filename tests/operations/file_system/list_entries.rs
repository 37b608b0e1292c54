//! Listing directories.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirEntryExt;

use nix::sys::stat::SFlag;
use rex_broker::run::session::RunEnd;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{EntryType, ListEntries};
use rex_ipc::handle::DirId;
use rex_ipc::limits::MAX_PAGE_ENTRIES;
use rex_ipc::name;
use rex_tests::session::{ALLOW_ALL, Session};
use rex_tests::skip::skipped;
use rex_tests::tree::{Tree, is_root, with_mounts};

#[test]
fn permitted() {
    let mut session =
        Session::with_policy(r#"permit(principal, action, resource == file_system::Dir::"{root}/a");"#);
    session.tree.file("a/file", "");
    session.tree.dir("a/dir");
    session.tree.link("nowhere", "a/link");
    session.tree.fifo("a/fifo");
    let path = session.text("a");
    let dir = session.open_dir(&path).unwrap();
    session.records.clear();

    let page = session.send(ListEntries { dir, restart: false }).unwrap();

    assert!(page.end);
    let found: BTreeMap<&str, EntryType> =
        page.entries.as_slice().iter().map(|entry| (entry.name.as_str(), entry.entry_type)).collect();
    let expected = BTreeMap::from([
        ("file", EntryType::File),
        ("dir", EntryType::Dir),
        ("link", EntryType::Symlink),
        ("fifo", EntryType::Fifo),
    ]);
    assert_eq!(found, expected);
    assert_eq!(session.outcomes(), ["list_entries done"]);
    assert_eq!(session.questions(), ["permit read Dir ~/a"]);
}

#[test]
fn denied() {
    let mut session =
        Session::with_policy(r#"permit(principal, action == file_system::Action::"open", resource);"#);
    let dir = session.root();
    session.records.clear();

    let failure = session.send(ListEntries { dir, restart: false }).unwrap_err().failure();

    assert_eq!(failure.kind, ErrorKind::PermissionDenied);
    assert_eq!(session.outcomes(), ["list_entries PermissionDenied"]);
    assert_eq!(session.questions(), ["deny read Dir ~"]);
}

#[test]
fn the_inode_numbers_are_those_of_the_file_system() {
    let mut session = Session::with_policy(ALLOW_ALL);
    for name in ["a", "b", "c"] {
        session.tree.file(name, "");
    }
    let dir = session.root();

    let listed: BTreeMap<String, u64> =
        session.list(dir).unwrap().into_iter().map(|entry| (entry.name.into_string(), entry.inode)).collect();

    let expected = std::fs::read_dir(session.tree.root()).unwrap().flatten();
    let expected: BTreeMap<String, u64> =
        expected.map(|entry| (entry.file_name().into_string().unwrap(), entry.ino())).collect();
    assert_eq!(listed, expected);
}

#[test]
fn an_empty_directory_ends_at_once() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let dir = session.root();

    let page = session.send(ListEntries { dir, restart: false }).unwrap();

    assert!(page.end && page.entries.as_slice().is_empty());
}

#[test]
fn a_large_directory_comes_in_pages_without_loss_or_repetition() {
    const COUNT: usize = 100_000;
    let mut session = Session::with_policy(ALLOW_ALL);
    let base = session.tree.dir("many");
    for number in 0..COUNT {
        // Long names fill the reply before the count does, short ones the other way round.
        let name = if number % 2 == 0 { format!("{number:0200}") } else { number.to_string() };
        std::fs::File::create(base.join(name)).unwrap();
    }
    let path = session.text("many");
    let dir = session.open_dir(&path).unwrap();

    let mut names = BTreeSet::new();
    let mut listed = 0;
    let mut pages = 0;
    loop {
        let page = session.send(ListEntries { dir, restart: false }).unwrap();
        pages += 1;
        assert!(page.entries.as_slice().len() <= MAX_PAGE_ENTRIES);
        assert!(page.end || !page.entries.as_slice().is_empty());
        listed += page.entries.as_slice().len();
        names.extend(page.entries.into_vec().into_iter().map(|entry| entry.name.into_string()));
        if page.end {
            break;
        }
    }

    assert_eq!((listed, names.len()), (COUNT, COUNT));
    assert!(pages > COUNT / MAX_PAGE_ENTRIES);
}

#[test]
fn a_listing_can_begin_anew() {
    let mut session = Session::with_policy(ALLOW_ALL);
    for number in 0..MAX_PAGE_ENTRIES + 10 {
        session.tree.file(format!("{number:x}"), "");
    }
    let dir = session.root();
    let first = session.send(ListEntries { dir, restart: false }).unwrap();
    assert!(!first.end);

    let again = session.send(ListEntries { dir, restart: true }).unwrap();
    let all = session.list(dir).unwrap();

    assert_eq!(again, first);
    assert_eq!(all.len(), MAX_PAGE_ENTRIES + 10);
}

#[test]
fn what_is_made_later_is_seen_by_a_new_beginning() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("first", "");
    let dir = session.root();
    assert_eq!(session.list(dir).unwrap().len(), 1);

    session.tree.file("second", "");

    assert_eq!(session.list(dir).unwrap().len(), 2);
}

// B2: "byte-exact names end to end, an escaped, injective uid form".
#[test]
fn names_of_any_bytes_are_listed_and_opened_and_named_in_a_policy() {
    let names = odd_names();
    let mut session = Session::with_policy(ALLOW_ALL);
    for (number, name) in names.iter().enumerate() {
        session.tree.file(OsStr::from_bytes(name), number.to_string());
    }
    let dir = session.root();

    let listed: BTreeSet<String> =
        session.list(dir).unwrap().into_iter().map(|entry| entry.name.into_string()).collect();
    assert_eq!(listed.len(), names.len());
    for (number, bytes) in names.iter().enumerate() {
        let text = name::to_text(bytes);
        assert!(listed.contains(&text), "{text:?}");
        let file = session.open_file(dir, &text).unwrap();
        assert_eq!(session.read(file, 0, 16).unwrap().bytes.as_slice(), number.to_string().as_bytes());
    }

    for forbidden in &names {
        let forbidden = name::to_text(forbidden);
        let escaped = forbidden.escape_default().to_string();
        let policy = format!(
            r#"{ALLOW_ALL} forbid(principal, action, resource == file_system::File::"{{root}}/{escaped}");"#
        );
        let mut session = Session::with_policy(&policy);
        for (number, name) in names.iter().enumerate() {
            session.tree.file(OsStr::from_bytes(name), number.to_string());
        }
        let dir = session.root();
        for name in &listed {
            let refused = session.open_file(dir, name).err();
            assert_eq!(refused.is_some(), *name == forbidden, "{name:?} under a forbid of {forbidden:?}");
        }
    }
}

fn odd_names() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = [
        &b"new\nline"[..],
        b"quote\"",
        b"tick'",
        b"back\\slash",
        b"star*",
        b"question?",
        b"<>|",
        b" ",
        b"...",
        b"-rf",
        b"\x01\x1b[31m",
        b"\x7f",
        b"\xff",
        b"\xfe",
        b"\x80",
        b"\xc3",
        b"a\xc3\xa4",
        b"a\xcc\x88",
        b"\xed\xa0\x80",
        b"\xf4\x8f\xbc\x80",
        b"\xf4\x8f\xbf\xbf",
        b"%s%n",
        b"{}",
        b"\xe2\x80\xae",
        b"\xef\xbf\xbd",
    ]
    .iter()
    .map(|name| name.to_vec())
    .collect();
    names.push(vec![b'n'; 255]);
    names.push(vec![0xff; 255]);
    names
}

#[test]
fn devices_and_sockets_are_listed_as_what_they_are() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let _socket = std::os::unix::net::UnixListener::bind(session.path("socket")).unwrap();
    let mut expected = BTreeMap::from([("socket".to_owned(), EntryType::Socket)]);
    if is_root() {
        session.tree.device("char", SFlag::S_IFCHR, 1, 3);
        session.tree.device("block", SFlag::S_IFBLK, 7, 200);
        expected.insert("char".to_owned(), EntryType::CharDevice);
        expected.insert("block".to_owned(), EntryType::BlockDevice);
    }
    let dir = session.root();

    let listed: BTreeMap<String, EntryType> = session
        .list(dir)
        .unwrap()
        .into_iter()
        .map(|entry| (entry.name.into_string(), entry.entry_type))
        .collect();

    assert_eq!(listed, expected);
}

#[test]
fn only_an_open_directory_can_be_listed() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("file", "");
    let root = session.root();
    let file = session.open_file(root, "file").unwrap();

    for dir in [DirId(file.0), DirId(99)] {
        let end = session.send(ListEntries { dir, restart: false }).unwrap_err().end();
        assert!(matches!(end, RunEnd::Violation(_)), "{end:?}");
    }
}

#[test]
fn pages_count_as_read_bytes() {
    let mut session = Session::with_limits(ALLOW_ALL, |limits| limits.max_read_bytes = 1000);
    for number in 0..40 {
        session.tree.file(format!("{number:050}"), "");
    }
    let dir = session.root();

    let end = session.send(ListEntries { dir, restart: false }).unwrap_err().end();

    assert!(matches!(&end, RunEnd::Limit(limit) if limit.name == "max-read-bytes"), "{end:?}");
}

// ext4(5): "filetype: this feature enables the storage of file type information in directory entries".
#[test]
fn what_the_listing_does_not_say_is_looked_up_but_for_rex() {
    if !is_root() {
        return;
    }
    with_mounts(|| {
        for (rex_compat, types) in
            [(false, [EntryType::File, EntryType::Symlink, EntryType::Dir]), (true, [EntryType::Unknown; 3])]
        {
            let tree = Tree::new();
            tree.file("source/file", "x");
            tree.link("file", "source/link");
            tree.dir("source/sub");
            let (image, at) = (tree.file("image", vec![0; 1 << 20]), tree.dir("at"));
            let made = run(
                "mke2fs",
                &["-q", "-t", "ext2", "-O", "^filetype", "-d"],
                &[&tree.path("source"), &image],
            );
            assert!(made, "mke2fs, of the package e2fsprogs, makes an image");
            if !run("mount", &["-o", "loop,ro"], &[&image, &at]) {
                skipped("this machine has no loop devices to mount an image with");
                return;
            }
            let mut session = Session::on_tree(tree, ALLOW_ALL, |_| {});
            session.services.deciding.rex_compat = rex_compat;
            let path = session.text("at");
            let dir = session.open_dir(&path).unwrap();

            let page = session.send(ListEntries { dir, restart: false }).unwrap();

            let found: BTreeMap<&str, EntryType> =
                page.entries.as_slice().iter().map(|entry| (entry.name.as_str(), entry.entry_type)).collect();
            assert_eq!(["file", "link", "sub"].map(|name| found[name]), types, "{rex_compat}");
            drop(session);
        }
    });
}

fn run(program: &str, options: &[&str], paths: &[&std::path::Path]) -> bool {
    let ran = std::process::Command::new(program).args(options).args(paths).output();
    ran.is_ok_and(|output| output.status.success())
}
