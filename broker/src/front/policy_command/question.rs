//! What a person writes on the command line, as a question to the policy.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use rex_ipc::action::{ActionId, ResourceKind};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::ExplainArguments;
use crate::policy::name::PathName;
use crate::policy::url::{Host, Url};
use crate::policy::{
    Argument, ContextRef, ExecuteContext, KINDS, ProcessRef, Question, ResourceRef, action_by_use, entity_id,
    nearest,
};

/// A question with everything it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Which act.
    pub action: ActionId,
    /// On what kind of thing.
    pub kind: ResourceKind,
    /// On which one.
    pub resource: String,
    /// On whose behalf, if that was said.
    pub principal: Option<String>,
    /// What else the path may be, when it was not said what it is.
    other_kind: Option<ResourceKind>,
    process: Process,
    context: Context,
}

/// Why words make no question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAQuestion(String);

impl fmt::Display for NotAQuestion {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for NotAQuestion {}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Process {
    name: String,
    username: String,
    command: String,
    uid: Option<u32>,
    start_time: Option<i64>,
    exe: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Context {
    None,
    XAttr(String),
    Move(PathName),
    Get(Box<Get>),
    Connect(ConnectContext),
    Execute(Box<Execute>),
}

/// Whom a request goes to: what the URL says, unless something else is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Get {
    host: String,
    port: u16,
    scheme: String,
    hop: u8,
    address: Option<IpAddr>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConnectContext {
    port: u16,
    protocol: String,
    address: Option<IpAddr>,
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
    name: Option<String>,
    parent_path: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Execute {
    #[serde(default)]
    arguments: Vec<Word>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    user: User,
    group: Group,
    namespace: Option<Namespace>,
    #[serde(default)]
    capabilities: Vec<String>,
}

/// A word that stands alone, or a key with its value.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Word {
    Bare(String),
    Pair(String, Option<String>),
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct User {
    username: String,
    uid: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    groupname: String,
    gid: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Namespace {
    target_process_id: u32,
}

impl Asked {
    /// Reads the words.
    ///
    /// # Errors
    /// When they name no action, no resource that the action takes, or no context that it has.
    pub fn parse(arguments: &ExplainArguments) -> Result<Self, NotAQuestion> {
        let (written_kind, id) = match &arguments.resource {
            Some(text) => written_resource(text)?,
            None => (None, None),
        };
        let kind = match (&arguments.resource_type, written_kind) {
            (Some(name), None) => Some(kind_of(name)?),
            (Some(name), Some(written)) if kind_of(name)? == written => Some(written),
            (Some(_), Some(_)) => return wrong("--resource-type says something else than --resource"),
            // As everywhere: what ends in a slash is a directory.
            (None, None) if id.as_deref().is_some_and(|id| id.starts_with('/') && id.ends_with('/')) => {
                Some(ResourceKind::Dir)
            }
            (None, written) => written,
        };
        let looks_like_path = id.as_deref().is_some_and(|id| id.starts_with('/'));
        let action = action_of(&arguments.action, looks_like_path, |action| match kind {
            Some(kind) => action.resources().contains(&kind),
            None => arguments.resource.is_none() || looks_like_path == takes_paths(action),
        })?;
        let is_either = kind.is_none() && action.resources().contains(&ResourceKind::Dir);
        let kind = match kind {
            Some(kind) if action.resources().contains(&kind) => kind,
            Some(kind) => {
                return wrong(format!(
                    "{} is never asked about {}, only about {}",
                    action.uid(),
                    kind.type_name(),
                    action.resources().iter().map(|kind| kind.type_name()).collect::<Vec<_>>().join(" and ")
                ));
            }
            // A file where it can be one, else the only type there is.
            None => match action.resources() {
                [first, ..] => *first,
                [] => return wrong("this action is about nothing"),
            },
        };
        let process = match (&arguments.process, kind) {
            (Some(text), ResourceKind::Process) => json("--process", text)
                .map_err(|NotAQuestion(reason)| NotAQuestion(format!("{reason}; it is '{PROCESS_FORM}'")))?,
            (None, ResourceKind::Process) => {
                return wrong(format!(
                    "a policy sees a process by name, owner and command line: give --process '{PROCESS_FORM}'"
                ));
            }
            (Some(_), _) => return wrong("--process is for questions about a process"),
            (None, _) => Process::default(),
        };
        let resource = resource_id(kind, id)?;
        Ok(Self {
            action,
            kind,
            principal: arguments.principal.as_deref().map(principal).transpose()?,
            other_kind: (is_either && kind == ResourceKind::File).then_some(ResourceKind::Dir),
            process,
            context: context(action, &resource, arguments.context.as_deref())?,
            resource,
        })
    }

    /// This question about the other thing that a path without a type may be: a directory.
    pub fn other(&self) -> Option<Self> {
        self.other_kind.map(|kind| Self { kind, other_kind: None, ..self.clone() })
    }

    /// What a policy may look at and nobody gave: the attribute, and the option that gives it. A number among it counts as 0.
    pub fn not_given(&self) -> Vec<(&'static str, &'static str)> {
        let Process { uid, start_time, exe, .. } = &self.process;
        let of_process = [
            ("resource.uid", uid.is_none()),
            ("resource.start_time", start_time.is_none()),
            ("resource.exe", exe.is_none()),
        ];
        let is_missing = match &self.context {
            Context::Get(get) => get.address.is_none(),
            Context::Connect(connect) => connect.address.is_none(),
            _ => false,
        };
        let is_process = self.kind == ResourceKind::Process;
        let of_process = of_process.into_iter().filter(|(_, is_missing)| is_process && *is_missing);
        let of_context = [("context.address", is_missing)].into_iter().filter(|(_, is_missing)| *is_missing);
        of_process
            .map(|(name, _)| (name, "--process"))
            .chain(of_context.map(|(name, _)| (name, "--context")))
            .collect()
    }

    /// Hands the question over; it borrows from what was written.
    pub fn with<T>(&self, ask: impl FnOnce(&Question<'_>) -> T) -> T {
        let (action, resource) = (self.action, self.resource_ref());
        let question = |context| Question { action, resource, context };
        match &self.context {
            Context::None => ask(&question(ContextRef::None)),
            Context::XAttr(name) => ask(&question(ContextRef::XAttr { name })),
            Context::Move(path) => {
                let parent = path.parent();
                let name = path.file_name().unwrap_or_default();
                let context = ContextRef::Move { path: path.as_str(), name, parent_path: parent.as_str() };
                ask(&question(context))
            }
            Context::Get(get) => ask(&question(ContextRef::Get {
                host: &get.host,
                port: get.port,
                scheme: &get.scheme,
                hop: get.hop,
                address: get.address,
            })),
            Context::Connect(ConnectContext { port, protocol, address }) => {
                ask(&question(ContextRef::Connect { port: *port, protocol, address: *address }))
            }
            Context::Execute(execute) => {
                let words: Vec<Argument<'_>> = execute.arguments.iter().map(Word::as_argument).collect();
                let environment: Vec<(&str, &str)> =
                    execute.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                let capabilities: Vec<&str> = execute.capabilities.iter().map(String::as_str).collect();
                // As a run has it: the name of the file.
                let program = self.resource.rsplit('/').next().unwrap_or_default();
                let context = ExecuteContext {
                    program,
                    arguments: &words,
                    chosen: &[],
                    environment: &environment,
                    username: &execute.user.username,
                    uid: execute.user.uid,
                    groupname: &execute.group.groupname,
                    gid: execute.group.gid,
                    target_process_id: execute.namespace.as_ref().map(|space| space.target_process_id),
                    capabilities: &capabilities,
                };
                ask(&question(ContextRef::Execute(&context)))
            }
        }
    }

    fn resource_ref(&self) -> ResourceRef<'_> {
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
                uid: self.process.uid.unwrap_or_default(),
                start_time: self.process.start_time.unwrap_or_default(),
                exe: self.process.exe.as_deref(),
            }),
            ResourceKind::Service => ResourceRef::Service(id),
            ResourceKind::Systemd => ResourceRef::Systemd,
            ResourceKind::Sysctl => ResourceRef::Sysctl,
        }
    }
}

impl Word {
    fn as_argument(&self) -> Argument<'_> {
        match self {
            Self::Bare(word) => Argument::Bare(word),
            Self::Pair(key, value) => Argument::Pair(key, value.as_deref()),
        }
    }
}

