//! Several requests in one call: in order, up to the first failure, and nothing released before its record is written.

use rex_broker::host::handles::Handles;
use rex_broker::run::session::RunEnd;
use rex_ipc::action::ActionId;
use rex_ipc::failure::{ErrorKind, FailureClass};
use rex_ipc::file_system::{
    ChunkLength, Close, CreateDir, DirPlace, ListDetails, ListEntries, MakePath, OpenDir, OpenFile, OpenLink,
    OpenMode, ReadChunk, ReadEnd, ReadLink, Stat, StatEntry,
};
use rex_ipc::handle::{AnyId, DirId, FileId};
use rex_ipc::interface::Request;
use rex_ipc::limits::MAX_BATCH;
use rex_ipc::runtime::{Now, RandomBytes, RandomCount};
use rex_tests::peer::Reply;
use rex_tests::session::{ALLOW_ALL, Session, entry_text, name_text, path_text};
use rex_tests::tree::Tree;

fn open_dir(id: u32, path: &str) -> Request {
    OpenDir { id: DirId(id), at: DirPlace::Path(path_text(path)), follow: true, create: CreateDir::No }.into()
}

fn open_file(id: u32, dir: u32, name: &str) -> Request {
    OpenFile { id: FileId(id), dir: DirId(dir), name: name_text(name), mode: OpenMode::Read, follow: false }
        .into()
}

fn read(file: u32) -> Request {
    ReadChunk { file: FileId(file), offset_bytes: 0, length: ChunkLength::MAX, redacted: true }.into()
}

fn close(handle: AnyId) -> Request {
    Close { handle }.into()
}

// design, 3: "`cat` is one round trip of [OpenDir 7, OpenFile 8, ReadChunk 8, Close 8, Close 7]".
#[test]
fn cat_is_one_round_trip() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "content");
    let root = session.text("");

    let answer = session
        .batch(vec![
            open_dir(7, &root),
            open_file(8, 7, "a"),
            read(8),
            close(AnyId::File(FileId(8))),
            close(AnyId::Dir(DirId(7))),
        ])
        .unwrap();

    assert_eq!(answer.failure, None);
    assert_eq!(answer.replies.len(), 5);
    assert!(
        matches!(&answer.replies[2], Reply::ReadChunk(chunk) if chunk.bytes.as_slice() == b"content" && chunk.end)
    );
    assert!(session.services.host.handles.is_empty());
    assert_eq!(session.outcomes(), ["open_dir done", "open_file done", "read_chunk done"]);
    assert_eq!(session.questions(), ["permit open Dir ~", "permit open File ~/a", "permit read File ~/a"]);
}

#[test]
fn a_batch_stops_at_the_first_failure_and_closes_what_it_opened() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "content");
    let root = session.text("");
    let before = session.root();

    let answer = session
        .batch(vec![
            open_dir(7, &root),
            open_file(8, 7, "a"),
            open_file(9, 7, "absent"),
            open_file(10, 7, "a"),
        ])
        .unwrap();

    assert_eq!(answer.replies.len(), 2);
    assert_eq!(answer.failure.unwrap().kind, ErrorKind::IoError);
    assert_eq!(session.services.host.handles.len(), 1);
    session.services.host.handles.dir(before).unwrap();
    // Numbers up to and including the failed one are spent, the next one is not.
    let root = session.text("");
    assert!(matches!(session.batch(vec![open_dir(9, &root)]), Err(RunEnd::Violation(_))));
    session.batch(vec![open_dir(10, &root)]).unwrap();
}

#[test]
fn a_denied_request_ends_its_batch() {
    let policy =
        format!(r#"{ALLOW_ALL} forbid(principal, action == file_system::Action::"read", resource);"#);
    let mut session = Session::with_policy(&policy);
    session.tree.file("a", "content");
    let root = session.text("");

    let answer = session
        .batch(vec![
            open_dir(7, &root),
            open_file(8, 7, "a"),
            Stat { handle: AnyId::Dir(DirId(7)) }.into(),
            ListEntries { dir: DirId(7), restart: false }.into(),
            read(8),
        ])
        .unwrap();

    assert_eq!(answer.replies.len(), 3);
    assert_eq!(answer.failure.unwrap().kind, ErrorKind::PermissionDenied);
    assert!(session.services.host.handles.is_empty());
    assert_eq!(session.questions().last().unwrap(), "deny read Dir ~");
}

#[test]
fn what_an_earlier_batch_opened_stays_open() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "content");
    let root = session.text("");
    session.batch(vec![open_dir(7, &root), open_file(8, 7, "a")]).unwrap();

    let answer = session.batch(vec![open_file(9, 7, "absent")]).unwrap();

    assert!(answer.failure.is_some());
    assert!(session.batch(vec![read(8)]).unwrap().failure.is_none());
}

