//! What the kernel's slab allocator holds, as slabtop(1) shows it.

use rhai::NativeCallContext;

use super::tables::unclear;
use crate::error::Fallible;
use crate::error::family::{Kind, OTHER, SystemInfo};
use crate::file_system::whole;
use crate::session::Session;
use crate::stray::{Decoding, Stray};
use crate::text::Redaction;

/// A cache of objects of one size.
#[derive(Clone, Debug, PartialEq)]
pub struct SlabEntry {
    /// What the kernel calls it.
    pub name: String,
    /// Objects that it has room for.
    pub objs: u64,
    /// Objects in use.
    pub active: u64,
    /// Length of an object.
    pub obj_size_bytes: u64,
    /// Slabs in use.
    pub slabs: u64,
    /// Objects of a slab.
    pub obj_per_slab: u64,
    /// Pages of a slab.
    pub pages_per_slab: u64,
    /// All slabs.
    all_slabs: u64,
    /// Length of a page in KiB.
    page_kb: u64,
}

/// All caches together; sizes are numbers of objects times their length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SlabSummary {
    /// Objects in use.
    pub active_objects: u64,
    /// All objects.
    pub total_objects: u64,
    /// Slabs in use.
    pub active_slabs: u64,
    /// All slabs.
    pub total_slabs: u64,
    /// Caches with room for objects.
    pub active_caches: u64,
    /// All caches.
    pub total_caches: u64,
    /// Memory in use.
    pub active_size_kb: f64,
    /// All memory.
    pub total_size_kb: f64,
    /// Length of the shortest object.
    pub min_obj_size_kb: f64,
    /// Mean length of an object.
    pub avg_obj_size_kb: f64,
    /// Length of the longest object.
    pub max_obj_size_kb: f64,
}

/// What `/proc/slabinfo` says.
#[derive(Clone, Debug, PartialEq)]
pub struct SlabInfo {
    /// Each cache, those with most objects first.
    pub slabs: Vec<SlabEntry>,
    /// All together.
    pub summary: SlabSummary,
}

impl SlabInfo {
    /// Opens and reads the file.
    ///
    /// # Errors
    /// `PermissionDenied`, which for Rex is `Other`; `Other` for the system's failures and for what is no such file.
    pub fn read(context: &NativeCallContext) -> Fallible<Self> {
        let session = Session::of(context);
        let as_ours = |error| Kind::<SystemInfo>::of_file(error, session.is_rex_compat());
        let (_, content) = whole::open_and_read(context, "/proc", false, "slabinfo", Redaction::Accepted)
            .map_err(as_ours)?;
        let text = Decoding::new(Stray::usual(&session), FILE).whole(content).map_err(as_ours)?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Fallible<Self> {
        let mut lines = text.lines();
        let version = lines.next().and_then(|line| line.strip_prefix("slabinfo - version: "));
        match version.map(str::trim) {
            // With statistics, which stand behind what is read here.
            Some("2.1" | "2.1 (statistics)") => {}
            Some(version) => {
                return Err(Kind::<SystemInfo>::error(
                    OTHER,
                    format!("Failed to parse slabinfo. This version {version} of slabinfo is not supported"),
                ));
            }
            None => return Err(unclear::<SystemInfo>(DATA, "the version is missing")),
        }
        let mut slabs = Vec::new();
        for (index, line) in lines.enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let entry = SlabEntry::parse(line).ok_or_else(|| {
                unclear::<SystemInfo>(DATA, &format!("line {} is not understood", index.saturating_add(2)))
            })?;
            slabs.push(entry);
        }
        let page_kb = page_kb(&slabs);
        slabs.iter_mut().for_each(|slab| slab.page_kb = page_kb);
        slabs.sort_by_key(|slab| std::cmp::Reverse(slab.objs));
        let summary = SlabSummary::of(&slabs);
        Ok(Self { slabs, summary })
    }
}

