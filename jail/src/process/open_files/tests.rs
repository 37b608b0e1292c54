//! What fuser and lsof tell, against processes of the fake broker.

use rex_ipc::file_system::EntryType::{self, *};
use rex_ipc::process_system::OpenAccess::*;
use rex_ipc::process_system::{KeptBack, OpenEntry, ProcessRecord};

use crate::testing::{Bench, held, process};

const UNIX: &str = "Num       RefCount Protocol Flags    Type St Inode Path\n\
    0000000000000000: 00000002 00000000 00010000 0001 01 500 /run/server.sock\n\
    0000000000000000: 00000003 00000000 00000000 0001 03 501\n";

fn bench() -> Bench {
    let nameless = ProcessRecord { uid: 1234, user: None, ..process(12, "worker") };
    let bench = Bench::new()
        .process(process(1, "init"))
        .process(process(7, "server"))
        .process(nameless)
        .file("/srv/log", "")
        .file("/srv/sub/deep", "")
        .file("/srvlog", "")
        .link("/current", "/srv/log")
        .file("/run/server.sock", "")
        .dir("/proc")
        .holding(
            7,
            vec![
                held(WorkingDirectory, Dir, "/srv"),
                held(Root, Dir, "/"),
                held(Executable, File, "/srv/bin"),
                held(Mapped, File, "/srv/log"),
                held(Descriptor, CharDevice, "/dev/null"),
                held(Descriptor, File, "/srv/log"),
                held(Descriptor, File, "/srv/log"),
                held(Descriptor, Socket, "socket:[500]"),
                held(Descriptor, Socket, "socket:[501]"),
            ],
        )
        .holding(12, vec![held(Root, Dir, "/"), held(Descriptor, File, "/srv/sub/deep")]);
    bench.world.borrow_mut().host.tables.insert("Unix".into(), UNIX.into());
    bench
}

fn users(path: &str) -> String {
    format!("ProcessManager().processes_using_inode({path:?})")
}

fn files(options: &str) -> String {
    format!("ProcessManager().list_open_files(LsofOptions().{options}.build())")
}

/// A script that tells why an expression fails.
fn why(expression: &str) -> String {
    format!(
        "let r = (); try {{ r = {expression} }} catch (e) {{ r = `${{e.source}} ${{e.kind}}: ${{e.message}}` }} r"
    )
}

fn denial(action: &str, resource: &str) -> String {
    let namespace = resource.split("::").next().unwrap();
    format!(
        "ProcessErrorKind PermissionDenied: Permission denied: tester unauthorized to perform {namespace}::Action::\"{action}\" for {resource}"
    )
}