#[test]
fn a_broken_rule_in_the_middle_ends_the_run_without_an_answer() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "content");
    let root = session.text("");

    for wrong in [
        vec![open_dir(1, &root), open_dir(1, &root)],
        vec![open_dir(3, &root), open_dir(2, &root)],
        vec![open_dir(4, &root), read(4)],
        vec![open_dir(5, &root), open_file(6, 9, "a")],
        vec![open_dir(7, &root), close(AnyId::File(FileId(7)))],
        vec![open_dir(8, &root), close(AnyId::Dir(DirId(8))), close(AnyId::Dir(DirId(8)))],
    ] {
        let end = session.batch(wrong.clone()).unwrap_err();
        assert!(matches!(end, RunEnd::Violation(_)), "{wrong:?}: {end:?}");
    }
}

#[test]
fn a_batch_has_at_most_its_number_of_requests() {
    let mut session = Session::with_policy("");

    let most = vec![Request::from(Now {}); MAX_BATCH];
    assert_eq!(session.batch(most).unwrap().replies.len(), MAX_BATCH);
}

// design, 6: "Every decision leaves one record before the result is released to the jail".
#[test]
fn nothing_is_released_before_its_record_is_written() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "content");
    let root = session.text("");
    let records = session.records.clone();

    let (_, left) = session.serve(|peer| {
        let mut left = Vec::new();
        for requests in [vec![open_dir(7, &root), open_file(8, 7, "a")], vec![read(8)], vec![read(8)]] {
            peer.call(requests).unwrap();
            left.push(records.uncommitted());
        }
        left
    });

    assert_eq!(left, [0, 0, 0]);
    assert_eq!(session.records.done().len(), 4);
}

#[test]
fn what_cannot_be_recorded_is_not_released() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "content");
    let root = session.text("");
    session.records.fail_at(ActionId::FileSystemRead);

    let end = session.batch(vec![open_dir(7, &root), open_file(8, 7, "a"), read(8)]).unwrap_err();

    assert!(matches!(end, RunEnd::Audit(_)), "{end:?}");
}

#[test]
fn the_claimed_line_stands_in_the_record() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let root = session.text("");

    session.serve(|peer| {
        peer.line = 42;
        peer.call(vec![open_dir(7, &root)])
    });

    assert_eq!(session.records.decided()[0].line, 42);
}

#[test]
fn the_policies_that_decided_stand_in_the_record() {
    let mut session = Session::with_policy(
        r#"@id("yes") permit(principal, action, resource);
        @id("no") forbid(principal, action, resource in file_system::Dir::"{root}/closed");"#,
    );
    session.root();
    let closed = session.text("closed");
    let mut other = Session::with_policy("");

    assert!(session.open_dir(&closed).unwrap_err().is_denial());
    assert!(other.open_dir("/").unwrap_err().is_denial());

    let decided = session.records.decided();
    assert_eq!((&decided[0].policies[..], decided[0].permitted), (&["yes".to_owned()][..], true));
    assert_eq!((&decided[1].policies[..], decided[1].permitted), (&["no".to_owned()][..], false));
    assert!(other.records.decided()[0].policies.is_empty());
}

// A denial that cannot be read past must not make the reply larger than a frame.
#[test]
fn a_failure_fits_behind_a_full_reply() {
    let policy = format!(
        r#"{ALLOW_ALL} forbid(principal, action == file_system::Action::"open", resource is file_system::File)
        when {{ resource.path like "*closed*" }};"#
    );
    let mut session = Session::with_policy(&policy);
    session.tree.file("a", vec![b'x'; 100_000]);
    let root = session.text("");
    session.batch(vec![open_dir(7, &root), open_file(8, 7, "a")]).unwrap();

    let answer =
        session.batch(vec![read(8), open_file(9, 7, &format!("{}closed", "c".repeat(200)))]).unwrap();

    assert_eq!(answer.replies.len(), 1);
    assert_eq!(answer.failure.unwrap().kind, ErrorKind::PermissionDenied);
}

#[test]
fn calls_have_a_limit() {
    let mut session = Session::with_limits("", |limits| limits.max_calls = 2);
    session.send(Now {}).unwrap();
    session.send(Now {}).unwrap();

    let end = session.send(Now {}).unwrap_err().end();

    assert!(matches!(&end, RunEnd::Limit(limit) if limit.name == "max-calls"), "{end:?}");
}

#[test]
fn descriptions_fit_behind_a_full_reply() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", vec![b'x'; 100_000]);
    let root = session.text("");
    session.batch(vec![open_dir(7, &root), open_file(8, 7, "a")]).unwrap();

    let mut requests = vec![read(8)];
    requests.extend((1..MAX_BATCH).map(|_| Request::from(Stat { handle: AnyId::Dir(DirId(7)) })));
    let answer = session.batch(requests).unwrap();

    assert_eq!((answer.replies.len(), answer.failure), (MAX_BATCH, None));
}

