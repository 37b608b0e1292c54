//! Has the manager of services read its unit files again.
//!
//! # Policy
//! `systemd::daemon_reload` on the manager.

use rex_ipc::action::systemd::DaemonReload;
use rex_ipc::systemd::ReloadManager;

use crate::gate::error::Error;
use crate::host::systemd::object::Manager;
use crate::host::systemd::{unguarded, units};
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;

impl Perform for ReloadManager {
    fn foresee(&self, _ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        let permit = call.authorize::<DaemonReload, _>(Manager)?;
        let mut bus = unguarded::connect(&call.host.services, &mut || call.pace.go_on())?;
        units::reload(&permit, &mut bus, &mut || call.pace.go_on())
    }
}
