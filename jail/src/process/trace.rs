//! Where the threads of a process are: gdb tells, and what it says is read here.

use rex_ipc::file_system::OpenFile;
use rex_ipc::process_system::{BeginTrace, Tracer};
use rhai::{EvalAltResult, INT, NativeCallContext};

use super::manager::ProcessManager;
use super::options::TraceOptions;
use super::{ErrorKind, is_missing, process_not_found, refused};
use crate::error::Fallible;
use crate::file_system::backtrace::{self, TracedProcess};
use crate::file_system::core_dump::segment;
use crate::file_system::execute::{ExecuteResult, collected};
use crate::handle::{OpenDirectory, OpenObject};
use crate::session::{Failed, Session};
use crate::text;
use crate::value::{self, integer};

/// The threads of a process, and the calls in each that have not returned.
///
/// # Policy
/// `trace` on the process; `open` of the debugger and of the directory that it is in; with a process in whose namespace the number
/// counts `mount_namespace` on that one; `execute` of the debugger, which Rex does not ask.
///
/// # Errors
/// `ProcessNotFound`; `PermissionDenied`; a text for a number that no process can have; `Other` where the namespace is not
/// known, where nothing can be told, and for the system's failures.
pub fn trace(
    context: &NativeCallContext,
    manager: &ProcessManager,
    pid: INT,
    options: Option<&TraceOptions>,
) -> Fallible<TracedProcess> {
    let (session, line) = (Session::of(context), value::line(context));
    let within = options.and_then(|options| options.ns_pid);
    let given = value::parameter_number("pid", pid)?;
    let process = match within {
        None => given,
        Some(within) => outer(manager, within, given)?,
    };
    let missing = |_: &str| process_not_found("Process not found", process);
    let not_traced = |failed: Failed| match failed {
        failed if is_missing(&failed) => refused(failed, "ProcessNotFound", missing),
        failed if is_refused(&failed) => {
            refused(failed, "Other", |_| format!("Unable to trace process {process}. {HINT}"))
        }
        failed => refused(failed, "Other", str::to_owned),
    };
    // proc(5): numbers of processes begin at 1, and pid_t is an `int`.
    if process == 0 || i32::try_from(process).is_err() {
        return Err(ErrorKind::error("ProcessNotFound", missing("")));
    }
    let ask = BeginTrace { pid: process, started_ticks: None, within: None, tracer: None };
    let found = session.ask(line, ask).map_err(not_traced)?;

    let name = match found.tracer {
        Tracer::Debugger => "gdb",
        Tracer::Script => "gstack",
    };
    let (dir, file) = (session.new_dir(), session.new_file());
    let open_dir = text::open_parent(dir, value::path("/usr/bin")?);
    let open_file = OpenFile { follow: true, ..text::open_for_reading(file, dir, value::spelled(name)?) };
    session.perform(line, &(open_dir, open_file)).map_err(|failed| ErrorKind::of(failed, "Other"))?;
    let _open = (OpenDirectory::adopt(&session, dir), OpenObject::adopt(&session, file));

    let begin =
        BeginTrace { pid: process, started_ticks: Some(found.started_ticks), within, tracer: Some(file) };
    session.ask(line, begin).map_err(not_traced)?;
    let result = collected(&session, line).map_err(|failed| ErrorKind::of(failed, "Other"))??;
    told(process, &result)
}

/// The number in the outermost namespace of a process that has this one where that process is.
fn outer(manager: &ProcessManager, within: u32, pid: u32) -> Fallible<u32> {
    let Some(namespace) = manager.namespace_of(within) else {
        let message = format!(
            "PID namespace not found for PID {within}: Namespace information was not present in process info. \
             Hint: list processes with load_namespace_info before"
        );
        return Err(ErrorKind::error("Other", message));
    };
    manager
        .named_within(namespace, pid)
        .ok_or_else(|| ErrorKind::error("ProcessNotFound", process_not_found("Process not found", pid)))
}

/// What the debugger has said.
fn told(pid: u32, result: &ExecuteResult) -> Fallible<TracedProcess> {
    let unable = |reason: std::fmt::Arguments<'_>| -> Box<EvalAltResult> {
        ErrorKind::error("Other", format!("Unable to trace process {pid}. Error details: pstack {reason}"))
    };
    let (output, errors) = (&result.stdout, &result.stderr);
    if result.exit_code != 0 {
        let code = result.exit_code;
        return Err(unable(format_args!("exited with code {code}. Stdout: {output}, Stderr: {errors}")));
    }
    if output.is_empty() {
        let message = format!("Attempting to trace pid {pid} returned empty output. {HINT}");
        return Err(ErrorKind::error("Other", message));
    }
    // What comes before is about the first thread, and is told again.
    let threads = backtrace::parse(segment(output, 0).unwrap_or_default());
    if threads.is_empty() {
        return Err(unable(format_args!("returned unparseable output: {output}")));
    }
    let first = threads.iter().find(|thread| thread.id == 1).and_then(|thread| thread.tid);
    Ok(TracedProcess { pid: Some(first.unwrap_or_else(|| integer(pid))), threads })
}

