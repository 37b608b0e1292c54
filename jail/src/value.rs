//! The only place where wire values and script values become each other.

use rex_ipc::control::Argument;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{NameText, PathText, Spelled};
use rhai::{Array, Dynamic, Engine, EvalAltResult, INT, Map, NativeCallContext};

use crate::error::{Fallible, TooLarge, io_error, too_large};
use crate::limits::{array_limit, map_limit, string_limit};
use crate::session::Session;

/// The line of the script from which this function was called; 0 when unknown.
pub fn line(context: &NativeCallContext) -> u32 {
    context.call_position().line().and_then(|line| u32::try_from(line).ok()).unwrap_or(0)
}

/// A path for the wire.
///
/// # Errors
/// `IoError` with the system's text for ENAMETOOLONG: no file system has a path that long.
pub fn path(text: &str) -> Fallible<PathText> {
    PathText::new(text).ok_or_else(|| io_error(ErrorKind::IoError, "File name too long (os error 36)"))
}

/// A name for the wire, whatever it spells: the broker asks about it before it refuses it.
///
/// # Errors
/// As [`path`].
pub fn spelled(text: &str) -> Fallible<Spelled> {
    Ok(path(text)?.into())
}

/// A name of an entry for the wire.
///
/// # Errors
/// As [`path`]; for what is no name those that the broker has for what it is asked about: `InvalidPath`,
/// `ValidationError` for `.`, and `IoError` with the system's text for nothing and for a slash at the end.
pub fn name(text: &str) -> Fallible<NameText> {
    path(text)?.try_into().map_err(|_| {
        let is_name = |text: &str| PathText::new(text).is_some_and(|text| NameText::try_from(text).is_ok());
        match text {
            "" => io_error(ErrorKind::IoError, "No such file or directory (os error 2)"),
            "." => io_error(ErrorKind::ValidationError, "Validation error: argument is not a file"),
            _ if text.strip_suffix('/').is_some_and(is_name) => {
                io_error(ErrorKind::IoError, "Not a directory (os error 20)")
            }
            _ => io_error(ErrorKind::InvalidPath, "Invalid path: file path must contain only a filename"),
        }
    })
}

/// A number of the wire as a script integer; what is larger than any script integer becomes the largest one.
pub fn integer(number: impl TryInto<INT>) -> INT {
    number.try_into().unwrap_or(INT::MAX)
}

/// The variable that an argument becomes.
pub fn argument(argument: Argument) -> Dynamic {
    match argument {
        Argument::Text(text) => Dynamic::from(text),
        Argument::Integer(integer) => Dynamic::from_int(integer),
        Argument::Float(float) => Dynamic::from_float(float),
        Argument::Bool(truth) => Dynamic::from_bool(truth),
        Argument::List(values) => {
            Dynamic::from_array(values.into_iter().map(self::argument).collect::<Array>())
        }
        Argument::Map(entries) => Dynamic::from_map(
            entries.into_iter().map(|(key, value)| (key.into(), self::argument(value))).collect::<Map>(),
        ),
    }
}

/// An integer of the script as the unsigned number that an option wants.
///
/// # Errors
/// The text that setters raise: `Parameter conversion failed for <setter>: ...`.
pub fn setter_number<T: TryFrom<INT>>(setter: &str, value: INT) -> Fallible<T> {
    T::try_from(value).map_err(|_| {
        crate::error::text_error(format!("Parameter conversion failed for {setter}: {OUT_OF_RANGE}"))
    })
}

/// An integer of the script as the narrower number that a function wants.
///
/// # Errors
/// The text that functions raise: `Parameter '<name>' conversion failed: ...`.
pub fn parameter_number<T: TryFrom<INT>>(parameter: &str, value: INT) -> Fallible<T> {
    T::try_from(value).map_err(|_| {
        crate::error::text_error(format!("Parameter '{parameter}' conversion failed: {OUT_OF_RANGE}"))
    })
}

/// What the standard library says about an integer that does not fit.
pub const OUT_OF_RANGE: &str = "out of range integral type conversion attempted";

