//! Whole documents, as the compatibility target has them.

mod ends;
mod forms;
mod scripts;
mod signals;

use std::time::{Duration, Instant};

use rex_ipc::action::{ActionId, ResourceKind};
use rex_ipc::bounded::{List, Text};
use rex_ipc::runtime::{Alarm, Dimension, Log, LogLevel, Metric, MetricUnit};
use serde_json::Value;

use super::*;

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
        max_signal_bytes: 20 << 20,
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