impl SlabEntry {
    /// `name active_objs num_objs objsize objperslab pagesperslab : tunables ... : slabdata active_slabs num_slabs ...`;
    /// slabinfo(5).
    fn parse(line: &str) -> Option<Self> {
        let (objects, rest) = line.split_once(" : tunables ")?;
        let (_, slabs) = rest.split_once(" : slabdata ")?;
        // A cache may have been named with spaces.
        let mut numbers = objects.split_ascii_whitespace().rev();
        let mut last = || numbers.next()?.parse().ok();
        let (pages_per_slab, obj_per_slab, obj_size_bytes) = (last()?, last()?, last()?);
        let (objs, active) = (last()?, last()?);
        let mut name: Vec<&str> = numbers.collect();
        name.reverse();
        let mut slabs = slabs.split_ascii_whitespace().map(str::parse);
        let (slabs, all_slabs) = (slabs.next()?.ok()?, slabs.next()?.ok()?);
        let name = name.join(" ");
        if name.is_empty() {
            return None;
        }
        Some(Self {
            name,
            objs,
            active,
            obj_size_bytes,
            slabs,
            obj_per_slab,
            pages_per_slab,
            all_slabs,
            page_kb: LEAST_PAGE_KB,
        })
    }

    /// Which part of the objects is in use, in percent without its fraction; 0 where there is none.
    pub fn use_percent(&self) -> u64 {
        self.active.saturating_mul(100).checked_div(self.objs).unwrap_or(0)
    }

    /// Length of an object in KiB.
    pub fn obj_size_kb(&self) -> f64 {
        kib(self.obj_size_bytes as f64)
    }

    /// Memory of the slabs in KiB.
    pub fn cache_size_kb(&self) -> u64 {
        self.slabs.saturating_mul(self.pages_per_slab).saturating_mul(self.page_kb)
    }

    /// The part of that which is in use, if all objects take the same.
    pub fn active_size_kb(&self) -> f64 {
        if self.objs == 0 { 0.0 } else { self.cache_size_kb() as f64 * self.active as f64 / self.objs as f64 }
    }
}

impl SlabSummary {
    fn of(slabs: &[SlabEntry]) -> Self {
        let sum = |number: fn(&SlabEntry) -> u64| slabs.iter().map(number).fold(0, u64::saturating_add);
        let bytes = |number: fn(&SlabEntry) -> u64| -> f64 {
            slabs.iter().map(|slab| number(slab) as f64 * slab.obj_size_bytes as f64).sum()
        };
        let (total_objects, total_bytes) = (sum(|slab| slab.objs), bytes(|slab| slab.objs));
        let lengths = || slabs.iter().map(|slab| slab.obj_size_bytes);
        Self {
            active_objects: sum(|slab| slab.active),
            total_objects,
            active_slabs: sum(|slab| slab.slabs),
            total_slabs: sum(|slab| slab.all_slabs),
            active_caches: sum(|slab| u64::from(slab.objs > 0)),
            total_caches: slabs.len() as u64,
            active_size_kb: kib(bytes(|slab| slab.active)),
            total_size_kb: kib(total_bytes),
            min_obj_size_kb: kib(lengths().min().unwrap_or(0) as f64),
            avg_obj_size_kb: if total_objects == 0 { 0.0 } else { kib(total_bytes / total_objects as f64) },
            max_obj_size_kb: kib(lengths().max().unwrap_or(0) as f64),
        }
    }

    /// Objects in use, in percent of all.
    pub fn objects_usage_percent(&self) -> f64 {
        percent(self.active_objects as f64, self.total_objects as f64)
    }

    /// Slabs in use, in percent of all.
    pub fn slabs_usage_percent(&self) -> f64 {
        percent(self.active_slabs as f64, self.total_slabs as f64)
    }

    /// Caches in use, in percent of all.
    pub fn caches_usage_percent(&self) -> f64 {
        percent(self.active_caches as f64, self.total_caches as f64)
    }

    /// Memory in use, in percent of all.
    pub fn size_usage_percent(&self) -> f64 {
        percent(self.active_size_kb, self.total_size_kb)
    }

