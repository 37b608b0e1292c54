//! Which variables of the environment a run heeds.

use std::ffi::OsString;

use rex_ipc::runtime::LogLevel;

use crate::run::request::Environment;

/// The environment of this process.
/// `LOG_LEVEL` is the threshold of script logs; `REX_RUNNER_DISABLE_MONITORING` keeps use out of the result.
pub fn current() -> Environment {
    read(|name| std::env::var_os(name))
}

/// Where the system bus is: `DBUS_SYSTEM_BUS_ADDRESS`, in the form of the D-Bus Specification, as every client of D-Bus has it.
pub(super) fn bus_address() -> Option<OsString> {
    std::env::var_os("DBUS_SYSTEM_BUS_ADDRESS").filter(|address| !address.is_empty())
}

/// The environment that `lookup` knows.
fn read(lookup: impl Fn(&str) -> Option<OsString>) -> Environment {
    let text = |name| lookup(name).and_then(|value| value.into_string().ok()).unwrap_or_default();
    let monitoring_off = text("REX_RUNNER_DISABLE_MONITORING").to_lowercase();
    Environment {
        log_threshold: match text("LOG_LEVEL").to_uppercase().as_str() {
            "TRACE" => LogLevel::Trace,
            "DEBUG" => LogLevel::Debug,
            "WARN" => LogLevel::Warn,
            "ERROR" => LogLevel::Error,
            _ => LogLevel::Info,
        },
        monitoring: !matches!(monitoring_off.as_str(), "1" | "true"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &'static str) -> Environment {
        read(move |asked| (asked == name).then(|| value.into()))
    }

    #[test]
    fn the_log_level_is_read_in_any_case_and_is_info_otherwise() {
        assert_eq!(with("LOG_LEVEL", "trace").log_threshold, LogLevel::Trace);
        assert_eq!(with("LOG_LEVEL", "Warn").log_threshold, LogLevel::Warn);
        assert_eq!(with("LOG_LEVEL", "loud").log_threshold, LogLevel::Info);
        assert_eq!(with("OTHER", "").log_threshold, LogLevel::Info);
    }

    #[test]
    fn monitoring_is_on_unless_switched_off() {
        assert!(with("OTHER", "").monitoring);
        assert!(with("REX_RUNNER_DISABLE_MONITORING", "0").monitoring);
        assert!(!with("REX_RUNNER_DISABLE_MONITORING", "1").monitoring);
        assert!(!with("REX_RUNNER_DISABLE_MONITORING", "TRUE").monitoring);
    }
}
