//! What the policy can be asked about system services.

use rex_ipc::action::kind;

use super::object::{Manager, Unit};
use crate::gate::Resource;
use crate::gate::sealed::Sealed;

impl Sealed for Unit {}

impl Resource for Unit {
    type Kind = kind::Service;
    type Context = ();

    fn id(&self) -> &str {
        &self.0
    }
}

impl Sealed for Manager {}

impl Resource for Manager {
    type Kind = kind::Systemd;
    type Context = ();

    fn id(&self) {}
}
