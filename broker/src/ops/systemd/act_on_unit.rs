//! Starts, stops or restarts a unit.
//!
//! # Policy
//! `systemd::start`, `systemd::stop` or `systemd::restart` on the unit as the script names it; where the manager has another
//! name for it, on that as well, which Rex does not ask.

use std::time::Duration;

use rex_ipc::action::systemd::{Restart, Start, Stop};
use rex_ipc::bounded::Text;
use rex_ipc::systemd::{ActOnUnit, UnitJob, UnitVerb};

use super::under_own_name;
use crate::gate::error::Error;
use crate::host::systemd::object::Unit;
use crate::host::systemd::{unguarded, units};
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;

impl Perform for ActOnUnit {
    fn foresee(&self, _ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<UnitJob, Error> {
        let unit = Unit(self.unit.as_str().to_owned());
        let wait = self.wait.map(|wait| Duration::from_secs(wait.seconds().into()));
        let result = match self.verb {
            UnitVerb::Start => {
                let given = call.authorize::<Start, _>(unit)?;
                let mut bus = unguarded::connect(&call.host.services, &mut || call.pace.go_on())?;
                let permit = under_own_name(call, given, &mut bus)?;
                units::start(&permit, &mut bus, wait, &mut || call.pace.go_on())?
            }
            UnitVerb::Stop => {
                let given = call.authorize::<Stop, _>(unit)?;
                let mut bus = unguarded::connect(&call.host.services, &mut || call.pace.go_on())?;
                let permit = under_own_name(call, given, &mut bus)?;
                units::stop(&permit, &mut bus, wait, &mut || call.pace.go_on())?
            }
            UnitVerb::Restart | UnitVerb::TryRestart => {
                let given = call.authorize::<Restart, _>(unit)?;
                let mut bus = unguarded::connect(&call.host.services, &mut || call.pace.go_on())?;
                let permit = under_own_name(call, given, &mut bus)?;
                let only_if_active = self.verb == UnitVerb::TryRestart;
                units::restart(&permit, &mut bus, only_if_active, wait, &mut || call.pace.go_on())?
            }
        };
        Ok(UnitJob { result: result.map(|result| Text::cut(&result)) })
    }
}
