//! The operations on services: a file for each, and how a unit is asked for under each of its names.

mod act_on_unit;
mod reload_manager;
mod unit_status;

use rex_ipc::action::Action;
use rex_ipc::interface::Needs;

use crate::gate::Permit;
use crate::gate::error::Error;
use crate::host::systemd::object::{Bus, Unit};
use crate::host::systemd::units;
use crate::ops::call::Call;

/// Asks for `A` on the unit as the manager names it, which Rex does not; gives the permit for the name by which it is acted
/// on. `given` is the permit for the name that the script gave.
fn under_own_name<'req, A: Action, O: Needs<A>>(
    call: &mut Call<'req, O>,
    given: Permit<'req, A, Unit>,
    bus: &mut Bus,
) -> Result<Permit<'req, A, Unit>, Error>
where
    Unit: crate::gate::Allows<A>,
{
    let own = units::own_name(&given, bus, &mut || call.pace.go_on())?;
    if own == *given.resource() { Ok(given) } else { call.authorize_beyond_rex::<A, _>(own) }
}
