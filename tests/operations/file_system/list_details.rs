//! Entries with what each says of itself.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

use rex_ipc::file_system::{DetailedEntry, Details, EntryType, ListDetails};
use rex_ipc::handle::{AnyId, DirId};
use rex_ipc::name;
use rex_tests::session::{ALLOW_ALL, Refused, Session};
use rex_tests::tree::is_root;

fn list(session: &mut Session, dir: DirId) -> Result<Vec<DetailedEntry>, Refused> {
    let mut entries = Vec::new();
    let mut restart = true;
    loop {
        let page = session.send(ListDetails { dir, restart })?;
        restart = false;
        entries.extend(page.entries.into_vec());
        if page.end {
            return Ok(entries);
        }
    }
}

fn details(session: &mut Session) -> BTreeMap<String, Details> {
    let root = session.root();
    session.records.clear();
    let entries = list(session, root).unwrap();
    entries.into_iter().map(|entry| (entry.entry.name.as_str().to_owned(), entry.details)).collect()
}

#[test]
fn permitted() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let file = session.tree.file("file", "content").metadata().unwrap();
    session.tree.dir("dir");
    session.tree.link("nowhere", "link");
    session.tree.fifo("fifo");

    let found = details(&mut session);

    let Details::Described(metadata) = &found["file"] else { panic!("{found:?}") };
    assert_eq!(
        (metadata.entry_type, metadata.inode, metadata.size_bytes, metadata.mode),
        (EntryType::File, file.ino(), 7, file.mode())
    );
    assert_eq!((metadata.device, metadata.blocks, metadata.links), (file.dev(), file.blocks(), 1));
    assert_eq!(metadata.modified.seconds, file.mtime());
    assert_eq!(metadata.owner.number, file.uid());
    assert_eq!(found["dir"], Details::Directory);
    assert!(matches!(&found["link"], Details::Described(link) if link.entry_type == EntryType::Symlink));
    assert!(matches!(&found["fifo"], Details::Described(fifo) if fifo.entry_type == EntryType::Fifo));
    let mut questions = session.questions();
    assert_eq!(questions.remove(0), "permit read Dir ~");
    questions.sort();
    assert_eq!(
        questions,
        [
            "permit open File ~/file",
            "permit open File ~/link",
            "permit read File ~/link",
            "permit stat File ~/fifo",
            "permit stat File ~/file",
            "permit stat File ~/link",
        ]
    );
}

#[test]
fn denied() {
    let mut session =
        Session::with_policy(r#"permit(principal, action == file_system::Action::"open", resource);"#);
    session.tree.file("a", "");
    let root = session.root();
    session.records.clear();

    assert!(list(&mut session, root).unwrap_err().is_denial());

    assert_eq!(session.questions(), ["deny read Dir ~"]);
}

#[test]
fn what_may_not_be_seen_is_withheld_and_on_record() {
    let policy = format!(
        r#"{ALLOW_ALL}
           forbid(principal, action == file_system::Action::"open", resource == file_system::File::"{{root}}/open");
           forbid(principal, action == file_system::Action::"stat", resource == file_system::File::"{{root}}/stat");
           forbid(principal, action == file_system::Action::"stat", resource == file_system::File::"{{root}}/fifo");
           forbid(principal, action == file_system::Action::"read", resource == file_system::File::"{{root}}/link");"#
    );
    let mut session = Session::with_policy(&policy);
    for name in ["open", "stat", "seen"] {
        session.tree.file(name, "");
    }
    session.tree.fifo("fifo");
    session.tree.link("seen", "link");

    let found = details(&mut session);

    for name in ["open", "stat", "fifo"] {
        assert_eq!(found[name], Details::Withheld, "{name}");
    }
    for name in ["seen", "link"] {
        assert!(matches!(found[name], Details::Described(_)), "{name}");
    }
    let denials = session.questions().iter().filter(|question| question.starts_with("deny")).count();
    assert_eq!(denials, 4);
}

#[test]
fn every_entry_of_a_large_directory_comes_once() {
    let mut session = Session::with_policy(ALLOW_ALL);
    for index in 0..3000 {
        session.tree.file(format!("d/{index}"), "x");
    }
    session.tree.file(format!("d/{}", "n".repeat(255)), "x");
    session.tree.file(std::ffi::OsStr::from_bytes(&[&b"d/"[..], &[0xff; 255][..]].concat()), "x");
    let path = session.text("d");
    let dir = session.open_dir(&path).unwrap();

    let found = list(&mut session, dir).unwrap();
    let again = list(&mut session, dir).unwrap();

    let names: std::collections::BTreeSet<_> = found.iter().map(|entry| entry.entry.name.as_str()).collect();
    assert_eq!((found.len(), names.len(), again.len()), (3002, 3002, 3002));
    assert!(names.contains(name::to_text(&[0xff; 255]).as_str()));
    assert!(
        found.iter().all(|entry| matches!(&entry.details, Details::Described(file) if file.size_bytes == 1))
    );
}

#[test]
fn a_page_holds_hundreds_of_entries() {
    let mut session = Session::with_policy(ALLOW_ALL);
    for index in 0..1000 {
        session.tree.file(format!("file-{index:04}.log"), "x");
    }
    let dir = session.root();

    let page = session.send(ListDetails { dir, restart: true }).unwrap();

    assert!(page.entries.as_slice().len() >= 500, "{}", page.entries.as_slice().len());
}

#[test]
fn a_hard_link_that_somebody_else_could_have_made_is_withheld() {
    if !is_root() {
        return;
    }
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("own", "");
    session.tree.hard_link("own", "own-too");
    let foreign = session.tree.file("foreign", "");
    session.tree.hard_link("foreign", "foreign-too");
    std::os::unix::fs::chown(foreign, Some(4_000_001), None).unwrap();

    let found = details(&mut session);

    for name in ["own", "own-too"] {
        assert!(matches!(&found[name], Details::Described(file) if file.links == 2), "{name}");
    }
    for name in ["foreign", "foreign-too"] {
        assert_eq!(found[name], Details::Withheld, "{name}");
    }
}

#[test]
fn the_built_in_forbids_hold() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let path = session.tree.file("policy", "");
    session.tree.hard_link("policy", "other-name");
    session.services.deciding.forbidden.add_file(&path, "built-in: test").unwrap();

    let found = details(&mut session);

    assert_eq!(found["policy"], Details::Withheld);
    assert_eq!(found["other-name"], Details::Withheld);
}

