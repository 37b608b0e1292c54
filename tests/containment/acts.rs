//! Each forbidden act: it works unconfined, it is death in a jail, and without the filter another layer stops it.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use nix::libc;
use rex_acts::stage::{Key, SystemV};
use rex_acts::{Act, Targets};
use rex_broker::host::network::object::Staff;
use rex_outside::errand::{self, Server, Step};
use rex_outside::{Layer, Plan, Requirement, State};
use rex_tests::jailed::{End, Hired, Jailed, PROGRAM, full_plan, unconfined_plan};

use crate::exceptions::EXCEPTIONS;
use crate::surroundings::{is_root, skipped_in_a_container};

#[test]
fn every_act_is_stopped_by_the_filter_and_by_another_layer() {
    every_act_is_stopped(Stage::new());
}

#[test]
fn every_act_of_a_worker_is_stopped_by_the_filter_and_by_another_layer() {
    every_act_is_stopped(Stage { by: By::Worker, ..Stage::new() });
}

fn every_act_is_stopped(stage: Stage) {
    if skipped_in_a_container() {
        return;
    }
    let without_filter = full_plan().without(Layer::Seccomp);
    let mut report = Report { refuses_namespaces: refuses_namespaces(), ..Report::default() };

    for act in rex_acts::all() {
        if act.needs_root && !is_root() {
            report.skipped.push(act.name);
            continue;
        }
        match stage.attempt(act, &unconfined_plan()) {
            Attempt::Done => {}
            other => {
                report.uncontrolled.push((act.name, other));
                continue;
            }
        }
        let confined = stage.attempt(act, &full_plan());
        let ablated = stage.attempt(act, &without_filter);
        report.judge(act, confined, ablated);
    }

    report.print();
    report.check();
}

#[test]
fn where_namespaces_are_refused_it_is_known_what_only_the_filter_stops() {
    if skipped_in_a_container() {
        return;
    }
    let known = known_without_namespaces();
    let stage = Stage::new();
    let plan = NAMESPACES.into_iter().fold(full_plan().without(Layer::Seccomp), Plan::without);
    let (mut possible, mut single) = (Vec::new(), Vec::new());

    for act in rex_acts::all().filter(|act| !act.needs_root || is_root()) {
        if stage.attempt(act, &unconfined_plan()) == Attempt::Done {
            possible.push(act.name);
            if stage.attempt(act, &plan) == Attempt::Done {
                single.push(act.name);
            }
        }
    }

    println!("{} acts: {single:?}", single.len());
    let unknown: Vec<_> = single.iter().filter(|name| !known.contains(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert!(known.iter().all(|name| rex_acts::find(name).is_some()));
    // As root the jail is another user, which stops what users may do to each other's processes.
    if !is_root() {
        let better: Vec<_> =
            known.iter().filter(|name| possible.contains(name) && !single.contains(name)).collect();
        assert!(better.is_empty(), "shorten the list by {better:?}");
    }
}

// Landlock is the layer that is meant to hold where the filter does not; the rest must hold where neither does.
#[test]
fn every_file_act_is_stopped_without_filter_and_landlock() {
    every_file_act_is_stopped(Stage::new());
}

#[test]
fn every_file_act_of_a_worker_is_stopped_without_filter_and_landlock() {
    every_file_act_is_stopped(Stage { by: By::Worker, ..Stage::new() });
}

fn every_file_act_is_stopped(stage: Stage) {
    if skipped_in_a_container() {
        return;
    }
    if refuses_namespaces() {
        rex_tests::skip::skipped("this system gives jails no namespaces");
        return;
    }
    let plan = full_plan().without(Layer::Seccomp).without(Layer::Landlock);

    for act in
        rex_acts::all().filter(|act| act.class == rex_acts::Class::File && (is_root() || !act.needs_root))
    {
        let attempt = stage.attempt(act, &plan);
        assert!(matches!(attempt, Attempt::Refused(_)), "{}: {attempt:?}", act.name);
    }
}

// Each right of the Landlock domain, with nothing else in the way: what is dropped from it is stopped by nothing here.
#[test]
fn landlock_alone_stops_what_it_is_there_for() {
    landlock_alone_stops(Stage::new());
}

#[test]
fn landlock_alone_stops_what_a_worker_tries() {
    landlock_alone_stops(Stage { by: By::Worker, ..Stage::new() });
}

fn landlock_alone_stops(stage: Stage) {
    let posture = Jailed::start(&full_plan()).posture().unwrap();
    for layer in [Layer::Landlock, Layer::LandlockScopes] {
        if posture.measure(layer).is_none_or(|measure| measure.state != State::Enforced) {
            rex_tests::skip::skipped(format!("{layer} is not to be had here"));
            return;
        }
    }
    let domain = [Layer::NoNewPrivs, Layer::Landlock, Layer::LandlockScopes];
    let alone = domain.into_iter().fold(unconfined_plan(), Plan::with);
    let without_scopes = alone.clone().without(Layer::LandlockScopes);
    let expected = [
        ("connect_tcp", libc::EACCES),
        ("listen_tcp", libc::EACCES),
        ("connect_abstract", libc::EPERM),
        ("signal_broker", libc::EPERM),
        ("signal_neighbour", libc::EPERM),
        ("open_file", libc::EACCES),
        ("list_directory", libc::EACCES),
        ("make_directory", libc::EACCES),
    ];

    for (name, errno) in expected {
        let act = rex_acts::find(name).unwrap_or_else(|| panic!("there is no act {name}"));
        let scoped = errno == libc::EPERM;

        assert_eq!(stage.attempt(act, &unconfined_plan()), Attempt::Done, "the control of {name}");
        assert_eq!(stage.attempt(act, &alone), Attempt::Refused(errno), "{name}");
        // The second control: it is the scopes that stop what they are said to stop.
        if scoped {
            assert_eq!(stage.attempt(act, &without_scopes), Attempt::Done, "{name} without scopes");
        }
    }
}

/// The acts for which the namespaces are the second layer.
fn known_without_namespaces() -> Vec<&'static str> {
    let lines = include_str!("without_namespaces.golden").lines();
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

/// Whether this system gives jails no namespaces.
fn refuses_namespaces() -> bool {
    let posture = Jailed::start(&full_plan()).posture().unwrap();
    posture.measure(Layer::MountNamespace).is_none_or(|measure| measure.state != State::Enforced)
}

const NAMESPACES: [Layer; 7] = [
    Layer::UserNamespace,
    Layer::PidNamespace,
    Layer::MountNamespace,
    Layer::NetworkNamespace,
    Layer::IpcNamespace,
    Layer::UtsNamespace,
    Layer::CgroupNamespace,
];

/// What became of an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    Done,
    Refused(i32),
    Killed(i32),
    Strange,
}

/// Who attempts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Jail,
    Worker,
}

