//! How much space files and directories take, each directory with everything below it.

use std::collections::BTreeSet;
use std::vec::IntoIter;

use rex_ipc::file_system::{
    self as wire, DetailedEntry, Details, DetailsPage, EntryType, ListDetails, Opened, Stat,
};
use rex_ipc::handle::{AnyId, DirId};
use rhai::{Array, Dynamic, INT, ImmutableString, Map, NativeCallContext};

use super::change_options::DiskUsageOptions;
use super::dir::DirHandle;
use super::entry::DirEntry;
use super::file::FileHandle;
use super::metadata::type_name;
use super::passed_over::PassedOver;
use crate::error::{Fallible, TooLarge, too_large};
use crate::session::Session;
use crate::text::{array_limit, string_limit};
use crate::value;

/// The space that one entry takes.
#[derive(Clone, Debug)]
pub struct DiskUsageEntry {
    /// Its path.
    pub path: ImmutableString,
    /// What it is.
    pub entry_type: EntryType,
    /// Bytes.
    pub size_bytes: INT,
    /// Files and directories that were counted.
    pub inode_count: INT,
}

/// The space that a directory and what is below it take.
#[derive(Clone)]
pub struct DiskUsageResult {
    /// What was to be listed, each directory behind what is in it.
    pub entries: Array,
    /// The largest listed directory below, if that was wanted.
    pub largest_subdir: Option<DirHandle>,
    /// The directory itself with everything below it.
    pub total: DiskUsageEntry,
    /// How many entries could not be looked at.
    pub denied_count: INT,
}

impl DiskUsageEntry {
    /// The fields as a map; that of Rex has no type.
    pub fn to_map(&self, session: &Session) -> Map {
        let entry_type =
            (!session.is_rex_compat()).then(|| ("type", Dynamic::from(type_name(self.entry_type))));
        [
            ("path", Dynamic::from(self.path.clone())),
            ("size_bytes", Dynamic::from_int(self.size_bytes)),
            ("inode_count", Dynamic::from_int(self.inode_count)),
        ]
        .into_iter()
        .chain(entry_type)
        .map(|(key, value)| (key.into(), value))
        .collect()
    }

    fn new(path: &str, entry_type: EntryType, sum: Sum) -> Self {
        let (size_bytes, inode_count) = (value::integer(sum.bytes), value::integer(sum.inodes));
        Self { path: path.into(), entry_type, size_bytes, inode_count }
    }
}

impl FileHandle {
    /// The space that it takes.
    ///
    /// # Errors
    /// The broker's failures.
    pub fn disk_usage(
        &self,
        context: &NativeCallContext,
        options: &DiskUsageOptions,
    ) -> Fallible<DiskUsageEntry> {
        let described = self.stat(context)?;
        Ok(DiskUsageEntry::new(self.path(), described.entry_type, Sum::of(&described, options)))
    }
}

impl DirHandle {
    /// The space that it and everything below it take. What may not be looked at is passed over, and counted.
    ///
    /// # Errors
    /// The broker's failure to describe the directory itself; the limits on values.
    pub fn disk_usage(
        &self,
        context: &NativeCallContext,
        options: &DiskUsageOptions,
    ) -> Fallible<DiskUsageResult> {
        let session = Session::of(context);
        let line = value::line(context);
        let stat = Stat { handle: AnyId::Dir(self.id()) };
        let list = ListDetails { dir: self.id(), restart: true };
        let mut count = Count::new(context, options);
        match session.perform(line, &(stat, list)) {
            Ok((own, page)) => count.enter(self.clone(), Some(own), Some(page)),
            Err(failed) if failed.index == 0 => return Err(failed.into()),
            Err(failed) => {
                count.passed_over.unless::<()>(self.path(), Err(failed))?;
                count.enter(self.clone(), Some(self.stat(context)?), None);
            }
        }
        count.run()
    }
}

/// Bytes and inodes.
#[derive(Clone, Copy, Default)]
struct Sum {
    bytes: u64,
    inodes: u64,
}

