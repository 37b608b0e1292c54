//! Samples of the bodies that are not calls, and of whole frames.

use rex_ipc::batch::{Call, ReplyWriter};
use rex_ipc::bounded::{Bytes, List, Text};
use rex_ipc::codec;
use rex_ipc::control::*;
use rex_ipc::failure::{ErrorKind, Failure, FailureClass};
use rex_ipc::file_system::{
    Chunk, ChunkLength, CreateDir, DirPlace, OpenDir, OpenFile, OpenMode, Opened, ReadChunk, Spelled,
};
use rex_ipc::frame::{Header, Kind};
use rex_ipc::handle::{AnyId, DirId, FileId};
use rex_ipc::interface::Request;
use rex_ipc::limits::{HEADER_BYTES, MAX_FRAME_BYTES};
use rex_ipc::runtime::LogLevel;
use serde::Serialize;
use serde_json::{Value, json};

use crate::golden::{self, hex};
use crate::rows::sample;

#[test]
fn control_bodies_keep_their_bytes() {
    let mut samples = vec![
        sample("hello", "Hello", &hello()),
        sample("ready", "Ready", &ready()),
        sample("load begin", "LoadBegin", &load_begin()),
        sample("piece", "Piece", &piece()),
        sample("arguments", "Arguments", &arguments()),
        sample("output begin", "OutputBegin", &OutputBegin { total_bytes: 70_000 }),
    ];
    let ends = [
        ScriptEnd::Value,
        ScriptEnd::CompileError,
        ScriptEnd::Error,
        ScriptEnd::Limit(EngineLimit::Operations),
        ScriptEnd::Limit(EngineLimit::DataSize),
        ScriptEnd::Limit(EngineLimit::Variables),
    ];
    for end in ends {
        samples.push(sample(
            "outcome",
            "Outcome",
            &Outcome { end, ended_by: None, place: None, remarks: List::default() },
        ));
    }
    samples.push(sample("outcome of a failed request", "Outcome", &outcome()));
    for cause in [FatalCause::Arena, FatalCause::Panic, FatalCause::Setup] {
        let fatal = Fatal { cause, message: text("why") };
        samples.push(sample("fatal", "Fatal", &fatal));
    }

    golden::check("tests/golden/wire/control.json", &golden::samples_file(&samples));
}

#[test]
fn failures_keep_their_bytes() {
    let failure = |class, kind| Failure { class, kind, message: text("cannot open /srv") };
    let mut samples = Vec::new();
    for class in [
        FailureClass::Denied,
        FailureClass::Undecided,
        FailureClass::System { errno: 2 },
        FailureClass::System { errno: 4095 },
        FailureClass::Invalid,
        FailureClass::Limit,
    ] {
        samples.push(sample("class", "Failure", &failure(class, ErrorKind::IoError)));
    }
    for &kind in ErrorKind::ALL {
        samples.push(sample("kind", "ErrorKind", &kind));
    }

    golden::check("tests/golden/wire/failure.json", &golden::samples_file(&samples));
}

#[test]
fn frames_keep_their_bytes() {
    let samples: Vec<Value> = Kind::ALL.iter().flat_map(|&kind| frames_of(kind)).collect();

    golden::check("tests/golden/wire/frames.json", &golden::samples_file(&samples));
}

/// At least one frame of each kind; a kind that is not listed does not compile.
fn frames_of(kind: Kind) -> Vec<Value> {
    match kind {
        Kind::Hello => vec![controlled(kind, 0, &hello())],
        Kind::Ready => vec![controlled(kind, 0, &ready())],
        Kind::LoadBegin => vec![controlled(kind, 1, &load_begin())],
        Kind::LoadChunk => vec![controlled(kind, 2, &piece())],
        Kind::LoadEnd => vec![empty(kind, 3)],
        Kind::Call => calls(),
        Kind::Reply => replies(),
        Kind::OutputBegin => vec![controlled(kind, 2, &OutputBegin { total_bytes: 6 })],
        Kind::OutputChunk => vec![controlled(kind, 3, &piece())],
        Kind::OutputEnd => vec![empty(kind, 4)],
        Kind::Ack => vec![empty(kind, 5)],
        Kind::Result => vec![controlled(kind, 5, &outcome())],
        Kind::Fatal => {
            vec![controlled(kind, 258, &Fatal { cause: FatalCause::Arena, message: text("used up") })]
        }
    }
}

fn calls() -> Vec<Value> {
    let call = Call { line: 3, requests: cat() };
    let requests: Vec<Value> =
        call.requests.iter().map(|request| json!([request.name(), shown(request)])).collect();
    let value = json!({ "line": call.line, "requests": requests });
    vec![frame(Kind::Call, 1, &value, None, |space| call.encode(space).expect("a sample fits"))]
}

/// What `cat` sends for a small file.
fn cat() -> Vec<Request> {
    let (dir, file) = (DirId(7), FileId(8));
    vec![
        Request::OpenDir(OpenDir {
            id: dir,
            at: DirPlace::Path(text("/var/log")),
            follow: false,
            create: CreateDir::No,
        }),
        Request::OpenFile(OpenFile {
            id: file,
            dir,
            name: Spelled::from(text("x")),
            mode: OpenMode::Read,
            follow: false,
        }),
        Request::ReadChunk(ReadChunk { file, offset_bytes: 0, length: ChunkLength::MAX, redacted: false }),
        Request::Close(rex_ipc::file_system::Close { handle: AnyId::File(file) }),
        Request::Close(rex_ipc::file_system::Close { handle: AnyId::Dir(dir) }),
    ]
}

