//! Services of a real systemd, which runs as PID 1 of a container with a system bus of its own.
//!
//! The container is made of this host's own files, which it sees read-only, with an empty `/var`, `/run` and `/tmp`. It needs
//! root and systemd-nspawn(1), which Debian has in `systemd-container`: `.ci/full services` installs it. Where either is
//! missing, the test says so and passes, but for `REX_SERVICES=1`, which has it fail.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use rex_tests::program::checkout;
use rex_tests::runs::Run;
use rex_tests::scratch::Scratch;
use rex_tests::skip::skipped;
use serde_json::{Value, json};

/// What the container runs: it has systemd read the units of the test, and waits until the test is over.
const PROBE: &str = "#!/bin/sh
cp -a /units/. /run/systemd/system/ && systemctl daemon-reload && systemctl start dbus.socket && touch /run/is-ready
while [ ! -e /run/is-over ]; do sleep 0.2; done
";

/// Directories of the container that lie in the scratch space, each with its place in there.
const SHOWN: [(&str, &str); 3] =
    [("systemd", "/run/systemd"), ("dbus", "/run/dbus"), ("journal", "/run/log/journal")];

const UNITS: &[(&str, &str)] = &[
    (
        "good.service",
        "[Unit]\nDescription=Waits\n[Service]\nExecStart=/bin/sleep 1000\n[Install]\nAlias=other.service\n",
    ),
    ("fails.service", "[Service]\nType=oneshot\nExecStart=/bin/false\n"),
    (
        "hangs.service",
        "[Service]\nExecStart=/bin/sh -c 'trap \"\" TERM; while :; do sleep 1; done'\nTimeoutStopSec=600\n",
    ),
    ("pattern@.service", "[Service]\nExecStart=/bin/sleep 1000\n"),
    ("late.timer", "[Timer]\nOnActiveSec=3600\nUnit=good.service\n"),
];

/// A container, which ends with the test.
struct Container {
    nspawn: Child,
    init: u32,
    files: Scratch,
}

