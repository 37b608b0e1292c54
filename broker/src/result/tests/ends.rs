//! What is told when there is no script to tell of, or when it was ended.

use super::*;
use crate::result::Exit;

// Section 16.10.
#[test]
fn a_policy_that_does_not_parse_is_an_internal_exception() {
    let ending = Ending::NotStarted(NotStarted::Policy("unexpected token `resource`".to_owned()));

    let document = compat().finish(ending, &Measured::default());

    assert_eq!(keys(&document), ["output", "status", "error", "metrics", "exit", "jail"]);
    assert_eq!(error_type(&document), ErrorType::InternalException);
    assert_eq!(
        message(&document),
        "Failed to create Rhai engine: Failed to parse Cedar policy - check syntax and structure: unexpected token `resource`"
    );
    assert_eq!(metric_names(&document), ["RexRunnerTotalExecutionTime"]);
    assert_eq!((document.exit.code(true), document.exit.code(false)), (1, 65));
}

// Section 16.11.
#[test]
fn arguments_that_are_too_deep_are_a_validation_exception() {
    let text =
        "Script arguments depth validation failed: Argument 'who': Maximum nesting depth of 2 exceeded";
    let ending = Ending::NotStarted(NotStarted::Arguments(text.to_owned()));

    let document = recorder().finish(ending, &Measured::default());

    assert_eq!((error_type(&document), message(&document)), (ErrorType::ValidationException, text));
    assert_eq!(alarms(&document), [("RexRunnerScriptArgumentValidationFailure", text)]);
    assert_eq!(
        metric_names(&document),
        ["RexRunnerScriptArgumentValidationFailureCount", "RexRunnerTotalExecutionTime"]
    );
    assert_eq!(document.logs, None);
}

// Section 16.12.
#[test]
fn input_that_cannot_be_used_is_a_communication_exception() {
    for (missing, exit) in [(true, Exit::InputMissing), (false, Exit::InputInvalid)] {
        let ending = Ending::NotStarted(NotStarted::Input { message: "Failed to load".to_owned(), missing });

        let document = recorder().finish(ending, &ALL);

        assert_eq!(
            (error_type(&document), message(&document)),
            (ErrorType::CommunicationException, "Failed to load")
        );
        assert_eq!(metric_names(&document), ["RexRunnerTotalExecutionTime"]);
        assert_eq!((document.exit, document.alarms.len()), (exit, 0));
    }
}

#[test]
fn every_end_of_the_jail_has_its_name() {
    let limit = |claimed_by_jail| Ending::Limit {
        name: "max-operations".to_owned(),
        value: 9,
        line: Some(3),
        claimed_by_jail,
    };
    let crashed = |how| Ending::Crashed { how, detail: "x".to_owned() };
    let table = [
        (Ending::Value(String::new()), "finished", true, Exit::Done),
        (Ending::CompileError(String::new()), "finished", true, Exit::ScriptInvalid),
        (crashed(Crash::Arena), "arena", true, Exit::LimitReached),
        (crashed(Crash::Panic), "panic", true, Exit::Internal),
        (crashed(Crash::MemoryFault), "memory_fault", false, Exit::Internal),
        (crashed(Crash::Violation), "violation", false, Exit::Internal),
        (crashed(Crash::Killed), "killed", false, Exit::Internal),
        (limit(true), "limit", true, Exit::LimitReached),
        (limit(false), "limit", false, Exit::LimitReached),
        (Ending::Deadline { seconds: 5, line: None, abandoned: None }, "limit", false, Exit::Deadline),
        (Ending::Terminated { signal: 15, message: String::new() }, "killed", false, Exit::Signal(15)),
        (Ending::AuditFailed("x".to_owned()), "killed", false, Exit::AuditNotWritten),
        (Ending::BrokerFailed("x".to_owned()), "killed", false, Exit::Internal),
        (
            Ending::NotStarted(NotStarted::Jail("x".to_owned())),
            "not_started",
            false,
            Exit::JailNotEstablished,
        ),
        (Ending::NotStarted(NotStarted::Audit("x".to_owned())), "not_started", false, Exit::AuditNotWritten),
        (Ending::NotStarted(NotStarted::Refused("x".to_owned())), "not_started", false, Exit::Refused),
        (Ending::NotStarted(NotStarted::Internal("x".to_owned())), "not_started", false, Exit::Internal),
        (Ending::NotStarted(NotStarted::Signal(15)), "not_started", false, Exit::Signal(15)),
        (Ending::NotStarted(NotStarted::Deadline(5)), "not_started", false, Exit::Deadline),
    ];

    for (ending, end, claimed, exit) in table {
        let document = recorder().finish(ending.clone(), &ALL);

        let jail = document.jail.as_ref().unwrap();
        assert_eq!((jail.end, jail.end_claimed_by_jail, document.exit), (end, claimed, exit), "{ending:?}");
    }
}

