//! Lists what processes hold open, a page at a time.
//!
//! # Policy
//! `file_system::open` and `file_system::read` on the directory `/proc`, or on the file `/proc` where sockets are sought;
//! then `process_system::list_fds` on each process. Of several, those that it denies are left out. Where sockets are sought,
//! Rex does not ask `list_fds`, so that for its scripts only a forbid counts. How many there are that the system keeps from being
//! looked at is told to who may read the directory `/proc`.

use std::rc::Rc;

use nix::errno::Errno;
use rex_ipc::action::file_system::{Open, Read};
use rex_ipc::action::process_system::ListFds;
use rex_ipc::bounded::{List, Text};
use rex_ipc::file_system::EntryType;
use rex_ipc::limits::{MAX_OPEN_ENTRIES, MAX_PAGE_PROCESSES, MAX_PATH_TEXT_BYTES};
use rex_ipc::process_system::{
    Holder, Holders, KeptBack, ListOpenFiles, OpenAccess, OpenEntry, OpenFilesPage, Sought,
};

use super::{PAGE_OVERHEAD_BYTES, RECORD_OVERHEAD_BYTES, user};
use crate::gate::Permit;
use crate::gate::error::{Error, is};
use crate::host::file_system::object::{DirPath, FilePath};
use crate::host::process_system::object::Process;
use crate::host::process_system::open_files::{self, Held};
use crate::host::process_system::unguarded;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;
use crate::ops::explain::names::Place;
use crate::policy::name::PathName;

impl Perform for ListOpenFiles {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        let proc = PathName::parse(PROC).ok()?;
        let place = if self.sought == Sought::Sockets { Place::file(proc) } else { Place::dir(proc) };
        ahead.ask::<Open>(&place);
        ahead.ask::<Read>(&place);
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<OpenFilesPage, Error> {
        let proc = PathName::parse(PROC)?;
        if self.sought == Sought::Sockets {
            call.authorize::<Open, _>(FilePath(proc.clone()))?;
            call.authorize::<Read, _>(FilePath(proc))?;
        } else {
            call.authorize::<Open, _>(DirPath(proc.clone()))?;
            call.authorize::<Read, _>(DirPath(proc))?;
        }
        let room_bytes = call.room_bytes.saturating_sub(PAGE_OVERHEAD_BYTES);
        let mut page = Page { holders: Vec::new(), room_bytes, kept_back: None };
        let next = match self.of {
            Holders::One { pid, skip } => {
                let process = unguarded::hold(call.host, pid, None).map_err(|error| {
                    // A directory that is not there is a process that is not there.
                    if is(&error, Errno::ENOENT) { Errno::ESRCH.into() } else { Error::from(error) }
                })?;
                let permit = call.authorize::<ListFds, _>(Rc::new(process))?;
                look_at(call, &self.sought, &mut page, &permit, skip)?.map(|skip| (pid, skip))
            }
            Holders::From { pid, skip } => walk(call, &self.sought, &mut page, (pid, skip))?,
        };
        let holders = List::new(page.holders).unwrap_or_default();
        Ok(OpenFilesPage { holders, next, kept_back: page.kept_back })
    }
}

/// What was found for the page.
struct Page {
    holders: Vec<Holder>,
    room_bytes: usize,
    kept_back: Option<KeptBack>,
}

impl Page {
    /// Counts a process of which the system does not tell everything.
    fn count_kept_back(&mut self, pid: u32, reason: Errno) {
        let errno = u16::try_from(reason as i32).unwrap_or(0);
        let kept_back = self.kept_back.get_or_insert(KeptBack { processes: 0, pid, errno });
        kept_back.processes = kept_back.processes.saturating_add(1);
    }
}

