//! What leads to a closed file stays where it is, for every row that moves, removes or replaces, under every name.

use std::fs;

use rex_broker::gate::forbidden;
use rex_ipc::bounded::Bytes;
use rex_ipc::file_system::{
    Attributes, BeginFile, CreateDir, CreateLink, DeleteDir, DeletePath, FinishWrite, MakeDir, MakePath,
    MoveDir, MoveFile, OpenDir, OpenFile, WriteChunk,
};
use rex_ipc::handle::{DirId, FileId, WriterId};
use rex_tests::session::{ALLOW_ALL, MAKE, Refused, Session, name_text, path_text};
use rex_tests::tree::{Tree, is_root, with_mounts};

/// An act on something in the tree, by its name there.
type Act = fn(&mut Session, &str) -> Result<(), Refused>;

/// The directory that something is in, and its name there.
fn split(name: &str) -> (&str, &str) {
    name.rsplit_once('/').unwrap_or(("", name))
}

fn open(session: &mut Session, name: &str) -> DirId {
    let path = session.text(name);
    let request = OpenDir { follow: true, ..session.opening_dir(&path) };
    let id = request.id;
    session.send(request).unwrap();
    id
}

fn open_file(session: &mut Session, name: &str) -> FileId {
    let (parent, name) = split(name);
    let parent = open(session, parent);
    session.open_file(parent, name).unwrap()
}

/// Moves a directory to a name, wherever that is.
fn move_dir(session: &mut Session, source: &str, place: &str) -> Result<(), Refused> {
    let (parent, _) = split(source);
    let (from, dir) = (open(session, parent), open(session, source));
    let (to, name) = split(place);
    let to = open(session, to);
    let id = DirId(session.number());
    session.send(MoveDir { from, dir, to, name: name_text(name), id }).map(drop)
}

fn move_away(session: &mut Session, name: &str) -> Result<(), Refused> {
    move_dir(session, name, "elsewhere")
}

fn move_deeper(session: &mut Session, name: &str) -> Result<(), Refused> {
    session.tree.dir("other");
    move_dir(session, name, "other/place")
}

fn move_in_place_of(session: &mut Session, name: &str) -> Result<(), Refused> {
    session.tree.file("decoy/deep/policy", "forged");
    move_dir(session, "decoy", name)
}

fn move_file_in_place_of(session: &mut Session, name: &str) -> Result<(), Refused> {
    session.tree.file("decoy-file", "forged");
    let file = open_file(session, "decoy-file");
    let (to, name) = split(name);
    let to = open(session, to);
    let id = FileId(session.number());
    session.send(MoveFile { file, to, name: name_text(name), id, backup: false }).map(drop)
}

fn link(session: &mut Session, name: &str, force: bool) -> Result<(), Refused> {
    let (parent, name) = split(name);
    let dir = open(session, parent);
    let target = session.text("decoy");
    session.send(CreateLink { dir, name: name_text(name), target: path_text(&target), force })
}

fn replace_by_link(session: &mut Session, name: &str) -> Result<(), Refused> {
    link(session, name, true)
}

fn make_link(session: &mut Session, name: &str) -> Result<(), Refused> {
    link(session, name, false)
}

fn write_new(session: &mut Session, name: &str) -> Result<(), Refused> {
    let (parent, name) = split(name);
    let dir = open(session, parent);
    let writer = WriterId(session.number());
    session.send(BeginFile { id: writer, dir, path: path_text(name) })?;
    session.send(WriteChunk { writer, bytes: Bytes::new(b"forged".to_vec()).unwrap() })?;
    session.send(FinishWrite { writer, reopen: None, attributes: Attributes::default() })
}

fn make_file(session: &mut Session, name: &str) -> Result<(), Refused> {
    let (parent, name) = split(name);
    let dir = open(session, parent);
    let request = OpenFile { mode: MAKE, ..session.opening_file(dir, name) };
    session.send(request).map(drop)
}

