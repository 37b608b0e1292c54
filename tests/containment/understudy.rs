//! Stands in for a broker that is another user, or that is killed: starts a hostile jail and does what it is told.

use std::ffi::OsString;
use std::io::Read;
use std::process::ExitCode;

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use rex_broker::front::cli::{self, Invocation};
use rex_broker::front::config::Layers;
use rex_broker::run;
use rex_broker::run::image::Image;
use rex_broker::run::session::RunEnd;
use rex_ipc::frame::Kind;
use rex_ipc::limits::{HEADER_BYTES, MAX_FRAME_BYTES};
use rex_outside::{Layer, Link, Plan};
use rex_tests::bench::{self, Peer};
use rex_tests::jailed::{Jailed, PROGRAM, full_plan};
use rex_tests::malformed::{self, Malformed, Numbers, WAYS};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["posture", without @ ..] => posture(&refused(without)),
        ["groups", without @ ..] => groups(&refused(without)),
        ["exchanged", way] => exchanged(*way == "indeed"),
        ["hold", state, without @ ..] => hold(state, &left_out(without)),
        ["broker", fault, errno, words @ ..] => broker(fault, errno, words),
        ["exchange", pairs @ ..] => exchange(pairs),
        ["malformed", peers, jails] => malformed(number(peers), number(jails)),
        _ => ExitCode::from(64),
    }
}

/// Prints one line for each measure.
fn posture(plan: &Plan) -> ExitCode {
    match Jailed::start(plan).posture() {
        Ok(posture) => {
            for measure in posture.measures {
                println!("{} {:?} {}", measure.id, measure.state, measure.evidence);
            }
            ExitCode::SUCCESS
        }
        Err(end) => {
            eprintln!("{end:?}");
            ExitCode::FAILURE
        }
    }
}

/// Joins groups, starts a jail, and prints the groups of both.
fn groups(plan: &Plan) -> ExitCode {
    if nix::unistd::setgroups(&[4.into(), 20.into()]).is_err() {
        return ExitCode::FAILURE;
    }
    let jailed = Jailed::ready(plan);
    for process in ["self".to_owned(), jailed.jail.pid().to_string()] {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let groups = status.lines().find_map(|line| line.strip_prefix("Groups:"));
        println!("{}", groups.unwrap_or("unknown").trim());
    }
    ExitCode::SUCCESS
}

/// Starts a jail that finds the host's files, which becomes another program or not, and prints what core lacks of the rest.
fn exchanged(indeed: bool) -> ExitCode {
    let host = [Layer::MountNamespace, Layer::Root, Layer::Landlock, Layer::LandlockScopes];
    let plan = host.into_iter().fold(full_plan(), Plan::without);
    let mut jailed = if indeed { Jailed::start_exchanged(&plan) } else { Jailed::start(&plan) };
    let requirement = "core,-landlock".parse().expect("the test's requirement is one");
    match jailed.posture() {
        Ok(posture) => {
            for measure in posture.missing(&requirement) {
                println!("{} {:?} {}", measure.id, measure.state, measure.evidence);
            }
            ExitCode::SUCCESS
        }
        Err(end) => {
            eprintln!("{end:?}");
            ExitCode::FAILURE
        }
    }
}

/// Brings a jail into a state, prints its process id, and waits to be killed.
fn hold(state: &str, plan: &Plan) -> ExitCode {
    let mut jailed = Jailed::start(plan);
    if state != "spawned" && jailed.await_ready().is_err() {
        return ExitCode::FAILURE;
    }
    match state {
        "spawned" | "verified" => {}
        "loaded" => jailed.begin_order(16),
        "waiting" => jailed.order("wait"),
        "running" => jailed.order("spin"),
        "finished" => {
            jailed.order("reach");
            drop(jailed.end());
        }
        _ => return ExitCode::from(64),
    }
    println!("{}", jailed.jail.pid());
    // Standard input ends when the test does, so that no understudy outlives it.
    let mut ignored = Vec::new();
    let _ = std::io::stdin().read_to_end(&mut ignored);
    ExitCode::SUCCESS
}

/// Is the broker, with the hostile jail in the place of the jail, and perhaps with a step that fails.
fn broker(fault: &str, errno: &str, words: &[&str]) -> ExitCode {
    let words = std::iter::once("rex-broker").chain(words.iter().copied()).map(OsString::from);
    let options = match cli::parse(words) {
        Ok(Invocation::Run(asked)) => asked.settle(&Layers::none()).expect("nobody forbids it"),
        other => panic!("the test's command line is that of a run: {other:?}"),
    };
    let requirement = run::requirement(options.require.as_deref()).expect("the test's requirement is one");
    let image = Image { bytes: PROGRAM, sha256: "none" };
    let change = |plan: Plan| match Layer::from_id(fault) {
        // An errno that there is not: the step is left out.
        Some(layer) if errno == "0" => plan.without(layer),
        Some(layer) => plan.failing(layer, errno.parse().expect("an errno was given")),
        None => plan,
    };
    ExitCode::from(run::run_with(&options, cli::environment(), &requirement, image, &change))
}