fn walk(
    call: &mut Call<'_, ListOpenFiles>,
    sought: &Sought,
    page: &mut Page,
    (first, skip): (u32, u32),
) -> Result<Option<(u32, u32)>, Error> {
    let numbers = unguarded::numbers(call.host, first)?;
    if first == 0 && numbers.first() != Some(&FIRST_PROCESS) {
        // proc(5), hidepid: those of others are not in the directory.
        page.count_kept_back(FIRST_PROCESS, Errno::ENOENT);
    }
    for pid in numbers {
        call.pace.go_on()?;
        if page.holders.len() == MAX_PAGE_PROCESSES {
            return Ok(Some((pid, 0)));
        }
        let process = match unguarded::hold(call.host, pid, None) {
            Ok(process) => Rc::new(process),
            Err(error) => {
                // Else it has gone.
                if let Some(reason) = unguarded::keeps_back(&error) {
                    page.count_kept_back(pid, reason);
                }
                continue;
            }
        };
        let answer = match sought {
            Sought::Sockets => call.authorize_beyond_rex::<ListFds, _>(process),
            _ => call.authorize::<ListFds, _>(process),
        };
        let permit = match answer {
            Ok(permit) => permit,
            Err(Error::Denied(_)) => continue,
            Err(error) => return Err(error),
        };
        let skip = if pid == first { skip } else { 0 };
        if let Some(skip) = look_at(call, sought, page, &permit, skip)? {
            return Ok(Some((pid, skip)));
        }
    }
    Ok(None)
}

/// Puts what a process holds open on the page; gives how much of it was looked at, when there is no room for more.
fn look_at(
    call: &mut Call<'_, ListOpenFiles>,
    sought: &Sought,
    page: &mut Page,
    permit: &Permit<'_, ListFds, Rc<Process>>,
    skip: u32,
) -> Result<Option<u32>, Error> {
    let process = permit.resource();
    let about = &process.about;
    let size_bytes = RECORD_OVERHEAD_BYTES + about.name.len() + about.command.len() + about.username.len();
    if size_bytes + LEAST_ENTRY_BYTES > page.room_bytes && !page.holders.is_empty() {
        return Ok(Some(skip));
    }
    let mut left_bytes = page.room_bytes.saturating_sub(size_bytes);
    let mut entries = Vec::new();
    let mut looked_at = skip;
    let open_files::Seen { is_all, kept_back } =
        open_files::of(permit, *sought == Sought::Sockets, skip, |held| {
            if looked_at.is_multiple_of(ENTRIES_BETWEEN_LOOKS) {
                call.pace.go_on()?;
            }
            if let Some(held) = held.filter(|held| is_sought(sought, held)) {
                let length = ENTRY_OVERHEAD_BYTES + held.target.len().min(MAX_PATH_TEXT_BYTES);
                if entries.len() == MAX_OPEN_ENTRIES || length > left_bytes {
                    return Ok::<_, Error>(false);
                }
                left_bytes -= length;
                entries.push(OpenEntry {
                    access: held.access,
                    entry_type: held.entry_type,
                    target: Text::cut(&held.target),
                });
            }
            looked_at = looked_at.saturating_add(1);
            Ok(true)
        })?;
    // With what comes behind a page the process comes again.
    if let Some(reason) = kept_back.filter(|_| skip == 0) {
        page.count_kept_back(process.pid, reason);
    }
    if !entries.is_empty() || !is_all || matches!(sought, Sought::Everything) {
        page.room_bytes = left_bytes;
        page.holders.push(Holder {
            pid: process.pid,
            started_ticks: about.started_ticks,
            uid: about.uid,
            user: user(about),
            name: Text::cut(&about.name),
            command: Text::cut(&about.command),
            entries: List::new(entries).unwrap_or_default(),
        });
    }
    Ok((!is_all).then_some(looked_at))
}

fn is_sought(sought: &Sought, held: &Held) -> bool {
    match sought {
        Sought::Everything => true,
        Sought::Sockets => held.access == OpenAccess::Descriptor && held.entry_type == EntryType::Socket,
        Sought::At { path, below } => {
            let rest = held.target.strip_prefix(path.as_str());
            rest.is_some_and(|rest| {
                rest.is_empty() || (*below && (rest.starts_with('/') || path.as_str() == "/"))
            })
        }
    }
}

const PROC: &str = "/proc";
/// pid_namespaces(7): the first process of a namespace is there as long as any other.
const FIRST_PROCESS: u32 = 1;
/// Access, type and length of an entry.
const ENTRY_OVERHEAD_BYTES: usize = 8;
/// Room for the longest path, so that every page has an entry.
const LEAST_ENTRY_BYTES: usize = ENTRY_OVERHEAD_BYTES + MAX_PATH_TEXT_BYTES;
const ENTRIES_BETWEEN_LOOKS: u32 = 256;
