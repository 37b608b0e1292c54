//! The operations that need no permission: clock, sleep, random bytes, log, alarm, metric, close.

use rex_ipc::bounded::Bytes;
use rex_ipc::file_system::Close;
use rex_ipc::runtime::{Alarm, Clocks, Log, Metric, Now, RandomBytes, Randomness, Sleep};

use crate::gate::Gate;
use crate::gate::error::Error;
use crate::host::file_system::unguarded;
use crate::ops::Perform;

impl Perform for Now {
    fn perform(self, _gate: &mut Gate<'_, Self>) -> Result<Clocks, Error> {
        Ok(unguarded::clocks()?)
    }
}

impl Perform for Sleep {
    fn perform(self, gate: &mut Gate<'_, Self>) -> Result<(), Error> {
        gate.services.sleep(self.duration.milliseconds())
    }
}

impl Perform for RandomBytes {
    fn perform(self, _gate: &mut Gate<'_, Self>) -> Result<Randomness, Error> {
        let bytes = unguarded::random(self.count.get())?;
        Ok(Randomness { bytes: Bytes::new(bytes).unwrap_or_default() })
    }
}

impl Perform for Log {
    fn perform(self, gate: &mut Gate<'_, Self>) -> Result<(), Error> {
        gate.services.log(self)
    }
}

impl Perform for Alarm {
    fn perform(self, gate: &mut Gate<'_, Self>) -> Result<(), Error> {
        gate.services.alarm(self)
    }
}

impl Perform for Metric {
    fn perform(self, gate: &mut Gate<'_, Self>) -> Result<(), Error> {
        gate.services.metric(self)
    }
}

impl Perform for Close {
    fn perform(self, gate: &mut Gate<'_, Self>) -> Result<(), Error> {
        gate.services.handles.close(self.handle)
    }
}
