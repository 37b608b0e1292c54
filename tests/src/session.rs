//! A run without a jail: policy, tree, records, and a conversation that the test holds with the broker.

use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rex_broker::gate::deciding::Deciding;
use rex_broker::gate::forbidden::Forbidden;
use rex_broker::gate::limits::Limits;
use rex_broker::gate::{Held, Resource};
use rex_broker::host::Host;
use rex_broker::host::file_system::object::{Directory, File};
use rex_broker::host::file_system::temporaries::Temporaries;
use rex_broker::host::network::object::Staff;
use rex_broker::policy::{Engine, Mode, Policies, PolicyText};
use rex_broker::result::{Ending, Measured, Recorder, Settings};
use rex_broker::run::image::WORKER;
use rex_broker::run::services::Services;
use rex_broker::run::session::{self, RunEnd};
use rex_broker::watch::wait::Waiter;
use rex_ipc::batch::ReplyReader;
use rex_ipc::bounded::Text;
use rex_ipc::control::Arguments;
use rex_ipc::failure::{ErrorKind, Failure, FailureClass};
use rex_ipc::file_system::{
    Chunk, ChunkLength, Close, CreateDir, DirPlace, Entry, IfMissing, ListEntries, NameText, OpenDir,
    OpenFile, OpenMode, PathText, ReadChunk, Spelled,
};
use rex_ipc::frame::Kind;
use rex_ipc::handle::{AnyId, DirId, FileId};
use rex_ipc::interface::{Operation, Request};
use rex_ipc::limits::MAX_FRAME_BYTES;
use rex_ipc::runtime::LogLevel;
use rex_outside::{Link, Plan, Requirement};

use crate::peer::{Answer, Peer};
use crate::records::Records;
use crate::tree::Tree;

/// Permits everything; what is refused under it is refused by the broker itself.
pub const ALLOW_ALL: &str = "permit(principal, action, resource);";

/// The user that the policy is asked about.
pub const PRINCIPAL: &str = "tester";

/// A run without a jail.
pub struct Session {
    /// The state of the run.
    pub services: Services,
    /// What was recorded.
    pub records: Records,
    /// The files of the test.
    pub tree: Tree,
    next_number: u32,
}

/// Why a request was not carried out.
#[derive(Debug)]
pub enum Refused {
    /// The script would be told, and could go on.
    Failure(Failure),
    /// The run was ended.
    End(RunEnd),
}

impl Refused {
    /// What the script would be told.
    pub fn failure(self) -> Failure {
        match self {
            Self::Failure(failure) => failure,
            Self::End(end) => panic!("the run was ended: {end:?}"),
        }
    }

    /// How the run was ended.
    pub fn end(self) -> RunEnd {
        match self {
            Self::End(end) => end,
            Self::Failure(failure) => panic!("the run goes on after {failure:?}"),
        }
    }

    /// Whether the policy, or a built-in forbid, said no.
    pub fn is_denial(&self) -> bool {
        matches!(self, Self::Failure(failure) if failure.class == FailureClass::Denied)
    }

    /// The kernel's error number, when it was the one to fail.
    pub fn errno(&self) -> Option<u16> {
        match self {
            Self::Failure(Failure { class: FailureClass::System { errno }, .. }) => Some(*errno),
            _ => None,
        }
    }

    /// The kind that the script would compare.
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Failure(failure) => Some(failure.kind),
            Self::End(_) => None,
        }
    }
}

/// The descriptor of an open file, for a test that looks at it behind the broker's back.
pub fn descriptor(file: &Rc<File>) -> BorrowedFd<'_> {
    match file.held() {
        Held::Object(descriptor, _) => descriptor,
        held => panic!("an open file is not held: {held:?}"),
    }
}

/// A directory as the broker holds it.
pub fn held_directory(path: &Path) -> Rc<Directory> {
    let mut session = Session::with_policy(ALLOW_ALL);
    let id = session.open_dir(path.to_str().expect("the tests' paths are text")).expect("it can be opened");
    session.services.host.handles.dir(id).expect("it is open")
}