#[test]
fn the_link_to_the_broker_in_proc_is_withheld() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let dir = session.open_dir("/proc").unwrap();

    let found = list(&mut session, dir).unwrap();
    let of = |name: &str| &found.iter().find(|entry| entry.entry.name.as_str() == name).unwrap().details;

    assert_eq!((of("self"), of("thread-self")), (&Details::Withheld, &Details::Withheld));
    assert!(matches!(of("mounts"), Details::Described(_)));
    assert!(matches!(of("version"), Details::Described(_)));
    session.close(AnyId::Dir(dir));
}

#[test]
fn what_vanishes_or_changes_its_type_meanwhile_does_no_harm() {
    let mut session = Session::with_policy(ALLOW_ALL);
    for index in 0..200 {
        session.tree.file(format!("d/{index}"), "");
    }
    let path = session.text("d");
    let dir = session.open_dir(&path).unwrap();
    let place = session.path("d");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for index in 0..200 {
                let path = place.join(index.to_string());
                fs::remove_file(&path).unwrap();
                std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
            }
        });
        for _ in 0..20 {
            for entry in list(&mut session, dir).unwrap() {
                if let Details::Described(metadata) = &entry.details
                    && entry.entry.entry_type != EntryType::Unknown
                {
                    assert_eq!(metadata.entry_type, entry.entry.entry_type);
                }
            }
        }
    });
}

// What stands in the listing by now, and is gone or another thing when it is looked at, is told as what the system refused.
#[test]
fn what_the_system_refuses_is_told_with_its_reason() {
    let mut session = Session::with_policy(ALLOW_ALL);
    for index in 0..1000 {
        session.tree.file(format!("d/{index:060}"), "");
    }
    let path = session.text("d");
    let dir = session.open_dir(&path).unwrap();
    let first = session.send(ListDetails { dir, restart: true }).unwrap();
    assert!(!first.end, "there is another page");
    for index in 0..1000 {
        let path = session.path(&format!("d/{index:060}"));
        fs::remove_file(&path).unwrap();
        if index % 2 == 0 {
            std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        }
    }

    let second = session.send(ListDetails { dir, restart: false }).unwrap();

    let listed = second.entries.as_slice();
    let refused = |errno: nix::libc::c_int| {
        let details = Details::Refused { errno: u16::try_from(errno).unwrap() };
        listed
            .iter()
            .filter(|entry| entry.details == details)
            .map(|entry| entry.entry.name.as_str())
            .collect::<Vec<_>>()
    };
    let is_even = |name: &&str| name.parse::<u32>().unwrap() % 2 == 0;
    let (gone, changed) = (refused(nix::libc::ENOENT), refused(nix::libc::ESTALE));
    assert!(!gone.is_empty() && gone.iter().all(|name| !is_even(name)), "{gone:?}");
    assert!(!changed.is_empty() && changed.iter().all(is_even), "{changed:?}");
}
