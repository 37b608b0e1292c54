//! Whole documents, as the compatibility target has them.

use std::time::{Duration, Instant};

use rex_ipc::action::{ActionId, ResourceKind};
use rex_ipc::bounded::{List, Text};
use rex_ipc::runtime::{Alarm, Dimension, Log, LogLevel, Metric, MetricUnit};
use serde_json::Value;

use super::*;
use crate::cli::{Exit, Format};

const ALL: Measured = Measured {
    evaluation: Some(Duration::from_micros(40)),
    cpu_percent: Some(0.0),
    resident_mib: Some(9.5),
    virtual_mib: Some(20.0),
};

fn settings(compat: bool) -> Settings {
    Settings {
        compat,
        bare: false,
        started: Instant::now(),
        log_threshold: LogLevel::Info,
        max_log_lines: 10_000,
        max_signals: 1000,
    }
}

fn recorder() -> Recorder {
    Recorder::new(settings(false))
}

fn compat() -> Recorder {
    Recorder::new(settings(true))
}

fn log(level: LogLevel, line: u32, message: &str) -> Log {
    Log { level, line, message: Text::new(message).unwrap(), cut: false, function: None }
}

fn raised(alarm_type: &str, details: Option<&str>) -> Alarm {
    Alarm {
        alarm_type: Text::new(alarm_type).unwrap(),
        details: details.map(|text| Text::new(text).unwrap()),
    }
}

fn metric(name: &str, value: f64) -> Metric {
    let dimension = Dimension { key: Text::new("mount").unwrap(), value: Text::new("/srv").unwrap() };
    Metric {
        name: Text::new(name).unwrap(),
        value_bits: value.to_bits(),
        unit: MetricUnit::Percent,
        dimensions: List::new(vec![dimension]).unwrap(),
    }
}

fn failed(message: &str, class: ErrorClass) -> Ending {
    Ending::ScriptError { message: message.to_owned(), class }
}

fn json(document: &Document) -> Value {
    serde_json::to_value(document).unwrap()
}

/// The keys of the document, in their order.
fn keys(document: &Document) -> Vec<String> {
    json(document).as_object().unwrap().keys().cloned().collect()
}

fn metric_names(document: &Document) -> Vec<&str> {
    document.metrics.iter().map(|metric| metric.metric_name.as_str()).collect()
}

fn message(document: &Document) -> &str {
    &document.error.as_ref().unwrap().message
}

fn error_type(document: &Document) -> ErrorType {
    document.error.as_ref().unwrap().error_type
}

fn alarms(document: &Document) -> Vec<(&str, &str)> {
    document
        .alarms
        .iter()
        .map(|alarm| (alarm.alarm_type.as_str(), alarm.alarm_details.as_deref().unwrap_or_default()))
        .collect()
}

