//! Is an action allowed, as the compiler sees it, on exactly those resources on which the schema allows it?

use std::any::TypeId;
use std::collections::BTreeSet;
use std::marker::PhantomData;

use rex_ipc::action::{self, Action, ActionId, AppliesTo, ResourceKind, kind};

use crate::table::{qualified, schema, types_of};

/// Answers whether `A: AppliesTo<K>`: where that holds, the method of the type comes before the one of the trait.
struct Whether<A, K>(PhantomData<(A, K)>);

impl<A: AppliesTo<K>, K> Whether<A, K> {
    fn applies(&self) -> bool {
        true
    }
}

trait Otherwise {
    fn applies(&self) -> bool {
        false
    }
}

impl<A, K> Otherwise for &Whether<A, K> {}

/// An action, the resources that the compiler lets it be asked on, and whether it has a context.
type Seen = (ActionId, BTreeSet<&'static str>, bool);

macro_rules! seen_of {
    ($action:ty) => {{
        let mut kinds = BTreeSet::new();
        seen_of!($action, kinds, File Dir Sysinfo Hostname Url Process Service Systemd Sysctl);
        let has_context = TypeId::of::<<$action as Action>::Context>() != TypeId::of::<()>();
        (<$action as Action>::ID, kinds, has_context)
    }};
    ($action:ty, $kinds:ident, $($kind:ident)+) => {
        $(if (&Whether::<$action, kind::$kind>(PhantomData)).applies() {
            $kinds.insert(ResourceKind::$kind.type_name());
        })+
    };
}

macro_rules! emit_seen {
    ($($namespace:ident {
        $($marker:ident = $variant:ident, $name:literal, on [$($resource:ident),+] $(, with $context:ident)?;)+
    })+) => {
        fn seen() -> Vec<Seen> {
            vec![$($(seen_of!(action::$namespace::$marker),)+)+]
        }
    };
}

rex_ipc::actions!(emit_seen);

#[test]
fn what_the_compiler_allows_is_what_the_schema_allows() {
    let schema = schema();
    let seen = seen();
    assert_eq!(seen.iter().map(|(action, ..)| *action).collect::<Vec<_>>(), ActionId::ALL);

    for (action, kinds, has_context) in seen {
        let declared = &schema[action.namespace()]["actions"][action.name()];
        let mut allowed: BTreeSet<String> = types_of(declared)
            .unwrap_or_else(|| panic!("the schema has no {}", action.uid()))
            .into_iter()
            .map(|name| qualified(action.namespace(), name))
            .collect();
        // Rex declares it and never asks about it; neither do we.
        allowed.remove("sysinfo::Uname");
        assert_eq!(
            kinds.into_iter().map(str::to_owned).collect::<BTreeSet<_>>(),
            allowed,
            "{}",
            action.uid()
        );
        let attributes = declared["appliesTo"]["context"]["attributes"].as_object();
        let attributes = attributes.unwrap_or_else(|| panic!("{} has no context", action.uid()));
        // The session is the run's and comes with every question, whatever the action brings along.
        assert!(attributes.contains_key("session"), "{}", action.uid());
        assert_eq!(has_context, attributes.len() > 1, "{}", action.uid());
    }
}
