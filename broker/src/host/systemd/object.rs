//! What of the manager of system services the policy is asked about.

use std::cell::RefCell;
use std::ffi::OsString;

use crate::gate::error::Error;

pub use super::bus::Bus;

/// A unit by its name, as the script or the manager spells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit(pub String);

/// The manager itself.
#[derive(Clone, Copy, Debug)]
pub struct Manager;

/// Looks, while the bus is waited for, whether the run is to end.
pub type GoOn<'a> = &'a mut dyn FnMut() -> Result<(), Error>;

/// How the manager is reached, and the properties that are being read in parts.
#[derive(Debug, Default)]
pub struct Services {
    /// The address of the bus, as D-Bus writes it; nothing for the usual one.
    pub address: Option<OsString>,
    /// What was read last: unit, interface, and the properties as they came.
    pub(super) properties: RefCell<Option<(String, String, Vec<u8>)>>,
}
