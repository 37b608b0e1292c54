//! Has sysctl(8) set what the files of the host name.
//!
//! # Policy
//! `sysctl::load` on the parameters as a whole; `file_system::execute` on the program, with everything that it is given, which
//! Rex does not ask.

use rex_ipc::action::sysctl::Load;
use rex_ipc::sysinfo::LoadParameters;

use crate::gate::error::Error;
use crate::host::programs::object::Tool;
use crate::host::programs::start::Over;
use crate::host::sysinfo::object::Parameters;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;
use crate::ops::tool::{self, Given};

impl Perform for LoadParameters {
    fn foresee(&self, _ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        call.authorize::<Load, _>(Parameters)?;
        let Some(program) = self.program else { return Ok(()) };
        let file = call.host.handles.file(program)?;
        let given = Given { arguments: vec!["--system".to_owned()], capabilities: NEEDED };
        tool::begin(call, Tool::Parameters, file, given, Over::Nothing)
    }
}

/// `CAP_SYS_PTRACE` and `CAP_SYS_ADMIN`, without which some parameters cannot be set; see proc_sys_kernel(5).
const NEEDED: u64 = 1 << 19 | 1 << 21;
