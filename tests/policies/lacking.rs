//! What a denied call lacks: every permission that follows from its names, and none that does not.

use std::collections::BTreeSet;

use rex_broker::gate::explaining::Explaining;
use rex_ipc::bounded::{Bytes, Text};
use rex_ipc::failure::FailureClass;
use rex_ipc::file_system::{
    Allocate, Attributes, BeginFile, BeginWrite, ChunkLength, Copy, CreateDir, CreateLink, DeleteDir,
    DeleteFile, DirPlace, FinishWrite, ListEntries, MakeDir, MoveDir, MoveFile, NameText, NewTime, OpenDir,
    OpenFile, OpenListing, OpenMode, OpenTarget, Permissions, ReadChunk, ReadLink, SetMode, SetOwner,
    SetTimes, SetXAttr, Spelled, Stat, Truncate, WriteChunk, WriteHow,
};
use rex_ipc::handle::{AnyId, DirId, FileId, WriterId};
use rex_ipc::interface::Request;
use rex_tests::session::{MAKE, READ_WRITE, Session};
use serde_json::Value;

/// A run whose denials are explained.
fn session(policy: &str) -> Session {
    let mut session = Session::with_policy(policy);
    session.services.deciding.explaining = Explaining::enabled();
    session.tree.file("a", "content");
    session
}

fn open_dir(id: u32, path: &str, follow: bool) -> Request {
    OpenDir {
        id: DirId(id),
        at: DirPlace::Path(Text::new(path.to_owned()).unwrap()),
        follow,
        create: CreateDir::No,
    }
    .into()
}

fn open_file(id: u32, dir: u32, name: &str) -> OpenFile {
    OpenFile {
        id: FileId(id),
        dir: DirId(dir),
        name: Spelled::from(Text::new(name.to_owned()).unwrap()),
        mode: OpenMode::Read,
        follow: false,
    }
}

fn read(file: u32, redacted: bool) -> Request {
    ReadChunk { file: FileId(file), offset_bytes: 0, length: ChunkLength::MAX, redacted }.into()
}

/// `cat`, as the jail sends it.
fn cat(root: &str) -> Vec<Request> {
    vec![open_dir(1, root, true), open_file(2, 1, "a").into(), read(2, true)]
}

fn denials(session: &mut Session) -> Vec<Value> {
    let document: Value = serde_json::from_str(&session.document()).unwrap();
    document["denials"].as_array().cloned().unwrap_or_default()
}

/// Action and resource of each need, with the tree's path left out.
fn needs(denial: &Value, root: &str) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let needs = denial["needs"].as_array().unwrap_or_else(|| panic!("{denial}"));
    needs
        .iter()
        .map(|need| {
            let action = text(&need["action"]).replace("file_system::Action::", "").replace('"', "");
            let resource_type = text(&need["resource_type"]).replace("file_system::", "");
            let mark = if need["as_spelled"] == true { " as spelled" } else { "" };
            format!("{action} {resource_type} {}{mark}", text(&need["resource"]).replace(root, "…"))
        })
        .collect()
}

#[test]
fn cat_without_any_permission_names_all_three() {
    let mut session = session("");
    let root = session.text("");

    session.batch(cat(&root)).unwrap();

    let denials = denials(&mut session);
    assert_eq!(denials.len(), 1, "{denials:?}");
    assert_eq!(
        needs(&denials[0], root.trim_end_matches('/')),
        ["open Dir …", "open File …/a as spelled", "read File …/a as spelled"]
    );
    assert!(denials[0].get("nearest").is_none());
}

// The proof that nothing was forgotten: what is granted is enough, and it was found in one attempt.
#[test]
fn what_is_granted_is_enough_and_each_line_of_it_is_needed() {
    let mut denied = session("");
    let root = denied.text("");
    denied.batch(cat(&root)).unwrap();
    let grant = denials(&mut denied)[0]["grant"].as_str().unwrap().to_owned();
    let lines: Vec<&str> = grant.lines().collect();
    assert_eq!(lines.len(), 3);
    let mut tree = denied.tree;

    for left_out in 0..=lines.len() {
        let kept = lines.iter().enumerate().filter(|(at, _)| *at != left_out).map(|(_, line)| *line);
        let mut session = Session::on_tree(tree, &kept.collect::<Vec<_>>().join("\n"), |_| {});
        let failure = session.batch(cat(&root)).unwrap().failure;
        assert_eq!(failure.is_none(), left_out == lines.len(), "{failure:?}");
        tree = session.tree;
    }
}

