//! What a tool takes: one table gives the schema that a client is shown, and the check that its arguments go through.

use serde_json::{Map, Number, Value, json};

use crate::json::short;

/// One argument of a tool.
#[derive(Debug)]
pub(crate) struct Field {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it may be.
    pub(crate) kind: Kind,
    /// Whether the tool can do without it.
    pub(crate) is_required: bool,
    /// What it is for.
    pub(crate) about: &'static str,
}

/// What an argument may be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// A text of so many bytes at most.
    Text(usize),
    /// A whole number from one to the other.
    Whole(u64, u64),
    /// Names with values.
    Map,
}

/// The schema of what a tool takes.
pub(crate) fn schema(fields: &[Field]) -> Value {
    let mut properties = Map::new();
    for field in fields {
        properties.insert(field.name.to_owned(), field.schema());
    }
    let required: Vec<&str> =
        fields.iter().filter(|field| field.is_required).map(|field| field.name).collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// Says what is wrong with the arguments of a call, in words for whoever sent them.
///
/// # Errors
/// The first thing that is wrong: an argument that the tool does not have, has to have, or has in another form.
pub(crate) fn check(fields: &[Field], arguments: &Map<String, Value>) -> Result<(), String> {
    for name in arguments.keys() {
        if fields.iter().any(|field| field.name == name) {
            continue;
        }
        if name.to_lowercase().contains("polic") {
            return Err(format!(
                "{:?} is refused: the policy is the operator's, who has named it when this server was started",
                short(name)
            ));
        }
        let known: Vec<&str> = fields.iter().map(|field| field.name).collect();
        return Err(if known.is_empty() {
            format!("there is no argument {:?}; this tool takes none", short(name))
        } else {
            format!("there is no argument {:?}; there are {}", short(name), known.join(", "))
        });
    }
    for field in fields {
        match arguments.get(field.name) {
            Some(value) => field.check(value)?,
            None if field.is_required => return Err(format!("the argument {:?} is missing", field.name)),
            None => {}
        }
    }
    Ok(())
}

/// The text that a checked argument is.
pub(crate) fn text<'a>(arguments: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    arguments.get(name).and_then(Value::as_str)
}

impl Field {
    fn schema(&self) -> Value {
        let mut schema = match self.kind {
            Kind::Text(_) => json!({ "type": "string" }),
            Kind::Whole(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
            Kind::Map => json!({ "type": "object" }),
        };
        schema["description"] = json!(self.about);
        schema
    }

    fn check(&self, value: &Value) -> Result<(), String> {
        let name = self.name;
        match (self.kind, value) {
            (Kind::Text(most), Value::String(text)) if text.len() > most => {
                Err(format!("{name:?} has {} bytes, and may have {most}", text.len()))
            }
            (Kind::Text(_), Value::String(text)) if text.contains('\0') && name != "script" => {
                Err(format!("{name:?} must not have a zero byte"))
            }
            (Kind::Text(_), Value::String(_)) | (Kind::Map, Value::Object(_)) => Ok(()),
            (Kind::Whole(least, most), Value::Number(number))
                if whole(number).is_some_and(|number| (least..=most).contains(&number)) =>
            {
                Ok(())
            }
            (Kind::Text(_), _) => Err(format!("{name:?} has to be a text")),
            (Kind::Whole(least, most), _) => {
                Err(format!("{name:?} has to be a whole number from {least} to {most}"))
            }
            (Kind::Map, _) => Err(format!("{name:?} has to be an object")),
        }
    }
}

/// The whole number that a number is. JSON Schema takes `5.0` for one, and so do some who send it.
fn whole(number: &Number) -> Option<u64> {
    let from_float = |float: f64| {
        // Exact, because it is no larger than what a float tells apart.
        let is_whole = float.fract() == 0.0 && (0.0..=MOST_EXACT).contains(&float);
        is_whole.then_some(float as u64)
    };
    number.as_u64().or_else(|| number.as_f64().and_then(from_float))
}

/// The whole number that a checked argument is.
pub(crate) fn number(arguments: &Map<String, Value>, name: &str) -> Option<u64> {
    arguments.get(name).and_then(Value::as_number).and_then(whole)
}

/// The arguments of a script, from JSON to the file that `--args` takes, where each value is named by its kind.
///
/// # Errors
/// When a value is none that a script can be given: null, or a number beyond 64 bits.
pub(crate) fn of_script(arguments: &Map<String, Value>) -> Result<Value, String> {
    let kinds = arguments.iter().map(|(name, value)| {
        kind_of(value)
            .map(|kind| (name.clone(), kind))
            .map_err(|what| format!("arguments.{}: {what}", short(name)))
    });
    kinds.collect::<Result<Map<_, _>, _>>().map(Value::Object)
}

fn kind_of(value: &Value) -> Result<Value, String> {
    Ok(match value {
        Value::Null => return Err("a script cannot be given null".to_owned()),
        Value::Bool(truth) => json!({ "booleanValue": truth }),
        Value::String(text) => json!({ "stringValue": text }),
        Value::Number(number) if number.is_i64() => json!({ "longValue": number }),
        Value::Number(number) if number.is_f64() => json!({ "doubleValue": number }),
        Value::Number(_) => return Err("a number of a script has 64 bits and a sign".to_owned()),
        Value::Array(values) => {
            let values = values.iter().map(kind_of).collect::<Result<Vec<_>, _>>()?;
            json!({ "listValue": values })
        }
        Value::Object(values) => {
            let values = values.iter().map(|(name, value)| kind_of(value).map(|kind| (name.clone(), kind)));
            json!({ "mapValue": values.collect::<Result<Map<_, _>, _>>()? })
        }
    })
}

/// 2 to the power of 53, up to which each whole number is a float of its own.
const MOST_EXACT: f64 = 9_007_199_254_740_992.0;

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: &[Field] = &[
        Field { name: "script", kind: Kind::Text(4), is_required: true, about: "" },
        Field { name: "seconds", kind: Kind::Whole(1, 9), is_required: false, about: "" },
        Field { name: "arguments", kind: Kind::Map, is_required: false, about: "" },
    ];

