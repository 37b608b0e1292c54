//! What is told of a script that ran, or does not compile.

use super::*;
use crate::result::Exit;

// Section 16.1.
#[test]
fn an_empty_script_succeeds() {
    let measured = Measured { resident_mib: None, virtual_mib: None, ..ALL };

    let document = compat().finish(Ending::Value(String::new()), &measured);

    assert_eq!(keys(&document), ["output", "status", "metrics", "logs", "exit", "jail"]);
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

    assert_eq!(keys(&document), ["output", "status", "error", "alarms", "metrics", "logs", "exit", "jail"]);
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
