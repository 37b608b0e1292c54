//! Names of kernel and host, and the number of processors.

use std::io;

use nix::errno::Errno;
use nix::sys::utsname::{UtsName, uname};
use rex_ipc::action::sysinfo::List;

use super::object::ThisHost;
use super::sources;
use crate::gate::Permit;

/// What uname(2) says; `nodename` is what gethostname(2) gives, too.
///
/// # Errors
/// Those of uname(2).
pub fn of(permit: &Permit<'_, List, ThisHost>) -> io::Result<UtsName> {
    let ThisHost = permit.resource();
    Ok(uname()?)
}

/// How many processors are online: the lines of `/proc/stat` that begin with `cpu` and a number, whatever affinity and
/// control groups say.
///
/// # Errors
/// Those of reading `/proc/stat`; `ENODATA` when it names no processor.
pub fn processors(permit: &Permit<'_, List, ThisHost>) -> io::Result<u32> {
    let ThisHost = permit.resource();
    let text = sources::beginning_of_statistics()?;
    let lines = text.split(|byte| *byte == b'\n');
    let is_processor =
        |line: &&[u8]| line.strip_prefix(b"cpu").and_then(<[u8]>::first).is_some_and(u8::is_ascii_digit);
    match u32::try_from(lines.filter(is_processor).count()) {
        Ok(0) | Err(_) => Err(Errno::ENODATA.into()),
        Ok(count) => Ok(count),
    }
}
