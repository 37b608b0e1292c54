//! Modes and owners of everything below a directory: each entry by itself, and what fails is logged and counted.

use rex_ipc::file_system::{EntryType, OpenFile, OpenLink, Permissions, SetMode};
use rex_ipc::handle::{AnyId, FileId};
use rex_ipc::interface::Operation;
use rhai::NativeCallContext;

use super::change::owner_request;
use super::change_options::SetOwnershipOptions;
use super::dir::DirHandle;
use super::passed_over::PassedOver;
use super::walk::{Step, Walk, WalkPlan};
use crate::error::Fallible;
use crate::handle::OpenObject;
use crate::session::Session;
use crate::text::open_for_reading;
use crate::value;

/// Gives a directory, and every directory and file below it, the same permission bits. Links stay as they are.
///
/// # Errors
/// What ends the script; everything else is logged and counted, bits that cannot be set as well.
pub fn modes(
    context: &NativeCallContext,
    root: &DirHandle,
    permissions: Fallible<Permissions>,
) -> Fallible<()> {
    let passed_over = PassedOver::new(context, Some("chmod"));
    let Some(permissions) = passed_over.unless_raised(root.path(), permissions)? else { return Ok(()) };
    let set = |handle| Ok(SetMode { handle, permissions });
    below(context, root, &passed_over, Links::AreLeft, &set)
}

/// Gives a directory, and every directory, file and link below it, the same user and group.
///
/// # Errors
/// What ends the script; everything else is logged and counted.
pub fn owners(context: &NativeCallContext, root: &DirHandle, options: &SetOwnershipOptions) -> Fallible<()> {
    let passed_over = PassedOver::new(context, Some("set_ownership"));
    below(context, root, &passed_over, Links::AreChanged, &|handle| owner_request(handle, options))
}

/// What becomes of links.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Links {
    /// They have no mode of their own.
    AreLeft,
    /// They themselves, and not what they lead to.
    AreChanged,
}

fn below<O: Operation<Reply = ()>>(
    context: &NativeCallContext,
    root: &DirHandle,
    passed_over: &PassedOver,
    links: Links,
    request: &dyn Fn(AnyId) -> Fallible<O>,
) -> Fallible<()> {
    let session = Session::of(context);
    let line = value::line(context);
    let change_dir =
        |dir: &DirHandle| -> Fallible<()> { Ok(session.ask(line, request(AnyId::Dir(dir.id()))?)?) };
    passed_over.unless_raised(root.path(), change_dir(root))?;
    let plan = WalkPlan { max_depth: u64::MAX, describe: false, follow_links: false };
    Walk::from_root(context, root, plan, passed_over)?.run(&mut |step: Step<'_>| {
        let outcome = match step.entry.entry_type() {
            EntryType::Dir => step.entry.opened_dir().map_or(Ok(()), |dir| change_dir(&dir)),
            EntryType::File => opened(&session, line, &step, FileOrLink::File, request),
            EntryType::Symlink if links == Links::AreChanged => {
                opened(&session, line, &step, FileOrLink::Link, request)
            }
            _ => Ok(()),
        };
        passed_over.unless_raised(step.path, outcome).map(drop)
    })?;
    passed_over.close()
}

/// How an entry is opened.
enum FileOrLink {
    File,
    Link,
}

/// Opens an entry and changes it, in one round trip.
fn opened<O: Operation<Reply = ()>>(
    session: &Session,
    line: u32,
    step: &Step<'_>,
    kind: FileOrLink,
    request: &dyn Fn(AnyId) -> Fallible<O>,
) -> Fallible<()> {
    let id: FileId = session.new_file();
    let (dir, name) = (step.entry.parent().id(), value::name(step.entry.name())?);
    let change = request(AnyId::File(id))?;
    match kind {
        FileOrLink::File => {
            let open: OpenFile = open_for_reading(id, dir, name);
            session.perform(line, &(open, change)).map(drop)?;
        }
        FileOrLink::Link => session.perform(line, &(OpenLink { id, dir, name }, change)).map(drop)?,
    }
    // Not needed any more, so its close may travel with the next frame.
    drop(OpenObject::adopt(session, id));
    Ok(())
}
