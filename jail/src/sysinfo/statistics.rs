//! What the kernel counts since the host was started: time of processors, processes, context switches.

use rex_ipc::sysinfo::Source;
use rhai::NativeCallContext;

use super::tables;
use crate::error::Fallible;
use crate::error::family::{Family, SystemInfo};

/// How long processors were used for what, in ticks. See proc_stat(5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// Programs.
    pub user: u64,
    /// Programs of lower priority.
    pub nice: u64,
    /// The kernel.
    pub system: u64,
    /// Nothing.
    pub idle: u64,
    /// Nothing, while something was awaited.
    pub iowait: u64,
    /// Interrupts.
    pub irq: u64,
    /// What interrupts leave to be done.
    pub softirq: u64,
    /// Other guests of a virtual machine's host.
    pub stolen: u64,
    /// Guests of this host, which is part of `user`.
    pub guest: u64,
    /// Guests of lower priority, which is part of `nice`.
    pub guest_nice: u64,
}

/// What `/proc/stat` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelStats {
    /// All processors together.
    pub total_cpu_time: CpuTime,
    /// Each.
    pub cpu_time: Vec<CpuTime>,
    /// When the host was started, in seconds since 1970.
    pub boot_time: u64,
    /// Context switches.
    pub context_switches: u64,
    /// Processes and threads that were made.
    pub forks: u64,
    /// Threads that can run.
    pub procs_running: u64,
    /// Processes that wait for a device.
    pub procs_blocked: u64,
}

impl KernelStats {
    /// Asks the broker.
    ///
    /// # Errors
    /// `PermissionDenied`; `Other` where the table cannot be read or has no time of processors.
    pub fn read(context: &NativeCallContext) -> Fallible<Self> {
        Self::read_as::<SystemInfo>(context)
    }

    /// Asks the broker, for a function whose errors are those of another family.
    ///
    /// # Errors
    /// As [`KernelStats::read`].
    pub fn read_as<F: Family>(context: &NativeCallContext) -> Fallible<Self> {
        let table = tables::read::<F>(context, Source::Statistics)?;
        Self::parse(&table).map_err(|reason| tables::unclear::<F>(tables::path(Source::Statistics), reason))
    }

    fn parse(table: &str) -> Result<Self, &'static str> {
        let mut stats = Self::default();
        let mut has_total = false;
        for line in table.lines() {
            let mut words = line.split_ascii_whitespace();
            let Some(key) = words.next() else { continue };
            let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
            match key {
                "cpu" => {
                    stats.total_cpu_time = CpuTime::of(number);
                    has_total = true;
                }
                "btime" => stats.boot_time = number(),
                "ctxt" => stats.context_switches = number(),
                "processes" => stats.forks = number(),
                "procs_running" => stats.procs_running = number(),
                "procs_blocked" => stats.procs_blocked = number(),
                _ if key.strip_prefix("cpu").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit())) => {
                    stats.cpu_time.push(CpuTime::of(number));
                }
                _ => {}
            }
        }
        if has_total { Ok(stats) } else { Err("the line cpu is missing") }
    }
}

impl CpuTime {
    /// The columns in their order; older kernels lack the last ones.
    fn of(mut number: impl FnMut() -> u64) -> Self {
        Self {
            user: number(),
            nice: number(),
            system: number(),
            idle: number(),
            iowait: number(),
            irq: number(),
            softirq: number(),
            stolen: number(),
            guest: number(),
            guest_nice: number(),
        }
    }

    /// All of it; what guests take is part of `user` and `nice`.
    pub fn sum(&self) -> u64 {
        [self.user, self.nice, self.system, self.idle, self.iowait, self.irq, self.softirq, self.stolen]
            .into_iter()
            .fold(0, u64::saturating_add)
    }
}

/// Ticks as milliseconds.
pub fn milliseconds(ticks: u64) -> u64 {
    ticks.saturating_mul(1_000) / TICKS_PER_SECOND
}

/// What programs see of the kernel's clock, `USER_HZ`: 100 on every architecture that this program is built for.
const TICKS_PER_SECOND: u64 = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    const TABLE: &str = "cpu  10 20 30 40 50 60 70 80 90 100 110\ncpu0 1 2 3 4 5 6 7 8 9 10\ncpu12 5\ncpufreq 3\nintr 999 1 2\n\
                         ctxt 123456\nbtime 1761057000\nprocesses 77\nprocs_running 2\nprocs_blocked 1\nsoftirq 5\n";

    fn bench() -> Bench {
        Bench::new().table(Source::Statistics, TABLE)
    }

    #[test]
    fn counters_are_integers() {
        for bench in [bench(), bench().like_rex()] {
            assert_eq!(
                bench.output(
                    "let k = SystemInfo().kernel_stats(); let c = k.total_cpu_time; let one = k.cpu_time[0];
                     [k.boot_time, k.context_switches, k.forks, k.procs_running, k.procs_blocked, k.cpu_time.len(),
                      c.user_ticks, c.nice_ticks, c.system_ticks, c.idle_ticks, c.iowait_ticks, c.irq_ticks, c.softirq_ticks,
                      c.stolen_ticks, c.guest_ticks, c.guest_nice_ticks, one.user_ms, one.nice_ms, one.system_ms, one.idle_ms,
                      one.iowait_ms, one.irq_ms, one.softirq_ms, one.stolen_ms, one.guest_ms, one.guest_nice_ms,
                      k.cpu_time[1].user_ms, k.cpu_time[1].guest_nice_ms, k.forks > 5]"
                ),
                "[1761057000, 123456, 77, 2, 1, 2, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 10, 20, 30, 40, 50, 60, 70, 80, 90, \
                 100, 50, 0, true]"
            );
        }
    }

    #[test]
    fn both_have_maps() {
        let bench = bench().like_rex();

        assert_eq!(
            bench.output("let m = SystemInfo().kernel_stats().to_map(); [m.keys(), m.cpu_time[1].user_ms, m.total_cpu_time.len()]"),
            r#"[["boot_time", "context_switches", "cpu_time", "forks", "procs_blocked", "procs_running", "total_cpu_time"], 50, 20]"#
        );
        assert_eq!(
            bench.output("let k = SystemInfo().kernel_stats(); [type_of(k), type_of(k.total_cpu_time)]"),
            r#"["rhai_safe_system_info::kernel_stats::RhaiKernelStats", "rhai_safe_system_info::kernel_stats::RhaiCpuTime"]"#
        );
    }

    #[test]
    fn what_is_missing_counts_as_nothing_but_the_processors() {
        assert_eq!(KernelStats::parse("cpu\n"), Ok(KernelStats::default()));
        for table in ["", "\n\n", "cpu0 1 2 3\n", "btime 5\n", "xcpu 1\n"] {
            assert_eq!(KernelStats::parse(table), Err("the line cpu is missing"), "{table}");
        }
        let huge = format!("cpu {0} {0} x -1 {0}0\n", u64::MAX);
        let total = KernelStats::parse(&huge).unwrap().total_cpu_time;
        assert_eq!(
            (total.nice, total.system, total.idle, total.iowait, total.sum()),
            (u64::MAX, 0, 0, 0, u64::MAX)
        );
        assert_eq!(milliseconds(u64::MAX), u64::MAX / 100);

        assert!(
            Bench::new().table(Source::Statistics, "").failure("SystemInfo().kernel_stats()").starts_with(
                "SysteminfoErrorKind: Other: Failed to parse /proc/stat: the line cpu is missing"
            )
        );
    }
}