impl Sum {
    /// What one object takes by itself.
    fn of(metadata: &wire::Metadata, options: &DiskUsageOptions) -> Self {
        // stat(2): st_blocks counts units of 512 bytes.
        let allocated = metadata.blocks.saturating_mul(512);
        Self { bytes: if options.apparent_size { metadata.size_bytes } else { allocated }, inodes: 1 }
    }

    fn add(&mut self, other: Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.inodes = self.inodes.saturating_add(other.inodes);
    }
}

/// A count that is under way.
pub struct Count<'c> {
    context: &'c NativeCallContext<'c>,
    session: Session,
    line: u32,
    options: &'c DiskUsageOptions,
    /// What could not be looked at.
    pub passed_over: PassedOver,
    levels: Vec<Level>,
    seen: BTreeSet<(u64, u64)>,
    device: Option<u64>,
    listed: Array,
    listed_bytes: usize,
    largest: Option<(u64, DirHandle)>,
    total: Option<DiskUsageEntry>,
}

/// A directory on the way down.
struct Level {
    dir: DirHandle,
    /// Nothing when it could not be described: it does not count then, and neither does what is in it.
    own: Option<wire::Metadata>,
    page: IntoIter<DetailedEntry>,
    more: bool,
    below: Sum,
}

impl<'c> Count<'c> {
    /// A count that has counted nothing.
    pub fn new(context: &'c NativeCallContext<'c>, options: &'c DiskUsageOptions) -> Self {
        Self {
            context,
            session: Session::of(context),
            line: value::line(context),
            options,
            passed_over: PassedOver::new(context, None),
            levels: Vec::new(),
            seen: BTreeSet::new(),
            device: None,
            listed: Array::new(),
            listed_bytes: 0,
            largest: None,
            total: None,
        }
    }

    /// Goes into a directory, of which the first page was read unless it may not be.
    pub fn enter(&mut self, dir: DirHandle, own: Option<wire::Metadata>, page: Option<DetailsPage>) {
        if let Some(own) = &own {
            self.device.get_or_insert(own.device);
            // A second name of a directory is a mount of it; what is in it was counted under the first.
            if !self.seen.insert((own.device, own.inode)) {
                return;
            }
        }
        let mut level = Level { dir, own, page: Vec::new().into_iter(), more: false, below: Sum::default() };
        if let Some(page) = page {
            level.dir.begin_listing();
            level.turn_to(page);
        }
        self.levels.push(level);
    }

    /// Counts until there is nothing left.
    ///
    /// # Errors
    /// The limits on values; what ends the script.
    pub fn run(mut self) -> Fallible<DiskUsageResult> {
        while let Some(level) = self.levels.last_mut() {
            match level.page.next() {
                Some(entry) => {
                    let dir = level.dir.clone();
                    self.count(&dir, entry)?;
                }
                None if level.more => {
                    level.more = false;
                    let request = ListDetails { dir: level.dir.id(), restart: false };
                    let page = self.session.ask(self.line, request);
                    if let Some(page) = self.passed_over.unless(level.dir.path(), page)? {
                        level.turn_to(page);
                    }
                }
                None => self.leave()?,
            }
        }
        Ok(DiskUsageResult {
            entries: self.listed,
            largest_subdir: self.largest.map(|(_, dir)| dir),
            total: self.total.unwrap_or(DiskUsageEntry::new("", EntryType::Dir, Sum::default())),
            denied_count: value::integer(self.passed_over.entries()),
        })
    }

    fn count(&mut self, dir: &DirHandle, listed: DetailedEntry) -> Fallible<()> {
        let path = dir.path_of(listed.entry.name.as_str());
        let metadata = match listed.details {
            Details::Described(metadata) => metadata,
            Details::Directory => return self.go_into(DirEntry::new(dir, listed.entry), &path),
            Details::Withheld => return self.passed_over.count(&path, "it may not be looked at"),
            Details::Refused { errno } => return self.passed_over.refused(&path, errno),
        };
        if self.is_elsewhere(&metadata) || self.was_counted(&metadata) {
            return Ok(());
        }
        let sum = Sum::of(&metadata, self.options);
        if metadata.entry_type == EntryType::File
            && let Some(level) = self.levels.last_mut()
        {
            level.below.add(sum);
        }
        if self.options.all_files {
            self.list(self.levels.len(), &path, metadata.entry_type, sum).map(drop)
        } else {
            Ok(())
        }
    }

