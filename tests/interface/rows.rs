//! Samples of each row's request and reply. A row without samples does not compile.

use std::fmt::Debug;

use rex_ipc::bounded::{Bytes, List, Text};
use rex_ipc::codec;
use rex_ipc::handle::{AnyId, DirId, FileId};
use rex_ipc::interface::Operation;
use rex_ipc::limits::MAX_FRAME_BYTES;
use rex_ipc::messages::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::golden::{self, hex};

/// What a row can look like on the wire, each variant of its own types at least once.
pub(crate) trait Sampled: Operation {
    fn requests() -> Vec<Self>;
    fn replies() -> Vec<Self::Reply>;
}

impl Sampled for Now {
    fn requests() -> Vec<Self> {
        vec![Now {}]
    }

    fn replies() -> Vec<Clocks> {
        let before_1970 = Instant { seconds: -1, nanoseconds: 999_999_999 };
        vec![
            Clocks { realtime: instant(), monotonic_ns: 123_456_789_012 },
            Clocks { realtime: before_1970, monotonic_ns: 0 },
        ]
    }
}

impl Sampled for Sleep {
    fn requests() -> Vec<Self> {
        [0, 250, 251, 60_000].map(|ms| Sleep { duration: SleepMs::new(ms).unwrap() }).into()
    }

    fn replies() -> Vec<()> {
        vec![()]
    }
}

impl Sampled for RandomBytes {
    fn requests() -> Vec<Self> {
        [0, 16, 4096].map(|count| RandomBytes { count: RandomCount::new(count).unwrap() }).into()
    }

    fn replies() -> Vec<Randomness> {
        vec![Randomness { bytes: bytes(&[0, 251, 255, 16]) }]
    }
}

impl Sampled for Log {
    fn requests() -> Vec<Self> {
        let log = |level, message, cut, function: Option<&str>| Log {
            level,
            line: 12,
            message: text(message),
            cut,
            function: function.map(text),
        };
        vec![
            log(LogLevel::Trace, "", false, None),
            log(LogLevel::Debug, "entering", false, None),
            log(LogLevel::Info, "größer", false, None),
            log(LogLevel::Warn, "a very long line", true, None),
            log(LogLevel::Error, "cannot read", false, Some("cat")),
        ]
    }

    fn replies() -> Vec<()> {
        vec![()]
    }
}

impl Sampled for Alarm {
    fn requests() -> Vec<Self> {
        vec![
            Alarm { alarm_type: text("disk_full"), details: None },
            Alarm { alarm_type: text("disk_full"), details: Some(text("/var is at 99 %")) },
        ]
    }

    fn replies() -> Vec<()> {
        vec![()]
    }
}

impl Sampled for Metric {
    fn requests() -> Vec<Self> {
        use MetricUnit::{Count, Megabytes, Percent, Time, Undefined};
        let dimension = |key, value| Dimension { key: text(key), value: text(value) };
        let metric = |unit, value: f64, dimensions| Metric {
            name: text("used"),
            value_bits: value.to_bits(),
            unit,
            dimensions: List::new(dimensions).unwrap(),
        };
        vec![
            metric(Undefined, 0.0, vec![]),
            metric(Count, 3.0, vec![]),
            metric(Time, 1.5e9, vec![]),
            metric(Megabytes, 512.25, vec![]),
            metric(Percent, -0.5, vec![dimension("mount", "/var"), dimension("host", "a")]),
        ]
    }

    fn replies() -> Vec<()> {
        vec![()]
    }
}

impl Sampled for Close {
    fn requests() -> Vec<Self> {
        vec![Close { handle: AnyId::Dir(DirId(7)) }, Close { handle: AnyId::File(FileId(70_000)) }]
    }

    fn replies() -> Vec<()> {
        vec![()]
    }
}

impl Sampled for OpenDir {
    fn requests() -> Vec<Self> {
        let open = |at, follow, create| OpenDir { id: DirId(7), at, follow, create };
        vec![
            open(DirPlace::Path(text("/var/log")), false, CreateDir::No),
            open(DirPlace::Path(text("/srv/new")), false, CreateDir::Leaf),
            open(DirPlace::Entry(DirId(6), Spelled::from(text("sub"))), true, CreateDir::All),
            open(DirPlace::Below(DirId(6), text("a/b")), false, CreateDir::No),
            // A name with a byte that is not UTF-8 travels as the character U+10FFFF.
            open(
                DirPlace::Entry(DirId(6), Spelled::from(text(&rex_ipc::name::to_text(b"\xff")))),
                true,
                CreateDir::AskOnly,
            ),
        ]
    }