/// The flags of a command, which all must be of its flag type.
///
/// # Errors
/// Kind `Other`, `<command>: expected <Type>Flag flag, got <type name>`.
pub fn flags<F: Clone + 'static>(
    context: &NativeCallContext,
    command: &str,
    flags: Array,
) -> Fallible<Vec<F>> {
    flags
        .into_iter()
        .map(|flag| {
            let type_name = context.engine().map_type_name(flag.type_name()).to_owned();
            flag.try_cast::<F>().ok_or_else(|| -> Box<EvalAltResult> {
                let expected = context.engine().map_type_name(std::any::type_name::<F>());
                io_error(ErrorKind::Other, format!("{command}: expected {expected} flag, got {type_name}"))
            })
        })
        .collect()
}

/// The text of a script's last value in the result document.
///
/// As the engine prints it, but for our own types, which it would print under the name that Rust has for them.
pub fn output(engine: &Engine, value: &Dynamic) -> String {
    let mut text = String::new();
    if value.is_array() || value.is_map() {
        write_inner(engine, value, &mut text);
    } else if let Some(own) = own_text(engine, value) {
        text = own;
    } else {
        text = value.to_string();
    }
    text
}

fn write_inner(engine: &Engine, value: &Dynamic, text: &mut String) {
    if let Ok(array) = value.as_array_ref() {
        text.push('[');
        for (index, value) in array.iter().enumerate() {
            text.push_str(if index > 0 { ", " } else { "" });
            write_inner(engine, value, text);
        }
        text.push(']');
    } else if let Ok(map) = value.as_map_ref() {
        text.push_str("#{");
        for (index, (key, value)) in map.iter().enumerate() {
            text.push_str(if index > 0 { ", " } else { "" });
            text.push_str(&format!("{key:?}: "));
            write_inner(engine, value, text);
        }
        text.push('}');
    } else if let Some(own) = own_text(engine, value) {
        text.push_str(&own);
    } else {
        text.push_str(&format!("{value:?}"));
    }
}

/// The text of an object of the SDK; nothing for a value of the language.
///
/// For Rex it is the name of its type, and so it is here for what is no result of anything, such as options.
pub fn own_text(engine: &Engine, value: &Dynamic) -> Option<String> {
    let name = value.type_name();
    // Both packages whose types scripts hold begin so; numbers and ranges of the language do not.
    if !name.starts_with("rex_") {
        return None;
    }
    let text = engine.default_tag().read_lock::<Session>().and_then(|session| session.text_of_object(value));
    Some(text.unwrap_or_else(|| match engine.map_type_name(name) {
        "timestamp" => "<timestamp>".to_owned(),
        mapped if mapped == name => "object".to_owned(),
        mapped => mapped.to_owned(),
    }))
}

/// How large a value is, counted as the engine counts for its limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    elements: usize,
    entries: usize,
    bytes: usize,
}

impl Size {
    /// The size of any value, with everything in it.
    pub fn of(value: &Dynamic) -> Self {
        if let Ok(text) = value.as_immutable_string_ref() {
            return Self { bytes: text.len(), ..Self::default() };
        }
        if let Ok(array) = value.as_array_ref() {
            return Self::of_array(&array);
        }
        if let Ok(blob) = value.as_blob_ref() {
            return Self { elements: blob.len(), ..Self::default() };
        }
        if let Ok(map) = value.as_map_ref() {
            return map.values().fold(Self::default(), |size, value| {
                size.plus(&Self { entries: 1, ..Self::default() }).plus(&Self::of(value))
            });
        }
        Self::default()
    }

    /// The size of an array, with everything in it.
    pub fn of_array(array: &[Dynamic]) -> Self {
        array.iter().fold(Self::default(), |size, value| {
            size.plus(&Self { elements: 1, ..Self::default() }).plus(&Self::of(value))
        })
    }

    /// Both together.
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            elements: self.elements.saturating_add(other.elements),
            entries: self.entries.saturating_add(other.entries),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    /// So many of them.
    pub fn times(&self, count: usize) -> Self {
        Self {
            elements: self.elements.saturating_mul(count),
            entries: self.entries.saturating_mul(count),
            bytes: self.bytes.saturating_mul(count),
        }
    }

    /// Whether the limits of this session allow it.
    ///
    /// # Errors
    /// The limit that it is over.
    pub fn check(&self, session: &Session) -> Fallible<()> {
        if self.bytes > string_limit(session) {
            return Err(too_large(TooLarge::Text));
        }
        if self.elements > array_limit(session) {
            return Err(too_large(TooLarge::Array));
        }
        if self.entries > map_limit(session) {
            return Err(too_large(TooLarge::Map));
        }
        Ok(())
    }
}
