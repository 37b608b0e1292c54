//! Describes processes, a page at a time.
//!
//! # Policy
//! `process_system::list` on each; those that it denies are left out. Where namespaces are asked for, before that
//! `file_system::open` on the directories `/proc/PID` and `/proc/PID/ns`, `read` on the file `/proc/PID/ns/pid`, `open` and
//! `read` (or `redacted_read`) on the file `/proc/PID/status`; where one is denied, the namespace is not told.

use std::io;
use std::rc::Rc;

use nix::errno::Errno;
use rex_ipc::action::file_system::{Open, Read, RedactedRead};
use rex_ipc::action::process_system::List as ListAction;
use rex_ipc::bounded::{List, Text};
use rex_ipc::limits::MAX_PAGE_PROCESSES;
use rex_ipc::process_system::{ListProcesses, PidNamespace, ProcessPage, ProcessRecord, Processes};

use super::{PAGE_OVERHEAD_BYTES, RECORD_OVERHEAD_BYTES, user};
use crate::gate::Permit;
use crate::gate::error::{Error, is};
use crate::host::file_system::object::{DirPath, FilePath};
use crate::host::process_system::object::{NamespaceEntry, Process};
use crate::host::process_system::{open_files, unguarded};
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;
use crate::policy::name::PathName;

