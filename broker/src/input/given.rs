//! Arguments that stand on the command line: `name=value`, `name:type=value`.

use clap::builder::{StringValueParser, TypedValueParser};
use rex_ipc::control::Argument;

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
    /// The parser for the command line.
    pub(crate) fn parser() -> impl TypedValueParser<Value = Self> {
        StringValueParser::new().try_map(|word| Self::parse(&word))
    }

    /// As it was written.
    pub(super) fn written(&self) -> &str {
        &self.written
    }

    fn parse(word: &str) -> Result<Self, String> {
        let (left, text) = word.split_once('=').ok_or("wants NAME=VALUE")?;
        let (name, kind) = left.split_once(':').unwrap_or((left, "text"));
        if !is_identifier(name) {
            return Err(format!("`{name}` is no name that a script could use"));
        }
        let value = value(kind, text)?;
        Ok(Self { name: name.to_owned(), value, written: word.to_owned() })
    }
}

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
        "json" => {
            let json = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
            from_json(json, 1)
        }
        other => Err(format!("there is no type `{other}`; the types are text, int, float, bool, json")),
    }
}

/// The value, as deep as the arguments file may have it: the elements of a list or map are scalars, or empty.
fn from_json(json: serde_json::Value, level: u8) -> Result<Argument, String> {
    use serde_json::Value;
    if level > MAX_DEPTH {
        return Err(format!("it is nested deeper than {MAX_DEPTH} levels"));
    }
    Ok(match json {
        Value::Null => return Err("there is no null in scripts".to_owned()),
        Value::Bool(truth) => Argument::Bool(truth),
        Value::String(text) => Argument::Text(text),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Argument::Integer(integer),
            (None, Some(float)) if !number.is_u64() && float.is_finite() => Argument::Float(float),
            _ => return Err(format!("{number} is out of range")),
        },
        Value::Array(values) => {
            let values = values.into_iter().map(|value| from_json(value, level + 1));
            Argument::List(values.collect::<Result<_, _>>()?)
        }
        Value::Object(entries) => {
            let entries = entries.into_iter().map(|(name, value)| Ok((name, from_json(value, level + 1)?)));
            Argument::Map(entries.collect::<Result<_, String>>()?)
        }
    })
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
            ("a:number=1", "the types are"),
        ] {
            let error = GivenArgument::parse(word).unwrap_err();

            assert!(error.contains(reason), "{word}: {error}");
        }
    }
}