/// The action of that name; of several, the one that could be meant.
fn action_of(
    written: &str,
    looks_like_path: bool,
    fits: impl Fn(&ActionId) -> bool,
) -> Result<ActionId, NotAQuestion> {
    let is_meant = |action: &&ActionId| {
        let short = format!("{}::{}", action.namespace(), action.name());
        written == action.uid() || written == short || written == action.name()
    };
    let meant: Vec<ActionId> = ActionId::ALL.iter().filter(is_meant).copied().collect();
    let fitting: Vec<ActionId> = meant.iter().filter(|action| fits(action)).copied().collect();
    match (meant.as_slice(), fitting.as_slice()) {
        (_, [only]) => Ok(*only),
        // What is called so elsewhere is nothing that can be done with a path: `list`.
        (several, []) if looks_like_path && several.len() != 1 => unknown(written),
        ([only], _) => Ok(*only),
        ([], _) => unknown(written),
        (several, _) => {
            let names: Vec<&str> = several.iter().map(|action| action.uid()).collect();
            wrong(format!("`{written}` may be any of {}", names.join(", ")))
        }
    }
}

/// With the action that goes by another name here, or else the one whose name is nearest.
fn unknown(written: &str) -> Result<ActionId, NotAQuestion> {
    if let Some(hint) = action_by_use(written) {
        return wrong(format!("there is no action `{written}` ({hint})"));
    }
    let names: Vec<String> = ActionId::ALL
        .iter()
        .flat_map(|action| {
            [
                action.uid().to_owned(),
                format!("{}::{}", action.namespace(), action.name()),
                action.name().to_owned(),
            ]
        })
        .collect();
    let hint = nearest(written, names.iter().map(String::as_str));
    wrong(format!("there is no action `{written}`{}", did_you_mean(hint)))
}

