//! What operations say that they will ask is what they ask, whatever they are called with.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;

use rex_broker::gate::error::Error;
use rex_broker::ops;
use rex_broker::ops::explain::ahead;
use rex_ipc::action::ActionId;
use rex_ipc::batch::ReplyWriter;
use rex_ipc::bounded::{Bytes, Text};
use rex_ipc::control::RequestNumber;
use rex_ipc::file_system::*;
use rex_ipc::handle::{AnyId, DirId, FileId, WriterId};
use rex_ipc::interface::Request;
use rex_ipc::limits::MAX_FRAME_BYTES;
use rex_tests::malformed::Numbers;
use rex_tests::session::{Session, name_text, open_mode};

/// Some of everything is denied, so that requests end at each of their questions.
const POLICY: &str = r#"
    permit(principal, action, resource);
    forbid(principal, action == file_system::Action::"create", resource == file_system::Dir::"{root}/closed");
    forbid(principal, action == file_system::Action::"write", resource == file_system::File::"{root}/quiet");
    forbid(principal, action == file_system::Action::"chmod", resource in file_system::Dir::"{root}/a");
    forbid(principal, action == file_system::Action::"read", resource == file_system::File::"{root}/hidden");
"#;

const NAMES: &[&str] =
    &["a", "f", "new", "quiet", "hidden", "closed", "to_a", "to_f", "dangling", "gone", ".", "x/y"];
const PATHS: &[&str] = &["a", "a/b/c", "new/n", "to_a/in", "closed/c", "quiet", "..", "a/b/f", "/etc"];

/// What one sequence of requests has open.
#[derive(Default)]
struct Open {
    dirs: Vec<DirId>,
    files: Vec<FileId>,
    writers: Vec<WriterId>,
    next: u32,
}

#[test]
fn random_calls_ask_what_they_have_said() {
    let mut succeeded: BTreeMap<&str, usize> = BTreeMap::new();
    let mut said = 0;
    for seed in 1..=40 {
        let mut numbers = Numbers::new(seed);
        let mut session = Session::with_policy(POLICY);
        furnish(&session);
        let mut open = Open { next: 1, ..Open::default() };
        for frame in 0..60 {
            let request = any_request(&session, &mut open, &mut numbers);
            let foreseen: Vec<(ActionId, String, bool)> =
                ahead::of(&session.services.host.handles, std::iter::once(&request))
                    .iter()
                    .map(|asked| {
                        let (action, name) = asked.told();
                        (action, name, asked.depends_on_what_is_there())
                    })
                    .collect();
            session.records.clear();

            let result = dispatch(&mut session, &request, frame);

            let asked: Vec<(ActionId, String, bool)> = session
                .records
                .decided()
                .into_iter()
                .map(|decided| (decided.action, decided.resource, decided.permitted))
                .collect();
            compare(&request, &foreseen, &asked, result.is_ok());
            said += foreseen.len();
            if result.is_ok() {
                *succeeded.entry(request.name()).or_default() += 1;
            }
            if let Err(Error::Violation(reason)) = result {
                panic!("{request:?}: {reason}");
            }
        }
    }

    assert!(said > 1_000, "only {said} questions were foreseen");
    let kinds: Vec<_> = succeeded.keys().collect();
    assert!(succeeded.len() >= 22, "only these succeeded: {kinds:?}");
}

/// What was asked begins with what was foreseen; a request that failed may have stopped before the end of it.
fn compare(
    request: &Request,
    foreseen: &[(ActionId, String, bool)],
    asked: &[(ActionId, String, bool)],
    succeeded: bool,
) {
    let mut asked_then = asked.iter().peekable();
    for (action, name, depends) in foreseen {
        match asked_then.peek() {
            Some((asked_action, asked_name, _)) if asked_action == action && asked_name == name => {
                asked_then.next();
            }
            _ if *depends => {}
            None if !succeeded => return,
            // Refused under the name that it had before this run moved it.
            Some((asked_action, _, false)) if asked_action == action => return,
            // Where a link leads, what is left is asked of what it leads to.
            Some(_) if matches!(request, Request::MakeDir(_)) => return,
            other => panic!("{request:?} has said {action:?} on {name} and asked {other:?}: {asked:?}"),
        }
    }
}