#[test]
fn what_a_dead_jail_had_said_is_kept() {
    let mut recorder = recorder();
    recorder.log(&log(LogLevel::Warn, 1, "before")).unwrap();
    recorder.alarm(raised("Mine", None)).unwrap();

    let document =
        recorder.finish(Ending::Crashed { how: Crash::MemoryFault, detail: "SIGSEGV".to_owned() }, &ALL);

    assert_eq!(document.logs.as_ref().unwrap().len(), 1);
    assert_eq!(document.alarms.len(), 2);
    assert_eq!(message(&document), "Script terminated: memory fault in the interpreter: SIGSEGV");
}

#[test]
fn a_limit_names_itself_its_value_and_the_line() {
    let ending =
        Ending::Limit { name: "max-calls".to_owned(), value: 9, line: Some(3), claimed_by_jail: false };

    let document = compat().finish(ending, &ALL);

    assert_eq!(message(&document), "Script terminated: limit reached: max-calls of 9 (line 3)");
    assert_eq!(error_type(&document), ErrorType::ScriptException);
    assert_eq!(document.exit.code(true), 0);
}

#[test]
fn termination_is_told_in_rexs_words_where_that_is_wanted() {
    assert_eq!(
        termination_text(15, Some((3, 7)), true),
        "Script terminated: SIGTERM timeout exceeded (line 3, position 7)"
    );
    assert_eq!(termination_text(15, None, true), "Script terminated: SIGTERM timeout exceeded");
    assert_eq!(termination_text(2, None, true), "Script terminated: signal 2");
}

#[test]
fn a_signal_is_called_by_its_name_and_not_a_timeout() {
    assert_eq!(termination_text(15, Some((3, 7)), false), "Script terminated: SIGTERM (line 3, position 7)");
    for (number, name) in [(15, "SIGTERM"), (2, "SIGINT"), (1, "SIGHUP"), (10, "signal 10")] {
        assert_eq!(termination_text(number, None, false), format!("Script terminated: {name}"));
    }
}

#[test]
fn the_limit_and_the_exit_status_are_fields() {
    let limit =
        Ending::Limit { name: "max-calls".to_owned(), value: 9, line: Some(3), claimed_by_jail: false };
    let document = recorder().finish(limit, &ALL);

    let expected = LimitObject { name: "max-calls".to_owned(), value: 9, line: 3 };
    assert_eq!((document.limit, document.exit_status), (Some(expected), Some(75)));
    let document = recorder().finish(Ending::Value("1".to_owned()), &ALL);
    assert_eq!((document.limit, document.exit_status), (None, Some(0)));
}

// Section 4.1.
#[test]
fn messages_are_cut_by_characters_when_they_are_long_in_bytes() {
    let told = |text: &str| message(&recorder().finish(failed(text, ErrorClass::Other), &ALL)).to_owned();

    assert_eq!(told(&"x".repeat(1024)), "x".repeat(1024));
    assert_eq!(told(&"x".repeat(1025)), "x".repeat(1021) + "...");
    assert_eq!(told(&"✓".repeat(459)), "✓".repeat(459) + "...");
    assert_eq!(told(&"✓".repeat(2000)), "✓".repeat(1021) + "...");
}

#[test]
fn the_alarm_keeps_the_whole_message() {
    let document = recorder().finish(failed(&"x".repeat(5000), ErrorClass::Other), &ALL);

    assert_eq!(alarms(&document)[0].1.len(), "Failed to execute script: ".len() + 5000);
}

#[test]
fn the_audit_log_is_not_called_none_before_that_is_settled() {
    let ending = || Ending::NotStarted(NotStarted::Audit("x".to_owned()));
    let unsettled = recorder().finish(ending(), &ALL);
    let mut recorder = recorder();
    recorder.jail.run = "4f1d".to_owned();
    let settled = recorder.finish(ending(), &ALL);

    assert_eq!(json(&unsettled)["jail"].get("audit_log"), None);
    assert_eq!(json(&settled)["jail"]["audit_log"], "none");
}
