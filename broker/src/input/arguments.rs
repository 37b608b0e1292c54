//! From the arguments file to the variables of the script.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::{error, fmt};

use rex_ipc::control::{Argument, Arguments};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// The arguments file, decoded: names and values in their order.
#[derive(Debug)]
pub(super) struct Decoded(Vec<(String, Kind)>);

/// A list or map within a list or map has elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooDeep {
    /// The argument.
    pub name: String,
}

/// One value, named by its kind. The names are those of the file, and stand in the decoder's messages.
#[derive(serde::Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::enum_variant_names, reason = "the file's format has these names")]
enum Kind {
    StringValue(String),
    IntegerValue(i32),
    LongValue(i64),
    DoubleValue(f64),
    BooleanValue(bool),
    ListValue(Vec<Kind>),
    MapValue(Decoded),
}

/// Decodes the file. A byte-order mark before the text, which some editors write, is no part of it.
pub(super) fn decode(text: &str) -> Result<Decoded, serde_json::Error> {
    serde_json::from_str(text.strip_prefix('\u{feff}').unwrap_or(text))
}

impl Decoded {
    /// The variables, unless one is nested too deep.
    pub(super) fn into_arguments(self) -> Result<Arguments, TooDeep> {
        let converted = self.0.into_iter().map(|(name, kind)| match kind.into_argument(1) {
            Some(value) => Ok((name, value)),
            None => Err(TooDeep { name }),
        });
        Ok(Arguments { values: converted.collect::<Result<_, _>>()? })
    }
}

impl Kind {
    /// The value, or nothing when it, or one in it, is deeper than level 2. An empty list or map has no level 3.
    fn into_argument(self, level: u8) -> Option<Argument> {
        if level > MAX_DEPTH {
            return None;
        }
        Some(match self {
            Self::StringValue(text) => Argument::Text(text),
            Self::IntegerValue(number) => Argument::Integer(number.into()),
            Self::LongValue(number) => Argument::Integer(number),
            Self::DoubleValue(number) => Argument::Float(number),
            Self::BooleanValue(truth) => Argument::Bool(truth),
            Self::ListValue(values) => {
                let values = values.into_iter().map(|value| value.into_argument(level + 1));
                Argument::List(values.collect::<Option<_>>()?)
            }
            Self::MapValue(values) => {
                let values = values.0.into_iter();
                let values = values.map(|(name, value)| Some((name, value.into_argument(level + 1)?)));
                Argument::Map(values.collect::<Option<_>>()?)
            }
        })
    }
}

impl<'de> Deserialize<'de> for Decoded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

/// Reads a map in the order of the file; of a name that comes twice, the last value counts.
struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Decoded;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Decoded, A::Error> {
        let mut values: Vec<(String, Kind)> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        while let Some((name, value)) = map.next_entry::<String, Kind>()? {
            match places.entry(name.clone()) {
                Entry::Vacant(free) => {
                    free.insert(values.len());
                    values.push((name, value));
                }
                Entry::Occupied(taken) => {
                    if let Some(earlier) = values.get_mut(*taken.get()) {
                        earlier.1 = value;
                    }
                }
            }
        }
        Ok(Decoded(values))
    }
}

impl fmt::Display for TooDeep {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "Script arguments depth validation failed: Argument '{}': Maximum nesting depth of {MAX_DEPTH} exceeded",
            self.name
        )
    }
}

impl error::Error for TooDeep {}

/// An argument's own value is level 1.
const MAX_DEPTH: u8 = 2;