fn delete_path(session: &mut Session, name: &str) -> Result<(), Refused> {
    let path = session.text(name);
    session.send(DeletePath { path: path_text(&path), recursive: true })
}

fn delete_dir(session: &mut Session, name: &str) -> Result<(), Refused> {
    let dir = open(session, name);
    session.send(DeleteDir { dir, force: false, recursive: true })
}

fn delete_empty_dir(session: &mut Session, name: &str) -> Result<(), Refused> {
    let dir = open(session, name);
    session.send(DeleteDir { dir, force: true, recursive: false })
}

const REMOVING: &[(&str, Act)] = &[
    ("move_dir", move_away),
    ("move_dir deeper", move_deeper),
    ("delete_path", delete_path),
    ("delete_dir", delete_dir),
];
const REPLACING_A_LINK: &[(&str, Act)] =
    &[("create_link", replace_by_link), ("finish_write", write_new), ("move_file", move_file_in_place_of)];
const BRINGING: &[(&str, Act)] = &[
    ("move_dir", move_in_place_of),
    ("move_file", move_file_in_place_of),
    ("create_link", make_link),
    ("create_link with force", replace_by_link),
    ("finish_write", write_new),
    ("open_file with create", make_file),
];

/// Each kind of file that is closed to scripts, as a run closes it.
type Closes = fn(&mut Session, &str);

const CLOSED: &[(&str, Closes)] = &[
    ("policy", |session, name| {
        let path = session.path(name);
        session.services.deciding.forbidden.add_file(&path, forbidden::POLICY).unwrap();
    }),
    ("policy directory", |session, name| {
        let path = session.path(split(name).0);
        session.services.deciding.forbidden.add_policy_directory(&path).unwrap();
    }),
    ("log", |session, name| {
        let path = session.path(name);
        let log = fs::File::open(&path).unwrap();
        session.services.deciding.forbidden.add_open(&log, forbidden::AUDIT_LOG).unwrap();
        session.services.deciding.forbidden.add_path(&path, forbidden::AUDIT_LOG).unwrap();
    }),
    ("configuration that is not there", |session, name| {
        let path = session.path(name).with_file_name("not-there");
        session.services.deciding.forbidden.add_path(&path, forbidden::CONFIGURATION).unwrap();
    }),
    ("journals", |session, name| {
        let path = session.path(name).with_file_name("state").join("journals");
        session.services.deciding.forbidden.add_path(&path, forbidden::JOURNALS).unwrap();
    }),
];

/// A closed file that is reached through a link, and a twin that is not closed.
fn scene(close: fn(&mut Session, &str)) -> Session {
    let tree = Tree::new();
    for name in ["cfg/deep/policy", "twin/deep/policy"] {
        tree.file(name, "permit");
    }
    tree.link("cfg", "link");
    tree.link("{root}/twin", "twin-link");
    let mut session = Session::on_tree(tree, ALLOW_ALL, |_| {});
    close(&mut session, "link/deep/policy");
    session
}

/// Asserts that an act on the one is denied by the broker itself, and on the other is done.
fn denied_but_for_the_twin(mut session: Session, act: Act, closed: &str, twin: &str, what: &str) {
    let content = fs::read(session.path("cfg/deep/policy")).ok();

    let refused = act(&mut session, closed).expect_err(what);
    assert!(refused.is_denial(), "{what}: {refused:?}");
    let decided = session.records.decided();
    let last = decided.last().unwrap();
    assert!(last.policies[0].starts_with("built-in: "), "{what}: {last:?}");
    assert_eq!(fs::read(session.path("cfg/deep/policy")).ok(), content, "{what}");

    act(&mut session, twin).unwrap_or_else(|refused| panic!("{what}, of the twin: {refused:?}"));
}

