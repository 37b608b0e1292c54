//! How a directory moves to another file system: everything is asked, then copied out of sight, and only when the whole
//! copy is on disk and has its name is the source removed.
//!
//! The source is walked three times: to ask and to note what is there, to copy what was noted, and to remove what was
//! copied. Whatever fails before the copy has its name leaves the source whole and removes the copy. What somebody
//! changes meanwhile stops the copy; what changes after it stays where it is.

use std::io;
use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::stat::SFlag;
use rex_ipc::action::Action;
use rex_ipc::action::file_system::{Chown, Create, Delete, Open, Read, Write};
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::MoveDir;
use rex_ipc::interface::Needs;

use crate::gate::error::Error;
use crate::gate::{Allows, Permit};
use crate::host::file_system::copy::NotCopied;
use crate::host::file_system::moves::{self, Hidden};
use crate::host::file_system::object::{DirAt, DirPath, Directory, FileAt, FilePath};
use crate::host::file_system::open::{self, Access, Asked};
use crate::host::file_system::succession::NotLike;
use crate::host::file_system::tree::{Item, Step, Tree};
use crate::host::file_system::{remove, walk};
use crate::ops::call::Call;
use crate::ops::file_system::move_dir::{Source, Way, not_empty};
use crate::ops::file_system::object_refusal;
use crate::ops::file_system::set_owner::change_error;
use crate::ops::file_system::support::removal::{self, Pace, Plan, dir_at, file_at, may_go};
use crate::ops::file_system::support::replacing;
use crate::policy::name::PathName;

/// Moves by copying. `into` says that the place is inside a directory that was found there.
pub(in crate::ops::file_system) fn relocate<'req>(
    call: &mut Call<'req, MoveDir>,
    source: &Source,
    way: Way<'req>,
    into: bool,
) -> Result<Directory, Error> {
    if moves::is_mounted(&way.moving)? {
        return Err(source.failed(&Errno::EBUSY.into(), way.place()));
    }
    call.authorize::<Read, _>(Rc::clone(&way.place().parent))?;
    let way = choose(call, source, way, into)?;
    let onto = replacing::directory(call, &way.create, source.0.directory.inode)?.onto();
    let named = moves::as_named(&way.moving)?;
    let relocation = Relocation { source, from: named.place.path.clone(), place: way.place().clone() };
    let read = call.authorize::<Read, _>(Rc::clone(&named.directory))?;
    must::<Delete, _, _>(call, named.clone())?;
    let plan = relocation.ask_all(call, &read)?;

    let failed = |error: io::Error| source.failed(&error, way.place());
    let mut copy = Hidden::begin(&way.create, &call.host.tools).map_err(failed)?;
    let copied =
        relocation.copy_all(call, &read, &mut copy, &plan).and_then(|()| copy.appear(onto).map_err(failed));
    if let Err(error) = copied {
        // If it cannot be removed now, its name keeps the note that has the next run do it.
        if let Err(left) = copy.discard() {
            tracing::warn!("cannot remove an incomplete copy beside {}: {left}", way.place().path);
        }
        return Err(error);
    }
    let delete = call.authorize::<Delete, _>(named)?;
    removal::remove(call, &delete, &plan)?;
    remove::directory(&delete, source.0.directory.inode)
        .map_err(|error| removal::refused(&error, &source.0.place.path))?;
    Ok(copy.opened(&way.open)?)
}

/// Looks at what is in the way: nothing, an empty directory, or one with entries, into which the source goes.
fn choose<'req>(
    call: &mut Call<'req, MoveDir>,
    source: &Source,
    way: Way<'req>,
    into: bool,
) -> Result<Way<'req>, Error> {
    let found = moves::occupant(&way.create)?;
    let Some(found) = found else { return Ok(way) };
    if walk::file_type(&found) != SFlag::S_IFDIR {
        let name = way.place().path.file_name().unwrap_or_default();
        let message = format!("Invalid path: Cannot create directory '{name}': file exists");
        return Err(Error::invalid(ErrorKind::InvalidPath, message));
    }
    let held = walk::entry(&way.open)?;
    if let Some(reason) = object_refusal(call, &held) {
        return Err(call.refuse::<Open, _>(way.place(), reason));
    }
    let held = Rc::new(held.into_directory());
    let read = call.authorize::<Read, _>(held)?;
    if Tree::new(&read)?.advance()?.is_none() {
        Ok(way)
    } else if into {
        Err(not_empty(way.place()))
    } else {
        let inside = source.ask_inside(call, &way)?;
        choose(call, source, inside, true)
    }
}

