//! Sends signals to processes, by number or by what they are called.

use rex_ipc::process_system::{Signal, SignalProcess};
use rhai::{Array, Dynamic, INT, ImmutableString, Map, NativeCallContext};

use super::manager::{ProcessManager, Remembered};
use super::options::{KillOptions, ProcessOptions};
use super::{ErrorKind, folded, invalid, is_missing, listing, process_not_found, refused};
use crate::error::{Fallible, TooLarge, too_large};
use crate::limits::array_limit;
use crate::session::{Failed, Session};
use crate::value::{self, OUT_OF_RANGE, integer};

/// Sends a signal to the processes that the options mean.
///
/// Gives the name and number of each that got it. By name, user or command line those are meant that the manager remembers;
/// what is denied or gone is passed over.
///
/// # Policy
/// `interrupt` on the process for `SIGHUP`, `kill` for the other signals; the kernel sends it to the very process that was
/// judged.
///
/// # Errors
/// `ProcessNotFound` when no process got it for want of one; `PermissionDenied` for a number that is denied; `Other` for one
/// that the system refuses; `ValidationError` for a number of more than 32 bits.
pub fn kill(context: &NativeCallContext, manager: &ProcessManager, options: &KillOptions) -> Fallible<Array> {
    // The builder makes no options without a signal.
    let signal = options.signal.ok_or_else(|| invalid("signal is required"))?;
    match options.pid {
        Some(pid) => by_number(context, pid, signal),
        None => by_description(context, manager, options, signal),
    }
}

/// The command `kill(pid)`: `SIGTERM` to one process.
///
/// # Errors
/// `ValidationError` whatever the reason, which the message has.
pub fn command(context: NativeCallContext, pid: INT) -> Fallible<Array> {
    let terminate = || {
        if pid < 0 {
            return Err(invalid("PID cannot be negative"));
        }
        by_number(&context, pid, Signal::Terminate)
    };
    terminate().map_err(|error| folded("kill", error))
}

/// The command `kill(flags, pid)`. There are no flags.
///
/// # Errors
/// As [`command`]; `ValidationError` for anything in the array.
pub fn command_with_flags(context: NativeCallContext, flags: Array, pid: INT) -> Fallible<Array> {
    match flags.first() {
        None => command(context, pid),
        Some(flag) => {
            let type_name = context.engine().map_type_name(flag.type_name());
            Err(invalid(format_args!("kill: expected KillFlag flag, got {type_name}")))
        }
    }
}

fn by_number(context: &NativeCallContext, pid: INT, signal: Signal) -> Fallible<Array> {
    let number =
        u32::try_from(pid).map_err(|_| invalid(format_args!("Invalid PID value {pid}: {OUT_OF_RANGE}")))?;
    let missing = || process_not_found("Process not found", pid);
    // proc(5): numbers of processes begin at 1, and pid_t is an `int`.
    if number == 0 || i32::try_from(number).is_err() {
        return Err(ErrorKind::error("ProcessNotFound", missing()));
    }
    let request = SignalProcess { pid: number, started_ticks: None, signal };
    let signalled =
        Session::of(context).ask(value::line(context), request).map_err(|failed| match failed {
            failed if is_missing(&failed) => refused(failed, "ProcessNotFound", |_| missing()),
            failed => refused(failed, "Other", str::to_owned),
        })?;
    Ok(vec![reached(signalled.name.as_str(), number)])
}

fn by_description(
    context: &NativeCallContext,
    manager: &ProcessManager,
    options: &KillOptions,
    signal: Signal,
) -> Fallible<Array> {
    let session = Session::of(context);
    if !session.is_rex_compat() {
        refuse_empty(options)?;
        if !manager.is_listed() {
            listing::each(context, manager, &ProcessOptions::default(), |_, _| Ok(()))?;
        }
    }
    let most = array_limit(&session);
    let mut reached_all = Array::new();
    for (pid, process) in manager.select(|process| is_meant(process, options)) {
        if reached_all.len() >= most {
            return Err(too_large(TooLarge::Array));
        }
        let request = SignalProcess { pid, started_ticks: Some(process.started_ticks), signal };
        match session.ask(value::line(context), request) {
            Ok(signalled) if options.command.is_some() => {
                reached_all.push(reached(signalled.command.as_str(), pid))
            }
            Ok(signalled) => reached_all.push(reached(signalled.name.as_str(), pid)),
            Err(failed) => pass_over(failed)?,
        }
    }
    if reached_all.is_empty() {
        let message = process_not_found("No matching processes found", 0);
        return Err(ErrorKind::error("ProcessNotFound", message));
    }
    Ok(reached_all)
}

