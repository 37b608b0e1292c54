//! Ordinary users run scripts too, with namespaces and without.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::geteuid;
use rex_tests::program;
use rex_tests::runs::{Run, records};
use rex_tests::skip::skipped;

use crate::ends::assert_end;
use crate::{ALL_BUT_DENIED, TRACES};

const SOMEBODY: u32 = 12345;

/// A run by an ordinary user, with a home of their own and a copy of the program that they can reach. As root it is
/// by a user without a name; else by whoever runs the tests.
fn by_a_user(script: &str) -> (Run, PathBuf) {
    let (run, home) = for_a_user(script, SOMEBODY);
    let run = if geteuid().is_root() { run.user(SOMEBODY) } else { run };
    (run, home)
}

/// What a user of this number needs for a run.
fn for_a_user(script: &str, user: u32) -> (Run, PathBuf) {
    let run = Run::of(script).usual_audit_log();
    let home = run.scratch.path().join("home");
    fs::create_dir(&home).expect("a directory can be made");
    let copy = run.scratch.path().join("rex-broker");
    // Not by this process: a child that another test starts meanwhile would hold the copy open for writing, and then
    // execve(2) fails with ETXTBSY.
    let copied = Command::new("cp").arg(program::path()).arg(&copy).status().expect("coreutils is there");
    assert!(copied.success(), "the program can be copied");
    if geteuid().is_root() {
        chown(&home, Some(user), Some(user)).expect("root can give things away");
    }
    (run.program(copy), home)
}

#[test]
fn an_ordinary_user_has_a_record_in_their_state_directory() {
    let (run, home) = by_a_user("cat(\"/proc/version\")");

    let ended = run.variable("HOME", &home).finish();

    assert_eq!(ended.code(), Some(0), "{} {}", ended.text(), ended.stderr);
    let log = home.join(".local/state/rex-broker/audit.jsonl");
    assert_eq!(ended.document()["jail"]["audit_log"], log.to_str().expect("it is text"));
    assert!(records(&log).iter().any(|record| record["resource"] == "/proc/version"));
    assert_eq!(fs::metadata(log).expect("it is there").permissions().mode() & 0o777, 0o600);
}

// getrlimit(2), RLIMIT_NPROC: of no meaning to root, and for everybody else in the way of the jail.
#[test]
fn a_limit_on_processes_is_told_or_does_not_matter() {
    for limit in ["--nproc=0", "--nproc=1", "--nproc=2", "--nproc=3", "--nproc=4096"] {
        let (run, home) = by_a_user("6 * 7");

        let ended = run.variable("HOME", &home).behind(["prlimit", limit, "--"]).finish();

        assert_eq!(ended.signal(), None, "{limit}: {}", ended.stderr);
        let document = ended.document();
        match ended.code() {
            Some(0) => assert_eq!(document["output"], "42", "{limit}"),
            code => {
                assert_eq!(code, Some(71), "{limit}: {document}");
                assert!(ended.message().contains("Resource temporarily unavailable"), "{limit}: {document}");
                assert_ne!(limit, "--nproc=4096");
            }
        }
    }
}

#[test]
fn the_state_directory_may_be_elsewhere() {
    let (run, home) = by_a_user("1");

    let ended = run.variable("HOME", "/nonexistent").variable("XDG_STATE_HOME", &home).finish();

    assert_eq!(ended.code(), Some(0), "{} {}", ended.text(), ended.stderr);
    assert_eq!(records(&home.join("rex-broker/audit.jsonl")).len(), 2);
}

