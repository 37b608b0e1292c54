//! What processors and block devices have done since the host was started, as iostat(1) shows it.

use std::collections::BTreeSet;

use rex_ipc::sysinfo::Source;
use rhai::NativeCallContext;

use crate::datetime;
use crate::error::Fallible;
use crate::error::family::Disks;
use crate::sysinfo::statistics::{CpuTime, KernelStats};
use crate::sysinfo::tables;

/// How processors were used, in percent of all their time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CpuStats {
    /// Programs.
    pub user_percent: f64,
    /// Programs of lower priority.
    pub nice_percent: f64,
    /// The kernel, interrupts included.
    pub system_percent: f64,
    /// Waiting for devices.
    pub iowait_percent: f64,
    /// Other guests of a virtual machine's host.
    pub steal_percent: f64,
    /// Nothing.
    pub idle_percent: f64,
}

/// What a block device did; rates are means since the start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceStats {
    /// Its name.
    pub device_name: String,
    /// Reads that were merged with others, a second.
    pub rrqm_per_sec: f64,
    /// Writes that were merged with others, a second.
    pub wrqm_per_sec: f64,
    /// Reads a second.
    pub read_requests_per_sec: f64,
    /// Writes a second.
    pub write_requests_per_sec: f64,
    /// KiB read a second.
    pub rkb_per_sec: f64,
    /// KiB written a second.
    pub wkb_per_sec: f64,
    /// Mean length of a request, in sectors of 512 bytes.
    pub avg_request_size: f64,
    /// Mean number of requests under way.
    pub avg_queue_size: f64,
    /// Milliseconds that a request took.
    pub avg_wait: f64,
    /// Milliseconds that a read took.
    pub avg_read_wait: f64,
    /// Milliseconds that a write took.
    pub avg_write_wait: f64,
    /// Milliseconds of work for a request.
    pub svctm: f64,
    /// Percent of the time in which it had something to do.
    pub util_percent: f64,
}

/// Both.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IoStatSnapshot {
    /// All processors together.
    pub cpu_stats: CpuStats,
    /// Every block device, in the order of the kernel.
    pub device_stats: Vec<DeviceStats>,
}

impl IoStatSnapshot {
    /// Asks the broker.
    ///
    /// # Errors
    /// `PermissionDenied`; `Other` for the system's failures.
    pub fn read(context: &NativeCallContext) -> Fallible<Self> {
        let kernel = KernelStats::read_as::<Disks>(context)?;
        let devices = tables::read::<Disks>(context, Source::DiskStatistics)?;
        let uptime = uptime_seconds(context, kernel.boot_time)?;
        let device_stats = counters(&devices).map(|counters| DeviceStats::of(&counters, uptime)).collect();
        Ok(Self { cpu_stats: CpuStats::of(&kernel.total_cpu_time), device_stats })
    }

    /// The tables of iostat(1).
    pub fn text(&self) -> String {
        let cpu = &self.cpu_stats;
        let mut text = format!(
            "avg-cpu:  %user   %nice %system %iowait  %steal   %idle\n          {:6.2}  {:6.2}  {:6.2}  {:6.2}  {:6.2}  {:6.2}\n\n\
             Device:         rrqm/s   wrqm/s     r/s     w/s    rkB/s    wkB/s avgrq-sz avgqu-sz   await r_await w_await  svctm  %util\n",
            cpu.user_percent,
            cpu.nice_percent,
            cpu.system_percent,
            cpu.iowait_percent,
            cpu.steal_percent,
            cpu.idle_percent,
        );
        for device in &self.device_stats {
            text.push_str(&format!(
                "{:<15} {:8.2} {:8.2} {:7.2} {:7.2} {:8.2} {:8.2} {:8.2} {:8.2} {:7.2} {:7.2} {:7.2} {:6.2} {:6.2}\n",
                device.device_name,
                device.rrqm_per_sec,
                device.wrqm_per_sec,
                device.read_requests_per_sec,
                device.write_requests_per_sec,
                device.rkb_per_sec,
                device.wkb_per_sec,
                device.avg_request_size,
                device.avg_queue_size,
                device.avg_wait,
                device.avg_read_wait,
                device.avg_write_wait,
                device.svctm,
                device.util_percent,
            ));
        }
        text
    }
}

