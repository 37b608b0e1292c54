//! Whether something listens at a port: a connection that is closed at once.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Instant;

use rex_ipc::action::network::Connect;
use rex_ipc::failure::ErrorKind;
use rex_ipc::network::Protocol;

use super::object::{Endpoint, GoOn, Network};
use super::patience::{Failed, connected};
use crate::gate::Permit;
use crate::gate::error::Error;

/// Connects to the first of these addresses of a permitted endpoint that can be reached, and closes the connection. One of UDP is
/// made without anything being sent, so that it says nothing about who listens.
///
/// # Errors
/// The system's for the last address, `connection timed out`, or `Interrupted` when the run is to end.
pub fn try_out(
    permit: &Permit<'_, Connect, Endpoint>,
    network: &Network,
    addresses: &[IpAddr],
    protocol: Protocol,
    go_on: GoOn<'_>,
) -> Result<(), Error> {
    let port = permit.resource().port;
    let deadline = Instant::now() + network.connect_time;
    let mut last = Error::invalid(ErrorKind::Other, "the host has no address");
    for address in addresses.iter().map(|address| SocketAddr::new(*address, port)) {
        let reached = match protocol {
            Protocol::Tcp => connected(address, deadline, go_on).map(drop),
            Protocol::Udp => udp(address),
            Protocol::Either => match connected(address, deadline, go_on) {
                Err(Failed::Run(error)) => return Err(error),
                Err(_) => udp(address),
                Ok(_) => Ok(()),
            },
        };
        last = match reached {
            Ok(()) => return Ok(()),
            Err(Failed::Run(error)) => return Err(error),
            Err(Failed::TimedOut) => Error::invalid(ErrorKind::Other, "connection timed out"),
            Err(Failed::Refused(why)) => Error::invalid(ErrorKind::Other, why),
            Err(Failed::System(error)) => Error::system_as(ErrorKind::Other, &error),
        };
    }
    Err(last)
}

/// As in Rex, whose socket is one of IPv4 whatever it is connected to.
fn udp(address: SocketAddr) -> Result<(), Failed> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    Ok(socket.connect(address)?)
}
