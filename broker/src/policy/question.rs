//! What the policy can be asked: an action on a resource, in a context.

use core::net::IpAddr;
use std::borrow::Cow;

use rex_ipc::action::{ActionId, ResourceKind};

/// One question to the policy. The principal is fixed for the run.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// What the script wants to do.
    pub action: ActionId,
    /// To which thing.
    pub resource: ResourceRef<'a>,
    /// What else the policy may look at.
    pub context: ContextRef<'a>,
}

impl<'a> Question<'a> {
    /// A question whose action has no context.
    pub fn new(action: ActionId, resource: ResourceRef<'a>) -> Self {
        Self { action, resource, context: ContextRef::None }
    }
}

/// A resource, as the policy sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceRef<'a> {
    /// `file_system::File`, by its normalized absolute path.
    File(&'a str),
    /// `file_system::Dir`, by its normalized absolute path.
    Dir(&'a str),
    /// `sysinfo::Sysinfo`: this host.
    Sysinfo,
    /// `sysinfo::Hostname`: a name to be resolved.
    Hostname(&'a str),
    /// `network::url`: a URL to be read, or a host to be connected to.
    Url(&'a str),
    /// `process_system::Process`.
    Process(ProcessRef<'a>),
    /// `systemd::Service`, by its unit name.
    Service(&'a str),
    /// `systemd::Systemd`: the manager itself.
    Systemd,
    /// `sysctl::Sysctl`: the kernel's parameters as a whole.
    Sysctl,
}

/// A process, as the policy sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessRef<'a> {
    /// The process id; the uid is its decimal text.
    pub pid: u32,
    /// The kernel's short name.
    pub name: &'a str,
    /// The owner.
    pub username: &'a str,
    /// The command line.
    pub command: &'a str,
    /// The number of the owner.
    pub uid: u32,
    /// When it was started, in clock ticks since the host was.
    pub start_time: i64,
    /// The program that it runs, where the kernel tells.
    pub exe: Option<&'a str>,
}

impl<'a> ResourceRef<'a> {
    /// The type of the resource.
    pub fn kind(&self) -> ResourceKind {
        match self {
            Self::File(_) => ResourceKind::File,
            Self::Dir(_) => ResourceKind::Dir,
            Self::Sysinfo => ResourceKind::Sysinfo,
            Self::Hostname(_) => ResourceKind::Hostname,
            Self::Url(_) => ResourceKind::Url,
            Self::Process(_) => ResourceKind::Process,
            Self::Service(_) => ResourceKind::Service,
            Self::Systemd => ResourceKind::Systemd,
            Self::Sysctl => ResourceKind::Sysctl,
        }
    }

    /// The name within the type.
    pub fn id(&self) -> Cow<'a, str> {
        match *self {
            Self::File(text)
            | Self::Dir(text)
            | Self::Hostname(text)
            | Self::Url(text)
            | Self::Service(text) => text.into(),
            // There is one of each; Rex gives them random names, so no policy can rely on one.
            Self::Sysinfo | Self::Systemd | Self::Sysctl => "host".into(),
            Self::Process(process) => process.pid.to_string().into(),
        }
    }
}

/// The context of a question.
#[derive(Clone, Copy, Debug)]
pub enum ContextRef<'a> {
    /// Most actions have none.
    None,
    /// `set_x_attr`: the attribute's name.
    XAttr {
        /// Such as `user.comment`.
        name: &'a str,
    },
    /// `move`: where to.
    Move {
        /// The whole destination.
        path: &'a str,
        /// Its last component.
        name: &'a str,
        /// What is before it.
        parent_path: &'a str,
    },
    /// `GET`: whom the request goes to.
    Get {
        /// The host of the canonical form; empty where the text is no URL.
        host: &'a str,
        /// The port; 0 where the text is no URL.
        port: u16,
        /// `http` or `https`; empty where the text is no URL.
        scheme: &'a str,
        /// How many redirects have led here.
        hop: u8,
        /// The address, where it is known.
        address: Option<IpAddr>,
    },
    /// `connect`: where in the host.
    Connect {
        /// The port.
        port: u16,
        /// `tcp`, `udp` or `auto`.
        protocol: &'a str,
        /// The address, where it is known.
        address: Option<IpAddr>,
    },
    /// `execute`: with what, and as whom.
    Execute(&'a ExecuteContext<'a>),
    /// `execute`, of a program that a request is about.
    Program(&'a Program),
}

/// A program that a request is about, with everything that the policy is told of it.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// Its name, which is the first of its words.
    pub name: String,
    /// The arguments, in their order: words that stand alone, and keys with their values.
    pub arguments: Vec<(String, Option<String>)>,
    /// Of tags that have several values, the one that is asked about.
    pub chosen: Vec<(String, String)>,
    /// Every variable that it receives.
    pub environment: Vec<(String, String)>,
    /// The user it runs as.
    pub username: String,
    /// The number of that user.
    pub uid: u32,
    /// The group it runs as.
    pub groupname: String,
    /// The number of that group.
    pub gid: u32,
    /// The capabilities it keeps, such as `CAP_NET_ADMIN`.
    pub capabilities: Vec<String>,
}

/// What `execute` tells the policy about the program to be started.
#[derive(Clone, Copy, Debug)]
pub struct ExecuteContext<'a> {
    /// The name of the program, which is the first of its words.
    pub program: &'a str,
    /// The arguments, in the order in which the program receives them.
    pub arguments: &'a [Argument<'a>],
    /// Of tags that are given several values, the one that is asked about: tags are a map, and a value that is hidden behind
    /// another would reach the program all the same. Where none is chosen, nothing is permitted.
    pub chosen: &'a [(&'a str, &'a str)],
    /// Every variable that the program receives.
    pub environment: &'a [(&'a str, &'a str)],
    /// The user it runs as.
    pub username: &'a str,
    /// The number of that user.
    pub uid: u32,
    /// The group it runs as.
    pub groupname: &'a str,
    /// The number of that group.
    pub gid: u32,
    /// The process whose namespaces it joins.
    pub target_process_id: Option<u32>,
    /// The capabilities it keeps.
    pub capabilities: &'a [&'a str],
}

/// One argument of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument<'a> {
    /// A word that stands alone.
    Bare(&'a str),
    /// A key, and its value if it has one.
    Pair(&'a str, Option<&'a str>),
}
