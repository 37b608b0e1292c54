//! What the fake broker knows of processes.

use std::collections::{BTreeMap, BTreeSet};

use rex_ipc::batch::ReplyWriter;
use rex_ipc::bounded::{List, Text};
use rex_ipc::failure::{ErrorKind, Failure, FailureClass};
use rex_ipc::file_system::EntryType;
use rex_ipc::interface::Request;
use rex_ipc::process_system::{
    BeginTrace, EnterNamespaces, FindRealPath, Holder, Holders, KeptBack, ListOpenFiles, ListProcesses,
    Namespaces, OpenAccess, OpenEntry, OpenFilesPage, PidNamespace, ProcessPage, ProcessRecord, Processes,
    RealPath, Signal, SignalProcess, Signalled, Sought, TraceBegun, Tracer,
};

use super::Bench;
use super::world::{World, entry, invalid, missing, system};

/// The processes of the fake host.
#[derive(Default)]
pub(crate) struct Known {
    /// Processes and tasks, in the order in which they are listed.
    pub listed: Vec<ProcessRecord>,
    /// What they hold open.
    pub held: BTreeMap<u32, Vec<OpenEntry>>,
    /// Ticks of processor time that a process or task uses in a second.
    pub busy: BTreeMap<u32, u64>,
    /// Most records or entries in a page; 0 is no limit.
    pub page: usize,
    /// The signals that were sent.
    pub signals: Vec<(u32, Signal)>,
    /// What the system says of signals to a process.
    pub refusals: BTreeMap<u32, (u16, &'static str)>,
    /// Those whose number another process has, once the script has waited.
    pub replaced: BTreeSet<u32>,
    /// Whether a namespace was entered.
    pub is_inside: bool,
    /// Those of which the system does not tell everything, once for each walk or process that is asked for.
    pub kept_back: Option<KeptBack>,
    /// What listing processes fails with.
    pub broken: Option<&'static str>,
}

/// A process of root's that sleeps, and was started with the host.
pub(crate) fn process(pid: u32, name: &str) -> ProcessRecord {
    ProcessRecord {
        pid,
        parent: 1,
        is_task: false,
        uid: 0,
        user: Text::new("root"),
        name: Text::new(name).unwrap(),
        command: Text::new(format!("{name} -x")).unwrap(),
        state: b'S',
        resident_bytes: 1 << 20,
        cpu_ticks: 0,
        started_ticks: u64::from(pid),
        namespace: None,
    }
}

/// A task of a process.
pub(crate) fn task(pid: u32, of: u32) -> ProcessRecord {
    ProcessRecord { parent: of, is_task: true, ..process(pid, "task") }
}

/// Something that is held open.
pub(crate) fn held(access: OpenAccess, entry_type: EntryType, target: &str) -> OpenEntry {
    OpenEntry { access, entry_type, target: Text::new(target).unwrap() }
}

impl Bench {
    pub(crate) fn process(self, record: ProcessRecord) -> Self {
        self.world.borrow_mut().processes.listed.push(record);
        self
    }

    pub(crate) fn holding(self, pid: u32, entries: Vec<OpenEntry>) -> Self {
        self.world.borrow_mut().processes.held.insert(pid, entries);
        self
    }

    /// Pages of processes and of what they hold open have so many entries at most.
    pub(crate) fn pages_of(self, entries: usize) -> Self {
        self.world.borrow_mut().processes.page = entries;
        self
    }
}

impl World {
    pub(super) fn answer_about_processes(
        &mut self,
        request: &Request,
        writer: &mut ReplyWriter<'_>,
    ) -> Result<(), Failure> {
        match request {
            Request::ListProcesses(list) => writer.push(&self.list_processes(list)?).unwrap(),
            Request::SignalProcess(signal) => writer.push(&self.signal_process(signal)?).unwrap(),
            Request::ListOpenFiles(list) => writer.push(&self.list_open_files(list)?).unwrap(),
            Request::BeginTrace(begin) => writer.push(&self.begin_trace(begin)?).unwrap(),
            Request::EnterNamespaces(enter) => writer.push(&self.enter_namespaces(enter)?).unwrap(),
            Request::LeaveNamespaces(_) => {
                assert!(std::mem::take(&mut self.processes.is_inside), "something was entered");
                writer.push(&()).unwrap();
            }
            Request::FindRealPath(find) => writer.push(&self.find_real_path(find)?).unwrap(),
            // No unit is known here, and no manager of units.
            _ => return Err(missing()),
        }
        Ok(())
    }

