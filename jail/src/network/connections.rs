//! Sockets of TCP and UDP, read from the kernel's tables.

use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use rex_ipc::sysinfo::Source;

use super::sockets::ProcessInfo;

/// A socket of TCP or UDP.
#[derive(Clone, Debug, PartialEq)]
pub struct InternetConnection {
    /// Of which protocol.
    pub protocol: NetworkProtocol,
    /// Bytes that came and were not fetched.
    pub recv_queue: u64,
    /// Bytes that were sent and not confirmed.
    pub send_queue: u64,
    /// Address and port of this host.
    pub local_address: Endpoint,
    /// Address and port of the other one.
    pub remote_address: Endpoint,
    /// In which state; none for UDP.
    pub state: TcpState,
    /// The inode number of the socket; 0 when nothing holds it open.
    pub inode: u64,
    /// One of the processes that hold it open, where that can be seen.
    pub process_info: Option<ProcessInfo>,
}

/// Address and port, as an object of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint(pub SocketAddr);

impl fmt::Display for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// Values that a script compares with constants, and their texts.
macro_rules! named {
    ($(#[$doc:meta])* $type:ident { $($(#[$text:meta])* $variant:ident $constant:literal $name:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $type {
            $($(#[$text])* $variant,)+
        }

        impl $type {
            /// Every value with the name of its constant.
            pub const ALL: &'static [(&'static str, Self)] = &[$(($constant, Self::$variant)),+];

            /// Its text.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

pub(super) use named;

named! {
    /// A protocol of the Internet.
    NetworkProtocol {
        /// TCP over IPv4.
        Tcp "TCP" "Tcp",
        /// TCP over IPv6.
        Tcp6 "TCP6" "Tcp6",
        /// UDP over IPv4.
        Udp "UDP" "Udp",
        /// UDP over IPv6.
        Udp6 "UDP6" "Udp6",
    }
}

named! {
    /// The state of a connection of TCP; see RFC 9293.
    TcpState {
        /// Open in both directions.
        Established "ESTABLISHED" "Established",
        /// It was asked for.
        SynSent "SYN_SENT" "SynSent",
        /// It was asked for by the other side.
        SynRecv "SYN_RECV" "SynRecv",
        /// This side has ended it.
        FinWait1 "FIN_WAIT1" "FinWait1",
        /// This side has ended it, which the other one knows.
        FinWait2 "FIN_WAIT2" "FinWait2",
        /// Both have ended it, and late packets are awaited.
        TimeWait "TIME_WAIT" "TimeWait",
        /// It is not in use.
        Close "CLOSE" "Close",
        /// The other side has ended it.
        CloseWait "CLOSE_WAIT" "CloseWait",
        /// Both have ended it, the other side first.
        LastAck "LAST_ACK" "LastAck",
        /// Connections are awaited.
        Listen "LISTEN" "Listen",
        /// Both have ended it at once.
        Closing "CLOSING" "Closing",
        /// It was asked for, and nobody has accepted it yet.
        NewSynRecv "NEW_SYN_RECV" "NewSynRecv",
        /// It has none.
        None "NONE" "None",
    }
}

impl TcpState {
    /// By the kernel's number; see `include/net/tcp_states.h`.
    fn of(number: u8) -> Self {
        let index = usize::from(number).wrapping_sub(1);
        Self::ALL.get(index).map_or(Self::None, |(_, state)| *state)
    }
}

impl NetworkProtocol {
    /// The table of its sockets.
    pub const fn source(self) -> Source {
        match self {
            Self::Tcp => Source::Tcp,
            Self::Tcp6 => Source::Tcp6,
            Self::Udp => Source::Udp,
            Self::Udp6 => Source::Udp6,
        }
    }

    /// Whether hosts without IPv6 lack the table.
    pub const fn is_of_version_6(self) -> bool {
        matches!(self, Self::Tcp6 | Self::Udp6)
    }
}

/// The sockets of a table.
///
/// # Errors
/// The number of a line that is not understood.
pub fn parse(table: &str, protocol: NetworkProtocol) -> Result<Vec<InternetConnection>, usize> {
    let numbered = table.lines().enumerate().skip(1).filter(|(_, line)| !line.trim().is_empty());
    numbered.map(|(index, line)| connection(line, protocol).ok_or(index.saturating_add(1))).collect()
}

/// `sl local_address rem_address st tx_queue:rx_queue tr:when retrnsmt uid timeout inode …`; proc_net_tcp(5).
fn connection(line: &str, protocol: NetworkProtocol) -> Option<InternetConnection> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let (local, remote, state) = (words.next()?, words.next()?, words.next()?);
    let (sent, received) = words.next()?.split_once(':')?;
    let inode = words.nth(4)?;
    let state = match protocol {
        NetworkProtocol::Tcp | NetworkProtocol::Tcp6 => TcpState::of(u8::from_str_radix(state, 16).ok()?),
        NetworkProtocol::Udp | NetworkProtocol::Udp6 => TcpState::None,
    };
    Some(InternetConnection {
        protocol,
        recv_queue: hexadecimal(received)?,
        send_queue: hexadecimal(sent)?,
        local_address: address(local)?,
        remote_address: address(remote)?,
        state,
        inode: inode.parse().ok()?,
        process_info: None,
    })
}

/// Words of 32 bits in the order of this host, which are bytes of the address in their order in memory, and a port.
fn address(text: &str) -> Option<Endpoint> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |index: usize| {
        let begin = index.checked_mul(WORD)?;
        let digits = address.get(begin..begin.checked_add(WORD)?)?;
        u32::try_from(hexadecimal(digits)?).ok().map(u32::to_ne_bytes)
    };
    match address.len() {
        WORD => Some(Endpoint((Ipv4Addr::from(word(0)?), port).into())),
        IPV6 => {
            let mut octets = [0; 16];
            for (index, part) in octets.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(index)?);
            }
            Some(Endpoint((Ipv6Addr::from(octets), port).into()))
        }
        _ => None,
    }
}

