//! How everything in a directory is removed: asked for first, entry by entry, and removed when nothing was denied.
//!
//! The tree is walked twice. The first walk asks and notes what it saw; the second removes, bottom up, what the first
//! has seen, and asks again for the record. What has come to the tree between them was not part of what was asked, so
//! it stays, and so do the directories it is in.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::stat::SFlag;
use rex_ipc::action::file_system::Delete;
use rex_ipc::failure::ErrorKind;
use rex_ipc::interface::Needs;

use crate::gate::error::{Error, is};
use crate::gate::limits::within;
use crate::gate::{Allows, Inode, Permit};
use crate::host::file_system::object::{DirAt, Directory, FileAt};
use crate::host::file_system::places::Walkable;
use crate::host::file_system::remove;
use crate::host::file_system::tree::{Item, Step, Tree};
use crate::ops::call::Call;
use crate::policy::name::PathName;

/// Removes everything in the directory of the permit.
///
/// # Errors
/// The first denial, a limit, or something that is mounted in the tree: each with the tree as it was. Later failures of
/// the system leave what is not removed yet.
pub(in crate::ops::file_system) fn empty<O: Needs<Delete>>(
    call: &mut Call<'_, O>,
    permit: &Permit<'_, Delete, Rc<Directory>>,
) -> Result<(), Error> {
    let plan = plan(call, permit)?;
    remove(call, permit, &plan)
}

/// Removes what is planned in the directory of the permit.
pub(in crate::ops::file_system) fn remove<O: Needs<Delete>, R: Walkable>(
    call: &mut Call<'_, O>,
    permit: &Permit<'_, Delete, R>,
    plan: &Plan,
) -> Result<(), Error> {
    let name = &permit.resource().directory().name;
    let failed = |error: io::Error| refused(&error, name);
    let mut tree = Tree::new(permit).map_err(failed)?;
    let mut pace = Pace::default();
    let mut again = 0;
    while let Some(step) = tree.advance().map_err(failed)? {
        pace.keep(call)?;
        match step {
            Step::Entry(item) if !plan.contains(&item) => {}
            Step::Entry(item) if item.kind() == SFlag::S_IFDIR => tree.descend(),
            Step::Entry(item) => {
                let delete = call.authorize::<Delete, _>(file_at(&item))?;
                gone_is_fine(remove::file(&delete, item.inode())).map_err(failed)?;
            }
            Step::Enter(_) => {}
            Step::Leave(left) => {
                let item = left.item();
                let delete = call.authorize::<Delete, _>(dir_at(item))?;
                match gone_is_fine(remove::directory(&delete, item.inode())) {
                    Ok(()) => {
                        again = 0;
                        call.moved().directory_is_gone(&item.path());
                    }
                    // readdir(3): whether an entry is still listed while others are being removed is not specified.
                    Err(error) if is_not_empty(&error) && again < MAX_LOOKS => {
                        again += 1;
                        tree.again().map_err(failed)?;
                    }
                    Err(error) => return Err(failed(error)),
                }
            }
        }
    }
    Ok(())
}

/// Asks for everything in the directory of the permit, and notes what that is.
fn plan<O: Needs<Delete>>(
    call: &mut Call<'_, O>,
    permit: &Permit<'_, Delete, Rc<Directory>>,
) -> Result<Plan, Error> {
    let name = &permit.resource().name;
    let failed = |error: io::Error| refused(&error, name);
    let mut tree = Tree::new(permit).map_err(failed)?;
    let mut plan = Plan::default();
    let mut pace = Pace::default();
    while let Some(step) = tree.advance().map_err(failed)? {
        pace.keep(call)?;
        let Step::Entry(item) = step else { continue };
        plan.note(call, &item, tree.depth())?;
        may_go(call, &item)?;
        if item.kind() == SFlag::S_IFDIR {
            tree.descend();
        }
    }
    Ok(plan.complete())
}

/// Whether an entry may be removed; recorded only when not, because it is asked again when it is removed.
pub(in crate::ops::file_system) fn may_go<O: Needs<Delete>>(
    call: &mut Call<'_, O>,
    item: &Item,
) -> Result<(), Error> {
    match item.kind() {
        SFlag::S_IFDIR => name_may_go(call, dir_at(item), item.inode())?,
        _ => name_may_go(call, file_at(item), item.inode())?,
    }
    if item.is_mounted() {
        return Err(refused(&Errno::EBUSY.into(), &item.path()));
    }
    Ok(())
}

