//! The operations that need no permission: clock, sleep, random bytes, log, alarm, metric, close.

use rex_ipc::bounded::Bytes;
use rex_ipc::file_system::Close;
use rex_ipc::runtime::{Alarm, Clocks, Log, Metric, Now, RandomBytes, Randomness, Sleep};

use crate::gate::error::Error;
use crate::host::file_system::unguarded;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;

impl Perform for Now {
    fn foresee(&self, _ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        Some(())
    }

    fn perform(self, _call: &mut Call<'_, Self>) -> Result<Clocks, Error> {
        Ok(unguarded::clocks()?)
    }
}

impl Perform for Sleep {
    fn foresee(&self, _ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        call.pace.sleep(self.duration.milliseconds())
    }
}

impl Perform for RandomBytes {
    fn foresee(&self, _ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        Some(())
    }

    fn perform(self, _call: &mut Call<'_, Self>) -> Result<Randomness, Error> {
        let bytes = unguarded::random(self.count.get())?;
        Ok(Randomness { bytes: Bytes::new(bytes).unwrap_or_default() })
    }
}

impl Perform for Log {
    fn foresee(&self, _ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        call.telling.log(self)
    }
}

impl Perform for Alarm {
    fn foresee(&self, _ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        call.telling.alarm(self)
    }
}

impl Perform for Metric {
    fn foresee(&self, _ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        call.telling.metric(self)
    }
}

impl Perform for Close {
    fn foresee(&self, _ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        call.host.handles.close(self.handle)
    }
}
