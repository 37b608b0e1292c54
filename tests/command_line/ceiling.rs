//! A broker that is held to what its policy could permit: in every thread, before the script, or not at all.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use nix::unistd::geteuid;
use rex_outside::ceiling::close_calls;
use rex_tests::program;
use rex_tests::runs::{PERMIT_ALL, Run};
use serde_json::Value;

/// A run that may read the directory `in` beside its script, and is held to that.
fn held(script: &str) -> Run {
    within(script).options(REQUIRED)
}

/// As [`held`], without that it is held.
fn within(script: &str) -> Run {
    let run = Run::of(script);
    fs::create_dir(run.scratch.path().join("in")).expect("it can be made");
    run.scratch.file("in/f", "within");
    let place = run.scratch.path().join("in").display().to_string();
    run.policy(&format!(
        r#"permit(principal, action in [file_system::Action::"open", file_system::Action::"read"],
               resource in file_system::Dir::"{place}");"#
    ))
}

const REQUIRED: [&str; 2] = ["--require", "+ceiling"];

#[test]
fn a_run_is_held_and_does_what_it_may() {
    let mut run = held("");
    let place = run.scratch.path().join("in/f").display().to_string();
    run.scratch.file("script.rhai", format!("cat({place:?})"));
    run = run.options(["-o", "json"]);

    let ended = run.finish();

    let document = ended.document();
    assert_eq!(document["output"], "within", "{document}");
    let ceiling = &document["jail"]["ceiling"];
    assert_eq!(ceiling["state"], "enforced");
    assert_eq!((ceiling["exact"].as_u64(), ceiling["widened"].as_u64()), (Some(1), Some(0)));
    assert!(ceiling["landlock"].as_u64() >= Some(3), "{ceiling}");
    assert_eq!(document["jail"]["require"], "+ceiling");
    assert!(Run::of("1").finish().document()["jail"].get("ceiling").is_none(), "nobody asked for it");
}

// The kernel says it of each thread, while the script runs.
#[test]
fn every_thread_is_held_before_the_script_begins() {
    let started = held("while true {}").start();
    started.wait_for_record("\"event\":\"start\"");

    let threads = fs::read_dir(format!("/proc/{}/task", started.broker())).expect("it runs");
    let states: Vec<String> = threads
        .map(|thread| {
            fs::read_to_string(thread.expect("it is listed").path().join("status")).expect("it is there")
        })
        .collect();
    started.signal(Signal::SIGTERM);
    started.wait();

    assert_eq!(states.len(), 2, "the one that serves and the watchdog");
    for state in states {
        let field = |name: &str| {
            let line = state.lines().find_map(|line| line.strip_prefix(name));
            line.map(str::trim).unwrap_or_default().to_owned()
        };
        assert_eq!((field("NoNewPrivs:"), field("Seccomp:")), ("1".to_owned(), "2".to_owned()), "{state}");
        let left = u64::from_str_radix(&field("CapPrm:"), 16).expect("it is a number");
        // CAP_DAC_READ_SEARCH, CAP_KILL, CAP_SYS_NICE, CAP_SYSLOG.
        assert_eq!(left & !(1 << 2 | 1 << 5 | 1 << 23 | 1 << 34), 0, "{left:x}");
        assert_eq!(u64::from_str_radix(&field("CapInh:"), 16), Ok(0));
    }
}

#[test]
fn a_statement_without_a_bound_ends_the_start_by_name() {
    let policy =
        "@id(\"who runs\")\npermit(principal, action == process_system::Action::\"list\", resource);\n";
    let ended = Run::of("1").policy(policy).options(REQUIRED).finish();

    assert_eq!(ended.code(), Some(71), "{}", ended.stderr);
    let message = ended.document()["error"]["message"].as_str().expect("there is one").to_owned();
    for part in [
        "required and missing: ceiling",
        "\"who runs\"",
        "policy.cedar:1",
        "process_system::Action::\"list\"",
    ] {
        assert!(message.contains(part), "{message}");
    }
    // Where not every act is asked about, nothing has a bound.
    let compat = held("1").options(["--rex-compat"]).finish();
    assert!(compat.text().contains("--rex-compat not every act is asked about"), "{}", compat.text());
    assert_eq!(Run::of("1").policy(PERMIT_ALL).finish().code(), Some(0), "nothing is asked for");
}

