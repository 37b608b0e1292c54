//! Which questions a sequence of requests is sure to ask, as far as their texts tell.

use rex_ipc::action::ActionId::{self, *};
use rex_ipc::file_system::{
    Attributes, CreateDir, DirPlace, MakeDir, MoveDir, MoveFile, NameText, OpenDir, OpenFile, OpenTarget,
};
use rex_ipc::handle::{AnyId, DirId, FileId, WriterId};
use rex_ipc::interface::Request;

use super::names::{Names, OpenedFile, Place};
use crate::host::handles::Handles;
use crate::policy::name::PathName;
use crate::policy::{ContextRef, Question};

/// A question that a request is sure to ask, if what comes before it succeeds.
pub(super) struct Asked {
    pub(super) action: ActionId,
    pub(super) place: Place,
    context: Context,
    /// The action that is asked for when this one is denied.
    pub(super) instead: Option<ActionId>,
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
}

/// The questions of a denied request and of those behind it, in their order.
pub(super) fn of<'a>(handles: &Handles, requests: impl Iterator<Item = &'a Request>) -> Vec<Asked> {
    let mut reader = Reader { names: Names::of(handles), asked: Vec::new() };
    for request in requests {
        // A request whose names cannot be known adds nothing, and neither does one that uses what it would open.
        let _ = reader.read(request);
    }
    reader.asked
}

struct Reader<'a> {
    names: Names<'a>,
    asked: Vec<Asked>,
}

