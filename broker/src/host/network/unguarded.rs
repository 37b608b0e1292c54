//! What needs no permit, with the reason.

use std::net::IpAddr;

use super::hosts::{Resolver, reached_by, text_of};
use super::object::Network;
use crate::policy::url::Host;

/// Whom this host would ask, and in which domains it looks names up. A script is told how many there are, and that only after it
/// was permitted to look a name up.
pub fn resolver(network: &Network) -> Resolver {
    Resolver::parse(&text_of(&network.resolver))
}

/// Where a host is, as far as this host knows it without asking anybody: that belongs to the question whether it may be reached.
pub fn known_addresses(host: &Host, network: &Network) -> Vec<IpAddr> {
    reached_by(host, network)
}
