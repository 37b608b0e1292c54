//! Which Cedar actions exist, and how each is named in a policy.

/// Gives the actions of every namespace to the macro `$emit`: type, value, name, and the types of resource that the
/// schema allows for it; where it allows more than action and resource, what.
#[macro_export]
macro_rules! actions {
    ($emit:ident) => {
        $emit! {
            file_system {
                Open = FileSystemOpen, "open", on [File, Dir];
                Create = FileSystemCreate, "create", on [File, Dir];
                Delete = FileSystemDelete, "delete", on [File, Dir];
                Read = FileSystemRead, "read", on [File, Dir];
                Stat = FileSystemStat, "stat", on [File, Dir];
                Chmod = FileSystemChmod, "chmod", on [File, Dir];
                Chown = FileSystemChown, "chown", on [File, Dir];
                Write = FileSystemWrite, "write", on [File];
                NetworkNamespace = FileSystemNetworkNamespace, "network_namespace", on [File];
                RedactedRead = FileSystemRedactedRead, "redacted_read", on [File];
                SetXAttr = FileSystemSetXAttr, "set_x_attr", on [File, Dir], with XAttr;
                Move = FileSystemMove, "move", on [File, Dir], with Destination;
                Execute = FileSystemExecute, "execute", on [File], with Program;
                Unmount = FileSystemUnmount, "unmount", on [Dir];
            }
            sysinfo {
                List = SysinfoList, "list", on [Sysinfo];
                ResolveHostname = SysinfoResolveHostname, "resolve_hostname", on [Hostname];
            }
            network {
                Get = NetworkGet, "GET", on [Url], with Request;
                Connect = NetworkConnect, "connect", on [Url], with Connection;
            }
            process_system {
                List = ProcessList, "list", on [Process];
                ListFds = ProcessListFds, "list_fds", on [Process];
                MountNamespace = ProcessMountNamespace, "mount_namespace", on [Process];
                NetworkNamespace = ProcessNetworkNamespace, "network_namespace", on [Process];
                Kill = ProcessKill, "kill", on [Process];
                Interrupt = ProcessInterrupt, "interrupt", on [Process];
                Trace = ProcessTrace, "trace", on [Process];
            }
            systemd {
                Start = SystemdStart, "start", on [Service];
                Stop = SystemdStop, "stop", on [Service];
                Restart = SystemdRestart, "restart", on [Service];
                Status = SystemdStatus, "status", on [Service];
                DaemonReload = SystemdDaemonReload, "daemon_reload", on [Systemd];
            }
            sysctl {
                Load = SysctlLoad, "load", on [Sysctl];
            }
        }
    };
}

/// What an action that lists none has as context.
macro_rules! context_of {
    () => {
        ()
    };
    ($context:ident) => {
        super::context::$context
    };
}

/// For each action a type, so that the compiler knows it, and an [`ActionId`] for the record.
macro_rules! emit_actions {
    ($($namespace:ident {
        $($marker:ident = $variant:ident, $name:literal, on [$($resource:ident),+] $(, with $context:ident)?;)+
    })+) => {
        /// One action of the schema, as a value.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ActionId {
            $($(
                #[doc = concat!("`", stringify!($namespace), "::Action::\"", $name, "\"`.")]
                $variant,
            )+)+
        }

        impl ActionId {
            /// Every action, in the order of the schema.
            pub const ALL: &'static [ActionId] = &[$($(ActionId::$variant,)+)+];

            /// The Cedar namespace, such as `file_system`.
            pub const fn namespace(self) -> &'static str {
                match self { $($(ActionId::$variant => stringify!($namespace),)+)+ }
            }

            /// The name within the namespace, such as `open`.
            pub const fn name(self) -> &'static str {
                match self { $($(ActionId::$variant => $name,)+)+ }
            }

            /// The entity uid as it stands in a policy, such as `file_system::Action::"open"`.
            pub const fn uid(self) -> &'static str {
                match self {
                    $($(ActionId::$variant => concat!(stringify!($namespace), "::Action::\"", $name, "\""),)+)+
                }
            }

            /// The resource types that the schema allows for this action.
            pub const fn resources(self) -> &'static [ResourceKind] {
                match self { $($(ActionId::$variant => &[$(ResourceKind::$resource),+],)+)+ }
            }
        }

        $(
            #[doc = concat!("The actions of `", stringify!($namespace), "`, as types.")]
            pub mod $namespace {
                $(
                    #[doc = concat!("`", stringify!($namespace), "::Action::\"", $name, "\"`.")]
                    #[derive(Clone, Copy, Debug)]
                    pub enum $marker {}

                    impl super::Action for $marker {
                        type Context = context_of!($($context)?);
                        const ID: super::ActionId = super::ActionId::$variant;
                    }
                    $(impl super::AppliesTo<super::kind::$resource> for $marker {})+
                )+
            }
        )+
    };
}

/// An action as a type, so that the compiler can hold an operation to its row.
pub trait Action {
    /// What the schema lets a policy look at beside action and resource: `()`, or one of [`context`].
    type Context;
    /// The action as a value.
    const ID: ActionId;
}

/// Says that the schema allows the action on resources of the type `K`, one of [`kind`].
#[diagnostic::on_unimplemented(
    message = "the schema does not allow the action `{Self}` on resources of the type `{K}`",
    note = "ipc/src/action.rs lists what policies/rex.cedarschema allows"
)]
pub trait AppliesTo<K>: Action {}

/// What some actions tell the policy beside the resource, as types.
pub mod context {
    /// The name of an extended attribute.
    #[derive(Clone, Copy, Debug)]
    pub enum XAttr {}
    /// Where something goes that moves.
    #[derive(Clone, Copy, Debug)]
    pub enum Destination {}
    /// Whom a request for a URL goes to.
    #[derive(Clone, Copy, Debug)]
    pub enum Request {}
    /// Where in a host a connection goes.
    #[derive(Clone, Copy, Debug)]
    pub enum Connection {}
    /// With what, and as whom, a program is started.
    #[derive(Clone, Copy, Debug)]
    pub enum Program {}
}

/// Lists the resource types of the schema.
macro_rules! resources {
    ($($kind:ident = $type_name:literal;)+) => {
        /// A resource type of the schema.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ResourceKind {
            $(#[doc = concat!("`", $type_name, "`.")] $kind,)+
        }

        impl ResourceKind {
            /// The entity type as it stands in a policy.
            pub const fn type_name(self) -> &'static str {
                match self { $(Self::$kind => $type_name,)+ }
            }
        }

        /// The resource types, as types.
        pub mod kind {
            $(#[doc = concat!("`", $type_name, "`.")]
            #[derive(Clone, Copy, Debug)]
            pub enum $kind {})+
        }
    };
}

// A `File` is anything in a directory that is not a directory.
resources! {
    File = "file_system::File";
    Dir = "file_system::Dir";
    Sysinfo = "sysinfo::Sysinfo";
    Hostname = "sysinfo::Hostname";
    Url = "network::url";
    Process = "process_system::Process";
    Service = "systemd::Service";
    Systemd = "systemd::Systemd";
    Sysctl = "sysctl::Sysctl";
}

actions!(emit_actions);