#[test]
fn no_directory_above_a_closed_file_is_moved_or_removed() {
    for (kind, close) in CLOSED {
        for (row, act) in REMOVING {
            for (closed, twin) in [("cfg", "twin"), ("cfg/deep", "twin/deep")] {
                let what = format!("{row} of {closed} above {kind}");
                denied_but_for_the_twin(scene(*close), *act, closed, twin, &what);
            }
        }
    }
}

#[test]
fn no_link_on_the_way_to_a_closed_file_is_replaced() {
    for (kind, close) in CLOSED {
        for (row, act) in REPLACING_A_LINK {
            let what = format!("{row} at a link to {kind}");
            denied_but_for_the_twin(scene(*close), *act, "link", "twin-link", &what);
        }
    }
}

#[test]
fn nothing_is_brought_to_a_name_that_is_missing_on_the_way() {
    for (row, act) in BRINGING {
        for (closed, twin) in
            [("cfg/none", "cfg/free"), ("cfg/deep/none", "cfg/deep/free"), ("cfg/deep/file", "cfg/other")]
        {
            let session = scene(|session, _| {
                for name in ["link/none/such/file", "link/deep/none/file", "cfg/deep/file"] {
                    let path = session.path(name);
                    session.services.deciding.forbidden.add_path(&path, forbidden::CONFIGURATION).unwrap();
                }
            });
            denied_but_for_the_twin(session, *act, closed, twin, &format!("{row} at {closed}"));
        }
    }
}

// A directory of one's own leads nowhere else, and a script may need it: `~/.config` is one.
#[test]
fn a_directory_that_is_missing_on_the_way_may_be_made_and_then_leads_to_what_is_closed() {
    for by_path in [false, true] {
        let mut session = scene(|_, _| {});
        let path = session.path("link/none/such/file");
        session.services.deciding.forbidden.add_path(&path, forbidden::CONFIGURATION).unwrap();

        if by_path {
            let path = session.text("cfg/none/such");
            session.send(MakePath { path: path_text(&path) }).unwrap();
        } else {
            let dir = open(&mut session, "cfg");
            let attributes = Attributes::default();
            session.send(MakeDir { dir, path: path_text("none/such"), attributes }).unwrap();
        }

        assert!(make_file(&mut session, "cfg/none/such/file").unwrap_err().is_denial());
        assert!(make_file(&mut session, "link/none/such/file").unwrap_err().is_denial());
        for name in ["cfg/none", "cfg/none/such"] {
            for (row, act) in REMOVING {
                assert!(act(&mut session, name).unwrap_err().is_denial(), "{row} of {name}");
            }
        }
        make_file(&mut session, "cfg/none/such/other").unwrap();
    }
}

// A log that was renamed away leaves its directory empty, and rename(2) replaces an empty directory.
#[test]
fn an_empty_directory_that_leads_to_a_closed_file_is_not_replaced() {
    let mut session = scene(|session, _| {
        session.tree.dir("logs");
        session.tree.dir("free");
        let path = session.path("logs/audit.jsonl");
        session.services.deciding.forbidden.add_path(&path, forbidden::AUDIT_LOG).unwrap();
    });

    let refused = move_in_place_of(&mut session, "logs").unwrap_err();
    assert!(refused.is_denial(), "{refused:?}");
    assert!(delete_empty_dir(&mut session, "logs").unwrap_err().is_denial());
    move_in_place_of(&mut session, "free").unwrap();
    assert!(session.path("free/deep/policy").exists());

    // With entries it is a directory to move something into, as any other.
    session.tree.file("logs/old", "");
    move_in_place_of(&mut session, "logs").unwrap();
    assert!(session.path("logs/decoy/deep/policy").exists());
}

