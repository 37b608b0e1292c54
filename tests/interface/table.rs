//! Does the table keep the promises that it makes to an auditor?

use std::collections::BTreeSet;
use std::fs;

use rex_ipc::action::ActionId;
use rex_ipc::interface::{RETIRED, ROWS};
use serde_json::Value;

use crate::golden::root;

/// The rows that need no permission, reviewed: none of them discloses anything about the host's data.
///
/// `now` and `random_bytes` tell the time and what nobody knows; `close` gives back what was permitted before, and
/// `leave_namespaces` leaves it; the others only take.
const WITHOUT_PERMISSION: &[&str] =
    &["now", "sleep", "random_bytes", "log", "alarm", "metric", "close", "abandon_write", "leave_namespaces"];

#[test]
fn numbers_ascend_and_are_spent_once() {
    for pair in ROWS.windows(2) {
        assert!(pair[0].number < pair[1].number, "{} does not follow {}", pair[1].name, pair[0].name);
    }
    for row in ROWS {
        assert!(!RETIRED.contains(&row.number), "{} has the number of a row that was removed", row.name);
    }
}

#[test]
fn the_high_byte_of_a_number_is_its_group() {
    for row in ROWS {
        for other in ROWS {
            let same_byte = row.number >> 8 == other.number >> 8;
            assert_eq!(same_byte, row.group == other.group, "{} and {}", row.name, other.name);
        }
    }
}

#[test]
fn names_and_request_types_are_unique() {
    let names: BTreeSet<_> = ROWS.iter().map(|row| row.name).collect();
    let requests: BTreeSet<_> = ROWS.iter().map(|row| row.request).collect();

    assert_eq!(names.len(), ROWS.len());
    assert_eq!(requests.len(), ROWS.len());
}

#[test]
fn rows_without_permission_are_the_reviewed_ones() {
    let free: Vec<_> = ROWS.iter().filter(|row| row.needs.is_empty()).map(|row| row.name).collect();

    assert_eq!(free, WITHOUT_PERMISSION);
}

#[test]
fn no_row_announces_an_action_twice() {
    for row in ROWS {
        let needs: BTreeSet<_> = row.needs.iter().collect();
        assert_eq!(needs.len(), row.needs.len(), "{}", row.name);
    }
}

#[test]
fn actions_are_those_of_the_schema() {
    let schema = schema();
    let mut ours = BTreeSet::new();
    for &action in ActionId::ALL {
        let declared = &schema[action.namespace()]["actions"][action.name()];
        let allowed = types_of(declared).unwrap_or_else(|| panic!("the schema has no {}", action.uid()));
        let resources: BTreeSet<String> =
            action.resources().iter().map(|kind| kind.type_name().into()).collect();
        let declared: BTreeSet<String> =
            allowed.iter().map(|name| qualified(action.namespace(), name)).collect();

        // The schema may allow more: a resource type that no operation asks about yet.
        assert!(resources.is_subset(&declared), "the schema has {declared:?} for {}", action.uid());
        ours.insert(action.uid().to_owned());
    }

    for (namespace, content) in schema.as_object().expect("the schema is an object") {
        let Some(actions) = content["actions"].as_object() else { continue };
        for (name, declared) in actions {
            // An action that applies to nothing is a group of others.
            if types_of(declared).is_some() {
                let uid = format!("{namespace}::Action::\"{name}\"");
                assert!(ours.contains(&uid), "ipc/src/action.rs has no {uid}");
            }
        }
    }
}

pub(crate) fn schema() -> Value {
    let text = fs::read_to_string(root().join("policies/rex.cedarschema.json")).expect("the schema is there");
    serde_json::from_str(&text).expect("the schema is JSON")
}

pub(crate) fn types_of(action: &Value) -> Option<Vec<&str>> {
    let types: Vec<_> =
        action["appliesTo"]["resourceTypes"].as_array()?.iter().filter_map(Value::as_str).collect();
    (!types.is_empty()).then_some(types)
}

pub(crate) fn qualified(namespace: &str, name: &str) -> String {
    if name.contains("::") { name.into() } else { format!("{namespace}::{name}") }
}