fn replies() -> Vec<Value> {
    let asked = json!(["open_dir", "open_file", "read_chunk", "close", "close"]);
    let chunk = Chunk { bytes: Bytes::new(b"hello\n".to_vec()).expect("short"), end: true };
    let opened = Opened { real_path: None };
    let shown_opened = shown_value(&opened);
    let done =
        json!({ "replies": [shown_opened, shown_opened, shown_value(&chunk), null, null], "failure": null });
    let failure = Failure {
        class: FailureClass::Denied,
        kind: ErrorKind::PermissionDenied,
        message: text("file_system::open denied on /var/log/x"),
    };
    let failed = json!({ "replies": [shown_opened], "failure": shown_value(&failure) });
    vec![
        frame(Kind::Reply, 4, &done, Some(&asked), |space| {
            let mut writer = ReplyWriter::new(space);
            writer.push(&opened).expect("a sample fits");
            writer.push(&opened).expect("a sample fits");
            writer.push(&chunk).expect("a sample fits");
            writer.push(&()).expect("a sample fits");
            writer.push(&()).expect("a sample fits");
            writer.finish(None).expect("a sample fits")
        }),
        frame(Kind::Reply, 4, &failed, Some(&asked), |space| {
            let mut writer = ReplyWriter::new(space);
            writer.push(&opened).expect("a sample fits");
            writer.finish(Some(&failure)).expect("a sample fits")
        }),
    ]
}

fn controlled<T: Serialize>(kind: Kind, sequence: u32, body: &T) -> Value {
    frame(kind, sequence, &shown_value(body), None, |space| {
        codec::encode(body, space).expect("a sample fits")
    })
}

fn empty(kind: Kind, sequence: u32) -> Value {
    frame(kind, sequence, &Value::Null, None, |_| 0)
}

fn frame(
    kind: Kind,
    sequence: u32,
    body: &Value,
    in_reply_to: Option<&Value>,
    write: impl FnOnce(&mut [u8]) -> usize,
) -> Value {
    let mut space = vec![0; MAX_FRAME_BYTES];
    let body_bytes = write(&mut space[HEADER_BYTES..]);
    let length = Header::finish(kind, sequence, body_bytes, &mut space).expect("a sample fits a frame");
    let mut value = json!({
        "sample": format!("frame {}", kind.name()),
        "bytes": hex(&space[..length]),
        "value": { "kind": kind.name(), "sequence": sequence, "body": body },
    });
    if let Some(asked) = in_reply_to {
        value["in_reply_to"] = asked.clone();
    }
    value
}

/// The fields of a request, without the name of its row.
fn shown(request: &Request) -> Value {
    match request {
        Request::OpenDir(request) => shown_value(request),
        Request::OpenFile(request) => shown_value(request),
        Request::ReadChunk(request) => shown_value(request),
        Request::Close(request) => shown_value(request),
        _ => panic!("{} is in no sample of a call", request.name()),
    }
}

fn shown_value<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).expect("a sample can be shown")
}

fn hello() -> Hello {
    Hello {
        // Not the fingerprint of the table, so that these bytes stay when a row is added.
        fingerprint: 0x0123_4567_89ab_cdef,
        lockdown_bits: 0x7fff,
        arena_bytes: 256 * 1024 * 1024,
        log_threshold: LogLevel::Info,
        limits: EngineLimits {
            operations: 1_000_000_000,
            call_levels: 64,
            expression_depth: 128,
            function_expression_depth: 64,
            string_bytes: 16 << 20,
            array_elements: 1_000_000,
            map_entries: 250,
            variables: 251,
            functions: 65_535,
        },
        rex_compat: true,
    }
}

fn ready() -> Ready {
    Ready { fingerprint: 1, report: Bytes::new(vec![1, 2, 0, 255]).expect("short") }
}

fn load_begin() -> LoadBegin {
    LoadBegin { script_bytes: 6, arguments_bytes: 300, purpose: Purpose::Run }
}

fn piece() -> Piece {
    Piece { bytes: Bytes::new(b"let x;".to_vec()).expect("short") }
}

fn arguments() -> Arguments {
    let inner = vec![Argument::Bool(true), Argument::List(vec![]), Argument::Map(vec![])];
    Arguments {
        values: vec![
            ("host".into(), Argument::Text("größe".into())),
            ("count".into(), Argument::Integer(-3)),
            ("least".into(), Argument::Integer(i64::MIN)),
            ("most".into(), Argument::Integer(i64::MAX)),
            ("share".into(), Argument::Float(0.25)),
            ("list".into(), Argument::List(inner)),
            ("map".into(), Argument::Map(vec![("k".into(), Argument::Text("v".into()))])),
        ],
    }
}

fn outcome() -> Outcome {
    Outcome {
        end: ScriptEnd::Error,
        ended_by: Some(RequestNumber { frame: 300, index: 2 }),
        place: Some(Place { line: 12, column: 300 }),
        remarks: List::new(vec![Remark { place: Place { line: 3, column: 1 }, doubt: Doubt::Types }])
            .expect("short"),
    }
}

fn text<const MAX: usize>(text: &str) -> Text<MAX> {
    Text::new(text).expect("a sample fits its type")
}