    /// The head of slabtop(1).
    pub fn text(&self) -> String {
        format!(
            "Active / Total Objects (% used)    : {} / {} ({:.1}%)\n\
             Active / Total Slabs (% used)      : {} / {} ({:.1}%)\n\
             Active / Total Caches (% used)     : {} / {} ({:.1}%)\n\
             Active / Total Size (% used)       : {:.2}K / {:.0}K ({:.1}%)\n\
             Minimum / Average / Maximum Object : {:.2}K / {:.2}K / {:.2}K",
            self.active_objects,
            self.total_objects,
            self.objects_usage_percent(),
            self.active_slabs,
            self.total_slabs,
            self.slabs_usage_percent(),
            self.active_caches,
            self.total_caches,
            self.caches_usage_percent(),
            self.active_size_kb,
            self.total_size_kb,
            self.size_usage_percent(),
            self.min_obj_size_kb,
            self.avg_obj_size_kb,
            self.max_obj_size_kb,
        )
    }
}

/// The length of a page, which the file does not say and the jail cannot ask for: the smallest power of two that has room
/// for the objects of every slab. Caches such as `kmalloc-4k` fill their pages.
fn page_kb(slabs: &[SlabEntry]) -> u64 {
    let needed = |slab: &SlabEntry| {
        let pages_kb = slab.pages_per_slab.max(1).saturating_mul(1024);
        slab.obj_size_bytes.saturating_mul(slab.obj_per_slab).div_ceil(pages_kb)
    };
    let most = slabs.iter().map(needed).max().unwrap_or(0);
    most.clamp(LEAST_PAGE_KB, MOST_PAGE_KB).next_power_of_two()
}

fn percent(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole * 100.0 }
}

fn kib(bytes: f64) -> f64 {
    bytes / 1024.0
}