/// Asks without recording a permission, which is asked for again when it is used.
fn must<A, R, O>(call: &mut Call<'_, O>, resource: R) -> Result<(), Error>
where
    A: Action,
    R: Allows<A>,
    O: Needs<A>,
{
    if call.would_permit::<A, _>(&resource) { Ok(()) } else { call.authorize::<A, _>(resource).map(drop) }
}

/// A move by copying.
struct Relocation<'s> {
    source: &'s Source,
    /// The name that moves.
    from: PathName,
    place: DirAt,
}

impl Relocation<'_> {
    /// Asks for everything in the source, and notes what that is.
    fn ask_all(
        &self,
        call: &mut Call<'_, MoveDir>,
        read: &Permit<'_, Read, Rc<Directory>>,
    ) -> Result<Plan, Error> {
        let failed = |error: io::Error| self.source.failed(&error, &self.place);
        let mut tree = Tree::new(read).map_err(failed)?;
        let mut plan = Plan::by_content();
        let mut pace = Pace::default();
        while let Some(step) = tree.advance().map_err(failed)? {
            pace.keep(call)?;
            let Step::Entry(item) = step else { continue };
            plan.note(call, &item, tree.depth())?;
            self.ask_for(call, &item)?;
            may_go(call, &item)?;
            if item.kind() == SFlag::S_IFDIR {
                tree.descend();
            }
        }
        Ok(plan.complete())
    }

    fn ask_for(&self, call: &mut Call<'_, MoveDir>, item: &Item) -> Result<(), Error> {
        let to = self.new_path(item)?;
        match item.kind() {
            SFlag::S_IFDIR => {
                must::<Open, _, _>(call, dir_at(item))?;
                must::<Read, _, _>(call, dir_at(item))?;
                must::<Create, _, _>(call, DirPath(to))
            }
            SFlag::S_IFREG => {
                must::<Open, _, _>(call, file_at(item))?;
                must::<Read, _, _>(call, file_at(item))?;
                must::<Open, _, _>(call, FilePath(to.clone()))?;
                must::<Create, _, _>(call, FilePath(to.clone()))?;
                must::<Write, _, _>(call, FilePath(to))
            }
            SFlag::S_IFLNK | SFlag::S_IFSOCK => {
                if item.kind() == SFlag::S_IFLNK {
                    must::<Read, _, _>(call, file_at(item))?;
                } else {
                    must::<Open, _, _>(call, file_at(item))?;
                }
                must::<Create, _, _>(call, FilePath(to.clone()))?;
                must::<Open, _, _>(call, FilePath(to.clone()))?;
                must::<Chown, _, _>(call, FilePath(to))
            }
            kind => Err(unsupported(kind)),
        }
    }

    /// The path that an entry of the source will have.
    fn new_path(&self, item: &Item) -> Result<PathName, Error> {
        let path = item.path();
        let rest = path.as_str().strip_prefix(self.from.as_str()).ok_or(Errno::EINVAL)?;
        Ok(PathName::parse(&format!("{}{rest}", self.place.path))?)
    }

    /// Copies what is planned; what is not stops it.
    fn copy_all<'req>(
        &self,
        call: &mut Call<'req, MoveDir>,
        read: &Permit<'req, Read, Rc<Directory>>,
        copy: &mut Hidden<'req>,
        plan: &Plan,
    ) -> Result<(), Error> {
        let failed = |error: io::Error| self.source.failed(&error, &self.place);
        let mut tree = Tree::new(read).map_err(failed)?;
        let mut pace = Pace::default();
        while let Some(step) = tree.advance().map_err(failed)? {
            pace.keep(call)?;
            match step {
                Step::Entry(item) if !plan.contains(&item) => return Err(failed(Errno::ESTALE.into())),
                Step::Entry(item) => {
                    self.copy_entry(call, &item, copy.here()?)?;
                    if item.kind() == SFlag::S_IFDIR {
                        tree.descend();
                    }
                }
                Step::Enter(item) => copy.enter(&item).map_err(failed)?,
                Step::Leave(original) => copy.leave(&original).map_err(|error| self.not_like(error))?,
            }
        }
        copy.finish(read).map_err(|error| self.not_like(error))
    }

    fn copy_entry(
        &self,
        call: &mut Call<'_, MoveDir>,
        item: &Item,
        here: Rc<Directory>,
    ) -> Result<(), Error> {
        let failed = |error: io::Error| self.source.failed(&error, &self.place);
        if item.kind() == SFlag::S_IFDIR {
            call.authorize::<Open, _>(dir_at(item))?;
            call.authorize::<Read, _>(dir_at(item))?;
            let create = call.authorize::<Create, _>(DirAt::new(here, item.entry().clone()))?;
            return moves::make_directory(&create).map_err(failed);
        }
        let to = FileAt::new(here, item.entry().clone());
        match item.kind() {
            SFlag::S_IFREG => self.copy_file(call, item, to),
            SFlag::S_IFLNK => {
                let read = call.authorize::<Read, _>(file_at(item))?;
                let create = call.authorize::<Create, _>(to.clone())?;
                call.authorize::<Open, _>(to.clone())?;
                call.authorize::<Chown, _>(to)?;
                moves::copy_link(&read, &create).map_err(failed)
            }
            SFlag::S_IFSOCK => {
                let open = call.authorize::<Open, _>(file_at(item))?;
                let create = call.authorize::<Create, _>(to.clone())?;
                call.authorize::<Open, _>(to.clone())?;
                call.authorize::<Chown, _>(to)?;
                moves::copy_socket(&open, &create).map_err(failed)
            }
            kind => Err(unsupported(kind)),
        }
    }

    fn copy_file(&self, call: &mut Call<'_, MoveDir>, item: &Item, to: FileAt) -> Result<(), Error> {
        let failed = |error: io::Error| self.source.failed(&error, &self.place);
        let open = call.authorize::<Open, _>(file_at(item))?;
        let reached = walk::entry(&open).map_err(failed)?;
        if reached.inode() != item.inode() || reached.kind() != SFlag::S_IFREG {
            return Err(failed(Errno::ESTALE.into()));
        }
        if let Some(reason) = object_refusal(call, &reached) {
            return Err(call.refuse::<Open, _>(open.resource(), reason));
        }
        let before = *reached.stat();
        let (access, asked) = (Access { read: true, write: false }, Asked { create: false, follow: false });
        let file = open::for_use(reached, &call.host.tools, access, asked).map_err(failed)?;
        let read = call.authorize::<Read, _>(Rc::new(file))?;
        call.authorize::<Open, _>(to.clone())?;
        let create = call.authorize::<Create, _>(to.clone())?;
        let write = call.authorize::<Write, _>(to)?;
        let copied = moves::copy_file(&read, &create, &write, &mut |bytes| {
            call.metered.count_written_bytes(bytes)?;
            call.pace.go_on()
        });
        copied.map_err(|error| match error {
            NotCopied::Read(error) | NotCopied::Write(error) => failed(error),
            NotCopied::Stopped(error) => error,
        })?;
        // What somebody has added meanwhile would be lost with the source.
        if moves::is_unchanged(&read, &before)? { Ok(()) } else { Err(failed(Errno::ESTALE.into())) }
    }

    fn not_like(&self, error: NotLike) -> Error {
        match error {
            NotLike::Owner(error) => change_error(&error),
            NotLike::Attribute(_, error) | NotLike::System(error) => self.source.failed(&error, &self.place),
        }
    }
}

fn unsupported(kind: SFlag) -> Error {
    let kind = match kind {
        SFlag::S_IFIFO => "Fifo",
        SFlag::S_IFCHR => "CharDevice",
        SFlag::S_IFBLK => "BlockDevice",
        _ => "Unknown",
    };
    let message = format!("Unsupported Operation error: {kind} directory entry is not supported");
    Error::invalid(ErrorKind::UnsupportedOperationError, message)
}
