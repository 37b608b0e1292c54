//! What the policy can be asked about processes.

use std::rc::Rc;

use rex_ipc::action::kind;

use super::object::{NamespaceEntry, Process};
use crate::gate::forbidden::{INIT, OWN_PROCESS};
use crate::gate::sealed::Sealed;
use crate::gate::{Kind, Resource};
use crate::policy::ProcessRef;

impl Sealed for Rc<Process> {}

impl Resource for Rc<Process> {
    type Kind = kind::Process;
    type Context = ();

    fn id(&self) -> <Self::Kind as Kind>::Id<'_> {
        let about = &self.about;
        ProcessRef {
            pid: self.pid,
            name: &about.name,
            username: &about.username,
            command: &about.command,
            uid: about.uid,
            // Ticks of a hundredth of a second: enough for three thousand million years.
            start_time: i64::try_from(about.started_ticks).unwrap_or(i64::MAX),
            exe: about.exe.as_deref(),
        }
    }

    fn closed(&self) -> Option<&'static str> {
        match (self.is_of_run, &self.pidfd) {
            (true, _) => Some(OWN_PROCESS),
            // What is held for a signal is the process itself, and its number the one that it has here.
            (false, Some(_)) if self.pid == 1 => Some(INIT),
            _ => None,
        }
    }
}

impl Sealed for NamespaceEntry {}

impl Resource for NamespaceEntry {
    type Kind = kind::File;
    type Context = ();

    fn id(&self) -> &str {
        &self.path
    }
}
