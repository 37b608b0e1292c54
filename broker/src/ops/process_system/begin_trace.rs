//! Has gdb tell where the threads of a process are.
//!
//! # Policy
//! `process_system::trace` on it; PID 1 and the processes of the run are closed. `process_system::mount_namespace` on the process
//! whose pid namespace it was named by, and `file_system::execute` on the debugger, with everything that it is given, which Rex
//! does not ask.

use std::rc::Rc;

use nix::errno::Errno;
use rex_ipc::action::process_system::{MountNamespace, Trace};
use rex_ipc::process_system::{BeginTrace, TraceBegun, Tracer};
use rex_ipc::program::Wanted;

use crate::gate::error::Error;
use crate::host::process_system::{stopped, unguarded};
use crate::host::programs::object::Tool;
use crate::host::programs::start::Over;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;
use crate::ops::file_system::begin_analysis;
use crate::ops::tool::{self, Given};

impl Perform for BeginTrace {
    fn foresee(&self, _ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        // What the policy is told of the process is not known before.
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<TraceBegun, Error> {
        let process = Rc::new(unguarded::hold_for_signal(call.host, self.pid)?);
        if self.started_ticks.is_some_and(|started| started != process.about.started_ticks) {
            // Another has its number by now.
            return Err(Errno::ESRCH.into());
        }
        let tracer = if call.is_rex_compat() { Tracer::Script } else { Tracer::Debugger };
        let begun = TraceBegun { started_ticks: process.about.started_ticks, tracer };
        let traced = call.authorize::<Trace, _>(process)?;
        let Some(file) = self.tracer else { return Ok(begun) };
        let file = call.host.handles.file(file)?;
        if let Some(within) = self.within {
            let within = Rc::new(unguarded::hold(call.host, within, None)?);
            call.authorize::<MountNamespace, _>(within)?;
        }
        let mut arguments = begin_analysis::arguments(&Wanted::Backtrace)?;
        let mut add =
            |setting: &str| arguments.splice(2..2, ["-iex".to_owned(), setting.to_owned()]).for_each(drop);
        // It would have the process say what threads there are, under the numbers of its own namespace.
        add("set libthread-db-search-path /proc/self/fd/3");
        if !stopped::has_libraries_of_broker(&traced) {
            // What has the path of one of its libraries here is another file, and would tell other names: they are looked for
            // where there is nothing.
            add("set sysroot /proc/self/fd/3");
        }
        let given = Given { arguments, capabilities: 0 };
        match tracer {
            Tracer::Debugger => tool::begin(call, Tool::Debugger, file, given, Over::Process(&traced))?,
            Tracer::Script => {
                let of_script = Given { arguments: vec![self.pid.to_string()], capabilities: 0 };
                tool::begin_for_script(call, file, of_script, given, &traced)?;
            }
        }
        Ok(begun)
    }
}
