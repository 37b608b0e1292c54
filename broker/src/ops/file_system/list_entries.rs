//! Entries of an open directory, a page at a time.
//!
//! # Policy
//! `file_system::read` on the directory.

use rex_ipc::action::file_system::Read;
use rex_ipc::bounded::{List, Text};
use rex_ipc::file_system::{Entry, EntryPage, ListEntries};
use rex_ipc::limits::MAX_PAGE_ENTRIES;
use rex_ipc::name;

use crate::gate::error::Error;
use crate::host::file_system::list;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;

impl Perform for ListEntries {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        let place = ahead.dir(self.dir)?;
        ahead.ask::<Read>(&place);
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<EntryPage, Error> {
        let directory = call.host.handles.dir(self.dir)?;
        let read = call.authorize::<Read, _>(directory)?;
        let room_bytes = call.room_bytes;
        let rex_compat = call.is_rex_compat();
        let mut entries = Vec::new();
        let mut used_bytes = PAGE_OVERHEAD_BYTES;
        let end = list::entries(&read, self.restart, |raw| {
            let text = name::to_text(raw.name);
            let size_bytes = text.len() + ENTRY_OVERHEAD_BYTES;
            if entries.len() == MAX_PAGE_ENTRIES || used_bytes + size_bytes > room_bytes {
                return false;
            }
            used_bytes += size_bytes;
            // Rex knows no more than the listing does.
            let entry_type = if rex_compat { raw.entry_type } else { list::kind_of(&read, &raw) };
            entries.push(Entry { name: Text::new(text).unwrap_or_default(), entry_type, inode: raw.inode });
            true
        })?;
        call.metered.count_read_bytes(used_bytes)?;
        Ok(EntryPage { entries: List::new(entries).unwrap_or_default(), end })
    }
}

/// Length of a name (at most 3), type (1), inode number (at most 9).
const ENTRY_OVERHEAD_BYTES: usize = 13;
/// Count of entries (at most 3), end mark (1), and the count and failure mark of the whole reply.
const PAGE_OVERHEAD_BYTES: usize = 16;
