//! Acts on units, each by the name that was judged.

use std::time::{Duration, Instant};

use rex_ipc::action::Action;
use rex_ipc::action::systemd::{DaemonReload, Restart, Start, Status, Stop};
use rex_ipc::failure::ErrorKind;

use super::bus::{Bus, Failed};
use super::object::{GoOn, Manager, Services, Unit};
use crate::gate::Permit;
use crate::gate::error::Error;

/// The name that the manager has for a unit, which is another one for an alias. The unit is loaded by that.
///
/// # Errors
/// `NotFound` when the manager cannot load it; `Other` when the bus does not work; `Interrupted` when the run is to end.
pub fn own_name<A: Action>(
    permit: &Permit<'_, A, Unit>,
    bus: &mut Bus,
    go_on: GoOn<'_>,
) -> Result<Unit, Error> {
    let Unit(name) = permit.resource();
    let path = load(name, bus, go_on)?;
    let answer = bus
        .call(MANAGER, &path, PROPERTIES, "Get", &[UNIT, "Id"], go_on)
        .map_err(|failed| error(name, failed))?;
    answer.text_in_variant().map(Unit).ok_or_else(strange)
}

/// Starts a unit; gives how the job ended, when that is waited for.
///
/// # Errors
/// `NotFound` when there is no such unit; `Other` when the manager refuses, or the bus does not work; `Interrupted` when the
/// run is to end.
pub fn start(
    permit: &Permit<'_, Start, Unit>,
    bus: &mut Bus,
    wait: Option<Duration>,
    go_on: GoOn<'_>,
) -> Result<Option<String>, Error> {
    job(permit.resource(), "StartUnit", bus, wait, go_on)
}

/// Stops a unit; gives how the job ended, when that is waited for.
///
/// # Errors
/// `NotFound` when there is no such unit; `Other` when the manager refuses, or the bus does not work; `Interrupted` when the
/// run is to end.
pub fn stop(
    permit: &Permit<'_, Stop, Unit>,
    bus: &mut Bus,
    wait: Option<Duration>,
    go_on: GoOn<'_>,
) -> Result<Option<String>, Error> {
    job(permit.resource(), "StopUnit", bus, wait, go_on)
}

/// Restarts a unit, or only if it runs; gives how the job ended, when that is waited for.
///
/// # Errors
/// `NotFound` when there is no such unit; `Other` when the manager refuses, or the bus does not work; `Interrupted` when the
/// run is to end.
pub fn restart(
    permit: &Permit<'_, Restart, Unit>,
    bus: &mut Bus,
    only_if_active: bool,
    wait: Option<Duration>,
    go_on: GoOn<'_>,
) -> Result<Option<String>, Error> {
    let method = if only_if_active { "TryRestartUnit" } else { "RestartUnit" };
    job(permit.resource(), method, bus, wait, go_on)
}

/// Has the manager read its unit files again.
///
/// # Errors
/// `Other` when the manager refuses, or the bus does not work; `Interrupted` when the run is to end.
pub fn reload(
    permit: &Permit<'_, DaemonReload, Manager>,
    bus: &mut Bus,
    go_on: GoOn<'_>,
) -> Result<(), Error> {
    let Manager = permit.resource();
    bus.call(MANAGER, MANAGER_PATH, MANAGER_INTERFACE, "Reload", &[], go_on)
        .map(drop)
        .map_err(|failed| error("", failed))
}

