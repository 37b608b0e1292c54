//! How the context of a question stands in the record.

use core::net::IpAddr;

use serde_json::{Value, json};

use super::question::{Argument, ContextRef, ExecuteContext};

impl ContextRef<'_> {
    /// As it stands in the record; nothing when there is none.
    pub fn to_json(&self) -> Option<Value> {
        match self {
            Self::None => None,
            Self::XAttr { name } => Some(json!({ "xattr": { "name": name } })),
            Self::Move { path, name, parent_path } => {
                Some(json!({ "destination": { "path": path, "name": name, "parent_path": parent_path } }))
            }
            Self::Get { host, port, scheme, hop, address } => {
                let told = json!({ "host": host, "port": port, "scheme": scheme, "hop": hop });
                Some(with_address(told, *address))
            }
            Self::Connect { port, protocol, address } => {
                Some(with_address(json!({ "port": port, "protocol": protocol }), *address))
            }
            Self::Execute(execute) => Some(execute.to_json()),
            Self::Program(program) => Some(program.with(|execute| execute.to_json())),
        }
    }
}

fn with_address(mut told: Value, address: Option<IpAddr>) -> Value {
    if let Some(address) = address {
        told["address"] = json!(address.to_string());
    }
    told
}

impl ExecuteContext<'_> {
    fn to_json(self) -> Value {
        json!({
            "arguments": self.arguments.iter().map(Argument::as_json).collect::<Vec<_>>(),
            "environment": self.environment.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            "user": { "username": self.username, "uid": self.uid },
            "group": { "groupname": self.groupname, "gid": self.gid },
            "namespace": self.target_process_id,
            "capabilities": self.capabilities,
            "command_line": self.command_line(),
        })
    }
}

impl Argument<'_> {
    fn as_json(&self) -> Value {
        match self {
            Self::Bare(word) => json!(word),
            Self::Pair(key, value) => json!([key, value]),
        }
    }
}