/// Calls of every kind whose questions can be known, each on a tree with the file `a` and the directory `d`.
fn calls(root: &str) -> Vec<(&'static str, Vec<Request>)> {
    let name = |name: &str| Text::new(name.to_owned()).unwrap();
    let path = |path: &str| Text::new(path.to_owned()).unwrap();
    let top = || open_dir(1, root, false);
    let writable = || Request::from(OpenFile { mode: READ_WRITE, ..open_file(2, 1, "a") });
    let piece =
        || Request::from(WriteChunk { writer: WriterId(3), bytes: Bytes::new(b"new".to_vec()).unwrap() });
    let finish = |attributes| Request::from(FinishWrite { writer: WriterId(3), reopen: None, attributes });
    let mode = || Attributes { mode: Permissions::new(0o600), ..Attributes::default() };
    let begin = BeginWrite { id: WriterId(3), file: FileId(2), how: WriteHow::Replace { keep_owner: false } };
    let (file, dir) = (AnyId::File(FileId(2)), AnyId::Dir(DirId(2)));
    let entry = || {
        let at = DirPlace::Entry(DirId(1), Spelled::from(name("d")));
        Request::from(OpenDir { id: DirId(2), at, follow: false, create: CreateDir::No })
    };
    let target =
        OpenTarget { id: FileId(3), dir: DirId(1), name: Spelled::from(name("copy")), from: Some(FileId(2)) };
    let link = CreateLink { dir: DirId(1), name: Spelled::from(name("l")), target: path("a"), force: true };
    let owner = SetOwner { handle: file, user: Some(Text::new("0".to_owned()).unwrap()), group: None };
    let xattr = SetXAttr {
        file: FileId(2),
        name: Text::new("security.selinux".to_owned()).unwrap(),
        selinux_user: None,
        selinux_role: None,
        selinux_type: None,
        selinux_level: None,
    };
    let below = DirPlace::Below(DirId(1), path("d"));
    vec![
        ("cat", cat(root)),
        ("list", vec![top(), ListEntries { dir: DirId(1), restart: true }.into()]),
        (
            "below",
            vec![top(), OpenDir { id: DirId(2), at: below, follow: false, create: CreateDir::No }.into()],
        ),
        ("replace", vec![top(), writable(), begin.into(), piece(), finish(Attributes::default())]),
        (
            "copy",
            vec![
                top(),
                open_file(2, 1, "a").into(),
                target.into(),
                Copy { from: FileId(2), to: FileId(3), force: false, preserve: false }.into(),
            ],
        ),
        (
            "unpack",
            vec![
                top(),
                BeginFile { id: WriterId(3), dir: DirId(1), path: path("x/y/f") }.into(),
                piece(),
                finish(mode()),
            ],
        ),
        ("mkdir", vec![top(), MakeDir { dir: DirId(1), path: path("p/q"), attributes: mode() }.into()]),
        ("link", vec![top(), link.into()]),
        ("truncate", vec![top(), writable(), Truncate { file: FileId(2), size_bytes: 1 }.into()]),
        ("allocate", vec![top(), writable(), Allocate { file: FileId(2), length_bytes: 9 }.into()]),
        (
            "times",
            vec![
                top(),
                writable(),
                SetTimes { file: FileId(2), accessed: None, modified: Some(NewTime::Now) }.into(),
            ],
        ),
        (
            "mode",
            vec![
                top(),
                entry(),
                SetMode { handle: dir, permissions: Permissions::new(0o700).unwrap() }.into(),
            ],
        ),
        ("owner", vec![top(), writable(), owner.into()]),
        ("label", vec![top(), writable(), xattr.into()]),
        (
            "move",
            vec![
                top(),
                open_file(2, 1, "a").into(),
                MoveFile {
                    file: FileId(2),
                    to: DirId(1),
                    name: Spelled::from(name("b")),
                    id: FileId(3),
                    backup: false,
                }
                .into(),
            ],
        ),
        (
            "move a directory",
            vec![
                top(),
                entry(),
                MoveDir {
                    from: DirId(1),
                    dir: DirId(2),
                    to: DirId(1),
                    name: Spelled::from(name("e")),
                    id: DirId(3),
                }
                .into(),
            ],
        ),
        (
            "remove",
            vec![top(), open_file(2, 1, "a").into(), DeleteFile { file: FileId(2), force: false }.into()],
        ),
        (
            "remove a directory",
            vec![top(), entry(), DeleteDir { dir: DirId(2), force: false, recursive: false }.into()],
        ),
    ]
}