#[test]
fn what_the_kernel_is_to_allow_is_told() {
    let run = held("1");
    let policy = run.scratch.path().join("policy.cedar");
    let show = |words: &[&str]| {
        let told = Command::new(program::path())
            .args(["ceiling", "show", "--policy"])
            .arg(&policy)
            .args(words)
            .output();
        let told = told.expect("the program can be started");
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        String::from_utf8(told.stdout).expect("it is text")
    };

    let told: Value = serde_json::from_str(&show(&["--json"])).expect("it is JSON");
    let text = show(&[]);

    let place = run.scratch.path().join("in").display().to_string();
    let statement = &told["statements"][0];
    assert_eq!(
        (statement["bounded"].as_str(), statement["line"].as_u64()),
        (Some("exact"), Some(1)),
        "{told}"
    );
    let rights: Vec<_> = statement["places"].as_array().expect("there are places").iter().collect();
    for (given, right) in rights.iter().zip(["read files", "list directories"]) {
        assert_eq!(
            **given,
            serde_json::json!({ "right": right, "wanted": format!("{place}/"), "given": place })
        );
    }
    // Every part of the broker's own has its reason.
    for own in told["own"].as_array().expect("the broker has needs") {
        assert!(own["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{own}");
        assert!(text.contains(own["path"].as_str().expect("it is a path")), "{text}");
    }
    assert!(told["programs"].as_array().is_some_and(|places| places.iter().any(|one| one["path"] == *place)));
    assert!(text.starts_with("exact "), "{text}");
}

// How long it takes depends on the host; how often the kernel is called does not.
#[test]
fn to_be_held_takes_few_calls() {
    let count = |run: Run| {
        let counted = run.scratch.path().join("calls");
        let prefix = format!("strace -f -qq -e trace=all -o {}", counted.display());
        let ended = run.behind(prefix.split(' ')).finish();
        assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
        let text = fs::read_to_string(&counted).expect("strace writes it");
        assert!(text.contains("execve"), "{text}");
        // A call that is interrupted by one of another thread has two lines.
        text.lines().filter(|line| !line.contains(" resumed>")).count()
    };

    let (free, held) = (count(within("1")), count(held("1")));

    // Some 140, a microsecond or less each; the rest is how often threads and jail wait for each other.
    assert!(held < free + 250, "{free} {held}");
}

// In a process of its own: what is closed is closed to every test of the process.
#[test]
fn what_the_broker_has_no_use_for_is_closed() {
    let own = std::env::current_exe().expect("a process knows its program");
    let tried = Command::new(own)
        .args(["--exact", "ceiling::calls_are_open_and_then_closed", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .output()
        .expect("it can be started once more");

    let said = String::from_utf8_lossy(&tried.stdout).into_owned();
    assert!(
        tried.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&tried.stderr)
    );
}

#[test]
#[ignore = "closes calls to its whole process; started by the test above"]
fn calls_are_open_and_then_closed() {
    let tcp = || TcpListener::bind("127.0.0.1:0").map(drop);
    let program = || Command::new("/bin/true").status().map(drop);
    let namespace = || unshare(CloneFlags::CLONE_FILES | CloneFlags::CLONE_FS).map_err(std::io::Error::from);
    let local = || UnixDatagram::unbound().map(drop);
    for (what, act) in
        [("tcp", &tcp as &dyn Fn() -> _), ("program", &program), ("namespace", &namespace), ("local", &local)]
    {
        assert!(act().is_ok(), "{what}: nothing stops it otherwise");
    }
    let unmounted = umount2("/nowhere", MntFlags::empty());
    assert!(!geteuid().is_root() || unmounted == Err(Errno::ENOENT), "{unmounted:?}");

    close_calls().expect("the kernel has seccomp");

    for (what, act) in [("tcp", &tcp as &dyn Fn() -> _), ("program", &program), ("namespace", &namespace)] {
        assert_eq!(act().map_err(|error| error.kind()), Err(ErrorKind::PermissionDenied), "{what}");
    }
    assert_eq!(umount2("/nowhere", MntFlags::empty()), Err(Errno::EPERM));
    assert!(local().is_ok(), "the bus is reached by a local socket");
    // Threads that were there before are held, and so is each that begins.
    assert!(std::thread::spawn(move || program().is_err()).join().expect("it ends"));
}
