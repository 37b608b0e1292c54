//! What the policy denied, whether or not the script minded.

use std::collections::HashMap;

use rex_ipc::action::{ActionId, ResourceKind};
use serde::Serialize;

use crate::policy::entity;
use crate::policy::explain::{Lacking, Need, grant_of_type};

/// One entry of `denials`.
#[derive(Serialize, Clone, Debug, PartialEq, Eq, Hash)]
pub struct DenialObject {
    /// What was asked for, as it stands in a policy.
    pub action: &'static str,
    /// On what, as it stands in a policy.
    pub resource: String,
    /// The policies that forbade it; empty when none permitted it.
    pub policies: Vec<String>,
    /// The line of the script, as the jail claims; 0 when unknown.
    pub line: u32,
    /// How often.
    pub count: u64,
    /// How many of these were about other processes, which a walk over all of them has passed over.
    #[serde(skip_serializing_if = "is_zero")]
    pub others: u64,
    /// What the call lacks, and what would permit it; only when denials are explained.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub lacking: Option<Lacking>,
}

impl DenialObject {
    /// Another process was passed over. What is proposed from then on permits it for all of them, and the permit that came
    /// nearest to the first says nothing of the others.
    fn add_other(&mut self) {
        self.others = self.others.saturating_add(1);
        if let Some(lacking) = self.lacking.as_mut().filter(|_| self.others == 1) {
            lacking.grant = grant_of_type(&lacking.grant).unwrap_or_default();
            lacking.nearest = None;
        }
    }

    /// Whether the message of an error is about this denial.
    pub(super) fn is_told_by(&self, message: &str) -> bool {
        message.contains(self.action) && message.contains(&self.resource.replace('"', ""))
    }
}

/// Keeps the first denials of each kind, and counts the rest.
#[derive(Debug, Default)]
pub(super) struct Denials {
    kept: Vec<DenialObject>,
    /// Places in `kept`, by an entry with count 0.
    places: HashMap<DenialObject, usize>,
    text_bytes: usize,
    explanation_bytes: usize,
    /// The place in `kept` of the entry that was explained last.
    explained: Option<usize>,
    /// How many of `kept` were handed out by [`Denials::untold`].
    told: usize,
    /// Denials that had no room.
    pub(super) dropped: u64,
    /// All denials.
    pub(super) total: u64,
}

impl Denials {
    /// Takes a denial; says whether it is kept as an entry of its own.
    pub(super) fn push<S: AsRef<str>>(
        &mut self,
        action: ActionId,
        kind: ResourceKind,
        name: &str,
        policies: &[S],
        line: u32,
    ) -> bool {
        self.total = self.total.saturating_add(1);
        let key = DenialObject {
            action: action.uid(),
            resource: entity(kind.type_name(), name),
            policies: policies.iter().map(|policy| policy.as_ref().to_owned()).collect(),
            line,
            count: 0,
            others: 0,
            lacking: None,
        };
        // A walk over the processes of a host is one lack, however many there are.
        let place_key = match kind {
            ResourceKind::Process if WALKED.contains(&action) => {
                DenialObject { resource: kind.type_name().to_owned(), ..key.clone() }
            }
            _ => key.clone(),
        };
        if let Some(entry) = self.places.get(&place_key).and_then(|place| self.kept.get_mut(*place)) {
            entry.count = entry.count.saturating_add(1);
            if entry.resource != key.resource {
                entry.add_other();
            }
            return false;
        }
        let text_bytes = key.resource.len() + key.policies.iter().map(String::len).sum::<usize>();
        if self.kept.len() == MAX_ENTRIES || self.text_bytes.saturating_add(text_bytes) > MAX_TEXT_BYTES {
            self.dropped = self.dropped.saturating_add(1);
            return false;
        }
        self.text_bytes += text_bytes;
        self.kept.push(DenialObject { count: 1, ..key });
        self.places.insert(place_key, self.kept.len() - 1);
        true
    }

    /// Explains the entry that came last, as far as there is room.
    pub(super) fn explain(&mut self, lacking: Lacking) {
        self.explained = None;
        if self.has_room(lacking.text_bytes())
            && let Some(last) = self.kept.last_mut()
        {
            last.lacking = Some(lacking);
            self.explained = Some(self.kept.len() - 1);
        }
    }

    /// Adds to the explanation that was given last. Another entry may have come since, of what was asked for instead.
    pub(super) fn explain_more(&mut self, need: Need, grant: Option<String>) {
        let text_bytes = need.resource.len() + grant.as_ref().map_or(0, String::len);
        if self.has_room(text_bytes)
            && let Some(entry) = self.explained.and_then(|place| self.kept.get_mut(place))
            && let Some(lacking) = entry.lacking.as_mut()
        {
            lacking.add(need, grant);
        }
    }

    /// What forbade the denial that a message is about, where that is no policy.
    pub(super) fn built_in(&self, message: &str) -> Option<&str> {
        let denial = self.kept.iter().rev().find(|denial| denial.is_told_by(message))?;
        denial.policies.first().map(String::as_str).filter(|reason| reason.starts_with("built-in: "))
    }

