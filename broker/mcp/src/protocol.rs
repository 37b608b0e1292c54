//! What a request means in the revision of MCP that it is in.
//!
//! A request of 2026-07-28 says so itself and stands alone. One of an older revision needs an `initialize` before it, and both
//! are served by one process.

use serde_json::{Map, Value, json};

use crate::json::short;
use crate::message::{Fault, Request};
use crate::tools::{self, DIGEST, Tool};

/// What has been agreed upon with a client of an older revision.
#[derive(Debug, Default)]
pub(crate) struct Protocol {
    agreed: Option<&'static str>,
}

/// How the results of a request look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    /// 2026-07-28.
    Modern,
    /// A revision with `initialize`.
    Legacy,
}

/// What is to be done for a request.
pub(crate) enum Asked {
    /// Nothing more: this is the result.
    Nothing(Value),
    /// A tool is called.
    Tool {
        /// The tool.
        tool: &'static Tool,
        /// With what; not looked at yet.
        arguments: Map<String, Value>,
        /// By what name the client wants to be told how far it is.
        progress: Option<Value>,
    },
    /// The client wants to be told of changes. Nothing changes here.
    Changes,
}

impl Protocol {
    /// What is asked for, and how the result has to look.
    ///
    /// # Errors
    /// When the request comes too early or is in no revision that is spoken here, when there is no such method or tool, or when what it
    /// says of itself is not as it has to be.
    pub(crate) fn ask(&mut self, request: Request) -> Result<(Era, Asked), Fault> {
        let Request { method, mut params, .. } = request;
        let meta = match params.remove("_meta") {
            None => Map::new(),
            Some(Value::Object(meta)) => meta,
            Some(_) => return Err(Fault::params("_meta has to be an object")),
        };
        // Who says in a request of 2026-07-28 that it is one has no `initialize` to send.
        if method == "initialize" && !meta.contains_key(VERSION) {
            return self.initialize(&params).map(|result| (Era::Legacy, Asked::Nothing(result)));
        }
        let era = self.era(&method, &meta)?;
        let asked = match (method.as_str(), era) {
            ("ping", Era::Legacy) => Asked::Nothing(json!({})),
            ("server/discover", Era::Modern) => Asked::Nothing(lasting(
                era,
                json!({
                    "supportedVersions": REVISIONS,
                    "capabilities": capabilities(),
                    "instructions": INSTRUCTIONS,
                }),
            )),
            ("subscriptions/listen", Era::Modern) => {
                if !params.get("notifications").is_some_and(Value::is_object) {
                    return Err(Fault::params("notifications has to be an object"));
                }
                Asked::Changes
            }
            ("tools/list", _) => list(era, &params, "tools", tools::list())?,
            ("resources/list", _) => list(era, &params, "resources", vec![digest()])?,
            ("resources/templates/list", _) => list(era, &params, "resourceTemplates", Vec::new())?,
            ("resources/read", _) => {
                let told = format!("the only resource is {DIGEST_URI}");
                match params.get("uri").and_then(Value::as_str) {
                    Some(DIGEST_URI) => {}
                    Some(uri) => return Err(Fault::no_resource(uri, era == Era::Legacy, told)),
                    None => return Err(Fault::params("uri has to be a text")),
                }
                let content = json!({ "uri": DIGEST_URI, "mimeType": "text/markdown", "text": DIGEST });
                Asked::Nothing(lasting(era, json!({ "contents": [content] })))
            }
            ("tools/call", _) => call(params, &meta)?,
            _ => return Err(Fault::method(format!("there is no method {:?} here", short(&method)))),
        };
        Ok((era, asked))
    }

