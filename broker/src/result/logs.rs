//! The log lines of the script that the result shows: the last thousand, each cut to two kilobytes.

use std::collections::VecDeque;

use rex_ipc::runtime::{Log, LogLevel};
use serde::Serialize;
use time::OffsetDateTime;

use super::moment::log_time;

/// One entry of `logs`.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
pub struct LogObject {
    /// Everything there is to say about it.
    pub attributes: Attributes,
}

/// What is known of a log line; all of it is text.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// How severe.
    pub level: String,
    /// The line of the script, or `0`.
    pub line_number: String,
    /// The text.
    pub message: String,
    /// The script function that logged, when it was not the script itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rhai_api_name: Option<String>,
    /// When.
    pub timestamp: String,
}

/// Keeps the last entries.
#[derive(Debug)]
pub(super) struct Logs {
    threshold: LogLevel,
    kept: VecDeque<LogObject>,
    some_were_dropped: bool,
}

impl Logs {
    pub(super) fn new(threshold: LogLevel) -> Self {
        Self { threshold, kept: VecDeque::new(), some_were_dropped: false }
    }

    /// The entry, unless it is below the threshold.
    pub(super) fn push(&mut self, log: &Log) -> Option<&LogObject> {
        // The jail leaves these out, too, to save the way; here it is done in case it does not.
        if log.level < self.threshold {
            return None;
        }
        if self.kept.len() == MAX_ENTRIES {
            self.kept.pop_front();
            self.some_were_dropped = true;
        }
        self.kept.push_back(LogObject {
            attributes: Attributes {
                level: log.level.name().to_owned(),
                line_number: log.line.to_string(),
                message: cut(log.message.as_str(), log.cut),
                rhai_api_name: log.function.as_ref().map(|name| name.as_str().to_owned()),
                timestamp: log_time(OffsetDateTime::now_utc()),
            },
        });
        self.kept.back()
    }

    /// The entries in their order, after a notice if some are missing.
    pub(super) fn into_entries(self) -> Vec<LogObject> {
        let oldest = self.kept.front().filter(|_| self.some_were_dropped);
        let notice = oldest.map(|oldest| LogObject {
            attributes: Attributes {
                level: LogLevel::Warn.name().to_owned(),
                line_number: "0".to_owned(),
                message: NOTICE.to_owned(),
                rhai_api_name: None,
                timestamp: oldest.attributes.timestamp.clone(),
            },
        });
        notice.into_iter().chain(self.kept).collect()
    }
}

/// The message, or its beginning and a mark, in [`MAX_MESSAGE_BYTES`] at most.
fn cut(message: &str, already_cut: bool) -> String {
    if !already_cut && message.len() <= MAX_MESSAGE_BYTES {
        return message.to_owned();
    }
    let end = message.floor_char_boundary(MAX_MESSAGE_BYTES - MARK.len());
    [message.get(..end).unwrap_or_default(), MARK].concat()
}

const MAX_ENTRIES: usize = 1000;
const MAX_MESSAGE_BYTES: usize = 2048;
const MARK: &str = "...[truncate]";
const NOTICE: &str =
    "Warning: Log buffer capacity exceeded. Some earlier log entries were removed to fit new logs.";

#[cfg(test)]
mod tests {
    use rex_ipc::bounded::Text;

    use super::*;

    fn line(message: &str) -> Log {
        let message = Text::new(message).unwrap();
        Log { level: LogLevel::Info, line: 7, message, cut: false, function: None }
    }

    fn logged(messages: impl IntoIterator<Item = String>) -> Vec<LogObject> {
        let mut logs = Logs::new(LogLevel::Info);
        for message in messages {
            logs.push(&line(&message));
        }
        logs.into_entries()
    }

    fn message_of(text: String) -> String {
        logged([text]).remove(0).attributes.message
    }

    #[test]
    fn an_entry_has_the_attributes_in_alphabetical_order() {
        let mut entry = logged(["hi".to_owned()]).remove(0);
        entry.attributes.timestamp = "<lt>".to_owned();

        assert_eq!(
            serde_json::to_string(&entry).unwrap(),
            r#"{"attributes":{"level":"INFO","line_number":"7","message":"hi","timestamp":"<lt>"}}"#
        );
    }

    #[test]
    fn the_function_is_named_when_one_logged() {
        let mut logs = Logs::new(LogLevel::Trace);
        logs.push(&Log { function: Text::new("mv"), ..line("moved") });

        assert_eq!(logs.into_entries()[0].attributes.rhai_api_name.as_deref(), Some("mv"));
    }

    #[test]
    fn a_thousand_entries_are_kept_without_a_notice() {
        let entries = logged((0..1000).map(|number| format!("entry {number}")));

        assert_eq!(entries.len(), 1000);
        assert_eq!(entries[0].attributes.message, "entry 0");
    }

    #[test]
    fn of_more_the_oldest_are_dropped_and_a_notice_comes_first() {
        let entries = logged((0..1003).map(|number| format!("entry {number}")));

        assert_eq!(entries.len(), 1001);
        assert_eq!(entries[0].attributes.message, NOTICE);
        assert_eq!((&*entries[0].attributes.level, &*entries[0].attributes.line_number), ("WARN", "0"));
        assert_eq!(entries[0].attributes.timestamp, entries[1].attributes.timestamp);
        assert_eq!(entries[1].attributes.message, "entry 3");
    }

    #[test]
    fn a_message_of_2048_bytes_is_whole_and_a_longer_one_is_cut() {
        assert_eq!(message_of("x".repeat(2048)), "x".repeat(2048));

        let cut = message_of("x".repeat(3000));
        assert_eq!(cut.len(), 2048);
        assert_eq!(cut, "x".repeat(2035) + "...[truncate]");
    }

    // Rex cuts at a byte and panics when that is within a character.
    #[test]
    fn the_cut_falls_between_characters() {
        let cut = message_of("✓".repeat(1000));

        assert_eq!(cut, "✓".repeat(678) + "...[truncate]");
        assert!(cut.len() <= 2048);
    }

    #[test]
    fn what_the_jail_cut_is_marked() {
        let mut logs = Logs::new(LogLevel::Info);
        logs.push(&Log { cut: true, ..line("short") });

        assert_eq!(logs.into_entries()[0].attributes.message, "short...[truncate]");
    }

    #[test]
    fn what_is_below_the_threshold_is_left_out() {
        let mut logs = Logs::new(LogLevel::Warn);
        logs.push(&line("info"));
        logs.push(&Log { level: LogLevel::Error, ..line("error") });

        assert_eq!(logs.into_entries().len(), 1);
    }
}
