//! The schema's two forms, and its agreement with the table of actions.

use std::collections::BTreeSet;
use std::str::FromStr;

use cedar_policy::{EntityTypeName, EntityUid, PolicySet, Schema, SchemaFragment, ValidationMode, Validator};
use rex_ipc::action::ActionId;

use super::super::vocabulary::{KINDS, Vocabulary};

const READABLE: &str = include_str!("../../../../policies/rex.cedarschema");
const COMPILED: &str = include_str!("../../../../policies/rex.cedarschema.json");

fn schema() -> Schema {
    Schema::from_cedarschema_str(READABLE).unwrap().0
}

#[test]
fn both_forms_are_the_same_schema() {
    let (fragment, warnings) = SchemaFragment::from_cedarschema_str(READABLE).unwrap();
    let json = fragment.to_json_value().unwrap();

    assert_eq!(warnings.map(|warning| warning.to_string()).collect::<Vec<_>>(), Vec::<String>::new());
    if std::env::var_os("REX_WRITE_SCHEMA").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../policies/rex.cedarschema.json");
        std::fs::write(path, format!("{json}\n")).unwrap();
        return;
    }
    let compiled: serde_json::Value = serde_json::from_str(COMPILED).unwrap();
    assert_eq!(compiled, json, "run this test with REX_WRITE_SCHEMA=1 to write the second form anew");
}

#[test]
fn the_compiled_form_can_be_read() {
    super::super::schema::load();
}

#[test]
fn the_schema_and_the_table_list_the_same_actions_on_the_same_resources() {
    let schema = schema();
    let groups: BTreeSet<String> = schema.action_groups().map(ToString::to_string).collect();
    let in_schema: BTreeSet<String> =
        schema.actions().map(ToString::to_string).filter(|uid| !groups.contains(uid)).collect();
    let in_table: BTreeSet<String> = ActionId::ALL.iter().map(|action| action.uid().to_owned()).collect();

    assert_eq!(in_schema, in_table);
    for action in ActionId::ALL {
        let uid = EntityUid::from_str(action.uid()).unwrap();
        let mut in_schema: BTreeSet<String> =
            schema.resources_for_action(&uid).unwrap().map(ToString::to_string).collect();
        let in_table: BTreeSet<String> =
            action.resources().iter().map(|kind| kind.type_name().to_owned()).collect();
        // Rex declares it and never asks about it; neither do we.
        in_schema.remove("sysinfo::Uname");
        assert_eq!(in_schema, in_table, "{}", action.uid());
        let principals: Vec<String> =
            schema.principals_for_action(&uid).unwrap().map(ToString::to_string).collect();
        assert_eq!(principals, ["User"]);
    }
}

#[test]
fn every_resource_type_is_an_entity_type_of_the_schema() {
    let declared: BTreeSet<EntityTypeName> = schema().entity_types().cloned().collect();

    for kind in KINDS {
        assert!(
            declared.contains(&EntityTypeName::from_str(kind.type_name()).unwrap()),
            "{}",
            kind.type_name()
        );
    }
}

#[test]
fn each_action_has_the_group_that_the_schema_gives_it() {
    let entities = schema().action_entities().unwrap();
    let words = Vocabulary::new();

    for (action, names) in words.actions() {
        let uid = EntityUid::from_str(action.uid()).unwrap();
        let groups: Vec<String> = entities.ancestors(&uid).unwrap().map(ToString::to_string).collect();
        let own: Vec<String> = names.group.iter().map(ToString::to_string).collect();
        assert_eq!(groups, own, "{}", action.uid());
    }
}

/// The schema as it was before every context had a session.
fn without_session() -> Schema {
    let mut json: serde_json::Value = serde_json::from_str(COMPILED).unwrap();
    for namespace in json.as_object_mut().unwrap().values_mut() {
        for action in namespace["actions"].as_object_mut().unwrap().values_mut() {
            if let Some(context) = action["appliesTo"].get_mut("context") {
                context["attributes"].as_object_mut().unwrap().remove("session").unwrap();
            }
        }
    }
    Schema::from_json_value(json).unwrap()
}

// What was valid before there was `context.session` is valid with it.
#[test]
fn the_strict_validator_says_of_our_policies_what_it_said_before_there_was_a_session() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut waiting = ["policies", "examples", "tests/policies/samples"].map(|name| root.join(name)).to_vec();
    let [with, without] = [schema(), without_session()].map(Validator::new);
    let (mut found, mut valid) = (0, 0);
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "cedar") {
                let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
                let Ok(set) = PolicySet::from_str(&text) else { continue };
                let said = |validator: &Validator| {
                    let result = validator.validate(&set, ValidationMode::Strict);
                    result.validation_errors().map(ToString::to_string).collect::<BTreeSet<_>>()
                };
                assert_eq!(said(&with), said(&without), "{}", path.display());
                found += 1;
                valid += usize::from(said(&with).is_empty());
            }
        }
    }
    assert!(found > 12 && valid > 5, "only {valid} of {found}");
}
