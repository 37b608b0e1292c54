//! How much memory and swap space the host has, and how much of it is free.

use rex_ipc::sysinfo::Source;
use rhai::NativeCallContext;

use super::tables;
use crate::error::Fallible;
use crate::error::family::SystemInfo;

/// Memory, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meminfo {
    /// All of it.
    pub total: u64,
    /// What nothing is in.
    pub free: u64,
    /// What programs could still get without swapping; 0 where the kernel does not say it.
    pub available: u64,
    /// For raw block devices.
    pub buffers: u64,
    /// For the content of files.
    pub cached: u64,
    /// Of tmpfs and of segments that processes share; 0 where the kernel does not say it.
    pub shared_mem: u64,
}

/// Swap space, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swapinfo {
    /// All of it.
    pub total: u64,
    /// What nothing is in.
    pub free: u64,
}

impl Meminfo {
    /// Asks the broker.
    ///
    /// # Errors
    /// `PermissionDenied`; `Other` where the table cannot be read or does not have the numbers.
    pub fn read(context: &NativeCallContext) -> Fallible<Self> {
        let table = tables::read::<SystemInfo>(context, Source::Memory)?;
        Self::parse(&table).map_err(unclear)
    }

    /// What is not available: `total` less `available`.
    pub fn used(&self) -> u64 {
        self.total.saturating_sub(self.available)
    }

    /// A line for each number.
    pub fn text(&self) -> String {
        let Self { total, free, available, buffers, cached, shared_mem } = self;
        format!(
            "Memory Info:\n  Total: {total} bytes\n  Free: {free} bytes\n  Available: {available} bytes\n  Used: {} bytes\n  \
             Buffers: {buffers} bytes\n  Cached: {cached} bytes\n  Shared: {shared_mem} bytes",
            self.used()
        )
    }

    fn parse(table: &str) -> Result<Self, &'static str> {
        Ok(Self {
            total: bytes(table, "MemTotal").ok_or("MemTotal is missing")?,
            free: bytes(table, "MemFree").ok_or("MemFree is missing")?,
            available: bytes(table, "MemAvailable").unwrap_or(0),
            buffers: bytes(table, "Buffers").unwrap_or(0),
            cached: bytes(table, "Cached").unwrap_or(0),
            shared_mem: bytes(table, "Shmem").unwrap_or(0),
        })
    }
}

impl Swapinfo {
    /// Asks the broker.
    ///
    /// # Errors
    /// As [`Meminfo::read`].
    pub fn read(context: &NativeCallContext) -> Fallible<Self> {
        let table = tables::read::<SystemInfo>(context, Source::Memory)?;
        Self::parse(&table).map_err(unclear)
    }

    /// `total` less `free`.
    pub fn used(&self) -> u64 {
        self.total.saturating_sub(self.free)
    }

    /// A line for each number.
    pub fn text(&self) -> String {
        let Self { total, free } = self;
        format!("Swap Info:\n  Total: {total} bytes\n  Free: {free} bytes\n  Used: {} bytes", self.used())
    }

    fn parse(table: &str) -> Result<Self, &'static str> {
        Ok(Self {
            total: bytes(table, "SwapTotal").ok_or("SwapTotal is missing")?,
            free: bytes(table, "SwapFree").ok_or("SwapFree is missing")?,
        })
    }
}

fn unclear(reason: &'static str) -> Box<rhai::EvalAltResult> {
    tables::unclear::<SystemInfo>(tables::path(Source::Memory), reason)
}

