//! The options of listing, signalling, watching, and of what processes hold open; and what is wrong with some of them.

use rex_ipc::process_system::Signal;
use rhai::{Array, INT, ImmutableString};

use super::validation_error;
use crate::error::{Fallible, text_error};
use crate::value::setter_number;

pub use crate::file_system::options::Builder;

/// What is told of processes beside the usual.
#[derive(Clone, Debug, Default)]
pub struct ProcessOptions {
    /// The pid namespace of each.
    pub load_namespace_info: bool,
    /// The tasks of each.
    pub include_threads: bool,
}

/// Which processes get which signal.
#[derive(Clone, Debug, Default)]
pub struct KillOptions {
    /// The signal, which must be set.
    pub signal: Option<Signal>,
    /// The process of this number.
    pub pid: Option<INT>,
    /// Processes that call themselves so, or something with this in it.
    pub process_name: Option<ImmutableString>,
    /// Processes of the user of this name.
    pub username: Option<ImmutableString>,
    /// Processes with this command line, or with this in it.
    pub command: Option<ImmutableString>,
    /// Name and command line have to be exactly so.
    pub exact_match: bool,
}

impl Builder<KillOptions> {
    /// The finished options.
    ///
    /// # Errors
    /// A text, when there is no signal, or when it is not said in one way which processes are meant.
    pub fn build(&mut self) -> Fallible<KillOptions> {
        let options = &self.0;
        let by_name =
            options.process_name.is_some() || options.username.is_some() || options.command.is_some();
        let wrong = if options.signal.is_none() {
            "signal is required"
        } else if options.pid.is_some_and(|pid| pid < 0) {
            "PID cannot be negative"
        } else if options.pid.is_none() && !by_name {
            "At least one targeting method must be specified: pid, process_name, username, or command"
        } else if options.pid.is_some() && by_name {
            "pid cannot be used together with process_name, username, or command"
        } else if options.process_name.is_some() && options.command.is_some() {
            "process_name and command cannot be used together - choose either name-based or command-based targeting"
        } else {
            return Ok(options.clone());
        };
        Err(text_error(validation_error(wrong)))
    }
}

/// Whose open files are listed.
#[derive(Clone, Debug, Default)]
pub struct LsofOptions {
    /// Those at this path.
    pub path: Option<ImmutableString>,
    /// And below it.
    pub include_subdir: bool,
    /// Those of this process.
    pub pid: Option<u32>,
}

impl Builder<LsofOptions> {
    /// Sets the process.
    ///
    /// # Errors
    /// A text, for a number that no process can have.
    pub fn pid(&mut self, pid: INT) -> Fallible<()> {
        self.0.pid = Some(setter_number("pid", pid)?);
        Ok(())
    }

    /// The finished options.
    ///
    /// # Errors
    /// A text, when it is not said, or said twice, whose files are meant.
    pub fn build(&mut self) -> Fallible<LsofOptions> {
        let wrong = match (&self.0.path, self.0.pid) {
            (Some(_), Some(_)) => "pid and path are mutually exclusive",
            (None, None) => "Either path or pid is required",
            (Some(path), None) if path.is_empty() => "Path cannot be empty",
            _ => return Ok(self.0.clone()),
        };
        Err(text_error(validation_error(wrong)))
    }
}

/// Which processes are watched, and for how long.
#[derive(Clone, Debug)]
pub struct MonitorProcessesCpuOptions {
    /// The processes.
    pub pids_to_monitor: Option<Vec<u32>>,
    /// How often they are looked at after the first look.
    pub batches: u32,
    /// Seconds between two looks; 0 is a fifth of one.
    pub delay_in_seconds: u64,
    /// Their tasks as well, as found at the start.
    pub include_threads: bool,
}

impl Default for MonitorProcessesCpuOptions {
    fn default() -> Self {
        Self { pids_to_monitor: None, batches: 1, delay_in_seconds: 0, include_threads: false }
    }
}

impl Builder<MonitorProcessesCpuOptions> {
    /// Sets the processes. What is no integer is 0, which no process has, and what no number of a process can be is left
    /// out.
    pub fn pids_to_monitor(&mut self, pids: Array) {
        let numbers = pids.into_iter().map(|pid| pid.as_int().unwrap_or(0));
        self.0.pids_to_monitor = Some(numbers.filter_map(|pid| u32::try_from(pid).ok()).collect());
    }

    /// Sets how often it is looked.
    ///
    /// # Errors
    /// A text, for a number less than 0 or beyond 32 bits.
    pub fn batches(&mut self, batches: INT) -> Fallible<()> {
        self.0.batches = setter_number("batches", batches)?;
        Ok(())
    }

    /// Sets the time between two looks.
    ///
    /// # Errors
    /// A text, for a number less than 0.
    pub fn delay_in_seconds(&mut self, seconds: INT) -> Fallible<()> {
        self.0.delay_in_seconds = setter_number("delay_in_seconds", seconds)?;
        Ok(())
    }

    /// The finished options.
    ///
    /// # Errors
    /// A text, when the processes were set to none.
    pub fn build(&mut self) -> Fallible<MonitorProcessesCpuOptions> {
        match &self.0.pids_to_monitor {
            Some(pids) if pids.is_empty() => Err(text_error(validation_error("PIDs array cannot be empty"))),
            _ => Ok(self.0.clone()),
        }
    }
}

/// How a process to be traced is named.
#[derive(Clone, Debug, Default)]
pub struct TraceOptions {
    /// A process in whose pid namespace the number counts, which must be set.
    pub ns_pid: Option<u32>,
}

impl Builder<TraceOptions> {
    /// Sets the process.
    ///
    /// # Errors
    /// A text, for a number that no process can have.
    pub fn ns_pid(&mut self, pid: INT) -> Fallible<()> {
        self.0.ns_pid = Some(setter_number("ns_pid", pid)?);
        Ok(())
    }

    /// The finished options.
    ///
    /// # Errors
    /// A text, when the process was not set.
    pub fn build(&mut self) -> Fallible<TraceOptions> {
        match self.0.ns_pid {
            Some(_) => Ok(self.0.clone()),
            None => Err(text_error("Field not initialized: ns_pid")),
        }
    }
}

/// Which namespaces are entered.
#[derive(Clone, Debug, Default)]
pub struct NamespaceOptions {
    /// The mount namespace of the process.
    pub mount: bool,
    /// The network namespace of the process.
    pub net: bool,
    /// The process.
    pub pid: Option<u32>,
    /// The network namespace of this name.
    pub net_ns_name: Option<ImmutableString>,
}

impl Builder<NamespaceOptions> {
    /// Sets the process.
    ///
    /// # Errors
    /// A text, for a number that no process can have.
    pub fn pid(&mut self, pid: INT) -> Fallible<()> {
        self.0.pid = Some(setter_number("pid", pid)?);
        Ok(())
    }
}