/// A number in hexadecimal digits, without a sign.
pub(super) fn hexadecimal(digits: &str) -> Option<u64> {
    if digits.starts_with('+') { None } else { u64::from_str_radix(digits, 16).ok() }
}

/// Digits of a word, and of an address of version 6.
const WORD: usize = 8;
const IPV6: usize = 4 * WORD;

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    /// A line of the table as a kernel of this byte order writes it.
    fn line(local: [u8; 4], state: &str) -> String {
        let word = u32::from_ne_bytes(local);
        format!(
            "   0: {word:08X}:0016 00000000:0000 {state} 0000000A:00000003 00:00000000 00000000     0        0 4242 1 0 100 0\n"
        )
    }

    #[test]
    fn a_line_is_a_socket() {
        let table = format!("{HEAD}{}\n", line([127, 0, 0, 1], "0A"));

        assert_eq!(
            parse(&table, NetworkProtocol::Tcp),
            Ok(vec![InternetConnection {
                protocol: NetworkProtocol::Tcp,
                recv_queue: 3,
                send_queue: 10,
                local_address: Endpoint("127.0.0.1:22".parse().unwrap()),
                remote_address: Endpoint("0.0.0.0:0".parse().unwrap()),
                state: TcpState::Listen,
                inode: 4242,
                process_info: None,
            }])
        );
    }

    // Written by a kernel of little endian for ::1 and ::ffff:10.0.0.1.
    #[test]
    #[cfg(target_endian = "little")]
    fn addresses_of_version_6_are_four_words() {
        assert_eq!(address("00000000000000000000000001000000:1F90").unwrap().to_string(), "[::1]:8080");
        assert_eq!(
            address("0000000000000000FFFF00000100000A:0001").unwrap().to_string(),
            "[::ffff:10.0.0.1]:1"
        );
        assert_eq!(
            address("000080FE00000000FF00F0FE0100A8C0:0000").unwrap().to_string(),
            "[fe80::fef0:ff:c0a8:1]:0"
        );
    }

    #[test]
    fn states_have_the_numbers_of_the_kernel() {
        for (number, state) in [
            ("01", TcpState::Established),
            ("06", TcpState::TimeWait),
            ("0A", TcpState::Listen),
            ("0C", TcpState::NewSynRecv),
            ("0D", TcpState::None),
            ("00", TcpState::None),
            ("FF", TcpState::None),
        ] {
            let table = format!("{HEAD}{}", line([0; 4], number));
            assert_eq!(parse(&table, NetworkProtocol::Tcp).unwrap()[0].state, state, "{number}");
            assert_eq!(parse(&table, NetworkProtocol::Udp).unwrap()[0].state, TcpState::None);
        }
    }

    #[test]
    fn a_line_that_is_none_is_told_by_its_number() {
        assert_eq!(parse("", NetworkProtocol::Tcp), Ok(Vec::new()));
        assert_eq!(parse(HEAD, NetworkProtocol::Tcp), Ok(Vec::new()));
        let good = line([1, 2, 3, 4], "01");
        for (from, to) in [
            ("4242", "x"),
            (" 4242 1 0 100 0", ""),
            (":0016", ":10016"),
            (":0016", ""),
            ("0000000A:", "0000000A"),
            ("00000003", "+0000003"),
            (" 01 ", " 1000 "),
            ("00000000:0000 01", "000000000:0000 01"),
            ("00000000:0000 01", "0000000:0000 01"),
            ("00000000:0000 01", "0000000ü:0000 01"),
            ("00000000:0000 01", "+0000000:0000 01"),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good, "{from}");
            assert_eq!(parse(&format!("{HEAD}{good}{bad}"), NetworkProtocol::Tcp), Err(3), "{bad}");
        }
    }
}