/// A call of requests whose replies are as long as they can be.
fn random(count: u32) -> Request {
    RandomBytes { count: RandomCount::new(count).unwrap() }.into()
}

// wire.md, 8: what does not fit behind the replies before it is refused, and nothing was done for it.
#[test]
fn what_does_not_fit_one_frame_is_refused_and_the_run_goes_on() {
    let mut session = Session::with_policy(ALLOW_ALL);

    let answer = session.batch(vec![random(4096); MAX_BATCH]).unwrap();

    assert_eq!(answer.replies.len(), 15);
    let failure = answer.failure.expect("the sixteenth does not fit");
    assert_eq!((failure.class, failure.kind), (FailureClass::Invalid, ErrorKind::Other));
    assert!(failure.message.as_str().contains("do not fit a frame"), "{}", failure.message);
    // Of shorter ones, all sixteen are answered, and a shorter one at the end is, too.
    assert_eq!(session.batch(vec![random(4000); MAX_BATCH]).unwrap().failure, None);
    let shorter = [vec![random(4096); 15], vec![random(2000)]].concat();
    assert_eq!(session.batch(shorter).unwrap().failure, None);
}

// Each kind of request, behind a chunk that fills its frame.
#[test]
fn no_request_behind_a_full_chunk_ends_the_run() {
    let tree = Tree::new();
    tree.file("large", "x".repeat(100_000));
    tree.link(&format!("/{}", "\u{1}".repeat(4000)), "link");
    let (root, made) = (tree.text(""), tree.text("made"));
    let mut session = Session::on_tree(tree, ALLOW_ALL, |_| {});
    let dir = DirId(7);
    let file = FileId(8);
    let length = ChunkLength::MAX;
    let behind: Vec<Request> = vec![
        Now {}.into(),
        random(4096),
        read(8),
        ReadEnd { file, length }.into(),
        Stat { handle: AnyId::Dir(dir) }.into(),
        StatEntry { dir, name: entry_text("large") }.into(),
        ListEntries { dir, restart: true }.into(),
        ListDetails { dir, restart: true }.into(),
        open_dir(9, &root),
        open_file(9, 7, "large"),
        OpenLink { id: FileId(9), dir, name: name_text("link") }.into(),
        MakePath { path: path_text(&made) }.into(),
        close(AnyId::File(file)),
    ];

    for request in behind {
        // A handle is closed and a number given only once.
        let once = matches!(
            request,
            Request::Close(_) | Request::OpenDir(_) | Request::OpenFile(_) | Request::OpenLink(_)
        );
        for times in if once { [1, 1] } else { [1, 13] } {
            let name = request.name();
            // The numbers of handles can be used once.
            session.services.host.handles = Handles::new(100);
            let opened = vec![open_dir(7, &root), open_file(8, 7, "large"), read(8)];
            let requests = [opened, vec![request.clone(); times]].concat();
            let answer = session.batch(requests).unwrap_or_else(|end| panic!("{name}: {end:?}"));

            // A second chunk says where it goes on, and is never empty in the middle of a file.
            for reply in answer.replies.iter().skip(3) {
                if let Reply::ReadChunk(chunk) = reply {
                    assert!(!chunk.bytes.as_slice().is_empty(), "{name}");
                }
            }
            session.batch(vec![Now {}.into()]).unwrap_or_else(|end| panic!("{name}: {end:?}"));
        }
    }
}

// A link's target may be as long as a path can be; behind a chunk there is no room for it.
#[test]
fn a_link_behind_a_full_chunk_is_refused_before_it_is_read() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("large", "x".repeat(100_000));
    session.tree.link(&format!("/{}", "\u{1}".repeat(4000)), "link");
    let root = session.text("");
    let answer = session
        .batch(vec![
            open_dir(7, &root),
            open_file(8, 7, "large"),
            read(8),
            ReadLink { dir: DirId(7), name: entry_text("link") }.into(),
        ])
        .unwrap();

    assert_eq!(answer.replies.len(), 3);
    assert_eq!(answer.failure.map(|failure| failure.kind), Some(ErrorKind::Other));
    assert!(
        session.records.decided().iter().all(|decided| decided.operation != "read_link"),
        "nobody was asked"
    );
}

// What changes something is refused before it does, when its answer might not fit.
#[test]
fn nothing_is_made_whose_answer_cannot_be_sent() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("large", "x".repeat(100_000));
    let root = session.text("");
    let made = session.text("made");
    let make =
        OpenDir { id: DirId(9), at: DirPlace::Path(path_text(&made)), follow: true, create: CreateDir::Leaf };

    let answer =
        session.batch(vec![open_dir(7, &root), open_file(8, 7, "large"), read(8), make.into()]).unwrap();

    assert_eq!(answer.failure.map(|failure| failure.kind), Some(ErrorKind::Other));
    assert!(!session.path("made").exists());
}
