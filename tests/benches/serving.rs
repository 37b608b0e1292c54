//! A session served as in a run, with a peer that asks like a jail and runs no script, next to the bare system calls.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Instant;

use criterion::Criterion;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::socket::{MsgFlags, recv, send};
use nix::unistd::Pid;
use rex_broker::audit::{self, Identity, Journal, JournalLimits};
use rex_broker::audit::{AuditSync, AuditTarget};
use rex_broker::gate::deciding::Deciding;
use rex_broker::gate::forbidden::Forbidden;
use rex_broker::gate::limits::Limits;
use rex_broker::host::Host;
use rex_broker::policy::{Engine, Mode, Policies, PolicyText};
use rex_broker::result::{Recorder, Settings};
use rex_broker::run::services::Services;
use rex_broker::run::session::Session;
use rex_broker::watch::wait::Waiter;
use rex_ipc::batch::CallWriter;
use rex_ipc::bounded::{Bytes, Text};
use rex_ipc::codec;
use rex_ipc::control::{Arguments, Ready};
use rex_ipc::file_system::{
    ChunkLength, Close, CreateDir, DirPlace, OpenDir, OpenFile, OpenMode, ReadChunk, Spelled,
};
use rex_ipc::frame::{Header, Kind};
use rex_ipc::handle::{AnyId, DirId, FileId};
use rex_ipc::interface::FINGERPRINT;
use rex_ipc::limits::{HEADER_BYTES, MAX_FRAME_BYTES};
use rex_ipc::runtime::{LogLevel, Now};
use rex_outside::socket::Link;

pub(crate) fn benches(criterion: &mut Criterion) {
    stay_on_one_processor();
    let place = Place::new();
    let path = place.0.join("small");
    let mut group = criterion.benchmark_group("cat of 16 bytes");
    group.bench_function("open, fstat, read, close", |bencher| bencher.iter(|| raw_cat(&path)));
    for (name, record) in [("with record", true), ("without record", false)] {
        let mut peer = Peer::start(&place, record);
        group.bench_function(name, |bencher| bencher.iter(|| peer.cat("small")));
        group.bench_function(format!("denied, {name}"), |bencher| bencher.iter(|| peer.cat("closed")));
        group.bench_function(format!("round trip, {name}"), |bencher| bencher.iter(|| peer.now()));
        peer.stop();
    }
    group.finish();
}

/// The same four system calls that any `cat` needs.
fn raw_cat(path: &Path) -> usize {
    let mut buffer = [0; 4096];
    let mut file = File::open(path).expect("the file is there");
    let length = file.metadata().expect("the file is open").len();
    let read = file.read(&mut buffer).expect("the file can be read");
    assert_eq!(read as u64, length);
    read
}

/// The requests of a `cat`, with the closes of the one before; `dir` and `dir + 1` are its handles.
pub(crate) fn write_cat(writer: &mut CallWriter<'_>, dir: u32, parent: &str, name: &str) {
    let (id, file) = (DirId(dir), FileId(dir + 1));
    let open_dir = OpenDir {
        id,
        at: DirPlace::Path(Text::new(parent).expect("the path is short")),
        follow: true,
        create: CreateDir::No,
    };
    let open_file = OpenFile {
        id: file,
        dir: id,
        name: Spelled::from(Text::new(name).expect("the name is short")),
        mode: OpenMode::Read,
        follow: false,
    };
    let read = ReadChunk { file, offset_bytes: 0, length: ChunkLength::MAX, redacted: true };
    writer
        .push(&open_dir)
        .and_then(|()| writer.push(&open_file))
        .and_then(|()| writer.push(&read))
        .expect(FITS);
}

/// The closes that lead the call after a `cat` that succeeded.
pub(crate) fn write_closes(writer: &mut CallWriter<'_>, dir: u32) {
    for handle in [AnyId::Dir(DirId(dir)), AnyId::File(FileId(dir + 1))] {
        writer.push(&Close { handle }).expect(FITS);
    }
}

/// The end of the socket that a jail has in a run.
struct Peer {
    socket: OwnedFd,
    broker: JoinHandle<()>,
    parent: String,
    frame: Vec<u8>,
    answer: Vec<u8>,
    sequence: u32,
    next_handle: u32,
    open: Option<u32>,
}

impl Peer {
    /// Serves a peer from another thread, up to the point where a script begins to ask.
    fn start(place: &Place, record: bool) -> Self {
        let (link, socket) = Link::pair().expect("a socket pair can be had");
        let parent = place.0.to_str().expect("the path is text").to_owned();
        let log = record.then(|| place.0.join("audit.jsonl"));
        let served = parent.clone();
        let broker = std::thread::spawn(move || serve(&link, &served, log.as_deref()));
        let frame = vec![0; MAX_FRAME_BYTES];
        let mut peer = Self {
            socket,
            broker,
            parent,
            answer: frame.clone(),
            frame,
            sequence: 0,
            next_handle: 1,
            open: None,
        };
        let ready = Ready { fingerprint: FINGERPRINT, report: Bytes::default() };
        let body_bytes = codec::encode(&ready, &mut peer.frame[HEADER_BYTES..]).expect(FITS);
        peer.send(Kind::Ready, body_bytes);
        while peer.receive() != Kind::LoadEnd {}
        peer
    }

