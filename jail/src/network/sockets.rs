//! Every socket of the host and who holds it open, as netstat(8) shows them.

use std::collections::BTreeMap;

use rex_ipc::bounded::Text;
use rex_ipc::process_system::{Holder, Holders, ListOpenFiles, Sought};
use rex_ipc::sysinfo::Source;
use rhai::NativeCallContext;

use super::connections::{self, InternetConnection, NetworkProtocol, hexadecimal, named};
use crate::error::family::{Kind, Network, OTHER};
use crate::error::{Fallible, TooLarge, too_large};
use crate::limits::array_limit;
use crate::session::{Failed, Session};
use crate::sysinfo::tables::{self, Unread};
use crate::value;

/// All sockets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetworkStats {
    /// Those of TCP and UDP.
    pub internet_connections: Vec<InternetConnection>,
    /// Those within the host.
    pub unix_sockets: Vec<UnixSocket>,
}

/// A socket within the host; see unix(7).
#[derive(Clone, Debug, PartialEq)]
pub struct UnixSocket {
    /// Of which type.
    pub protocol: UnixProtocol,
    /// How many use it.
    pub ref_count: u64,
    /// In which state.
    pub state: UnixSocketState,
    /// Its inode number.
    pub inode: u64,
    /// Where it is bound; empty when it is not, with `@` in front when it is no file.
    pub path: String,
    /// One of the processes that hold it open, where that can be seen.
    pub process_info: Option<ProcessInfo>,
}

/// A process that holds a socket open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessInfo {
    /// Its number.
    pub pid: u32,
    /// The name that it has given itself.
    pub process_name: String,
}

named! {
    /// A type of sockets within the host.
    UnixProtocol {
        /// A stream of bytes.
        Stream "STREAM" "Stream",
        /// Messages without a connection.
        Dgram "DGRAM" "Dgram",
        /// Messages within a connection.
        Seqpacket "SEQPACKET" "Seqpacket",
    }
}

named! {
    /// The state of a socket within the host.
    UnixSocketState {
        /// It is connected with nothing.
        Unconnected "UNCONNECTED" "Unconnected",
        /// It is being connected.
        Connecting "CONNECTING" "Connecting",
        /// It is connected.
        Connected "CONNECTED" "Connected",
        /// It is being disconnected.
        Disconnecting "DISCONNECTING" "Disconnecting",
    }
}

impl NetworkStats {
    /// Every socket, without who holds it open. What that would ask for is asked for, as by [`NetworkStats::read`].
    ///
    /// # Errors
    /// `PermissionDenied`; `Other` for the system's failures and for a table that is not understood; the limit on arrays.
    pub fn read_tables(context: &NativeCallContext) -> Fallible<Self> {
        let mut stats = Self::default();
        for (_, protocol) in NetworkProtocol::ALL {
            let table = table(context, protocol.source(), protocol.is_of_version_6())?;
            let parsed = connections::parse(&table, *protocol);
            stats.internet_connections.extend(parsed.map_err(|line| unclear(protocol.source(), line))?);
        }
        let table = table(context, Source::Unix, false)?;
        stats.unix_sockets = parse(&table).map_err(|line| unclear(Source::Unix, line))?;
        let most = array_limit(&Session::of(context));
        if stats.internet_connections.len().max(stats.unix_sockets.len()) > most {
            return Err(too_large(TooLarge::Array));
        }
        Ok(stats)
    }

    /// Every socket, and who holds it open.
    ///
    /// # Errors
    /// As [`NetworkStats::read_tables`].
    pub fn read(context: &NativeCallContext) -> Fallible<Self> {
        let mut stats = Self::read_tables(context)?;
        let owners = stats.owners(context)?;
        let owner = |inode: u64| owners.get(&inode).cloned().flatten();
        stats.internet_connections.iter_mut().for_each(|found| found.process_info = owner(found.inode));
        stats.unix_sockets.iter_mut().for_each(|found| found.process_info = owner(found.inode));
        Ok(stats)
    }