impl Perform for ListProcesses {
    fn foresee(&self, _ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        // Which processes there are is not known before.
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<ProcessPage, Error> {
        let measures = unguarded::measures()?;
        let mut page = Page {
            records: Vec::new(),
            room_bytes: call.room_bytes.saturating_sub(PAGE_OVERHEAD_BYTES),
            page_bytes: measures.page_bytes,
        };
        let next = match self.which {
            Processes::One { pid, task } => {
                look_at(call, &self, &mut page, pid, task)?;
                None
            }
            Processes::TasksOf { pid, task } => {
                tasks(call, &self, &mut page, pid, task)?.map(|told| (pid, told))
            }
            Processes::After { pid, task } => walk(call, &self, &mut page, (pid, task))?,
        };
        // Where nothing is told of a process, nothing is told of the host either.
        let is_told = !page.records.is_empty();
        Ok(ProcessPage {
            processes: List::new(page.records).unwrap_or_default(),
            next,
            uptime_ns: if is_told { measures.uptime_ns } else { 0 },
            ticks_per_second: measures.ticks_per_second,
            memory_bytes: if is_told { measures.memory_bytes } else { 0 },
        })
    }
}

/// What was found for the page.
struct Page {
    records: Vec<ProcessRecord>,
    room_bytes: usize,
    /// How many bytes of memory a page of the kernel's has.
    page_bytes: u64,
}

/// Whether the page has taken what it was offered.
#[derive(PartialEq, Eq)]
enum Taken {
    Yes,
    NoRoom,
}

/// Fills the page with what comes behind this process and task; gives where the next one begins.
fn walk(
    call: &mut Call<'_, ListProcesses>,
    request: &ListProcesses,
    page: &mut Page,
    (after, after_task): (u32, u32),
) -> Result<Option<(u32, u32)>, Error> {
    // Behind which process and task everything is told.
    let mut told = (after, after_task);
    for pid in unguarded::numbers(call.host, after)? {
        if pid == after && !request.tasks {
            continue;
        }
        call.pace.go_on()?;
        if pid > after && look_at(call, request, page, pid, None)? == Taken::NoRoom {
            return Ok(Some(told));
        }
        if request.tasks {
            let after_task = if pid == after { after_task } else { 0 };
            if let Some(task) = tasks(call, request, page, pid, after_task)? {
                return Ok(Some((pid, task)));
            }
        }
        told = (pid, u32::MAX);
    }
    Ok(None)
}

/// Puts the tasks of a process that come behind this one on the page; gives the last that was looked at, when there is no room
/// for more.
fn tasks(
    call: &mut Call<'_, ListProcesses>,
    request: &ListProcesses,
    page: &mut Page,
    pid: u32,
    after: u32,
) -> Result<Option<u32>, Error> {
    let mut told = after;
    for task in unguarded::tasks(call.host, pid).into_iter().filter(|task| *task > after) {
        if look_at(call, request, page, pid, Some(task))? == Taken::NoRoom {
            return Ok(Some(told));
        }
        told = task;
    }
    Ok(None)
}

fn look_at(
    call: &mut Call<'_, ListProcesses>,
    request: &ListProcesses,
    page: &mut Page,
    pid: u32,
    task: Option<u32>,
) -> Result<Taken, Error> {
    let process = match unguarded::hold(call.host, pid, task) {
        Ok(process) => Rc::new(process),
        // It has gone, or the broker may not see it.
        Err(error) if is_gone(&error) => return Ok(Taken::Yes),
        Err(error) => return Err(error.into()),
    };
    let about = &process.about;
    let size_bytes = RECORD_OVERHEAD_BYTES + about.name.len() + about.command.len() + about.username.len();
    if page.records.len() == MAX_PAGE_PROCESSES || size_bytes > page.room_bytes {
        return Ok(Taken::NoRoom);
    }
    let namespace = if request.namespaces { namespace_of(call, &process)? } else { None };
    let permit = match call.authorize::<ListAction, _>(process) {
        Ok(permit) => permit,
        Err(Error::Denied(denial)) if !denial.undecided => return Ok(Taken::Yes),
        Err(error) => return Err(error),
    };
    page.room_bytes -= size_bytes;
    page.records.push(record(&permit, pid, task.is_some(), namespace, page.page_bytes));
    Ok(Taken::Yes)
}

/// What is told of the process that was judged.
fn record(
    permit: &Permit<'_, ListAction, Rc<Process>>,
    pid: u32,
    is_task: bool,
    namespace: Option<PidNamespace>,
    page_bytes: u64,
) -> ProcessRecord {
    let process = permit.resource();
    let about = &process.about;
    ProcessRecord {
        pid: process.pid,
        parent: if is_task { pid } else { about.parent },
        is_task,
        uid: about.uid,
        user: user(about),
        name: Text::cut(&about.name),
        command: Text::cut(&about.command),
        state: about.state,
        resident_bytes: about.resident_pages.saturating_mul(page_bytes),
        cpu_ticks: about.cpu_ticks,
        started_ticks: about.started_ticks,
        namespace,
    }
}

/// The pid namespace of a process; nothing where the policy or the system does not tell.
fn namespace_of(
    call: &mut Call<'_, ListProcesses>,
    process: &Rc<Process>,
) -> Result<Option<PidNamespace>, Error> {
    match ask_for_namespace(call, process) {
        Ok(namespace) => Ok(Some(namespace)),
        Err(Error::Denied(_) | Error::Failed { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn ask_for_namespace(
    call: &mut Call<'_, ListProcesses>,
    process: &Rc<Process>,
) -> Result<PidNamespace, Error> {
    let place = |below: &str| PathName::parse(&format!("/proc/{}{below}", process.pid));
    call.authorize::<Open, _>(DirPath(place("")?))?;
    call.authorize::<Open, _>(DirPath(place("/ns")?))?;
    let read = call.authorize::<Read, _>(NamespaceEntry::new(process, "ns/pid"))?;
    let inode = open_files::namespace(&read)?;
    let status = FilePath(place("/status")?);
    call.authorize::<Open, _>(status.clone())?;
    match call.authorize::<Read, _>(status.clone()) {
        Err(Error::Denied(_)) => call.authorize::<RedactedRead, _>(status).map(drop)?,
        other => other.map(drop)?,
    }
    Ok(PidNamespace { inode, pid: process.about.innermost })
}

fn is_gone(error: &io::Error) -> bool {
    [Errno::ESRCH, Errno::ENOENT, Errno::EACCES, Errno::EPERM].iter().any(|errno| is(error, *errno))
}