    fn list_processes(&mut self, list: &ListProcesses) -> Result<ProcessPage, Failure> {
        if let Some(reason) = self.processes.broken {
            return Err(system(13, reason));
        }
        let place = |record: &ProcessRecord| match record.is_task {
            true => (record.parent, record.pid),
            false => (record.pid, 0),
        };
        let is_meant = |record: &&ProcessRecord| match list.which {
            Processes::After { pid, task } => place(record) > (pid, task) && (list.tasks || !record.is_task),
            Processes::TasksOf { pid, task } => record.is_task && record.parent == pid && record.pid > task,
            Processes::One { pid, task } => place(record) == (pid, task.unwrap_or(0)),
        };
        let mut meant: Vec<ProcessRecord> = self.processes.listed.iter().filter(is_meant).cloned().collect();
        let page = if self.processes.page == 0 { usize::MAX } else { self.processes.page };
        let next = (meant.len() > page).then(|| place(&meant[page - 1]));
        meant.truncate(page);
        let mut processes = Vec::new();
        for mut record in meant {
            if let Err(denied) = self.check_process("list", record.pid) {
                if denied.class != FailureClass::Denied {
                    return Err(denied);
                }
                continue;
            }
            record.started_ticks = self.started_ticks(&record);
            record.cpu_ticks += self.processes.busy.get(&record.pid).unwrap_or(&0) * self.slept_ms / 1000;
            let is_told = list.namespaces
                && self.check("read", "File", &format!("/proc/{}/ns/pid", record.pid)).is_ok();
            record.namespace = is_told.then_some(PidNamespace { inode: 4_026_531_836, pid: record.pid });
            processes.push(record);
        }
        Ok(ProcessPage {
            processes: List::new(processes).unwrap(),
            next,
            uptime_ns: 100_000_000_000 + self.slept_ms * 1_000_000,
            ticks_per_second: 100,
            memory_bytes: 1 << 30,
        })
    }

    fn signal_process(&mut self, signal: &SignalProcess) -> Result<Signalled, Failure> {
        let record = self.processes.listed.iter().find(|record| record.pid == signal.pid && !record.is_task);
        let record = record.cloned().ok_or_else(no_process)?;
        if signal.started_ticks.is_some_and(|started| started != self.started_ticks(&record)) {
            return Err(no_process());
        }
        let action = if signal.signal == Signal::Hangup { "interrupt" } else { "kill" };
        self.check_process(action, record.pid)?;
        if let Some((errno, message)) = self.processes.refusals.get(&record.pid) {
            return Err(system(*errno, message));
        }
        self.processes.signals.push((record.pid, signal.signal));
        Ok(Signalled { name: record.name, command: record.command })
    }

    fn enter_namespaces(&mut self, enter: &EnterNamespaces) -> Result<(), Failure> {
        if self.processes.is_inside {
            let message = "namespaces cannot be entered from within another";
            return Err(invalid(ErrorKind::UnsupportedOperationError, message));
        }
        match &enter.of {
            Namespaces::OfProcess { pid, mount, network, .. } => {
                self.processes.listed.iter().find(|record| record.pid == *pid).ok_or_else(no_process)?;
                for action in [mount.then_some("mount_namespace"), network.then_some("network_namespace")] {
                    action.map_or(Ok(()), |action| self.check_process(action, *pid))?;
                }
                if *mount {
                    let message = "mount namespaces cannot be entered in this version";
                    return Err(invalid(ErrorKind::UnsupportedOperationError, message));
                }
            }
            Namespaces::Named(name) if name.as_str() == "none" => return Err(missing()),
            Namespaces::Named(_) => {}
        }
        self.processes.is_inside = true;
        Ok(())
    }

    /// Says what has to be open; that the debugger itself is executed by the real broker's tests alone.
    fn begin_trace(&mut self, begin: &BeginTrace) -> Result<TraceBegun, Failure> {
        let record = self.processes.listed.iter().find(|record| record.pid == begin.pid && !record.is_task);
        let record = record.cloned().ok_or_else(no_process)?;
        self.check_process("trace", record.pid)?;
        match begin.tracer {
            None => Ok(TraceBegun { started_ticks: record.started_ticks, tracer: Tracer::Debugger }),
            Some(_) => Err(invalid(ErrorKind::IoError, "no program is running")),
        }
    }

