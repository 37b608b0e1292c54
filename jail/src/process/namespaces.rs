//! Has a function run in the namespaces of a process.
//!
//! The function itself runs here, as everything does; what it asks the broker for is done in there.

use rex_ipc::failure::FailureClass;
use rex_ipc::file_system::{NameText, PathText};
use rex_ipc::process_system::{EnterNamespaces, LeaveNamespaces, Namespaces};
use rhai::{Dynamic, EvalAltResult, FnPtr, NativeCallContext};

use super::options::NamespaceOptions;
use super::{ErrorKind, invalid, is_missing, process_not_found, refused};
use crate::error::{Fallible, request_behind, text_of};
use crate::session::{Failed, Session};
use crate::value;

/// Calls a function within the namespaces that the options mean, and leaves them whatever it fails with; gives what it gives.
///
/// # Policy
/// `mount_namespace` and `network_namespace` on the process, whichever are wanted; or `network_namespace` of files and `open` on
/// the file in `/run/netns`. What is asked within has names of its own.
///
/// # Errors
/// `ValidationError` for options that contradict each other or name no namespace; `ProcessNotFound`; `PermissionDenied`;
/// `NamespaceOperationError` for the system's failures, and for namespaces that cannot be entered in this version;
/// `CallbackExecutionError` for whatever the function fails with.
pub fn nsenter(
    context: &NativeCallContext,
    options: &NamespaceOptions,
    callback: &FnPtr,
) -> Fallible<Dynamic> {
    let (session, line) = (Session::of(context), value::line(context));
    let of = wanted(options)?;
    session.ask(line, EnterNamespaces { of }).map_err(|failed| not_entered(options, failed))?;
    session.set_inside(true);
    let outcome = callback.call_within_context::<Dynamic>(context, ());
    session.set_inside(false);
    // What has ended the script for good has ended what it was in.
    if session.stop_token().is_none() {
        let left = session.ask(line, LeaveNamespaces {});
        left.map_err(|failed| {
            let reason = |why: &str| failure(format_args!("Failed to restore original namespace: {why}"));
            refused(failed, "PidNamespaceOperationError", |why| format!("{}: PID 0", reason(why)))
        })?;
    }
    outcome.map_err(|error| match *error {
        // The end of the script and its limits pass through, as through any other call.
        EvalAltResult::Exit(..) => error,
        _ if !error.unwrap_inner().is_catchable() => error,
        _ => {
            let message = format!("Callback execution failed: {}", text_of(&error));
            match request_behind(&error) {
                Some(request) => ErrorKind::error_from("CallbackExecutionError", message, request),
                None => ErrorKind::error("CallbackExecutionError", message),
            }
        }
    })
}

/// What the options mean.
///
/// # Errors
/// `ValidationError`.
fn wanted(options: &NamespaceOptions) -> Fallible<Namespaces> {
    match (options.pid, &options.net_ns_name) {
        (None, None) => {
            Err(invalid("At least one namespace must be enabled. Must specify pid or namespace filename"))
        }
        (Some(_), _) if !options.mount && !options.net => {
            Err(invalid("At least one namespace type (mount or net) must be enabled"))
        }
        (pid, Some(_)) if pid.is_some() || options.mount => Err(invalid(
            "Cannot set both name and pid, and entering a mount namespace by filename is not supported",
        )),
        (Some(pid), _) => {
            Ok(Namespaces::OfProcess { pid, started_ticks: None, mount: options.mount, network: options.net })
        }
        (None, Some(name)) => {
            let name = PathText::new(name.as_str()).and_then(|text| NameText::try_from(text).ok());
            let name = name.ok_or_else(|| {
                let reason = "Failed to open network namespace at /run/netns: Invalid argument (os error 22)";
                ErrorKind::error("NamespaceOperationError", failure(reason))
            })?;
            Ok(Namespaces::Named(name))
        }
    }
}

fn not_entered(options: &NamespaceOptions, failed: Failed) -> Box<EvalAltResult> {
    let hint = "Process with specified PID does not exist. Hint: use safe_processes method to get the target process pid first.";
    let reason = match options.pid {
        Some(pid) if is_missing(&failed) => {
            return refused(failed, "ProcessNotFound", |_| process_not_found(hint, pid));
        }
        // What cannot be opened, and not what cannot be entered.
        None if failed.failure.class == (FailureClass::System { errno: ENOENT }) => {
            "Failed to open network namespace at /run/netns"
        }
        _ => "Failed to enter requested namespaces",
    };
    refused(failed, "NamespaceOperationError", |why| failure(format_args!("{reason}: {why}")))
}

fn failure(reason: impl std::fmt::Display) -> String {
    format!("Namespace operation failed: {reason}")
}

/// errno(3).
const ENOENT: u16 = 2;

#[cfg(test)]
mod tests {
    use crate::testing::{Bench, process};

