//! Which questions a call is sure to ask, as far as the texts of its requests tell: each operation says it of itself.

use std::collections::VecDeque;
use std::marker::PhantomData;

use rex_ipc::action::{Action, ActionId, file_system};
use rex_ipc::file_system::Attributes;
use rex_ipc::handle::{AnyId, DirId, FileId, WriterId};
use rex_ipc::interface::{Needs, Request};

use super::names::{Names, OpenedFile, Place};
use crate::host::handles::Handles;
use crate::ops::{self, Perform};
use crate::policy::name::PathName;
use crate::policy::{ContextRef, Question, ResourceRef};

/// A question that a request is sure to ask, if what comes before it succeeds.
pub struct Asked {
    pub(super) action: ActionId,
    pub(super) place: Place,
    context: Context,
    /// The action that is asked for when this one is denied.
    pub(super) instead: Option<ActionId>,
    /// Whether it may be left out, for what is found there.
    depends: bool,
}

enum Context {
    None,
    XAttr(String),
    Move(PathName),
}

impl Asked {
    /// Hands the question over, about this action.
    pub(super) fn with<T>(&self, action: ActionId, ask: impl FnOnce(&Question<'_>) -> T) -> T {
        let question = |context| Question { context, ..Question::new(action, self.place.resource()) };
        match &self.context {
            Context::None => ask(&question(ContextRef::None)),
            Context::XAttr(name) => ask(&question(ContextRef::XAttr { name })),
            Context::Move(path) => {
                let (name, parent) = (path.file_name().unwrap_or_default(), path.parent());
                let context = ContextRef::Move { path: path.as_str(), name, parent_path: parent.as_str() };
                ask(&question(context))
            }
        }
    }

    /// Whether it may be left out, for what is found there.
    pub fn depends_on_what_is_there(&self) -> bool {
        self.depends
    }

    /// Action and name, as the record has them.
    pub fn told(&self) -> (ActionId, String) {
        (self.action, self.place.path.as_str().to_owned())
    }
}

/// The questions of these requests, in their order.
pub fn of<'a>(handles: &Handles, requests: impl Iterator<Item = &'a Request>) -> Vec<Asked> {
    let mut seen = Seen { names: Names::of(handles), asked: Vec::new() };
    for request in requests {
        // A request whose names cannot be known adds nothing, and neither does one that uses what it would open.
        let _known = ops::foresee(request, &mut seen);
    }
    seen.asked
}

/// What the requests of a call have said so far.
pub struct Seen<'a> {
    names: Names<'a>,
    asked: Vec<Asked>,
}

/// Takes what one operation is going to ask. Like a gate, it takes only actions that the operation's row announces.
pub struct Ahead<'s, 'a, O> {
    seen: &'s mut Seen<'a>,
    operation: PhantomData<O>,
}

impl<'s, 'a, O> Ahead<'s, 'a, O> {
    /// For a request of the operation `O`.
    pub fn of(seen: &'s mut Seen<'a>) -> Self {
        Self { seen, operation: PhantomData }
    }

    /// `A` on this place will be asked.
    pub fn ask<A: Action>(&mut self, place: &Place)
    where
        O: Needs<A>,
    {
        self.note(A::ID, place, Context::None);
    }

    /// `A` on this place will be asked, or left out for what is found there.
    pub fn ask_perhaps<A: Action>(&mut self, place: &Place)
    where
        O: Needs<A>,
    {
        self.note(A::ID, place, Context::None);
        self.seen.asked.last_mut().into_iter().for_each(|asked| asked.depends = true);
    }

    /// `read` will be asked, and, if that is denied and `redacted` says so, `redacted_read` in its place.
    pub fn ask_to_read(&mut self, file: &Place, redacted: bool)
    where
        O: Needs<file_system::Read> + Needs<file_system::RedactedRead>,
    {
        self.note(ActionId::FileSystemRead, file, Context::None);
        let instead = redacted.then_some(ActionId::FileSystemRedactedRead);
        self.seen.asked.last_mut().into_iter().for_each(|asked| asked.instead = instead);
    }

    /// `move` on `what` to this place will be asked.
    pub fn ask_to_move(&mut self, what: &Place, to: &Place)
    where
        O: Needs<file_system::Move>,
    {
        self.note(ActionId::FileSystemMove, what, Context::Move(to.path.clone()));
    }

