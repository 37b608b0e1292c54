//! What needs no permit, with the reason.

use std::net::IpAddr;
use std::path::Path;
use std::time::Instant;

use rex_outside::Posture;

use super::anchors;
use super::hosts::{Resolver, reached_by, text_of};
use super::object::{Network, Staff};
use super::patience::Failed;
use super::worker::Worker;
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

/// How a worker of this staff is confined on this host, for whoever asks what this host can do: one is started, looked at, and
/// ended without an order. What is required is not compared with it.
///
/// # Errors
/// Why there is no such worker, or that it was not ready in time.
pub fn posture_of_worker(staff: Staff, deadline: Instant) -> Result<Posture, String> {
    let mut network = Network { staff: Some(staff), ..Network::default() };
    let started = Worker::locked_down(&mut network, deadline, &mut || Ok(()));
    started.map(|(_worker, posture)| posture).map_err(|failed| match failed {
        Failed::System(error) => error.to_string(),
        Failed::Refused(why) => why.to_owned(),
        Failed::TimedOut => "the worker for the network was not ready in time".to_owned(),
        Failed::Run(_) => "the run was to end".to_owned(),
    })
}

/// Looks whether the operator's store of authorities could be one, before a script is run that may need it. No script has named
/// the file, and none is told of it.
///
/// # Errors
/// Why it is none, with its path.
pub fn examine_store(path: &Path) -> Result<(), String> {
    anchors::examine(path)
        .map_err(|error| format!("the store of authorities {} (ca-file): {error}", path.display()))
}

/// Where this system has its store of authorities, for whoever asks what this host can do. Its content is no secret, and is not
/// looked at.
pub fn system_store() -> Option<String> {
    anchors::of_system().map(|path| path.display().to_string())
}
