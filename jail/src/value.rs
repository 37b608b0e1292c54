//! The only place where wire values and script values become each other.

use rex_ipc::bounded::Text;
use rex_ipc::control::Argument;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{NameText, PathText};
use rhai::{Array, Dynamic, EvalAltResult, INT, ImmutableString, Map, NativeCallContext};

use crate::error::{Fallible, io_error};

/// The line of the script from which this function was called; 0 when unknown.
pub fn line(context: &NativeCallContext) -> u32 {
    context.call_position().line().and_then(|line| u32::try_from(line).ok()).unwrap_or(0)
}

/// A path for the wire.
///
/// # Errors
/// `IoError` with the system's text for ENAMETOOLONG: no file system has a path that long.
pub fn path(text: &str) -> Fallible<PathText> {
    wire_text(text)
}

/// A name for the wire.
///
/// # Errors
/// As [`path`].
pub fn name(text: &str) -> Fallible<NameText> {
    wire_text(text)
}

fn wire_text<const MAX: usize>(text: &str) -> Fallible<Text<MAX>> {
    Text::new(text).ok_or_else(|| io_error(ErrorKind::IoError, "File name too long (os error 36)"))
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

/// A text of the script's own string type.
pub fn text(text: String) -> ImmutableString {
    text.into()
}
