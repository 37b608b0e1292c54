//! Which permissions a denied call lacks: not only the one that was refused first, but those that would be refused next.
//!
//! A call is a sequence of requests, and the policy is asked by name. Once a request is denied, the names that it and the
//! later ones would ask about follow from their texts: the path of a directory, a name in it, the handle that the jail
//! chose for it. These questions are put to the policy here, and nothing else happens: no system call is made, nothing
//! is recorded, and the script learns nothing. What depends on what is there (where a link leads, which directories are
//! missing, what a directory contains) cannot be known in this way, and is not claimed.

use std::collections::HashMap;

use rex_ipc::action::{ActionId, ResourceKind};
use rex_ipc::file_system::{CreateDir, DirPlace, NameText, OpenDir, OpenFile};
use rex_ipc::handle::{AnyId, DirId, FileId};
use rex_ipc::interface::Request;

use crate::handles::Handles;
use crate::object::Inode;
use crate::path::{EntryName, PathName};
use crate::policy::explain::{Lacking, Need, grant, nearest};
use crate::policy::{Question, ResourceRef, Verdict};
use crate::services::Services;

/// Whether denials are explained, and how much of that may still be done: a script can be denied without end.
#[derive(Clone, Debug, Default)]
pub struct Explaining {
    /// Whether they are.
    pub enabled: bool,
    /// What was refused last, if the result had no other refusal like it.
    refused: Option<Refused>,
    /// How many permissions were named.
    named: usize,
    /// How many policies were taken apart.
    taken_apart: usize,
}

/// Action, type and name of what was refused.
type Refused = (ActionId, ResourceKind, String);

fn refused(question: &Question<'_>) -> Refused {
    (question.action, question.resource.kind(), question.resource.id().into_owned())
}

impl Explaining {
    /// Explains the denials of a run.
    pub fn enabled() -> Self {
        Self { enabled: true, ..Self::default() }
    }
}

/// Explains the refusal that was just recorded. `is_new` says that the result has no other like it.
///
/// `determining` are the policies that forbid; without any the question is only not permitted.
pub fn of_refusal(services: &mut Services, question: &Question<'_>, determining: &[String], is_new: bool) {
    services.explaining.refused = None;
    if !services.explaining.enabled || !is_new || services.explaining.named >= MAX_NAMED {
        return;
    }
    services.explaining.refused = Some(refused(question));
    let mut lacking = Lacking::default();
    if determining.is_empty() {
        let policies = services.engine.policies().len();
        if services.explaining.taken_apart.saturating_add(policies) <= MAX_TAKEN_APART {
            services.explaining.taken_apart += policies;
            lacking.nearest = nearest(&services.engine, question);
        }
    }
    lacking.add(Need::of(question, determining, false), granting(services, question, determining));
    services.explaining.named += 1;
    services.explain(lacking);
}

/// Adds what the rest of a call lacks to the explanation of the refusal that ended it.
///
/// To be called while the handles that the call has opened are still there.
pub fn of_rest(services: &mut Services, denied: &Request, rest: &[Request]) {
    let Some(first) = services.explaining.refused.take() else { return };
    let mut reader = Reader::new(&services.handles);
    std::iter::once(denied).chain(rest).for_each(|request| reader.read(request));
    for asked in reader.asked {
        if services.explaining.named >= MAX_NAMED {
            return;
        }
        let question = asked.question(asked.action);
        if refused(&question) == first {
            continue;
        }
        let Some(forbidden_by) = refusal(services, &question, asked.inode) else { continue };
        // A file that may not be read is read redacted where that is permitted.
        if let Some(instead) = asked.instead
            && refusal(services, &asked.question(instead), asked.inode).is_none()
        {
            continue;
        }
        let grant = granting(services, &question, &forbidden_by);
        services.explaining.named += 1;
        services.explain_more(Need::of(&question, &forbidden_by, asked.as_spelled), grant);
    }
}

/// Who forbids it, if it is refused at all.
fn refusal(services: &mut Services, question: &Question<'_>, inode: Option<Inode>) -> Option<Vec<String>> {
    if let Some(reason) = services.forbidden.reason(question, inode) {
        return Some(vec![reason.to_owned()]);
    }
    let verdict = services.engine.decide(question);
    (!verdict.permitted).then(|| verdict.determining.clone())
}

fn granting(services: &Services, question: &Question<'_>, forbidden_by: &[String]) -> Option<String> {
    if forbidden_by.is_empty() { grant(question, &Verdict::default(), &services.principal) } else { None }
}

/// A question that a request is sure to ask, if what comes before it succeeds.
struct Asked {
    action: ActionId,
    place: Place,
    inode: Option<Inode>,
    as_spelled: bool,
    /// The action that is asked for when this one is denied.
    instead: Option<ActionId>,
}

impl Asked {
    fn question(&self, action: ActionId) -> Question<'_> {
        Question::new(
            action,
            match &self.place {
                Place::Dir(path) => ResourceRef::Dir(path.as_str()),
                Place::File(path) => ResourceRef::File(path.as_str()),
            },
        )
    }
}

#[derive(Clone)]
enum Place {
    Dir(PathName),
    File(PathName),
}

/// An object behind a handle: one that is open, or one that would be.
#[derive(Clone)]
struct Named {
    path: PathName,
    inode: Option<Inode>,
    /// Whether a link may have been followed on the way, so that the name may be another.
    as_spelled: bool,
}

/// Reads requests for the questions in them.
struct Reader<'a> {
    handles: &'a Handles,
    /// What the requests would open.
    dirs: HashMap<DirId, Named>,
    files: HashMap<FileId, Named>,
    asked: Vec<Asked>,
}

