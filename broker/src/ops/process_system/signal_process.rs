//! Sends a signal to a process.
//!
//! # Policy
//! `process_system::interrupt` on it for `SIGHUP`, `process_system::kill` for any other; PID 1 and the processes of the run
//! are closed.

use std::rc::Rc;

use nix::errno::Errno;
use rex_ipc::action::process_system::{Interrupt, Kill};
use rex_ipc::bounded::Text;
use rex_ipc::process_system::{Signal, SignalProcess, Signalled};

use crate::gate::Act;
use crate::gate::error::Error;
use crate::host::process_system::object::Process;
use crate::host::process_system::{signal, unguarded};
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;

impl Perform for SignalProcess {
    fn foresee(&self, _ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        // What the policy is told of the process is not known before.
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<Signalled, Error> {
        let process = Rc::new(unguarded::hold_for_signal(call.host, self.pid)?);
        if self.started_ticks.is_some_and(|started| started != process.about.started_ticks) {
            // Another has its number by now.
            return Err(Errno::ESRCH.into());
        }
        let act = Act::Signal(Process::name_of(self.signal));
        if self.signal == Signal::Hangup {
            let permit = call.authorize_act::<Interrupt, _>(Rc::clone(&process), act)?;
            signal::interrupt(&permit)?;
        } else {
            let permit = call.authorize_act::<Kill, _>(Rc::clone(&process), act)?;
            signal::kill(&permit, self.signal)?;
        }
        let about = &process.about;
        Ok(Signalled { name: Text::cut(&about.name), command: Text::cut(&about.command) })
    }
}
