//! Sockets of every family, and what can be done with the one the jail has.

use libc::{AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_UNIX, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM};
use rex_agreed::SOCKET_FD;

use super::{Act, Class, act, root_act};
use crate::call::{Errno, Word, call, input, length, number, output, succeeds};
use crate::targets::{ABSTRACT_NAME_BYTES, Targets};

pub(super) const ACTS: &[Act] = &[
    act("connect_tcp", Class::Network, |targets| {
        let socket = socket(AF_INET, SOCK_STREAM, 0)?;
        let peer = internet(targets.port);
        succeeds(libc::SYS_connect, &[socket, input(&peer), length(&peer)])
    }),
    act("send_udp", Class::Network, |targets| {
        let socket = socket(AF_INET, SOCK_DGRAM, 0)?;
        let peer = internet(targets.port);
        let bytes = [0_u8; 16];
        let destination = [input(&peer), length(&peer)];
        succeeds(
            libc::SYS_sendto,
            &[socket, input(&bytes), length(&bytes), number(0), destination[0], destination[1]],
        )
    }),
    act("listen_tcp", Class::Network, |_| {
        let socket = socket(AF_INET, SOCK_STREAM, 0)?;
        let any = internet(0);
        succeeds(libc::SYS_bind, &[socket, input(&any), length(&any)])?;
        succeeds(libc::SYS_listen, &[socket, number(1)])
    }),
    act("make_multipath_socket", Class::Network, |_| socket(AF_INET, SOCK_STREAM, 262).map(drop)),
    act("make_tcp6_socket", Class::Network, |_| socket(AF_INET6, SOCK_STREAM, 0).map(drop)),
    act("make_unix_socket", Class::Network, |_| socket(AF_UNIX, SOCK_STREAM, 0).map(drop)),
    act("listen_abstract", Class::Network, |_| {
        let socket = socket(AF_UNIX, SOCK_STREAM, 0)?;
        // unix(7), autobind: an address of only the family gets an abstract name.
        let family = AF_UNIX as u16;
        succeeds(libc::SYS_bind, &[socket, input(&family), length(&family)])?;
        succeeds(libc::SYS_listen, &[socket, number(1)])
    }),
    act("connect_abstract", Class::Network, |targets| {
        let socket = socket(AF_UNIX, SOCK_STREAM, 0)?;
        // unix(7): "sun_path[0] is a null byte", and the name is as long as the address says.
        let mut address = [0_u8; 3 + ABSTRACT_NAME_BYTES];
        address[..2].copy_from_slice(&(AF_UNIX as u16).to_ne_bytes());
        address[3..].copy_from_slice(&targets.abstract_name());
        succeeds(libc::SYS_connect, &[socket, input(&address), length(&address)])
    }),
    act("make_socket_pair", Class::Network, |_| {
        let mut pair = [0_i32; 2];
        succeeds(libc::SYS_socketpair, &[number(AF_UNIX), number(SOCK_STREAM), number(0), output(&mut pair)])
    }),
    act("make_netlink_socket", Class::Network, |_| socket(AF_NETLINK, SOCK_RAW, 0).map(drop)),
    root_act("make_raw_socket", Class::Network, |_| socket(AF_INET, SOCK_RAW, libc::IPPROTO_ICMP).map(drop)),
    root_act("make_packet_socket", Class::Network, |_| socket(AF_PACKET, SOCK_RAW, 0).map(drop)),
    act("pass_descriptor", Class::Network, pass_descriptor),
    act("take_brokers_pidfd", Class::Network, |_| {
        let mut pidfd = -1_i32;
        ask_socket(SO_PEERPIDFD, &mut pidfd)
    }),
    act("learn_brokers_pid", Class::Network, |_| {
        let mut credentials = [0_u32; 3];
        ask_socket(libc::SO_PEERCRED, &mut credentials)?;
        // A process without a number in this namespace shows as 0.
        if credentials[0] == 0 { Err(libc::ESRCH) } else { Ok(()) }
    }),
];

fn socket(family: i32, kind: i32, protocol: i32) -> Result<Word<'static>, Errno> {
    let socket = call(libc::SYS_socket, &[number(family), number(kind), number(protocol)])?;
    Ok(number(socket as i64))
}

/// `struct sockaddr_in` for 127.0.0.1.
fn internet(port: u16) -> [u8; 16] {
    let [high, low] = port.to_be_bytes();
    let [family_low, family_high] = (AF_INET as u16).to_ne_bytes();
    [family_low, family_high, high, low, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]
}

fn ask_socket<T>(option: i32, answer: &mut T) -> Result<(), Errno> {
    let mut room = size_of::<T>() as u32;
    succeeds(
        libc::SYS_getsockopt,
        &[number(SOCKET_FD), number(libc::SOL_SOCKET), number(option), output(answer), output(&mut room)],
    )
}

/// Sends the jail's own socket over itself.
fn pass_descriptor(_: &Targets) -> Result<(), Errno> {
    let frame = [0_u8; 16];
    let part = [frame.as_ptr() as usize, frame.len()];
    // `struct cmsghdr` for one descriptor: length 20, level, type, number, padding.
    let mut control = [20_u64, 0, 0];
    control[1] = libc::SOL_SOCKET as u64 | ((libc::SCM_RIGHTS as u64) << 32);
    control[2] = SOCKET_FD as u64;
    // `struct msghdr`: no name; one part; one control message.
    let message = [0, 0, (&raw const part) as usize, 1, (&raw const control) as usize, 24, 0];
    succeeds(libc::SYS_sendmsg, &[number(SOCKET_FD), input(&message), number(0)])
}

/// `asm-generic/socket.h`, since 6.5.
const SO_PEERPIDFD: i32 = 77;