    /// By the inode number of each socket the process that was looked at last among those that hold it open.
    fn owners(&self, context: &NativeCallContext) -> Fallible<BTreeMap<u64, Option<ProcessInfo>>> {
        let inodes = self.internet_connections.iter().map(|found| found.inode);
        let inodes = inodes.chain(self.unix_sockets.iter().map(|found| found.inode));
        let mut owners: BTreeMap<u64, Option<ProcessInfo>> = inodes.map(|inode| (inode, None)).collect();
        // What nothing holds open any more has this number.
        owners.remove(&0);
        let mut from = Some((0, 0));
        while let Some((pid, skip)) = from {
            let (holders, next) = holders(context, pid, skip)?;
            for holder in holders {
                let process_name = holder.name.as_str();
                for inode in
                    holder.entries.as_slice().iter().filter_map(|entry| inode_of(entry.target.as_str()))
                {
                    if let Some(owner) = owners.get_mut(&inode) {
                        *owner = Some(ProcessInfo {
                            pid: holder.pid,
                            process_name: named_or_unknown(process_name),
                        });
                    }
                }
            }
            // Processes ascend; anything else would go on for ever.
            from = next.filter(|next| *next > (pid, skip));
        }
        Ok(owners)
    }
}

/// Asks what the processes hold open, and looks at none of it.
///
/// # Errors
/// As [`NetworkStats::read`].
pub fn ask_for_holders(context: &NativeCallContext) -> Fallible<()> {
    holders(context, 0, 0).map(drop)
}

type Page = (Vec<Holder>, Option<(u32, u32)>);

fn holders(context: &NativeCallContext, pid: u32, skip: u32) -> Fallible<Page> {
    let session = Session::of(context);
    let request = ListOpenFiles { of: Holders::From { pid, skip }, sought: Sought::Sockets };
    let page = session.ask(value::line(context), request).map_err(|failed| error(&session, failed))?;
    Ok((page.holders.into_vec(), page.next))
}

/// A table; empty where the host cannot have it. Rex fails on hosts without IPv6.
fn table(context: &NativeCallContext, source: Source, may_be_missing: bool) -> Fallible<String> {
    let session = Session::of(context);
    match tables::fetch(context, source) {
        Ok(table) => Ok(table),
        Err(unread) if may_be_missing && unread.is_missing() && !session.is_rex_compat() => Ok(String::new()),
        Err(Unread::Failed(failed)) => Err(error(&session, failed)),
        Err(unread) => Err(unread.error::<Network>()),
    }
}

/// For Rex a denial names the path, and not what it is the path of.
fn error(session: &Session, mut failed: Failed) -> Box<rhai::EvalAltResult> {
    if session.is_rex_compat() && failed.is_denial() {
        let message = failed.failure.message.as_str().replacen(" for file_system::File::/", " for /", 1);
        failed.failure.message = Text::cut(&message);
    }
    Kind::<Network>::of(failed, OTHER)
}

fn unclear(source: Source, line: usize) -> Box<rhai::EvalAltResult> {
    tables::unclear::<Network>(tables::path(source), &format!("line {line} is not understood"))
}

/// The sockets of `/proc/net/unix`: `Num RefCount Protocol Flags Type St Inode Path`; proc_net_unix(5).
///
/// A path is written as it was bound, line feeds included, so a line that is no socket goes on with the path of the one
/// before. Anybody can bind a path with a line in it that looks like a socket; nothing in the table tells it from one.
///
/// # Errors
/// The number of a line that is not understood.
pub fn parse(table: &str) -> Result<Vec<UnixSocket>, usize> {
    let mut sockets: Vec<UnixSocket> = Vec::new();
    let mut is_bound = false;
    let table = table.strip_suffix('\n').unwrap_or(table);
    for (index, line) in table.split('\n').enumerate().skip(1) {
        match (socket(line), sockets.last_mut()) {
            (Some((socket, has_path)), _) => {
                sockets.push(socket);
                is_bound = has_path;
            }
            (None, Some(last)) if is_bound => {
                last.path.push('\n');
                last.path.push_str(line);
            }
            (None, _) => return Err(index.saturating_add(1)),
        }
    }
    Ok(sockets)
}