    /// Goes into a directory if that is possible, in one round trip if everything about it is permitted.
    fn go_into(&mut self, mut entry: DirEntry, path: &str) -> Fallible<()> {
        let request = entry.open_dir_request(&self.session)?;
        let id = request.id;
        let stat = Stat { handle: AnyId::Dir(id) };
        if self.options.one_file_system {
            // Nothing is asked about what is in it before it is known where it is.
            return match self.session.perform(self.line, &(request, stat)) {
                Ok((opened, own)) if self.is_elsewhere(&own) => {
                    drop(self.opened(&entry, id, &opened));
                    Ok(())
                }
                Ok((opened, own)) => {
                    let dir = self.opened(&entry, id, &opened);
                    self.read_and_enter(dir, Some(own))
                }
                Err(failed) => self.passed_over.unless::<()>(path, Err(failed)).map(drop),
            };
        }
        let list = ListDetails { dir: id, restart: true };
        match self.session.perform(self.line, &(request, list, stat)) {
            Ok((opened, page, own)) => {
                let dir = self.opened(&entry, id, &opened);
                self.enter(dir, Some(own), Some(page));
                Ok(())
            }
            Err(failed) if failed.index > 0 && !failed.is_final() => {
                let dir = entry.open_as_dir(self.context);
                let Some(dir) = self.passed_over.unless_raised(path, dir)? else { return Ok(()) };
                let own = self.session.ask(self.line, Stat { handle: AnyId::Dir(dir.id()) });
                let own = self.passed_over.unless(path, own)?;
                self.read_and_enter(dir, own)
            }
            Err(failed) => self.passed_over.unless::<()>(path, Err(failed)).map(drop),
        }
    }

    fn read_and_enter(&mut self, dir: DirHandle, own: Option<wire::Metadata>) -> Fallible<()> {
        let page = self.session.ask(self.line, ListDetails { dir: dir.id(), restart: true });
        let page = self.passed_over.unless(dir.path(), page)?;
        self.enter(dir, own, page);
        Ok(())
    }

    fn opened(&self, entry: &DirEntry, id: DirId, opened: &Opened) -> DirHandle {
        DirHandle::adopt_entry(&self.session, id, entry.parent(), entry.name(), opened)
    }

    /// Adds up a directory that has nothing left to count.
    fn leave(&mut self) -> Fallible<()> {
        let Some(Level { dir, own: Some(own), mut below, .. }) = self.levels.pop() else { return Ok(()) };
        below.add(Sum::of(&own, self.options));
        if let Some(parent) = self.levels.last_mut() {
            parent.below.add(below);
        } else {
            self.total = Some(DiskUsageEntry::new(dir.path(), EntryType::Dir, below));
        }
        let depth = self.levels.len();
        if self.list(depth, dir.path(), EntryType::Dir, below)?
            && depth > 0
            && self.options.track_largest_subdir
            && self.largest.as_ref().is_none_or(|(bytes, _)| below.bytes > *bytes)
        {
            self.largest = Some((below.bytes, dir));
        }
        Ok(())
    }

    /// Lists an entry if it is within what was asked for; says whether it is.
    fn list(&mut self, depth: usize, path: &str, entry_type: EntryType, sum: Sum) -> Fallible<bool> {
        let left_out = self.options.summarize && depth > 0;
        if left_out || value::integer(depth) > self.options.max_depth {
            return Ok(false);
        }
        self.listed_bytes = self.listed_bytes.saturating_add(path.len());
        if self.listed.len() >= array_limit(&self.session) {
            return Err(too_large(TooLarge::Array));
        }
        if self.listed_bytes > string_limit(&self.session) {
            return Err(too_large(TooLarge::Text));
        }
        self.listed.push(Dynamic::from(DiskUsageEntry::new(path, entry_type, sum)));
        Ok(true)
    }

    fn is_elsewhere(&self, metadata: &wire::Metadata) -> bool {
        self.options.one_file_system && self.device.is_some_and(|device| device != metadata.device)
    }

