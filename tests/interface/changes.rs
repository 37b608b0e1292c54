//! Samples of the rows that change the file system.

use rex_ipc::bounded::{Bytes, List};
use rex_ipc::file_system::*;
use rex_ipc::handle::{AnyId, DirId, FileId, WriterId};

use crate::rows::{Sampled, entry, instant, metadata, opened, text};

/// For rows whose reply says only that it was done.
macro_rules! done {
    ($($request:ident => $samples:expr;)+) => {
        $(impl Sampled for $request {
            fn requests() -> Vec<Self> {
                $samples
            }

            fn replies() -> Vec<()> {
                vec![()]
            }
        })+
    };
}

done! {
    BeginWrite => {
        let begin = |how| BeginWrite { id: WriterId(12), file: FileId(8), how };
        vec![
            begin(WriteHow::Replace { keep_owner: true }),
            begin(WriteHow::Replace { keep_owner: false }),
            begin(WriteHow::InPlace),
            begin(WriteHow::Append),
        ]
    };
    BeginFile => vec![BeginFile { id: WriterId(12), dir: DirId(7), path: text("etc/motd") }];
    WriteChunk => {
        let chunk = |bytes: &[u8]| WriteChunk { writer: WriterId(12), bytes: Bytes::new(bytes.to_vec()).unwrap() };
        vec![chunk(b"first line\n"), chunk(&[0, 0xff]), chunk(b"")]
    };
    FinishWrite => vec![
        FinishWrite { writer: WriterId(12), reopen: None, attributes: Attributes::default() },
        FinishWrite { writer: WriterId(12), reopen: Some(FileId(13)), attributes: Attributes::default() },
        FinishWrite { writer: WriterId(12), reopen: None, attributes: attributes() },
    ];
    AbandonWrite => vec![AbandonWrite { writer: WriterId(12) }];
    Truncate => vec![
        Truncate { file: FileId(8), size_bytes: 0 },
        Truncate { file: FileId(8), size_bytes: 1 << 40 },
    ];
    Allocate => vec![Allocate { file: FileId(8), length_bytes: 4096 }];
    DeleteFile => [false, true].map(|force| DeleteFile { file: FileId(8), force }).into();
    DeleteDir => vec![
        DeleteDir { dir: DirId(7), force: false, recursive: true },
        DeleteDir { dir: DirId(7), force: true, recursive: false },
    ];
    DeletePath => [false, true].map(|recursive| DeletePath { path: text("/tmp/old"), recursive }).into();
    MakeDir => vec![
        MakeDir { dir: DirId(7), path: text("new"), attributes: Attributes::default() },
        MakeDir { dir: DirId(7), path: text("new/newer"), attributes: attributes() },
    ];
    MakePath => vec![MakePath { path: text("/srv/new/newer") }];
    CreateLink => vec![
        CreateLink { dir: DirId(7), name: Spelled::from(text("current")), target: text("../releases/7"), force: false },
        CreateLink { dir: DirId(7), name: Spelled::from(text("current")), target: text("/srv"), force: true },
    ];
    SetMode => {
        let permissions = Permissions::new(0o640).unwrap();
        [AnyId::File(FileId(8)), AnyId::Dir(DirId(7))].map(|handle| SetMode { handle, permissions }).into()
    };
    SetOwner => vec![
        SetOwner { handle: AnyId::File(FileId(8)), user: Some(text("nobody")), group: None },
        SetOwner { handle: AnyId::Dir(DirId(7)), user: None, group: Some(text("adm")) },
    ];
    SetXAttr => vec![
        SetXAttr {
            file: FileId(8),
            name: text("security.selinux"),
            selinux_user: Some(text("system_u")),
            selinux_role: Some(text("object_r")),
            selinux_type: Some(text("etc_t")),
            selinux_level: Some(text("s0")),
        },
        SetXAttr {
            file: FileId(8),
            name: text("security.selinux"),
            selinux_user: None,
            selinux_role: None,
            selinux_type: None,
            selinux_level: None,
        },
    ];
    SetTimes => vec![
        SetTimes { file: FileId(8), accessed: None, modified: Some(NewTime::Now) },
        SetTimes { file: FileId(8), accessed: Some(NewTime::At(instant())), modified: None },
    ];
}

impl Sampled for ListDetails {
    fn requests() -> Vec<Self> {
        [true, false].map(|restart| ListDetails { dir: DirId(9), restart }).into()
    }

    fn replies() -> Vec<DetailsPage> {
        let detailed = |name, entry_type, details| DetailedEntry { entry: entry(name, entry_type), details };
        let entries = vec![
            detailed("sub", EntryType::Dir, Details::Directory),
            detailed("messages", EntryType::File, Details::Described(metadata(EntryType::File, 0o100_644))),
            detailed("secret", EntryType::File, Details::Withheld),
            detailed("closed", EntryType::File, Details::Refused { errno: 13 }),
        ];
        vec![
            DetailsPage { entries: List::new(entries).unwrap(), end: false },
            DetailsPage { entries: List::default(), end: true },
        ]
    }
}

impl Sampled for Copy {
    fn requests() -> Vec<Self> {
        let copy = |force, preserve| Copy { from: FileId(8), to: FileId(9), force, preserve };
        vec![copy(false, false), copy(true, false), copy(false, true)]
    }

    fn replies() -> Vec<Copied> {
        vec![Copied { bytes: 0 }, Copied { bytes: 1 << 33 }]
    }
}

impl Sampled for MoveFile {
    fn requests() -> Vec<Self> {
        let name = || text("messages.1");
        [false, true]
            .map(|backup| MoveFile {
                file: FileId(8),
                to: DirId(7),
                name: Spelled::from(name()),
                id: FileId(13),
                backup,
            })
            .into()
    }

    fn replies() -> Vec<Opened> {
        opened()
    }
}

impl Sampled for MoveDir {
    fn requests() -> Vec<Self> {
        let (from, dir, to, id) = (DirId(5), DirId(6), DirId(7), DirId(13));
        vec![MoveDir { from, dir, to, name: Spelled::from(text("archive")), id }]
    }

    fn replies() -> Vec<Opened> {
        opened()
    }
}

fn attributes() -> Attributes {
    Attributes {
        mode: Permissions::new(0o755),
        user: Some(NameOrNumber::Name(text("root"))),
        group: Some(NameOrNumber::Number(4)),
        modified: Some(instant()),
    }
}
