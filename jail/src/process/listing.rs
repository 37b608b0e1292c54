//! Lists processes, page by page.

use rex_ipc::process_system::{ListProcesses, ProcessPage, ProcessRecord, Processes};
use rhai::{Array, Dynamic, EvalAltResult, NativeCallContext};

use super::info::{Measures, ProcessInfo};
use super::manager::{ProcessManager, Remembered};
use super::options::ProcessOptions;
use super::{is_missing, refused};
use crate::error::{Fallible, TooLarge, too_large};
use crate::limits::array_limit;
use crate::session::{Failed, Session};
use crate::value;

/// All processes that may be listed, and with the option their tasks, each behind its process.
///
/// # Policy
/// `list` on each; what it denies is left out. With namespaces `open` and `read` before it, without which the namespace
/// stays unknown.
///
/// # Errors
/// `ProcessEnumerationError` when processes cannot be listed at all; `AuthorizationError`; the limit on arrays.
pub fn processes(
    context: &NativeCallContext,
    manager: &ProcessManager,
    options: &ProcessOptions,
) -> Fallible<Array> {
    let session = Session::of(context);
    let most = array_limit(&session);
    let mut listed = Array::new();
    each(context, manager, options, |record, measures| {
        if listed.len() >= most {
            return Err(too_large(TooLarge::Array));
        }
        listed.push(Dynamic::from(ProcessInfo::new(record, measures, None)));
        Ok(())
    })?;
    Ok(listed)
}

/// Hands over every process that may be listed, and has the manager remember those that are no tasks.
///
/// # Errors
/// As [`processes`]; those of `take`.
pub fn each(
    context: &NativeCallContext,
    manager: &ProcessManager,
    options: &ProcessOptions,
    mut take: impl FnMut(&ProcessRecord, &Measures) -> Fallible<()>,
) -> Fallible<()> {
    let (tasks, namespaces) = (options.include_threads, options.load_namespace_info);
    let mut behind = (0, 0);
    loop {
        let which = Processes::After { pid: behind.0, task: behind.1 };
        let page = ask(context, ListProcesses { which, tasks, namespaces })?;
        let measures = Measures::of(&page);
        for record in page.processes.into_vec() {
            if !record.is_task {
                manager.remember(record.pid, Remembered::of(&record));
            }
            take(&record, &measures)?;
        }
        match page.next {
            // A place that is not behind the last one would be listed for ever.
            Some(next) if next > behind => behind = next,
            _ => break,
        }
    }
    manager.set_listed();
    Ok(())
}

/// A process, or one of its tasks; nothing when it is gone or may not be listed.
///
/// # Errors
/// `ProcessEnumerationError`, `AuthorizationError`.
pub fn one(
    context: &NativeCallContext,
    pid: u32,
    task: Option<u32>,
) -> Fallible<Option<(ProcessRecord, Measures)>> {
    let which = Processes::One { pid, task };
    let request = ListProcesses { which, tasks: false, namespaces: false };
    let page = match Session::of(context).ask(value::line(context), request) {
        Err(failed) if is_missing(&failed) => return Ok(None),
        outcome => outcome.map_err(not_enumerated)?,
    };
    let measures = Measures::of(&page);
    Ok(page.processes.into_vec().into_iter().next().map(|record| (record, measures)))
}

/// Asks for a page.
///
/// # Errors
/// As [`processes`].
pub fn ask(context: &NativeCallContext, list: ListProcesses) -> Fallible<ProcessPage> {
    Session::of(context).ask(value::line(context), list).map_err(not_enumerated)
}

fn not_enumerated(failed: Failed) -> Box<EvalAltResult> {
    refused(failed, "ProcessEnumerationError", |reason| format!("Process enumeration failed: {reason}"))
}

impl Remembered {
    /// What a record says.
    pub fn of(record: &ProcessRecord) -> Self {
        Self {
            name: record.name.as_str().into(),
            username: record.user.as_ref().map(|user| user.as_str()).unwrap_or_default().into(),
            command: record.command.as_str().into(),
            started_ticks: record.started_ticks,
            namespace: record.namespace,
        }
    }
}

#[cfg(test)]
mod tests {
    use rex_ipc::bounded::Text;
    use rex_ipc::process_system::ProcessRecord;

    use crate::testing::{Bench, process, task};

    fn bench() -> Bench {
        Bench::new()
            .process(ProcessRecord { parent: 0, ..process(1, "init") })
            .process(process(7, "server"))
            .process(task(8, 7))
            .process(task(9, 7))
            .process(ProcessRecord { uid: 1234, user: None, ..process(12, "worker") })
    }

    // "`ps()` -> array of ProcessInfo"; "processes only".
    #[test]
    fn all_processes_that_may_be_listed_are_listed() {
        for script in ["ps()", "ProcessManager().processes()", "processes(ProcessManager())"] {
            assert_eq!(bench().output(&format!("{script}.map(|p| p.pid)")), "[1, 7, 12]", "{script}");
            let some = bench().denying("list", "7");
            assert_eq!(some.output(&format!("{script}.map(|p| p.pid)")), "[1, 12]", "{script}");
            let none = bench().denying("list", "1").denying("list", "7").denying("list", "12");
            assert_eq!(none.output(script), "[]", "{script}");
        }
        assert_eq!(Bench::new().output("ps()"), "[]");
    }