    fn checked(arguments: Value) -> Result<(), String> {
        check(FIELDS, arguments.as_object().unwrap())
    }

    #[test]
    fn what_the_schema_says_is_what_is_accepted() {
        let mut schemas = boon::Schemas::new();
        let mut compiler = boon::Compiler::new();
        compiler.add_resource("fields.json", schema(FIELDS)).unwrap();
        let compiled = compiler.compile("fields.json", &mut schemas).unwrap();

        for arguments in [
            json!({ "script": "" }),
            json!({ "script": "abcd", "seconds": 9, "arguments": {} }),
            json!({}),
            json!({ "script": 1 }),
            json!({ "script": null }),
            json!({ "script": "a", "seconds": 0 }),
            json!({ "script": "a", "seconds": 10 }),
            json!({ "script": "a", "seconds": 1.5 }),
            json!({ "script": "a", "seconds": 5.0 }),
            json!({ "script": "a", "seconds": 9e0 }),
            json!({ "script": "a", "seconds": 1e300 }),
            json!({ "script": "a", "seconds": -0.0 }),
            json!({ "script": "a", "seconds": -1 }),
            json!({ "script": "a", "seconds": "1" }),
            json!({ "script": "a", "arguments": [] }),
            json!({ "script": "a", "policy": "permit(principal, action, resource);" }),
            json!({ "script": "a", "more": 1 }),
        ] {
            let is_valid = schemas.validate(&arguments, compiled).is_ok();
            assert_eq!(checked(arguments.clone()).is_ok(), is_valid, "{arguments}");
        }
        // Bytes are not what a schema counts.
        assert!(checked(json!({ "script": "abcde" })).unwrap_err().contains("may have 4"));
    }

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        let given = json!({ "a": 5.0, "b": 5, "c": 5.5, "d": -5 });
        let of = |name| number(given.as_object().unwrap(), name);

        assert_eq!((of("a"), of("b"), of("c"), of("d"), of("e")), (Some(5), Some(5), None, None, None));
    }

    #[test]
    fn a_policy_is_refused_by_name() {
        for name in ["policy", "policies", "policy_file", "Policy"] {
            let told = checked(json!({ "script": "a", name: "" })).unwrap_err();
            assert!(told.contains("the policy is the operator's"), "{told}");
        }
    }

    #[test]
    fn values_are_named_by_their_kind() {
        let arguments = json!({ "a": 1, "b": -0.5, "c": "x", "d": [true], "e": { "f": 2 } });

        assert_eq!(
            of_script(arguments.as_object().unwrap()).unwrap(),
            json!({
                "a": { "longValue": 1 },
                "b": { "doubleValue": -0.5 },
                "c": { "stringValue": "x" },
                "d": { "listValue": [{ "booleanValue": true }] },
                "e": { "mapValue": { "f": { "longValue": 2 } } },
            })
        );
        for wrong in [json!({ "a": null }), json!({ "a": [null] }), json!({ "a": u64::MAX })] {
            assert!(
                of_script(wrong.as_object().unwrap()).unwrap_err().starts_with("arguments.a: "),
                "{wrong}"
            );
        }
    }
}
