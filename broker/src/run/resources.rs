//! What the broker needs of the kernel for its own process: enough descriptors.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Makes room for the objects that a jail may have open, as far as the hard limit goes.
///
/// To be called after the jail was started, which has limits of its own.
///
/// # Errors
/// Those of getrlimit(2) and setrlimit(2).
pub fn prepare(max_open_handles: u64) -> io::Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let wanted = max_open_handles.saturating_mul(DESCRIPTORS_PER_HANDLE).saturating_add(OWN_DESCRIPTORS);
    if soft < wanted {
        setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard)?;
    }
    Ok(())
}

/// A file that was reached through a link holds itself, its directory and the one the link is in; a directory holds
/// itself and a listing.
const DESCRIPTORS_PER_HANDLE: u64 = 3;
/// Standard streams, socket, jail, audit log, journal, and what one request opens.
const OWN_DESCRIPTORS: u64 = 128;

/// How much address space this process has, in bytes; 0 where `/proc` does not say it.
pub(super) fn address_space_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages: Option<u64> = pages.and_then(|text| text.split(' ').next().and_then(|word| word.parse().ok()));
    pages.unwrap_or(0).saturating_mul(4096)
}
