//! What a script catches when a function of the SDK fails, and which request an error goes back to.

pub mod family;

use std::rc::Rc;

use rex_ipc::bounded::Text;
use rex_ipc::control::RequestNumber;
use rex_ipc::failure::{ErrorKind, Failure, FailureClass};
use rhai::{Dynamic, EvalAltResult, Map, Position};

/// A request that the broker did not do.
#[derive(Debug)]
pub struct Failed {
    /// What the broker said.
    pub failure: Failure,
    /// Which request it was, as the broker counts.
    pub number: RequestNumber,
    /// Which request it was, as the caller counts, from 0.
    pub index: usize,
}

/// Where what scripts look for below `/proc/self`, also through `/proc/mounts` and `/etc/mtab`, can be read.
const OTHER_ENTRIES: &str =
    "the broker's own process is not shown, but others are: /proc/1/mounts has the mounts of the host";

/// What functions of the SDK return.
pub type Fallible<T> = Result<T, Box<EvalAltResult>>;

/// The kind of a file-system error, as a script compares it.
///
/// It remembers which failed request the error was made for, so that the jail can name the one that ended the script.
/// A copy of the kind in a map with another message is another error, and goes back to no request.
#[derive(Clone)]
pub struct IoErrorKind {
    /// The kind.
    pub kind: ErrorKind,
    origin: Option<Rc<Origin>>,
}

struct Origin {
    request: RequestNumber,
    message: String,
}

impl IoErrorKind {
    /// A kind that no request stands behind.
    pub const fn constant(kind: ErrorKind) -> Self {
        Self { kind, origin: None }
    }
}

/// The kind of an error of the common utilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommonErrorKind {
    /// A text that cannot be read.
    ParseError,
    /// Arguments out of range.
    InvalidArguments,
    /// A value that has no form in the wanted format.
    FormatError,
    /// Everything else.
    Other,
}

impl CommonErrorKind {
    /// Every kind.
    pub const ALL: [CommonErrorKind; 4] =
        [Self::ParseError, Self::InvalidArguments, Self::FormatError, Self::Other];

    /// The name in the script.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ParseError => "ParseError",
            Self::InvalidArguments => "InvalidArguments",
            Self::FormatError => "FormatError",
            Self::Other => "Other",
        }
    }

    /// An error of this kind.
    pub fn error(self, message: impl Into<String>) -> Box<EvalAltResult> {
        thrown(Dynamic::from(self), message.into(), COMMON_SOURCE)
    }
}

/// The `source` of file-system errors, and the name of the module with their kinds.
pub const IO_SOURCE: &str = "IoErrorKind";

/// The `source` of the common utilities' errors, and the name of the module with their kinds.
pub const COMMON_SOURCE: &str = "CommonUtilsErrorKind";

/// A file-system error that the jail itself raises.
pub fn io_error(kind: ErrorKind, message: impl Into<String>) -> Box<EvalAltResult> {
    thrown(Dynamic::from(IoErrorKind::constant(kind)), message.into(), IO_SOURCE)
}

/// A file-system error that goes back to a request although the jail raises it.
pub fn io_error_from(kind: ErrorKind, message: String, request: Option<RequestNumber>) -> Box<EvalAltResult> {
    let origin = request.map(|request| Rc::new(Origin { request, message: message.clone() }));
    thrown(Dynamic::from(IoErrorKind { kind, origin }), message, IO_SOURCE)
}

/// An error whose value is a plain text, as setters and `build()` raise them.
pub fn text_error(message: impl Into<String>) -> Box<EvalAltResult> {
    EvalAltResult::ErrorRuntime(Dynamic::from(message.into()), Position::NONE).into()
}

/// The error of a value that is larger than the limit of its type; it ends the script and cannot be caught.
pub fn too_large(what: TooLarge) -> Box<EvalAltResult> {
    let name = match what {
        TooLarge::Text => "Length of string",
        TooLarge::Array => "Size of array/BLOB",
        TooLarge::Map => "Size of object map",
    };
    EvalAltResult::ErrorDataTooLarge(name.into(), Position::NONE).into()
}

/// What is too large. The names are those of the engine's own errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooLarge {
    /// A string.
    Text,
    /// An array or blob.
    Array,
    /// A map.
    Map,
}

/// Why the broker ended the script; travels in an error that cannot be caught.
#[derive(Clone)]
pub struct Termination {
    reason: String,
    request: RequestNumber,
}

