//! Messages of the kernel, a page at a time.
//!
//! # Policy
//! `file_system::read` on the file `/dev/kmsg`.

use rex_ipc::action::file_system::Read;
use rex_ipc::bounded::{Bytes, List};
use rex_ipc::limits::MAX_KERNEL_MESSAGES;
use rex_ipc::sysinfo::{KernelLogPage, ReadKernelLog};

use crate::gate::error::Error;
use crate::host::sysinfo::kernel_log;
use crate::host::sysinfo::object::KernelLog;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;
use crate::ops::explain::names::Place;
use crate::policy::name::PathName;

impl Perform for ReadKernelLog {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        ahead.ask::<Read>(&Place::file(PathName::parse("/dev/kmsg").ok()?));
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<KernelLogPage, Error> {
        let permit = call.authorize::<Read, _>(KernelLog)?;
        let mut left_bytes = call.room_bytes.saturating_sub(PAGE_OVERHEAD_BYTES);
        let mut records = Vec::new();
        let mut last = None;
        let is_all = kernel_log::records(&permit, self.after, |number, record| {
            let size_bytes = record.len() + RECORD_OVERHEAD_BYTES;
            if records.len() == MAX_KERNEL_MESSAGES || size_bytes > left_bytes {
                return false;
            }
            left_bytes -= size_bytes;
            last = Some(number);
            records.push(Bytes::new(record.to_vec()).unwrap_or_default());
            true
        })?;
        call.metered.count_read_bytes(records.iter().map(|record| record.as_slice().len()).sum())?;
        let next = if is_all { None } else { last };
        Ok(KernelLogPage { records: List::new(records).unwrap_or_default(), next })
    }
}

/// Count, mark and number.
const PAGE_OVERHEAD_BYTES: usize = 32;
/// Length of a record.
const RECORD_OVERHEAD_BYTES: usize = 5;
