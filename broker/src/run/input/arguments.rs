//! From the arguments file to the variables of the script.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::marker::PhantomData;
use std::{error, fmt};

use rex_ipc::control::{Argument, Arguments};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

/// The arguments file, decoded: names and values in their order.
#[derive(Debug)]
pub(super) struct Decoded(Vec<(String, Kind)>, Option<String>);

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
    IntegerValue(Whole<i32>),
    LongValue(Whole<i64>),
    DoubleValue(f64),
    BooleanValue(bool),
    ListValue(Vec<Kind>),
    MapValue(Decoded),
}

/// Decodes the file. A byte-order mark before it does not count, and of a name that comes twice neither value is right.
///
/// Rex takes the last value.
pub(super) fn decode(text: &str, rex_compat: bool) -> Result<Decoded, serde_json::Error> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let decoded: Decoded = serde_json::from_str(text)?;
    match decoded.twice() {
        Some(name) if !rex_compat => {
            Err(de::Error::custom(format_args!("the name {name:?} is there more than once")))
        }
        _ => Ok(decoded),
    }
}

/// Whether a file that cannot be decoded is JSON all the same, so that only its form is wrong.
pub(super) fn is_json(text: &str) -> bool {
    serde_json::from_str::<de::IgnoredAny>(text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)).is_ok()
}

/// A whole number. JSON has `-0`, which the decoder takes for a float.
#[derive(Clone, Copy, Debug)]
struct Whole<T>(T);

impl<'de, T: TryFrom<i64>> Deserialize<'de> for Whole<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number<T>(PhantomData<T>);

        impl<T: TryFrom<i64>> Visitor<'_> for Number<T> {
            type Value = Whole<T>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "{}", std::any::type_name::<T>())
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Whole<T>, E> {
                T::try_from(number)
                    .map(Whole)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Whole<T>, E> {
                i64::try_from(number)
                    .ok()
                    .and_then(|number| T::try_from(number).ok())
                    .map(Whole)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(number), &self))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Whole<T>, E> {
                if number == 0.0 && number.is_sign_negative() {
                    return self.visit_i64(0);
                }
                Err(E::invalid_type(de::Unexpected::Float(number), &self))
            }
        }

        deserializer.deserialize_any(Number(PhantomData))
    }
}

impl Decoded {
    /// A name that came more than once, here or in a map within.
    fn twice(&self) -> Option<&str> {
        let within = self.0.iter().find_map(|(_, kind)| kind.twice());
        self.1.as_deref().or(within)
    }

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
    fn twice(&self) -> Option<&str> {
        match self {
            Self::ListValue(values) => values.iter().find_map(Self::twice),
            Self::MapValue(values) => values.twice(),
            _ => None,
        }
    }

    /// The value, or nothing when it, or one in it, is deeper than level 2. An empty list or map has no level 3.
    fn into_argument(self, level: u8) -> Option<Argument> {
        if level > MAX_DEPTH {
            return None;
        }
        Some(match self {
            Self::StringValue(text) => Argument::Text(text),
            Self::IntegerValue(number) => Argument::Integer(number.0.into()),
            Self::LongValue(number) => Argument::Integer(number.0),
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

/// Reads a map in the order of the file; of a name that comes twice, the last value is kept, and the name.
struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Decoded;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Decoded, A::Error> {
        let mut values: Vec<(String, Kind)> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut twice = None;
        while let Some((name, value)) = map.next_entry::<String, Kind>()? {
            match places.entry(name.clone()) {
                Entry::Vacant(free) => {
                    free.insert(values.len());
                    values.push((name, value));
                }
                Entry::Occupied(taken) => {
                    twice.get_or_insert(name);
                    if let Some(earlier) = values.get_mut(*taken.get()) {
                        earlier.1 = value;
                    }
                }
            }
        }
        Ok(Decoded(values, twice))
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

const BYTE_ORDER_MARK: char = '\u{feff}';

/// An argument's own value is level 1.
const MAX_DEPTH: u8 = 2;
