//! Several requests in one call: in order, up to the first failure, and nothing released before its record is written.

use rex_broker::session::RunEnd;
use rex_ipc::action::ActionId;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{
    ChunkLength, Close, CreateDir, DirPlace, ListEntries, OpenDir, OpenFile, ReadChunk, Stat,
};
use rex_ipc::handle::{AnyId, DirId, FileId};
use rex_ipc::interface::Request;
use rex_ipc::limits::MAX_BATCH;
use rex_ipc::runtime::Now;
use rex_tests::peer::Reply;
use rex_tests::session::{ALLOW_ALL, Session, name_text, path_text};

fn open_dir(id: u32, path: &str) -> Request {
    OpenDir { id: DirId(id), at: DirPlace::Path(path_text(path)), follow: true, create: CreateDir::No }.into()
}

fn open_file(id: u32, dir: u32, name: &str) -> Request {
    OpenFile {
        id: FileId(id),
        dir: DirId(dir),
        name: name_text(name),
        read: true,
        write: false,
        create: false,
        permissions: None,
        follow: false,
    }
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
    assert!(session.services.handles.is_empty());
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
    assert_eq!(session.services.handles.len(), 1);
    session.services.handles.dir(before).unwrap();
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
    assert!(session.services.handles.is_empty());
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