#[test]
fn one_denial_is_enough_to_learn_what_a_call_needs() {
    let count = calls("/").len();

    for position in 0..count {
        let mut denied = session("");
        denied.tree.dir("d");
        let root = denied.text("");
        let (name, requests) = calls(&root).swap_remove(position);
        let before = denied.tree.picture();
        denied.batch(requests.clone()).unwrap();
        assert_eq!(denied.tree.picture(), before, "{name} has changed something");
        let explained = denials(&mut denied).remove(0);
        let grant = explained["grant"].as_str().unwrap_or_else(|| panic!("{name}: {explained}")).to_owned();

        let mut permitted = Session::on_tree(denied.tree, &grant, |_| {});
        let failure = permitted.batch(requests).unwrap().failure;

        let is_denied = failure.as_ref().is_some_and(|failure| failure.class == FailureClass::Denied);
        assert!(!is_denied, "{name}: {failure:?}\n{grant}");
        // Nothing was named that is not asked.
        let asked: BTreeSet<String> = permitted.questions().into_iter().collect();
        assert_eq!(grant.lines().count(), asked.len(), "{name}: {asked:?}\n{grant}");
    }
}

#[test]
fn what_is_permitted_already_is_not_named() {
    let mut session = session("permit(principal, action == file_system::Action::\"open\", resource);");
    let root = session.text("");

    session.batch(cat(&root)).unwrap();

    let denials = denials(&mut session);
    assert_eq!(needs(&denials[0], root.trim_end_matches('/')), ["read File …/a"]);
    assert_eq!(denials[0]["nearest"]["id"], "policy0");
    assert_eq!(denials[0]["nearest"]["failed"][0]["part"], "action");
}

/// What is proposed in the whole run, line by line.
fn proposed(denials: &[Value]) -> Vec<String> {
    let grants = denials.iter().filter_map(|denial| denial["grant"].as_str());
    grants.flat_map(str::lines).map(str::to_owned).collect()
}

const OPEN: &str = "permit(principal, action == file_system::Action::\"open\", resource);";

// Both ways of reading are refused, and that is one lack: the one that the script asked for.
#[test]
fn of_two_ways_to_read_one_is_proposed() {
    for (policy, lines) in [
        (OPEN.to_owned(), 1),
        (String::new(), 3),
        (format!("{OPEN} forbid(principal, action == file_system::Action::\"redacted_read\", resource);"), 1),
    ] {
        let mut session = session(&policy);
        let root = session.text("");

        session.batch(cat(&root)).unwrap();

        let proposed = proposed(&denials(&mut session));
        assert_eq!(proposed.len(), lines, "{policy}: {proposed:?}");
        assert_eq!(proposed.iter().filter(|line| line.contains("::\"read\"")).count(), 1, "{proposed:?}");
        assert!(!proposed.iter().any(|line| line.contains("redacted_read")), "{proposed:?}");
    }
}

