//! Messages of JSON-RPC 2.0 as MCP narrows them: what a line asks for, and what is answered.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::json::{self, short};

/// How a request is named by whoever sent it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Id {
    /// A whole number.
    Number(i64),
    /// A text.
    Text(String),
}

/// What a line asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Message {
    /// It is to be answered.
    Request(Request),
    /// It is never answered, whatever is wrong with it.
    Notification {
        /// What happened.
        method: String,
        /// Of what.
        params: Map<String, Value>,
    },
    /// An answer. This server asks nothing, so it belongs to nothing.
    Answer,
}

/// What is to be answered.
#[derive(Debug, PartialEq)]
pub(crate) struct Request {
    /// Its name.
    pub(crate) id: Id,
    /// What is asked for.
    pub(crate) method: String,
    /// Of what.
    pub(crate) params: Map<String, Value>,
}

/// Why there is no result.
#[derive(Debug, PartialEq)]
pub(crate) struct Fault {
    code: i32,
    message: String,
    data: Option<Box<Value>>,
}

/// What a line is, or the fault to answer with and, if it could be read, the name of the request.
pub(crate) fn read(line: &[u8]) -> Result<Message, (Option<Id>, Fault)> {
    let value = json::parse(line, json::MOST_VALUES)
        .map_err(|error| (None, Fault::new(PARSE_ERROR, format!("this is not a JSON message: {error}"))))?;
    let Value::Object(mut object) = value else {
        return Err((None, Fault::request("a message is one object; batches are not a part of MCP")));
    };
    if !object.contains_key("method") && (object.contains_key("result") || object.contains_key("error")) {
        return Ok(Message::Answer);
    }
    let id = match object.remove("id").map(Id::of) {
        // JSON-RPC 2.0, section 4.1: a notification is never answered, and so not even told that it is a wrong one.
        None if object.get("method").is_some_and(Value::is_string) => return Ok(notified(object)),
        None => None,
        Some(Some(id)) => Some(id),
        Some(None) => return Err((None, Fault::request("an id is a whole number or a short text"))),
    };
    if object.remove("jsonrpc") != Some(Value::from("2.0")) {
        return Err((id, Fault::request("jsonrpc has to be \"2.0\"")));
    }
    let Some(Value::String(method)) = object.remove("method") else {
        return Err((id, Fault::request("method has to be a text")));
    };
    let params = match object.remove("params") {
        None => Map::new(),
        Some(Value::Object(params)) => params,
        Some(_) => return Err((id, Fault::params("params has to be an object"))),
    };
    if let Some(unknown) = object.keys().next() {
        return Err((id, Fault::request(format!("a message has no {:?}", short(unknown)))));
    }
    match id {
        Some(id) => Ok(Message::Request(Request { id, method, params })),
        None => Err((None, Fault::request("a request has an id"))),
    }
}

/// A notification, which is one of nothing if it has not the form of one.
fn notified(mut object: Map<String, Value>) -> Message {
    let is_one = object.remove("jsonrpc") == Some(Value::from("2.0"));
    let (method, params) = (object.remove("method"), object.remove("params"));
    match (method, params) {
        (Some(Value::String(method)), Some(Value::Object(params))) if is_one && object.is_empty() => {
            Message::Notification { method, params }
        }
        _ => Message::Notification { method: String::new(), params: Map::new() },
    }
}

/// The answer to a request.
pub(crate) fn answer(id: &Id, result: Result<Value, Fault>) -> Value {
    match result {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id.value(), "result": result }),
        Err(fault) => json!({ "jsonrpc": "2.0", "id": id.value(), "error": fault.value() }),
    }
}

/// The answer to what could not be understood so far as to know its name.
pub(crate) fn misunderstood(id: Option<&Id>, fault: &Fault) -> Value {
    match id {
        Some(id) => json!({ "jsonrpc": "2.0", "id": id.value(), "error": fault.value() }),
        None => json!({ "jsonrpc": "2.0", "error": fault.value() }),
    }
}

/// What is told without having been asked.
pub(crate) fn notification(method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "method": method, "params": params })
}

impl Id {
    /// The name that a value is, if it is one.
    pub(crate) fn of(value: Value) -> Option<Self> {
        match value {
            Value::String(text) if text.len() <= MOST_ID_BYTES => Some(Self::Text(text)),
            Value::Number(number) => number.as_i64().map(Self::Number),
            _ => None,
        }
    }

    /// As it was sent.
    pub(crate) fn value(&self) -> Value {
        match self {
            Self::Number(number) => json!(number),
            Self::Text(text) => json!(text),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(out, "{number}"),
            Self::Text(text) => write!(out, "{text:?}"),
        }
    }
}

impl Fault {
    fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// The message is no request.
    pub(crate) fn request(message: impl Into<String>) -> Self {
        Self::new(INVALID_REQUEST, message)
    }

    /// There is no such method.
    pub(crate) fn method(message: impl Into<String>) -> Self {
        Self::new(METHOD_NOT_FOUND, message)
    }

    /// What the request says of itself makes no sense.
    pub(crate) fn params(message: impl Into<String>) -> Self {
        Self::new(INVALID_PARAMS, message)
    }