/// Who attempts, and what the acts aim at, alive as long as this.
struct Stage {
    by: By,
    aims: Aims,
}

/// What the acts aim at.
struct Aims {
    targets: Targets,
    neighbour: Child,
    _listener: TcpListener,
    _abstract_listener: UnixListener,
    _system_v: SystemV,
    _key: Option<Key>,
}

impl Stage {
    fn new() -> Self {
        Self { by: By::Jail, aims: Aims::new() }
    }

    /// Has a fresh jail or worker under `plan` attempt `act` in a fresh directory.
    fn attempt(&self, act: &Act, plan: &Plan) -> Attempt {
        let directory = Scene::new();
        let targets = Targets { directory: directory.path.clone(), ..self.aims.targets.clone() };
        match self.by {
            By::Jail => attempt_by_jail(act, plan, &targets),
            By::Worker => attempt_by_worker(act, plan, &targets),
        }
    }
}

impl Aims {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let neighbour = Command::new("sleep").arg("3600").stdin(Stdio::null()).spawn().unwrap();
        let ipc_key = i32::try_from(std::process::id()).unwrap() | 0x5245_0000;
        // Some containers allow no keys; the acts on them are then impossible there anyway.
        let key = Key::add().ok();
        let targets = Targets {
            directory: String::new(),
            broker: i32::try_from(std::process::id()).unwrap(),
            neighbour: i32::try_from(neighbour.id()).unwrap(),
            address: (&raw const WORD) as u64,
            port: listener.local_addr().unwrap().port(),
            ipc_key,
            key: key.as_ref().map_or(0, Key::number),
        };
        let system_v = SystemV::create(ipc_key).unwrap();
        let name = SocketAddr::from_abstract_name(targets.abstract_name()).unwrap();
        Self {
            targets,
            neighbour,
            _listener: listener,
            _abstract_listener: UnixListener::bind_addr(&name).unwrap(),
            _system_v: system_v,
            _key: key,
        }
    }
}

fn attempt_by_jail(act: &Act, plan: &Plan, targets: &Targets) -> Attempt {
    let mut jailed = Jailed::ready(plan);
    jailed.order(&format!("act {} {}", act.name, targets.to_text()));
    match jailed.end() {
        End::Said(answer) => said(act, &answer),
        // Another program has taken the jail's place and ended.
        End::Exited(0) => Attempt::Done,
        // What the broker refuses to take did leave the jail.
        End::Broke(_) => Attempt::Done,
        End::Killed(signal) => Attempt::Killed(signal),
        End::Fatal(_) | End::Exited(_) => Attempt::Strange,
    }
}