    fn list_open_files(&mut self, list: &ListOpenFiles) -> Result<OpenFilesPage, Failure> {
        let kind = if list.sought == Sought::Sockets { "File" } else { "Dir" };
        for action in ["open", "read"] {
            self.check(action, kind, "/proc")?;
        }
        let is_begun = !matches!(list.of, Holders::One { skip: 0, .. } | Holders::From { pid: 0, skip: 0 });
        let kept_back = self.processes.kept_back.filter(|_| !is_begun);
        let (from, mut skip, alone) = match list.of {
            Holders::One { pid, skip } => (pid, skip, true),
            Holders::From { pid, skip } => (pid, skip, false),
        };
        let is_meant = |record: &&ProcessRecord| {
            !record.is_task && if alone { record.pid == from } else { record.pid >= from }
        };
        let meant: Vec<ProcessRecord> = self.processes.listed.iter().filter(is_meant).cloned().collect();
        if alone && meant.is_empty() {
            return Err(no_process());
        }
        let mut room = if self.processes.page == 0 { usize::MAX } else { self.processes.page };
        let mut holders = Vec::new();
        for record in meant {
            match self.check_process("list_fds", record.pid) {
                Err(denied) if alone || denied.class != FailureClass::Denied => return Err(denied),
                Err(_) => continue,
                Ok(()) => {}
            }
            let first = std::mem::take(&mut skip) as usize;
            let all = self.processes.held.get(&record.pid).cloned().unwrap_or_default();
            let last = all.len().min(first.saturating_add(room));
            let is_sought = |entry: &&OpenEntry| match &list.sought {
                Sought::Everything => true,
                Sought::Sockets => entry.target.as_str().starts_with("socket:["),
                Sought::At { path, below } => {
                    let rest = entry.target.as_str().strip_prefix(path.as_str());
                    rest.is_some_and(|rest| rest.is_empty() || *below && rest.starts_with('/'))
                }
            };
            let entries: Vec<OpenEntry> = all[first..last].iter().filter(is_sought).cloned().collect();
            room -= last - first;
            holders.push(Holder {
                pid: record.pid,
                started_ticks: self.started_ticks(&record),
                uid: record.uid,
                user: record.user,
                name: record.name,
                command: record.command,
                entries: List::new(entries).unwrap(),
            });
            if last < all.len() {
                let next = Some((record.pid, u32::try_from(last).unwrap()));
                return Ok(OpenFilesPage { holders: List::new(holders).unwrap(), next, kept_back });
            }
        }
        Ok(OpenFilesPage { holders: List::new(holders).unwrap(), next: None, kept_back })
    }

    fn started_ticks(&self, record: &ProcessRecord) -> u64 {
        let is_replaced = self.slept_ms > 0 && self.processes.replaced.contains(&record.pid);
        record.started_ticks + if is_replaced { 1_000 } else { 0 }
    }

    fn find_real_path(&mut self, find: &FindRealPath) -> Result<RealPath, Failure> {
        let path = find.path.as_str();
        if !path.starts_with('/') {
            return Err(invalid(ErrorKind::Other, &format!("Path is not absolute {path}")));
        }
        self.check("stat", "File", path)?;
        let real = self.follow(path);
        let entry_type = match self.nodes.get(&real) {
            None => return Err(missing()),
            Some(_) if real.ends_with(".sock") => EntryType::Socket,
            Some(node) => entry(&real, node).entry_type,
        };
        Ok(RealPath { path: Text::new(real).unwrap(), entry_type })
    }

    fn check_process(&self, action: &'static str, pid: u32) -> Result<(), Failure> {
        let number = pid.to_string();
        if self.denied.iter().any(|(verb, place)| *verb == action && *place == number) {
            return Err(Failure {
                class: FailureClass::Denied,
                kind: ErrorKind::PermissionDenied,
                message: Text::cut(&format!(
                    "Permission denied: tester unauthorized to perform process_system::Action::\"{action}\" for process_system::Process::{pid}"
                )),
            });
        }
        if self.denied.iter().any(|(verb, place)| *verb == "undecided" && *place == number) {
            return Err(Failure {
                class: FailureClass::Undecided,
                kind: ErrorKind::AuthorizationError,
                message: Text::cut("Authorization check failed"),
            });
        }
        Ok(())
    }
}

fn no_process() -> Failure {
    system(3, "No such process (os error 3)")
}