/// A number of the table, in bytes; proc_meminfo(5).
fn bytes(table: &str, key: &str) -> Option<u64> {
    let value = table.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    let mut words = value.split_ascii_whitespace();
    let number: u64 = words.next()?.parse().ok()?;
    match words.next() {
        None => Some(number),
        Some("kB") => Some(number.saturating_mul(1024)),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    const TABLE: &str = "MemTotal:          10 kB\nMemFree:            4 kB\nMemAvailable:       6 kB\nBuffers:            1 kB\n\
                         Cached:             2 kB\nSwapCached:        99 kB\nSwapTotal:          8 kB\nSwapFree:           3 kB\n\
                         Shmem:              5 kB\nHugePages_Total:       0\n";

    fn bench() -> Bench {
        Bench::new().table(Source::Memory, TABLE)
    }

    #[test]
    fn numbers_are_bytes() {
        let memory = "let m = SystemInfo().memory_info(); \
                      [m.total, m.free, m.available, m.used, m.buffers, m.cached, m.shared_mem]";
        for bench in [bench(), bench().like_rex()] {
            assert_eq!(bench.output(memory), "[10240, 4096, 6144, 4096, 1024, 2048, 5120]");
            let swap = "let s = SystemInfo().swap_info(); [s.total, s.free, s.used]";
            assert_eq!(bench.output(swap), "[8192, 3072, 5120]");
        }
    }

    // spec: "`free()` -> map `#{memory: Meminfo, swap: Swapinfo}` ...; it makes the meminfo check twice."
    #[test]
    fn free_asks_twice_and_gives_both() {
        let bench = bench();

        assert_eq!(
            bench.output("let f = free(); [f.keys(), f.memory.to_map(), f.swap.to_map(), type_of(f.memory)]"),
            r##"[["memory", "swap"], #{"available": 6144, "buffers": 1024, "cached": 2048, "free": 4096, "shared_mem": 5120, "total": 10240, "used": 4096}, #{"free": 3072, "total": 8192, "used": 5120}, "rust_safe_system_info::memory::common::Meminfo"]"##
        );
        assert_eq!(bench.asked(), [["read_source"], ["read_source"]]);
    }

    #[test]
    fn a_system_info_asks_for_nothing() {
        let bench = Bench::new();

        assert_eq!(bench.output("type_of(SystemInfo())"), "rust_safe_system_info::system_info::SystemInfo");
        assert!(bench.asked().is_empty());
    }

    #[test]
    fn the_texts_are_rexs() {
        assert_eq!(
            bench().output("`${SystemInfo().memory_info()}`"),
            "Memory Info:\n  Total: 10240 bytes\n  Free: 4096 bytes\n  Available: 6144 bytes\n  Used: 4096 bytes\n  \
             Buffers: 1024 bytes\n  Cached: 2048 bytes\n  Shared: 5120 bytes"
        );
        assert_eq!(
            bench().like_rex().output("SystemInfo().swap_info().to_string()"),
            "Swap Info:\n  Total: 8192 bytes\n  Free: 3072 bytes\n  Used: 5120 bytes"
        );
    }

    #[test]
    fn a_denial_is_a_map_for_methods_and_a_text_for_commands() {
        for bench in [bench(), bench().like_rex()] {
            let bench = bench.denying("read", "/proc/meminfo");
            let message = r#"Permission denied: tester unauthorized to perform file_system::Action::"read" for file_system::File::/proc/meminfo"#;

            let ended = bench.run("SystemInfo().swap_info()");
            assert!(
                ended.text.starts_with(&format!("SysteminfoErrorKind: PermissionDenied: {message}")),
                "{}",
                ended.text
            );
            assert!(ended.outcome.ended_by.is_some());
            let ended = bench.run("free()");
            assert!(ended.text.starts_with(&format!("Runtime error: {message} (line 1")), "{}", ended.text);
            assert!(ended.outcome.ended_by.is_some());
        }
    }

    #[test]
    fn a_table_that_lacks_something_or_is_none_is_understood_as_far_as_it_goes() {
        assert_eq!(
            Meminfo::parse("MemFree: 1 kB\nMemTotal: 7\n"),
            Ok(Meminfo { total: 7, free: 1024, ..Meminfo::default() })
        );
        for table in [
            "",
            "MemTotal:",
            "MemTotal: kB\nMemFree: 1 kB",
            "MemTotal: 1 MB\nMemFree: 1 kB",
            "MemTotal: -1 kB\nMemFree: 1 kB",
            "MemTotal: 99999999999999999999999 kB\nMemFree: 1 kB",
            "MemTotal 1 kB\nMemFree: 1 kB",
            "XMemTotal: 1 kB\nMemFree: 1 kB",
        ] {
            assert_eq!(Meminfo::parse(table), Err("MemTotal is missing"), "{table}");
        }
        let huge = format!("MemTotal: {} kB\nMemFree: 0 kB\nMemAvailable: {} kB\n", u64::MAX, u64::MAX);
        assert_eq!(Meminfo::parse(&huge).map(|info| (info.total, info.used())), Ok((u64::MAX, 0)));
        assert_eq!(Swapinfo::parse("SwapTotal: 1 kB\n"), Err("SwapFree is missing"));

        let message = Bench::new().table(Source::Memory, "nothing\n").failure("SystemInfo().memory_info()");
        assert!(
            message.starts_with(
                "SysteminfoErrorKind: Other: Failed to parse /proc/meminfo: MemTotal is missing (line 1"
            ),
            "{message}"
        );
    }
}