    /// The revision that a request is in, which has to be one that is spoken here.
    fn era(&self, method: &str, meta: &Map<String, Value>) -> Result<Era, Fault> {
        match meta.get(VERSION) {
            Some(Value::String(version)) if version == MODERN => {}
            // The others are agreed upon by initialize, and cannot be spoken by saying so in a request.
            Some(Value::String(version)) => return Err(Fault::version(version, &[MODERN])),
            Some(_) => return Err(Fault::params(format!("{VERSION} has to be a text"))),
            // A client may ask whether anybody is there before it says who it is.
            None if self.agreed.is_some() || method == "ping" => return Ok(Era::Legacy),
            None => {
                return Err(Fault::params(format!(
                    "a request of {MODERN} has {VERSION} in its _meta, and one of an older revision comes after initialize"
                )));
            }
        }
        if !meta.get(CAPABILITIES).is_some_and(Value::is_object) {
            return Err(Fault::params(format!("_meta has to have {CAPABILITIES}")));
        }
        Ok(Era::Modern)
    }

    fn initialize(&mut self, params: &Map<String, Value>) -> Result<Value, Fault> {
        if self.agreed.is_some() {
            return Err(Fault::request("this was initialized already"));
        }
        let Some(asked) = params.get("protocolVersion").and_then(Value::as_str) else {
            return Err(Fault::params("protocolVersion has to be a text"));
        };
        for name in ["capabilities", "clientInfo"] {
            if !params.get(name).is_some_and(Value::is_object) {
                return Err(Fault::params(format!("{name} has to be an object")));
            }
        }
        // A client that cannot do with what it is offered goes away.
        let agreed = LEGACY.iter().find(|known| **known == asked).unwrap_or(&LATEST_LEGACY);
        self.agreed = Some(agreed);
        Ok(json!({
            "protocolVersion": agreed,
            "capabilities": capabilities(),
            "serverInfo": this(),
            "instructions": INSTRUCTIONS,
        }))
    }
}

/// The result of a request, as its revision has it.
pub(crate) fn finished(era: Era, mut result: Value) -> Value {
    if era == Era::Modern {
        result["resultType"] = json!("complete");
        result["_meta"][SERVER] = this();
    }
    result
}

/// The key that ties a message to what a client has subscribed to.
pub(crate) const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

fn call(mut params: Map<String, Value>, meta: &Map<String, Value>) -> Result<Asked, Fault> {
    let Some(Value::String(name)) = params.remove("name") else {
        return Err(Fault::params("name has to be a text"));
    };
    let arguments = match params.remove("arguments") {
        None => Map::new(),
        Some(Value::Object(arguments)) => arguments,
        Some(_) => return Err(Fault::params("arguments has to be an object")),
    };
    // What a client may add where a server has asked for it, which this one never does.
    for passed_over in ["task", "inputResponses", "requestState"] {
        params.remove(passed_over);
    }
    if let Some(unknown) = params.keys().next() {
        return Err(Fault::params(format!("tools/call has no {:?}", short(unknown))));
    }
    let Some(tool) = tools::find(&name) else {
        return Err(Fault::params(format!("there is no tool {:?}", short(&name))));
    };
    let progress = match meta.get("progressToken") {
        None => None,
        Some(Value::String(token)) if token.len() > MOST_TOKEN_BYTES => {
            return Err(Fault::params("progressToken is too long"));
        }
        Some(token) if token.is_string() || token.is_i64() || token.is_u64() => Some(token.clone()),
        Some(_) => return Err(Fault::params("progressToken has to be a text or a whole number")),
    };
    Ok(Asked::Tool { tool, arguments, progress })
}

/// A list that fits into one page.
fn list(era: Era, params: &Map<String, Value>, name: &str, entries: Vec<Value>) -> Result<Asked, Fault> {
    if params.contains_key("cursor") {
        return Err(Fault::params("there is one page only, and so no cursor"));
    }
    Ok(Asked::Nothing(lasting(era, json!({ name: entries }))))
}

/// A result that is the same for everybody, and for some time.
fn lasting(era: Era, mut result: Value) -> Value {
    if era == Era::Modern {
        result["ttlMs"] = json!(300_000);
        result["cacheScope"] = json!("public");
    }
    result
}

fn capabilities() -> Value {
    json!({ "tools": {}, "resources": {} })
}