impl Reader<'_> {
    /// Notes the questions of one request; gives nothing where they end because a name cannot be known.
    fn read(&mut self, request: &Request) -> Option<()> {
        match request {
            Request::OpenDir(request) => self.open_dir(request)?,
            Request::OpenFile(request) => self.open_file(request)?,
            Request::OpenTarget(request) => self.open_target(request)?,
            Request::OpenListing(request) => {
                let place = Place::dir(PathName::parse(request.path.as_str()).ok()?);
                self.ask(FileSystemOpen, &place);
                self.names.dirs.insert(request.id, place.followed(true));
            }
            Request::OpenLink(request) => {
                let place = self.file_at(request.dir, &request.name)?;
                self.ask(FileSystemOpen, &place);
                self.names.files.insert(request.id, OpenedFile::at(place));
            }
            Request::ReadChunk(request) => {
                let file = self.names.file(request.file)?.real;
                self.ask(FileSystemRead, &file);
                if let Some(last) = self.asked.last_mut() {
                    last.instead = request.redacted.then_some(FileSystemRedactedRead);
                }
            }
            Request::ReadEnd(request) => {
                let file = self.names.file(request.file)?.real;
                self.ask(FileSystemRead, &file);
            }
            Request::ListEntries(request) => self.ask_dir(FileSystemRead, request.dir)?,
            Request::ListDetails(request) => self.ask_dir(FileSystemRead, request.dir)?,
            Request::ReadLink(request) => {
                let place = self.file_at(request.dir, &request.name)?;
                self.ask(FileSystemRead, &place);
            }
            Request::Stat(request) => self.ask_any(FileSystemStat, request.handle)?,
            Request::StatEntry(request) => {
                let place = self.file_at(request.dir, &request.name)?;
                self.ask(FileSystemStat, &place);
            }
            Request::BeginWrite(request) => {
                let file = self.names.file(request.file)?.real;
                self.ask(FileSystemWrite, &file);
                self.names.writers.insert(request.id, file);
            }
            Request::BeginFile(request) => {
                let dir = self.names.dir(request.dir)?;
                let path = spelled(&dir, request.path.as_str())?;
                let place = Place::file(path.clone()).followed(dir.as_spelled);
                self.ask(FileSystemCreate, &place);
                self.ask(FileSystemWrite, &place);
                for level in levels(&dir, &path.parent()) {
                    self.ask(FileSystemCreate, &Place::dir(level).followed(dir.as_spelled));
                }
                self.names.writers.insert(request.id, place);
            }
            Request::WriteChunk(request) => self.ask_writer(FileSystemWrite, request.writer)?,
            Request::FinishWrite(request) => {
                self.ask_writer(FileSystemWrite, request.writer)?;
                let place = self.names.writer(request.writer)?;
                self.ask_attributes(&request.attributes, &place);
                if let Some(id) = request.reopen {
                    self.names.files.insert(id, OpenedFile::at(place));
                }
            }
            Request::Truncate(request) => self.ask_file(FileSystemWrite, request.file)?,
            Request::Allocate(request) => self.ask_file(FileSystemWrite, request.file)?,
            Request::SetTimes(request) => self.ask_file(FileSystemWrite, request.file)?,
            Request::Copy(request) => {
                self.ask_file(FileSystemRead, request.from)?;
                self.ask_file(FileSystemWrite, request.to)?;
            }
            Request::MoveFile(request) => self.move_file(request)?,
            Request::MoveDir(request) => self.move_dir(request)?,
            Request::DeleteFile(request) => {
                let named = self.names.file(request.file)?.named;
                self.ask(FileSystemDelete, &named);
            }
            Request::DeleteDir(request) => self.ask_dir(FileSystemDelete, request.dir)?,
            Request::MakeDir(request) => self.make_dir(request)?,
            Request::CreateLink(request) => {
                let place = self.file_at(request.dir, &request.name)?;
                self.ask(FileSystemCreate, &place);
                if request.force {
                    self.ask(FileSystemDelete, &place);
                }
            }
            Request::SetMode(request) => self.ask_any(FileSystemChmod, request.handle)?,
            Request::SetOwner(request) => self.ask_any(FileSystemChown, request.handle)?,
            Request::SetXAttr(request) => {
                let file = self.names.file(request.file)?.real;
                let context = Context::XAttr(request.name.as_str().to_owned());
                self.ask_in(FileSystemSetXAttr, &file, context);
            }
            // What the others ask depends on what is there, or they ask nothing.
            _ => {}
        }
        Some(())
    }

    fn open_dir(&mut self, request: &OpenDir) -> Option<()> {
        let place = match &request.at {
            DirPlace::Path(path) => Place::dir(PathName::parse(path.as_str()).ok()?),
            DirPlace::Entry(dir, name) => self.dir_at(*dir, name)?,
            DirPlace::Below(dir, path) => {
                let dir = self.names.dir(*dir)?;
                Place::dir(spelled(&dir, path.as_str())?).followed(dir.as_spelled)
            }
        };
        self.ask(FileSystemOpen, &place);
        if request.create != CreateDir::No {
            self.ask(FileSystemCreate, &place);
        }
        self.names.dirs.insert(request.id, place.followed(request.follow));
        Some(())
    }

    fn open_file(&mut self, request: &OpenFile) -> Option<()> {
        let named = self.file_at(request.dir, &request.name)?;
        self.ask(FileSystemOpen, &named);
        if request.create {
            self.ask(FileSystemCreate, &named);
        }
        let real = named.clone().followed(request.follow);
        self.names.files.insert(request.id, OpenedFile { real, named });
        Some(())
    }

    fn open_target(&mut self, request: &OpenTarget) -> Option<()> {
        let place = self.file_at(request.dir, &request.name)?;
        self.ask(FileSystemOpen, &place);
        self.ask(FileSystemCreate, &place);
        if let Some(from) = request.from {
            self.ask_file(FileSystemRead, from)?;
        }
        self.ask(FileSystemWrite, &place);
        self.names.files.insert(request.id, OpenedFile::at(place));
        Some(())
    }

    fn move_file(&mut self, request: &MoveFile) -> Option<()> {
        let file = self.names.file(request.file)?;
        let place = self.file_at(request.to, &request.name)?;
        self.ask_in(FileSystemMove, &file.named, Context::Move(place.path.clone()));
        self.ask(FileSystemCreate, &place);
        self.ask(FileSystemOpen, &place);
        self.names.files.insert(request.id, OpenedFile::at(place));
        Some(())
    }

    fn move_dir(&mut self, request: &MoveDir) -> Option<()> {
        let (from, moving) = (self.names.dir(request.from)?, self.names.dir(request.dir)?);
        let source = from.entry(moving.path.file_name()?)?;
        let place = self.dir_at(request.to, &request.name)?;
        let source = Place::dir(source).followed(from.as_spelled || moving.as_spelled);
        self.ask_in(FileSystemMove, &source, Context::Move(place.path.clone()));
        self.ask(FileSystemCreate, &place);
        self.ask(FileSystemOpen, &place);
        self.names.dirs.insert(request.id, place);
        Some(())
    }

    fn make_dir(&mut self, request: &MakeDir) -> Option<()> {
        let top = self.names.dir(request.dir)?;
        let path = spelled(&top, request.path.as_str())?;
        for level in levels(&top, &path) {
            self.ask(FileSystemCreate, &Place::dir(level).followed(top.as_spelled));
        }
        if request.attributes != Attributes::default() {
            let place = Place::dir(path).followed(top.as_spelled);
            self.ask(FileSystemOpen, &place);
            self.ask_attributes(&request.attributes, &place);
        }
        Some(())
    }

    fn ask_attributes(&mut self, attributes: &Attributes, place: &Place) {
        if attributes.mode.is_some() {
            self.ask(FileSystemChmod, place);
        }
        if attributes.user.is_some() || attributes.group.is_some() {
            self.ask(FileSystemChown, place);
        }
    }

    /// A file under a name in a directory; nothing when it is no name, as then the request fails.
    fn file_at(&self, dir: DirId, name: &NameText) -> Option<Place> {
        let dir = self.names.dir(dir)?;
        Some(Place::file(dir.entry(name.as_str())?).followed(dir.as_spelled))
    }

    /// The same for a directory.
    fn dir_at(&self, dir: DirId, name: &NameText) -> Option<Place> {
        let dir = self.names.dir(dir)?;
        Some(Place::dir(dir.entry(name.as_str())?).followed(dir.as_spelled))
    }

    fn ask_dir(&mut self, action: ActionId, id: DirId) -> Option<()> {
        let place = self.names.dir(id)?;
        self.ask(action, &place);
        Some(())
    }

    fn ask_file(&mut self, action: ActionId, id: FileId) -> Option<()> {
        let place = self.names.file(id)?.real;
        self.ask(action, &place);
        Some(())
    }

    fn ask_writer(&mut self, action: ActionId, id: WriterId) -> Option<()> {
        let place = self.names.writer(id)?;
        self.ask(action, &place);
        Some(())
    }

    fn ask_any(&mut self, action: ActionId, id: AnyId) -> Option<()> {
        match id {
            AnyId::Dir(id) => self.ask_dir(action, id),
            AnyId::File(id) => self.ask_file(action, id),
        }
    }

    fn ask(&mut self, action: ActionId, place: &Place) {
        self.ask_in(action, place, Context::None);
    }

    fn ask_in(&mut self, action: ActionId, place: &Place, context: Context) {
        self.asked.push(Asked { action, place: place.clone(), context, instead: None });
    }
}

/// A relative path below a directory; nothing when it spells another place, as then the request fails.
fn spelled(dir: &Place, path: &str) -> Option<PathName> {
    let path = PathName::parse(&format!("{}/{path}", dir.path)).ok()?;
    (!path.as_str().is_empty() && path.is_within(&dir.path) && path != dir.path).then_some(path)
}

/// The directories below `top`, down to `path` and with it.
fn levels(top: &Place, path: &PathName) -> Vec<PathName> {
    let mut levels = Vec::new();
    let mut level = path.clone();
    while level != top.path && level.is_within(&top.path) {
        let parent = level.parent();
        levels.push(level);
        level = parent;
    }
    levels.reverse();
    levels
}
