//! Enters the network namespace of a process, or one that has a name, until it is left.
//!
//! # Policy
//! `process_system::mount_namespace` and `process_system::network_namespace` on the process, whichever are wanted; or
//! `file_system::network_namespace` on the file in `/run/netns`, `file_system::open` on that directory and on the file. The
//! processes of the run are closed.

use std::rc::Rc;

use nix::errno::Errno;
use rex_ipc::action::file_system::{self, Open};
use rex_ipc::action::process_system::{MountNamespace, NetworkNamespace};
use rex_ipc::failure::ErrorKind;
use rex_ipc::process_system::{EnterNamespaces, Namespaces};

use crate::gate::error::Error;
use crate::host::file_system::object::{DirPath, FilePath};
use crate::host::network::inside::Inside;
use crate::host::process_system::unguarded;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;
use crate::policy::name::{EntryName, PathName};

impl Perform for EnterNamespaces {
    fn foresee(&self, _ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        // What the policy is told of a process is not known before.
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        if call.host.network.inside.is_some() {
            let message = "namespaces cannot be entered from within another";
            return Err(Error::invalid(ErrorKind::UnsupportedOperationError, message));
        }
        let inside = match self.of {
            Namespaces::OfProcess { pid, started_ticks, mount, network } => {
                let process =
                    Rc::new(unguarded::hold(call.host, pid, None).map_err(unguarded::missing_is_gone)?);
                if started_ticks.is_some_and(|started| started != process.about.started_ticks) {
                    // Another has its number by now.
                    return Err(Errno::ESRCH.into());
                }
                if mount {
                    call.authorize::<MountNamespace, _>(Rc::clone(&process))?;
                }
                let permit = match network {
                    true => Some(call.authorize::<NetworkNamespace, _>(process)?),
                    false => None,
                };
                match permit {
                    Some(permit) if !mount => Inside::of_process(&permit)?,
                    _ => {
                        let message = "mount namespaces cannot be entered in this version";
                        return Err(Error::invalid(ErrorKind::UnsupportedOperationError, message));
                    }
                }
            }
            Namespaces::Named(name) => {
                let directory = PathName::parse(NAMED)?;
                let entry = EntryName::parse(name.as_str()).ok_or(Errno::ENOENT)?;
                let path = directory.join(entry.as_bytes());
                let permit = call.authorize::<file_system::NetworkNamespace, _>(FilePath(path.clone()))?;
                call.authorize::<Open, _>(DirPath(directory))?;
                call.authorize::<Open, _>(FilePath(path))?;
                Inside::of_file(&permit)?
            }
        };
        call.host.enter(Some(inside));
        Ok(())
    }
}

/// Where ip-netns(8) names them.
const NAMED: &str = "/run/netns";