/// Part of the properties that a unit has in an interface, as `a{sv}` of D-Bus; gives the bytes and whether they end there.
/// From the beginning, the manager is asked anew.
///
/// # Errors
/// `NotFound` when the manager cannot load the unit; `Other` when it has no such interface, or the bus does not work;
/// `InvalidArguments` when the beginning was not read before; `Interrupted` when the run is to end.
pub fn properties(
    permit: &Permit<'_, Status, Unit>,
    services: &Services,
    bus: &mut Bus,
    interface: &str,
    offset_bytes: usize,
    most_bytes: usize,
    go_on: GoOn<'_>,
) -> Result<(Vec<u8>, bool), Error> {
    let Unit(name) = permit.resource();
    let mut kept = services.properties.borrow_mut();
    if offset_bytes == 0 {
        let path = load(name, bus, go_on)?;
        let answer = bus
            .call(MANAGER, &path, PROPERTIES, "GetAll", &[interface], go_on)
            .map_err(|failed| error(name, failed))?;
        if answer.signature != "a{sv}" {
            return Err(strange());
        }
        *kept = Some((name.clone(), interface.to_owned(), answer.body));
    }
    let all =
        kept.as_ref().filter(|(unit, of, _)| unit == name && of == interface).map(|(_, _, bytes)| bytes);
    let Some(rest) = all.and_then(|bytes| bytes.get(offset_bytes..)) else {
        return Err(Error::invalid(ErrorKind::InvalidArguments, "properties are read from their beginning"));
    };
    let part = rest.get(..most_bytes).unwrap_or(rest).to_vec();
    let is_end = part.len() == rest.len();
    if is_end {
        *kept = None;
    }
    Ok((part, is_end))
}

fn load(name: &str, bus: &mut Bus, go_on: GoOn<'_>) -> Result<String, Error> {
    let answer = bus.call(MANAGER, MANAGER_PATH, MANAGER_INTERFACE, "LoadUnit", &[name], go_on);
    match answer {
        Ok(answer) => answer.texts().and_then(|texts| texts.into_iter().next()).ok_or_else(strange),
        Err(Failed::Refused(..)) => Err(not_found(name)),
        Err(failed) => Err(error(name, failed)),
    }
}

fn job(
    Unit(name): &Unit,
    method: &str,
    bus: &mut Bus,
    wait: Option<Duration>,
    go_on: GoOn<'_>,
) -> Result<Option<String>, Error> {
    if wait.is_some() {
        bus.subscribe(JOB_REMOVED, go_on).map_err(|failed| error(name, failed))?;
        bus.call(MANAGER, MANAGER_PATH, MANAGER_INTERFACE, "Subscribe", &[], go_on)
            .map_err(|failed| error(name, failed))?;
    }
    let answer = bus
        .call(MANAGER, MANAGER_PATH, MANAGER_INTERFACE, method, &[name, "replace"], go_on)
        .map_err(|failed| error(name, failed))?;
    let Some(wait) = wait else { return Ok(None) };
    let job = answer.texts().and_then(|texts| texts.into_iter().next()).ok_or_else(strange)?;
    let manager = answer.sender.ok_or_else(strange)?;
    // `JobRemoved (u id, o job, s unit, s result)`.
    let is_it = |signal: &super::message::Message| {
        signal.member.as_deref() == Some("JobRemoved")
            && signal.texts().is_some_and(|texts| texts.first() == Some(&job))
    };
    let removed =
        bus.signal(&manager, Instant::now() + wait, is_it, go_on).map_err(|failed| error(name, failed))?;
    Ok(removed.texts().and_then(|texts| texts.into_iter().nth(2)))
}

fn error(name: &str, failed: Failed) -> Error {
    match failed {
        Failed::Run(error) => error,
        Failed::Refused(refusal, _) if refusal == NO_SUCH_UNIT => not_found(name),
        other => Error::invalid(ErrorKind::Other, format!("D-Bus operation failed: {other}")),
    }
}

fn not_found(name: &str) -> Error {
    Error::invalid(ErrorKind::NotFound, format!("Unit: {name}"))
}

fn strange() -> Error {
    Error::invalid(ErrorKind::Other, "D-Bus operation failed: the manager answers in an unknown form")
}

const MANAGER: &str = "org.freedesktop.systemd1";
const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER_INTERFACE: &str = "org.freedesktop.systemd1.Manager";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const NO_SUCH_UNIT: &str = "org.freedesktop.systemd1.NoSuchUnit";
/// The bus passes on only what comes from the manager.
const JOB_REMOVED: &str = "type='signal',sender='org.freedesktop.systemd1',path='/org/freedesktop/systemd1',\
                           interface='org.freedesktop.systemd1.Manager',member='JobRemoved'";
