//! Whether something listens at a port: a connection that is closed at once.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Instant;

use rex_ipc::action::network::Connect;
use rex_ipc::failure::ErrorKind;
use rex_ipc::network::Protocol;

use super::inside::within;
use super::object::{Endpoint, GoOn, Network};
use super::patience::{Failed, connected_by, stream_to};
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
    let tcp = |go_on| -> Result<(), Failed> {
        let socket = within(network.inside.as_ref(), || stream_to(address))??;
        connected_by(socket, address, deadline, go_on).map(drop)
    };
    let udp = || -> Result<(), Failed> { Ok(within(network.inside.as_ref(), || udp(address))??) };
    let reached = match protocol {
        Protocol::Tcp => tcp(go_on),
        Protocol::Udp => udp(),
        Protocol::Either => match tcp(go_on) {
            Err(Failed::Run(error)) => return Err(error),
            Err(_) => udp(),
            Ok(()) => Ok(()),
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
fn udp(address: SocketAddr) -> io::Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect(address)
}
