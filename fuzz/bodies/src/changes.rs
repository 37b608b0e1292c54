//! Requests that change the tree, chosen from bytes.

use rex_ipc::bounded::{Bytes, Text};
use rex_ipc::file_system::*;
use rex_ipc::handle::{AnyId, DirId, FileId, WriterId};
use rex_ipc::interface::Request;

use crate::session::{Choices, Ids, NAMES};

/// One of the rows that write, copy, move, remove, make or relabel.
pub(crate) fn request(kind: u8, ids: &mut Ids<'_, '_>, path: impl Fn(&mut Choices<'_>) -> String) -> Request {
    match kind {
        0 => BeginWrite { file: FileId(ids.old()), id: WriterId(ids.fresh()), how: how(ids.choices) }.into(),
        1 => BeginFile { dir: DirId(ids.old()), path: relative(ids), id: WriterId(ids.fresh()) }.into(),
        2 => WriteChunk { writer: WriterId(ids.old()), bytes: content(ids.choices) }.into(),
        3 => FinishWrite {
            writer: WriterId(ids.old()),
            reopen: ids.choices.coin().then(|| FileId(ids.fresh())),
            attributes: attributes(ids.choices),
        }
        .into(),
        4 => match ids.choices.below(3) {
            0 => Truncate { file: FileId(ids.old()), size_bytes: ids.choices.below(100) as u64 }.into(),
            1 => Allocate { file: FileId(ids.old()), length_bytes: ids.choices.below(100) as u64 }.into(),
            _ => AbandonWrite { writer: WriterId(ids.old()) }.into(),
        },
        5 if ids.choices.coin() => OpenTarget {
            id: FileId(ids.fresh()),
            dir: DirId(ids.old()),
            name: name(ids),
            from: ids.choices.coin().then(|| FileId(ids.old())),
        }
        .into(),
        5 => Copy {
            from: FileId(ids.old()),
            to: FileId(ids.old()),
            force: ids.choices.coin(),
            preserve: ids.choices.coin(),
        }
        .into(),
        6 => MoveFile {
            file: FileId(ids.old()),
            to: DirId(ids.old()),
            name: name(ids),
            id: FileId(ids.fresh()),
            backup: ids.choices.coin(),
        }
        .into(),
        7 => MoveDir {
            from: DirId(ids.old()),
            dir: DirId(ids.old()),
            to: DirId(ids.old()),
            name: name(ids),
            id: DirId(ids.fresh()),
        }
        .into(),
        8 => match ids.choices.below(3) {
            0 => DeleteFile { file: FileId(ids.old()), force: ids.choices.coin() }.into(),
            1 => {
                let (force, recursive) = (ids.choices.coin(), ids.choices.coin());
                DeleteDir { dir: DirId(ids.old()), force, recursive }.into()
            }
            _ => DeletePath { path: Text::cut(&path(ids.choices)), recursive: ids.choices.coin() }.into(),
        },
        9 => match ids.choices.below(2) {
            0 => MakeDir { dir: DirId(ids.old()), path: relative(ids), attributes: attributes(ids.choices) }
                .into(),
            _ => MakePath { path: Text::cut(&path(ids.choices)) }.into(),
        },
        10 => match ids.choices.below(4) {
            0 => {
                let target = Text::cut(ids.choices.one(&["file", "../outside", "/etc", "closed/secret", ""]));
                CreateLink { dir: DirId(ids.old()), name: name(ids), target, force: ids.choices.coin() }
                    .into()
            }
            1 => SetMode { handle: any(ids), permissions: mode(ids.choices) }.into(),
            2 => {
                let owner = |choices: &mut Choices<'_>| choices.coin().then(|| Text::cut("root"));
                SetOwner { handle: any(ids), user: owner(ids.choices), group: owner(ids.choices) }.into()
            }
            _ => {
                let time = |choices: &mut Choices<'_>| choices.coin().then_some(NewTime::Now);
                let file = FileId(ids.old());
                SetTimes { file, accessed: time(ids.choices), modified: time(ids.choices) }.into()
            }
        },
        _ if ids.choices.coin() => {
            let length = ChunkLength::new(1 + ids.choices.below(200) as u32).unwrap_or(ChunkLength::MAX);
            ReadEnd { file: FileId(ids.old()), length }.into()
        }
        _ => ListDetails { dir: DirId(ids.old()), restart: ids.choices.coin() }.into(),
    }
}

fn name(ids: &mut Ids<'_, '_>) -> Spelled {
    relative(ids).into()
}

fn relative(ids: &mut Ids<'_, '_>) -> PathText {
    Text::cut(ids.choices.one(NAMES))
}

fn any(ids: &mut Ids<'_, '_>) -> AnyId {
    let number = ids.old();
    if ids.choices.coin() { AnyId::Dir(DirId(number)) } else { AnyId::File(FileId(number)) }
}

fn how(choices: &mut Choices<'_>) -> WriteHow {
    match choices.below(4) {
        0 => WriteHow::InPlace,
        1 => WriteHow::Append,
        _ => WriteHow::Replace { keep_owner: choices.coin() },
    }
}

fn content<const MAX: usize>(choices: &mut Choices<'_>) -> Bytes<MAX> {
    let length = choices.below(40);
    Bytes::new(vec![b'x'; length]).unwrap_or_default()
}

fn mode(choices: &mut Choices<'_>) -> Permissions {
    let bits = [0o700, 0o755, 0o777, 0o600].get(choices.below(4)).copied().unwrap_or(0o700);
    Permissions::new(bits).unwrap_or_else(|| unreachable!("the bits are within 0o777"))
}

fn attributes(choices: &mut Choices<'_>) -> Attributes {
    if choices.coin() {
        return Attributes::default();
    }
    Attributes {
        mode: Permissions::new(0o755).filter(|_| choices.coin()),
        user: choices.coin().then_some(NameOrNumber::Number(0)),
        group: choices.coin().then(|| NameOrNumber::Name(Text::cut("root"))),
        modified: choices.coin().then_some(Instant { seconds: 1, nanoseconds: 2 }),
    }
}
