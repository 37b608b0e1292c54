//! A symbolic link that is open as itself.

use rex_ipc::file_system::{self as wire, OpenLink, ReadLink, Stat};
use rex_ipc::handle::{AnyId, FileId};
use rhai::NativeCallContext;

use super::dir::DirHandle;
use super::metadata::Metadata;
use crate::error::Fallible;
use crate::handle::OpenObject;
use crate::session::Session;
use crate::value;

/// A link, its directory and its name there.
#[derive(Clone)]
pub struct SymlinkHandle {
    object: OpenObject,
    dir: DirHandle,
    name: String,
}

impl SymlinkHandle {
    /// Its own path.
    pub fn path(&self) -> String {
        self.dir.path_of(&self.name)
    }

    /// Opens the link with this name in a directory.
    ///
    /// # Errors
    /// The broker's failures; `ValidationError` for what is no link.
    pub fn open(context: &NativeCallContext, dir: &DirHandle, name: &str) -> Fallible<Self> {
        let session = Session::of(context);
        let id = session.new_file();
        session.ask(value::line(context), OpenLink { id, dir: dir.id(), name: value::spelled(name)? })?;
        Ok(Self::adopt(&session, id, dir, name))
    }

    /// What a link says of itself, and where it points if that may be read: one round trip for opening and describing it,
    /// and one for the target.
    ///
    /// # Errors
    /// The broker's failures.
    pub fn describe(
        context: &NativeCallContext,
        dir: &DirHandle,
        name: &str,
    ) -> Fallible<(wire::Metadata, Option<String>)> {
        let (link, described) = Self::open_and_stat(context, dir, name)?;
        Ok((described, link.target(context)?))
    }

    /// Opens a link and describes it, in one round trip and without a look at where it points.
    ///
    /// # Errors
    /// As [`SymlinkHandle::open`].
    pub fn open_and_stat(
        context: &NativeCallContext,
        dir: &DirHandle,
        name: &str,
    ) -> Fallible<(Self, wire::Metadata)> {
        let session = Session::of(context);
        let id = session.new_file();
        let requests =
            (OpenLink { id, dir: dir.id(), name: value::spelled(name)? }, Stat { handle: AnyId::File(id) });
        let ((), described) = session.perform(value::line(context), &requests)?;
        Ok((Self::adopt(&session, id, dir, name), described))
    }

    /// The number that requests name it by.
    pub fn id(&self) -> FileId {
        self.object.id()
    }

    /// The description of the link itself. Its target is part of it where that may be read.
    ///
    /// # Errors
    /// The broker's failures.
    pub fn metadata(&self, context: &NativeCallContext) -> Fallible<Metadata> {
        let session = Session::of(context);
        let described = session.ask(value::line(context), Stat { handle: AnyId::File(self.object.id()) })?;
        Metadata::new(described, self.target(context)?)
    }

    fn adopt(session: &Session, id: FileId, dir: &DirHandle, name: &str) -> Self {
        Self { object: OpenObject::adopt(session, id), dir: dir.clone(), name: name.into() }
    }

    /// Where the link points; nothing when that may not be read, which is no failure.
    fn target(&self, context: &NativeCallContext) -> Fallible<Option<String>> {
        let request = ReadLink { dir: self.dir.id(), name: value::name(&self.name)? };
        match Session::of(context).ask(value::line(context), request) {
            Ok(reply) => Ok(Some(reply.target.into_string())),
            Err(failed) if failed.is_denial() => Ok(None),
            Err(failed) => Err(failed.into()),
        }
    }
}
