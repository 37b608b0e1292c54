//! Part of a unit's properties.
//!
//! # Policy
//! `systemd::status` on the unit as the script names it; where the manager has another name for it, on that as well, which
//! Rex does not ask.

use rex_ipc::action::systemd::Status;
use rex_ipc::bounded::Bytes;
use rex_ipc::file_system::Chunk;
use rex_ipc::limits::MAX_CHUNK_BYTES;
use rex_ipc::systemd::{UnitInterface, UnitStatus};

use super::under_own_name;
use crate::gate::error::Error;
use crate::host::systemd::object::Unit;
use crate::host::systemd::{unguarded, units};
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;

impl Perform for UnitStatus {
    fn foresee(&self, _ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<Chunk, Error> {
        let given = call.authorize::<Status, _>(Unit(self.unit.as_str().to_owned()))?;
        let mut bus = unguarded::connect(&call.host.services, &mut || call.pace.go_on())?;
        let permit = under_own_name(call, given, &mut bus)?;
        let interface = match self.interface {
            UnitInterface::Unit => "org.freedesktop.systemd1.Unit",
            UnitInterface::Service => "org.freedesktop.systemd1.Service",
        };
        let most_bytes = MAX_CHUNK_BYTES.min(call.room_bytes.saturating_sub(CHUNK_OVERHEAD_BYTES));
        let offset_bytes = usize::try_from(self.offset_bytes).unwrap_or(usize::MAX);
        let (bytes, end) = units::properties(
            &permit,
            &call.host.services,
            &mut bus,
            interface,
            offset_bytes,
            most_bytes,
            &mut || call.pace.go_on(),
        )?;
        call.metered.count_read_bytes(bytes.len())?;
        Ok(Chunk { bytes: Bytes::new(bytes).unwrap_or_default(), end })
    }
}

/// Length (at most 5) and end mark (1) of the chunk, count and failure mark of the reply.
const CHUNK_OVERHEAD_BYTES: usize = 16;
