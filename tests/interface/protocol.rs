//! Does `ipc/protocol.json`, which `rex-broker protocol --json` prints, say what the code does?

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use rex_ipc::batch::Call;
use rex_ipc::control::{Arguments, Fatal, Hello, LoadBegin, Outcome, OutputBegin, Piece, Ready};
use rex_ipc::failure::Failure;
use rex_ipc::frame::{Kind, MAGIC, Sender, VERSION};
use rex_ipc::interface::{FINGERPRINT, Operation, PROTOCOL, RETIRED, ROWS, fingerprint};
use rex_ipc::limits::*;
use rex_ipc::messages::*;
use rex_ipc::state::State;
use serde_json::{Map, Value, json};

use crate::golden::{self, root};
use crate::shape::{Types, trace};

#[test]
fn the_description_of_the_protocol_is_that_of_the_code() {
    golden::check("ipc/protocol.json", &written(&description()));
}

// What both ends compare is a hash of the description, which the test above holds to the code.
#[test]
fn a_field_that_changes_changes_the_fingerprint() {
    let description = description();
    let Value::Object(types) = &description["types"] else { panic!("types are described") };
    let mut seen = BTreeSet::from([fingerprint(&written(&description))]);

    for (name, definition) in types {
        let definition = definition.as_str().expect("a definition is a text");
        let mut changed = description.clone();
        changed["types"][name] = json!(definition.replacen('u', "U", 1) + " ");
        assert!(seen.insert(fingerprint(&written(&changed))), "{name} can change unnoticed");
    }
    assert_eq!(FINGERPRINT, fingerprint(PROTOCOL));
    assert!(types.len() > 50, "{}", types.len());
}

/// The description as it stands in its file.
fn written(description: &Value) -> String {
    serde_json::to_string_pretty(description).expect("a description can be written") + "\n"
}

/// What both ends compare, of the code as it is and not of the file, which may be about to be made anew.
pub(crate) fn fingerprint_of_the_code() -> u64 {
    fingerprint(&written(&description()))
}

#[test]
fn every_limit_is_described() {
    let source = fs::read_to_string(root().join("ipc/src/limits.rs")).expect("the limits are there");
    let declared: Vec<&str> = source
        .lines()
        .filter_map(|line| line.strip_prefix("pub const "))
        .filter_map(|line| line.split(':').next())
        .collect();
    let described: Vec<&str> = LIMITS.iter().map(|(name, _)| *name).collect();

    assert_eq!(described, declared);
}

// What the jail may send only once, and the broker too; the state machine's own tests show that it holds them to it.
#[test]
fn calls_are_permitted_only_while_the_script_runs() {
    let permitting: Vec<_> =
        State::ALL.iter().filter(|state| state.permits().contains(&Kind::Call)).collect();

    assert_eq!(permitting, [&State::Running]);
    assert!(Call::decode(&[]).is_err());
}