impl From<&Failed> for Termination {
    fn from(failed: &Failed) -> Self {
        Self { reason: failed.failure.message.as_str().into(), request: failed.number }
    }
}

/// Says that the script has used up its operations; travels in an error that cannot be caught.
#[derive(Clone)]
pub struct OutOfOperations;

/// The value with which a script called `exit`; travels in an error that cannot be caught.
#[derive(Clone)]
pub struct Exited(pub Dynamic);

impl From<Failed> for Box<EvalAltResult> {
    fn from(failed: Failed) -> Self {
        if failed.is_final() {
            let token = Dynamic::from(Termination::from(&failed));
            return EvalAltResult::ErrorTerminated(token, Position::NONE).into();
        }
        io_error_from(failed.failure.kind, failed.failure.message.into_string(), Some(failed.number))
    }
}

impl Failed {
    /// Whether the policy said no, or could not be asked.
    pub fn is_denial(&self) -> bool {
        matches!(self.failure.class, FailureClass::Denied | FailureClass::Undecided)
    }

    /// Whether a link stands where a file was to be opened as itself.
    pub fn is_unfollowed_link(&self) -> bool {
        self.failure.kind == ErrorKind::FileError
            && self.failure.message.as_str().starts_with("File error: file is a symbolic link")
    }

    /// This failure, which says what to read instead of what no policy opens.
    pub fn with_advice(mut self) -> Self {
        let message = self.failure.message.as_str();
        let is_own = |resource: &str| {
            let path = resource.split_once("::/proc/").map_or("", |(_, path)| path);
            matches!(path.split('/').next(), Some("self" | "thread-self"))
        };
        if self.is_denial() && message.rsplit_once(" for ").is_some_and(|(_, resource)| is_own(resource)) {
            self.failure.message = Text::cut(&format!("{message}; {OTHER_ENTRIES}"));
        }
        self
    }

    /// Whether this ends the script whatever the caller would do about it.
    pub fn is_final(&self) -> bool {
        self.failure.class == FailureClass::Limit
    }
}

/// The request whose failure this error is, if it is one.
///
/// A text never is. A map is if its kind came from a failure and its message is still that failure's.
pub fn request_behind(error: &EvalAltResult) -> Option<RequestNumber> {
    match error.unwrap_inner() {
        EvalAltResult::ErrorRuntime(value, _) => {
            let map = value.as_map_ref().ok()?;
            let kind = map.get("kind")?;
            let origin = match kind.clone().try_cast::<IoErrorKind>() {
                Some(kind) if *map.get("source")?.as_immutable_string_ref().ok()? == IO_SOURCE => {
                    kind.origin?
                }
                Some(_) => return None,
                None => family::kind_in_any(kind)?.1?,
            };
            let message = map.get("message")?.as_immutable_string_ref().ok()?;
            (*message == origin.message).then_some(origin.request)
        }
        EvalAltResult::ErrorTerminated(token, _) => {
            token.clone().try_cast::<Termination>().map(|termination| termination.request)
        }
        _ => None,
    }
}

/// The message of an error of the SDK's; nothing for any other error, among them those that cannot be caught.
pub fn message_of(error: &EvalAltResult) -> Option<String> {
    match error.unwrap_inner() {
        EvalAltResult::ErrorRuntime(value, _) => {
            value.as_map_ref().ok()?.get("message").map(Dynamic::to_string)
        }
        _ => None,
    }
}

/// The kind of an error of the file system's; `Other` for any other.
pub fn kind_of(error: &EvalAltResult) -> ErrorKind {
    let EvalAltResult::ErrorRuntime(value, _) = error.unwrap_inner() else { return ErrorKind::Other };
    let kind = value.as_map_ref().ok().and_then(|map| map.get("kind")?.clone().try_cast::<IoErrorKind>());
    kind.map_or(ErrorKind::Other, |kind| kind.kind)
}

