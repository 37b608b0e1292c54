//! The name of the host.
//!
//! # Policy
//! `sysinfo::list` on the host.

use rex_ipc::action::sysinfo::List;
use rex_ipc::bounded::Text;
use rex_ipc::sysinfo::{HostName, HostNameText};

use crate::gate::error::Error;
use crate::host::sysinfo::names;
use crate::host::sysinfo::object::ThisHost;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;

impl Perform for HostName {
    fn foresee(&self, _ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<HostNameText, Error> {
        let permit = call.authorize::<List, _>(ThisHost)?;
        let names = names::of(&permit)?;
        Ok(HostNameText { name: Text::cut(&names.nodename().to_string_lossy()) })
    }
}