    fn replies() -> Vec<Opened> {
        opened()
    }
}

impl Sampled for OpenFile {
    fn requests() -> Vec<Self> {
        let open = |mode, follow| OpenFile {
            id: FileId(8),
            dir: DirId(7),
            name: Spelled::from(text("messages")),
            mode,
            follow,
        };
        let make = |bits| IfMissing::Make(Some(Permissions::new(bits).unwrap()));
        vec![
            open(OpenMode::Read, false),
            open(OpenMode::Write(IfMissing::Fail), true),
            open(OpenMode::Write(make(0o640)), false),
            open(OpenMode::ReadWrite(IfMissing::Make(None)), false),
            open(OpenMode::ReadWrite(make(0)), false),
            open(OpenMode::AskOnly, true),
        ]
    }

    fn replies() -> Vec<Opened> {
        opened()
    }
}

impl Sampled for OpenTarget {
    fn requests() -> Vec<Self> {
        let open =
            |from| OpenTarget { id: FileId(9), dir: DirId(7), name: Spelled::from(text("copy")), from };
        vec![open(None), open(Some(FileId(8)))]
    }

    fn replies() -> Vec<Opened> {
        opened()
    }
}

impl Sampled for ReadChunk {
    fn requests() -> Vec<Self> {
        let read = |offset_bytes, length, redacted| ReadChunk {
            file: FileId(8),
            offset_bytes,
            length: ChunkLength::new(length).unwrap(),
            redacted,
        };
        vec![read(0, 61_440, false), read(1 << 32, 1, true)]
    }

    fn replies() -> Vec<Chunk> {
        vec![
            Chunk { bytes: bytes(b"first line\n"), end: false },
            Chunk { bytes: bytes(&[0, 0xff, 0xfb]), end: true },
            Chunk { bytes: bytes(b""), end: true },
        ]
    }
}

impl Sampled for ReadEnd {
    fn requests() -> Vec<Self> {
        vec![ReadEnd { file: FileId(8), length: ChunkLength::MAX }]
    }

    fn replies() -> Vec<EndChunk> {
        vec![
            EndChunk { offset_bytes: Some(1 << 20), bytes: bytes(b"last line\n") },
            EndChunk { offset_bytes: None, bytes: bytes(b"") },
        ]
    }
}

impl Sampled for OpenListing {
    fn requests() -> Vec<Self> {
        vec![OpenListing { id: DirId(9), path: text("/etc") }]
    }

    fn replies() -> Vec<Listing> {
        let [same, other] = [None, Some(text("/usr"))].map(|real_path| Opened { real_path });
        vec![Listing::Directory(same), Listing::Link(other, entry("bin", EntryType::Symlink))]
    }
}

impl Sampled for ListEntries {
    fn requests() -> Vec<Self> {
        vec![ListEntries { dir: DirId(9), restart: true }, ListEntries { dir: DirId(9), restart: false }]
    }

    fn replies() -> Vec<EntryPage> {
        use EntryType::{BlockDevice, CharDevice, Dir, Fifo, File, Socket, Symlink, Unknown};
        let all = [File, Dir, Symlink, Unknown, Fifo, Socket, CharDevice, BlockDevice];
        let entries = all.map(|entry_type| entry("name", entry_type)).into();
        vec![
            EntryPage { entries: List::new(entries).unwrap(), end: false },
            EntryPage { entries: List::default(), end: true },
        ]
    }
}

impl Sampled for OpenLink {
    fn requests() -> Vec<Self> {
        vec![OpenLink { id: FileId(10), dir: DirId(9), name: Spelled::from(text("bin")) }]
    }

    fn replies() -> Vec<()> {
        vec![()]
    }
}

impl Sampled for ReadLink {
    fn requests() -> Vec<Self> {
        vec![ReadLink { dir: DirId(9), name: NameText::try_from(text("bin")).unwrap() }]
    }