/// A socket, and whether it is bound: then a space follows the inode number, and the path, whose first line may be empty.
fn socket(line: &str) -> Option<(UnixSocket, bool)> {
    let mut rest = line;
    let mut word = || {
        rest = rest.trim_start_matches(' ');
        let (word, behind) = rest.split_at(rest.find(' ').unwrap_or(rest.len()));
        rest = behind;
        word
    };
    hexadecimal(word().strip_suffix(':')?)?;
    let [ref_count, _protocol, _flags, kind, state] =
        [word(), word(), word(), word(), word()].map(hexadecimal);
    let inode = word().parse().ok()?;
    let path = rest.strip_prefix(' ');
    let socket = UnixSocket {
        // SOCK_STREAM 1, SOCK_DGRAM 2, SOCK_SEQPACKET 5.
        protocol: match kind? {
            2 => UnixProtocol::Dgram,
            5 => UnixProtocol::Seqpacket,
            _ => UnixProtocol::Stream,
        },
        ref_count: ref_count?,
        // SS_UNCONNECTED 1 to SS_DISCONNECTING 4.
        state: match state? {
            2 => UnixSocketState::Connecting,
            3 => UnixSocketState::Connected,
            4 => UnixSocketState::Disconnecting,
            _ => UnixSocketState::Unconnected,
        },
        inode,
        path: path.unwrap_or_default().to_owned(),
        process_info: None,
    };
    Some((socket, path.is_some()))
}

