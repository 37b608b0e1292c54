//! What somebody says who stops runs.

use serde::{Deserialize, Serialize};

use super::place::MAX_ENTRY_BYTES;
use crate::audit::Stop;

/// Who stops a run, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The user, as the kernel says.
    pub uid: u32,
    /// The user's login.
    pub by: String,
    /// Why, in the user's words; at most 400 bytes.
    pub reason: String,
    /// When, in seconds since 1970.
    pub at_seconds: u64,
}

impl Order {
    /// The order of this process' user, whoever is root by sudo(8) or the like being root.
    pub fn new(reason: &str) -> Self {
        let uid = nix::unistd::getuid().as_raw();
        let end = (0..=MAX_REASON_BYTES).rev().find(|end| reason.is_char_boundary(*end)).unwrap_or(0);
        Self {
            uid,
            by: super::login(uid),
            reason: reason.get(..end).unwrap_or(reason).to_owned(),
            at_seconds: super::now_seconds(),
        }
    }

    /// Somebody has said so, and nobody can read who.
    pub(crate) fn unknown() -> Self {
        let by = "somebody who has left no name".to_owned();
        Self { uid: u32::MAX, by, reason: String::new(), at_seconds: 0 }
    }

    /// For the record.
    pub(crate) fn record(&self, claimed_line: u32) -> Stop<'_> {
        Stop { uid: self.uid, by: &self.by, reason: &self.reason, at_seconds: self.at_seconds, claimed_line }
    }

    /// For the result: who, and why.
    pub fn in_words(&self) -> String {
        match self.reason.as_str() {
            "" => format!("stopped by {}", self.by),
            reason => format!("stopped by {}: {reason}", self.by),
        }
    }
}

/// The first order that an entry has: behind the word and what is said of the run.
pub(super) fn of_entry(bytes: &[u8]) -> Option<Order> {
    debug_assert!(bytes.len() <= MAX_ENTRY_BYTES);
    bytes.split(|byte| *byte == b'\n').skip(2).find_map(|line| serde_json::from_slice(line).ok())
}

/// Enough for a sentence and the number of a ticket.
const MAX_REASON_BYTES: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_whole_order_counts() {
        let order = Order { uid: 0, by: "root".to_owned(), reason: "why".to_owned(), at_seconds: 1 };
        let line = serde_json::to_string(&order).unwrap();
        assert_eq!(of_entry(format!("!\n{{}}\n{line}\n").as_bytes()), Some(order.clone()));
        assert_eq!(of_entry(format!("!\n{{}}\n{{\"uid\":1,\"b\n{line}\n").as_bytes()), Some(order));
        for torn in ["", "!", "!\n{}", "!\n{}\n", "!\n{}\n{\"uid\":0,\"by\":\"ro", "!\n{}\n\u{0}\n"] {
            assert_eq!(of_entry(torn.as_bytes()), None, "{torn:?}");
        }
    }

    #[test]
    fn a_long_reason_is_cut_at_a_character() {
        assert_eq!(Order::new(&"ä".repeat(300)).reason.len(), MAX_REASON_BYTES);
        assert_eq!(Order::new(&format!("x{}", "ä".repeat(300))).reason.len(), MAX_REASON_BYTES - 1);
        assert_eq!(Order::new("short").reason, "short");
    }
}
