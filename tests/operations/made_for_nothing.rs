//! An empty file that was made for content goes again when the content does not come.

use std::fs;

use nix::mount::{MsFlags, mount};
use rex_broker::run::session::RunEnd;
use rex_ipc::bounded::Bytes;
use rex_ipc::failure::FailureClass;
use rex_ipc::file_system::{
    AbandonWrite, Attributes, BeginWrite, Close, Copy, FinishWrite, OpenFile, OpenTarget, WriteChunk,
    WriteHow,
};
use rex_ipc::handle::{AnyId, DirId, FileId, WriterId};
use rex_ipc::interface::Request;
use rex_tests::session::{ALLOW_ALL, MAKE, Session, name_text};
use rex_tests::tree::{Tree, is_root, with_mounts};

const HOWS: [WriteHow; 3] = [WriteHow::Append, WriteHow::InPlace, WriteHow::Replace { keep_owner: true }];

/// What `write` asks for, up to the first piece of its content.
fn begin(session: &mut Session, dir: DirId, name: &str, how: WriteHow) -> (Vec<Request>, WriterId, FileId) {
    let (file, writer) = (FileId(session.number()), WriterId(session.number()));
    let requests = vec![
        OpenTarget { id: file, dir, name: name_text(name), from: None }.into(),
        BeginWrite { id: writer, file, how }.into(),
        chunk(writer, 20_000),
    ];
    (requests, writer, file)
}

fn chunk(writer: WriterId, bytes: usize) -> Request {
    WriteChunk { writer, bytes: Bytes::new(vec![b'x'; bytes]).expect("a piece fits") }.into()
}

fn finish(writer: WriterId) -> Request {
    FinishWrite { writer, reopen: None, attributes: Attributes::default() }.into()
}

/// A batch that ends with a failure, which is no denial, or goes through.
fn failure(session: &mut Session, requests: Vec<Request>) -> Option<FailureClass> {
    session.batch(requests).expect("the run goes on").failure.map(|failure| failure.class)
}

/// A session in whose tree `full` is a file system that has 64 KiB, most of it taken.
fn on_full_disk(test: impl FnOnce(&mut Session, DirId) + Send) {
    if !is_root() {
        return;
    }
    with_mounts(|| {
        let tree = Tree::new();
        tree.mount_new("tmpfs", "full");
        let at = tree.path("full");
        mount(None::<&str>, &at, None::<&str>, MsFlags::MS_REMOUNT, Some("size=64k")).unwrap();
        tree.file("full/old", vec![b'o'; 60 * 1024]);
        tree.file("source", vec![b's'; 100_000]);
        let mut session = Session::on_tree(tree, ALLOW_ALL, |_| {});
        let path = session.text("full");
        let dir = session.open_dir(&path).unwrap();
        test(&mut session, dir);
    });
}

#[test]
fn a_full_disk_leaves_no_empty_file() {
    on_full_disk(|session, dir| {
        let before = session.tree.picture();
        for how in HOWS {
            let (mut requests, writer, _) = begin(session, dir, "new", how);
            requests.push(finish(writer));

            let failed = failure(session, requests);

            assert_eq!(failed, Some(FailureClass::System { errno: 28 }), "{how:?}");
            assert_eq!(session.tree.picture(), before, "{how:?}");
        }
        // The same in several calls, as with a long text: the failing one takes the file away, whoever closes it.
        for how in HOWS {
            let (mut requests, writer, _) = begin(session, dir, "new", how);
            let last = requests.pop().expect("there is a piece");
            assert_eq!(failure(session, requests), None);
            assert!(session.path("full/new").exists());

            let failed = failure(session, vec![last, finish(writer)]);

            assert_eq!(failed, Some(FailureClass::System { errno: 28 }), "{how:?}");
            assert_eq!(session.tree.picture(), before, "{how:?}");
        }
    });
}

#[test]
fn a_copy_that_finds_the_disk_full_leaves_no_empty_file() {
    on_full_disk(|session, dir| {
        let before = session.tree.picture();
        let root = session.root();
        let opening = session.opening_file(root, "source");
        let (from, to) = (opening.id, FileId(session.number()));
        let requests = vec![
            opening.into(),
            OpenTarget { id: to, dir, name: name_text("new"), from: Some(from) }.into(),
            Copy { from, to, force: false, preserve: false }.into(),
        ];

        assert_eq!(failure(session, requests), Some(FailureClass::System { errno: 28 }));

        assert_eq!(session.tree.picture(), before);
    });
}