/// What every process has is no description of some.
fn refuse_empty(options: &KillOptions) -> Fallible<()> {
    for (name, text) in [("process_name", &options.process_name), ("command", &options.command)] {
        if text.as_ref().is_some_and(|text| text.is_empty()) && !options.exact_match {
            return Err(invalid(format_args!("{name} cannot be empty: every process would be meant")));
        }
    }
    Ok(())
}

fn is_meant(process: &Remembered, options: &KillOptions) -> bool {
    let matches = |wanted: &Option<ImmutableString>, text: &str| {
        wanted.as_deref().is_none_or(
            |wanted: &str| if options.exact_match { text == wanted } else { text.contains(wanted) },
        )
    };
    matches(&options.process_name, &process.name)
        && matches(&options.command, &process.command)
        && options.username.as_ref().is_none_or(|wanted| *wanted == process.username)
}

/// # Errors
/// What ends the script.
fn pass_over(failed: Failed) -> Fallible<()> {
    if failed.is_final() { Err(ErrorKind::of(failed, "Other")) } else { Ok(()) }
}

fn reached(name: &str, pid: u32) -> Dynamic {
    let map: Map =
        [("name".into(), Dynamic::from(name.to_owned())), ("pid".into(), Dynamic::from_int(integer(pid)))]
            .into_iter()
            .collect();
    map.into()
}

/// The name of a signal.
pub fn name(signal: Signal) -> &'static str {
    match signal {
        Signal::Terminate => "SIGTERM",
        Signal::Quit => "SIGQUIT",
        Signal::Hangup => "SIGHUP",
        Signal::Kill => "SIGKILL",
    }
}

#[cfg(test)]
mod tests {
    use rex_ipc::bounded::Text;
    use rex_ipc::process_system::{ProcessRecord, Signal};

    use crate::testing::{Bench, process, task};

    fn bench() -> Bench {
        Bench::new()
            .process(process(1, "init"))
            .process(process(7, "server"))
            .process(task(8, 7))
            .process(ProcessRecord { uid: 5, user: Text::new("alice"), ..process(12, "server-two") })
    }

    fn sent(bench: &Bench) -> Vec<(u32, Signal)> {
        bench.world.borrow().processes.signals.clone()
    }

    /// A script that tells what an expression gives, or why it fails.
    fn told(expression: &str) -> String {
        format!(
            "fn why(e) {{ if type_of(e) == \"map\" && \"kind\" in e {{ `${{e.source}} ${{e.kind}}: ${{e.message}}` }} else {{ `text: ${{e}}` }} }}
             let m = ProcessManager(); let r = (); try {{ r = {expression} }} catch (e) {{ r = why(e) }} r"
        )
    }