#[test]
fn where_reading_is_forbidden_no_part_of_it_is_offered() {
    let forbid = "@id(\"no keys\") forbid(principal, action == file_system::Action::\"read\", resource);";
    for policy in [format!("{OPEN} {forbid}"), forbid.to_owned()] {
        let mut session = session(&policy);
        let root = session.text("");

        session.batch(cat(&root)).unwrap();

        let denials = denials(&mut session);
        assert_eq!(proposed(&denials), Vec::<String>::new(), "{denials:?}");
        let forbidden = denials[0]["needs"].as_array().unwrap().last().unwrap();
        assert_eq!(forbidden["forbidden_by"][0], "no keys");
    }
}

#[test]
fn what_comes_behind_the_reading_is_told_with_it() {
    let mut session = session(OPEN);
    let root = session.text("");
    let mut requests = cat(&root);
    requests.push(Stat { handle: AnyId::File(FileId(2)) }.into());

    session.batch(requests).unwrap();

    let denials = denials(&mut session);
    assert_eq!(needs(&denials[0], root.trim_end_matches('/')), ["read File …/a", "stat File …/a"]);
    assert!(denials[1]["action"].as_str().unwrap().contains("redacted_read"));
    assert!(denials[1].get("needs").is_none() && denials[1].get("grant").is_none());
}

#[test]
fn what_is_proposed_lets_the_call_succeed_with_the_whole_content() {
    let mut denied = session(OPEN);
    let root = denied.text("");
    denied.batch(cat(&root)).unwrap();
    let lines = proposed(&denials(&mut denied));

    let mut permitted = Session::on_tree(denied.tree, &format!("{OPEN}{}", lines.concat()), |_| {});

    assert!(permitted.batch(cat(&root)).unwrap().failure.is_none());
    assert!(!permitted.questions().iter().any(|question| question.contains("redacted")));
}

#[test]
fn an_apostrophe_is_spelled_one_way_and_what_is_proposed_permits() {
    let mut denied = session("");
    denied.tree.dir("o'brien");
    denied.tree.file("o'brien/a", "content");
    let root = denied.text("o'brien");
    denied.batch(cat(&root)).unwrap();
    let denials = denials(&mut denied);

    let spelled = root.replace('\'', "\\'");
    assert!(denials[0]["resource"].as_str().unwrap().contains(&spelled), "{}", denials[0]);
    // A field that is nothing but the name has the name.
    assert_eq!(denials[0]["needs"][0]["resource"], root.as_str());
    let lines = proposed(&denials);
    assert!(lines.iter().all(|line| line.contains(&spelled)), "{lines:?}");
    let mut permitted = Session::on_tree(denied.tree, &lines.concat(), |_| {});
    assert!(permitted.batch(cat(&root)).unwrap().failure.is_none());
}

#[test]
fn an_object_that_is_open_is_named_by_its_real_name() {
    let mut session =
        session("permit(principal, action == file_system::Action::\"open\", resource is file_system::Dir);");
    session.tree.dir("real");
    session.tree.file("real/a", "content");
    session.tree.link("real", "link");
    let (link, root) = (session.text("link"), session.text(""));

    session.batch(vec![open_dir(1, &link, true), open_file(2, 1, "a").into(), read(2, false)]).unwrap();

    let denials = denials(&mut session);
    assert_eq!(needs(&denials[0], root.trim_end_matches('/')), ["open File …/real/a", "read File …/real/a"]);
}

#[test]
fn creating_asks_for_both() {
    let mut session = session("");
    let root = session.text("");
    let place = DirPlace::Path(Text::new(format!("{root}/new")).unwrap());
    let create = OpenDir { id: DirId(1), at: place, follow: false, create: CreateDir::All };
    let file = OpenFile { mode: MAKE, ..open_file(2, 1, "b") };

    session.batch(vec![create.into(), file.into(), Stat { handle: AnyId::File(FileId(2)) }.into()]).unwrap();

    assert_eq!(
        needs(&denials(&mut session)[0], root.trim_end_matches('/')),
        [
            "open Dir …/new",
            "create Dir …/new",
            "open File …/new/b",
            "create File …/new/b",
            "stat File …/new/b"
        ]
    );
    assert!(!session.path("new").exists());
}