    fn replies() -> Vec<LinkTarget> {
        vec![LinkTarget { target: text("usr/bin") }]
    }
}

impl Sampled for Stat {
    fn requests() -> Vec<Self> {
        vec![Stat { handle: AnyId::File(FileId(8)) }, Stat { handle: AnyId::Dir(DirId(7)) }]
    }

    fn replies() -> Vec<Metadata> {
        vec![metadata(EntryType::File, 0o100_644)]
    }
}

impl Sampled for StatEntry {
    fn requests() -> Vec<Self> {
        vec![StatEntry { dir: DirId(7), name: NameText::try_from(text("fifo")).unwrap() }]
    }

    fn replies() -> Vec<Metadata> {
        vec![metadata(EntryType::Fifo, 0o010_600)]
    }
}

pub(crate) fn text<const MAX: usize>(text: &str) -> Text<MAX> {
    Text::new(text).expect("a sample fits its type")
}

pub(super) fn list<T: Debug, const MAX: usize>(values: Vec<T>) -> List<T, MAX> {
    List::new(values).expect("a sample fits its type")
}

pub(super) fn bytes<const MAX: usize>(bytes: &[u8]) -> Bytes<MAX> {
    Bytes::new(bytes.to_vec()).expect("a sample fits its type")
}

pub(crate) fn instant() -> Instant {
    Instant { seconds: 1_763_683_200, nanoseconds: 500_000_000 }
}

pub(crate) fn entry(name: &str, entry_type: EntryType) -> Entry {
    Entry { name: text(name), entry_type, inode: 131_073 }
}

pub(crate) fn metadata(entry_type: EntryType, mode: u32) -> Metadata {
    Metadata {
        entry_type,
        mode,
        size_bytes: 12_345,
        blocks: 24,
        links: 1,
        device: 2049,
        inode: 131_073,
        modified: instant(),
        changed: Instant { seconds: 1_763_683_201, nanoseconds: 0 },
        owner: Identity { number: 0, name: Some("root".into()) },
        group: Identity { number: 4_000_000_000, name: None },
    }
}

/// What is said of an object that was opened, where its path was known and where not.
pub(crate) fn opened() -> Vec<Opened> {
    vec![Opened { real_path: None }, Opened { real_path: Some(text("/srv/real")) }]
}

/// The sample as it stands in a golden file, after it was read back and found equal.
pub(crate) fn sample<T: Serialize + DeserializeOwned>(name: &str, type_name: &str, value: &T) -> Value {
    let mut space = vec![0; MAX_FRAME_BYTES];
    let length = codec::encode(value, &mut space).expect("a sample fits a frame");
    let bytes = &space[..length];
    let shown = serde_json::to_value(value).expect("a sample can be shown");
    let read: T = codec::decode_exactly(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(serde_json::to_value(read).expect("a sample can be shown"), shown, "{name}");
    json!({ "sample": name, "type": type_name, "bytes": hex(bytes), "value": shown })
}

fn row_samples<O: Sampled + Debug>(request: &str, reply: &str) -> Vec<Value> {
    let (requests, replies) = (O::requests(), O::replies());
    assert!(!requests.is_empty() && !replies.is_empty(), "{} has no samples", O::NAME);
    let number = O::NUMBER;
    let mut samples = Vec::new();
    for value in requests {
        samples.push(sample(&format!("0x{number:04x} {} request", O::NAME), request, &value));
    }
    for value in replies {
        samples.push(sample(&format!("0x{number:04x} {} reply", O::NAME), reply, &value));
    }
    samples
}

macro_rules! group_samples {
    ($($group:ident {
        $($number:literal $name:ident: $request:ident -> $reply:ty, needs [$($needed:tt)*];)+
    })+) => {
        /// The samples of each group.
        pub(crate) fn groups() -> Vec<(&'static str, Vec<Value>)> {
            vec![$((
                stringify!($group),
                [$(row_samples::<$request>(stringify!($request), stringify!($reply))),+].concat(),
            )),+]
        }
    };
}

rex_ipc::interface!(group_samples);

#[test]
fn rows_keep_their_bytes() {
    for (group, samples) in groups() {
        golden::check(&format!("tests/golden/wire/{group}.json"), &golden::samples_file(&samples));
    }
}