/// The message of the run for an error that no `catch` stopped.
///
/// `printed` is how a value is printed.
///
/// # Source
/// The forms are Rex's: an error map gives `source: kind: message`, any other thrown value the engine's text, for Rex with
/// the position a second time, and what passed through a script function the engine's text, but for [`text_of`]. Of a map that
/// is none of the SDK's errors Rex keeps three keys at most, and that only where it was thrown outside of functions; here
/// it is told as from within one. The kinds of the network's errors have no name there.
pub fn message_of_run(
    printed: impl Fn(&Dynamic) -> String,
    rex_compat: bool,
    error: &EvalAltResult,
) -> String {
    match error {
        EvalAltResult::ErrorRuntime(value, position) => {
            let position = in_parentheses(*position);
            // Rex writes it behind the engine's text, which has it already.
            let positions = if rex_compat { position.repeat(2) } else { position.clone() };
            match value.as_map_ref() {
                Ok(map) if rex_compat || is_of_the_sdk(&map) => {
                    let kind = map.get("kind").filter(|kind| !rex_compat || !family::is_unknown_to_rex(kind));
                    format!("{}{position}", describe_map_as(&map, kind.and_then(kind_name)))
                }
                Ok(_) => format!("Runtime error: {}{positions}", printed(value)),
                Err(_) if value.is_array() || value.type_name().starts_with("rex_") => {
                    format!("Runtime error: {}{positions}", printed(value))
                }
                Err(_) if rex_compat => format!("{error}{position}"),
                Err(_) => error.to_string(),
            }
        }
        EvalAltResult::ErrorTerminated(token, position) => match token.clone().try_cast::<Termination>() {
            Some(termination) => {
                format!("Script terminated: {}{}", termination.reason, in_parentheses(*position))
            }
            None if token.is::<OutOfOperations>() => {
                EvalAltResult::ErrorTooManyOperations(*position).to_string()
            }
            None => error.to_string(),
        },
        _ if rex_compat || matches!(error.unwrap_inner(), EvalAltResult::ErrorRuntime(..)) => text_of(error),
        _ => with_short_names(&error.to_string()),
    }
}

/// The engine's text of an error, in which types have the names of the table and not those that Rust has for them.
///
/// Only for texts that are the engine's own: in what a script throws, nothing is a type.
fn with_short_names(text: &str) -> String {
    let is_part = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | ':');
    let mut short = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("rust_s") {
        let (before, behind) = rest.split_at(start);
        let (path, behind) = behind.split_at(behind.find(|c| !is_part(c)).unwrap_or(behind.len()));
        let last = path.rsplit("::").next().unwrap_or(path);
        short.push_str(before);
        // What Rex counts references to has that in its name.
        short.push_str(if last == path { path } else { last.strip_prefix("Rc").unwrap_or(last) });
        rest = behind;
    }
    short.push_str(rest);
    short
}

/// The engine's text of an error, in which an error map of the SDK's reads `source: kind: message`.
///
/// The engine writes the whole map where the error has passed through a function, and a Rust type for its kind.
pub fn text_of(error: &EvalAltResult) -> String {
    let text = error.to_string();
    let EvalAltResult::ErrorRuntime(value, _) = error.unwrap_inner() else { return text };
    let Ok(map) = value.as_map_ref() else { return text };
    if !is_of_the_sdk(&map) {
        return text;
    }
    text.replacen(&format!("Runtime error: {value}"), &describe_map(&map), 1)
}

fn is_of_the_sdk(map: &Map) -> bool {
    map.get("kind").and_then(kind_name).is_some()
}

fn kind_name(kind: &Dynamic) -> Option<&'static str> {
    if let Some(kind) = kind.clone().try_cast::<IoErrorKind>() {
        return Some(kind.kind.name());
    }
    if let Some((name, _)) = family::kind_in_any(kind) {
        return Some(name);
    }
    kind.clone().try_cast::<CommonErrorKind>().map(CommonErrorKind::name)
}

fn describe_map(map: &Map) -> String {
    describe_map_as(map, map.get("kind").and_then(kind_name))
}

fn describe_map_as(map: &Map, kind: Option<&str>) -> String {
    let text = |key: &str| map.get(key).and_then(|value| value.clone().into_immutable_string().ok());
    format!(
        "{}: {}: {}",
        text("source").as_deref().unwrap_or("Unknown"),
        kind.unwrap_or("Unknown"),
        text("message").as_deref().unwrap_or("No message available"),
    )
}

fn in_parentheses(position: Position) -> String {
    if position.is_none() { String::new() } else { format!(" ({position})") }
}

fn thrown(kind: Dynamic, message: String, source: &'static str) -> Box<EvalAltResult> {
    let map: Map = [
        ("kind".into(), kind),
        ("message".into(), Dynamic::from(message)),
        ("source".into(), Dynamic::from(source)),
    ]
    .into_iter()
    .collect();
    EvalAltResult::ErrorRuntime(Dynamic::from_map(map), Position::NONE).into()
}