    #[test]
    fn a_long_list_comes_in_pages_and_nothing_twice() {
        for entries in 1..6 {
            let bench = bench().pages_of(entries);

            assert_eq!(bench.output("ps().map(|p| p.pid)"), "[1, 7, 12]", "{entries}");
            let threads =
                "ProcessManager().processes(ProcessOptions().include_threads(true).build()).map(|p| p.pid)";
            assert_eq!(bench.output(threads), "[1, 7, 8, 9, 12]", "{entries}");
            let denied = bench.denying("list", "1").denying("list", "8").denying("list", "9");
            assert_eq!(denied.output(threads), "[7, 12]", "{entries}");
        }
    }

    #[test]
    fn a_process_has_properties_of_the_types_of_rex_and_a_map() {
        let script = r#"
            let p = ps();
            let first = p[0];
            let last = p[2];
            [first.pid, first.name, first.ppid, first.uid, first.username, first.memory_usage, first.memory_percent, first.state,
             first.command, first.recent_cpu_usage, first.historical_cpu_usage, first.pid_namespace,
             last.ppid, last.uid, last.username, type_of(first), type_of(first.pid), type_of(first.memory_percent), type_of(last.uid)]
        "#;

        let expected = r#"[1, "init", (), 0, "root", 1048576, 0.09, "Sleep", "init -x", (), 0.0, (), 1, 1234, "", "rust_safe_process_mgmt::ProcessInfo", "i64", "f64", "i64"]"#;
        assert_eq!(bench().output(script), expected);
        assert_eq!(bench().like_rex().output(script), expected);
        assert_eq!(
            bench().output("ps()[1].to_map()"),
            r##"#{"command": "server -x", "historical_cpu_usage": 0.0, "memory_percent": 0.09, "memory_usage": 1048576, "name": "server", "pid": 7, "pid_namespace": (), "ppid": 1, "recent_cpu_usage": (), "state": "Sleep", "uid": 0, "username": "root"}"##
        );
        assert!(bench().failure("let p = ps()[0]; p.pid = 5").contains("No writable property 'pid'"));
    }

    #[test]
    fn a_process_reads_as_who_it_is_and_for_rex_as_the_name_of_its_type() {
        assert_eq!(
            bench().output("`${ps()[0]}, ${ps()[2]}`"),
            "1 init (root, Sleep), 12 worker (1234, Sleep)"
        );
        assert_eq!(bench().like_rex().output("ps()[0]"), "rust_safe_process_mgmt::ProcessInfo");
        assert_eq!(
            bench().like_rex().output("type_of(ProcessManager())"),
            "rust_safe_process_mgmt::RcProcessManager"
        );
    }

    // "Any failure or denial only leaves `pid_namespace` as `()`."
    #[test]
    fn namespaces_are_told_when_they_are_wanted_and_may_be() {
        let script = r#"
            let o = ProcessOptions().load_namespace_info(true).build();
            let n = ProcessManager().processes(o).map(|p| p.pid_namespace);
            [n[0].namespace_id, n[0].child_ns_pid, n[0].to_map(), n[1], n[2].child_ns_pid, `${n[0]}`]
        "#;

        assert_eq!(
            bench().denying("read", "/proc/7/ns/pid").output(script),
            r##"[4026531836, 1, #{"child_ns_pid": 1, "namespace_id": 4026531836}, (), 12, "pid 1 in pid:[4026531836]"]"##
        );
        assert_eq!(
            bench().output(
                "ProcessManager().processes(ProcessOptions().load_namespace_info(true).build())[0].to_map().pid_namespace.child_ns_pid"
            ),
            "1"
        );
    }

    // "`processes()` with every error folded into `ValidationError`, message `Validation error: ps: <message>`."
    #[test]
    fn what_keeps_processes_from_being_listed_is_an_error_that_the_command_folds() {
        let bench = bench().denying("undecided", "7");
        for (script, expected) in [
            ("ps()", "ProcessErrorKind: ValidationError: Validation error: ps: Authorization check failed"),
            (
                "ProcessManager().processes()",
                "ProcessErrorKind: AuthorizationError: Authorization check failed",
            ),
        ] {
            let ended = bench.run(script);
            assert!(ended.text.starts_with(expected), "{}", ended.text);
            assert!(ended.outcome.ended_by.is_some(), "{script}");
        }
        let bench = Bench::new();
        bench.world.borrow_mut().processes.broken = Some("Permission denied (os error 13)");
        let failure = bench.failure("ProcessManager().processes()");
        assert!(
            failure.starts_with(
                "ProcessErrorKind: ProcessEnumerationError: Process enumeration failed: Permission denied (os error 13)"
            ),
            "{failure}"
        );
        assert!(
            bench.failure("ps()").contains(
                "ValidationError: Validation error: ps: Process enumeration failed: Permission denied (os error 13)"
            )
        );
    }

    #[test]
    fn the_names_of_processes_are_as_they_are_whatever_they_are() {
        let odd = ProcessRecord {
            name: Text::new("a) R 1 \u{fffd}\n\"").unwrap(),
            command: Text::new("").unwrap(),
            state: 0,
            ..process(3, "")
        };

        assert_eq!(
            Bench::new().process(odd).output("let p = ps()[0]; [p.name, p.command, p.state]"),
            "[\"a) R 1 \u{fffd}\\n\\\"\", \"\", \"Unknown(0)\"]"
        );
    }

    #[test]
    fn more_processes_than_an_array_may_have_end_the_script() {
        let mut bench = bench();
        bench.limits.array_elements = 2;

        assert!(bench.run("try { ps() } catch (e) { 1 }").text.contains("too large"));
    }
}