/// Seconds since the start, which the clocks and the moment of the start tell without a question. A clock that was set back
/// behind that moment tells nothing.
fn uptime_seconds(context: &NativeCallContext, started: u64) -> Fallible<f64> {
    let clocks = datetime::clocks(context)?;
    let now = u64::try_from(clocks.realtime.seconds).unwrap_or(0);
    let since_start = match started {
        0 => None,
        started => now.checked_sub(started),
    };
    Ok(match since_start {
        Some(seconds) => seconds as f64 + f64::from(clocks.realtime.nanoseconds) / 1e9,
        None => clocks.monotonic_ns as f64 / 1e9,
    })
}

impl CpuStats {
    fn of(time: &CpuTime) -> Self {
        let all = time.sum();
        let percent = |ticks: u64| ratio(ticks as f64, all as f64) * 100.0;
        let system = time.system.saturating_add(time.irq).saturating_add(time.softirq);
        Self {
            user_percent: percent(time.user),
            nice_percent: percent(time.nice),
            system_percent: percent(system),
            iowait_percent: percent(time.iowait),
            steal_percent: percent(time.stolen),
            idle_percent: percent(time.idle),
        }
    }
}

impl DeviceStats {
    fn of(counters: &Counters<'_>, uptime: f64) -> Self {
        let [
            reads,
            reads_merged,
            sectors_read,
            read_ms,
            writes,
            writes_merged,
            sectors_written,
            write_ms,
            _,
            busy_ms,
            weighted_ms,
        ] = counters.numbers.map(|number| number as f64);
        let requests = reads + writes;
        let kib = |sectors: f64| sectors * SECTOR_BYTES / 1024.0;
        Self {
            device_name: counters.name.to_owned(),
            rrqm_per_sec: ratio(reads_merged, uptime),
            wrqm_per_sec: ratio(writes_merged, uptime),
            read_requests_per_sec: ratio(reads, uptime),
            write_requests_per_sec: ratio(writes, uptime),
            rkb_per_sec: ratio(kib(sectors_read), uptime),
            wkb_per_sec: ratio(kib(sectors_written), uptime),
            avg_request_size: ratio(sectors_read + sectors_written, requests),
            avg_queue_size: ratio(weighted_ms, uptime * 1000.0),
            avg_wait: ratio(read_ms + write_ms, requests),
            avg_read_wait: ratio(read_ms, reads),
            avg_write_wait: ratio(write_ms, writes),
            svctm: ratio(busy_ms, requests),
            util_percent: (ratio(busy_ms, uptime * 1000.0) * 100.0).min(100.0),
        }
    }
}

/// The names of all block devices in `/proc/diskstats`.
pub fn device_names(table: &str) -> BTreeSet<String> {
    counters(table).map(|counters| counters.name.to_owned()).collect()
}

/// A line of `/proc/diskstats`: the first eleven counters, which every kernel has.
struct Counters<'t> {
    name: &'t str,
    numbers: [u64; 11],
}

/// The lines of `/proc/diskstats`; see the kernel's `Documentation/admin-guide/iostats.rst`. What has no name is no device.
fn counters(table: &str) -> impl Iterator<Item = Counters<'_>> {
    table.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace().skip(2);
        let name = words.next()?;
        let mut numbers = [0; 11];
        for (number, word) in numbers.iter_mut().zip(words) {
            *number = word.parse().unwrap_or(0);
        }
        Some(Counters { name, numbers })
    })
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole }
}