    /// The entries that are new since the last time.
    pub(super) fn untold(&mut self) -> &[DenialObject] {
        let told = std::mem::replace(&mut self.told, self.kept.len());
        self.kept.get(told..).unwrap_or_default()
    }

    fn has_room(&mut self, text_bytes: usize) -> bool {
        self.explanation_bytes = self.explanation_bytes.saturating_add(text_bytes);
        self.explanation_bytes <= MAX_TEXT_BYTES
    }

    pub(super) fn into_entries(self) -> Vec<DenialObject> {
        self.kept
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What is asked of each process in turn, and passed over where it is denied.
const WALKED: [ActionId; 2] = [ActionId::ProcessList, ActionId::ProcessListFds];
const MAX_ENTRIES: usize = 1000;
const MAX_TEXT_BYTES: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn deny(denials: &mut Denials, name: &str, line: u32) {
        denials.push(ActionId::FileSystemOpen, ResourceKind::File, name, &["no-etc"], line);
    }

    #[test]
    fn identical_denials_are_counted() {
        let mut denials = Denials::default();

        deny(&mut denials, "/etc/shadow", 3);
        deny(&mut denials, "/etc/passwd", 3);
        deny(&mut denials, "/etc/shadow", 3);
        deny(&mut denials, "/etc/shadow", 4);

        assert_eq!(denials.total, 4);
        let entries = denials.into_entries();
        assert_eq!(entries.iter().map(|entry| entry.count).collect::<Vec<_>>(), [2, 1, 1]);
        assert_eq!(
            serde_json::to_string(&entries[0]).unwrap(),
            r#"{"action":"file_system::Action::\"open\"","resource":"file_system::File::\"/etc/shadow\"","policies":["no-etc"],"line":3,"count":2}"#
        );
    }

    #[test]
    fn a_walk_over_processes_is_one_lack_with_one_proposal() {
        let mut denials = Denials::default();
        let mut deny = |pid: &str, line| {
            denials.push(ActionId::ProcessList, ResourceKind::Process, pid, &[] as &[&str], line)
        };

        assert!(deny("1", 3));
        let grant = r#"permit(principal == User::"a", action == process_system::Action::"list", resource is process_system::Process) when { resource.name == "a when { b" };"#;
        denials.explain(Lacking { grant: grant.to_owned(), ..Lacking::default() });
        let mut deny = |pid: &str, line| {
            denials.push(ActionId::ProcessList, ResourceKind::Process, pid, &[] as &[&str], line)
        };
        assert!(!deny("1", 3) && !deny("7", 3) && !deny("12", 3) && deny("12", 4));

        let entries = denials.into_entries();
        let told: Vec<_> =
            entries.iter().map(|entry| (&*entry.resource, entry.count, entry.others)).collect();
        let [first, last] = [r#"process_system::Process::"1""#, r#"process_system::Process::"12""#];
        assert_eq!(told, [(first, 4, 2), (last, 1, 0)]);
        assert_eq!(
            entries[0].lacking.as_ref().unwrap().grant,
            r#"permit(principal == User::"a", action == process_system::Action::"list", resource is process_system::Process);"#
        );
    }

    #[test]
    fn signals_to_processes_are_lacks_of_their_own() {
        let mut denials = Denials::default();

        for pid in ["1", "2"] {
            denials.push(ActionId::ProcessKill, ResourceKind::Process, pid, &[] as &[&str], 1);
        }

        assert_eq!(denials.into_entries().len(), 2);
    }

    #[test]
    fn the_list_has_an_end_and_says_what_is_missing() {
        let mut denials = Denials::default();

        (0..2500).for_each(|number| deny(&mut denials, &format!("/{number}"), 1));
        deny(&mut denials, "/0", 1);

        assert_eq!(denials.dropped, 1500);
        let entries = denials.into_entries();
        assert_eq!((entries.len(), entries[0].count), (1000, 2));
    }

    #[test]
    fn long_names_do_not_fill_the_memory() {
        let mut denials = Denials::default();

        (0..1000).for_each(|number| deny(&mut denials, &format!("/{number}{}", "x".repeat(16_000)), 1));

        assert!(denials.dropped > 900);
    }

    #[test]
    fn an_apostrophe_is_spelled_as_cedar_spells_it() {
        let mut denials = Denials::default();

        deny(&mut denials, "/home/o'brien", 1);

        let resource = denials.into_entries().remove(0).resource;
        assert_eq!(resource, r#"file_system::File::"/home/o\'brien""#);
        assert_eq!(
            resource.parse::<cedar_policy_core::ast::EntityUID>().unwrap().eid().as_ref() as &str,
            "/home/o'brien"
        );
    }

    #[test]
    fn hostile_names_stay_apart() {
        let mut denials = Denials::default();

        ["/a\n", "/a\\n", "/a\"", "/\u{10FF0A}"].into_iter().for_each(|name| deny(&mut denials, name, 1));

        assert_eq!(denials.into_entries().len(), 4);
    }
}
