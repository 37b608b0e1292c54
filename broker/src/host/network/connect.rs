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

/// Connects to this address of a permitted endpoint, and closes the connection. One of UDP is made without anything being sent, so
/// that it says nothing about who listens.
///
/// # Errors
/// The system's, `connection timed out`, or `Interrupted` when the run is to end.
pub fn try_out(
    permit: &Permit<'_, Connect, Endpoint>,
    network: &Network,
    address: IpAddr,
    protocol: Protocol,
    go_on: GoOn<'_>,
) -> Result<(), Error> {
    let address = SocketAddr::new(address, permit.resource().port);
    let deadline = Instant::now() + network.connect_time;
    let reached = match protocol {
        Protocol::Tcp => connected(address, deadline, go_on).map(drop),
        Protocol::Udp => udp(address),
        Protocol::Either => match connected(address, deadline, go_on) {
            Err(Failed::Run(error)) => return Err(error),
            Err(_) => udp(address),
            Ok(_) => Ok(()),
        },
    };
    reached.map_err(|failed| match failed {
        Failed::Run(error) => error,
        Failed::TimedOut => Error::invalid(ErrorKind::Other, "connection timed out"),
        Failed::Refused(why) => Error::invalid(ErrorKind::Other, why),
        Failed::System(error) => Error::system_as(ErrorKind::Other, &error),
    })
}

/// As in Rex, whose socket is one of IPv4 whatever it is connected to.
fn udp(address: SocketAddr) -> Result<(), Failed> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    Ok(socket.connect(address)?)
}
