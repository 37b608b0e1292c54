//! Metrics.

use rex_broker::run::session::RunEnd;
use rex_ipc::bounded::{List, Text};
use rex_ipc::failure::ErrorKind;
use rex_ipc::runtime::{Metric, MetricUnit};
use rex_tests::session::Session;

fn metric(name: &str, value: f64) -> Metric {
    Metric {
        name: Text::cut(name),
        value_bits: value.to_bits(),
        unit: MetricUnit::Count,
        dimensions: List::default(),
    }
}

#[test]
fn permitted() {
    let mut session = Session::with_policy("");

    session.send(metric("files_seen", 12.5)).unwrap();

    let document = session.document();
    assert!(document.contains("files_seen") && document.contains("12.5"), "{document}");
}

#[test]
fn refused() {
    let mut session = Session::with_policy("");

    let failure = session.send(metric("rex_duration", 1.0)).unwrap_err().failure();

    assert_eq!(failure.kind, ErrorKind::InvalidArguments);
}

#[test]
fn a_value_that_is_no_number_does_not_spoil_the_document() {
    let mut session = Session::with_policy("");

    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        session.send(metric("odd", value)).unwrap();
    }

    serde_json::from_str::<serde_json::Value>(&session.document()).unwrap();
}

#[test]
fn metrics_have_a_limit() {
    let mut session = Session::with_limits("", |limits| limits.max_signals = 1);
    session.send(metric("one", 1.0)).unwrap();

    let end = session.send(metric("two", 2.0)).unwrap_err().end();

    assert!(matches!(&end, RunEnd::Limit(limit) if limit.name == "max-signals"), "{end:?}");
}