#[test]
fn the_limit_of_written_bytes_leaves_no_empty_file() {
    for how in HOWS {
        let mut session = Session::with_limits(ALLOW_ALL, |limits| limits.max_write_bytes = 30_000);
        let before = session.tree.picture();
        let root = session.root();
        let (requests, writer, _) = begin(&mut session, root, "new", how);
        assert_eq!(failure(&mut session, requests), None);

        let end = session.batch(vec![chunk(writer, 20_000)]);

        assert!(matches!(end, Err(RunEnd::Limit(_))), "{end:?}");
        assert_eq!(session.tree.picture(), before, "{how:?}");
    }
}

#[test]
fn what_is_abandoned_leaves_no_empty_file_and_what_arrives_stays() {
    for how in HOWS {
        let mut session = Session::with_policy(ALLOW_ALL);
        let before = session.tree.picture();
        let root = session.root();
        let (requests, writer, file) = begin(&mut session, root, "new", how);
        assert_eq!(failure(&mut session, requests), None);
        assert_eq!(failure(&mut session, vec![AbandonWrite { writer }.into()]), None);
        assert_eq!(session.tree.picture(), before, "{how:?}");
        session.close(AnyId::File(file));

        let (mut requests, writer, file) = begin(&mut session, root, "new", how);
        requests.truncate(2);
        requests.push(finish(writer));
        requests.push(Close { handle: AnyId::File(file) }.into());
        assert_eq!(failure(&mut session, requests), None);
        assert_eq!(fs::read(session.path("new")).unwrap(), b"", "{how:?}: it was to be empty");
    }
}

// The jail is killed between two frames of a long text: its handles go with the run.
#[test]
fn a_jail_that_is_gone_leaves_no_empty_file() {
    for how in HOWS {
        let mut session = Session::with_policy(ALLOW_ALL);
        let root = session.root();
        let (requests, ..) = begin(&mut session, root, "new", how);
        assert_eq!(failure(&mut session, requests), None);
        assert!(session.path("new").exists());

        let Session { services, tree, .. } = session;
        drop(services);

        assert_eq!(fs::read_dir(tree.root()).unwrap().count(), 0, "{how:?}");
    }
}

#[test]
fn a_file_that_a_failing_call_has_made_goes_and_one_of_an_earlier_call_stays() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let root = session.root();
    let opening = OpenFile { mode: MAKE, ..session.opening_file(root, "asked for") };
    let early = opening.id;
    session.send(opening).unwrap();
    let before = session.tree.picture();
    let opening = OpenFile { mode: MAKE, ..session.opening_file(root, "new") };
    let writer = WriterId(session.number());
    let requests = vec![
        opening.into(),
        BeginWrite { id: writer, file: early, how: HOWS[2] }.into(),
        session.opening_file(root, "absent").into(),
    ];

    assert!(failure(&mut session, requests).is_some());

    assert_eq!(session.tree.picture(), before);
    session.close(AnyId::File(early));
    assert!(session.path("asked for").exists());
}

// Only what this run has made, and only while nobody else has use for it.
#[test]
fn what_somebody_else_has_put_there_or_filled_stays() {
    for other in ["filled", "replaced"] {
        let mut session = Session::with_policy(ALLOW_ALL);
        let root = session.root();
        let (requests, writer, _) = begin(&mut session, root, "new", WriteHow::Append);
        assert_eq!(failure(&mut session, requests), None);
        let path = session.path("new");
        match other {
            "filled" => fs::write(&path, "somebody else's").unwrap(),
            _ => {
                fs::rename(&path, session.path("away")).unwrap();
                fs::write(&path, "").unwrap();
            }
        }
        let before = session.tree.picture();

        assert_eq!(failure(&mut session, vec![AbandonWrite { writer }.into()]), None);

        assert_eq!(session.tree.picture(), before, "{other}");
    }
}

#[test]
fn a_file_that_was_there_keeps_its_place_although_it_is_empty() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("old", "");
    let before = session.tree.picture();
    let root = session.root();
    let (requests, writer, _) = begin(&mut session, root, "old", WriteHow::Append);
    assert_eq!(failure(&mut session, requests), None);

    assert_eq!(failure(&mut session, vec![AbandonWrite { writer }.into()]), None);

    assert_eq!(session.tree.picture(), before);
}