    #[test]
    fn a_process_is_meant_by_its_number() {
        for (signal, sent_signal) in [
            ("SIGTERM", Signal::Terminate),
            ("SIGQUIT", Signal::Quit),
            ("SIGHUP", Signal::Hangup),
            ("SIGKILL", Signal::Kill),
        ] {
            let bench = bench();

            let output = bench.output(&format!(
                "ProcessManager().kill(KillOptions().pid(7).signal(Signal::{signal}).build())"
            ));

            assert_eq!(output, r##"[#{"name": "server", "pid": 7}]"##);
            assert_eq!(sent(&bench), [(7, sent_signal)]);
            assert_eq!(bench.asked(), [["signal_process"]]);
        }
    }

    #[test]
    fn the_command_sends_the_signal_that_asks_to_end() {
        for script in ["kill(7)", "kill([], 7)"] {
            let bench = bench();

            assert_eq!(bench.output(script), r##"[#{"name": "server", "pid": 7}]"##);
            assert_eq!(sent(&bench), [(7, Signal::Terminate)]);
        }
    }

    // Section 3: "policy denial (the text still contains `Permission denied: …`)".
    #[test]
    fn every_reason_of_the_command_is_a_validation_error() {
        let denial = "Permission denied: tester unauthorized to perform process_system::Action::\"kill\" for process_system::Process::7";
        for (script, expected) in [
            ("kill(7)", denial.to_owned()),
            ("kill([], 7)", denial.to_owned()),
            ("kill(99)", "Process not found: Process not found: PID 99".to_owned()),
            ("kill(4194303999)", "Process not found: Process not found: PID 4194303999".to_owned()),
            ("kill(0)", "Process not found: Process not found: PID 0".to_owned()),
            ("kill(-1)", "Validation error: PID cannot be negative".to_owned()),
            (
                "kill(4294967296)",
                "Validation error: Invalid PID value 4294967296: out of range integral type conversion attempted"
                    .to_owned(),
            ),
            ("kill([15], 7)", "expected KillFlag flag, got i64".to_owned()),
            ("kill([\"-9\"], 7)", "expected KillFlag flag, got string".to_owned()),
            ("kill([cat::n], 7)", "expected KillFlag flag, got CatFlag".to_owned()),
        ] {
            let bench = bench().denying("kill", "7");

            let expected = format!("ProcessErrorKind ValidationError: Validation error: kill: {expected}");
            assert_eq!(bench.output(&told(script)), expected, "{script}");
            assert_eq!(sent(&bench), []);
        }
        let ended = bench().denying("kill", "7").run("kill(7)");
        assert!(ended.outcome.ended_by.is_some(), "a folded denial is still one: {}", ended.text);
        assert_eq!(
            bench().run("kill([kill::SIGKILL], 7)").text,
            "Syntax error: Undefined module: kill (line 1, position 7)"
        );
    }

    #[test]
    fn the_manager_tells_the_kind_of_what_is_wrong() {
        let kill = |pid: &str| format!("m.kill(KillOptions().signal(Signal::SIGTERM).pid({pid}).build())");
        let bench = || {
            let bench = bench().denying("kill", "7").denying("undecided", "12");
            bench
                .world
                .borrow_mut()
                .processes
                .refusals
                .insert(1, (1, "Operation not permitted (os error 1)"));
            bench
        };
        for (pid, expected) in [
            ("99", "ProcessNotFound: Process not found: Process not found: PID 99"),
            ("0", "ProcessNotFound: Process not found: Process not found: PID 0"),
            ("8", "ProcessNotFound: Process not found: Process not found: PID 8"),
            ("4194303999", "ProcessNotFound: Process not found: Process not found: PID 4194303999"),
            (
                "4294967296",
                "ValidationError: Validation error: Invalid PID value 4294967296: out of range integral type conversion attempted",
            ),
            (
                "7",
                "PermissionDenied: Permission denied: tester unauthorized to perform process_system::Action::\"kill\" for process_system::Process::7",
            ),
            ("12", "AuthorizationError: Authorization check failed"),
            ("1", "Other: Operation not permitted (os error 1)"),
        ] {
            assert_eq!(bench().output(&told(&kill(pid))), format!("ProcessErrorKind {expected}"), "{pid}");
        }
        let interrupt = "m.kill(KillOptions().signal(Signal::SIGHUP).pid(7).build()).len()";
        assert_eq!(bench().output(&told(interrupt)), "1");
        let denied = bench().denying("interrupt", "7").output(&told(interrupt));
        assert!(denied.contains("process_system::Action::\"interrupt\""), "{denied}");
    }

    // "iterates the cache only": without an earlier `processes()` nothing matches.
    #[test]
    fn by_name_those_are_meant_that_were_listed_and_else_they_are_listed_first() {
        let script = r#"
            let m = ProcessManager();
            let o = KillOptions().process_name("server").signal(Signal::SIGTERM).build();
            let r = [];
            try { r.push(m.kill(o).len()) } catch (e) { r.push(`${e.kind}: ${e.message}`) }
            m.processes();
            let copy = m;
            r.push(copy.kill(o));
            r
        "#;
        let both = r##"[#{"name": "server", "pid": 7}, #{"name": "server-two", "pid": 12}]"##;

        let rex = bench().like_rex();
        let nobody = "ProcessNotFound: Process not found: No matching processes found: PID 0";
        assert_eq!(rex.output(script), format!("[\"{nobody}\", {both}]"));
        assert_eq!(sent(&rex), [(7, Signal::Terminate), (12, Signal::Terminate)]);
        assert_eq!(bench().output(script), format!("[2, {both}]"));
        let none = bench().denying("list", "7").denying("list", "12");
        assert!(none.failure(&script.replace("r.push(`", "throw e; r.push(`")).contains(nobody));
        assert_eq!(sent(&none), []);
    }

    #[test]
    fn all_that_is_said_has_to_be_so() {
        for (options, expected) in [
            ("process_name(\"server\")", "[7, 12]"),
            ("process_name(\"server\").exact_match(true)", "[7]"),
            ("process_name(\"er\")", "[7, 12]"),
            ("username(\"alice\")", "[12]"),
            ("username(\"ali\")", "[]"),
            ("username(\"root\").process_name(\"server\")", "[7]"),
            ("command(\"server -x\")", "[7]"),
            ("command(\"-x\")", "[1, 7, 12]"),
            ("command(\"-x\").exact_match(true)", "[]"),
            ("command(\"server-two -x\").exact_match(true)", "[12]"),
            ("command(\"-x\").username(\"alice\")", "[12]"),
        ] {
            let script = format!(
                "let m = ProcessManager(); m.processes();
                 let r = []; try {{ r = m.kill(KillOptions().{options}.signal(Signal::SIGKILL).build()) }} catch (e) {{}} r.map(|k| k.pid)"
            );
            for bench in [bench(), bench().like_rex()] {
                assert_eq!(bench.output(&script), expected, "{options}");
            }
        }
    }

    #[test]
    fn by_command_line_the_command_line_is_told() {
        let script = r#"let m = ProcessManager(); m.processes(); m.kill(KillOptions().command("two").signal(Signal::SIGTERM).build())"#;

        assert_eq!(bench().like_rex().output(script), r##"[#{"name": "server-two -x", "pid": 12}]"##);
    }

    #[test]
    fn what_is_denied_or_fails_is_passed_over_and_the_others_are_not() {
        let script = r#"let m = ProcessManager(); m.processes(); m.kill(KillOptions().command("-x").signal(Signal::SIGTERM).build())"#;
        let bench = bench().denying("kill", "7");
        bench.world.borrow_mut().processes.refusals.insert(1, (1, "Operation not permitted (os error 1)"));

        assert_eq!(bench.output(script), r##"[#{"name": "server-two -x", "pid": 12}]"##);

        let none = bench.denying("kill", "12");
        assert!(none.failure(script).contains("Process not found: No matching processes found: PID 0"));
    }

    #[test]
    fn who_has_got_the_number_of_a_listed_process_gets_no_signal() {
        let script = r#"
            let m = ProcessManager(); m.processes();
            sleep(1);
            m.kill(KillOptions().process_name("server").signal(Signal::SIGKILL).build()).map(|k| k.pid)
        "#;
        for bench in [bench(), bench().like_rex()] {
            bench.world.borrow_mut().processes.replaced.insert(7);

            assert_eq!(bench.output(script), "[12]");
            assert_eq!(sent(&bench), [(12, Signal::Kill)]);
        }
    }

    #[test]
    fn a_description_that_fits_everybody_is_refused_but_for_rex() {
        for (options, name) in [("process_name(\"\")", "process_name"), ("command(\"\")", "command")] {
            let script = format!("m.kill(KillOptions().{options}.signal(Signal::SIGKILL).build()).len()");
            let bench = bench();

            assert_eq!(
                bench.output(&told(&script)),
                format!(
                    "ProcessErrorKind ValidationError: Validation error: {name} cannot be empty: every process would be meant"
                )
            );
            assert_eq!(sent(&bench), []);
        }
        let rex = bench().like_rex();
        let script = r#"let m = ProcessManager(); m.processes(); m.kill(KillOptions().process_name("").signal(Signal::SIGTERM).build()).len()"#;
        assert_eq!(rex.output(script), "3");
        let exactly =
            r#"m.kill(KillOptions().command("").exact_match(true).signal(Signal::SIGTERM).build()).len()"#;
        let mut kernel = process(2, "kthreadd");
        kernel.command = Text::new("").unwrap();
        assert_eq!(bench().process(kernel).output(&told(exactly)), "1");
    }

    #[test]
    fn signals_compare_and_have_names() {
        let script = "[Signal::SIGTERM == Signal::SIGTERM, Signal::SIGTERM != Signal::SIGKILL, Signal::SIGHUP == Signal::SIGQUIT, \
                      Signal::SIGHUP == 1, type_of(Signal::SIGHUP)]";

        assert_eq!(Bench::new().output(script), r#"[true, true, false, false, "Signal"]"#);
        assert_eq!(Bench::new().output("Signal::SIGQUIT"), "SIGQUIT");
        assert_eq!(Bench::new().like_rex().output("Signal::SIGQUIT"), "Signal");
        assert!(Bench::new().failure("Signal::SIGUSR1").starts_with("Variable not found: Signal::SIGUSR1"));
    }
}
