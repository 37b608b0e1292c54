//! Which names of alarms and metrics are the broker's own.

/// Whether the name begins with `rex`, in any case.
pub(super) fn is_reserved(name: &str) -> bool {
    name.get(..3).is_some_and(|beginning| beginning.eq_ignore_ascii_case("rex"))
}

pub(super) fn alarm_text(alarm_type: &str) -> String {
    format!("Invalid alarm type '{alarm_type}': Script alarms cannot start with Rex")
}

pub(super) fn metric_text(name: &str) -> String {
    format!("Invalid metric name '{name}': Script metrics cannot start with Rex")
}