// Runs that start together find the same journals of killed runs; whoever is not the first has nothing to say of it.
#[test]
fn many_runs_that_clear_up_after_the_same_killed_runs_warn_of_nothing() {
    const KILLED: usize = 300;
    const RUNS: usize = 24;

    let (first, home) = by_a_user("6 * 7");
    let copy = first.scratch.path().join("rex-broker");
    let others = (1..RUNS).map(|_| {
        let run = Run::of("6 * 7").program(copy.clone());
        if geteuid().is_root() { run.user(SOMEBODY) } else { run }
    });
    let runs: Vec<_> = others.collect();
    let state = home.join("state/rex-broker/temporaries");
    let left = home.join("left");
    fs::create_dir_all(&state).expect("directories can be made");
    fs::create_dir(&left).expect("a directory can be made");
    let place = fs::metadata(&left).expect("it is there");
    for number in 0..KILLED {
        let token = format!("{number:032x}");
        let noted = serde_json::json!({"directory": left, "device": place.dev(), "inode": place.ino()});
        fs::write(state.join(&token), format!("{noted}\n")).expect("a journal can be written");
        fs::write(left.join(format!(".rex-broker.{token}.1")), "left").expect("a file can be written");
    }
    for path in [home.join("state"), home.join("state/rex-broker"), state.clone(), left.clone()] {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("it is ours");
        given_away(&path);
    }
    for entry in
        fs::read_dir(&state).and_then(|list| list.collect::<Result<Vec<_>, _>>()).expect("it is listed")
    {
        fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o600)).expect("it is ours");
        given_away(&entry.path());
    }

    let started: Vec<_> = std::iter::once(first)
        .chain(runs)
        .map(|run| {
            let log = run.scratch.path().join("audit.jsonl");
            drop(fs::File::create(&log).expect("a file can be made"));
            given_away(&log);
            run.audit_log(log).variable("XDG_STATE_HOME", home.join("state")).start()
        })
        .collect();
    let ended: Vec<_> = started.into_iter().map(rex_tests::runs::Started::wait).collect();

    for run in &ended {
        assert_eq!((run.code(), run.stderr.as_str()), (Some(0), ""), "{}", run.text());
    }
    let remaining = |path: &PathBuf| fs::read_dir(path).expect("it is there").count();
    assert_eq!((remaining(&state), remaining(&left)), (0, 0), "everything was worked off");
}

/// Gives something to the user who runs the program, where that is another one.
fn given_away(path: &std::path::Path) {
    if geteuid().is_root() {
        chown(path, Some(SOMEBODY), Some(SOMEBODY)).expect("root can give things away");
    }
}

#[test]
fn without_a_place_for_the_record_nothing_runs() {
    let (run, _home) = by_a_user("1");

    let ended = run.finish();

    assert_eq!(ended.code(), Some(74), "{}", ended.text());
    assert!(ended.message().ends_with("name one with --audit-log PATH|fd:N|none"), "{}", ended.message());
}

#[test]
fn an_ordinary_user_can_do_what_the_user_may_do() {
    let (run, home) =
        by_a_user("let why = \"\"; try { cat(\"/etc/shadow\") } catch (e) { why = e.message; } why");

    let ended = run.variable("HOME", &home).finish();

    assert!(ended.document()["output"].to_string().contains("os error 13"), "{}", ended.text());
    assert!(ended.document().get("denials").is_none(), "the policy denied nothing");
}

// A result that lacks something must not look complete.
#[test]
fn what_the_system_keeps_from_a_walk_is_told_in_one_line() {
    let walks = |run: &Run| {
        let tree = run.scratch.path().join("tree");
        for (name, mode) in [("open", 0o755), ("closed", 0o000)] {
            fs::create_dir_all(tree.join(name)).expect("a directory can be made");
            fs::write(tree.join(name).join("file"), "x").expect("a file can be written");
            let mode = fs::Permissions::from_mode(mode);
            fs::set_permissions(tree.join(name), mode).expect("it is ours");
        }
        fs::set_permissions(&tree, fs::Permissions::from_mode(0o755)).expect("it is ours");
        let tree = tree.display();
        format!(
            "let found = find_files([glob::recursive], \"file\", \"{tree}\").len(); [found, passed_over(), du(\"{tree}\").denied_count]"
        )
    };
    if !geteuid().is_root() {
        skipped("who owns a directory may list what nobody else may, so that another user is needed");
        return;
    }
    let finished = |options: &[&str]| {
        let (run, home) = by_a_user("");
        let script = walks(&run);
        run.scratch.file("script.rhai", script);
        run.options(options).variable("HOME", &home).finish()
    };

    let ended = finished(&[]);

    let document = ended.document();
    assert_eq!(document["output"], "[1, 1, 1]", "{document}");
    assert!(document.get("denials").is_none(), "the policy denied nothing");
    let logs = document["logs"].as_array().expect("there are logs");
    assert_eq!(logs.len(), 1, "{document}");
    let told = &logs[0]["attributes"];
    let message = told["message"].as_str().expect("it is text");
    assert_eq!((&told["level"], &told["rhai_api_name"]), (&"WARN".into(), &"find_files".into()));
    assert!(
        message.starts_with("2 entries could not be looked at and were passed over, the first: ")
            && message.contains("Permission denied (os error 13)")
            && message.contains("/tree/closed"),
        "{message}"
    );
    let as_rex = finished(&["--rex-compat"]).document();
    assert_eq!(as_rex["logs"], serde_json::json!([]));
}