    fn bench() -> Bench {
        Bench::new().process(process(7, "server"))
    }

    fn told(bench: &Bench, options: &str, function: &str) -> String {
        bench.output(&format!(
            "let r = (); try {{ r = ProcessManager().nsenter(NamespaceOptions(){options}.build(), {function}) }} catch (e) {{ r = `${{e.kind}}: ${{e.message}}` }} r"
        ))
    }

    #[test]
    fn what_is_wrong_with_the_options_is_said_before_anything_is_asked() {
        let none = "ValidationError: Validation error: At least one namespace must be enabled. Must specify pid or namespace filename";
        let no_type =
            "ValidationError: Validation error: At least one namespace type (mount or net) must be enabled";
        let both = "ValidationError: Validation error: Cannot set both name and pid, and entering a mount namespace by filename is not supported";
        for (options, expected) in [
            ("", none),
            (".mount(true)", none),
            (".pid(1)", no_type),
            (".pid(1).net(true).net_ns_name(\"x\")", both),
            (".mount(true).net_ns_name(\"x\")", both),
        ] {
            let bench = bench();

            assert_eq!(told(&bench, options, "|| 1"), expected, "{options}");
            assert!(bench.asked().is_empty());
        }
    }

    #[test]
    fn the_function_runs_between_entering_and_leaving_whatever_it_fails_with() {
        let denied =
            "CallbackExecutionError: Callback execution failed: ProcessErrorKind: PermissionDenied: ";
        for (function, expected) in [
            ("|| 41 + 1", "42"),
            ("|| throw \"no\"", "CallbackExecutionError: Callback execution failed: Runtime error: no"),
            ("|| kill(7)", "CallbackExecutionError: Callback execution failed: "),
            ("|| ProcessManager().kill(KillOptions().pid(7).signal(Signal::SIGTERM).build())", denied),
        ] {
            let bench = bench().denying("kill", "7");

            let said = told(&bench, ".pid(7).net(true)", function);

            assert!(said.starts_with(expected), "{function}: {said}");
            let asked: Vec<_> = bench.asked().into_iter().flatten().collect();
            assert_eq!(asked.first().copied(), Some("enter_namespaces"), "{asked:?}");
            assert_eq!(asked.last().copied(), Some("leave_namespaces"), "{asked:?}");
            assert!(!bench.world.borrow().processes.is_inside);
        }
    }

    #[test]
    fn what_ends_the_script_within_ends_it() {
        let bench = bench();
        let ended = bench
            .run("ProcessManager().nsenter(NamespaceOptions().net_ns_name(\"x\").build(), || exit(5)); 6");
        assert_eq!(ended.text, "5");
        let ended = self::bench().run("try { ProcessManager().nsenter(NamespaceOptions().net_ns_name(\"x\").build(), || loop {}) } catch { } 6");
        assert_ne!(ended.text, "6");
    }

    #[test]
    fn what_is_denied_or_missing_runs_nothing() {
        let hint = "Process with specified PID does not exist. Hint: use safe_processes method to get the target process pid first.";
        for (options, expected) in [
            (".pid(9).net(true)", format!("ProcessNotFound: Process not found: {hint}: PID 9")),
            (
                ".pid(7).net(true)",
                "PermissionDenied: Permission denied: tester unauthorized to perform process_system::Action::\"network_namespace\" for process_system::Process::7".to_owned(),
            ),
            (
                ".net_ns_name(\"../x\")",
                "NamespaceOperationError: Namespace operation failed: Failed to open network namespace at /run/netns: Invalid argument (os error 22)".to_owned(),
            ),
            (
                ".net_ns_name(\"none\")",
                "NamespaceOperationError: Namespace operation failed: Failed to open network namespace at /run/netns: No such file or directory (os error 2)".to_owned(),
            ),
        ] {
            let bench = bench().denying("network_namespace", "7");

            assert_eq!(told(&bench, options, "|| 1"), expected, "{options}");
            assert_eq!(bench.asked().len(), usize::from(!options.contains("../")), "{options}");
        }
    }

    #[test]
    fn namespaces_are_not_nested_and_parameters_are_not_those_of_the_host() {
        let bench = bench().file("/proc/sys/kernel/hostname", "tester\n");
        let nested = "|| ProcessManager().nsenter(NamespaceOptions().pid(7).net(true).build(), || 1)";
        let said = told(&bench, ".pid(7).net(true)", nested);
        assert!(said.contains("namespaces cannot be entered from within another"), "{said}");
        for function in ["|| sysctl_read(\"kernel.hostname\")", "|| SysctlManager().find(\"x\")"] {
            let said = told(&bench, ".pid(7).net(true)", function);
            assert!(said.contains("parameters of the kernel"), "{function}: {said}");
        }
        assert_eq!(bench.output("sysctl_read(\"kernel.hostname\")"), "tester", "a control");
    }
}
