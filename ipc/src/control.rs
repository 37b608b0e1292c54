//! The bodies of the frames that are not calls: start, script, output, end.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Deserializer, Serialize};

use crate::bounded::{Bytes, List, Text};
use crate::limits::{MAX_BODY_BYTES, MAX_MESSAGE_BYTES};
use crate::runtime::LogLevel;

/// The first frame: what the jail has to know before it gives up its rights.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Hello {
    /// [`crate::interface::FINGERPRINT`] of the broker; the jail ends when its own differs.
    pub fingerprint: u64,
    /// Which steps of the lockdown to take; the bits are those of the hardening package.
    pub lockdown_bits: u32,
    /// Size of the arena in bytes.
    pub arena_bytes: u64,
    /// Log lines below this level are not sent.
    pub log_threshold: LogLevel,
    /// What the interpreter may use.
    pub limits: EngineLimits,
    /// Whether what a caller of Rex may rely on is as it is there.
    pub rex_compat: bool,
}

/// What the interpreter may use. A limit of 0 means none, but the broker never sends that.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineLimits {
    /// Engine operations in the run.
    pub operations: u64,
    /// Nested calls of script functions.
    pub call_levels: u32,
    /// Nesting of expressions at the top level.
    pub expression_depth: u32,
    /// Nesting of expressions within functions.
    pub function_expression_depth: u32,
    /// Bytes in one string.
    pub string_bytes: u64,
    /// Elements in one array; bytes in one blob.
    pub array_elements: u64,
    /// Entries in one map.
    pub map_entries: u64,
    /// Variables in scope.
    pub variables: u64,
    /// Script functions.
    pub functions: u64,
}

/// What the jail says of itself after the lockdown; a claim until the broker has looked from outside.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Ready {
    /// [`crate::interface::FINGERPRINT`] of the jail.
    pub fingerprint: u64,
    /// The report of the hardening package, in its own form.
    pub report: Bytes<8192>,
}

/// The lengths of what follows: the script, then the arguments.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct LoadBegin {
    /// Bytes of UTF-8 script.
    pub script_bytes: u32,
    /// Bytes of [`Arguments`], encoded.
    pub arguments_bytes: u32,
    /// What the script is sent for.
    pub purpose: Purpose,
}

/// What a script is sent for.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To be run.
    Run,
    /// To be compiled and reported on. Nothing of it is executed, so a jail that makes a call breaks the protocol.
    Check,
}

/// A piece of a longer transfer.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Piece {
    /// The bytes.
    pub bytes: Bytes<{ MAX_BODY_BYTES - 16 }>,
}

/// The variables that the script starts with, in the order of the arguments file.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
pub struct Arguments {
    /// Name and value.
    pub values: Vec<(String, Argument)>,
}

/// The value of an argument. What is nested deeper is refused before it is sent.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub enum Argument {
    /// A text.
    Text(String),
    /// An integer.
    Integer(i64),
    /// A float.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// A list; its elements are scalars or empty.
    List(#[serde(deserialize_with = "elements")] Vec<Argument>),
    /// A map; its values are scalars or empty.
    Map(#[serde(deserialize_with = "entries")] Vec<(String, Argument)>),
}

/// What may stand within a list or map. The decoder cannot be sent deeper than this, so no bytes exhaust its stack.
#[derive(Deserialize)]
enum Element {
    Text(String),
    Integer(i64),
    Float(f64),
    Bool(bool),
    #[expect(dead_code, reason = "decoding it checks that it is empty; there is nothing in it to read")]
    List(List<(), 0>),
    #[expect(dead_code, reason = "as above")]
    Map(List<(), 0>),
}

impl From<Element> for Argument {
    fn from(element: Element) -> Argument {
        match element {
            Element::Text(text) => Argument::Text(text),
            Element::Integer(integer) => Argument::Integer(integer),
            Element::Float(float) => Argument::Float(float),
            Element::Bool(truth) => Argument::Bool(truth),
            Element::List(_) => Argument::List(Vec::new()),
            Element::Map(_) => Argument::Map(Vec::new()),
        }
    }
}

fn elements<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Argument>, D::Error> {
    let elements = Vec::<Element>::deserialize(deserializer)?;
    Ok(elements.into_iter().map(Argument::from).collect())
}

fn entries<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, Argument)>, D::Error> {
    let entries = Vec::<(String, Element)>::deserialize(deserializer)?;
    Ok(entries.into_iter().map(|(name, element)| (name, element.into())).collect())
}

/// The length of the output or error text that follows.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct OutputBegin {
    /// Bytes of UTF-8.
    pub total_bytes: u64,
}

/// How the script ended. The text is what was sent before: the output, or the message of the error.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Outcome {
    /// How.
    pub end: ScriptEnd,
    /// The request whose failure ended the script, when one did. The broker knows what it answered to it.
    pub ended_by: Option<RequestNumber>,
    /// Where in the script the error is, when there is one that has a place. Where an error passed through functions
    /// of the script, it is where it arose.
    pub place: Option<Place>,
    /// What is doubtful in a script that was only compiled.
    pub remarks: List<Remark, MAX_REMARKS>,
}

/// Something in a script that does what few people expect.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remark {
    /// Where.
    pub place: Place,
    /// What.
    pub doubt: Doubt,
}

/// What few people expect. The texts for people are the broker's, so that a jail can say nothing else.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// A function that changes its value in place, where a value is wanted: it gives none.
    InPlace,
    /// A test of elements that gives no boolean: nothing passes it.
    NoBoolean,
    /// A comparison of elements that always gives the same, or no integer and no boolean: the order stays.
    NoOrder,
    /// Floats compared for equality: they are compared with a tolerance.
    Tolerance,
    /// Values of different types compared: they are never equal, and neither is less.
    Types,
    /// A closure that is kept and uses the variable of its loop: all share the last value.
    LoopVariable,
    /// A shift, bit operator or power beside another operator, without parentheses.
    Precedence,
    /// The value of the last statement, which is the result of the run although a semicolon follows it.
    LastValue,
    /// A value at the end of `try`, which gives none.
    TryValue,
    /// A closure that uses the value whose method it is given to.
    OwnValue,
    /// A call with more values, or fewer, than any function of its name takes.
    Arity,
    /// A call for which there is no function.
    NoFunction,
}

/// The most remarks about one script.
pub const MAX_REMARKS: usize = 100;

/// A place in the script.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Counted from 1.
    pub line: u32,
    /// In characters, counted from 1; 0 when only the line is known.
    pub column: u32,
}

/// How a script ended.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptEnd {
    /// With a value.
    Value,
    /// It does not compile.
    CompileError,
    /// It failed.
    Error,
    /// A limit of the interpreter was reached.
    Limit(EngineLimit),
}

/// A limit of the interpreter.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineLimit {
    /// Engine operations.
    Operations,
    /// Size of a string, array, map or blob.
    DataSize,
    /// Variables in scope.
    Variables,
}

/// Names a request: the sequence number of its frame and its place in the batch, from 0.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestNumber {
    /// Sequence number of the frame.
    pub frame: u32,
    /// Place in the batch.
    pub index: u8,
}

/// Why the interpreter cannot go on.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Fatal {
    /// What happened.
    pub cause: FatalCause,
    /// Text for people.
    pub message: Text<MAX_MESSAGE_BYTES>,
}

/// What stopped the interpreter.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum FatalCause {
    /// The arena is used up.
    Arena,
    /// The interpreter panicked.
    Panic,
    /// The jail could not set itself up.
    Setup,
}