fn kind_of(written: &str) -> Result<ResourceKind, NotAQuestion> {
    let last = |name: &'static str| name.rsplit("::").next().unwrap_or(name);
    let known = KINDS.iter().find(|kind| written == kind.type_name() || written == last(kind.type_name()));
    match known {
        Some(kind) => Ok(*kind),
        None => {
            let names = KINDS.iter().flat_map(|kind| [kind.type_name(), last(kind.type_name())]);
            wrong(format!("there is no resource type `{written}`{}", did_you_mean(nearest(written, names))))
        }
    }
}

/// Type and name, as far as they are written: `Type::"name"`, or a name alone.
fn written_resource(text: &str) -> Result<(Option<ResourceKind>, Option<String>), NotAQuestion> {
    let Some((kind, rest)) = text.split_once("::\"") else { return Ok((None, Some(text.to_owned()))) };
    // A path or URL may contain anything.
    if kind.contains('/') {
        return Ok((None, Some(text.to_owned())));
    }
    let Some(id) = rest.strip_suffix('"').and_then(entity_id) else {
        return wrong(format!("`{text}` is no entity: it is written like file_system::File::\"/etc/hosts\""));
    };
    Ok((Some(kind_of(kind)?), Some(id)))
}

/// The name as a run would ask about it.
fn resource_id(kind: ResourceKind, id: Option<String>) -> Result<String, NotAQuestion> {
    match (kind, id) {
        // There is one of each, and it has one name.
        (ResourceKind::Sysinfo | ResourceKind::Systemd | ResourceKind::Sysctl, _) => Ok("host".to_owned()),
        (_, None) => wrong(format!("--resource has to name a {}", kind.type_name())),
        (ResourceKind::File | ResourceKind::Dir, Some(id)) => path(&id).map(|path| path.as_str().to_owned()),
        (ResourceKind::Process, Some(id)) if id.parse::<u32>().is_err() => {
            wrong(format!("a process is named by its number, not by `{id}`"))
        }
        (_, Some(id)) => Ok(id),
    }
}

fn path(text: &str) -> Result<PathName, NotAQuestion> {
    PathName::parse(text).map_err(|_| {
        NotAQuestion(format!(
            "no script is ever told anything but no about `{text}`: paths are absolute, and have no `..`"
        ))
    })
}

