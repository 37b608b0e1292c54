//! Walking a tree from an open directory, in the order of its listings, each directory before what is in it.
//!
//! A directory that may not be opened is passed over; one that may not be read is reported and not entered. Nothing is
//! held but one page of each directory on the way down, and there is no recursion, so a tree may be of any shape.

use std::collections::BTreeMap;
use std::vec::IntoIter;

use rex_ipc::file_system::{
    self as wire, DetailedEntry, Details, DetailsPage, Entry, EntryPage, EntryType, ListDetails, ListEntries,
    OpenDir, Opened, Stat,
};
use rex_ipc::handle::{AnyId, DirId};
use rhai::NativeCallContext;

use super::dir::DirHandle;
use super::entry::DirEntry;
use super::find::is_directory;
use super::link::SymlinkHandle;
use super::options::OpenFileOptions;
use super::passed_over::PassedOver;
use crate::error::Fallible;
use crate::session::{Failed, Session};
use crate::value;

/// How a tree is walked.
#[derive(Clone, Copy, Debug)]
pub struct WalkPlan {
    /// Greatest depth that is reported; direct children have depth 1.
    pub max_depth: u64,
    /// Describe every entry; a failure to do so ends the walk.
    pub describe: bool,
    /// Follow links, and report each object once.
    pub follow_links: bool,
}

/// An entry on the way.
pub struct Step<'a> {
    /// The entry.
    pub entry: &'a DirEntry,
    /// Its path.
    pub path: &'a str,
    /// How deep it is.
    pub depth: u64,
    /// Its description, where the plan asks for it.
    pub metadata: Option<&'a wire::Metadata>,
}

/// A walk that is under way.
pub struct Walk<'c> {
    context: &'c NativeCallContext<'c>,
    session: Session,
    line: u32,
    plan: WalkPlan,
    passed_over: &'c PassedOver,
    levels: Vec<Level>,
    seen: BTreeMap<(u64, u64), u64>,
}

struct Level {
    dir: DirHandle,
    page: IntoIter<Listed>,
    more: bool,
    /// Which listing of the directory this is.
    listing: u64,
    /// Entries of the pages so far.
    entries: usize,
}

/// Part of a listing.
struct Page {
    entries: Vec<Listed>,
    end: bool,
}

/// An entry of a listing, with what the listing says of it.
struct Listed {
    entry: Entry,
    details: Details,
}

impl From<EntryPage> for Page {
    fn from(page: EntryPage) -> Self {
        // Nothing was asked about the entries.
        let listed = |entry| Listed { entry, details: Details::Withheld };
        Self { entries: page.entries.into_vec().into_iter().map(listed).collect(), end: page.end }
    }
}

impl From<DetailsPage> for Page {
    fn from(page: DetailsPage) -> Self {
        let entries = page.entries.into_vec().into_iter();
        let entries = entries.map(|DetailedEntry { mut entry, details }| {
            // Some file systems do not say in the listing what an entry is.
            entry.entry_type = match (&details, entry.entry_type) {
                (Details::Directory, _) => EntryType::Dir,
                (Details::Described(metadata), EntryType::Unknown) => metadata.entry_type,
                (_, told) => told,
            };
            Listed { entry, details }
        });
        Self { entries: entries.collect(), end: page.end }
    }
}

impl Level {
    /// A directory of which the first page has just been read.
    fn new(dir: DirHandle, page: Page) -> Self {
        let listing = dir.begin_listing();
        let mut level = Self { dir, page: Vec::new().into_iter(), more: false, listing, entries: 0 };
        level.turn_to(page);
        level
    }

    fn turn_to(&mut self, page: Page) {
        // A page without entries ends the listing too; asking again would change nothing.
        self.more = !page.end && !page.entries.is_empty();
        self.entries = self.entries.saturating_add(page.entries.len());
        self.page = page.entries.into_iter();
    }
}

impl<'c> Walk<'c> {
    /// A walk from a directory that is open. One that may not be read has nothing in it.
    ///
    /// # Errors
    /// What ends the script.
    pub fn from_root(
        context: &'c NativeCallContext<'c>,
        root: &DirHandle,
        plan: WalkPlan,
        passed_over: &'c PassedOver,
    ) -> Fallible<Self> {
        let mut walk = Self::new(context, plan, passed_over);
        if plan.follow_links {
            // Tolerated: the root is then not known, and would be entered once more through a link to it.
            if let Ok(described) = root.stat(context) {
                walk.seen.insert((described.device, described.inode), 0);
            }
        }
        let page = walk.list(root.id(), true);
        if let Some(page) = passed_over.unless(root.path(), page)? {
            walk.levels.push(Level::new(root.clone(), page));
        }
        Ok(walk)
    }

    /// A walk from a directory of which the first page was read already.
    pub fn from_page(
        context: &'c NativeCallContext<'c>,
        root: &DirHandle,
        page: EntryPage,
        plan: WalkPlan,
        passed_over: &'c PassedOver,
    ) -> Self {
        let mut walk = Self::new(context, plan, passed_over);
        walk.levels.push(Level::new(root.clone(), page.into()));
        walk
    }