    fn cat(&mut self, name: &str) {
        let dir = self.next_handle;
        self.next_handle += 2;
        let mut writer = CallWriter::new(1, &mut self.frame[HEADER_BYTES..]).expect(FITS);
        let closes = self.open.take();
        if let Some(earlier) = closes {
            write_closes(&mut writer, earlier);
        }
        write_cat(&mut writer, dir, &self.parent, name);
        let body_bytes = writer.finish().expect(FITS);
        self.send(Kind::Call, body_bytes);
        assert_eq!(self.receive(), Kind::Reply);
        let completed = usize::from(self.answer[HEADER_BYTES]) - if closes.is_some() { 2 } else { 0 };
        // What a call that was denied had opened is closed already.
        self.open = (completed == 3).then_some(dir);
        assert_eq!(self.open.is_none(), name == "closed", "{completed} of 3 requests were done");
    }

    fn now(&mut self) {
        let mut writer = CallWriter::new(1, &mut self.frame[HEADER_BYTES..]).expect(FITS);
        writer.push(&Now {}).expect(FITS);
        let body_bytes = writer.finish().expect(FITS);
        self.send(Kind::Call, body_bytes);
        assert_eq!(self.receive(), Kind::Reply);
    }

    fn stop(self) {
        drop(self.socket);
        self.broker.join().expect("the session ends when its peer is gone");
    }

    fn send(&mut self, kind: Kind, body_bytes: usize) {
        let length = Header::finish(kind, self.sequence, body_bytes, &mut self.frame).expect(FITS);
        self.sequence += 1;
        send(self.socket.as_raw_fd(), &self.frame[..length], MsgFlags::empty()).expect("the broker is there");
    }

    fn receive(&mut self) -> Kind {
        let length =
            recv(self.socket.as_raw_fd(), &mut self.answer, MsgFlags::empty()).expect("the broker is there");
        Header::split(&self.answer[..length]).expect("the broker sends frames").0.kind
    }
}

/// The broker's side, as `run` does it after the jail was verified.
fn serve(link: &Link, parent: &str, log: Option<&Path>) {
    let engine = Engine::new(policies(parent), PRINCIPAL);
    let limits = Limits {
        max_audit_records: u64::MAX,
        max_audit_bytes: u64::MAX,
        max_calls: u64::MAX,
        ..Limits::default()
    };
    let mut services = Services::new(
        Host::open(limits.max_open_handles).expect("the root can be opened"),
        Deciding::new(engine, Forbidden::new(), PRINCIPAL.to_owned()),
        limits,
        Waiter::new().expect("signals can be taken over"),
        Box::new(journal(log)),
        Recorder::new(Settings {
            compat: false,
            bare: false,
            started: Instant::now(),
            log_threshold: LogLevel::Info,
            max_log_lines: limits.max_log_lines,
            max_signals: limits.max_signals,
            max_signal_bytes: limits.max_signal_bytes,
        }),
    );
    services.pace.waiter.set_deadline(Some(Instant::now() + limits.timeout()));
    let mut session = Session::new(link);
    session.await_ready(&mut services.pace.waiter).expect("the peer is ready");
    session.verified();
    session.load(&mut services, "", &Arguments::default()).expect("the peer takes its script");
    session.serve(&mut services);
}

fn journal(log: Option<&Path>) -> Journal {
    let Some(path) = log else { return Journal::nowhere() };
    let log = audit::open(&AuditTarget::Path(path.to_owned()))
        .expect("the log can be made")
        .expect("a log is wanted");
    let identity = Identity {
        run: "00000000000000000000000000000000",
        principal: PRINCIPAL,
        policy_sha256: "0",
        delegation: None,
    };
    Journal::new(log, identity, JournalLimits { records: u64::MAX, bytes: u64::MAX }, AuditSync::Run)
}

fn policies(parent: &str) -> Policies {
    let text = format!(
        "permit(principal, action in [file_system::Action::\"open\", file_system::Action::\"read\"], \
         resource in file_system::Dir::\"{parent}\");\n\
         forbid(principal, action, resource == file_system::File::\"{parent}/closed\");\n"
    );
    Policies::load(&[PolicyText { name: "bench", text: &text }], Mode::Rex)
        .expect("the policies are right")
        .policies
}

/// Broker and jail take turns, so two processors would measure how fast the second one wakes up.
fn stay_on_one_processor() {
    let this = Pid::from_raw(0);
    let allowed = sched_getaffinity(this).expect("the affinity can be read");
    let first =
        (0..CpuSet::count()).find(|cpu| allowed.is_set(*cpu).unwrap_or(false)).expect("one is allowed");
    let mut one = CpuSet::new();
    one.set(first).expect("it is in range");
    sched_setaffinity(this, &one).expect("fewer processors can always be had");
}

/// A directory with two small files, removed in the end.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        let place = std::env::temp_dir().join(format!("rex-benches-{}", std::process::id()));
        std::fs::create_dir(&place).expect("a directory can be made");
        for name in ["small", "closed"] {
            std::fs::write(place.join(name), "sixteen bytes.\n\n").expect("a file can be written");
        }
        Self(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const PRINCIPAL: &str = "tester";
const FITS: &str = "a frame has room for it";