#[test]
fn a_policy_directory_takes_no_further_policy() {
    for (row, act) in BRINGING {
        let mut session = scene(|session, _| {
            let path = session.path("link/deep");
            session.services.deciding.forbidden.add_policy_directory(&path).unwrap();
        });

        for name in ["cfg/deep/z.cedar", "link/deep/z.cedar"] {
            let refused = act(&mut session, name).expect_err(row);
            assert!(refused.is_denial(), "{row} at {name}: {refused:?}");
        }
        assert!(!session.path("cfg/deep/z.cedar").exists());
        act(&mut session, "cfg/deep/notes").unwrap_or_else(|refused| panic!("{row}: {refused:?}"));
        act(&mut scene(|_, _| {}), "cfg/deep/z.cedar").unwrap_or_else(|refused| panic!("{row}: {refused:?}"));
    }
}

// rename(2) of a directory takes along what is mounted below it.
#[test]
fn bind_mounts_and_other_file_systems_are_no_way_around() {
    if !is_root() {
        return;
    }
    with_mounts(|| {
        for (kind, close) in CLOSED {
            for (row, act) in REMOVING {
                let tree = Tree::new();
                tree.file("cfg/deep/policy", "permit");
                tree.file("cfg/twin/policy", "permit");
                tree.link("cfg", "link");
                tree.mount_bind(tree.path("cfg"), "alias");
                tree.mount_new("tmpfs", "other");
                let mut session = Session::on_tree(tree, ALLOW_ALL, |_| {});
                close(&mut session, "link/deep/policy");

                let refused = act(&mut session, "alias/deep").expect_err(row);
                assert!(refused.is_denial(), "{row} above {kind}: {refused:?}");
                assert!(session.path("cfg/deep/policy").exists());
                act(&mut session, "alias/twin").unwrap_or_else(|refused| panic!("{row}: {refused:?}"));
            }
        }
        for (row, act) in BRINGING {
            let tree = Tree::new();
            tree.file("cfg/deep/policy", "permit");
            tree.mount_bind(tree.path("cfg"), "alias");
            let mut session = Session::on_tree(tree, ALLOW_ALL, |_| {});
            for name in ["cfg/none/file", "cfg/file"] {
                let path = session.path(name);
                session.services.deciding.forbidden.add_path(&path, forbidden::CONFIGURATION).unwrap();
            }
            let path = session.path("cfg/deep");
            session.services.deciding.forbidden.add_policy_directory(&path).unwrap();

            for name in ["alias/none", "alias/file", "alias/deep/z.cedar"] {
                let refused = act(&mut session, name).expect_err(row);
                assert!(refused.is_denial(), "{row} at {name}: {refused:?}");
            }
            act(&mut session, "alias/free").unwrap_or_else(|refused| panic!("{row}: {refused:?}"));
        }
    });
}

// What a file of the run is mounted on, and what that is in.
#[test]
fn a_directory_with_the_mount_of_a_closed_file_below_it_stays() {
    if !is_root() {
        return;
    }
    with_mounts(|| {
        for (row, act) in REMOVING {
            let tree = Tree::new();
            tree.mount_new("tmpfs", "above/mount");
            let path = tree.file("above/mount/policy", "permit");
            let mut session = Session::on_tree(tree, ALLOW_ALL, |_| {});
            session.services.deciding.forbidden.add_file(&path, forbidden::POLICY).unwrap();

            let refused = act(&mut session, "above").expect_err(row);

            assert!(refused.is_denial(), "{row}: {refused:?}");
            assert!(path.exists());
        }
    });
}

#[test]
fn reading_and_making_beside_a_closed_file_stay_as_they_were() {
    for (kind, close) in CLOSED {
        let mut session = scene(*close);
        let path = session.text("link/deep");
        let all = OpenDir { follow: true, create: CreateDir::AskOnly, ..session.opening_dir(&path) };
        session.send(all).unwrap();
        let dir = open(&mut session, "cfg/deep");
        session.list(dir).unwrap();
        make_file(&mut session, "cfg/deep/beside").unwrap();
        write_new(&mut session, "cfg/deep/new").unwrap();
        move_dir(&mut session, "twin/deep", "cfg/inside").unwrap();
        assert!(session.path("cfg/inside/policy").exists(), "{kind}");
    }
}