/// Every limit, in the order of its file.
pub(crate) const LIMITS: &[(&str, u64)] = &[
    ("MAX_FRAME_BYTES", MAX_FRAME_BYTES as u64),
    ("HEADER_BYTES", HEADER_BYTES as u64),
    ("MAX_BODY_BYTES", MAX_BODY_BYTES as u64),
    ("MAX_BATCH", MAX_BATCH as u64),
    ("MAX_CHUNK_BYTES", MAX_CHUNK_BYTES as u64),
    ("MAX_REPLY_BYTES", MAX_REPLY_BYTES as u64),
    ("MAX_PATH_TEXT_BYTES", MAX_PATH_TEXT_BYTES as u64),
    ("MAX_NAME_TEXT_BYTES", MAX_NAME_TEXT_BYTES as u64),
    ("MAX_IDENTITY_BYTES", MAX_IDENTITY_BYTES as u64),
    ("MAX_LABEL_BYTES", MAX_LABEL_BYTES as u64),
    ("MAX_MESSAGE_BYTES", MAX_MESSAGE_BYTES as u64),
    ("MAX_LOG_BYTES", MAX_LOG_BYTES as u64),
    ("MAX_SIGNAL_TEXT_BYTES", MAX_SIGNAL_TEXT_BYTES as u64),
    ("MAX_DIMENSIONS", MAX_DIMENSIONS as u64),
    ("MAX_PAGE_ENTRIES", MAX_PAGE_ENTRIES as u64),
    ("MAX_RANDOM_BYTES", MAX_RANDOM_BYTES as u64),
    ("MAX_SLEEP_MS", MAX_SLEEP_MS as u64),
    ("MAX_LOAD_BYTES", MAX_LOAD_BYTES as u64),
    ("MAX_OUTPUT_BYTES", MAX_OUTPUT_BYTES as u64),
    ("MAX_COMMAND_BYTES", MAX_COMMAND_BYTES as u64),
    ("MAX_PROCESS_NAME_BYTES", MAX_PROCESS_NAME_BYTES as u64),
    ("MAX_PAGE_PROCESSES", MAX_PAGE_PROCESSES as u64),
    ("MAX_OPEN_ENTRIES", MAX_OPEN_ENTRIES as u64),
    ("MAX_KERNEL_NAME_BYTES", MAX_KERNEL_NAME_BYTES as u64),
    ("MAX_PAGE_INTERFACES", MAX_PAGE_INTERFACES as u64),
    ("MAX_ADDRESSES", MAX_ADDRESSES as u64),
    ("MAX_KERNEL_MESSAGES", MAX_KERNEL_MESSAGES as u64),
    ("MAX_KERNEL_MESSAGE_BYTES", MAX_KERNEL_MESSAGE_BYTES as u64),
    ("MAX_PARAMETER_BYTES", MAX_PARAMETER_BYTES as u64),
    ("MAX_UNIT_NAME_BYTES", MAX_UNIT_NAME_BYTES as u64),
    ("MAX_JOB_SECONDS", MAX_JOB_SECONDS as u64),
    ("MAX_URL_BYTES", MAX_URL_BYTES as u64),
    ("MAX_HOPS", MAX_HOPS as u64),
    ("MAX_HOST_TEXT_BYTES", MAX_HOST_TEXT_BYTES as u64),
    ("MAX_HOST_ADDRESSES", MAX_HOST_ADDRESSES as u64),
    ("MAX_DNS_ANSWER_BYTES", MAX_DNS_ANSWER_BYTES as u64),
    ("MAX_DNS_SECONDS", MAX_DNS_SECONDS as u64),
    ("MAX_PROGRAM_ARGUMENTS", MAX_PROGRAM_ARGUMENTS as u64),
    ("MAX_PROGRAM_VARIABLES", MAX_PROGRAM_VARIABLES as u64),
    ("MAX_PROGRAM_TEXT_BYTES", MAX_PROGRAM_TEXT_BYTES as u64),
    ("MAX_CAPABILITY", MAX_CAPABILITY as u64),
    ("MAX_PROGRAM_OUTPUT_BYTES", MAX_PROGRAM_OUTPUT_BYTES),
    ("MAX_PROGRAM_PROCESSES", MAX_PROGRAM_PROCESSES),
    ("MAX_PROGRAM_QUESTIONS", MAX_PROGRAM_QUESTIONS as u64),
    ("MAX_PROGRAM_PLACES", MAX_PROGRAM_PLACES as u64),
    ("MAX_VARIABLES", MAX_VARIABLES as u64),
    ("MAX_VARIABLE_BYTES", MAX_VARIABLE_BYTES as u64),
    ("MAX_TRACED_THREADS", MAX_TRACED_THREADS as u64),
    ("MAX_TRACED_BYTES", MAX_TRACED_BYTES as u64),
];

/// What a frame of this kind carries. A kind that is not listed does not compile.
pub(crate) const fn body(kind: Kind) -> &'static str {
    match kind {
        Kind::Hello => "Hello",
        Kind::Ready => "Ready",
        Kind::LoadBegin => "LoadBegin",
        Kind::LoadChunk | Kind::OutputChunk => "Piece",
        Kind::OutputBegin => "OutputBegin",
        Kind::LoadEnd | Kind::OutputEnd | Kind::Ack => "nothing",
        Kind::Call => "call",
        Kind::Reply => "reply",
        Kind::Result => "Outcome",
        Kind::Fatal => "Fatal",
    }
}

/// Whether a run has at most one frame of this kind.
pub(crate) const fn is_once(kind: Kind) -> bool {
    !matches!(kind, Kind::Call | Kind::Reply | Kind::Ack | Kind::LoadChunk | Kind::OutputChunk)
}