fn dispatch(session: &mut Session, request: &Request, frame: u32) -> Result<(), Error> {
    let mut space = vec![0; MAX_FRAME_BYTES];
    let services = &mut session.services;
    services.kept.begin(RequestNumber { frame, index: 0 }, request);
    services.host.handles.begin_batch();
    let result = ops::dispatch(request.clone(), services.parts(), 1, &mut ReplyWriter::new(&mut space));
    match result {
        Ok(()) => services.host.handles.end_batch(),
        Err(_) => services.host.handles.close_batch(),
    }
    result
}

fn furnish(session: &Session) {
    let root = session.path("");
    for directory in ["a/b", "closed"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    for file in ["f", "quiet", "hidden", "a/b/f"] {
        fs::write(root.join(file), "content").unwrap();
    }
    for (target, name) in [("a", "to_a"), ("f", "to_f"), ("nowhere", "dangling")] {
        symlink(target, root.join(name)).unwrap();
    }
}

fn any_request(session: &Session, open: &mut Open, numbers: &mut Numbers) -> Request {
    let number = open.next;
    open.next += 1;
    let handles = &session.services.host.handles;
    open.dirs.retain(|id| handles.dir(*id).is_ok());
    open.files.retain(|id| handles.file(*id).is_ok());
    open.writers.retain(|id| handles.writer(*id).is_ok());
    let mut coin = || numbers.below(2) == 0;
    let (one, two, three) = (coin(), coin(), coin());
    let name = name_text(pick(NAMES, numbers));
    let path: PathText = Text::new(pick(PATHS, numbers)).unwrap();
    let whole: PathText = Text::new(session.text(pick(NAMES, numbers))).unwrap();
    let root = || OpenDir {
        id: DirId(number),
        at: DirPlace::Path(Text::new(session.text("")).unwrap()),
        follow: true,
        create: CreateDir::No,
    };
    let kind = numbers.below(34);
    let (Some(dir), Some(to)) = (any(&open.dirs, numbers), any(&open.dirs, numbers)) else {
        open.dirs.push(DirId(number));
        return root().into();
    };
    let opening = OpenFile {
        id: FileId(number),
        dir,
        name: name.clone(),
        mode: open_mode(one || !two, two, two && three),
        follow: one,
    };
    let needs_file = matches!(kind, 8..=22);
    let file = any(&open.files, numbers);
    let second = any(&open.files, numbers);
    let (Some(file), Some(second)) = (file, second) else {
        if needs_file || kind < 3 {
            open.files.push(FileId(number));
            return opening.into();
        }
        return without_file(kind, number, dir, to, name, path, whole, (one, two, three), open);
    };
    match kind {
        0..=2 => {
            open.files.push(FileId(number));
            opening.into()
        }
        8 => ReadChunk { file, offset_bytes: 0, length: ChunkLength::new(16).unwrap(), redacted: one }.into(),
        9 => ReadEnd { file, length: ChunkLength::new(16).unwrap() }.into(),
        10 => Stat { handle: AnyId::File(file) }.into(),
        11 | 12 => {
            open.writers.push(WriterId(number));
            let how = [WriteHow::InPlace, WriteHow::Append, WriteHow::Replace { keep_owner: true }];
            BeginWrite { id: WriterId(number), file, how: how[numbers.below(3) as usize] }.into()
        }
        13 => Truncate { file, size_bytes: 3 }.into(),
        14 => Allocate { file, length_bytes: 16 }.into(),
        15 => SetTimes { file, accessed: Some(NewTime::Now), modified: None }.into(),
        16 => Copy { from: file, to: second, force: one, preserve: two }.into(),
        17 | 18 => {
            open.files.push(FileId(number));
            MoveFile { file, to, name, id: FileId(number), backup: one }.into()
        }
        19 => DeleteFile { file, force: one }.into(),
        20 => SetMode { handle: AnyId::File(file), permissions: Permissions::new(0o640).unwrap() }.into(),
        21 => SetOwner { handle: AnyId::File(file), user: None, group: None }.into(),
        22 => {
            let none = || None;
            SetXAttr {
                file,
                name: Text::new("security.selinux").unwrap(),
                selinux_user: none(),
                selinux_role: none(),
                selinux_type: none(),
                selinux_level: none(),
            }
            .into()
        }
        kind => without_file(kind, number, dir, to, name, path, whole, (one, two, three), open),
    }
}

#[expect(clippy::too_many_arguments, reason = "each is one choice")]
fn without_file(
    kind: u64,
    number: u32,
    dir: DirId,
    to: DirId,
    name: Spelled,
    path: PathText,
    whole: PathText,
    (one, two, three): (bool, bool, bool),
    open: &mut Open,
) -> Request {
    let mode = two.then(|| Permissions::new(0o750).unwrap());
    let attributes =
        Attributes { mode, user: three.then_some(NameOrNumber::Number(0)), ..Attributes::default() };
    let create = [CreateDir::No, CreateDir::Leaf, CreateDir::All, CreateDir::AskOnly]
        [usize::from(two) * 2 + usize::from(three)];
    let writer = open.writers.last().copied();
    match (kind, writer) {
        (23, Some(writer)) => WriteChunk { writer, bytes: Bytes::new(b"new".to_vec()).unwrap() }.into(),
        (24 | 25, Some(writer)) => {
            let attributes = if one { attributes } else { Attributes::default() };
            FinishWrite { writer, reopen: None, attributes }.into()
        }
        (26, Some(writer)) => AbandonWrite { writer }.into(),
        (3 | 26, _) => {
            open.writers.push(WriterId(number));
            BeginFile { id: WriterId(number), dir, path }.into()
        }
        (4 | 24, _) => {
            MakeDir { dir, path, attributes: if one { attributes } else { Attributes::default() } }.into()
        }
        (5, _) => CreateLink { dir, name, target: Text::new("f").unwrap(), force: one }.into(),
        (6, _) => {
            open.files.push(FileId(number));
            OpenTarget {
                id: FileId(number),
                dir,
                name,
                from: open.files.first().copied().filter(|_| one && open.files.len() > 1),
            }
            .into()
        }
        (7, _) => {
            open.files.push(FileId(number));
            OpenLink { id: FileId(number), dir, name }.into()
        }
        (27, _) => MakePath { path: whole }.into(),
        (28, _) => DeletePath { path: whole, recursive: one }.into(),
        (29, _) => ListEntries { dir, restart: true }.into(),
        (30, _) => match name {
            Spelled::Entry(name) if !one => StatEntry { dir, name }.into(),
            _ => ListDetails { dir, restart: true }.into(),
        },
        (31, _) => match name {
            Spelled::Entry(name) if one => ReadLink { dir, name }.into(),
            _ => Stat { handle: AnyId::Dir(dir) }.into(),
        },
        (32, _) => {
            open.dirs.push(DirId(number));
            if one {
                OpenListing { id: DirId(number), path: whole }.into()
            } else {
                MoveDir { from: to, dir, to, name, id: DirId(number) }.into()
            }
        }
        (33, _) if one => DeleteDir { dir, force: two, recursive: three }.into(),
        _ => {
            open.dirs.push(DirId(number));
            let at = if one { DirPlace::Entry(dir, name) } else { DirPlace::Path(whole) };
            OpenDir { id: DirId(number), at, follow: two, create }.into()
        }
    }
}

fn pick<'a>(list: &[&'a str], numbers: &mut Numbers) -> &'a str {
    list[numbers.below(list.len() as u64) as usize]
}

fn any<T: Clone>(list: &[T], numbers: &mut Numbers) -> Option<T> {
    (!list.is_empty()).then(|| list[numbers.below(list.len() as u64) as usize].clone())
}