    /// Whether it was counted under another of its names. What has only one is not remembered, so a tree may have any
    /// number of files.
    fn was_counted(&mut self, metadata: &wire::Metadata) -> bool {
        !self.options.count_hard_links
            && metadata.links > 1
            && !self.seen.insert((metadata.device, metadata.inode))
    }
}

impl Level {
    fn turn_to(&mut self, page: DetailsPage) {
        let entries = page.entries.into_vec();
        // A page without entries ends the listing too; asking again would change nothing.
        self.more = !page.end && !entries.is_empty();
        self.page = entries.into_iter();
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    fn bench() -> Bench {
        Bench::new()
            .file("/t/a.f", "12345")
            .file("/t/s/b.f", "123")
            .file("/t/s/u/c.f", "1")
            .fifo("/t/p")
            .link("/t/l", "a.f")
    }

    fn used(bench: &Bench, options: &str) -> String {
        bench.output(&format!(
            r#"let d = DirConfig().path("/t").build().open(OpenDirOptions().build());
               d.disk_usage(DiskUsageOptions(){options}.build()).entries.map(|e| `${{e.path}} ${{e.size_bytes}} ${{e.inode_count}}`)"#
        ))
    }

    #[test]
    fn directories_are_listed_behind_what_is_in_them_with_all_of_it() {
        assert_eq!(used(&bench(), ""), r#"["/t/s/u 8192 2", "/t/s 16384 4", "/t 24576 6"]"#);
        assert_eq!(
            used(&bench(), ".apparent_size(true)"),
            r#"["/t/s/u 4097 2", "/t/s 8196 4", "/t 12297 6"]"#
        );
    }

    #[test]
    fn each_directory_is_one_round_trip() {
        let bench = bench();

        used(&bench, "");

        assert_eq!(
            bench.asked()[1..],
            [
                vec!["stat", "list_details"],
                vec!["open_dir", "list_details", "stat"],
                vec!["open_dir", "list_details", "stat"]
            ]
        );
    }

    #[test]
    fn all_files_lists_what_is_no_directory_too() {
        assert_eq!(
            used(&bench(), ".all_files(true).apparent_size(true)"),
            r#"["/t/a.f 5 1", "/t/l 3 1", "/t/p 0 1", "/t/s/b.f 3 1", "/t/s/u/c.f 1 1", "/t/s/u 4097 2", "/t/s 8196 4", "/t 12297 6"]"#
        );
    }

    #[test]
    fn a_depth_limits_what_is_listed_and_not_what_is_counted() {
        assert_eq!(used(&bench(), ".max_depth(1)"), r#"["/t/s 16384 4", "/t 24576 6"]"#);
        assert_eq!(used(&bench(), ".summarize(true)"), r#"["/t 24576 6"]"#);
        assert_eq!(used(&bench(), ".max_depth(-1)"), "[]");
        assert_eq!(
            bench().output(
                r#"DirConfig().path("/").build().open(OpenDirOptions().build())
                       .disk_usage(DiskUsageOptions().max_depth(1).build()).entries.map(|e| e.path)"#
            ),
            r#"["/t", "/"]"#
        );
    }

    #[test]
    fn a_file_counts_once_whatever_it_is_called() {
        let named_twice = |bench: Bench| {
            ["/t/a.f", "/t/s/b.f"].into_iter().fold(bench, |bench, path| {
                bench.with(path, |traits| (traits.inode, traits.links) = (Some(5), Some(2)))
            })
        };

        assert_eq!(used(&named_twice(bench()), ".max_depth(0)"), r#"["/t 20480 5"]"#);
        assert_eq!(used(&named_twice(bench()), ".max_depth(0).count_hard_links(true)"), r#"["/t 24576 6"]"#);
    }

    #[test]
    fn a_directory_that_is_mounted_twice_counts_once() {
        let bench = bench()
            .with("/t/s", |traits| traits.inode = Some(77))
            .file("/t/z/again", "x")
            .with("/t/z", |traits| traits.inode = Some(77));

        assert_eq!(used(&bench, ".max_depth(0)"), r#"["/t 24576 6"]"#);
    }

    #[test]
    fn other_file_systems_are_not_entered_when_that_is_wanted() {
        let bench = bench()
            .with("/t/s", |traits| traits.device = Some(9))
            .with("/t/s/b.f", |traits| traits.device = Some(9))
            .with("/t/p", |traits| traits.device = Some(9));

        assert_eq!(
            used(&bench, ".one_file_system(true).all_files(true)"),
            r#"["/t/a.f 4096 1", "/t/l 4096 1", "/t 8192 2"]"#
        );
        assert!(bench.asked().iter().flatten().filter(|name| **name == "list_details").count() == 1);
    }

    #[test]
    fn the_largest_listed_directory_below_stays_open() {
        let script = |options: &str| {
            format!(
                r#"let d = DirConfig().path("/t").build().open(OpenDirOptions().build());
                   let h = d.disk_usage(DiskUsageOptions(){options}.build()).largest_subdir_handle;
                   if h == () {{ "none" }} else {{ h.list_entries().keys() }}"#
            )
        };

        assert_eq!(bench().output(&script(".track_largest_subdir(true)")), r#"["b.f", "u"]"#);
        assert_eq!(bench().output(&script("")), "none");
        assert_eq!(bench().output(&script(".track_largest_subdir(true).summarize(true)")), "none");
    }

    #[test]
    fn what_may_not_be_looked_at_is_counted_and_left_out() {
        let denied = |action, path| {
            bench().denying(action, path).output(
                r#"let d = DirConfig().path("/t").build().open(OpenDirOptions().build());
                   let r = d.disk_usage(DiskUsageOptions().apparent_size(true).build());
                   [r.entries.map(|e| `${e.path} ${e.size_bytes}`), r.denied_count, passed_over()]"#,
            )
        };

        assert_eq!(denied("open", "/t/s"), r#"[["/t 4101"], 1, 1]"#);
        assert_eq!(denied("read", "/t/s"), r#"[["/t/s 4096", "/t 8197"], 1, 1]"#);
        assert_eq!(denied("stat", "/t/s"), r#"[["/t/s/u 4097", "/t 4101"], 1, 1]"#);
        assert_eq!(denied("stat", "/t/s/b.f"), r#"[["/t/s/u 4097", "/t/s 8193", "/t 12294"], 1, 1]"#);
        assert_eq!(denied("read", "/t"), r#"[["/t 4096"], 1, 1]"#);
        assert!(
            bench()
                .denying("stat", "/t")
                .failure(
                    r#"DirConfig().path("/t").build().open(OpenDirOptions().build()).disk_usage(DiskUsageOptions().build())"#
                )
                .contains("PermissionDenied")
        );
    }

    #[test]
    fn a_long_listing_is_counted_page_by_page() {
        let mut bench = Bench::new();
        for number in 0..250 {
            bench = bench.file(&format!("/t/f{number}"), "1");
        }

        assert_eq!(used(&bench, ""), r#"["/t 1028096 251"]"#);
    }

    #[test]
    fn a_file_is_described() {
        assert_eq!(
            bench().output(
                r#"let d = DirConfig().path("/t").build().open(OpenDirOptions().build());
                   let e = d.open_file("a.f", OpenFileOptions().read(true).build()).disk_usage(DiskUsageOptions().apparent_size(true).build());
                   [e.path, e.size_bytes, e.inode_count, e.to_map(), type_of(e)]"#
            ),
            r##"["/t/a.f", 5, 1, #{"inode_count": 1, "path": "/t/a.f", "size_bytes": 5, "type": "File"}, "rust_safe_io::dir::unix::disk_usage::DiskUsageEntry"]"##
        );
    }

    #[test]
    fn a_list_beyond_the_limit_ends_the_script() {
        let mut bench = bench();
        bench.limits.array_elements = 2;

        let ended = bench.run(
            r#"DirConfig().path("/t").build().open(OpenDirOptions().build()).disk_usage(DiskUsageOptions().build())"#,
        );

        assert!(ended.text.starts_with("Size of array/BLOB too large"), "{}", ended.text);
    }
}