fn written(document: &Document, form: Form) -> (String, String) {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    write(document, &form, &mut stdout, &mut stderr).unwrap();
    (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

const HUMAN: Form = Form { format: Format::Human, verbose: false, compat: true, to_terminal: false };

// Section 16.1.
#[test]
fn an_empty_script_succeeds() {
    let measured = Measured { resident_mib: None, virtual_mib: None, ..ALL };

    let document = compat().finish(Ending::Value(String::new()), &measured);

    assert_eq!(keys(&document), ["output", "status", "metrics", "logs", "jail"]);
    assert_eq!((document.output.as_str(), document.status, document.exit), ("", Status::Success, Exit::Done));
    assert_eq!(
        metric_names(&document),
        [
            "RexRunnerProcessCpuUsage",
            "RexRunnerScriptExecutionSuccessCount",
            "RexRunnerScriptExecutionTime",
            "RexRunnerTotalExecutionTime"
        ]
    );
    assert_eq!(document.logs, Some(Vec::new()));
}

// Section 16.2.
#[test]
fn output_and_log_of_a_script_are_told() {
    let mut recorder = recorder();
    recorder.log(&log(LogLevel::Info, 2, "total is 42")).unwrap();

    let mut document = recorder.finish(Ending::Value("#{\"ok\": true, \"total\": 42}".to_owned()), &ALL);

    document.logs.as_mut().unwrap()[0].attributes.timestamp = "<lt>".to_owned();
    let json = json(&document);
    assert_eq!(json["output"], "#{\"ok\": true, \"total\": 42}");
    assert_eq!(json["logs"][0]["attributes"]["message"], "total is 42");
    assert_eq!(
        metric_names(&document),
        [
            "RexRunnerProcessCpuUsage",
            "RexRunnerProcessRssMemoryUsageAverage",
            "RexRunnerProcessVirtualMemoryUsageAverage",
            "RexRunnerScriptExecutionSuccessCount",
            "RexRunnerScriptExecutionTime",
            "RexRunnerTotalExecutionTime"
        ]
    );
}

// Section 16.4.
#[test]
fn a_denial_that_ends_the_script_is_an_access_denied_exception() {
    let text = "IoErrorKind: PermissionDenied: Permission denied: root unauthorized to perform \
                file_system::Action::\"open\" for file_system::File::/tmp/rexdemo/logs/other.log (line 1, position 1)";

    let document = recorder().finish(failed(text, ErrorClass::Denied), &ALL);

    assert_eq!(keys(&document), ["output", "status", "error", "alarms", "metrics", "logs", "jail"]);
    assert_eq!((error_type(&document), message(&document)), (ErrorType::AccessDeniedException, text));
    assert_eq!(
        alarms(&document),
        [("RexRunnerPrivilegeEscalation", format!("Failed to execute script: {text}").as_str())]
    );
    assert_eq!(metric_names(&document)[0], "RexRunnerPrivilegeEscalationCount");
    assert_eq!(document.exit, Exit::Denied);
}

#[test]
fn an_error_of_the_kernel_has_the_class_but_not_the_exit_status_of_a_denial() {
    let document =
        recorder().finish(failed("Permission denied (os error 13)", ErrorClass::SystemAccess), &ALL);

    assert_eq!(error_type(&document), ErrorType::AccessDeniedException);
    assert_eq!(document.exit, Exit::ScriptFailed);
}

// Section 16.6.
#[test]
fn a_compile_error_raises_two_alarms() {
    let text = "Syntax error: Undefined variable: undeclared (line 2, position 1)";

    let document = compat().finish(Ending::CompileError(text.to_owned()), &ALL);

    assert_eq!((error_type(&document), message(&document)), (ErrorType::ScriptException, text));
    assert_eq!(
        alarms(&document),
        [
            (
                "RexRunnerScriptCompilationFailure",
                "Failed to compile script: Undefined variable: undeclared (line 2, position 1)"
            ),
            (
                "RexRunnerScriptExecutionFailure",
                "Failed to execute script: Syntax error: Undefined variable: undeclared (line 2, position 1)"
            )
        ]
    );
    assert_eq!(
        metric_names(&document),
        [
            "RexRunnerProcessCpuUsage",
            "RexRunnerScriptCompilationFailureCount",
            "RexRunnerScriptExecutionFailureCount",
            "RexRunnerTotalExecutionTime"
        ]
    );
    assert_eq!(document.exit, Exit::ScriptInvalid);
    assert_eq!(document.logs, Some(Vec::new()));
}

// Section 16.8.
#[test]
fn alarms_and_metrics_of_the_script_are_told() {
    let mut recorder = recorder();
    recorder.alarm(raised("DiskFull", Some("on /srv"))).unwrap();
    recorder.alarm(raised("Plain", None)).unwrap();
    recorder.metric(metric("free_pct", 1.0)).unwrap();
    recorder.metric(metric("free_pct", 3.5)).unwrap();

    let mut document = recorder.finish(Ending::Value("checked".to_owned()), &ALL);

    document.metrics.iter_mut().for_each(|metric| metric.metric_timestamp = "<t>".to_owned());
    assert_eq!(
        serde_json::to_string(&document.alarms).unwrap(),
        r#"[{"alarm_type":"DiskFull","alarm_details":"on /srv"},{"alarm_type":"Plain"}]"#
    );
    assert_eq!(
        serde_json::to_string(document.metrics.last().unwrap()).unwrap(),
        r#"{"metric_name":"free_pct","metric_value":3.5,"metric_unit":"PERCENT","metric_dimension":{"mount":"/srv"},"metric_timestamp":"<t>"}"#
    );
    assert_eq!(metric_names(&document).len(), 7);
}

#[test]
fn the_scripts_alarms_come_before_the_alarm_of_its_failure() {
    let mut recorder = recorder();
    recorder.alarm(raised("Mine", None)).unwrap();

    let document = recorder.finish(failed("Runtime error: x", ErrorClass::Other), &ALL);

    assert_eq!(
        alarms(&document),
        [("Mine", ""), ("RexRunnerScriptExecutionFailure", "Failed to execute script: Runtime error: x")]
    );
}

#[test]
fn values_that_are_no_numbers_are_null() {
    let mut recorder = recorder();
    for (name, value) in [("a", f64::NAN), ("b", f64::INFINITY), ("c", 1e20)] {
        recorder.metric(metric(name, value)).unwrap();
    }

    let json = json(&recorder.finish(Ending::Value(String::new()), &Measured::default()));

    let values: Vec<&Value> =
        json["metrics"].as_array().unwrap().iter().map(|entry| &entry["metric_value"]).collect();
    assert_eq!(values[2..], [&Value::Null, &Value::Null, &Value::from(1e20)]);
}

// Section 16.9.
#[test]
fn under_compat_a_reserved_name_replaces_the_result() {
    let mut recorder = compat();
    recorder.metric(metric("free_pct", 1.0)).unwrap();
    recorder.alarm(raised("RexSomething", None)).unwrap();

    let document = recorder.finish(Ending::Value("done".to_owned()), &ALL);

    assert_eq!(keys(&document), ["output", "status", "error", "alarms", "metrics", "jail"]);
    assert_eq!(document.output, "");
    assert_eq!(error_type(&document), ErrorType::ScriptException);
    assert_eq!(
        message(&document),
        "Script alarm validation failed: Invalid alarm type 'RexSomething': Script alarms cannot start with Rex"
    );
    assert_eq!(
        alarms(&document),
        [(
            "RexRunnerScriptExecutionFailure",
            "Invalid alarm type 'RexSomething': Script alarms cannot start with Rex"
        )]
    );
    assert_eq!(
        metric_names(&document),
        [
            "RexRunnerProcessCpuUsage",
            "RexRunnerProcessRssMemoryUsageAverage",
            "RexRunnerProcessVirtualMemoryUsageAverage",
            "RexRunnerScriptExecutionTime",
            "RexRunnerTotalExecutionTime"
        ]
    );
    assert_eq!(document.exit.code(true), 1);
}

#[test]
fn under_compat_a_reserved_metric_is_found_before_a_reserved_alarm() {
    let mut recorder = compat();
    recorder.alarm(raised("rexA", None)).unwrap();
    recorder.metric(metric("REXb", 1.0)).unwrap();

    let document = recorder.finish(failed("x", ErrorClass::Other), &ALL);

    assert_eq!(
        message(&document),
        "Script metric validation failed: Invalid metric name 'REXb': Script metrics cannot start with Rex"
    );
}

#[test]
fn otherwise_a_reserved_name_is_refused_and_the_result_stays() {
    let mut recorder = recorder();

    let alarm = recorder.alarm(raised("rEx", None));
    let metric = recorder.metric(metric("rexroth", 1.0));
    let fine = recorder.alarm(raised("rüx", None));

    assert!(matches!(alarm, Err(Refusal::Reserved(text)) if text.starts_with("Invalid alarm type 'rEx'")));
    assert!(
        matches!(metric, Err(Refusal::Reserved(text)) if text.starts_with("Invalid metric name 'rexroth'"))
    );
    assert_eq!(fine, Ok(()));
    assert_eq!(recorder.finish(Ending::Value("kept".to_owned()), &ALL).output, "kept");
}

// Section 16.10.
#[test]
fn a_policy_that_does_not_parse_is_an_internal_exception() {
    let ending = Ending::NotStarted(NotStarted::Policy("unexpected token `resource`".to_owned()));

    let document = compat().finish(ending, &Measured::default());

    assert_eq!(keys(&document), ["output", "status", "error", "metrics", "jail"]);
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
        (Ending::Deadline { seconds: 5 }, "limit", false, Exit::Deadline),
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
fn termination_is_told_in_rexs_words() {
    assert_eq!(
        termination_text(15, Some((3, 7))),
        "Script terminated: SIGTERM timeout exceeded (line 3, position 7)"
    );
    assert_eq!(termination_text(15, None), "Script terminated: SIGTERM timeout exceeded");
    assert_eq!(termination_text(2, None), "Script terminated: signal 2");
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
fn denials_are_told_even_when_the_script_caught_them() {
    let mut recorder = recorder();
    recorder.denial::<&str>(ActionId::FileSystemOpen, ResourceKind::Dir, "/etc", &[], 4);

    let document = recorder.finish(Ending::Value("fine".to_owned()), &ALL);

    assert_eq!(keys(&document), ["output", "status", "metrics", "logs", "denials", "jail"]);
    assert_eq!(document.denials[0].resource, "file_system::Dir::\"/etc\"");
    assert_eq!(document.exit, Exit::Done);
}

#[test]
fn the_bare_document_has_only_rexs_keys() {
    let mut recorder = Recorder::new(Settings { bare: true, ..settings(true) });
    recorder.denial::<&str>(ActionId::FileSystemOpen, ResourceKind::Dir, "/etc", &[], 4);

    let document = recorder.finish(Ending::Value(String::new()), &ALL);

    assert_eq!(keys(&document), ["output", "status", "metrics", "logs"]);
}

#[test]
fn an_end_that_cannot_be_recorded_is_no_success() {
    let mut document = recorder().finish(Ending::Value("done".to_owned()), &ALL);

    document.audit_failed("no space left");

    assert_eq!((document.output.as_str(), document.status, document.exit.code(true)), ("", Status::Error, 1));
    assert_eq!(message(&document), "the closing record cannot be written: no space left");
    assert!(!metric_names(&document).contains(&"RexRunnerScriptExecutionSuccessCount"));
    assert_eq!(document.end(), ("finished", true));
}

#[test]
fn too_many_logs_or_signals_end_the_run() {
    let mut recorder = recorder();

    let logs: Vec<_> = (0..10_001).map(|_| recorder.log(&log(LogLevel::Info, 1, "x"))).collect();
    let signals: Vec<_> = (0..1001).map(|_| recorder.alarm(raised("A", None))).collect();

    assert_eq!(logs[9999..], [Ok(()), Err(Refusal::Limit { name: "max-log-lines", value: 10_000 })]);
    assert_eq!(signals[999..], [Ok(()), Err(Refusal::Limit { name: "max-signals", value: 1000 })]);
}

#[test]
fn large_signals_end_the_run_before_they_fill_the_memory() {
    let mut recorder = Recorder::new(Settings { max_signals: 1_000_000, ..settings(false) });
    let details = "x".repeat(16 * 1024);

    let taken = (0..100_000).take_while(|_| recorder.alarm(raised("A", Some(&details))).is_ok()).count();

    assert!((1000..3000).contains(&taken), "{taken}");
}

#[test]
fn json_is_one_line_without_an_end_and_pretty_json_is_indented_by_two() {
    let document = recorder().finish(Ending::Value("a\nb".to_owned()), &ALL);

    let (line, _) = written(&document, Form::default());
    let (pretty, _) = written(&document, Form { format: Format::PrettyJson, ..Form::default() });

    assert!(
        line.starts_with("{\"output\":\"a\\nb\",\"status\":\"SUCCESS\",") && !line.contains('\n'),
        "{line}"
    );
    assert!(pretty.starts_with("{\n  \"output\": \"a\\nb\",\n") && pretty.ends_with("\n}"), "{pretty}");
    assert!(serde_json::from_str::<Value>(&line).unwrap() == serde_json::from_str::<Value>(&pretty).unwrap());
}

// Section 16.19.
#[test]
fn the_human_form_is_the_output_and_with_verbose_logs_and_metrics() {
    let document = || {
        let mut recorder = compat();
        recorder.log(&log(LogLevel::Info, 1, "hi")).unwrap();
        recorder.log(&log(LogLevel::Warn, 1, "w2")).unwrap();
        recorder.finish(Ending::Value("7".to_owned()), &Measured::default())
    };

    let (short, _) = written(&document(), HUMAN);
    let (long, stderr) = written(&document(), Form { verbose: true, ..HUMAN });

    assert_eq!(short, "7\n");
    let beginning = "[INFO] hi\n[WARN] w2\n7\n--- metrics ---\nRexRunnerScriptExecutionSuccessCount: 1\n\
                     RexRunnerTotalExecutionTime: ";
    assert!(long.starts_with(beginning) && long.ends_with('\n'), "{long}");
    assert_eq!(stderr, "");
}

#[test]
fn the_human_form_of_nothing_is_nothing_and_of_an_error_is_on_standard_error() {
    let unit = compat().finish(Ending::Value(String::new()), &ALL);
    let error = compat().finish(failed("Runtime error: bad", ErrorClass::Other), &ALL);

    assert_eq!(written(&unit, HUMAN), (String::new(), String::new()));
    assert_eq!(written(&error, HUMAN), (String::new(), "error: Runtime error: bad\n".to_owned()));
}

#[test]
fn a_run_that_was_not_started_answers_rex_in_json() {
    let ending = || Ending::NotStarted(NotStarted::Input { message: "no".to_owned(), missing: true });
    let document = compat().finish(ending(), &ALL);

    let (stdout, stderr) = written(&document, HUMAN);
    let (_, for_people) = written(&document, Form { compat: false, ..HUMAN });

    assert!(stdout.starts_with("{\"output\":\"\"") && stderr.is_empty(), "{stdout}");
    assert_eq!(for_people, "error: no\n");
}

#[test]
fn a_terminal_gets_no_escape_sequences() {
    let mut recorder = compat();
    recorder.log(&log(LogLevel::Info, 1, "\u{1b}[2J")).unwrap();
    recorder.metric(metric("a\nb\u{1b}c", 1.0)).unwrap();
    let document = recorder.finish(Ending::Value("\u{1b}]0;x\u{7}\nline".to_owned()), &ALL);
    let error = compat().finish(failed("\u{1b}[31m", ErrorClass::Other), &ALL);

    let (terminal, _) = written(&document, Form { verbose: true, to_terminal: true, ..HUMAN });
    let (file, _) = written(&document, HUMAN);
    let (_, stderr) = written(&error, HUMAN);

    assert!(!terminal.contains('\u{1b}') && terminal.contains("\\u{1b}]0;x\\u{7}\nline"), "{terminal:?}");
    assert!(terminal.contains("a\\nb\\u{1b}c: 1\n"), "{terminal:?}");
    assert_eq!(file, "\u{1b}]0;x\u{7}\nline\n");
    assert_eq!(stderr, "error: \\u{1b}[31m\n");
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let document = recorder().finish(Ending::Value("x".to_owned()), &ALL);
    let mut full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();

    assert!(write(&document, &Form::default(), &mut full, &mut Vec::new()).is_err());
}