    /// The line was longer than a message may be.
    pub(crate) fn too_long(most_bytes: usize) -> Self {
        Self::new(INVALID_REQUEST, format!("a message has at most {most_bytes} bytes"))
    }

    /// The request is in a revision that is not spoken here.
    pub(crate) fn version(requested: &str, supported: &[&str]) -> Self {
        let data = json!({ "supported": supported, "requested": short(requested) });
        Self {
            data: Some(Box::new(data)),
            ..Self::new(UNSUPPORTED_VERSION, "this revision of MCP is not spoken here")
        }
    }

    /// There is no such resource. Revisions up to 2025-11-25 have a code of its own for that.
    pub(crate) fn no_resource(uri: &str, is_legacy: bool, message: impl Into<String>) -> Self {
        let data = (uri.len() <= MOST_ECHOED_BYTES).then(|| Box::new(json!({ "uri": uri })));
        let code = if is_legacy { NO_RESOURCE } else { INVALID_PARAMS };
        Self { data, ..Self::new(code, message) }
    }

    /// Something is wrong on this side.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(INTERNAL_ERROR, message)
    }

    fn value(&self) -> Value {
        match &self.data {
            Some(data) => json!({ "code": self.code, "message": self.message, "data": data }),
            None => json!({ "code": self.code, "message": self.message }),
        }
    }
}

const PARSE_ERROR: i32 = -32_700;
const INVALID_REQUEST: i32 = -32_600;
const METHOD_NOT_FOUND: i32 = -32_601;
const INVALID_PARAMS: i32 = -32_602;
const INTERNAL_ERROR: i32 = -32_603;
const NO_RESOURCE: i32 = -32_002;
/// `UNSUPPORTED_PROTOCOL_VERSION` of the revision 2026-07-28.
const UNSUPPORTED_VERSION: i32 = -32_022;

/// What a client gets to hear again of what it has sent.
const MOST_ECHOED_BYTES: usize = 4096;

/// A name is sent back and kept while the request is served.
const MOST_ID_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn code(line: &str) -> (Option<Id>, i32) {
        let (id, fault) = read(line.as_bytes()).expect_err(line);
        (id, fault.code)
    }

    #[test]
    fn requests_notifications_and_answers_are_told_apart() {
        let read = |line: &str| read(line.as_bytes()).unwrap();

        let request = read(r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#);
        assert_eq!(
            request,
            Message::Request(Request { id: Id::Number(7), method: "ping".into(), params: Map::new() })
        );
        assert!(matches!(
            read(r#"{"jsonrpc":"2.0","method":"x","params":[1]}"#),
            Message::Notification { .. }
        ));
        // Whatever is wrong with one, it is none that could be answered.
        for line in [
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1},"more":1}"#,
            r#"{"jsonrpc":"1.0","method":"notifications/cancelled","params":{"requestId":1}}"#,
            r#"{"method":"notifications/cancelled","params":{"requestId":1}}"#,
        ] {
            assert_eq!(read(line), Message::Notification { method: String::new(), params: Map::new() });
        }
        assert_eq!(read(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#), Message::Answer);
        assert_eq!(read(r#"{"jsonrpc":"2.0","error":{"code":1,"message":""}}"#), Message::Answer);
    }

    #[test]
    fn what_is_no_message_is_named_for_what_it_is() {
        assert_eq!(code("{"), (None, PARSE_ERROR));
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#), (None, PARSE_ERROR));
        assert_eq!(code("[]"), (None, INVALID_REQUEST));
        assert_eq!(code("7"), (None, INVALID_REQUEST));
        assert_eq!(code("{}"), (None, INVALID_REQUEST));
        for id in ["null", "1.5", "[]", "{}", "true", "9223372036854775808"] {
            let line = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
            assert_eq!(code(&line), (None, INVALID_REQUEST), "{id}");
        }
        let long = format!(r#"{{"jsonrpc":"2.0","id":"{}","method":"ping"}}"#, "a".repeat(MOST_ID_BYTES + 1));
        assert_eq!(code(&long), (None, INVALID_REQUEST));
        let text = Some(Id::Text("a".into()));
        assert_eq!(code(r#"{"id":"a","method":"ping"}"#), (text.clone(), INVALID_REQUEST));
        assert_eq!(code(r#"{"jsonrpc":"1.0","id":"a","method":"ping"}"#), (text.clone(), INVALID_REQUEST));
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":"a","method":1}"#), (text.clone(), INVALID_REQUEST));
        assert_eq!(
            code(r#"{"jsonrpc":"2.0","id":"a","method":"x","more":1}"#),
            (text.clone(), INVALID_REQUEST)
        );
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":"a","method":"x","params":[]}"#), (text, INVALID_PARAMS));
    }

    #[test]
    fn an_answer_has_the_name_as_it_was_sent() {
        assert_eq!(answer(&Id::Text("7".into()), Ok(json!({})))["id"], json!("7"));
        assert_eq!(answer(&Id::Number(7), Err(Fault::method("")))["id"], json!(7));
        assert_eq!(misunderstood(None, &Fault::request("")).get("id"), None);
    }
}
