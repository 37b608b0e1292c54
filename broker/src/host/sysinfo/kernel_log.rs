//! The messages of the kernel, as `/dev/kmsg` gives them: one record for each read.

use std::io;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::read;
use rex_ipc::action::file_system::Read;
use rex_ipc::limits::MAX_KERNEL_MESSAGE_BYTES;

use super::object::KernelLog;
use crate::gate::Permit;

impl KernelLog {
    pub(super) const PATH: &'static str = "/dev/kmsg";
}

/// Hands over the records with a larger number than `after`, oldest first, with their numbers, until `take` says that it is
/// enough. Says whether those were all.
///
/// # Errors
/// Those of open(2) and read(2), among them `EPERM` without `CAP_SYSLOG` where `kernel.dmesg_restrict` says so.
///
/// # Source
/// Documentation/ABI/testing/dev-kmsg: a record is `priority,number,microseconds,flags;text`; `EPIPE` says that records were
/// overwritten meanwhile, and the next read goes on with the oldest; `EINVAL` that one does not fit.
pub fn records(
    permit: &Permit<'_, Read, KernelLog>,
    after: Option<u64>,
    mut take: impl FnMut(u64, &[u8]) -> bool,
) -> io::Result<bool> {
    let KernelLog = permit.resource();
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | OFlag::O_NOCTTY | OFlag::O_NOFOLLOW;
    let log = open(KernelLog::PATH, flags, Mode::empty())?;
    let mut record = [0; MAX_KERNEL_MESSAGE_BYTES];
    for _ in 0..MOST_RECORDS {
        let count = match read(&log, &mut record) {
            Ok(0) | Err(Errno::EAGAIN) => return Ok(true),
            Ok(count) => count,
            Err(Errno::EINTR | Errno::EPIPE | Errno::EINVAL) => continue,
            Err(errno) => return Err(errno.into()),
        };
        let record = record.get(..count).unwrap_or_default();
        let Some(number) = number_of(record) else { continue };
        if after.is_none_or(|after| number > after) && !take(number, record) {
            return Ok(false);
        }
    }
    // Whoever writes faster than this is read does not hold the run.
    Ok(true)
}

fn number_of(record: &[u8]) -> Option<u64> {
    let mut fields = record.split(|byte| *byte == b',');
    std::str::from_utf8(fields.nth(1)?).ok()?.parse().ok()
}

/// More than the largest buffer of the kernel holds.
const MOST_RECORDS: usize = 4_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_record_is_its_second_field() {
        let table: [(&[u8], Option<u64>); 6] = [
            (b"6,339,5140900,-;NET: Registered\n", Some(339)),
            (b"6,0,0,c;x", Some(0)),
            (b"", None),
            (b"6", None),
            (b"6,x,1", None),
            (b"6,\xff,1", None),
        ];

        for (record, expected) in table {
            assert_eq!(number_of(record), expected, "{record:?}");
        }
    }
}
