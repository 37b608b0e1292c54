//! Which Cedar actions exist, and how each is named in a policy.

/// Lists the actions of every namespace: a marker type for the compiler, an [`ActionId`] for the record.
macro_rules! actions {
    ($($namespace:ident { $($marker:ident = $variant:ident, $name:literal, on [$($resource:ident),+];)+ })+) => {
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
                        const ID: super::ActionId = super::ActionId::$variant;
                    }
                )+
            }
        )+
    };
}

/// An action as a type, so that the compiler can hold an operation to its row.
pub trait Action {
    /// The action as a value.
    const ID: ActionId;
}

/// A resource type of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// `file_system::File`: anything in a directory that is not a directory.
    File,
    /// `file_system::Dir`.
    Dir,
    /// `sysinfo::Sysinfo`.
    Sysinfo,
    /// `sysinfo::Hostname`.
    Hostname,
    /// `network::url`.
    Url,
    /// `process_system::Process`.
    Process,
    /// `systemd::Service`.
    Service,
    /// `systemd::Systemd`.
    Systemd,
    /// `sysctl::Sysctl`.
    Sysctl,
}

impl ResourceKind {
    /// The entity type as it stands in a policy.
    pub const fn type_name(self) -> &'static str {
        match self {
            Self::File => "file_system::File",
            Self::Dir => "file_system::Dir",
            Self::Sysinfo => "sysinfo::Sysinfo",
            Self::Hostname => "sysinfo::Hostname",
            Self::Url => "network::url",
            Self::Process => "process_system::Process",
            Self::Service => "systemd::Service",
            Self::Systemd => "systemd::Systemd",
            Self::Sysctl => "sysctl::Sysctl",
        }
    }
}

actions! {
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
        SetXAttr = FileSystemSetXAttr, "set_x_attr", on [File, Dir];
        Move = FileSystemMove, "move", on [File, Dir];
        Execute = FileSystemExecute, "execute", on [File];
        Unmount = FileSystemUnmount, "unmount", on [Dir];
    }
    sysinfo {
        List = SysinfoList, "list", on [Sysinfo];
        ResolveHostname = SysinfoResolveHostname, "resolve_hostname", on [Hostname];
    }
    network {
        Get = NetworkGet, "GET", on [Url];
        Connect = NetworkConnect, "connect", on [Url];
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