impl Container {
    fn start() -> Option<Self> {
        let is_there = Command::new("systemd-nspawn").arg("--version").stdout(Stdio::null()).status().is_ok();
        if !nix::unistd::geteuid().is_root() || !is_there {
            assert!(std::env::var_os("REX_SERVICES").is_none(), "root and systemd-nspawn(1) are needed");
            skipped("it needs root and systemd-nspawn(1)");
            return None;
        }
        let files = Scratch::new();
        let units = files.path().join("units");
        fs::create_dir(&units).unwrap();
        for (name, text) in UNITS {
            fs::write(units.join(name), text).unwrap();
        }
        std::os::unix::fs::symlink("good.service", units.join("other.service")).unwrap();
        std::os::unix::fs::symlink("/dev/null", units.join("masked.service")).unwrap();
        // What programs of the host can be shown of it, because it lies in a directory of the host's.
        for (name, _) in SHOWN {
            fs::create_dir(files.path().join(name)).unwrap();
        }
        let probe = files.path().join("probe.sh");
        fs::write(&probe, PROBE).unwrap();
        fs::set_permissions(&probe, fs::Permissions::from_mode(0o755)).unwrap();
        let bind = |from: &PathBuf, to: &str| format!("--bind-ro={}:{to}", from.display());
        let nspawn = Command::new("systemd-nspawn")
            .args(["-q", "--register=no", "--keep-unit", "--private-network", "--volatile=yes", "-D", "/"])
            .args([
                "--bind-ro=/etc/passwd",
                "--bind-ro=/etc/group",
                &bind(&probe, "/probe.sh"),
                &bind(&units, "/units"),
            ])
            .args(SHOWN.map(|(name, place)| format!("--bind={}:{place}", files.path().join(name).display())))
            .args(["--console=pipe", "-b", "systemd.run=/probe.sh"])
            .args(["systemd.run_success_action=exit", "systemd.run_failure_action=exit"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("systemd-nspawn(1) can be started");
        let mut container = Self { nspawn, init: 0, files };
        container.init = within_minutes("the container starts systemd", || container.systemd());
        let ready = container.inside("run/is-ready");
        within_minutes("the container is ready", || ready.exists().then_some(()));
        Some(container)
    }

    /// The number of the container's first process.
    fn systemd(&mut self) -> Option<u32> {
        assert_eq!(self.nspawn.try_wait().unwrap(), None, "systemd-nspawn(1) has ended");
        let children = format!("/proc/{0}/task/{0}/children", self.nspawn.id());
        let children = fs::read_to_string(children).unwrap();
        let numbers = children.split_ascii_whitespace().filter_map(|number| number.parse().ok());
        numbers.into_iter().find(|number| {
            fs::read_to_string(format!("/proc/{number}/comm")).is_ok_and(|name| name.trim() == "systemd")
        })
    }

    fn inside(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root/{path}", self.init))
    }

    /// A run whose system bus is that of the container.
    fn run(&self, script: &str) -> Run {
        let bus = self.inside("run/dbus/system_bus_socket");
        let why = "fn why(e) { `${e.kind}: ${e.message}` }\n";
        Run::of(&format!("{why}{script}"))
            .variable("DBUS_SYSTEM_BUS_ADDRESS", format!("unix:path={}", bus.display()))
    }

    fn output(&self, script: &str) -> String {
        let ended = self.run(script).finish();
        let document = ended.document();
        document["output"].as_str().unwrap_or_else(|| panic!("{script}: {document}")).to_owned()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if self.init != 0 {
            let _over = fs::write(self.inside("run/is-over"), "");
        }
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline && matches!(self.nspawn.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(100));
        }
        let _gone = self.nspawn.kill();
        let _status = self.nspawn.wait();
    }
}

/// Looks until there is something to see; a container takes its time on a busy machine.
fn within_minutes<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(180);
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The first block of a language after a title of a page.
fn block(page: &str, title: &str, language: &str) -> String {
    let page = fs::read_to_string(checkout().join(page)).unwrap();
    let (_, section) = page.split_once(&format!("\n## {title}\n")).unwrap_or_else(|| panic!("{title}"));
    let (_, rest) = section.split_once(&format!("```{language}\n")).unwrap_or_else(|| panic!("{title}"));
    rest.split_once("\n```").unwrap().0.to_owned()
}

/// What README and guide say of a web server is true of a unit that is there.
fn what_the_documents_say(container: &Container) {
    let here = |text: String| text.replace("nginx.service", "good.service");
    container.output(r#"SystemctlManager().wait(true).start("good.service")"#);

    let script = here(block("README.md", "A second script", "rhai"));
    let policy =
        here(fs::read_to_string(checkout().join("policies/examples/restart-service.cedar")).unwrap());
    let ended = container.run(&script).policy(&policy).finish();
    assert_eq!(ended.document()["output"], "active", "{}", ended.document());
    let other = script.replace("good.service", "pattern@y.service");
    let ended = container.run(&other).policy(&policy).finish();
    assert_eq!(ended.code(), Some(77), "another unit is not named: {}", ended.document());
    assert_eq!(ended.document()["error"]["error_type"], "ACCESS_DENIED_EXCEPTION", "{}", ended.document());

    let title = "Restart a unit, and know whether it came up";
    let [script, policy, told] = ["rhai", "cedar", "text"].map(|it| here(block("docs/guide.md", title, it)));
    let ended = container.run(&script).policy(&policy).finish();
    let line = told.trim().trim_start_matches("[INFO] ");
    assert!(ended.text().contains(line), "{line}: {}", ended.text());
    for action in ["status", "restart"] {
        let less = policy.replace(&format!("systemd::Action::\"{action}\""), "systemd::Action::\"stop\"");
        assert_ne!(less, policy);
        assert_ne!(container.run(&script).policy(&less).finish().code(), Some(0), "{action} is needed");
    }
}

/// Gives this thread, and what it starts, a view of the host in which the container's systemd is the one that runs.
fn in_the_place_of_the_hosts(container: &Container) {
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let mounted = |from: Option<&Path>, to: &str, kind: Option<&str>, flags: MsFlags| {
        mount(from, to, kind, flags, None::<&str>).unwrap_or_else(|error| panic!("{to}: {error}"));
    };
    mounted(None, "/", None, MsFlags::MS_REC | MsFlags::MS_PRIVATE);
    mounted(Some(Path::new("tmpfs")), "/run", Some("tmpfs"), MsFlags::empty());
    for (name, place) in SHOWN {
        fs::create_dir_all(place).unwrap();
        mounted(Some(&container.files.path().join(name)), place, None, MsFlags::MS_BIND);
    }
}

/// What docs/children.md gives as recipes for `systemctl` and `journalctl`.
fn what_programs_of_the_host_can_say_of_them(container: &Container) {
    let page = fs::read_to_string(checkout().join("docs/children.md")).unwrap();
    let recipe = |program: &str, language: &str| {
        let (_, section) = page.split_once(&format!("\n### `{program}`\n")).unwrap();
        let (_, text) = section.split_once(&format!("```{language}\n")).unwrap();
        let text = text.split_once("\n```").unwrap().0;
        text.replace("nginx.service", "good.service").replace("/var/log/journal", "/run/log/journal")
    };
    container.output(r#"SystemctlManager().wait(true).start("good.service")"#);
    in_the_place_of_the_hosts(container);
    let told = |script: &str, policy: &str, options: &[&str]| {
        let ended = Run::of(script).policy(policy).options(options).finish();
        let document = ended.document();
        document["output"].as_str().map_or_else(|| ended.message(), str::to_owned)
    };

    let (script, policy) = (recipe("systemctl", "rhai"), recipe("systemctl", "cedar"));
    let socket = ["--child-socket", "/run/dbus/system_bus_socket"];
    let pid = || container.output(r#"SystemctlManager().status("good.service").main_pid"#);
    let before = pid();
    assert_eq!(told(&script, &policy, &socket), "0 active\n");
    let after = pid();
    assert_ne!(before, after, "it was restarted");
    // Without the socket, and without what says that there is a systemd, it cannot.
    assert!(told(&script, &policy, &[]).starts_with("1 Failed to connect to bus"));
    let less: Vec<&str> = policy.lines().filter(|line| !line.contains("/run/systemd")).collect();
    assert!(told(&script, &less.join("\n"), &socket).contains("System has not been booted with systemd"));
    // Another unit is another command.
    let other = script.replace("good.service", "late.timer");
    let denied = Run::of(&other).policy(&policy).options(socket).finish();
    assert_eq!(denied.code(), Some(77), "{}", denied.document());
    assert_eq!(pid(), after);

    let (script, policy) = (recipe("journalctl", "rhai"), recipe("journalctl", "cedar"));
    let journal = told(&script, &policy, &[]);
    assert!(journal.starts_with("0 ") && journal.contains("Started good.service"), "{journal}");
    let less: Vec<&str> = policy.lines().filter(|line| !line.contains("/run/log")).collect();
    let without = told(&script, &less.join("\n"), &[]);
    assert!(without.starts_with("1 ") && !without.contains("Started"), "{without}");
}

/// A short record and one that is too long for a datagram, in the journal of the container with their fields.
fn the_journal_has_what_is_sent(container: &Container) {
    let here = Scratch::new();
    let short = json!({ "run": "5f0c", "seq": 1, "time": "2025-03-09T07:05:00Z", "event": "decision", "principal": "alice",
        "action": "A", "resource": "/a\nREX_DECISION=permit", "decision": "deny", "policies": ["p", "q"] });
    let mut long = short.clone();
    long["seq"] = json!(2);
    long["context"] = json!("x".repeat(600_000));
    here.file("audit.jsonl", format!("{short}\n{long}\n"));
    let socket = container.inside("run/systemd/journal/socket");
    let sent = Command::new(rex_tests::program::path())
        .args(["audit", "export", "--journald", "--socket"])
        .args([&socket, &here.path().join("audit.jsonl")])
        .output()
        .unwrap();
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));

    // It begins in the one place and goes on in the other.
    let places = ["var/log/journal", "run/log/journal"].map(|place| container.inside(place));
    let found = within_minutes("the journal has both", || {
        places.iter().find_map(|place| {
            let read = Command::new("journalctl")
                .args(["--all", "-o", "json", "SYSLOG_IDENTIFIER=rex-broker", "REX_DECISION=deny", "-D"])
                .arg(place)
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&read.stdout).into_owned();
            let found: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
            (found.len() == 2).then_some(found)
        })
    });

    for (entry, record) in found.iter().zip([short, long]) {
        assert_eq!(entry["REX_PRINCIPAL"], "alice");
        assert_eq!(entry["REX_RESOURCE"], record["resource"]);
        assert_eq!(entry["REX_POLICIES"], "p\nq");
        assert_eq!(entry["PRIORITY"], "4");
        let whole: Value = serde_json::from_str(entry["REX_JSON"].as_str().unwrap()).unwrap();
        assert_eq!(whole, record);
    }
}

// One test, because a container is made once.
#[test]
fn units_do_what_a_script_asks_for_and_the_policy_permits() {
    let Some(container) = Container::start() else { return };
    the_journal_has_what_is_sent(&container);

    let started = r#"
        let m = SystemctlManager().wait(true);
        let before = m.status("good.service");
        m.start("good.service");
        let s = m.status("good.service");
        [before.active_state.to_string(), s.active_state == State::ACTIVE, s.sub_state, s.main_pid > 1, s.description, s.load_state, s.load_path]
    "#;
    assert_eq!(
        container.output(started),
        r#"["inactive", true, "running", true, "Waits", "loaded", "/run/systemd/system/good.service"]"#
    );

    let again = r#"
        let m = SystemctlManager().wait(true);
        let first = m.status("good.service").main_pid;
        m.restart("good.service");
        let second = m.status("good.service").main_pid;
        m.try_restart("good.service");
        m.stop("good.service");
        m.try_restart("good.service");
        [first != second, m.status("good.service").active_state.to_string(), m.status("good.service").main_pid]
    "#;
    assert_eq!(container.output(again), r#"[true, "inactive", ()]"#);

    let wrong = r#"
        let m = SystemctlManager().wait(true);
        let told = [];
        for unit in ["fails.service", "masked.service", "missing.service", "no unit name"] {
            try { m.start(unit); told.push("started"); } catch (e) { told.push(why(e)); }
        }
        told.push(m.status("missing.service").load_state);
        told.push(m.status("masked.service").load_state);
        told
    "#;
    assert_eq!(
        container.output(wrong),
        r#"["DBusError: The job for fails.service ended with the result failed", "DBusError: D-Bus operation failed: org.freedesktop.systemd1.UnitMasked: Unit masked.service is masked.", "ServiceNotFound: Unit: missing.service", "ServiceNotFound: Unit: no unit name", "not-found", "masked"]"#
    );

    // A unit that is no service, an instance of a pattern, and having the unit files read again.
    let kinds = r#"
        let m = SystemctlManager().wait(true);
        m.start("late.timer");
        m.start("pattern@x.service");
        m.daemon_reload();
        let t = m.status("late.timer");
        [t.active_state.is_active, t.sub_state, t.main_pid, m.status("pattern@x.service").active_state.to_string()]
    "#;
    assert_eq!(container.output(kinds), r#"[true, "waiting", (), "active"]"#);

    // An alias is asked for as what it stands for, too.
    let alias = r#"let m = SystemctlManager().wait(true); let told = "started"; try { m.start("other.service") } catch (e) { told = why(e) } told"#;
    let only = "permit(principal, action == systemd::Action::\"start\", resource == systemd::Service::\"other.service\");";
    let ended = container.run(alias).policy(only).finish();
    let said = ended.document()["output"].as_str().unwrap_or_default().to_owned();
    assert!(
        said.contains("PermissionDenied") && said.contains("systemd::Service::good.service"),
        "{}",
        ended.document()
    );
    assert_eq!(
        container.output(r#"SystemctlManager().status("good.service").active_state.to_string()"#),
        "inactive"
    );
    assert_eq!(container.output(alias), "started");

    what_the_documents_say(&container);
    what_programs_of_the_host_can_say_of_them(&container);

    // What never comes back ends with the run.
    let hanging =
        r#"let m = SystemctlManager().wait(true); m.start("hangs.service"); m.stop("hangs.service")"#;
    let ended = container.run(hanging).options(["--timeout", "3"]).finish();
    assert_eq!(ended.jail_end(), "limit", "{}", ended.document());
}