const FILE: &str = "/proc/slabinfo";
/// What errors call the file.
const DATA: &str = "slabinfo data";
/// The pages of Linux are of 4 KiB to 64 KiB on what this program is built for.
const LEAST_PAGE_KB: u64 = 4;
const MOST_PAGE_KB: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    const TABLE: &str = "slabinfo - version: 2.1\n\
        # name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>\n\
        kmalloc-4k           10     16   4096    8    8 : tunables    0    0    0 : slabdata      2      3      0\n\
        dentry              100    210    192   21    1 : tunables    0    0    0 : slabdata     10     10      0\n\
        empty cache           0      0    512   16    2 : tunables    0    0    0 : slabdata      0      0      0\n";

    fn bench() -> Bench {
        Bench::new().file("/proc/slabinfo", TABLE)
    }

    #[test]
    fn caches_come_by_their_objects() {
        for bench in [bench(), bench().like_rex()] {
            assert_eq!(
                bench.output(
                    "SystemInfo().slab_info().slabs.map(|s| [s.name, s.objs, s.active, s.slabs, s.obj_per_slab, s.pages_per_slab, \
                     s.obj_size_bytes, s.use_percent, s.obj_size_kb, s.cache_size_kb, s.active_size_kb, type_of(s.objs), \
                     type_of(s.active)])"
                ),
                r#"[["dentry", 210, 100, 10, 21, 1, 192, 47, 0.1875, 40, 19.047619047619047, "i64", "u64"], ["kmalloc-4k", 16, 10, 2, 8, 8, 4096, 62, 4.0, 64, 40.0, "i64", "u64"], ["empty cache", 0, 0, 0, 16, 2, 512, 0, 0.5, 0, 0.0, "i64", "u64"]]"#
            );
        }
        assert_eq!(bench().asked().len(), 0);
    }

    #[test]
    fn the_directory_the_file_and_its_content_are_asked_for_in_one_round_trip() {
        let bench = bench();

        bench.output("SystemInfo().slab_info()");

        assert_eq!(bench.asked(), [["open_dir", "open_file", "read_chunk"]]);
    }

    #[test]
    fn the_summary_is_that_of_slabtop() {
        let bench = bench().like_rex();

        assert_eq!(
            bench.output("SystemInfo().slab_info().summary.to_string()"),
            "Active / Total Objects (% used)    : 110 / 226 (48.7%)\n\
             Active / Total Slabs (% used)      : 12 / 13 (92.3%)\n\
             Active / Total Caches (% used)     : 2 / 3 (66.7%)\n\
             Active / Total Size (% used)       : 58.75K / 103K (56.8%)\n\
             Minimum / Average / Maximum Object : 0.19K / 0.46K / 4.00K"
        );
        assert_eq!(
            bench.output(
                "let s = SystemInfo().slab_info().summary; [s.active_objects, s.total_objects, s.active_slabs, s.total_slabs, \
                 s.active_caches, s.total_caches, s.active_size_kb, s.total_size_kb, s.min_obj_size_kb, s.max_obj_size_kb, \
                 s.objects_usage_percent > 48.6, s.slabs_usage_percent > 92.3, s.caches_usage_percent > 66.6, \
                 s.size_usage_percent > 56.7, s.avg_obj_size_kb > 0.45]"
            ),
            "[110, 226, 12, 13, 2, 3, 58.75, 103.375, 0.1875, 4.0, true, true, true, true, true]"
        );
    }

    // spec: "`to_map()` has only the stored fields".
    #[test]
    fn all_have_maps() {
        assert_eq!(
            bench().output(
                "let m = SystemInfo().slab_info().to_map(); [m.keys(), m.slabs[1], m.summary.len(), m.summary.total_slabs]"
            ),
            r##"[["slabs", "summary"], #{"active": 10, "name": "kmalloc-4k", "obj_per_slab": 8, "obj_size_bytes": 4096, "objs": 16, "pages_per_slab": 8, "slabs": 2}, 15, 13]"##
        );
    }

    #[test]
    fn denials_are_denials_but_for_rex() {
        for (action, path) in [("open", "/proc"), ("open", "/proc/slabinfo"), ("read", "/proc/slabinfo")] {
            let script = "SystemInfo().slab_info()";
            let message = bench().denying(action, path).failure(script);
            assert!(
                message.starts_with("SysteminfoErrorKind: PermissionDenied: Permission denied: "),
                "{message}"
            );
            let ended = bench().denying(action, path).like_rex().run(script);
            assert!(
                ended.text.starts_with("SysteminfoErrorKind: Other: Permission denied: "),
                "{}",
                ended.text
            );
            assert!(ended.outcome.ended_by.is_some());
        }
    }

    #[test]
    fn what_is_no_such_file_is_an_error() {
        let failure =
            |content: &str| Bench::new().file("/proc/slabinfo", content).failure("SystemInfo().slab_info()");

        for (content, message) in [
            ("", "Failed to parse slabinfo data: the version is missing"),
            ("x\n", "Failed to parse slabinfo data: the version is missing"),
            (
                "slabinfo - version: 1.1\n",
                "Failed to parse slabinfo. This version 1.1 of slabinfo is not supported",
            ),
            ("slabinfo - version: 2.1\nname 1\n", "Failed to parse slabinfo data: line 2 is not understood"),
            (
                "slabinfo - version: 2.1\n1 2 3 4 5 : tunables 0 : slabdata 1 1\n",
                "Failed to parse slabinfo data: line 2 is not understood",
            ),
            (
                "slabinfo - version: 2.1\nn 1 2 3 4 -5 : tunables 0 : slabdata 1 1\n",
                "Failed to parse slabinfo data: line 2 is not understood",
            ),
        ] {
            let told = failure(content);
            assert!(told.starts_with(&format!("SysteminfoErrorKind: Other: {message}")), "{told}");
        }
        assert!(SlabInfo::parse("slabinfo - version: 2.1\n").is_ok_and(|info| info.slabs.is_empty()));
        let most = u64::MAX;
        let huge = format!(
            "slabinfo - version: 2.1\nn {most} {most} {most} {most} 0 : tunables 0 : slabdata {most} {most}\n"
        );
        let info = SlabInfo::parse(&huge).unwrap();
        assert_eq!((info.slabs[0].use_percent(), info.slabs[0].page_kb), (1, 64));
        assert!(info.summary.text().starts_with("Active / Total Objects"));
    }

    #[test]
    fn larger_pages_are_seen() {
        let line = "kmalloc-8k 1 8 8192 32 4 : tunables 0 0 0 : slabdata 1 1 0\n";

        let info = SlabInfo::parse(&format!("slabinfo - version: 2.1\n{line}")).unwrap();

        assert_eq!(info.slabs[0].cache_size_kb(), 4 * 64);
    }
}