fn principal(text: &str) -> Result<String, NotAQuestion> {
    match text.strip_prefix("User::\"") {
        None => Ok(text.to_owned()),
        Some(rest) => match rest.strip_suffix('"').and_then(entity_id) {
            Some(name) => Ok(name),
            None => wrong(format!("`{text}` is no user: it is written like User::\"root\"")),
        },
    }
}

fn context(action: ActionId, id: &str, text: Option<&str>) -> Result<Context, NotAQuestion> {
    if action == ActionId::NetworkGet {
        return get_context(id, text);
    }
    let text = |form: &str| match text {
        Some(text) => Ok(text),
        None => wrong(format!("{} comes with a context: give --context '{form}'", action.uid())),
    };
    match action {
        ActionId::FileSystemSetXAttr => {
            let given: XAttrContext = json("--context", text(r#"{"xattr":{"name":…}}"#)?)?;
            Ok(Context::XAttr(given.xattr.name))
        }
        ActionId::FileSystemMove => {
            let MoveContext { destination } = json("--context", text(r#"{"destination":{"path":…}}"#)?)?;
            let path = path(&destination.path)?;
            let differs =
                |given: &Option<String>, own: &str| given.as_deref().is_some_and(|given| given != own);
            if differs(&destination.name, path.file_name().unwrap_or_default())
                || differs(&destination.parent_path, path.parent().as_str())
            {
                return wrong("name and parent_path of a destination are the parts of its path");
            }
            Ok(Context::Move(path))
        }
        ActionId::NetworkConnect => {
            let form = r#"{"port":…,"protocol":"tcp"}"#;
            let given: ConnectContext = json("--context", text(form)?)?;
            if !["tcp", "udp", "auto"].contains(&given.protocol.as_str()) {
                return wrong("the protocol is one of tcp, udp, auto");
            }
            Ok(Context::Connect(given))
        }
        ActionId::FileSystemExecute => {
            let form = r#"{"arguments":[…],"environment":{…},"user":{"username":…,"uid":…},"group":{"groupname":…,"gid":…}}"#;
            json("--context", text(form)?).map(Box::new).map(Context::Execute)
        }
        _ => match text("") {
            Ok(_) => wrong(format!("{} has no context", action.uid())),
            Err(_) => Ok(Context::None),
        },
    }
}

/// What a URL says of whom a request goes to. What cannot be seen in it can be given: `{"address":…,"hop":…}`.
fn get_context(id: &str, text: Option<&str>) -> Result<Context, NotAQuestion> {
    let own = Url::parse(id).ok().map_or_else(Get::default, |url| Get {
        address: match &url.host {
            Host::Address(address) => Some(*address),
            Host::Name(_) => None,
        },
        host: url.host.to_string(),
        port: url.port,
        scheme: if url.is_secure { "https" } else { "http" }.to_owned(),
        hop: 0,
    });
    let Some(text) = text else { return Ok(Context::Get(Box::new(own))) };
    let given: Get = json("--context", text)?;
    let differs = |given: &str, own: &str| !given.is_empty() && given != own;
    let is_other_port = given.port != 0 && given.port != own.port;
    if differs(&given.host, &own.host) || differs(&given.scheme, &own.scheme) || is_other_port {
        return wrong("host, port and scheme are those of the URL");
    }
    let address = given.address.or(own.address);
    Ok(Context::Get(Box::new(Get { address, hop: given.hop, ..own })))
}

fn json<T: DeserializeOwned>(option: &str, text: &str) -> Result<T, NotAQuestion> {
    serde_json::from_str(text)
        .map_err(|error| NotAQuestion(format!("{option} is not what it should be: {error}")))
}

/// What has to be said of a process.
const PROCESS_FORM: &str = r#"{"name":…,"username":…,"command":…}"#;

fn takes_paths(action: &ActionId) -> bool {
    action.resources().iter().any(|kind| matches!(kind, ResourceKind::File | ResourceKind::Dir))
}

fn did_you_mean(candidate: Option<&str>) -> String {
    candidate.map(|candidate| format!(" (did you mean `{candidate}`?)")).unwrap_or_default()
}

fn wrong<T>(reason: impl Into<String>) -> Result<T, NotAQuestion> {
    Err(NotAQuestion(reason.into()))
}