/// The number in `socket:[123]`.
fn inode_of(target: &str) -> Option<u64> {
    target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

fn named_or_unknown(name: &str) -> String {
    if name.is_empty() { "unknown".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use rex_ipc::bounded::List;
    use rex_ipc::file_system::EntryType;
    use rex_ipc::process_system::{OpenAccess, OpenEntry};

    use super::*;
    use crate::testing::Bench;

    const HEAD: &str = "Num       RefCount Protocol Flags    Type St Inode Path\n";

    fn bench() -> Bench {
        let local = u32::from_ne_bytes([127, 0, 0, 1]);
        let line = |port: &str, state: &str, inode: u64| {
            format!(
                "   0: {local:08X}:{port} 00000000:0000 {state} 00000001:00000002 00:00000000 00000000     0        0 {inode} 1\n"
            )
        };
        let unix = format!(
            "{HEAD}0000000000000000: 00000002 00000000 00010000 0001 01 300 /run/a b.sock\n\
             0000000000000000: 00000003 00000000 00000000 0002 03 301\n\
             0000000000000000: 00000002 00000000 00010000 0005 01 302 @abstract\n"
        );
        let bench = Bench::new()
            .table(Source::Tcp, format!("head\n{}{}", line("0016", "0A", 100), line("0017", "06", 0)))
            .table(Source::Tcp6, "head\n")
            .table(Source::Udp, format!("head\n{}", line("0035", "07", 200)))
            .table(Source::Udp6, "head\n")
            .table(Source::Unix, unix);
        let holder = |pid: u32, name: &str, targets: &[&str]| Holder {
            started_ticks: 1,
            pid,
            uid: 0,
            user: None,
            name: Text::new(name).unwrap(),
            command: Text::new(name).unwrap(),
            entries: List::new(
                targets
                    .iter()
                    .map(|target| OpenEntry {
                        access: OpenAccess::Descriptor,
                        entry_type: EntryType::Socket,
                        target: Text::new(*target).unwrap(),
                    })
                    .collect(),
            )
            .unwrap(),
        };
        bench.world.borrow_mut().host.holders = vec![
            holder(1, "init", &["socket:[100]", "socket:[300]", "socket:[999]", "socket:[0]"]),
            holder(7, "sshd", &["socket:[100]", "/run/x", "socket:[x]"]),
            holder(9, "", &["socket:[301]"]),
        ];
        bench
    }

    #[test]
    fn connections_have_addresses_states_and_owners() {
        for page in [1, 2, 100] {
            for bench in [bench(), bench().like_rex()] {
                bench.world.borrow_mut().page_entries = page;
                assert_eq!(
                    bench.output(
                        "network_stats().internet_connections.map(|c| [c.protocol.to_string(), c.local_address.to_string(), \
                         c.remote_address.to_string(), c.state.to_string(), c.recv_queue, c.send_queue, c.inode, \
                         if c.process_info == () { () } else { [c.process_info.pid, c.process_info.process_name] }])"
                    ),
                    r#"[["Tcp", "127.0.0.1:22", "0.0.0.0:0", "Listen", 2, 1, 100, [7, "sshd"]], ["Tcp", "127.0.0.1:23", "0.0.0.0:0", "TimeWait", 2, 1, 0, ()], ["Udp", "127.0.0.1:53", "0.0.0.0:0", "None", 2, 1, 200, ()]]"#
                );
                assert_eq!(
                    bench.output(
                        "network_stats().unix_sockets.map(|s| [s.protocol.to_string(), s.ref_count, s.state.to_string(), s.inode, \
                         s.path, if s.process_info == () { () } else { s.process_info.to_map() }])"
                    ),
                    r##"[["Stream", 2, "Unconnected", 300, "/run/a b.sock", #{"pid": 1, "process_name": "init"}], ["Dgram", 3, "Connected", 301, "", #{"pid": 9, "process_name": "unknown"}], ["Seqpacket", 2, "Unconnected", 302, "@abstract", ()]]"##
                );
            }
        }
    }

    #[test]
    fn values_compare_with_constants() {
        assert_eq!(
            bench().like_rex().output(
                "let s = network_stats(); let c = s.internet_connections[0]; let u = s.unix_sockets[0];
                 [c.protocol == NetworkProtocol::TCP, c.protocol != NetworkProtocol::UDP6, c.state == TcpState::LISTEN,
                  c.state != TcpState::NONE, u.protocol == UnixProtocol::STREAM, u.protocol != UnixProtocol::DGRAM,
                  u.state == UnixSocketState::UNCONNECTED, u.state != UnixSocketState::CONNECTING,
                  [c.protocol, c.state, u.protocol, u.state, c.local_address, c.process_info].map(|x| type_of(x)),
                  `${c.local_address} ${c.state}`, TcpState::LISTEN.to_string()]"
            ),
            r#"[true, true, true, true, true, true, true, true, ["NetworkProtocol", "TcpState", "UnixProtocol", "UnixSocketState", "SocketAddr", "ProcessInfo"], "127.0.0.1:22 Listen", "Listen"]"#
        );
    }

    #[test]
    fn everything_has_a_map() {
        assert_eq!(
            bench()
                .output("let m = network_stats().to_map(); [m.internet_connections[0], m.unix_sockets[2]]"),
            r##"[#{"inode": 100, "local_address": "127.0.0.1:22", "process_info": #{"pid": 7, "process_name": "sshd"}, "protocol": "Tcp", "recv_queue": 2, "remote_address": "0.0.0.0:0", "send_queue": 1, "state": "Listen"}, #{"inode": 302, "path": "@abstract", "process_info": (), "protocol": "Seqpacket", "ref_count": 2, "state": "Unconnected"}]"##
        );
    }

    #[test]
    fn for_rex_objects_are_the_names_of_their_types() {
        assert_eq!(
            bench().like_rex().output(
                "let c = network_stats().internet_connections[0]; [c.local_address, c.state, c.process_info]"
            ),
            "[SocketAddr, TcpState, ProcessInfo]"
        );
    }

    // spec: "`netstat()` -> map ... No inode or process information here."
    #[test]
    fn the_command_gives_maps() {
        let bench = bench();

        assert_eq!(
            bench.output("let n = netstat(); [n.keys(), n.internet[0], n.unix[0]]"),
            r##"[["internet", "unix"], #{"local_address": "127.0.0.1:22", "protocol": "Tcp", "recv_queue": 2, "remote_address": "0.0.0.0:0", "send_queue": 1, "state": "Listen"}, #{"path": "/run/a b.sock", "protocol": "Stream", "ref_count": 2, "state": "Unconnected"}]"##
        );
        assert_eq!(bench.asked().concat(), [["read_source"; 5].as_slice(), &["list_open_files"]].concat());
    }

    // spec: "A kernel without IPv6 (`/proc/net/tcp6` missing) makes the whole call fail".
    #[test]
    fn a_host_without_version_6_has_the_other_sockets() {
        let without = |bench: Bench, source: Source| {
            bench.world.borrow_mut().host.tables.remove(&crate::testing::Known::name(source));
            bench
        };

        for source in [Source::Tcp6, Source::Udp6] {
            assert_eq!(without(bench(), source).output("netstat().internet.len()"), "3");
            let message = without(bench().like_rex(), source).failure("network_stats()");
            assert!(message.starts_with("NetworkErrorKind: Unknown: No such file or directory"), "{message}");
        }
        assert!(
            without(bench(), Source::Tcp).failure("network_stats()").contains("NetworkErrorKind: Other: ")
        );
    }

    // spec: "Denial text uses the bare path".
    #[test]
    fn a_denial_names_the_file_as_rex_does_for_rex() {
        for path in
            ["/proc/net/tcp", "/proc/net/tcp6", "/proc/net/udp", "/proc/net/udp6", "/proc/net/unix", "/proc"]
        {
            for action in ["open", "read"] {
                let denied = || bench().denying(action, path);
                let begin = format!(
                    "Permission denied: tester unauthorized to perform file_system::Action::\"{action}\" for "
                );
                let message = denied().failure("network_stats()");
                assert!(
                    message.starts_with(&format!(
                        "NetworkErrorKind: PermissionDenied: {begin}file_system::File::{path} (line"
                    )),
                    "{message}"
                );
                for call in ["network_stats()", "netstat()"] {
                    let ended = denied().like_rex().run(call);
                    assert!(ended.text.contains(&format!("{begin}{path} (line")), "{}", ended.text);
                    assert!(ended.outcome.ended_by.is_some());
                }
            }
        }
    }

    // spec, 3.3: "**network kinds print as `Unknown`**".
    #[test]
    fn the_kind_of_an_error_has_its_name_but_for_rex_where_nothing_stops_it() {
        let denied = || bench().denying("open", "/proc/net/tcp");
        let caught = "let r = (); try { network_stats() } catch (e) { r = `${e.source} ${e.kind}` } r";

        assert!(denied().failure("network_stats()").starts_with("NetworkErrorKind: PermissionDenied: "));
        assert!(
            denied()
                .like_rex()
                .failure("network_stats()")
                .starts_with("NetworkErrorKind: Unknown: Permission")
        );
        for bench in [denied(), denied().like_rex()] {
            assert_eq!(bench.output(caught), "NetworkErrorKind PermissionDenied");
        }
    }

    #[test]
    fn a_path_may_have_lines() {
        let socket = "0000000000000000: 00000002 00000000 00010000 0001 01 1";
        let parsed =
            |table: &str| parse(table).map(|all| all.into_iter().map(|s| s.path).collect::<Vec<_>>());

        assert_eq!(parsed(""), Ok(Vec::new()));
        assert_eq!(parsed(HEAD), Ok(Vec::new()));
        assert_eq!(
            parsed(&format!("{HEAD}{socket} /a\n\nb: 2\n{socket}\n{socket}  /two \n")),
            Ok(vec!["/a\n\nb: 2".into(), String::new(), " /two ".into()])
        );
        assert_eq!(parsed(&format!("{HEAD}{socket} \n/b\n")), Ok(vec!["\n/b".into()]));
        // Only what has a path can go on.
        assert_eq!(parsed(&format!("{HEAD}{socket}\nrest\n")), Err(3));
        assert_eq!(parsed(&format!("{HEAD}rest\n")), Err(2));
        for (from, to) in [
            ("0000000000000000:", "0"),
            ("00000002", "x"),
            (" 01 1", " 01"),
            (" 01 1", " 01 -1"),
            (" 0001 ", " ü "),
            ("00010000", "99999999999999999999"),
        ] {
            let bad = socket.replacen(from, to, 1);
            // Flags are not needed.
            let expected = if from == "00010000" { Ok(vec![String::new()]) } else { Err(2) };
            assert_eq!(parsed(&format!("{HEAD}{bad}\n")), expected, "{bad}");
        }
    }

    #[test]
    fn a_table_that_is_not_understood_is_an_error_that_names_the_line() {
        let message = bench().table(Source::Udp, "head\n\nx y\n").failure("network_stats()");

        assert!(
            message.starts_with(
                "NetworkErrorKind: Other: Failed to parse /proc/net/udp: line 3 is not understood"
            ),
            "{message}"
        );
    }

    #[test]
    fn more_sockets_than_an_array_holds_end_the_script() {
        let mut bench = bench();
        bench.limits.array_elements = 2;

        assert!(bench.run("netstat()").text.starts_with("Size of array/BLOB too large"));
    }
}
