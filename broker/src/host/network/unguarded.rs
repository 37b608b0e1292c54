//! What needs no permit, with the reason.

use super::hosts::{Resolver, text_of};
use super::object::Network;

/// Whom this host would ask, and in which domains it looks names up. A script is told how many there are, and that only after it
/// was permitted to look a name up.
pub fn resolver(network: &Network) -> Resolver {
    Resolver::parse(&text_of(&network.resolver))
}
