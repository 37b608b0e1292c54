//! What the policy can be asked about programs.

use std::os::fd::AsFd;

use rex_ipc::action::{context, kind};

use super::object::{Executed, Interpreter};
use crate::gate::sealed::Sealed;
use crate::gate::{Held, Inode, Resource};
use crate::policy::ContextRef;

impl Sealed for Executed {}

impl Resource for Executed {
    type Kind = kind::File;
    type Context = context::Program;

    fn id(&self) -> &str {
        self.file.name.as_str()
    }

    fn context(&self) -> ContextRef<'_> {
        ContextRef::Program(&self.program)
    }

    fn inode(&self) -> Option<Inode> {
        Some(self.file.inode)
    }

    fn held(&self) -> Held<'_> {
        self.file.held()
    }
}

impl Sealed for Interpreter {}

impl Resource for Interpreter {
    type Kind = kind::File;
    type Context = context::Program;

    fn id(&self) -> &str {
        self.path.as_str()
    }

    fn context(&self) -> ContextRef<'_> {
        ContextRef::Program(&self.program)
    }

    fn inode(&self) -> Option<Inode> {
        Some(self.inode)
    }

    fn held(&self) -> Held<'_> {
        Held::Object(self.file.as_fd(), None)
    }
}
