//! Walking a tree from an open directory, in the order of its listings, each directory before what is in it.
//!
//! A directory that may not be opened is passed over; one that may not be read is reported and not entered. Nothing is
//! held but one page of each directory on the way down, and there is no recursion, so a tree may be of any shape.

use std::collections::BTreeMap;
use std::vec::IntoIter;

use rex_ipc::file_system::{Entry, EntryPage, EntryType, ListEntries};
use rhai::NativeCallContext;

use super::dir::DirHandle;
use super::entry::DirEntry;
use super::find::is_directory;
use super::metadata::Metadata;
use super::options::OpenFileOptions;
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
    pub metadata: Option<&'a Metadata>,
}

/// A walk that is under way.
pub struct Walk<'c> {
    context: &'c NativeCallContext<'c>,
    session: Session,
    line: u32,
    plan: WalkPlan,
    levels: Vec<Level>,
    seen: BTreeMap<(u64, u64), u64>,
}

struct Level {
    dir: DirHandle,
    page: IntoIter<Entry>,
    more: bool,
}

impl Level {
    fn new(dir: DirHandle, page: EntryPage) -> Self {
        let entries = page.entries.into_vec();
        let more = !page.end && !entries.is_empty();
        Self { dir, page: entries.into_iter(), more }
    }
}

impl<'c> Walk<'c> {
    /// A walk from a directory that is open. One that may not be read has nothing in it.
    ///
    /// # Errors
    /// What ends the script.
    pub fn from_root(context: &'c NativeCallContext<'c>, root: &DirHandle, plan: WalkPlan) -> Fallible<Self> {
        let mut walk = Self::new(context, plan);
        if plan.follow_links {
            // Tolerated: the root is then not known, and would be entered once more through a link to it.
            if let Ok(metadata) = root.metadata(context) {
                walk.seen.insert(metadata.identity(), 0);
            }
        }
        let request = ListEntries { dir: root.id(), restart: true };
        if let Some(page) = tolerated(walk.session.ask(walk.line, request))? {
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
    ) -> Self {
        let mut walk = Self::new(context, plan);
        walk.levels.push(Level::new(root.clone(), page));
        walk
    }

    fn new(context: &'c NativeCallContext<'c>, plan: WalkPlan) -> Self {
        Self {
            context,
            session: Session::of(context),
            line: value::line(context),
            plan,
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
                Some(entry) => {
                    let entry = DirEntry::new(&level.dir, entry);
                    self.step(entry, depth, visit)?;
                }
                None if level.more => {
                    let request = ListEntries { dir: level.dir.id(), restart: false };
                    match tolerated(self.session.ask(self.line, request))? {
                        Some(page) => *level = Level::new(level.dir.clone(), page),
                        None => level.more = false,
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
        depth: u64,
        visit: &mut dyn FnMut(Step<'_>) -> Fallible<()>,
    ) -> Fallible<()> {
        let Some(mut entry) = self.resolved(entry, depth)? else { return Ok(()) };
        let descend = is_directory(&entry) && depth < self.plan.max_depth;
        let mut below = None;
        if is_directory(&entry) {
            match self.enter(&mut entry, descend)? {
                Entered::No => return Ok(()),
                Entered::Open => {}
                Entered::Listed(level) => below = Some(level),
            }
        }
        let metadata = match self.plan.describe {
            true => Some(entry.metadata(self.context)?),
            false => None,
        };
        let path = entry.parent().path_of(entry.name());
        visit(Step { entry: &entry, path: &path, depth, metadata: metadata.as_ref() })?;
        self.levels.extend(below);
        Ok(())
    }

    /// Opens a directory, and reads its first page when it is to be entered.
    fn enter(&mut self, entry: &mut DirEntry, descend: bool) -> Fallible<Entered> {
        if let Some(dir) = entry.opened_dir() {
            let list = ListEntries { dir: dir.id(), restart: true };
            let page = if descend { tolerated(self.session.ask(self.line, list))? } else { None };
            return Ok(page.map_or(Entered::Open, |page| Entered::Listed(Level::new(dir, page))));
        }
        let request = entry.open_dir_request(&self.session)?;
        let id = request.id;
        if !descend {
            let Some(opened) = tolerated(self.session.ask(self.line, request))? else {
                return Ok(Entered::No);
            };
            let dir = DirHandle::adopt_entry(&self.session, id, entry.parent(), entry.name(), &opened);
            entry.remember_dir(&dir);
            return Ok(Entered::Open);
        }
        let list = ListEntries { dir: id, restart: true };
        match self.session.perform(self.line, &(request, list)) {
            Ok((opened, page)) => {
                let dir = DirHandle::adopt_entry(&self.session, id, entry.parent(), entry.name(), &opened);
                entry.remember_dir(&dir);
                Ok(Entered::Listed(Level::new(dir, page)))
            }
            Err(failed) if failed.is_final() => Err(failed.into()),
            // The first request opens it, the second reads it.
            Err(failed) => Ok(if failed.index == 0 { Entered::No } else { Entered::Open }),
        }
    }

    /// The entry as it is to be reported; nothing when it was reported already, or cannot be looked at.
    fn resolved(&mut self, mut entry: DirEntry, depth: u64) -> Fallible<Option<DirEntry>> {
        if !self.plan.follow_links {
            return Ok(Some(entry));
        }
        let metadata = if entry.entry_type() == EntryType::Symlink {
            if passed_over(entry.describe_by_name(self.context))?.is_none() {
                return Ok(None);
            }
            let Some((target, metadata)) = self.target(&entry)? else { return Ok(None) };
            entry = target;
            metadata
        } else {
            let Some(metadata) = passed_over(entry.metadata(self.context))? else { return Ok(None) };
            metadata
        };
        let identity = metadata.identity();
        let again = match self.seen.get(&identity) {
            None => true,
            Some(&before) => is_directory(&entry) && depth < before,
        };
        if again {
            self.seen.insert(identity, depth);
        }
        Ok(again.then_some(entry))
    }

    /// What a link leads to: a file, else a directory, else nothing.
    fn target(&mut self, entry: &DirEntry) -> Fallible<Option<(DirEntry, Metadata)>> {
        let mut as_file = entry.clone().seen_through_link(EntryType::File);
        match as_file.open_as_file(self.context, &OpenFileOptions::for_reading()) {
            Ok(file) => {
                let metadata = passed_over(file.metadata(self.context))?;
                return Ok(
                    metadata.map(|metadata| (entry.clone().seen_through_link(EntryType::File), metadata))
                );
            }
            Err(error) => drop(passed_over::<()>(Err(error))?),
        }
        let mut as_dir = entry.clone().seen_through_link(EntryType::Dir);
        let metadata = passed_over(as_dir.metadata(self.context))?;
        Ok(metadata.map(|metadata| (entry.clone().seen_through_link(EntryType::Dir), metadata)))
    }
}

/// What became of the attempt to go into a directory.
enum Entered {
    /// It may not be opened, so it is not reported.
    No,
    /// It is reported, and not entered.
    Open,
    /// It is reported, and then entered.
    Listed(Level),
}

/// Failures on the way are passed over, but for those that end the script.
fn tolerated<T>(outcome: Result<T, Failed>) -> Fallible<Option<T>> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(failed) if failed.is_final() => Err(failed.into()),
        Err(_) => Ok(None),
    }
}

/// The same for errors that were raised already.
fn passed_over<T>(outcome: Fallible<T>) -> Fallible<Option<T>> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if !error.is_catchable() => Err(error),
        Err(_) => Ok(None),
    }
}
