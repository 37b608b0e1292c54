//! Arguments that stand on the command line: `name=value`, `name:type=value`.

use std::collections::HashSet;
use std::fmt;

use rex_ipc::control::Argument;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// One argument of the command line.
#[derive(Clone, Debug, PartialEq)]
pub struct GivenArgument {
    /// The variable.
    pub name: String,
    /// Its value.
    pub value: Argument,
    /// As written, for the digest.
    written: String,
}

impl GivenArgument {
    /// As it was written.
    pub(super) fn written(&self) -> &str {
        &self.written
    }

    /// Reads `NAME=VALUE` or `NAME:TYPE=VALUE`.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(word: &str) -> Result<Self, String> {
        let (left, text) = word.split_once('=').ok_or("wants NAME=VALUE")?;
        let (name, kind) = left.split_once(':').unwrap_or((left, "text"));
        if !is_identifier(name) || RESERVED.contains(&name) {
            return Err(format!("`{name}` is no name that a script could use"));
        }
        let value = value(kind, text)?;
        Ok(Self { name: name.to_owned(), value, written: word.to_owned() })
    }
}

/// What Rhai keeps for itself, so that no variable can have the name.
const RESERVED: &[&str] = &[
    "Fn",
    "as",
    "async",
    "await",
    "break",
    "call",
    "case",
    "catch",
    "const",
    "continue",
    "curry",
    "debug",
    "default",
    "do",
    "each",
    "else",
    "end",
    "eval",
    "exit",
    "export",
    "false",
    "fn",
    "for",
    "global",
    "go",
    "goto",
    "if",
    "import",
    "in",
    "is",
    "is_def_fn",
    "is_def_var",
    "is_shared",
    "let",
    "loop",
    "match",
    "module",
    "new",
    "nil",
    "null",
    "package",
    "print",
    "private",
    "protected",
    "public",
    "return",
    "shared",
    "spawn",
    "static",
    "super",
    "switch",
    "sync",
    "then",
    "this",
    "thread",
    "throw",
    "true",
    "try",
    "type_of",
    "unless",
    "until",
    "use",
    "var",
    "void",
    "while",
    "with",
    "yield",
];

fn value(kind: &str, text: &str) -> Result<Argument, String> {
    match kind {
        "text" => Ok(Argument::Text(text.to_owned())),
        "int" => text
            .parse()
            .map(Argument::Integer)
            .map_err(|_| format!("`{text}` is no integer from {} to {}", i64::MIN, i64::MAX)),
        "float" => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Argument::Float(number)),
            _ => Err(format!("`{text}` is no number")),
        },
        "bool" => text.parse().map(Argument::Bool).map_err(|_| format!("`{text}` is neither true nor false")),
        "json" => match serde_json::from_str(&without_negative_zero(text))
            .map_err(|error| format!("not JSON: {error}"))?
        {
            Json(_) if !whole_numbers_fit(text) => Err("a whole number is out of range".to_owned()),
            Json(value) => value.into_argument(1),
        },
        other => Err(format!("there is no type `{other}`; the types are text, int, float, bool, json")),
    }
}

/// A value of JSON in which no key comes twice.
struct Json(Value);

enum Value {
    Null,
    Scalar(Argument),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
}