#[test]
fn a_listing_and_a_link_are_named_too() {
    let mut session = session("");
    let root = session.text("");
    let listing = OpenListing { id: DirId(1), path: Text::new(root.clone()).unwrap() };
    let link =
        ReadLink { dir: DirId(1), name: NameText::try_from(Text::new("l".to_owned()).unwrap()).unwrap() };

    session
        .batch(vec![listing.into(), ListEntries { dir: DirId(1), restart: true }.into(), link.into()])
        .unwrap();

    assert_eq!(
        needs(&denials(&mut session)[0], root.trim_end_matches('/')),
        ["open Dir …", "read Dir … as spelled", "read File …/l as spelled"]
    );
}

#[test]
fn a_forbid_is_named_and_not_granted_away() {
    let mut session =
        session("@id(\"no reading\") forbid(principal, action == file_system::Action::\"read\", resource);");
    let root = session.text("");

    session.batch(cat(&root)).unwrap();

    let denials = denials(&mut session);
    let needs = denials[0]["needs"].as_array().unwrap();
    // Redacted reading is not forbidden, only not permitted; what is named is the plain one.
    assert_eq!(needs[2]["forbidden_by"][0], "no reading");
    // Without it the call fails whatever else is permitted, so nothing is proposed.
    assert!(denials[0].get("grant").is_none(), "{}", denials[0]);
}

#[test]
fn what_is_built_in_is_never_granted() {
    let mut session = session("");

    session.batch(vec![open_dir(1, "/proc/self", false), open_dir(2, "/proc/self/fd", false)]).unwrap();

    let denials = denials(&mut session);
    let needs = denials[0]["needs"].as_array().unwrap();
    assert_eq!(needs.len(), 2);
    assert!(needs.iter().all(|need| need["forbidden_by"][0].as_str().unwrap().starts_with("built-in")));
    assert!(denials[0].get("grant").is_none());
}

#[test]
fn what_cannot_be_known_is_not_claimed() {
    let mut session = session("");
    let root = session.text("");
    let wrong_name = open_file(2, 1, "../b");
    let of_unknown = open_file(9, 77, "a");

    session
        .batch(vec![
            open_dir(1, &root, false),
            wrong_name.into(),
            read(2, false),
            of_unknown.into(),
            read(9, false),
        ])
        .unwrap();

    assert_eq!(needs(&denials(&mut session)[0], root.trim_end_matches('/')), ["open Dir …"]);
}

#[test]
fn nothing_is_asked_recorded_or_said_beyond_the_refusal() {
    let (mut plain, mut explained) = (Session::with_policy(""), session(""));
    let mut told = Vec::new();

    for session in [&mut plain, &mut explained] {
        session.tree.file("b", "");
        let root = session.text("");
        let answer = session.batch(cat(&root)).unwrap();
        let failure = answer.failure.map(|failure| {
            format!("{failure:?}").replace(&root, "…").replace(root.trim_end_matches('/'), "…")
        });
        told.push((failure, answer.replies.len(), session.questions().len(), session.outcomes().len()));
    }

    assert_eq!(told[0], told[1]);
    assert!(denials(&mut plain)[0].get("needs").is_none());
}

#[test]
fn a_script_that_is_denied_without_end_is_explained_only_so_often() {
    let mut session = session("permit(principal, action, resource in file_system::Dir::\"/nowhere\");");

    for number in 0..1_200_u32 {
        session.batch(vec![open_dir(number + 1, &format!("/none/{number}"), false)]).unwrap();
    }

    let denials = denials(&mut session);
    let explained = denials.iter().filter(|denial| denial.get("needs").is_some()).count();
    assert_eq!((denials.len(), explained), (1_000, 1_000));
}

#[test]
fn a_denial_that_repeats_itself_is_one_entry_and_explained_once() {
    let mut session = session("");
    let root = session.text("");

    for _ in 0..3 {
        let id = session.number();
        session.batch(vec![open_dir(id, &root, false), open_dir(id + 50, "/elsewhere", false)]).unwrap();
    }

    let denials = denials(&mut session);
    assert_eq!((denials.len(), &denials[0]["count"]), (1, &3.into()));
    assert_eq!(needs(&denials[0], root.trim_end_matches('/')), ["open Dir …", "open Dir /elsewhere"]);
}
