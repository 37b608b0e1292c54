//! The network interfaces with their addresses, a page at a time.
//!
//! # Policy
//! `sysinfo::list` on the host; within a network namespace `file_system::read` on the directory of its interfaces as well, which Rex
//! does not ask.

use nix::errno::Errno;
use rex_ipc::action::file_system::Read;
use rex_ipc::action::sysinfo::List as ListAction;
use rex_ipc::bounded::{List, Text};
use rex_ipc::limits::{MAX_ADDRESSES, MAX_PAGE_INTERFACES};
use rex_ipc::sysinfo::{Interface, InterfacePage, ListInterfaces};

use crate::gate::error::Error;
use crate::host::file_system::object::DirPath;
use crate::host::sysinfo::interfaces;
use crate::host::sysinfo::object::ThisHost;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;
use crate::policy::name::PathName;

impl Perform for ListInterfaces {
    fn foresee(&self, _ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<InterfacePage, Error> {
        let permit = call.authorize::<ListAction, _>(ThisHost)?;
        let directory = call.host.network.inside.as_ref().map(|inside| inside.name_of(DIRECTORY));
        let found = match directory {
            None => interfaces::of(&permit)?,
            Some(directory) => {
                let directory = DirPath(PathName::parse(&directory)?);
                let read = match call.is_rex_compat() {
                    true => call.authorize_beyond_rex::<Read, _>(directory)?,
                    false => call.authorize::<Read, _>(directory)?,
                };
                let inside = call.host.network.inside.as_ref().ok_or(Errno::ESRCH)?;
                interfaces::inside(&permit, &read, inside)?
            }
        };
        let parts = found.iter().flat_map(|(name, addresses)| {
            let none = addresses.is_empty().then_some(&[][..]);
            addresses.chunks(MAX_ADDRESSES).chain(none).map(move |part| (name, part))
        });
        let mut left_bytes = call.room_bytes.saturating_sub(PAGE_OVERHEAD_BYTES);
        let mut page = Vec::new();
        let mut parts = parts.skip(usize::try_from(self.skip).unwrap_or(usize::MAX));
        for (name, addresses) in parts.by_ref() {
            let size_bytes = PAGE_OVERHEAD_BYTES + name.len() + addresses.len() * ADDRESS_BYTES;
            if page.len() == MAX_PAGE_INTERFACES || size_bytes > left_bytes {
                return Ok(InterfacePage { interfaces: List::new(page).unwrap_or_default(), end: false });
            }
            left_bytes -= size_bytes;
            let addresses = List::new(addresses.to_vec()).unwrap_or_default();
            page.push(Interface { name: Text::cut(name), addresses });
        }
        Ok(InterfacePage { interfaces: List::new(page).unwrap_or_default(), end: true })
    }
}

/// Where interfaces are files.
const DIRECTORY: &str = "/sys/class/net";
/// Counts and marks of a page, and of an interface.
const PAGE_OVERHEAD_BYTES: usize = 16;
/// The larger form of an address, with its mark.
const ADDRESS_BYTES: usize = 17;