impl Session {
    /// A run under this policy, in which `{root}` is the path of the run's own tree.
    pub fn with_policy(policy: &str) -> Self {
        Self::with_limits(policy, |_| {})
    }

    /// A run with `--rex-compat`.
    pub fn with_policy_as_in_rex(policy: &str) -> Self {
        let mut session = Self::with_policy(policy);
        session.services.deciding.rex_compat = true;
        *session.services.kept.recorder.lock() = recorder(session.services.metered.limits(), true);
        session
    }

    /// The same with other limits.
    pub fn with_limits(policy: &str, change: impl FnOnce(&mut Limits)) -> Self {
        Self::on_tree(Tree::new(), policy, change)
    }

    /// The same on a tree that is already there.
    pub fn on_tree(tree: Tree, policy: &str, change: impl FnOnce(&mut Limits)) -> Self {
        let policy = policy.replace("{root}", &tree.text(""));
        let loaded = Policies::load(&[PolicyText { name: "test", text: &policy }], Mode::Standard);
        let policies = loaded.unwrap_or_else(|errors| panic!("{:?}", errors.findings())).policies;
        let mut limits = Limits::default();
        change(&mut limits);
        let records = Records::default();
        let recorder = recorder(&limits, false);
        let mut services = Services::new(
            Host::open(limits.max_open_handles).expect("/ and /proc can be opened"),
            Deciding::new(Engine::new(policies, PRINCIPAL), Forbidden::new(), PRINCIPAL.to_owned()),
            limits,
            Waiter::new().expect("signals can be taken over"),
            Box::new(records.clone()),
            recorder,
        );
        services.host.network.staff = Some(Staff::new(WORKER.bytes, &Plan::full(), &Requirement::core()));
        // Nor are its name servers, and what they know.
        services.host.network.resolver = "/dev/null".into();
        // No process has this number, so nothing is hidden for it.
        services.hide_process(u32::MAX);
        // The host's own journal of temporary names is no business of a test.
        let state = std::env::temp_dir().join(format!("rex-tests-state-{}", services.host.euid));
        services.host.tools.note_in(Temporaries::noted_in(Some(state)));
        Self { services, records, tree, next_number: 1 }
    }

    /// Serves a conversation in which `speak` is the jail, and gives how the run ended and what `speak` returned.
    pub fn serve<T: Send>(&mut self, speak: impl FnOnce(&mut Peer) -> T + Send) -> (RunEnd, T) {
        self.serve_until(TEST_DEADLINE, speak)
    }