#[test]
fn the_users_of_a_path_are_told_with_how_they_use_it() {
    let script = format!(
        "let u = {}; [u.len(), u[0].user, u[0].pid, u[0].command, u[0].access, u[0].to_map(), type_of(u[0]), `${{u[0]}}`]",
        users("/srv/log")
    );

    assert_eq!(
        bench().output(&script),
        r##"[1, "root", 7, "server -x", "File descriptor, Memory mapped", #{"access_types": ["File descriptor", "Memory mapped"], "command": "server -x", "pid": 7, "user": "root"}, "rust_safe_process_mgmt::FuserInfo", "7 server -x (root): File descriptor, Memory mapped"]"##
    );
    assert_eq!(bench().output(&users("/srvlog")), "[]");
    let root = format!("{}.map(|u| [u.user, u.access])", users("/"));
    assert_eq!(bench().output(&root), r#"[["root", "Root directory"], ["1234", "Root directory"]]"#);
    let through_link = format!("{}.map(|u| u.pid)", users("/current"));
    assert_eq!(bench().output(&through_link), "[7]");
}

// "the access types joined with `", "` in the order `File descriptor`, `Memory mapped`, `Working directory`, `Executable`,
// `Root directory`"
#[test]
fn the_ways_of_use_have_an_order_and_each_is_told_once() {
    let all = [WorkingDirectory, Root, Executable, Mapped, Descriptor, Descriptor];
    for page in 1..7 {
        let entries = all.map(|access| held(access, Dir, "/srv")).to_vec();
        let bench = bench().holding(1, entries).holding(7, Vec::new()).pages_of(page);

        assert_eq!(
            bench.output(&format!("{}.map(|u| u.access)", users("/srv"))),
            r#"["File descriptor, Memory mapped, Working directory, Executable, Root directory"]"#,
            "{page}"
        );
    }
}

#[test]
fn whoever_may_not_be_looked_at_is_left_out() {
    let bench = bench().denying("list_fds", "7");

    assert_eq!(bench.output(&users("/srv/log")), "[]");
    assert_eq!(bench.output(&format!("{}.len()", files("path(\"/srv/log\")"))), "0");
    assert_eq!(bench.output(&format!("{}.map(|u| u.pid)", users("/"))), "[12]");
}

#[test]
fn whether_processes_may_be_looked_at_is_asked_of_the_directory_of_all() {
    for action in ["open", "read"] {
        let expected = denial(action, "file_system::Dir::/proc");
        let bench = bench().denying(action, "/proc");
        for script in [
            users("/srv/log"),
            files("pid(7)"),
            files("pid(99)"),
            files("pid(0)"),
            files("path(\"/srv/log\")"),
            files("path(\"/nowhere\")"),
        ] {
            assert_eq!(bench.output(&why(&script)), expected, "{script}");
            assert!(bench.run(&script).outcome.ended_by.is_some());
        }
        // The order of Rex: the path first, and then the processes.
        assert!(bench.output(&why(&users("/nowhere"))).contains("ValidationError"));
    }
}

#[test]
fn a_path_that_leads_nowhere_is_said() {
    let too_long = "x".repeat(20_000);
    for (path, reason) in [
        ("/nowhere", "No such file or directory (os error 2)"),
        ("", "Path is not absolute "),
        ("srv/log", "Path is not absolute srv/log"),
        (too_long.as_str(), "File name too long (os error 36)"),
    ] {
        let expected = format!(
            "ProcessErrorKind ValidationError: Validation error: Failed to canonicalize path {path}: {reason}"
        );
        assert_eq!(bench().output(&why(&users(path))), expected);
        if !path.is_empty() {
            assert_eq!(bench().output(&why(&files(&format!("path({path:?})")))), expected);
        }
    }
    let denied = bench().denying("stat", "/srv/log");
    for script in [users("/srv/log"), files("path(\"/srv/log\")")] {
        assert_eq!(denied.output(&why(&script)), denial("stat", "file_system::File::/srv/log"));
    }
}

#[test]
fn all_that_a_process_holds_open_is_told_in_order() {
    let script = format!(
        "let f = {}; [f.map(|f| `${{f.access}}|${{f.file_type}}|${{f.file_path}}`), f[0].pid, f[0].process_name, f[0].user, f[0].command, \
         type_of(f[0]), `${{f[0]}}`]",
        files("pid(7)")
    );
    let expected = r#"[["Working directory|DIR|/srv", "Root directory|DIR|/", "Executable|REG|/srv/bin", "Memory mapped|REG|/srv/log", "File descriptor|CHR|/dev/null", "File descriptor|REG|/srv/log", "File descriptor|REG|/srv/log", "File descriptor|SOCK|/run/server.sock", "File descriptor|SOCK|socket:[501]"], 7, "server", "root", "server -x", "rust_safe_process_mgmt::OpenFileInfo", "7 server: /srv (DIR, Working directory)"]"#;

    assert_eq!(bench().output(&script), expected);
    for page in 1..10 {
        assert_eq!(bench().pages_of(page).output(&script), expected, "{page}");
    }
    assert_eq!(
        bench().output(&format!("{}[4].to_map()", files("pid(7)"))),
        r##"#{"access_type": "File descriptor", "command": "server -x", "file_path": "/dev/null", "file_type": "CHR", "pid": 7, "process_name": "server", "user": "root"}"##
    );
}

#[test]
fn a_process_that_is_not_there_or_may_not_be_looked_at_is_an_error() {
    for pid in ["99", "0", "4294967295"] {
        assert_eq!(
            bench().output(&why(&files(&format!("pid({pid})")))),
            format!(
                "ProcessErrorKind ProcessNotFound: Process not found: Process with PID {pid} does not exist: PID {pid}"
            )
        );
    }
    assert_eq!(
        bench().denying("list_fds", "7").output(&why(&files("pid(7)"))),
        denial("list_fds", "process_system::Process::7")
    );
}

// "entries whose path equals the given path, or with `include_subdir` lies at or below it"
#[test]
fn at_a_path_is_what_has_that_path_and_below_it_what_begins_with_it() {
    let paths = |options: &str| format!("{}.map(|f| [f.pid, f.file_path])", files(options));
    for (options, expected) in [
        ("path(\"/srv\")", r#"[[7, "/srv"]]"#),
        (
            "path(\"/srv\").include_subdir(true)",
            r#"[[7, "/srv"], [7, "/srv/bin"], [7, "/srv/log"], [7, "/srv/log"], [7, "/srv/log"], [12, "/srv/sub/deep"]]"#,
        ),
        ("path(\"/srv/sub\")", "[]"),
        ("path(\"/current\")", r#"[[7, "/srv/log"], [7, "/srv/log"], [7, "/srv/log"]]"#),
    ] {
        for page in [0, 1, 4] {
            assert_eq!(bench().pages_of(page).output(&paths(options)), expected, "{options}");
        }
    }
}

// "`socket:[N]` (or the bound unix path)"
#[test]
fn the_holders_of_a_bound_socket_are_found_by_its_path() {
    let script =
        format!("{}.map(|f| [f.pid, f.file_type, f.file_path])", files("path(\"/run/server.sock\")"));

    assert_eq!(bench().output(&script), r#"[[7, "SOCK", "/run/server.sock"]]"#);

    let closed = bench();
    closed.world.borrow_mut().host.tables.clear();
    assert_eq!(closed.output(&script), "[]");
    let numbers = format!("{}.filter(|f| f.file_type == \"SOCK\").map(|f| f.file_path)", files("pid(7)"));
    assert_eq!(closed.output(&numbers), r#"["socket:[500]", "socket:[501]"]"#);
}

#[test]
fn the_table_of_sockets_is_read_only_where_there_are_some() {
    for options in ["pid(12)", "path(\"/srv/log\")", "path(\"/srv\").include_subdir(true)"] {
        let bench = bench();

        bench.output(&files(options));

        assert!(!bench.asked().iter().flatten().any(|name| *name == "read_source"), "{options}");
    }
}

#[test]
fn what_has_no_path_is_told_by_what_the_kernel_calls_it() {
    let entry = |kind: EntryType, target: &str| -> OpenEntry { held(Descriptor, kind, target) };
    let entries = vec![
        entry(File, "/a"),
        entry(Dir, "/a"),
        entry(Symlink, "/a"),
        entry(Socket, "/a"),
        entry(CharDevice, "/a"),
        entry(BlockDevice, "/a"),
        entry(Fifo, "/a"),
        entry(Unknown, "/a"),
        entry(Unknown, "/memfd:x (deleted)"),
        entry(Socket, "socket:[99]"),
        entry(Unknown, "net:[4026531840]"),
        entry(Fifo, "pipe:[5]"),
        entry(Unknown, "anon_inode:[eventfd]"),
        entry(Unknown, "anon_inode:inotify"),
        entry(Unknown, "mnt:[4026531841]"),
        entry(Unknown, ""),
        entry(File, "socket:"),
    ];
    let bench = bench().holding(7, entries);

    assert_eq!(
        bench.output(&format!("{}.map(|f| f.file_type)", files("pid(7)"))),
        r#"["REG", "DIR", "LNK", "SOCK", "CHR", "BLK", "FIFO", "UNK", "REG", "SOCK", "SOCK", "FIFO", "ANON_INODE", "ANON_INODE", "UNK", "UNK", "UNK"]"#
    );
}

#[test]
fn what_was_met_on_the_way_can_be_meant_by_its_name() {
    let script = "let m = ProcessManager(); m.processes_using_inode(\"/srv/log\");
                  m.kill(KillOptions().process_name(\"server\").signal(Signal::SIGTERM).build())";

    for bench in [bench().denying("list", "7").like_rex(), bench().like_rex()] {
        assert_eq!(bench.output(script), r##"[#{"name": "server", "pid": 7}]"##);
    }
    assert_eq!(bench().output(script), r##"[#{"name": "server", "pid": 7}]"##);
    let replaced = bench().like_rex();
    replaced.world.borrow_mut().processes.replaced.insert(7);
    let later = script.replace("m.kill", "sleep(1); m.kill");
    assert!(replaced.failure(&later).contains("No matching processes found"));
    assert!(replaced.world.borrow().processes.signals.is_empty());
}

#[test]
fn more_files_than_an_array_may_have_end_the_script() {
    let mut bench = bench();
    bench.limits.array_elements = 5;

    let ended = bench.run(&format!("try {{ {} }} catch (e) {{ 1 }}", files("pid(7)")));

    assert!(ended.text.contains("too large"), "{}", ended.text);
}

/// Each access has a word of its own.
#[test]
fn accesses_have_words() {
    let words: Vec<&str> = [WorkingDirectory, Root, Executable, Mapped, Descriptor]
        .into_iter()
        .map(super::access_word)
        .collect();

    assert_eq!(
        words,
        ["Working directory", "Root directory", "Executable", "Memory mapped", "File descriptor"]
    );
}

// A result that lacks something must not look complete; who hides it is told once for the run.
#[test]
fn what_the_system_keeps_back_is_counted_and_told_once() {
    let bench = || {
        let bench = bench();
        bench.world.borrow_mut().processes.kept_back = Some(KeptBack { processes: 3, pid: 1, errno: 13 });
        bench
    };
    let told = |entries: u32| {
        format!(
            "Warn {entries} entries could not be looked at and were passed over, the first: /proc/1: Permission denied (os error 13)"
        )
    };
    for walk in [
        users("/srv/log"),
        files(r#"path("/srv/log")"#),
        files(r#"path("/run/server.sock")"#),
        files("pid(7)"),
    ] {
        let bench = bench();

        assert_eq!(bench.output(&format!("{walk}; passed_over()")), "3", "{walk}");

        assert_eq!(bench.log(), [told(3)], "{walk}");
    }
    let twice = bench().pages_of(1);
    twice.output(&format!("{0}; {0}", users("/srv/log")));
    assert_eq!(twice.log(), [told(6)]);
    let of_rex = bench().like_rex();
    of_rex.output(&users("/srv/log"));
    assert_eq!(of_rex.log(), [""; 0]);
    let nothing = self::bench();
    assert_eq!(nothing.output(&format!("{}; passed_over()", users("/srv/log"))), "0");
    assert_eq!(nothing.log(), [""; 0]);
}
