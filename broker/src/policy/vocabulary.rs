//! What Cedar calls our actions and resource types, built once and shared.

use std::collections::HashSet;
use std::sync::Arc;

use cedar_policy_core::FromNormalizedStr;
use cedar_policy_core::ast::{Eid, Entity, EntityType, EntityUID, Name};
use cedar_policy_core::parser::unescape::to_unescaped_string;
use rex_ipc::action::{ActionId, ResourceKind};

/// The names of the schema as Cedar values.
#[derive(Debug)]
pub(super) struct Vocabulary {
    user: EntityType,
    kinds: Vec<EntityType>,
    actions: Vec<ActionNames>,
    /// `file_system::Arguments`, and `file_system::Environment`.
    arguments: EntityType,
    environment: EntityType,
    group: EntityType,
    session: EntityType,
}

/// One action: its uid, the group it belongs to, and the entity that says so.
#[derive(Debug)]
pub(super) struct ActionNames {
    pub(super) uid: Arc<EntityUID>,
    pub(super) group: Option<EntityUID>,
    pub(super) entity: Arc<Entity>,
}

impl Vocabulary {
    pub(super) fn new() -> Self {
        Self {
            user: entity_type("User"),
            kinds: KINDS.iter().map(|kind| entity_type(kind.type_name())).collect(),
            actions: ActionId::ALL.iter().map(|action| ActionNames::new(*action)).collect(),
            arguments: entity_type("file_system::Arguments"),
            environment: entity_type("file_system::Environment"),
            group: entity_type("Group"),
            session: entity_type("Session"),
        }
    }

    /// `User::"<name>"`.
    pub(super) fn principal(&self, name: &str) -> EntityUID {
        uid(&self.user, name)
    }

    pub(super) fn user(&self) -> &EntityType {
        &self.user
    }

    pub(super) fn kind(&self, kind: ResourceKind) -> &EntityType {
        &self.kinds[kind as usize]
    }

    pub(super) fn action(&self, action: ActionId) -> &ActionNames {
        &self.actions[action as usize]
    }

    pub(super) fn actions(&self) -> impl Iterator<Item = (ActionId, &ActionNames)> {
        ActionId::ALL.iter().copied().zip(&self.actions)
    }

    pub(super) fn arguments(&self) -> &EntityType {
        &self.arguments
    }

    pub(super) fn environment(&self) -> &EntityType {
        &self.environment
    }

    /// Of what users can be in.
    pub(super) fn group(&self) -> &EntityType {
        &self.group
    }

    /// Of `context.session`.
    pub(super) fn session(&self) -> &EntityType {
        &self.session
    }
}

impl ActionNames {
    fn new(action: ActionId) -> Self {
        let ty = entity_type(&format!("{}::Action", action.namespace()));
        let own = uid(&ty, action.name());
        let group = group_name(action).map(|name| uid(&ty, name));
        let entity = Entity::new_with_attr_partial_value(
            own.clone(),
            [],
            HashSet::new(),
            group.iter().cloned().collect(),
            [],
        );
        Self { uid: Arc::new(own), group, entity: Arc::new(entity) }
    }
}

/// The uid of that type and name. Nothing is parsed, so a name may hold any character.
pub(super) fn uid(ty: &EntityType, id: &str) -> EntityUID {
    EntityUID::from_components(ty.clone(), Eid::new(id), None)
}

/// An entity as it stands in a policy: `Type::"name"`, the name spelled as Cedar spells it, so that no two names share a
/// text and every one can be put back. `'` is `\'` there.
pub fn entity(type_name: &str, name: &str) -> String {
    format!("{type_name}::\"{}\"", name.escape_debug())
}

/// The name that stands between the quotes of an entity, such as `/a "b"` for `/a \"b\"`; nothing when it is not
/// written as Cedar demands.
pub fn entity_id(escaped: &str) -> Option<String> {
    to_unescaped_string(escaped).ok().map(|text| text.to_string())
}

/// Every resource type, in the order of the enumeration.
pub const KINDS: [ResourceKind; 9] = [
    ResourceKind::File,
    ResourceKind::Dir,
    ResourceKind::Sysinfo,
    ResourceKind::Hostname,
    ResourceKind::Url,
    ResourceKind::Process,
    ResourceKind::Service,
    ResourceKind::Systemd,
    ResourceKind::Sysctl,
];

/// The group action of each namespace.
const GROUPS: [(&str, &str); 6] = [
    ("file_system", "SafeIO"),
    ("sysinfo", "SysinfoAction"),
    ("network", "NetworkAction"),
    ("process_system", "ProcessAction"),
    ("systemd", "SystemdAction"),
    ("sysctl", "SysctlAction"),
];

fn group_name(action: ActionId) -> Option<&'static str> {
    GROUPS.iter().find(|(namespace, _)| *namespace == action.namespace()).map(|(_, group)| *group)
}

/// The type of that name, as Cedar writes it.
pub(super) fn entity_type(name: &str) -> EntityType {
    EntityType::EntityType(
        Name::from_normalized_str(name).expect("the names of the table are written in Cedar's normal form"),
    )
}

/// What Rex calls every user without a name.
pub const REX_NAMELESS: &str = "unknown";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_stand_in_the_order_of_their_numbers() {
        for (position, kind) in KINDS.iter().enumerate() {
            assert_eq!(position, *kind as usize);
        }
        for (position, action) in ActionId::ALL.iter().enumerate() {
            assert_eq!(position, *action as usize);
        }
    }

    #[test]
    fn names_are_spelled_as_cedar_spells_and_reads_them() {
        for name in ["o'brien", "a\"b", "a\\b", "a\nb", "\u{10fff6}", "é", "\u{301}x", "\0", "\u{200b}"] {
            let spelled = entity("User", name);
            let known: EntityUID = spelled.parse().unwrap();

            assert_eq!(AsRef::<str>::as_ref(known.eid()), name);
            assert_eq!(known.to_string(), spelled);
        }
    }

    #[test]
    fn uids_are_what_a_policy_writes() {
        let words = Vocabulary::new();

        for (action, names) in words.actions() {
            assert_eq!(names.uid.to_string(), action.uid());
        }
        for kind in KINDS {
            assert_eq!(words.kind(kind).to_string(), kind.type_name());
        }
    }
}