    /// The same with a time after which the run ends.
    pub fn serve_until<T: Send>(
        &mut self,
        deadline: Duration,
        speak: impl FnOnce(&mut Peer) -> T + Send,
    ) -> (RunEnd, T) {
        let (link, theirs) = Link::pair().expect("a socket pair can be made");
        self.services.pace.waiter.set_deadline(Some(Instant::now() + deadline));
        std::thread::scope(|scope| {
            let jail = scope.spawn(move || {
                let mut peer = Peer::new(theirs);
                peer.start().expect("the broker waits for the jail");
                speak(&mut peer)
            });
            let end = converse(&link, &mut self.services);
            // A peer that still waits for an answer learns that there will be none.
            drop(link);
            match jail.join() {
                Ok(said) => (end, said),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Makes one call with several requests.
    pub fn batch(&mut self, requests: Vec<Request>) -> Result<Answer, RunEnd> {
        let (end, answer) = self.serve(|peer| peer.call(requests));
        answer.ok_or(end)
    }

    /// Makes one call with one request.
    pub fn send<O>(&mut self, request: O) -> Result<O::Reply, Refused>
    where
        O: Operation,
        O::Reply: Send,
        Request: From<O>,
    {
        let request = Request::from(request);
        let (end, body) = self.serve(|peer| {
            let mut body = vec![0; MAX_FRAME_BYTES];
            let call = rex_ipc::batch::Call { line: peer.line, requests: vec![request] };
            let length = call.encode(&mut body).expect("the request fits a frame");
            peer.send(Kind::Call, body.get(..length)?)?;
            peer.receive().map(|(_, body)| body)
        });
        let Some(body) = body else { return Err(Refused::End(end)) };
        let mut reader = ReplyReader::new(&body).expect("the broker's replies are well formed");
        if reader.completed() == 1 {
            return Ok(reader.take::<O::Reply>().expect("the reply has the form of its row"));
        }
        let failure = reader.failure().expect("the reply is well formed").expect("nothing was carried out");
        Err(Refused::Failure(failure))
    }

    /// The path of something in the tree, as a script would spell it.
    pub fn text(&self, name: &str) -> String {
        self.tree.text(name)
    }

    /// The path of something in the tree.
    pub fn path(&self, name: &str) -> PathBuf {
        self.tree.path(name)
    }

    /// The next number for a handle.
    pub fn number(&mut self) -> u32 {
        self.next_number += 1;
        self.next_number - 1
    }

    /// A request to open a directory by its path.
    pub fn opening_dir(&mut self, path: &str) -> OpenDir {
        OpenDir {
            id: DirId(self.number()),
            at: DirPlace::Path(path_text(path)),
            follow: false,
            create: CreateDir::No,
        }
    }

    /// A request to open a directory by its name in an open one.
    pub fn opening_entry(&mut self, dir: DirId, name: &str) -> OpenDir {
        OpenDir {
            id: DirId(self.number()),
            at: DirPlace::Entry(dir, name_text(name)),
            follow: false,
            create: CreateDir::No,
        }
    }

    /// A request to open a file for reading.
    pub fn opening_file(&mut self, dir: DirId, name: &str) -> OpenFile {
        OpenFile {
            id: FileId(self.number()),
            dir,
            name: name_text(name),
            mode: OpenMode::Read,
            follow: false,
        }
    }

    /// Opens a directory by its path.
    pub fn open_dir(&mut self, path: &str) -> Result<DirId, Refused> {
        let request = self.opening_dir(path);
        let id = request.id;
        self.send(request).map(|_| id)
    }

    /// Opens the run's own tree.
    pub fn root(&mut self) -> DirId {
        let root = self.tree.text("");
        self.open_dir(&root).expect("the policy permits to open the tree")
    }

    /// Opens a file for reading, without following a link.
    pub fn open_file(&mut self, dir: DirId, name: &str) -> Result<FileId, Refused> {
        let request = self.opening_file(dir, name);
        let id = request.id;
        self.send(request).map(|_| id)
    }

    /// Reads a file at an offset.
    pub fn read(&mut self, file: FileId, offset_bytes: u64, bytes: u32) -> Result<Chunk, Refused> {
        let length = ChunkLength::new(bytes).expect("a length within the limits");
        self.send(ReadChunk { file, offset_bytes, length, redacted: false })
    }

    /// Opens a file by its path, following links, and reads its beginning, as `cat` does.
    pub fn cat(&mut self, path: &str) -> Result<Vec<u8>, Refused> {
        let (parent, name) = path.rsplit_once('/').expect("an absolute path");
        let mut parent = self.opening_dir(if parent.is_empty() { "/" } else { parent });
        parent.follow = true;
        let dir = parent.id;
        self.send(parent)?;
        let mut opening = self.opening_file(dir, name);
        opening.follow = true;
        let file = opening.id;
        self.send(opening)?;
        let chunk = self.read(file, 0, ChunkLength::MAX.into());
        self.close(AnyId::File(file));
        self.close(AnyId::Dir(dir));
        chunk.map(|chunk| chunk.bytes.into_vec())
    }

    /// Lists the rest of a directory.
    pub fn list(&mut self, dir: DirId) -> Result<Vec<Entry>, Refused> {
        let mut entries = Vec::new();
        let mut restart = true;
        loop {
            let page = self.send(ListEntries { dir, restart })?;
            restart = false;
            entries.extend(page.entries.into_vec());
            if page.end {
                return Ok(entries);
            }
        }
    }

    /// Gives a handle back.
    pub fn close(&mut self, handle: AnyId) {
        self.send(Close { handle }).expect("the handle is open");
    }

    /// The result document of a run that ends here, as JSON.
    pub fn document(&mut self) -> String {
        let fresh = recorder(self.services.metered.limits(), self.services.deciding.rex_compat);
        let recorder = std::mem::replace(&mut *self.services.kept.recorder.lock(), fresh);
        let document = recorder.finish(Ending::Value(String::new()), &Measured::default());
        serde_json::to_string(&document).expect("a document has a form in JSON")
    }

    /// The questions since the last look, in their order, such as `permit open Dir ~/a`; `~` is the tree.
    pub fn questions(&self) -> Vec<String> {
        let root = self.tree.text("");
        let decided = self.records.decided();
        self.records.clear();
        let line = |decided: &crate::records::Decided| {
            let answer = if decided.permitted { "permit" } else { "deny" };
            let kind = decided.kind.type_name().trim_start_matches("file_system::");
            let resource = match decided.resource.strip_prefix(&root) {
                Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("~{rest}"),
                _ => decided.resource.clone(),
            };
            format!("{answer} {} {kind} {resource}", decided.action.name())
        };
        decided.iter().map(line).collect()
    }

    /// The outcomes so far, such as `open_dir done` or `open_dir IoError 2`.
    pub fn outcomes(&self) -> Vec<String> {
        let line = |done: &crate::records::Done| match (&done.failure, done.errno) {
            (None, _) => format!("{} done", done.operation),
            (Some(kind), None) => format!("{} {kind}", done.operation),
            (Some(kind), Some(errno)) => format!("{} {kind} {errno}", done.operation),
        };
        self.records.done().iter().map(line).collect()
    }
}

/// A path on the wire.
pub fn path_text(path: &str) -> PathText {
    Text::new(path).expect("the path fits")
}

/// For reading and writing, if it is there.
pub const READ_WRITE: OpenMode = OpenMode::ReadWrite(IfMissing::Fail);

/// For writing, if it is there.
pub const WRITE: OpenMode = OpenMode::Write(IfMissing::Fail);

/// For reading and writing; made when it is missing.
pub const MAKE: OpenMode = OpenMode::ReadWrite(IfMissing::Make(None));

/// For writing; made when it is missing.
pub const MAKE_AND_WRITE: OpenMode = OpenMode::Write(IfMissing::Make(None));

/// What the three options of scripts come to.
pub fn open_mode(read: bool, write: bool, create: bool) -> OpenMode {
    let if_missing = if create { IfMissing::Make(None) } else { IfMissing::Fail };
    match (read, write) {
        (true, true) => OpenMode::ReadWrite(if_missing),
        (false, true) => OpenMode::Write(if_missing),
        (_, false) if create => OpenMode::AskOnly,
        (_, false) => OpenMode::Read,
    }
}

/// What a script gives as a name, on the wire.
pub fn name_text(name: &str) -> Spelled {
    path_text(name).into()
}

/// The name of an entry on the wire.
pub fn entry_text(name: &str) -> NameText {
    path_text(name).try_into().expect("it is a name")
}

fn recorder(limits: &Limits, compat: bool) -> Recorder {
    Recorder::new(Settings {
        compat,
        bare: false,
        started: Instant::now(),
        log_threshold: LogLevel::Trace,
        max_log_lines: limits.max_log_lines,
        max_signals: limits.max_signals,
        max_signal_bytes: limits.max_signal_bytes,
    })
}

fn converse(link: &Link, services: &mut Services) -> RunEnd {
    let mut session = session::Session::new(link);
    if let Err(end) = session.await_ready(&mut services.pace.waiter) {
        return end;
    }
    session.verified();
    match session.load(services, "", &Arguments::default()) {
        Ok(()) => session.serve(services),
        Err(end) => end,
    }
}

/// What takes this long in a test hangs.
const TEST_DEADLINE: Duration = Duration::from_secs(60);
