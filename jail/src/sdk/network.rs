//! Interfaces and sockets, under the names that scripts know.

use rhai::{Array, Dynamic, Map, NativeCallContext};

use super::command::command;
use super::object::{Object, Property, object};
use crate::error::Fallible;
use crate::network::connections::{Endpoint, InternetConnection, NetworkProtocol, TcpState};
use crate::network::interfaces::{self, Network};
use crate::network::sockets::{self, NetworkStats, ProcessInfo, UnixProtocol, UnixSocket, UnixSocketState};
use crate::registry::{Entry, NOTHING, Registrar};
use crate::session::Session;
use crate::sysinfo::names;
use crate::value::{Size, integer};

/// Registers commands, objects and constants.
pub fn register(registrar: &mut Registrar<'_>) {
    register_functions(registrar);
    register_interface(registrar);
    register_sockets(registrar);
    register_connection(registrar);
    register_unix_socket(registrar);
    register_process(registrar);
    registrar.type_name::<Endpoint>("SocketAddr");
    registrar.function(
        Entry {
            module: "SocketAddr",
            name: "to_string",
            signature: "(SocketAddr)",
            returns: "String",
            actions: NOTHING,
            doc: "Address and port, with brackets around an address of IPv6.",
        },
        |address: Endpoint| address.to_string(),
    );
    register_constants(registrar);
}

const LIST: &str = "sysinfo::Action::\"list\" Sysinfo";
const SOCKETS: &str = "file_system::Action::\"open\" File(/proc/net/tcp), file_system::Action::\"read\" File(/proc/net/tcp), file_system::Action::\"open\" File(/proc/net/tcp6), file_system::Action::\"read\" File(/proc/net/tcp6), file_system::Action::\"open\" File(/proc/net/udp), file_system::Action::\"read\" File(/proc/net/udp), file_system::Action::\"open\" File(/proc/net/udp6), file_system::Action::\"read\" File(/proc/net/udp6), file_system::Action::\"open\" File(/proc/net/unix), file_system::Action::\"read\" File(/proc/net/unix), file_system::Action::\"open\" File(/proc), file_system::Action::\"read\" File(/proc)";

fn register_functions(registrar: &mut Registrar<'_>) {
    registrar.function(
        command("hostname", "()", "String", LIST, "The name of the host."),
        |context: NativeCallContext| Session::of(&context).as_text(names::host_name(&context)),
    );
    registrar.function(
        command("ip_addr", "()", "Array<Network>", LIST, "The network interfaces and their addresses."),
        |context: NativeCallContext| Session::of(&context).as_text(interfaces::list(&context)),
    );
    registrar.function(
        command("netstat", "()", "Map", SOCKETS, "Every socket of the host."),
        |context: NativeCallContext| Session::of(&context).as_text(netstat(&context)),
    );
    let global = |name, returns, actions, doc| Entry {
        module: "global",
        name,
        signature: "()",
        returns,
        actions,
        doc,
    };
    registrar.function(
        global("ip_addresses", "Array<Network>", LIST, "The network interfaces and their addresses."),
        |context: NativeCallContext| interfaces::list(&context),
    );
    registrar.function(
        global("network_stats", "NetworkStats", SOCKETS, "Every socket of the host, and who holds it open."),
        |context: NativeCallContext| NetworkStats::read(&context),
    );
}

/// The sockets as maps, without inode numbers and processes.
fn netstat(context: &NativeCallContext) -> Fallible<Map> {
    let stats = NetworkStats::read_tables(context)?;
    sockets::ask_for_holders(context)?;
    let without = |mut map: Map| {
        map.remove("inode");
        map.remove("process_info");
        Dynamic::from_map(map)
    };
    let internet: Array = stats.internet_connections.iter().map(|socket| without(socket.to_map())).collect();
    let unix: Array = stats.unix_sockets.iter().map(|socket| without(socket.to_map())).collect();
    Size::of_array(&internet).plus(&Size::of_array(&unix)).check(&Session::of(context))?;
    let lists = [("internet", internet), ("unix", unix)];
    Ok(lists.into_iter().map(|(key, list)| (key.into(), Dynamic::from_array(list))).collect())
}

object! {
    Network as "Network", "rust_safe_network::ip::common::Network", register_interface {
        interface_name: "String" "The name of the interface." = |network| network.interface_name.clone();
        addresses: "Array<String>" "The addresses of the interface." = |network| network.addresses.clone();
    }
    beside {}
}