impl<'a> Reader<'a> {
    fn new(handles: &'a Handles) -> Self {
        Self { handles, dirs: HashMap::new(), files: HashMap::new(), asked: Vec::new() }
    }

    /// Notes the questions of one request. One whose names cannot be known adds nothing, and neither do those that
    /// use what it would open.
    fn read(&mut self, request: &Request) {
        // Requests that are not listed ask nothing, or nothing that could be known by name.
        match request {
            Request::OpenDir(request) => drop(self.open_dir(request)),
            Request::OpenFile(request) => drop(self.open_file(request)),
            Request::ReadChunk(request) => {
                let instead = request.redacted.then_some(ActionId::FileSystemRedactedRead);
                self.ask_file(ActionId::FileSystemRead, request.file, instead);
            }
            Request::OpenListing(request) => {
                if let Ok(path) = PathName::parse(request.path.as_str()) {
                    let named = Named { path, inode: None, as_spelled: false };
                    self.ask(ActionId::FileSystemOpen, Place::Dir(named.path.clone()), &named);
                    self.dirs.insert(request.id, Named { as_spelled: true, ..named });
                }
            }
            Request::ListEntries(request) => self.ask_dir(ActionId::FileSystemRead, request.dir),
            Request::OpenLink(request) => {
                if let Some(named) = self.entry(request.dir, &request.name) {
                    self.ask(ActionId::FileSystemOpen, Place::File(named.path.clone()), &named);
                    self.files.insert(request.id, named);
                }
            }
            Request::ReadLink(request) => {
                if let Some(named) = self.entry(request.dir, &request.name) {
                    self.ask(ActionId::FileSystemRead, Place::File(named.path.clone()), &named);
                }
            }
            Request::Stat(request) => match request.handle {
                AnyId::Dir(dir) => self.ask_dir(ActionId::FileSystemStat, dir),
                AnyId::File(file) => self.ask_file(ActionId::FileSystemStat, file, None),
            },
            Request::StatEntry(request) => {
                if let Some(named) = self.entry(request.dir, &request.name) {
                    self.ask(ActionId::FileSystemStat, Place::File(named.path.clone()), &named);
                }
            }
            _ => {}
        }
    }

    fn open_dir(&mut self, request: &OpenDir) -> Option<()> {
        let named = match &request.at {
            DirPlace::Path(path) => {
                Named { path: PathName::parse(path.as_str()).ok()?, inode: None, as_spelled: false }
            }
            DirPlace::Entry(dir, name) => self.entry(*dir, name)?,
        };
        self.ask(ActionId::FileSystemOpen, Place::Dir(named.path.clone()), &named);
        if request.create != CreateDir::No {
            self.ask(ActionId::FileSystemCreate, Place::Dir(named.path.clone()), &named);
        }
        let as_spelled = named.as_spelled || request.follow;
        self.dirs.insert(request.id, Named { as_spelled, ..named });
        Some(())
    }

    fn open_file(&mut self, request: &OpenFile) -> Option<()> {
        let named = self.entry(request.dir, &request.name)?;
        self.ask(ActionId::FileSystemOpen, Place::File(named.path.clone()), &named);
        if request.create {
            self.ask(ActionId::FileSystemCreate, Place::File(named.path.clone()), &named);
        }
        let as_spelled = named.as_spelled || request.follow;
        self.files.insert(request.id, Named { as_spelled, ..named });
        Some(())
    }

    /// What stands under a name in a directory; nothing when it is no name, as then the request fails.
    fn entry(&self, dir: DirId, name: &NameText) -> Option<Named> {
        let dir = self.dir(dir)?;
        let entry = EntryName::parse(name.as_str())?;
        Some(Named { path: dir.path.join(entry.as_bytes()), inode: None, as_spelled: dir.as_spelled })
    }

    fn dir(&self, id: DirId) -> Option<Named> {
        let open = |dir: std::rc::Rc<crate::object::Directory>| Named {
            path: dir.name.clone(),
            inode: Some(dir.inode),
            as_spelled: false,
        };
        self.dirs.get(&id).cloned().or_else(|| self.handles.dir(id).ok().map(open))
    }

    fn file(&self, id: FileId) -> Option<Named> {
        let open = |file: std::rc::Rc<crate::object::File>| Named {
            path: file.name.clone(),
            inode: Some(file.inode),
            as_spelled: false,
        };
        self.files.get(&id).cloned().or_else(|| self.handles.file(id).ok().map(open))
    }

    fn ask_dir(&mut self, action: ActionId, id: DirId) {
        if let Some(named) = self.dir(id) {
            self.ask(action, Place::Dir(named.path.clone()), &named);
        }
    }

    fn ask_file(&mut self, action: ActionId, id: FileId, instead: Option<ActionId>) {
        if let Some(named) = self.file(id) {
            self.ask(action, Place::File(named.path.clone()), &named);
            if let Some(last) = self.asked.last_mut() {
                last.instead = instead;
            }
        }
    }

    fn ask(&mut self, action: ActionId, place: Place, named: &Named) {
        let Named { inode, as_spelled, .. } = *named;
        self.asked.push(Asked { action, place, inode, as_spelled, instead: None });
    }
}

/// The most permissions that are named in a run.
const MAX_NAMED: usize = 1_000;
/// The most policies that are looked at in a run to find the nearest: at a few microseconds each, some seconds.
const MAX_TAKEN_APART: usize = 1_000_000;
