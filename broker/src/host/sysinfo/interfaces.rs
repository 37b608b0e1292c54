//! Network interfaces and their addresses.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use nix::ifaddrs::getifaddrs;
use rex_ipc::action::file_system::Read;
use rex_ipc::action::sysinfo::List;
use rex_ipc::sysinfo::Address;

use super::object::ThisHost;
use crate::gate::Permit;
use crate::host::file_system::object::DirPath;
use crate::host::network::inside::{Inside, within};

/// The addresses of each interface, by its name; interfaces without one have none.
///
/// # Errors
/// Those of getifaddrs(3).
pub fn of(permit: &Permit<'_, List, ThisHost>) -> io::Result<BTreeMap<String, Vec<Address>>> {
    let ThisHost = permit.resource();
    of_this_thread(true)
}

/// As [`of`], of the network namespace that was entered, whose directory of interfaces may be read.
///
/// # Errors
/// As [`of`]; those of entering it.
pub fn inside(
    permit: &Permit<'_, List, ThisHost>,
    read: &Permit<'_, Read, DirPath>,
    inside: &Inside,
) -> io::Result<BTreeMap<String, Vec<Address>>> {
    let (ThisHost, DirPath(_)) = (permit.resource(), read.resource());
    // `/sys` shows the interfaces of the namespace that it was mounted in.
    within(Some(inside), || of_this_thread(false))?
}

fn of_this_thread(has_own_sys: bool) -> io::Result<BTreeMap<String, Vec<Address>>> {
    let mut interfaces: BTreeMap<String, Vec<Address>> = BTreeMap::new();
    // Where `/sys` is not mounted, those with an address are told all the same.
    let listed = has_own_sys.then(|| fs::read_dir("/sys/class/net"));
    for entry in listed.into_iter().flatten().flatten().flatten() {
        // `bonding_masters` is a file among the links to the interfaces.
        if entry.file_type().is_ok_and(|kind| !kind.is_file()) {
            interfaces.entry(entry.file_name().to_string_lossy().into_owned()).or_default();
        }
    }
    for found in getifaddrs()? {
        let addresses = interfaces.entry(found.interface_name).or_default();
        let Some(address) = found.address else { continue };
        if let Some(address) = address.as_sockaddr_in() {
            addresses.push(Address::V4(address.ip().octets()));
        } else if let Some(address) = address.as_sockaddr_in6() {
            addresses.push(Address::V6(address.ip().octets()));
        }
    }
    Ok(interfaces)
}
