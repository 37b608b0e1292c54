//! What a script is told of a process.

use std::rc::Rc;

use rex_ipc::process_system::{self as wire, ProcessRecord};
use rhai::{Dynamic, FLOAT, INT, ImmutableString, Map};

use crate::value::integer;

/// A process, or one of its tasks, as it was when it was looked at. Copies share it.
#[derive(Clone, Debug)]
pub struct ProcessInfo(Rc<Fields>);

#[derive(Debug)]
struct Fields {
    pid: INT,
    parent: Option<INT>,
    uid: INT,
    name: ImmutableString,
    username: ImmutableString,
    command: ImmutableString,
    state: u8,
    memory_bytes: INT,
    memory_percent: FLOAT,
    recent_cpu_percent: Option<FLOAT>,
    historical_cpu_percent: FLOAT,
    namespace: Option<PidNamespace>,
}

/// What the numbers of a record are measured by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measures {
    /// Nanoseconds since the host was started, when it was looked.
    pub uptime_ns: u64,
    /// Clock ticks in a second.
    pub ticks_per_second: u64,
    /// Memory of the host in bytes.
    pub memory_bytes: u64,
}

impl Measures {
    /// Those of a page.
    pub fn of(page: &wire::ProcessPage) -> Self {
        let &wire::ProcessPage { uptime_ns, ticks_per_second, memory_bytes, .. } = page;
        Self { uptime_ns, ticks_per_second, memory_bytes }
    }

    /// Seconds that so many ticks are.
    pub fn seconds(&self, ticks: u64) -> FLOAT {
        ticks as FLOAT / self.ticks_per_second.max(1) as FLOAT
    }

    /// Seconds since the host was started.
    pub fn uptime_seconds(&self) -> FLOAT {
        self.uptime_ns as FLOAT / 1e9
    }

    /// The part of the host's memory, in percent, cut after two decimals.
    fn memory_percent(&self, bytes: u64) -> FLOAT {
        if self.memory_bytes == 0 {
            return 0.0;
        }
        (bytes as FLOAT / self.memory_bytes as FLOAT * 10_000.0).trunc() / 100.0
    }

    /// Time on a processor as a part of the time since the start, in percent; 0 in the first second.
    fn historical_cpu_percent(&self, record: &ProcessRecord) -> FLOAT {
        let run_seconds = self.uptime_seconds() - self.seconds(record.started_ticks);
        if run_seconds < 1.0 { 0.0 } else { self.seconds(record.cpu_ticks) / run_seconds * 100.0 }
    }
}

impl ProcessInfo {
    /// What a record says; the recent use of processors, in percent of one, is known only to who has looked twice.
    pub fn new(record: &ProcessRecord, measures: &Measures, recent_cpu_percent: Option<FLOAT>) -> Self {
        Self(Rc::new(Fields {
            pid: integer(record.pid),
            parent: (record.parent != 0).then(|| integer(record.parent)),
            uid: integer(record.uid),
            name: record.name.as_str().into(),
            username: record.user.as_ref().map(|user| user.as_str()).unwrap_or_default().into(),
            command: record.command.as_str().into(),
            state: record.state,
            memory_bytes: integer(record.resident_bytes),
            memory_percent: measures.memory_percent(record.resident_bytes),
            recent_cpu_percent,
            historical_cpu_percent: measures.historical_cpu_percent(record),
            namespace: record.namespace.map(PidNamespace::new),
        }))
    }

    /// Its number; that of the task for a task.
    pub fn pid(&self) -> INT {
        self.0.pid
    }

    /// The number of its parent, and for a task that of its process; `()` when it has none.
    pub fn ppid(&self) -> Dynamic {
        self.0.parent.map_or(Dynamic::UNIT, Dynamic::from_int)
    }

    /// The number of its real user.
    pub fn uid(&self) -> Dynamic {
        Dynamic::from_int(self.0.uid)
    }

    /// The name that it has given itself, or the first bytes of its program's.
    pub fn name(&self) -> ImmutableString {
        self.0.name.clone()
    }

    /// The name of its real user; empty when that has none.
    pub fn username(&self) -> ImmutableString {
        self.0.username.clone()
    }

    /// Its words, the first without its directory; empty for a thread of the kernel.
    pub fn command(&self) -> ImmutableString {
        self.0.command.clone()
    }

    /// What it is doing, as a word.
    pub fn state(&self) -> ImmutableString {
        state_word(self.0.state).into()
    }

    /// Resident memory in bytes.
    pub fn memory_usage(&self) -> INT {
        self.0.memory_bytes
    }

    /// Resident memory in percent of the host's, cut after two decimals.
    pub fn memory_percent(&self) -> FLOAT {
        self.0.memory_percent
    }

    /// Percent of one processor since it was looked at before; `()` when it was not.
    pub fn recent_cpu_usage(&self) -> Dynamic {
        self.0.recent_cpu_percent.map_or(Dynamic::UNIT, Dynamic::from_float)
    }

    /// Percent of one processor since it was started; 0 in the first second.
    pub fn historical_cpu_usage(&self) -> FLOAT {
        self.0.historical_cpu_percent
    }

