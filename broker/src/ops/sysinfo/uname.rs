//! What the kernel calls itself and the host.
//!
//! # Policy
//! `sysinfo::list` on the host.

use rex_ipc::action::sysinfo::List;
use rex_ipc::bounded::Text;
use rex_ipc::sysinfo::{KernelNames, Uname};

use crate::gate::error::Error;
use crate::host::sysinfo::names;
use crate::host::sysinfo::object::ThisHost;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;

impl Perform for Uname {
    fn foresee(&self, _ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<KernelNames, Error> {
        let permit = call.authorize::<List, _>(ThisHost)?;
        let names = names::of(&permit)?;
        let text = |name: &std::ffi::OsStr| Text::cut(&name.to_string_lossy());
        Ok(KernelNames {
            kernel_name: text(names.sysname()),
            node_name: text(names.nodename()),
            release: text(names.release()),
            version: text(names.version()),
            machine: text(names.machine()),
        })
    }
}
