//! What a script is told of a service: its state, and the rest.

use std::fmt::Write;

use rhai::{Array, Dynamic, INT, ImmutableString, Map};

/// The state of a unit; see `ActiveState` in org.freedesktop.systemd1(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Started.
    Active,
    /// Not started.
    Inactive,
    /// Not started, because it failed.
    Failed,
    /// On its way to be started.
    Activating,
    /// On its way to be stopped.
    Deactivating,
    /// Not started, because its maintenance goes on.
    Maintenance,
    /// Started, and reading its configuration.
    Reloading,
    /// Started, and renewing what it is made of.
    Refreshing,
    /// None of these.
    Unknown,
}

impl State {
    /// Every state, with the name of its constant and with what systemd calls it.
    pub const ALL: [(State, &'static str, &'static str); 9] = [
        (State::Active, "ACTIVE", "active"),
        (State::Inactive, "INACTIVE", "inactive"),
        (State::Failed, "FAILED", "failed"),
        (State::Activating, "ACTIVATING", "activating"),
        (State::Deactivating, "DEACTIVATING", "deactivating"),
        (State::Maintenance, "MAINTENANCE", "maintenance"),
        (State::Reloading, "RELOADING", "reloading"),
        (State::Refreshing, "REFRESHING", "refreshing"),
        (State::Unknown, "UNKNOWN", "unknown"),
    ];

    /// The state that systemd calls so.
    pub fn of_text(text: &str) -> Self {
        Self::ALL.into_iter().find(|(_, _, name)| *name == text).map_or(Self::Unknown, |(state, ..)| state)
    }

    /// What systemd calls it.
    pub fn as_text(self) -> &'static str {
        Self::ALL.into_iter().find(|(state, ..)| *state == self).map_or("unknown", |(_, _, name)| name)
    }

    /// Whether what the unit stands for is there.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Active | Self::Reloading | Self::Refreshing)
    }
}

/// What is known of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceInfo {
    /// The name by which it was asked for.
    pub name: ImmutableString,
    /// What it is for.
    pub description: ImmutableString,
    /// Whether its unit file was read, as `loaded` or `not-found`.
    pub load_state: ImmutableString,
    /// Where its unit file is; empty when there is none.
    pub load_path: ImmutableString,
    /// Whether it is started with the host, as `enabled` or `static`.
    pub unit_file_state: ImmutableString,
    /// Whether the vendor has it started with the host, as `enabled` or `disabled`.
    pub unit_file_preset: ImmutableString,
    /// Its state.
    pub active_state: State,
    /// Its state as this type of unit has it, as `running` or `exited`.
    pub sub_state: ImmutableString,
    /// The number of its main process, when it is active.
    pub main_pid: Option<u32>,
    /// How many tasks it has, when it is active; [`u64::MAX`] when nobody counts.
    pub tasks: Option<u64>,
    /// Its memory in bytes, when it is active; [`u64::MAX`] when nobody counts.
    pub memory: Option<u64>,
    /// Where to read about it.
    pub documentation: Vec<ImmutableString>,
    /// Whether its unit file has changed since systemd read it.
    pub need_daemon_reload: bool,
}

impl ServiceInfo {
    /// The number of its main process; `()` when it is not active.
    pub fn main_pid(&self) -> Dynamic {
        self.main_pid.map_or(Dynamic::UNIT, |pid| Dynamic::from_int(INT::from(pid)))
    }

    /// How many tasks it has, as a `u64`; `()` when it is not active.
    pub fn tasks(&self) -> Dynamic {
        self.tasks.map_or(Dynamic::UNIT, Dynamic::from)
    }

    /// Its memory in bytes, as a `u64`; `()` when it is not active.
    pub fn memory(&self) -> Dynamic {
        self.memory.map_or(Dynamic::UNIT, Dynamic::from)
    }

    /// The fields as a map; tasks and memory are texts there.
    pub fn to_map(&self) -> Map {
        let documentation: Array = self.documentation.iter().cloned().map(Dynamic::from).collect();
        let digits = |number: Option<u64>| number.map_or(Dynamic::UNIT, |number| number.to_string().into());
        [
            ("name", self.name.clone().into()),
            ("description", self.description.clone().into()),
            ("load_state", self.load_state.clone().into()),
            ("load_path", self.load_path.clone().into()),
            ("unit_file_state", self.unit_file_state.clone().into()),
            ("unit_file_preset", self.unit_file_preset.clone().into()),
            ("active_state", self.active_state.as_text().into()),
            ("sub_state", self.sub_state.clone().into()),
            ("main_pid", self.main_pid()),
            ("tasks", digits(self.tasks)),
            ("memory", digits(self.memory)),
            ("documentation", Dynamic::from_array(documentation)),
            ("need_daemon_reload", self.need_daemon_reload.into()),
        ]
        .into_iter()
        .map(|(key, value)| (key.into(), value))
        .collect()
    }

    /// The fields as JSON, one in a line.
    pub fn as_text(&self) -> String {
        let digits = |number: Option<u64>| number.map_or("null".to_owned(), |number| format!("\"{number}\""));
        let fields = [
            ("name", quoted(&self.name)),
            ("description", quoted(&self.description)),
            ("load_state", quoted(&self.load_state)),
            ("load_path", quoted(&self.load_path)),
            ("unit_file_state", quoted(&self.unit_file_state)),
            ("unit_file_preset", quoted(&self.unit_file_preset)),
            ("active_state", quoted(self.active_state.as_text())),
            ("sub_state", quoted(&self.sub_state)),
            ("main_pid", self.main_pid.map_or("null".to_owned(), |pid| pid.to_string())),
            ("tasks", digits(self.tasks)),
            ("memory", digits(self.memory)),
            ("documentation", list(&self.documentation)),
            ("need_daemon_reload", self.need_daemon_reload.to_string()),
        ];
        let lines: Vec<String> = fields.iter().map(|(key, value)| format!("  \"{key}\": {value}")).collect();
        format!("{{\n{}\n}}", lines.join(",\n"))
    }
}

fn list(texts: &[ImmutableString]) -> String {
    if texts.is_empty() {
        return "[]".to_owned();
    }
    let lines: Vec<String> = texts.iter().map(|text| format!("    {}", quoted(text))).collect();
    format!("[\n{}\n  ]", lines.join(",\n"))
}

/// A string of JSON; see RFC 8259, section 7.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            // Writing to a string does not fail.
            control if control < ' ' => drop(write!(quoted, "\\u{:04x}", u32::from(control))),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_its_text_and_what_is_none_is_unknown() {
        for (state, _, text) in State::ALL {
            assert_eq!((State::of_text(text), state.as_text()), (state, text));
        }
        for other in ["", "Active", "active ", "nonsense"] {
            assert_eq!(State::of_text(other), State::Unknown, "{other}");
        }
        let active: Vec<&str> =
            State::ALL.into_iter().filter(|(state, ..)| state.is_active()).map(|(_, _, text)| text).collect();
        assert_eq!(active, ["active", "reloading", "refreshing"]);
    }

    #[test]
    fn texts_are_quoted_as_json_has_it() {
        let text = "a\"b\\c\n\r\t\u{8}\u{c}\u{1}\u{1f}ü/\u{7f}";

        assert_eq!(quoted(text), serde_json::to_string(text).unwrap());
    }
}