fn this() -> Value {
    json!({ "name": "rex-mcp", "title": "rex-broker", "version": env!("CARGO_PKG_VERSION") })
}

fn digest() -> Value {
    json!({
        "uri": DIGEST_URI,
        "name": "sdk-digest.md",
        "title": "The SDK of scripts in short",
        "description": "The language, every function and type, and examples that were run, in less than 12,000 tokens.",
        "mimeType": "text/markdown",
        "size": DIGEST.len(),
    })
}

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const SERVER: &str = "io.modelcontextprotocol/serverInfo";

const MODERN: &str = "2026-07-28";
const LATEST_LEGACY: &str = "2025-11-25";
const LEGACY: &[&str] = &[LATEST_LEGACY, "2025-06-18"];
const REVISIONS: &[&str] = &[MODERN, LATEST_LEGACY, "2025-06-18"];

const DIGEST_URI: &str = "rex://sdk/digest.md";

/// It is sent with every piece of progress.
const MOST_TOKEN_BYTES: usize = 256;

const INSTRUCTIONS: &str = "Runs scripts in Rhai on this host, in a jail, under a Cedar policy that the operator has chosen and that nothing sent \
    here can change. Read sdk_digest once, then write one script that does the whole job and give it to run_script. What the policy denies is listed \
    in `denials`, with the policy that would permit exactly that: show it to the user, who can give it to the policy's owner, and do not try to get \
    around it.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Id, Message, answer, read};

    fn ask(protocol: &mut Protocol, method: &str, params: Value) -> Value {
        let line = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let Message::Request(request) = read(line.as_bytes()).unwrap() else { panic!("{line}") };
        let result = protocol.ask(request).map(|(era, asked)| match asked {
            Asked::Nothing(result) => finished(era, result),
            Asked::Tool { tool, .. } => json!({ "tool": tool.name }),
            Asked::Changes => json!({ "changes": true }),
        });
        answer(&Id::Number(1), result)
    }

    fn modern(mut params: Value) -> Value {
        params["_meta"] = json!({ VERSION: MODERN, CAPABILITIES: {} });
        params
    }

    fn hello(version: &str) -> Value {
        json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": { "name": "t", "version": "0" } })
    }

    #[test]
    fn a_request_of_2026_stands_alone() {
        let mut protocol = Protocol::default();

        let discovered = ask(&mut protocol, "server/discover", modern(json!({})));
        assert_eq!(discovered["result"]["supportedVersions"], json!(REVISIONS));
        assert_eq!(discovered["result"]["resultType"], "complete");
        assert_eq!(discovered["result"]["_meta"][SERVER]["name"], "rex-mcp");
        let tools = ask(&mut protocol, "tools/list", modern(json!({})));
        assert_eq!(tools["result"]["cacheScope"], "public");
        // It has no ping and no initialize any more.
        assert_eq!(ask(&mut protocol, "ping", modern(json!({})))["error"]["code"], -32_601);
        assert_eq!(ask(&mut protocol, "initialize", modern(hello("2025-11-25")))["error"]["code"], -32_601);
    }

    #[test]
    fn an_older_client_says_hello_first() {
        let mut protocol = Protocol::default();
        assert_eq!(ask(&mut protocol, "tools/list", json!({}))["error"]["code"], -32_602);
        assert_eq!(ask(&mut protocol, "ping", json!({}))["result"], json!({}));

        let agreed = ask(&mut protocol, "initialize", hello("2025-06-18"));

        assert_eq!(agreed["result"]["protocolVersion"], "2025-06-18");
        assert_eq!(ask(&mut protocol, "initialize", hello("2025-06-18"))["error"]["code"], -32_600);
        let tools = ask(&mut protocol, "tools/list", json!({}));
        assert_eq!((tools["result"].get("resultType"), tools["result"].get("ttlMs")), (None, None));
        // A request of 2026 is one still.
        assert_eq!(ask(&mut protocol, "tools/list", modern(json!({})))["result"]["resultType"], "complete");
        assert_eq!(ask(&mut protocol, "server/discover", json!({}))["error"]["code"], -32_601);
        let read = ask(&mut protocol, "resources/read", json!({ "uri": "file:///etc/passwd" }));
        assert_eq!(read["error"]["code"], -32_002);
    }

    #[test]
    fn a_revision_that_is_not_spoken_is_refused_or_answered_with_one_that_is() {
        for version in ["2024-11-05", "2026-07-28", "", "1900-01-01"] {
            let agreed = ask(&mut Protocol::default(), "initialize", hello(version));
            assert_eq!(agreed["result"]["protocolVersion"], LATEST_LEGACY, "{version}");
        }
        let mut wrong = modern(json!({}));
        wrong["_meta"][VERSION] = json!("1900-01-01");
        let told = ask(&mut Protocol::default(), "tools/list", wrong);
        assert_eq!(told["error"]["code"], -32_022);
        assert_eq!(told["error"]["data"], json!({ "supported": [MODERN], "requested": "1900-01-01" }));
    }

    #[test]
    fn a_revision_is_not_refused_by_a_list_that_has_it() {
        for version in LEGACY {
            let mut wrong = modern(json!({}));
            wrong["_meta"][VERSION] = json!(version);
            let told = ask(&mut Protocol::default(), "tools/list", wrong);
            assert_eq!(told["error"]["code"], -32_022);
            assert!(
                !told["error"]["data"]["supported"].as_array().unwrap().contains(&json!(version)),
                "{told}"
            );
        }
    }

    #[test]
    fn a_name_that_is_wrong_is_not_sent_back_whole() {
        let long = "é".repeat(1_000_000);
        let mut version = modern(json!({}));
        version["_meta"][VERSION] = json!(long);
        for (method, params) in [
            (long.as_str(), modern(json!({}))),
            ("tools/call", modern(json!({ "name": long }))),
            ("tools/call", modern(json!({ "name": "run_script", long.as_str(): 1 }))),
            ("tools/list", version),
        ] {
            let told = ask(&mut Protocol::default(), method, params).to_string();
            assert!(told.contains("error") && told.len() < 1_000, "{} bytes", told.len());
        }
    }

    #[test]
    fn what_a_request_says_of_itself_is_looked_at() {
        let code = |method: &str, params: Value| {
            ask(&mut Protocol::default(), method, params)["error"]["code"].as_i64().unwrap_or_default()
        };

        assert_eq!(code("tools/list", json!({ "_meta": 1 })), -32_602);
        assert_eq!(code("tools/list", json!({ "_meta": { VERSION: 1 } })), -32_602);
        assert_eq!(code("tools/list", json!({ "_meta": { VERSION: MODERN } })), -32_602);
        assert_eq!(code("tools/list", modern(json!({ "cursor": "a" }))), -32_602);
        assert_eq!(code("tools/call", modern(json!({}))), -32_602);
        assert_eq!(code("tools/call", modern(json!({ "name": 1 }))), -32_602);
        assert_eq!(code("tools/call", modern(json!({ "name": "rm" }))), -32_602);
        assert_eq!(code("tools/call", modern(json!({ "name": "run_script", "arguments": [] }))), -32_602);
        assert_eq!(code("tools/call", modern(json!({ "name": "run_script", "policy": "" }))), -32_602);
        assert_eq!(code("resources/read", modern(json!({ "uri": "file:///etc/passwd" }))), -32_602);
        assert_eq!(code("subscriptions/listen", modern(json!({}))), -32_602);
        assert_eq!(code("prompts/list", modern(json!({}))), -32_601);
        assert_eq!(code("initialize", json!({})), -32_602);
        assert_eq!(code("initialize", json!({ "protocolVersion": "2025-06-18" })), -32_602);
        let mut token = modern(json!({ "name": "run_script" }));
        token["_meta"]["progressToken"] = json!(1.5);
        assert_eq!(code("tools/call", token), -32_602);
    }
}