    /// `set_x_attr` will be asked for the attribute of this name.
    pub fn ask_to_label(&mut self, what: &Place, attribute: &str)
    where
        O: Needs<file_system::SetXAttr>,
    {
        self.note(ActionId::FileSystemSetXAttr, what, Context::XAttr(attribute.to_owned()));
    }

    /// What the attributes of something new ask for.
    pub fn ask_attributes(&mut self, attributes: &Attributes, place: &Place)
    where
        O: Needs<file_system::Chmod> + Needs<file_system::Chown>,
    {
        if attributes.mode.is_some() {
            self.ask::<file_system::Chmod>(place);
        }
        if attributes.user.is_some() || attributes.group.is_some() {
            self.ask::<file_system::Chown>(place);
        }
    }

    fn note(&mut self, action: ActionId, place: &Place, context: Context) {
        let place = place.clone();
        self.seen.asked.push(Asked { action, place, context, instead: None, depends: false });
    }

    /// The directory of this number.
    pub fn dir(&self, id: DirId) -> Option<Place> {
        self.seen.names.dir(id)
    }

    /// The file of this number.
    pub fn file(&self, id: FileId) -> Option<OpenedFile> {
        self.seen.names.file(id)
    }

    /// The writer of this number.
    pub fn writer(&self, id: WriterId) -> Option<Place> {
        self.seen.names.writer(id)
    }

    /// The file or directory of this number.
    pub fn any(&self, id: AnyId) -> Option<Place> {
        match id {
            AnyId::Dir(id) => self.dir(id),
            AnyId::File(id) => Some(self.file(id)?.real),
        }
    }

    /// A file under a name in a directory; nothing when it is no name, as then the request fails.
    pub fn file_at(&self, dir: DirId, name: &str) -> Option<Place> {
        let dir = self.dir(dir)?;
        Some(Place::file(dir.entry(name)?).followed(dir.as_spelled))
    }

    /// A directory under a name in a directory; nothing when it is no name, as then the request fails.
    pub fn dir_at(&self, dir: DirId, name: &str) -> Option<Place> {
        let dir = self.dir(dir)?;
        Some(Place::dir(dir.entry(name)?).followed(dir.as_spelled))
    }

    /// A directory will be open under this number.
    pub fn opens_dir(&mut self, id: DirId, place: Place) {
        self.seen.names.dirs.insert(id, place);
    }

    /// A file will be open under this number.
    pub fn opens_file(&mut self, id: FileId, file: OpenedFile) {
        self.seen.names.files.insert(id, file);
    }

    /// Content will be collected under this number.
    pub fn opens_writer(&mut self, id: WriterId, place: Place) {
        self.seen.names.writers.insert(id, place);
    }
}

/// What a request has said that it will ask, while it is asking.
///
/// Only checked builds look: an operation that asks something else than it has said, or succeeds without having asked what
/// it has said, is a mistake of ours, and every test of it fails.
#[derive(Default)]
pub struct Announced(VecDeque<Asked>);

impl Announced {
    /// What this request says before it begins.
    pub fn by<O: Perform>(request: &O, handles: &Handles) -> Self {
        if !cfg!(debug_assertions) {
            return Self::default();
        }
        let mut seen = Seen { names: Names::of(handles), asked: Vec::new() };
        let _known = request.foresee(&mut Ahead::of(&mut seen));
        Self(seen.asked.into())
    }

    /// This is asked now: what was announced comes first, and in its order.
    pub fn heed(&mut self, action: ActionId, resource: ResourceRef<'_>) {
        while let Some(next) = self.0.pop_front() {
            if next.action == action && next.place.resource() == resource {
                return;
            }
            assert!(next.depends, "{action:?} on {resource:?} is asked before {:?}", next.told());
        }
    }

    /// Where a link was met, what was announced of the name is asked of what that leads to.
    pub fn are_led_elsewhere(&mut self) {
        self.0.clear();
    }

    /// The request has succeeded: nothing that was announced was forgotten.
    pub fn are_asked(&self) {
        let forgotten = self.0.iter().find(|asked| !asked.depends);
        assert!(forgotten.is_none(), "{:?} was announced and not asked", forgotten.map(Asked::told));
    }
}

/// A path below a directory; nothing when it spells another place, as then the request fails.
pub(in crate::ops) fn spelled(dir: &Place, path: &str) -> Option<PathName> {
    let path = match path.starts_with('/') {
        true => PathName::parse(path).ok()?,
        false => PathName::parse(&format!("{}/{path}", dir.path)).ok()?,
    };
    (path.is_within(&dir.path) && path != dir.path).then_some(path)
}