/// What the log of a run says, which is one warning; nothing when it says nothing.
fn warning(document: &serde_json::Value) -> Option<String> {
    let logs = document["logs"].as_array().expect("there are logs");
    assert!(logs.len() <= 1, "{document}");
    let told = &logs.first()?["attributes"];
    assert_eq!(told["level"], "WARN", "{document}");
    Some(told["message"].as_str().expect("it is text").to_owned())
}

// Who may read a directory and not search it gets nothing of it, and is told so, at the top as below it.
#[test]
fn what_may_be_listed_and_not_searched_is_told_in_one_line() {
    if !geteuid().is_root() {
        skipped("who owns a directory may search what nobody else may, so that another user is needed");
        return;
    }
    let finished = |mode: u32, options: &[&str]| {
        let (run, home) = by_a_user("");
        let tree = run.scratch.path().join("tree");
        let below = tree.join("below");
        fs::create_dir_all(&below).expect("directories can be made");
        fs::write(below.join("a"), "x").expect("a file can be written");
        fs::set_permissions(&below, fs::Permissions::from_mode(mode)).expect("it is ours");
        fs::set_permissions(&tree, fs::Permissions::from_mode(0o755)).expect("it is ours");
        let tree = tree.display();
        let script = format!(r#"`${{du("{tree}").get("denied_count") ?? 0}} ${{passed_over()}}`"#);
        run.scratch.file("script.rhai", script);
        let document = run.options(options).variable("HOME", &home).finish().document();
        assert!(document.get("denials").is_none(), "the policy denied nothing: {document}");
        (document["output"].as_str().unwrap_or_default().to_owned(), warning(&document))
    };

    let (output, told) = finished(0o744, &[]);
    assert_eq!(output, "1 1");
    let told = told.expect("it is told");
    assert!(
        told.starts_with("1 entry could not be looked at and was passed over: ")
            && told.ends_with("/tree/below: Permission denied (os error 13)"),
        "{told}"
    );
    assert_eq!(finished(0o744, &["--rex-compat"]), ("1 1".to_owned(), None));
    assert_eq!(finished(0o755, &[]), ("0 0".to_owned(), None), "a control: with the right to search");
}

#[test]
fn a_user_without_namespaces_has_the_rest_of_the_jail() {
    if !geteuid().is_root() {
        skipped("only root can make a user namespace that allows no further ones");
        return;
    }
    let (run, home) = by_a_user("cat(\"/proc/version\")");
    let outer = Namespace::new();

    let ended = outer.around(run).variable("HOME", &home).finish();

    assert_eq!(ended.code(), Some(0), "{} {}", ended.text(), ended.stderr);
    let document = ended.document();
    let posture = document["jail"]["posture"].as_array().expect("it lists measures");
    let state = |id: &str| {
        let measure = posture.iter().find(|measure| measure["id"] == id);
        measure.map(|measure| measure["state"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(state("userns").as_deref(), Some("unsupported"));
    for id in ["seccomp3", "landlock", "nnp", "rlimits", "fds"] {
        assert_eq!(state(id).as_deref(), Some("enforced"), "{id}");
    }
}

// signal(7): a process that the filter kills dies of SIGSYS. So does one that gets it from an operator, unless it is the
// first of its process namespace, which the kernel spares all but SIGKILL.
#[test]
fn a_forbidden_system_call_is_a_violation() {
    if !geteuid().is_root() {
        skipped("only root can make a user namespace that allows no further ones");
        return;
    }
    let (run, home) = by_a_user(&format!("{TRACES} sleep(1000);"));
    let log = home.join("audit.jsonl");
    let outer = Namespace::new();
    let run = run.policy(ALL_BUT_DENIED).audit_log(log).variable("HOME", &home);
    let started = outer.around(run).start();
    started.wait_for_record("/denied");

    kill(started.jail(), Signal::SIGSYS).expect("the jail runs");
    let ended = started.wait();

    assert_end(&ended, "violation", 70);
    assert!(ended.records().iter().any(|record| record["event"] == "violation"));
}

/// A user namespace in which every number is what it is outside.
struct Namespace(Child);

impl Namespace {
    fn new() -> Self {
        let child = Command::new("unshare")
            .args(["--user", "sleep", "infinity"])
            .stdin(Stdio::null())
            .spawn()
            .expect("util-linux is there");
        let namespace = Self(child);
        let path = |name: &str| format!("/proc/{}/{name}", namespace.0.id());
        let ours = fs::read_link("/proc/self/ns/user").expect("there are namespaces");
        rex_tests::runs::eventually("it is in its namespace", || {
            (fs::read_link(path("ns/user")).ok()? != ours).then_some(())
        });
        for map in ["uid_map", "gid_map"] {
            fs::write(path(map), "0 0 65536\n").expect("root can map everybody");
        }
        namespace
    }
}

impl Namespace {
    /// The run in this namespace, where it may make no other, by a user who is nobody there.
    fn around(&self, run: Run) -> Run {
        let target = self.0.id().to_string();
        run.behind(
            ["nsenter", "--user", "--setuid", "0", "--setgid", "0", "--target", &target]
                .into_iter()
                .chain(["sh", "-c", "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"", "sh"])
                .chain(["setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups"]),
        )
        .user(0)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

// proc(5), hidepid=2: "/proc/pid directories owned by others are invisible."
#[test]
fn where_processes_are_hidden_those_of_others_are_not_there() {
    if !geteuid().is_root() {
        skipped("only root can mount a /proc");
        return;
    }
    // Nobody else's processes are theirs.
    const ALONE: u32 = 12346;
    let as_them = format!("setpriv --reuid {ALONE} --regid {ALONE} --clear-groups");
    let script = "let names = []; for p in ps() { names.push(p.name) } names";
    for (options, shown) in [("hidepid=0", false), ("hidepid=2", true)] {
        let (run, home) = for_a_user(script, ALONE);
        // A mount of its own, a process of the user's, and the run; only the first is root's.
        let mounted = format!(
            "mount -t proc -o {options} proc /proc && {{ {as_them} sleep 1000 & }} &&
             until grep -qx sleep /proc/$!/comm; do sleep 0.1; done && {as_them} \"$@\"; status=$?
             kill $!; wait $!; exit $status"
        );
        let behind = ["unshare", "--mount", "sh", "-c", &mounted, "sh"];

        let ended = run.behind(behind).variable("HOME", &home).finish();

        assert_eq!(ended.code(), Some(0), "{options}: {} {}", ended.text(), ended.stderr);
        let output = ended.document()["output"].as_str().expect("it is text").to_owned();
        assert_eq!(output == r#"["sleep"]"#, shown, "{options}: {output}");
        assert!(output.contains(r#""sleep""#), "{options}: {output}");
    }
}

/// A number that nobody else's processes have.
const ONLY: u32 = 12347;

/// Puts a run into mounts and a namespace of processes of its own, in which these commands are carried out by root. There are the
/// run, a process of its user, and one of root's, the first.
fn beside_a_process(run: Run, commands: &str) -> Run {
    let as_them = format!("setpriv --reuid {ONLY} --regid {ONLY} --clear-groups");
    let before = format!(
        "{commands} && {{ {as_them} sleep 1000 & }} &&
         until grep -qx sleep /proc/$!/comm; do sleep 0.1; done && {as_them} \"$@\"; status=$?
         kill $!; wait $!; exit $status"
    );
    run.behind(["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", &before, "sh"])
}

// proc(5), hidepid=1: "Users may not access files and subdirectories inside any /proc/pid directories but their own".
#[test]
fn processes_that_may_not_be_looked_into_are_counted_and_told_in_one_line() {
    if !geteuid().is_root() {
        skipped("only root can mount a /proc");
        return;
    }
    let script = r#"
        let pm = ProcessManager();
        let users = pm.processes_using_inode("/usr/bin/sleep").len();
        let kept = passed_over();
        let files = pm.list_open_files(LsofOptions().path("/usr/bin/sleep").build()).len();
        `${users} ${files} ${kept} ${passed_over()}`"#;
    for (hides, expected) in [
        (0, "/proc/1: Permission denied (os error 13)"),
        (1, "/proc/1: Operation not permitted (os error 1)"),
        // How many there are is hidden as well, but not that there are any.
        (2, "/proc/1: No such file or directory (os error 2)"),
    ] {
        let finished = |words: &[&str]| {
            let (run, home) = for_a_user(script, ONLY);
            let run = beside_a_process(run, &format!("mount -t proc -o hidepid={hides} proc /proc"));
            let ended = run.options(words).variable("HOME", &home).finish();
            assert_eq!(ended.code(), Some(0), "{hides}: {} {}", ended.text(), ended.stderr);
            ended.document()
        };

        let document = finished(&[]);

        assert_eq!(document["output"], "1 1 1 1", "{hides}: {document}");
        let told = format!("2 entries could not be looked at and were passed over, the first: {expected}");
        assert_eq!(warning(&document), Some(told), "{hides}");
        assert_eq!(warning(&finished(&["--rex-compat"])), None, "{hides}");
    }
}

// A control: where every process is the user's own, nothing is kept back.
#[test]
fn where_every_process_is_ones_own_nothing_is_told() {
    if !geteuid().is_root() {
        skipped("only root can give a namespace of processes to a user");
        return;
    }
    let script = r#"let n = ProcessManager().list_open_files(LsofOptions().path("/").build()).len(); `${n > 0} ${passed_over()}`"#;
    let (run, home) = for_a_user(script, ONLY);
    let user = ONLY.to_string();
    // The first process has other children than the run to wait for.
    let first = [
        "setpriv",
        "--reuid",
        &user,
        "--regid",
        &user,
        "--clear-groups",
        "sh",
        "-c",
        "\"$@\"; exit $?",
        "sh",
    ];

    let ended = run
        .behind(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"].into_iter().chain(first))
        .variable("HOME", &home)
        .finish();

    let document = ended.document();
    assert_eq!(document["output"], "true 0", "{document}");
    assert_eq!(warning(&document), None);
}

// Of a process that hides whether it is one of the run nothing is shown: a denial, which is told as one.
#[test]
fn a_walk_through_processes_does_not_enter_those_that_hide_who_they_are() {
    if !geteuid().is_root() {
        skipped("only root can mount a /proc");
        return;
    }
    for (hides, is_told) in [(1, true), (2, false)] {
        let (run, home) = for_a_user("", ONLY);
        // Directories of processes, and beside them only links to two of these.
        let tree = run.scratch.path().join("tree");
        fs::create_dir(&tree).expect("a directory can be made");
        let tree = tree.display().to_string();
        run.scratch.file(
            "script.rhai",
            format!(
                r#"let found = 0;
                   let open = DirConfig().path("{tree}").build().open(OpenDirOptions().build());
                   open.find(FindOptions().max_depth(2).name("comm").build(), |entry| found += 1);
                   `${{found}} ${{passed_over() > 0}}`"#
            ),
        );
        let mounts =
            format!("mount -t proc proc /proc && mount -t proc -o hidepid={hides},subset=pid proc {tree}");

        let ended = beside_a_process(run, &mounts).variable("HOME", &home).finish();

        assert_eq!(ended.code(), Some(0), "{hides}: {} {}", ended.text(), ended.stderr);
        let document = ended.document();
        assert_eq!(document["output"], "1 true", "its own process is found: {document}");
        let denied = document["denials"].as_array().expect("the run is closed to itself").iter();
        let first = format!("file_system::Dir::\"{tree}/1\"");
        assert_eq!(denied.clone().any(|denial| denial["resource"] == first.as_str()), is_told, "{document}");
        assert_eq!(warning(&document), None, "{document}");
    }
}