object! {
    NetworkStats as "NetworkStats", "rust_safe_network::netstat::common::NetworkStats", register_sockets {
        internet_connections: "Array<InternetConnection>" "The sockets of TCP and UDP." = |stats| stats.internet_connections.clone();
        unix_sockets: "Array<UnixSocket>" "The sockets within the host." = |stats| stats.unix_sockets.clone();
    }
    beside {}
}

object! {
    InternetConnection as "InternetConnection", "rust_safe_network::netstat::common::InternetConnection", register_connection {
        protocol: "NetworkProtocol" "The protocol of the socket." = |socket| socket.protocol;
        recv_queue: "i64" "How many bytes came and were not fetched." = |socket| integer(socket.recv_queue);
        send_queue: "i64" "How many bytes were sent and not confirmed." = |socket| integer(socket.send_queue);
        local_address: "SocketAddr" "Address and port of this host." = |socket| socket.local_address;
        remote_address: "SocketAddr" "Address and port of the other one." = |socket| socket.remote_address;
        state: "TcpState" "The state of the connection; for UDP there is none." = |socket| socket.state;
        inode: "i64" "The inode number of the socket." = |socket| integer(socket.inode);
        process_info: "ProcessInfo | ()" "A process that holds the socket open, where that can be seen." = |socket| socket.process_info.clone();
    }
    beside {}
}

object! {
    UnixSocket as "UnixSocket", "rust_safe_network::netstat::common::UnixSocket", register_unix_socket {
        protocol: "UnixProtocol" "The type of the socket." = |socket| socket.protocol;
        ref_count: "i64" "How many use the socket." = |socket| integer(socket.ref_count);
        state: "UnixSocketState" "The state of the socket." = |socket| socket.state;
        inode: "i64" "The inode number of the socket." = |socket| integer(socket.inode);
        path: "String" "Where the socket is bound." = |socket| socket.path.clone();
        process_info: "ProcessInfo | ()" "A process that holds the socket open, where that can be seen." = |socket| socket.process_info.clone();
    }
    beside {}
}

/// Scripts know another type by this name, too, whose entries are those of what both have.
fn register_process(registrar: &mut Registrar<'_>) {
    registrar.type_name::<ProcessInfo>("ProcessInfo");
    registrar.further("get$pid", |process: &mut ProcessInfo| integer(process.pid));
    registrar.function(
        Entry {
            module: "ProcessInfo",
            name: "get$process_name",
            signature: "(ProcessInfo)",
            returns: "String",
            actions: NOTHING,
            doc: "The name that the process has given itself.",
        },
        |process: &mut ProcessInfo| process.process_name.clone(),
    );
    registrar.further("to_map", |process: &mut ProcessInfo| process.map());
}

impl ProcessInfo {
    fn map(&self) -> Map {
        let pid = Dynamic::from_int(integer(self.pid));
        let name = Dynamic::from(self.process_name.clone());
        [("pid".into(), pid), ("process_name".into(), name)].into_iter().collect()
    }
}

impl Property for ProcessInfo {
    fn given(self) -> Dynamic {
        Dynamic::from(self)
    }

    fn in_map(self) -> Dynamic {
        Dynamic::from_map(self.map())
    }
}

/// Registers the constants of a type, comparison and text, and makes its values ones of properties.
macro_rules! constants {
    ($($kind:ident, $name:literal, $what:literal;)+) => {
        $(impl Property for $kind {
            fn given(self) -> Dynamic {
                Dynamic::from(self)
            }

            fn in_map(self) -> Dynamic {
                Dynamic::from(self.name())
            }
        })+

        fn register_constants(registrar: &mut Registrar<'_>) {
            $(
                registrar.type_name::<$kind>($name);
                let entry = |name, signature, returns, doc| Entry {
                    module: $name, name, signature, returns, actions: NOTHING, doc,
                };
                for &(name, value) in $kind::ALL {
                    registrar.constant(entry(name, "constant", $name, $what), Dynamic::from(value));
                }
                let both = concat!("(", $name, ", ", $name, ")");
                registrar.function(entry("==", both, "bool", "Whether both are the same."), |a: $kind, b: $kind| a == b);
                registrar.function(entry("!=", both, "bool", "Whether they differ."), |a: $kind, b: $kind| a != b);
                let one = concat!("(", $name, ")");
                registrar.function(entry("to_string", one, "String", "Its name."), |value: $kind| value.name());
            )+
        }
    };
}

constants! {
    NetworkProtocol, "NetworkProtocol", "A protocol of the Internet.";
    TcpState, "TcpState", "A state of a connection of TCP.";
    UnixProtocol, "UnixProtocol", "A type of sockets within the host.";
    UnixSocketState, "UnixSocketState", "A state of a socket within the host.";
}