/// Serves so many peers and so many real jails, each of which breaks the protocol once, and prints what that cost.
fn malformed(peers: u64, jails: u64) -> ExitCode {
    let mut numbers = Numbers::new(0x7265_7862_726f_6b65);
    // What is made once and kept is made before anything is counted.
    let mut failures: Vec<String> = (0..WAYS).filter_map(|way| serve_peer(way, &mut numbers)).collect();
    failures.extend(serve_jail(1, &mut numbers));
    let before = Resources::now();

    failures.extend((0..peers).filter_map(|turn| serve_peer(turn % WAYS, &mut numbers)));
    failures.extend((0..jails).filter_map(|turn| serve_jail(turn % WAYS, &mut numbers)));

    let after = Resources::now();
    println!("{} {} {} {}", before.descriptors, after.descriptors, before.resident_kib, after.resident_kib);
    for failure in &failures {
        println!("{failure}");
    }
    ExitCode::SUCCESS
}

/// Serves a peer in this process, and says what went wrong.
fn serve_peer(way: u64, numbers: &mut Numbers) -> Option<String> {
    let (link, socket) = Link::pair().expect("a socket pair can be made");
    let mut peer = Peer::new(socket);
    let wrong = malformed::malformed(way, &mut peer, numbers);
    let mut services = bench::services(bench::ALLOW_ALL);
    let end = bench::serve_after(&link, &mut services, || {
        for (index, datagram) in wrong.datagrams.iter().enumerate() {
            match wrong.with_descriptor && index == 0 {
                true => peer.send_with_descriptor(datagram),
                false => peer.send_raw(datagram),
            }
        }
        // So that a session that takes the frame for a good one ends, too, and is noticed.
        peer.hang_up();
    });
    violation(&wrong, &end)
}

/// Serves a real jail, which can send whole frames only, because its filter kills it for anything else.
fn serve_jail(way: u64, numbers: &mut Numbers) -> Option<String> {
    let mut peer = Peer::new(Link::pair().expect("a socket pair can be made").1);
    // The first frame of a jail is that it is ready.
    peer.frame_of_bytes(Kind::Ready, &[]);
    let wrong = malformed::malformed(way, &mut peer, numbers);
    // Of two datagrams the second might come after the answer to the first, which is allowed.
    let [datagram] = wrong.datagrams.as_slice() else { return None };
    if wrong.with_descriptor || !(HEADER_BYTES..=MAX_FRAME_BYTES).contains(&datagram.len()) {
        return None;
    }
    let jailed = Jailed::start(&full_plan());
    let hexadecimal: String = datagram.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut services = bench::services(bench::ALLOW_ALL);
    let order = format!("frame {hexadecimal}");
    violation(&wrong, &bench::run(&jailed.jail.socket, &mut services, &order))
}

/// Exchanges the paths of each pair, one pair after the other, until somebody ends it.
fn exchange(pairs: &[&str]) -> ExitCode {
    println!("begun");
    loop {
        for pair in pairs.chunks_exact(2) {
            // A pair whose parent was just exchanged is not there; the next turn finds it again.
            let _ = renameat2(AT_FDCWD, pair[0], AT_FDCWD, pair[1], RenameFlags::RENAME_EXCHANGE);
        }
    }
}

/// A run that did not end by this violation.
fn violation(wrong: &Malformed, end: &RunEnd) -> Option<String> {
    match end {
        RunEnd::Violation(reason) if reason.contains(wrong.reason) => None,
        end => Some(format!("{}: {end:?}: {:02x?}", wrong.how, wrong.datagrams)),
    }
}

struct Resources {
    descriptors: usize,
    resident_kib: u64,
}

impl Resources {
    fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").expect("/proc is mounted");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = resident.and_then(|value| value.trim().trim_end_matches(" kB").parse().ok());
        Self {
            descriptors: std::fs::read_dir("/proc/self/fd").expect("/proc is mounted").count(),
            resident_kib: resident.expect("the kernel says how much memory this process has"),
        }
    }
}

fn number(word: &str) -> u64 {
    word.parse().expect("a number was given")
}

/// The full plan on a system that refuses these steps.
fn refused(ids: &[&str]) -> Plan {
    ids.iter()
        .filter_map(|id| Layer::from_id(id))
        .fold(full_plan(), |plan, layer| plan.failing(layer, nix::libc::ENOSPC))
}

/// The full plan without these steps.
fn left_out(ids: &[&str]) -> Plan {
    ids.iter().filter_map(|id| Layer::from_id(id)).fold(full_plan(), Plan::without)
}