    /// Its pid namespace; `()` when it was not asked for or could not be told.
    pub fn pid_namespace(&self) -> Dynamic {
        self.0.namespace.map_or(Dynamic::UNIT, Dynamic::from)
    }

    /// The fields as a map.
    pub fn to_map(&self) -> Map {
        let namespace = self.0.namespace.map_or(Dynamic::UNIT, |namespace| namespace.to_map().into());
        [
            ("pid", Dynamic::from_int(self.pid())),
            ("name", self.name().into()),
            ("ppid", self.ppid()),
            ("uid", self.uid()),
            ("username", self.username().into()),
            ("memory_usage", Dynamic::from_int(self.memory_usage())),
            ("memory_percent", Dynamic::from_float(self.memory_percent())),
            ("state", self.state().into()),
            ("command", self.command().into()),
            ("recent_cpu_usage", self.recent_cpu_usage()),
            ("historical_cpu_usage", Dynamic::from_float(self.historical_cpu_usage())),
            ("pid_namespace", namespace),
        ]
        .into_iter()
        .map(|(key, value)| (key.into(), value))
        .collect()
    }

    /// One line: what it is, whose, and what it is doing.
    pub fn as_text(&self) -> String {
        let fields = &self.0;
        let user =
            if fields.username.is_empty() { fields.uid.to_string() } else { fields.username.to_string() };
        format!("{} {} ({user}, {})", fields.pid, fields.name, state_word(fields.state))
    }
}

/// The pid namespace of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PidNamespace {
    /// The inode number of the namespace.
    pub namespace_id: INT,
    /// The number of the process in the innermost of its namespaces.
    pub child_ns_pid: INT,
}

impl PidNamespace {
    fn new(namespace: wire::PidNamespace) -> Self {
        Self { namespace_id: integer(namespace.inode), child_ns_pid: integer(namespace.pid) }
    }

    /// The fields as a map.
    pub fn to_map(&self) -> Map {
        [("namespace_id", self.namespace_id), ("child_ns_pid", self.child_ns_pid)]
            .into_iter()
            .map(|(key, value)| (key.into(), Dynamic::from_int(value)))
            .collect()
    }
}

/// The word for the letter of a state.
///
/// # Source
/// proc_pid_stat(5) for the letters; the words are Rex's.
pub fn state_word(letter: u8) -> String {
    match letter {
        b'R' => "Run",
        b'S' => "Sleep",
        b'I' => "Idle",
        b'T' => "Stop",
        b'Z' => "Zombie",
        b't' => "Tracing",
        b'X' | b'x' => "Dead",
        b'K' => "Wakekill",
        b'W' => "Waking",
        b'P' => "Parked",
        b'D' => "UninterruptibleDiskSleep",
        other => return format!("Unknown({other})"),
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::process;

    const MEASURES: Measures =
        Measures { uptime_ns: 100_000_000_000, ticks_per_second: 100, memory_bytes: 1 << 30 };

    #[test]
    fn states_have_words() {
        let words: Vec<String> = b"RSDZTtXxKWPI?\0".iter().map(|letter| state_word(*letter)).collect();

        assert_eq!(
            words,
            [
                "Run",
                "Sleep",
                "UninterruptibleDiskSleep",
                "Zombie",
                "Stop",
                "Tracing",
                "Dead",
                "Dead",
                "Wakekill",
                "Waking",
                "Parked",
                "Idle",
                "Unknown(63)",
                "Unknown(0)"
            ]
        );
    }

    #[test]
    fn memory_is_a_part_of_the_host_s_and_cut_after_two_decimals() {
        for (resident, percent) in [(0, 0.0), (1 << 29, 50.0), (19_999_999, 1.86), (1 << 30, 100.0)] {
            let record = ProcessRecord { resident_bytes: resident, ..process(7, "x") };

            assert_eq!(ProcessInfo::new(&record, &MEASURES, None).memory_percent(), percent, "{resident}");
        }
        let record = ProcessRecord { resident_bytes: u64::MAX, ..process(7, "x") };
        let info = ProcessInfo::new(&record, &Measures { memory_bytes: 0, ..MEASURES }, None);
        assert_eq!((info.memory_percent(), info.memory_usage()), (0.0, INT::MAX));
    }

    #[test]
    fn the_use_of_processors_is_a_part_of_the_time_since_the_start() {
        // 100 seconds after the start of the host.
        for (started, used, percent) in
            [(0, 5_000, 50.0), (9_000, 1_500, 150.0), (9_950, 40, 0.0), (20_000, 1, 0.0)]
        {
            let record = ProcessRecord { started_ticks: started, cpu_ticks: used, ..process(7, "x") };

            assert_eq!(
                ProcessInfo::new(&record, &MEASURES, None).historical_cpu_usage(),
                percent,
                "{started}"
            );
        }
        let record = ProcessRecord { cpu_ticks: u64::MAX, ..process(7, "x") };
        let info = ProcessInfo::new(&record, &Measures { ticks_per_second: 0, ..MEASURES }, None);
        assert!(info.historical_cpu_usage().is_finite());
    }
}