/// Whether the system says that the broker may not: because of the user of the process, or because somebody traces it already.
fn is_refused(failed: &Failed) -> bool {
    failed.failure.class == (rex_ipc::failure::FailureClass::System { errno: NOT_PERMITTED })
}

const HINT: &str = "Likely you need to set the CAP_SYS_PTRACE linux capability.";
/// EPERM of errno(3).
const NOT_PERMITTED: u16 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::message_of;
    use crate::testing::{Bench, process};

    const SAID: &str = "[New LWP 7]\n#0  0x1f in poll () from /lib/libc.so.6\n[Current thread is 1 (LWP 7)]\nrex-broker: 0\n\n\
                        Thread 2 (LWP 9):\n#0  b () at b.c:2\n\nThread 1 (LWP 7):\n#0  0x1f in poll () from /lib/libc.so.6\n#1  main () at a.c:1\n";

    fn result(exit_code: INT, stdout: &str, stderr: &str) -> ExecuteResult {
        ExecuteResult { stdout: stdout.into(), stderr: stderr.into(), exit_code }
    }

    #[test]
    fn threads_and_frames_are_those_behind_the_mark() {
        let process = told(7, &result(0, SAID, "warning")).unwrap();

        assert_eq!(process.pid, Some(7));
        let frames: Vec<_> = process.threads.iter().map(|thread| (thread.id, thread.frames.len())).collect();
        assert_eq!(frames, [(1, 2), (2, 1)]);
    }

    #[test]
    fn what_tells_nothing_is_an_error_with_what_was_said() {
        let unable = "Unable to trace process 7. Error details: pstack ";
        for (said, expected) in [
            (result(1, "o", "e"), format!("{unable}exited with code 1. Stdout: o, Stderr: e")),
            (result(0, "", "e"), format!("Attempting to trace pid 7 returned empty output. {HINT}")),
            (result(0, "#0  main ()\n", ""), format!("{unable}returned unparseable output: #0  main ()\n")),
        ] {
            assert_eq!(message_of(&told(7, &said).unwrap_err()), Some(expected));
        }
    }

    #[test]
    fn a_process_is_asked_about_before_anything_is_opened() {
        let script = "let m = ProcessManager(); let r = (); try { r = m.trace(PID) } catch (e) { r = `${e.kind}: ${e.message}` } r";
        let missing = |pid: &str| format!("ProcessNotFound: Process not found: Process not found: PID {pid}");
        let denied = "PermissionDenied: Permission denied: tester unauthorized to perform process_system::Action::\"trace\" for process_system::Process::7";
        for (pid, expected, asked) in
            [("99", missing("99"), 1), ("0", missing("0"), 0), ("7", denied.to_owned(), 1)]
        {
            let bench = Bench::new().process(process(7, "server")).denying("trace", "7");

            assert_eq!(bench.output(&script.replace("PID", pid)), expected);
            assert_eq!(bench.asked().len(), asked, "{pid}");
        }
        let told = Bench::new().failure("ProcessManager().trace(-1)");
        assert!(told.contains("Parameter 'pid' conversion failed: out of range"), "{told}");
        // Where the debugger is not there.
        let bench = Bench::new().process(process(7, "server"));
        let told = bench.output(&script.replace("PID", "7"));
        assert!(told.starts_with("Other: ") && told.contains("No such file or directory"), "{told}");
        assert_eq!(bench.asked(), [vec!["begin_trace"], vec!["open_dir", "open_file"]]);
    }

    #[test]
    fn a_number_within_a_namespace_needs_to_be_known() {
        let told = |before: &str, pid: &str, within: &str| {
            let bench = Bench::new().process(process(7, "server")).denying("trace", "7");
            bench.output(&format!(
                "let m = ProcessManager(); {before}; let r = (); try {{ r = m.trace({pid}, TraceOptions().ns_pid({within}).build()) }} catch (e) {{ r = `${{e.kind}}: ${{e.message}}` }} r"
            ))
        };
        let listed = "m.processes(ProcessOptions().load_namespace_info(true).build())";

        assert!(told("()", "7", "7").starts_with("Other: PID namespace not found for PID 7: "));
        assert!(told("m.processes()", "7", "7").starts_with("Other: PID namespace not found for PID 7: "));
        assert!(told(listed, "7", "8").starts_with("Other: PID namespace not found for PID 8: "));
        assert!(told(listed, "8", "7").starts_with("ProcessNotFound: "), "no such number there");
        // In the world of these tests a process has one number everywhere.
        assert!(told(listed, "7", "7").starts_with("PermissionDenied: "), "it was asked for");
        assert_eq!(
            Bench::new()
                .output("let r = (); try { TraceOptions().build() } catch (e) { r = e.to_string() } r"),
            "Field not initialized: ns_pid"
        );
    }
}