impl Value {
    /// The value, as deep as the arguments file may have it: the elements of a list or map are scalars, or empty.
    fn into_argument(self, level: u8) -> Result<Argument, String> {
        if level > MAX_DEPTH {
            return Err(format!("it is nested deeper than {MAX_DEPTH} levels"));
        }
        Ok(match self {
            Self::Null => return Err("there is no null in scripts".to_owned()),
            Self::Scalar(argument) => argument,
            Self::List(values) => {
                let values = values.into_iter().map(|value| value.into_argument(level + 1));
                Argument::List(values.collect::<Result<_, _>>()?)
            }
            Self::Map(entries) => {
                let entries =
                    entries.into_iter().map(|(name, value)| Ok((name, value.into_argument(level + 1)?)));
                Argument::Map(entries.collect::<Result<_, String>>()?)
            }
        })
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Json;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json(Value::Null))
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Json, E> {
        Ok(Json(Value::Scalar(Argument::Bool(truth))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json(Value::Scalar(Argument::Text(text.to_owned()))))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        Ok(Json(Value::Scalar(Argument::Integer(number))))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Json, E> {
        match i64::try_from(number) {
            Ok(number) => self.visit_i64(number),
            Err(_) => Err(E::custom(format_args!("{number} is out of range"))),
        }
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json, E> {
        Ok(Json(Value::Scalar(Argument::Float(number))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let mut values = Vec::new();
        while let Some(Json(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(Json(Value::List(values)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut names = HashSet::new();
        let mut entries = Vec::new();
        while let Some((name, Json(value))) = map.next_entry::<String, Json>()? {
            if !names.insert(name.clone()) {
                return Err(de::Error::custom(format_args!("the key {name:?} is there more than once")));
            }
            entries.push((name, value));
        }
        Ok(Json(Value::Map(entries)))
    }
}

/// Whether every whole number of this JSON fits into 64 bits. The decoder makes a float of one that does not.
fn whole_numbers_fit(json: &str) -> bool {
    outside_strings(json)
        .split(|character: char| !matches!(character, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'))
        .filter(|word| word.bytes().any(|byte| byte.is_ascii_digit()) && !word.contains(['.', 'e', 'E']))
        .all(|word| word.parse::<i64>().is_ok())
}

/// The text with `0` for `-0`, which the decoder takes for a float.
fn without_negative_zero(json: &str) -> String {
    let mut written = String::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    for (at, character) in json.char_indices() {
        let rest = json.get(at..).unwrap_or_default();
        let is_exponent = json.get(..at).is_some_and(|before| before.ends_with(['e', 'E']));
        let is_zero = |rest: &str| {
            !is_exponent
                && rest.strip_prefix("-0").is_some_and(|behind| {
                    !behind.starts_with(|c: char| c.is_ascii_digit() || "+-.eE".contains(c))
                })
        };
        match (in_string, character) {
            _ if escaped => escaped = false,
            (true, '\\') => escaped = true,
            (_, '"') => in_string = !in_string,
            (false, '-') if is_zero(rest) => {
                written.push(' ');
                continue;
            }
            _ => {}
        }
        written.push(character);
    }
    written
}

/// The text with a blank in the place of every string.
fn outside_strings(json: &str) -> String {
    let (mut kept, mut in_string, mut escaped) = (String::with_capacity(json.len()), false, false);
    for character in json.chars() {
        match (in_string, character) {
            _ if escaped => escaped = false,
            (true, '\\') => escaped = true,
            (true, '"') => in_string = false,
            (true, _) => {}
            (false, '"') => {
                in_string = true;
                kept.push(' ');
            }
            (false, other) => kept.push(other),
        }
    }
    kept
}

/// Rhai: letters, digits and underscores, not a digit at the beginning, and at least one letter.
fn is_identifier(name: &str) -> bool {
    let begins_well = name.chars().next().is_some_and(|first| first == '_' || first.is_ascii_alphabetic());
    let all = name.chars().all(|character| character == '_' || character.is_ascii_alphanumeric());
    begins_well && all && name.chars().any(|character| character.is_ascii_alphabetic())
}

/// An argument's own value is level 1.
const MAX_DEPTH: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(word: &str) -> Argument {
        GivenArgument::parse(word).unwrap().value
    }

    #[test]
    fn a_value_is_text_unless_a_type_is_named() {
        assert_eq!(parsed("a=1"), Argument::Text("1".into()));
        assert_eq!(parsed("a=x=y:z"), Argument::Text("x=y:z".into()));
        assert_eq!(parsed("a="), Argument::Text(String::new()));
        assert_eq!(parsed("a:text=true"), Argument::Text("true".into()));
        assert_eq!(parsed("a:int=-9223372036854775808"), Argument::Integer(i64::MIN));
        assert_eq!(parsed("a:float=3"), Argument::Float(3.0));
        assert_eq!(parsed("a:bool=false"), Argument::Bool(false));
        assert_eq!(
            parsed(r#"a:json=[1, 2.5, "x", true, []]"#),
            Argument::List(vec![
                Argument::Integer(1),
                Argument::Float(2.5),
                Argument::Text("x".into()),
                Argument::Bool(true),
                Argument::List(Vec::new()),
            ])
        );
        assert_eq!(
            parsed(r#"a:json={"k": {}}"#),
            Argument::Map(vec![("k".into(), Argument::Map(Vec::new()))])
        );
    }

    #[test]
    fn a_word_of_the_language_is_no_name() {
        for name in ["let", "fn", "this", "exit", "void", "Fn", "1x", "", "a-b"] {
            assert!(GivenArgument::parse(&format!("{name}=1")).is_err(), "{name:?}");
        }
        for name in ["begin", "lets", "path"] {
            assert!(GivenArgument::parse(&format!("{name}=1")).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn whole_numbers_have_64_bits() {
        for number in [i64::MIN, i64::MAX, 0, -1, 9_007_199_254_740_993] {
            assert_eq!(parsed(&format!("a:json={number}")), Argument::Integer(number));
            assert_eq!(parsed(&format!("a:int={number}")), Argument::Integer(number));
        }
        assert_eq!(parsed("a:json=-0"), Argument::Integer(0));
        assert_eq!(parsed("a:json=5e-0"), Argument::Float(5.0));
        assert_eq!(
            parsed(r#"a:json=["-0", -0, -0.0, "18446744073709551615 \" 1", 1e20]"#),
            Argument::List(vec![
                Argument::Text("-0".into()),
                Argument::Integer(0),
                Argument::Float(-0.0),
                Argument::Text("18446744073709551615 \" 1".into()),
                Argument::Float(1e20),
            ])
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_a_reason() {
        for (word, reason) in [
            ("a", "wants NAME=VALUE"),
            ("=1", "no name"),
            ("a-b=1", "no name"),
            ("1a=1", "no name"),
            ("_=1", "no name"),
            ("a:int=1.0", "no integer"),
            ("a:int=9223372036854775808", "no integer"),
            ("a:float=inf", "no number"),
            ("a:bool=1", "neither true nor false"),
            ("a:json=", "not JSON"),
            ("a:json=null", "no null"),
            ("a:json=[[1]]", "deeper than 2"),
            ("a:json=18446744073709551615", "out of range"),
            ("a:json=9223372036854775808", "out of range"),
            ("a:json=[1, -9223372036854775809]", "out of range"),
            ("a:json=100000000000000000000", "out of range"),
            ("a:json=1e400", "not JSON"),
            ("a:json={\"k\": 1, \"k\": 2}", "more than once"),
            ("a:json={\"k\": 1, \"\\u006b\": 2}", "more than once"),
            ("a:json=01", "not JSON"),
            ("a:json=- 0", "not JSON"),
            ("a:number=1", "the types are"),
        ] {
            let error = GivenArgument::parse(word).unwrap_err();

            assert!(error.contains(reason), "{word}: {error}");
        }
    }
}
