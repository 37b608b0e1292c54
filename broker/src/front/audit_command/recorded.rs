//! A decision on record, as the question that it is the answer to.

use std::net::IpAddr;

use rex_ipc::action::{ActionId, ResourceKind};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::read::{Decision, text, texts};
use crate::policy::{
    BY_ISSUER, BY_KERNEL, ContextRef, KINDS, ProcessRef, Program, Question, ResourceRef, Session,
};

/// A question with everything it is about.
pub(in crate::front) struct Asked {
    action: ActionId,
    kind: ResourceKind,
    resource: String,
    process: Process,
    context: Context,
}

enum Context {
    None,
    XAttr(XAttr),
    Move(Destination),
    Get(Get),
    Connect(Connect),
    Execute(Box<Program>),
}

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Process {
    name: String,
    username: String,
    command: String,
    uid: u32,
    start_time: i64,
    exe: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct XAttrContext {
    xattr: XAttr,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct XAttr {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MoveContext {
    destination: Destination,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Destination {
    path: String,
    name: String,
    parent_path: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Get {
    host: String,
    port: u16,
    scheme: String,
    hop: u8,
    address: Option<IpAddr>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Connect {
    port: u16,
    protocol: String,
    address: Option<IpAddr>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Execute {
    arguments: Vec<Word>,
    environment: Vec<String>,
    user: User,
    group: Group,
    namespace: Option<u32>,
    capabilities: Vec<String>,
    command_line: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Word {
    Bare(String),
    Pair(String, Option<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct User {
    username: String,
    uid: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    groupname: String,
    gid: u32,
}

impl Asked {
    /// The question behind a decision.
    ///
    /// # Errors
    /// When the record lacks something of it, or has what no question has.
    pub(in crate::front) fn of(decision: &Decision<'_>) -> Result<Self, String> {
        let action = ActionId::ALL.iter().find(|action| action.uid() == decision.action);
        let action = *action.ok_or_else(|| format!("there is no action {}", decision.action))?;
        let kind = KINDS.iter().find(|kind| kind.type_name() == decision.resource_type);
        let kind = *kind.ok_or_else(|| format!("there is no resource type {}", decision.resource_type))?;
        if !action.resources().contains(&kind) {
            return Err(format!("{} is never asked about {}", action.uid(), kind.type_name()));
        }
        let facts = &decision.record["facts"];
        let process = match facts.get("process") {
            Some(process) if kind == ResourceKind::Process => parsed(process, "facts")?,
            _ => Process::default(),
        };
        let resource = decision.resource.clone().into_owned();
        if kind == ResourceKind::Process && resource.parse::<u32>().is_err() {
            return Err(format!("`{resource}` is no number of a process"));
        }
        let context = context(action, &resource, decision.record.get("context"), facts)?;
        Ok(Self { action, kind, resource, process, context })
    }

    /// Hands the question over.
    pub(in crate::front) fn with<T>(&self, ask: impl FnOnce(&Question<'_>) -> T) -> T {
        let context = match &self.context {
            Context::None => ContextRef::None,
            Context::XAttr(XAttr { name }) => ContextRef::XAttr { name },
            Context::Move(Destination { path, name, parent_path }) => {
                ContextRef::Move { path, name, parent_path }
            }
            Context::Get(Get { host, port, scheme, hop, address }) => {
                ContextRef::Get { host, port: *port, scheme, hop: *hop, address: *address }
            }
            Context::Connect(Connect { port, protocol, address }) => {
                ContextRef::Connect { port: *port, protocol, address: *address }
            }
            Context::Execute(program) => ContextRef::Program(program),
        };
        ask(&Question { action: self.action, resource: self.resource(), context })
    }

    fn resource(&self) -> ResourceRef<'_> {
        let id = self.resource.as_str();
        match self.kind {
            ResourceKind::File => ResourceRef::File(id),
            ResourceKind::Dir => ResourceRef::Dir(id),
            ResourceKind::Sysinfo => ResourceRef::Sysinfo,
            ResourceKind::Hostname => ResourceRef::Hostname(id),
            ResourceKind::Url => ResourceRef::Url(id),
            ResourceKind::Process => ResourceRef::Process(ProcessRef {
                pid: id.parse().unwrap_or(0),
                name: &self.process.name,
                username: &self.process.username,
                command: &self.process.command,
                uid: self.process.uid,
                start_time: self.process.start_time,
                exe: self.process.exe.as_deref(),
            }),
            ResourceKind::Service => ResourceRef::Service(id),
            ResourceKind::Systemd => ResourceRef::Systemd,
            ResourceKind::Sysctl => ResourceRef::Sysctl,
        }
    }
}

fn context(action: ActionId, resource: &str, told: Option<&Value>, facts: &Value) -> Result<Context, String> {
    let given = || told.ok_or_else(|| format!("it has no context, which {} comes with", action.uid()));
    Ok(match action {
        ActionId::FileSystemSetXAttr => Context::XAttr(parsed::<XAttrContext>(given()?, "context")?.xattr),
        ActionId::FileSystemMove => Context::Move(parsed::<MoveContext>(given()?, "context")?.destination),
        ActionId::NetworkGet => Context::Get(parsed(given()?, "context")?),
        ActionId::NetworkConnect => Context::Connect(parsed(given()?, "context")?),
        ActionId::FileSystemExecute => {
            let execute: Execute = parsed(given()?, "context")?;
            Context::Execute(Box::new(program(execute, resource, facts)?))
        }
        _ if told.is_some() => return Err(format!("it has a context, and {} comes with none", action.uid())),
        _ => Context::None,
    })
}

fn program(execute: Execute, resource: &str, facts: &Value) -> Result<Program, String> {
    if execute.namespace.is_some() {
        return Err(ELSEWHERE.to_owned());
    }
    let value = |name: &String| facts["environment"][name.as_str()].as_str().unwrap_or_default().to_owned();
    let pairs = facts["chosen"].as_object().into_iter().flatten();
    let chosen = pairs.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()));
    let program = Program {
        name: resource.rsplit('/').next().unwrap_or_default().to_owned(),
        arguments: execute
            .arguments
            .into_iter()
            .map(|word| match word {
                Word::Bare(word) => (word, None),
                Word::Pair(key, value) => (key, value),
            })
            .collect(),
        chosen: chosen.collect(),
        environment: execute.environment.iter().map(|name| (name.clone(), value(name))).collect(),
        username: execute.user.username,
        uid: execute.user.uid,
        groupname: execute.group.groupname,
        gid: execute.group.gid,
        capabilities: execute.capabilities,
    };
    // It is made of the other two, and is what most rules look at.
    if program.with(|execute| execute.command_line()) != execute.command_line {
        return Err(CONTRADICTION.to_owned());
    }
    Ok(program)
}

/// Why a question about such a program cannot be put again.
pub(in crate::front) const ELSEWHERE: &str =
    "it is of a program in another namespace, of which the record has too little";
/// How it is told that two parts of a context do not go together.
const CONTRADICTION: &str = "its command line is not what its arguments make";

fn parsed<T: DeserializeOwned>(value: &Value, what: &str) -> Result<T, String> {
    T::deserialize(value).map_err(|error| format!("its {what} is not what it should be: {error}"))
}

/// What the policy could know of whoever a run was for.
pub(in crate::front) fn session(start: &Value) -> Session {
    let delegation = &start["delegation"];
    if delegation.is_null() {
        return Session { assurance: BY_KERNEL, ..Session::default() };
    }
    let terms = &start["delegation_terms"];
    let optional = |name: &str| delegation.get(name).and_then(Value::as_str).map(str::to_owned);
    let agents = texts(&delegation["act"]);
    let tags = terms["tags"].as_object().into_iter().flatten();
    Session {
        groups: texts(&terms["groups"]).into_iter().map(str::to_owned).collect(),
        tags: tags
            .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect(),
        agent: agents.first().map(|agent| (*agent).to_owned()),
        model: optional("model"),
        purpose: optional("purpose"),
        ticket: optional("ticket"),
        assurance: delegation["assurance"].as_i64().unwrap_or(BY_ISSUER),
        depth: i64::try_from(agents.len()).unwrap_or(i64::MAX),
    }
}

/// Whether what a decision says of itself is what its run has said at its start.
pub(in crate::front) fn is_of(record: &Value, start: &Value) -> bool {
    let digest = text(start, "policy_sha256");
    record["principal"] == start["principal"]
        && record.get("delegation") == start.get("delegation")
        && record["policy"] == start["policy"]
        && !text(record, "policy").is_empty()
        && digest.starts_with(text(record, "policy"))
}