/// The plan is that of workers, made of the one that a jail would have.
fn attempt_by_worker(act: &Act, plan: &Plan, targets: &Targets) -> Attempt {
    let plan = Staff::new(PROGRAM, plan, &Requirement::core()).plan;
    let number = rex_acts::all().position(|other| other.name == act.name).expect("the act is in the list");
    let mut hired = Hired::ready(&plan);
    let server = Server { unix_seconds: 0, name: format!("act-{number}.example") };
    hired.order(errand::Kind::Server, &server.to_bytes()).expect("a server is taken");
    hired.order(errand::Kind::Anchors, targets.to_text().as_bytes()).expect("targets are taken");
    match hired.order(errand::Kind::Say, b"") {
        Ok((errand::Kind::Step, body)) => {
            let step = Step::from_bytes(&body).expect("it is a step");
            said(act, std::str::from_utf8(step.said).expect("it is text"))
        }
        Ok(_) => Attempt::Strange,
        Err(End::Exited(0) | End::Broke(_)) => Attempt::Done,
        Err(End::Killed(signal)) => Attempt::Killed(signal),
        Err(_) => Attempt::Strange,
    }
}

fn said(act: &Act, answer: &str) -> Attempt {
    match answer.strip_prefix("errno ").map(str::parse) {
        _ if answer == "done" => Attempt::Done,
        Some(Ok(errno)) => Attempt::Refused(errno),
        _ => panic!("{}: {answer}", act.name),
    }
}

impl Drop for Aims {
    fn drop(&mut self) {
        let _ = self.neighbour.kill();
        let _ = self.neighbour.wait();
    }
}

/// A directory that anybody may change, with what the acts look for.
struct Scene {
    path: String,
}

impl Scene {
    fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);

        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("rex-acts-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        fs::create_dir(path.join("mount")).unwrap();
        fs::write(path.join("secret"), "secret").unwrap();
        fs::set_permissions(path.join("secret"), fs::Permissions::from_mode(0o666)).unwrap();
        symlink("secret", path.join("link")).unwrap();
        Self { path: path.into_os_string().into_string().unwrap() }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

#[derive(Default)]
struct Report {
    refuses_namespaces: bool,
    judged: BTreeMap<rex_acts::Class, Vec<(&'static str, Attempt, Attempt)>>,
    skipped: Vec<&'static str>,
    uncontrolled: Vec<(&'static str, Attempt)>,
    failures: Vec<String>,
}

impl Report {
    fn judge(&mut self, act: &Act, confined: Attempt, ablated: Attempt) {
        self.judged.entry(act.class).or_default().push((act.name, confined, ablated));
        if confined != Attempt::Killed(libc::SIGSYS) {
            self.failures.push(format!("{}: {confined:?} in a jail with every layer", act.name));
        }
        let is_exception = EXCEPTIONS.iter().any(|(name, _)| *name == act.name);
        let is_stopped = matches!(ablated, Attempt::Refused(_) | Attempt::Killed(_));
        if self.refuses_namespaces && known_without_namespaces().contains(&act.name) {
            return;
        }
        if is_stopped == is_exception {
            let what = if is_exception { "is an exception and need not be" } else { "has one layer only" };
            self.failures.push(format!("{}: {what}: {ablated:?} without the filter", act.name));
        }
    }

    fn print(&self) {
        for (class, acts) in &self.judged {
            for (name, confined, ablated) in acts {
                println!("{class:<14}{name:<32}{confined:?}, without the filter {ablated:?}");
            }
        }
        for (name, attempt) in &self.uncontrolled {
            println!("not possible on this system even unconfined: {name} ({attempt:?})");
        }
        rex_tests::skip::skipped(format!("because they need root: {:?}", self.skipped));
    }

    fn check(&self) {
        let judged: usize = self.judged.values().map(Vec::len).sum();
        assert!(self.failures.is_empty(), "{:#?}", self.failures);
        if is_root() {
            assert!(judged >= 60, "only {judged} acts work here even unconfined: {:?}", self.uncontrolled);
            assert_eq!(self.judged.len(), 12, "a class without an act");
        }
    }
}

// Not one of the table; `alone.rs` has each of the two layers that hold it.
#[test]
fn no_descriptor_is_inherited() {
    let mut jailed = Jailed::ready(&full_plan().without(Layer::Seccomp));
    jailed.order("inherited");

    assert_eq!(rex_acts::use_inherited(&Targets::default()), Ok(()));
    assert_eq!(jailed.end(), End::Said(format!("errno {}", libc::EBADF)));
}

#[test]
fn at_most_five_exceptions_each_an_act_and_with_a_reason() {
    assert!(EXCEPTIONS.len() <= 5);
    for (name, reason) in EXCEPTIONS {
        assert!(rex_acts::find(name).is_some(), "{name}");
        assert!(reason.len() > 40, "{name}");
    }
}

/// What an act reads and writes back; it knows the value.
static WORD: AtomicU64 = AtomicU64::new(0x6578_6563_7265_7473);