fn name_may_go<O: Needs<Delete>, R: Allows<Delete>>(
    call: &mut Call<'_, O>,
    name: R,
    inode: Inode,
) -> Result<(), Error> {
    if !call.would_permit::<Delete, _>(&name) {
        call.authorize::<Delete, _>(name)?;
    } else if let Some(reason) = call.forbidden().displacing_reason(inode) {
        return Err(call.refuse::<Delete, _>(&name, reason));
    }
    Ok(())
}

/// What the first walk has seen.
///
/// A number for each entry, so that a million of them take eight megabytes whatever they are called. The numbers depend
/// on a key that nobody knows; should two entries have the same, the second would be asked for before it is removed,
/// as everything is.
#[derive(Default)]
pub(in crate::ops::file_system) struct Plan {
    key: RandomState,
    seen: Vec<u64>,
    /// Whether a file is another one when its content has changed.
    by_content: bool,
}

impl Plan {
    /// A plan in which a file whose content has changed is not any more what was seen.
    pub(in crate::ops::file_system) fn by_content() -> Self {
        Self { by_content: true, ..Self::default() }
    }

    /// Notes an entry.
    ///
    /// # Errors
    /// `Limit` when there are too many of them, or too many directories below each other.
    pub(in crate::ops::file_system) fn note<O>(
        &mut self,
        call: &Call<'_, O>,
        item: &Item,
        depth: usize,
    ) -> Result<(), Error> {
        let number = self.number(item);
        self.seen.push(number);
        within("max-entries", self.seen.len() as u64, call.metered.limits().max_entries)?;
        Ok(within("max-depth", depth as u64, call.metered.limits().max_depth)?)
    }

    /// The plan with everything noted.
    pub(in crate::ops::file_system) fn complete(mut self) -> Self {
        self.seen.sort_unstable();
        self
    }

    /// Whether an entry was seen.
    pub(in crate::ops::file_system) fn contains(&self, item: &Item) -> bool {
        self.seen.binary_search(&self.number(item)).is_ok()
    }

    fn number(&self, item: &Item) -> u64 {
        let version =
            if self.by_content && item.kind() == SFlag::S_IFREG { Some(item.version()) } else { None };
        let name = item.entry().as_bytes();
        self.key.hash_one((item.parent().inode, name, item.inode(), item.kind().bits(), version))
    }
}

/// Looks at signals and the deadline every few entries.
#[derive(Default)]
pub(in crate::ops::file_system) struct Pace(u32);

impl Pace {
    pub(in crate::ops::file_system) fn keep<O>(&mut self, call: &mut Call<'_, O>) -> Result<(), Error> {
        self.0 = self.0.wrapping_add(1);
        if self.0.is_multiple_of(ENTRIES_BETWEEN_LOOKS) { call.pace.go_on() } else { call.pace.heed() }
    }
}

pub(in crate::ops::file_system) fn file_at(item: &Item) -> FileAt {
    FileAt::new(Rc::clone(item.parent()), item.entry().clone())
}

pub(in crate::ops::file_system) fn dir_at(item: &Item) -> DirAt {
    DirAt::new(Rc::clone(item.parent()), item.entry().clone())
}

/// Why a directory could not be removed.
pub(in crate::ops::file_system) fn refused(error: &io::Error, directory: &PathName) -> Error {
    if is(error, Errno::ENOENT) {
        return not_found(directory);
    }
    let (kind, message) = if is_not_empty(error) {
        (ErrorKind::DirectoryNotEmpty, not_empty_text(directory))
    } else {
        (ErrorKind::DirectoryError, format!("Directory error: Error removing directory: {directory}"))
    };
    Error::Failed { kind, message, errno: error.raw_os_error() }
}

pub(in crate::ops::file_system) fn not_empty_text(directory: &PathName) -> String {
    format!(
        "Directory not empty: A path led to a non-empty directory location. To include contents of this \
         directory, use the recursive flag: {directory}"
    )
}

/// The object is not any more where it was opened.
pub(in crate::ops::file_system) fn not_found(directory: &PathName) -> Error {
    Error::Failed {
        kind: ErrorKind::NotFound,
        message: format!("No such file or directory found: {directory}"),
        errno: Some(Errno::ENOENT as i32),
    }
}

/// rmdir(2): "POSIX.1 also allows EEXIST for this condition."
pub(in crate::ops::file_system) fn is_not_empty(error: &io::Error) -> bool {
    [Errno::ENOTEMPTY, Errno::EEXIST].into_iter().any(|errno| is(error, errno))
}

fn gone_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if is(&error, Errno::ENOENT) => Ok(()),
        result => result,
    }
}

/// How often a directory is looked at again that is not empty although everything in it was removed.
const MAX_LOOKS: u32 = 2;
/// An entry takes some ten microseconds.
const ENTRIES_BETWEEN_LOOKS: u32 = 64;