    fn new(context: &'c NativeCallContext<'c>, plan: WalkPlan, passed_over: &'c PassedOver) -> Self {
        Self {
            context,
            session: Session::of(context),
            line: value::line(context),
            plan,
            passed_over,
            levels: Vec::new(),
            seen: BTreeMap::new(),
        }
    }

    /// Gives each entry to `visit`, until that fails.
    ///
    /// # Errors
    /// Those of `visit`; a failure to describe an entry, where the plan asks for that; what ends the script.
    pub fn run(&mut self, visit: &mut dyn FnMut(Step<'_>) -> Fallible<()>) -> Fallible<()> {
        while !self.levels.is_empty() {
            let depth = self.levels.len() as u64;
            let Some(level) = self.levels.last_mut() else { break };
            match level.page.next() {
                Some(listed) => {
                    let entry = DirEntry::new(&level.dir, listed.entry);
                    self.step(entry, listed.details, depth, visit)?;
                }
                None if level.more => {
                    level.more = false;
                    let (dir, listing, entries) = (level.dir.clone(), level.listing, level.entries);
                    let page = if dir.listing() == listing {
                        self.list(dir.id(), false)
                    } else {
                        self.list_behind(&dir, entries)
                    };
                    let page = self.passed_over.unless(dir.path(), page)?;
                    if let (Some(page), Some(level)) = (page, self.levels.last_mut()) {
                        level.listing = dir.listing();
                        level.turn_to(page);
                    }
                }
                None => drop(self.levels.pop()),
            }
        }
        Ok(())
    }

    fn step(
        &mut self,
        entry: DirEntry,
        details: Details,
        depth: u64,
        visit: &mut dyn FnMut(Step<'_>) -> Fallible<()>,
    ) -> Fallible<()> {
        let Some((mut entry, mut metadata)) = self.resolved(entry, details, depth)? else { return Ok(()) };
        let mut below = None;
        if is_directory(&entry) {
            match self.enter(&mut entry, depth < self.plan.max_depth)? {
                Entered::No => return Ok(()),
                Entered::Open(described) => metadata = described.or(metadata),
                Entered::Listed(level, described) => {
                    below = Some(level);
                    metadata = described.or(metadata);
                }
            }
        }
        if self.plan.describe && metadata.is_none() {
            metadata = Some(entry.describe(self.context)?.0);
        }
        let path = entry.parent().path_of(entry.name());
        visit(Step { entry: &entry, path: &path, depth, metadata: metadata.as_ref() })?;
        self.levels.extend(below);
        Ok(())
    }

    /// Whether listings are to describe what is in them. With links followed, what matters is what they lead to.
    fn lists_details(&self) -> bool {
        self.plan.describe && !self.plan.follow_links
    }

    /// Reads the first or the next page of a directory.
    fn list(&self, dir: DirId, restart: bool) -> Result<Page, Failed> {
        if self.lists_details() {
            self.session.ask(self.line, ListDetails { dir, restart }).map(Page::from)
        } else {
            self.session.ask(self.line, ListEntries { dir, restart }).map(Page::from)
        }
    }

    /// Reads on behind so many entries when the script has listed the directory meanwhile, through the same handle.
    fn list_behind(&self, dir: &DirHandle, entries: usize) -> Result<Page, Failed> {
        dir.begin_listing();
        let mut behind = entries;
        let mut page = self.list(dir.id(), true)?;
        loop {
            if page.end || page.entries.is_empty() || page.entries.len() > behind {
                page.entries.drain(..behind.min(page.entries.len()));
                return Ok(page);
            }
            behind = behind.saturating_sub(page.entries.len());
            page = self.list(dir.id(), false)?;
        }
    }

    /// Opens a directory, and reads its first page when it is to be entered.
    fn enter(&mut self, entry: &mut DirEntry, descend: bool) -> Fallible<Entered> {
        if let Some(dir) = entry.opened_dir() {
            if !descend {
                return Ok(Entered::Open(None));
            }
            let page = self.passed_over.unless(dir.path(), self.list(dir.id(), true))?;
            return Ok(match page {
                Some(page) => Entered::Listed(Level::new(dir, page), None),
                None => Entered::Open(None),
            });
        }
        if !descend {
            // Rex opens it, and does not report what may not be opened. Nobody else needs that.
            let is_opened = self.plan.describe || self.session.is_rex_compat();
            return if is_opened { self.open_only(entry) } else { Ok(Entered::Open(None)) };
        }
        let request = entry.open_dir_request(&self.session)?;
        let id = request.id;
        match self.open_and_list(request) {
            Ok((opened, page, described)) => {
                let dir = self.opened(entry, id, &opened);
                Ok(Entered::Listed(Level::new(dir, page), described))
            }
            Err(failed) if failed.is_final() => Err(failed.into()),
            // The first request opens it, the second reads it, the third describes it.
            Err(failed) if failed.index > 1 => Err(failed.into()),
            Err(failed) => {
                let opens = failed.index > 0;
                self.passed_over.unless::<()>(&path_of(entry), Err(failed))?;
                match (opens, self.plan.describe) {
                    (false, _) => Ok(Entered::No),
                    (true, false) => Ok(Entered::Open(None)),
                    (true, true) => self.open_only(entry),
                }
            }
        }
    }

    /// Opens a directory that is reported and not entered.
    fn open_only(&self, entry: &mut DirEntry) -> Fallible<Entered> {
        let request = entry.open_dir_request(&self.session)?;
        let id = request.id;
        if !self.plan.describe {
            let opened = self.passed_over.unless(&path_of(entry), self.session.ask(self.line, request))?;
            let Some(opened) = opened else { return Ok(Entered::No) };
            self.opened(entry, id, &opened);
            return Ok(Entered::Open(None));
        }
        match self.session.perform(self.line, &(request, Stat { handle: AnyId::Dir(id) })) {
            Ok((opened, described)) => {
                self.opened(entry, id, &opened);
                Ok(Entered::Open(Some(described)))
            }
            Err(failed) if failed.index > 0 => Err(failed.into()),
            Err(failed) => {
                self.passed_over.unless::<()>(&path_of(entry), Err(failed))?;
                Ok(Entered::No)
            }
        }
    }

    fn open_and_list(&self, request: OpenDir) -> Result<(Opened, Page, Option<wire::Metadata>), Failed> {
        let dir = request.id;
        let stat = Stat { handle: AnyId::Dir(dir) };
        if self.lists_details() {
            let requests = (request, ListDetails { dir, restart: true }, stat);
            let (opened, page, described) = self.session.perform(self.line, &requests)?;
            Ok((opened, page.into(), Some(described)))
        } else {
            let requests = (request, ListEntries { dir, restart: true });
            let (opened, page) = self.session.perform(self.line, &requests)?;
            Ok((opened, page.into(), None))
        }
    }

    fn opened(&self, entry: &mut DirEntry, id: DirId, opened: &Opened) -> DirHandle {
        let dir = DirHandle::adopt_entry(&self.session, id, entry.parent(), entry.name(), opened);
        entry.remember_dir(&dir);
        dir
    }

    /// The entry as it is to be reported; nothing when it was reported already, or cannot be looked at.
    fn resolved(
        &mut self,
        mut entry: DirEntry,
        details: Details,
        depth: u64,
    ) -> Fallible<Option<(DirEntry, Option<wire::Metadata>)>> {
        if !self.plan.follow_links {
            let metadata = match details {
                Details::Described(metadata) => Some(metadata),
                Details::Directory | Details::Withheld | Details::Refused { .. } => None,
            };
            return Ok(Some((entry, metadata)));
        }
        let path = path_of(&entry);
        let metadata = if entry.entry_type() == EntryType::Symlink {
            // Asked for as a link before it is followed. The handle is closed again at once.
            let link = SymlinkHandle::open_and_stat(self.context, entry.parent(), entry.name());
            if self.passed_over.unless_raised(&path, link)?.is_none() {
                return Ok(None);
            }
            let Some((target, metadata)) = self.target(&entry)? else { return Ok(None) };
            entry = target;
            metadata
        } else {
            let described = self.passed_over.unless_raised(&path, entry.describe(self.context))?;
            let Some((metadata, _)) = described else { return Ok(None) };
            metadata
        };
        let identity = (metadata.device, metadata.inode);
        let again = match self.seen.get(&identity) {
            None => true,
            Some(&before) => is_directory(&entry) && depth < before,
        };
        if again {
            self.seen.insert(identity, depth);
        }
        Ok(again.then_some((entry, Some(metadata))))
    }

    /// What a link leads to: a file, else a directory, else nothing.
    fn target(&mut self, entry: &DirEntry) -> Fallible<Option<(DirEntry, wire::Metadata)>> {
        let path = path_of(entry);
        let mut as_file = entry.clone().seen_through_link(EntryType::File);
        match as_file.open_as_file(self.context, &OpenFileOptions::for_reading()) {
            Ok(file) => {
                let metadata = self.passed_over.unless_raised(&path, file.stat(self.context))?;
                return Ok(
                    metadata.map(|metadata| (entry.clone().seen_through_link(EntryType::File), metadata))
                );
            }
            // Not counted: it may be a directory.
            Err(error) if error.is_catchable() => {}
            Err(error) => return Err(error),
        }
        let mut as_dir = entry.clone().seen_through_link(EntryType::Dir);
        let described = self.passed_over.unless_raised(&path, as_dir.describe(self.context))?;
        Ok(described.map(|(metadata, _)| (as_dir, metadata)))
    }
}

fn path_of(entry: &DirEntry) -> String {
    entry.parent().path_of(entry.name())
}

/// What became of the attempt to go into a directory.
enum Entered {
    /// It may not be opened, so it is not reported.
    No,
    /// It is reported, and not entered.
    Open(Option<wire::Metadata>),
    /// It is reported, and then entered.
    Listed(Level, Option<wire::Metadata>),
}
