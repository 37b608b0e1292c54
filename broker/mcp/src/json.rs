//! JSON that says one thing: no name twice in a map, and no deeper than a bound.

use std::cell::Cell;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The value of a text that is one JSON value and nothing behind it.
///
/// # Errors
/// When it is not JSON, nested deeper than [`MOST_LEVELS`], of more than so many values, or has a map with a name that comes twice, of which readers take
/// now the first and now the last.
pub(crate) fn parse(bytes: &[u8], most_values: usize) -> Result<Value, serde_json::Error> {
    let mut decoder = serde_json::Deserializer::from_slice(bytes);
    let left = Cell::new(most_values);
    let value = Level { depth: 0, left: &left }.deserialize(&mut decoder)?;
    decoder.end()?;
    Ok(value)
}

/// A value that is so many lists and maps deep, in a text that may have so many more.
#[derive(Clone, Copy)]
struct Level<'a> {
    depth: usize,
    left: &'a Cell<usize>,
}

impl Level<'_> {
    fn below<E: de::Error>(self) -> Result<Self, E> {
        let depth = self.depth.saturating_add(1);
        if depth > MOST_LEVELS {
            return Err(E::custom(format_args!("nested deeper than {MOST_LEVELS} levels")));
        }
        Ok(Self { depth, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Level<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, decoder: D) -> Result<Value, D::Error> {
        let Some(left) = self.left.get().checked_sub(1) else {
            return Err(de::Error::custom("there are too many values"));
        };
        self.left.set(left);
        decoder.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level<'_> {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Value, E> {
        Number::from_f64(number).map(Value::Number).ok_or_else(|| E::custom("a number that is none"))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(below)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut values = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(below)?;
            if values.contains_key(&name) {
                return Err(de::Error::custom(format_args!("the name {:?} comes twice", short(&name))));
            }
            values.insert(name, value);
        }
        Ok(Value::Object(values))
    }
}

/// Lists and maps within each other. Arguments of a script are at the sixth level of a message and have two of their own.
const MOST_LEVELS: usize = 64;

/// Values of what a client sends, each of which takes up to some hundreds of bytes where the message has six for it.
pub(crate) const MOST_VALUES: usize = 1_000_000;

/// Values of what a broker writes. Its own limits on signals, lines and denials keep a document far below, unless the operator
/// raises them.
pub(crate) const MOST_VALUES_OF_A_BROKER: usize = 8_000_000;

/// As much of a name that a client has sent as it gets to hear again.
pub(crate) fn short(name: &str) -> &str {
    name.get(..name.floor_char_boundary(MOST_NAME_BYTES)).unwrap_or_default()
}

const MOST_NAME_BYTES: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Result<Value, serde_json::Error> {
        super::parse(bytes, MOST_VALUES)
    }

    #[test]
    fn what_is_json_is_read_as_it_stands() {
        let text =
            r#"{"b": [1, -2, 18446744073709551615, 0.1, "\u00e9\ud83d\ude00"], "a": {"x": null, "y": true}}"#;

        assert_eq!(parse(text.as_bytes()).unwrap(), serde_json::from_str::<Value>(text).unwrap());
        assert_eq!(parse(text.as_bytes()).unwrap()["b"][4], "é😀");
    }

    #[test]
    fn what_says_two_things_or_is_none_is_refused() {
        for text in [
            r#"{"a": 1, "a": 1}"#,
            r#"[{"x": {"policy": 1, "p\u006flicy": 2}}]"#,
            "{} {}",
            "{",
            "",
            "nan",
            "1e999",
            r#"{"a": "\ud800"}"#,
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(b"\"\xff\"").is_err());
    }

    #[test]
    fn values_are_bounded_to_the_last() {
        let list = |values: usize| format!("[{}0]", "0,".repeat(values - 2));
        let maps = |maps: usize| format!("[{}0]", r#"{"":0},"#.repeat(maps));

        assert!(parse(list(MOST_VALUES).as_bytes()).is_ok());
        let told = parse(list(MOST_VALUES + 1).as_bytes()).unwrap_err().to_string();
        assert!(told.contains("too many values"), "{told}");
        // The list and what closes it are two, and each map has a value of its own.
        assert!(parse(maps(MOST_VALUES / 2 - 1).as_bytes()).is_ok());
        assert!(parse(maps(MOST_VALUES / 2).as_bytes()).is_err());
    }

    #[test]
    fn depth_is_bounded_to_the_level() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);

        assert!(parse(nested(MOST_LEVELS).as_bytes()).is_ok());
        assert!(parse(nested(MOST_LEVELS + 1).as_bytes()).is_err());
        // So deep that whoever followed it would have no stack left.
        assert!(parse(nested(1_000_000).as_bytes()).is_err());
    }
}
