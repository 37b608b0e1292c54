//! What needs no permit, with the reason.

use std::net::IpAddr;

use super::anchors;
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

/// Where this system has its store of authorities, for whoever asks what this host can do. Its content is no secret, and is not
/// looked at.
pub fn system_store() -> Option<String> {
    anchors::of_system().map(|path| path.display().to_string())
}
