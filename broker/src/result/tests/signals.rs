//! Alarms, metrics, logs and denials: reserved names, limits, and what a bare document leaves out.

use super::*;
use crate::result::Exit;

// Section 16.9.
#[test]
fn under_compat_a_reserved_name_replaces_the_result() {
    let mut recorder = compat();
    recorder.metric(metric("free_pct", 1.0)).unwrap();
    recorder.alarm(raised("RexSomething", None)).unwrap();

    let document = recorder.finish(Ending::Value("done".to_owned()), &ALL);

    assert_eq!(keys(&document), ["output", "status", "error", "alarms", "metrics", "exit", "jail"]);
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

#[test]
fn denials_are_told_even_when_the_script_caught_them() {
    let mut recorder = recorder();
    recorder.denial::<&str>(ActionId::FileSystemOpen, ResourceKind::Dir, "/etc", &[], 4);

    let document = recorder.finish(Ending::Value("fine".to_owned()), &ALL);

    assert_eq!(keys(&document), ["output", "status", "metrics", "logs", "denials", "exit", "jail"]);
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

    document.audit_failed("no space left", true);

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