/// What the kernel counts as a sector, whatever the device has.
const SECTOR_BYTES: f64 = 512.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    // The fake broker's clock says 1761057000.25.
    const STATISTICS: &str = "cpu 10 20 5 40 5 3 2 15 9 9\nbtime 1761056000\n";
    const DEVICES: &str = "   8       0 sda 2000 1000 8000 500 500 250 4000 250 0 1000 2000 0 0 0 0\n   7       0 loop0 0 0 0 0 0 0 0 0 0 0 0\n";

    fn bench() -> Bench {
        Bench::new().table(Source::Statistics, STATISTICS).table(Source::DiskStatistics, DEVICES)
    }

    #[test]
    fn percentages_are_of_all_time_without_that_of_guests() {
        for bench in [bench(), bench().like_rex()] {
            assert_eq!(
                bench.output(
                    "let c = iostat().cpu_stats; [c.user_percent, c.nice_percent, c.system_percent, c.iowait_percent, \
                     c.steal_percent, c.idle_percent, c.to_map().keys()]"
                ),
                r#"[10.0, 20.0, 10.0, 5.0, 15.0, 40.0, ["idle_percent", "iowait_percent", "nice_percent", "steal_percent", "system_percent", "user_percent"]]"#
            );
        }
    }

    #[test]
    fn rates_are_means_since_the_start() {
        let counters =
            |line| counters(line).map(|counters| DeviceStats::of(&counters, 1000.0)).next().unwrap();

        assert_eq!(
            counters(DEVICES),
            DeviceStats {
                device_name: "sda".into(),
                rrqm_per_sec: 1.0,
                wrqm_per_sec: 0.25,
                read_requests_per_sec: 2.0,
                write_requests_per_sec: 0.5,
                rkb_per_sec: 4.0,
                wkb_per_sec: 2.0,
                avg_request_size: 4.8,
                avg_queue_size: 0.002,
                avg_wait: 0.3,
                avg_read_wait: 0.25,
                avg_write_wait: 0.5,
                svctm: 0.4,
                util_percent: 0.1,
            }
        );
        let busy = counters("8 0 sda 1 0 0 0 0 0 0 0 0 2000000 0");
        assert_eq!(busy.util_percent, 100.0);
    }

    #[test]
    fn both_forms_give_the_same_and_ask_for_two_tables() {
        let bench = bench();

        assert_eq!(
            bench.output(
                "let s = Filesystems(FilesystemOptions().build()).iostat(); let d = s.device_stats[0];
                 [s.device_stats.len(), d.device_name, d.rrqm_per_sec < 1.0, d.wrqm_per_sec > 0.2, d.read_requests_per_sec < 2.0,
                  d.write_requests_per_sec > 0.4, d.rkb_per_sec > 3.9, d.wkb_per_sec > 1.9, d.avg_request_size,
                  d.avg_queue_size > 0.001, d.avg_wait, d.avg_read_wait, d.avg_write_wait, d.svctm, d.util_percent < 0.1,
                  d.to_map().len(), s.to_map().device_stats[1].device_name, s.to_map().cpu_stats.len()]"
            ),
            r#"[2, "sda", true, true, true, true, true, true, 4.8, true, 0.3, 0.25, 0.5, 0.4, true, 14, "loop0", 6]"#
        );
        assert_eq!(bench.asked().concat(), ["read_source", "read_source", "now"]);
    }

    #[test]
    fn the_text_is_that_of_iostat() {
        for bench in [bench(), bench().like_rex()] {
            assert_eq!(
                bench.output("`${iostat()}`"),
                "avg-cpu:  %user   %nice %system %iowait  %steal   %idle\n\
                 \u{20}          10.00   20.00   10.00    5.00   15.00   40.00\n\
                 \n\
                 Device:         rrqm/s   wrqm/s     r/s     w/s    rkB/s    wkB/s avgrq-sz avgqu-sz   await r_await w_await  svctm  %util\n\
                 sda                 1.00     0.25    2.00    0.50     4.00     2.00     4.80     0.00    0.30    0.25    0.50   0.40   0.10\n\
                 loop0               0.00     0.00    0.00    0.00     0.00     0.00     0.00     0.00    0.00    0.00    0.00   0.00   0.00\n"
            );
        }
    }

    #[test]
    fn a_denial_is_told_in_the_form_of_the_function() {
        for bench in [bench(), bench().like_rex()] {
            let bench = bench.denying("read", "/proc/diskstats");
            assert_eq!(
                bench.output(
                    r#"let r = []; try { iostat() } catch (e) { r.push(type_of(e)) }
                       try { Filesystems(FilesystemOptions().build()).iostat() } catch (e) { r.push(`${e.source} ${e.kind}`) } r"#
                ),
                r#"["string", "DiskinfoErrorKind PermissionDenied"]"#
            );
        }
    }

    #[test]
    fn tables_that_lack_something_are_read_as_far_as_they_go() {
        let devices = |table: &str| device_names(table).into_iter().collect::<Vec<_>>();

        assert_eq!(devices(""), [""; 0]);
        assert_eq!(devices("8\n8 0\n\n8 0 a\n8 0 b x 1\n"), ["a", "b"]);
        let odd: Vec<_> = counters("8 0 b x 99999999999999999999 3").map(|found| found.numbers).collect();
        assert_eq!(odd, [[0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0]]);
        assert_eq!(CpuStats::of(&CpuTime::default()), CpuStats::default());
        let bench = bench().table(Source::Statistics, "cpu 1\nbtime 99999999999\n");
        assert_eq!(bench.output("iostat().device_stats[0].read_requests_per_sec"), "400.0");
        let bench = Bench::new().table(Source::Statistics, "x\n");
        assert!(bench.failure("iostat()").contains("Failed to parse /proc/stat: the line cpu is missing"));
    }
}