/// What the other side sends next.
pub(crate) const fn answer(kind: Kind) -> &'static str {
    match kind {
        Kind::Hello => "Ready",
        Kind::Call => "Reply",
        Kind::OutputBegin | Kind::OutputChunk | Kind::OutputEnd => "Ack",
        _ => "nothing",
    }
}

/// The states in which this kind may be sent.
pub(crate) fn states(kind: Kind) -> Vec<&'static str> {
    let permitted = |state: &&State| match kind {
        // The jail's kinds as the tracker has them.
        _ if matches!(kind.sender(), Sender::Jail) => state.permits().contains(&kind),
        Kind::Hello => **state == State::Spawned,
        Kind::LoadBegin | Kind::LoadChunk | Kind::LoadEnd => **state == State::Loaded,
        _ => **state == State::Running,
    };
    State::ALL.iter().filter(permitted).map(|state| state.name()).collect()
}

/// The shapes of every type of the boundary, and the request and reply of each row.
pub(crate) fn types() -> (Types, BTreeMap<u16, (String, String)>) {
    let mut types = Types::new();
    let mut rows = BTreeMap::new();
    macro_rules! each_row {
        ($($group:ident {
            $($number:literal $name:ident: $request:ident -> $reply:ty, needs [$($needed:tt)*];)+
        })+) => {
            $($(rows.insert(
                $number,
                (trace::<$request>(&mut types), trace::<<$request as Operation>::Reply>(&mut types)),
            );)+)+
        };
    }
    rex_ipc::interface!(each_row);
    trace::<Failure>(&mut types);
    trace::<Hello>(&mut types);
    trace::<Ready>(&mut types);
    trace::<LoadBegin>(&mut types);
    trace::<Piece>(&mut types);
    trace::<Arguments>(&mut types);
    trace::<OutputBegin>(&mut types);
    trace::<Outcome>(&mut types);
    trace::<Fatal>(&mut types);
    (types, rows)
}

fn description() -> Value {
    let (types, shapes) = types();
    let operations: Vec<Value> = ROWS
        .iter()
        .map(|row| {
            let (request, reply) = &shapes[&row.number];
            let actions: Vec<_> = row.needs.iter().map(|action| action.uid()).collect();
            json!({
                "number": format!("0x{:04x}", row.number),
                "group": row.group,
                "name": row.name,
                "request": request,
                "reply": reply,
                "actions": actions,
                "states": states(Kind::Call),
            })
        })
        .collect();
    let kinds: Vec<Value> = Kind::ALL
        .iter()
        .map(|&kind| {
            json!({
                "number": format!("0x{:02x}", kind.number()),
                "name": kind.name(),
                "sender": sender(kind),
                "once": is_once(kind),
                "states": states(kind),
                "body": body(kind),
                "answered_by": answer(kind),
            })
        })
        .collect();
    let states: Map<String, Value> = State::ALL
        .iter()
        .map(|state| {
            let permitted: Vec<_> = state.permits().iter().map(|kind| kind.name()).collect();
            (state.name().into(), json!(permitted))
        })
        .collect();
    let limits: Map<String, Value> =
        LIMITS.iter().map(|(name, value)| ((*name).into(), json!(value))).collect();
    let retired: Vec<_> = RETIRED.iter().map(|number| format!("0x{number:04x}")).collect();
    json!({
        "version": VERSION,
        "header": [
            { "offset": 0, "bytes": 2, "field": "magic", "value": format!("0x{MAGIC:04x}") },
            { "offset": 2, "bytes": 1, "field": "version", "value": VERSION },
            { "offset": 3, "bytes": 1, "field": "kind" },
            { "offset": 4, "bytes": 4, "field": "sequence" },
            { "offset": 8, "bytes": 4, "field": "body_bytes" },
            { "offset": 12, "bytes": 4, "field": "reserved", "value": 0 },
        ],
        "limits": limits,
        "kinds": kinds,
        "states_permit_the_jail": states,
        "operations": operations,
        "retired_numbers": retired,
        "types": types,
    })
}

/// The name of the side that sends this kind.
pub(crate) const fn sender(kind: Kind) -> &'static str {
    match kind.sender() {
        Sender::Jail => "jail",
        Sender::Broker => "broker",
    }
}
