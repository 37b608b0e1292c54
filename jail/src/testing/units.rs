//! What the fake broker knows of services.

use std::collections::BTreeMap;

use rex_ipc::batch::ReplyWriter;
use rex_ipc::bounded::{Bytes, Text};
use rex_ipc::failure::{ErrorKind, Failure, FailureClass};
use rex_ipc::file_system::Chunk;
use rex_ipc::interface::Request;
use rex_ipc::systemd::{UnitInterface, UnitJob};

use super::world::{World, invalid};

/// The services of the fake host.
#[derive(Default)]
pub(crate) struct Known {
    /// The properties of each: those that every unit has, and those of a service.
    pub units: BTreeMap<String, (Vec<u8>, Vec<u8>)>,
    /// How the jobs of units end; `done` where nothing is said.
    pub results: BTreeMap<String, &'static str>,
    /// What was asked for.
    pub acts: Vec<String>,
}

impl World {
    pub(super) fn answer_about_units(
        &mut self,
        request: &Request,
        writer: &mut ReplyWriter<'_>,
    ) -> Result<(), Failure> {
        match request {
            Request::ActOnUnit(act) => {
                let unit = act.unit.as_str();
                self.known_unit(unit)?;
                self.units.acts.push(format!("{:?} {unit}", act.verb));
                let result = self.units.results.get(unit).copied().unwrap_or("done");
                writer.push(&UnitJob { result: act.wait.map(|_| Text::cut(result)) }).unwrap();
            }
            Request::UnitStatus(status) => {
                let (of_unit, of_service) = self.known_unit(status.unit.as_str())?;
                let all = if status.interface == UnitInterface::Unit { of_unit } else { of_service };
                let rest = &all[status.offset_bytes as usize..];
                // Parts of a few bytes, so that they have to be put together.
                let part = &rest[..rest.len().min(100)];
                let end = part.len() == rest.len();
                writer.push(&Chunk { bytes: Bytes::new(part.to_vec()).unwrap(), end }).unwrap();
            }
            _ => {
                self.units.acts.push("Reload".to_owned());
                writer.push(&()).unwrap();
            }
        }
        Ok(())
    }

    fn known_unit(&self, unit: &str) -> Result<(Vec<u8>, Vec<u8>), Failure> {
        if self.denied.iter().any(|(_, name)| name == unit) {
            return Err(Failure {
                class: FailureClass::Denied,
                kind: ErrorKind::PermissionDenied,
                message: Text::cut("Permission denied"),
            });
        }
        let known = self.units.units.get(unit).cloned();
        known.ok_or_else(|| invalid(ErrorKind::NotFound, &format!("Unit: {unit}")))
    }
}
