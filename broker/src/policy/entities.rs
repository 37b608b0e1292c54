//! The entities and the context that a question brings to Cedar.

use core::net::IpAddr;
use std::collections::{BTreeMap, HashSet};
use std::str::FromStr;
use std::sync::Arc;

use cedar_policy_core::ast::{
    Context, Eid, Entity, EntityUID, Literal, Name, PartialValue, RestrictedExpr, Value,
};
use cedar_policy_core::entities::{Entities, NoEntitiesSchema, TCComputation};
use cedar_policy_core::evaluator::RestrictedEvaluator;
use cedar_policy_core::extensions::Extensions;
use rex_ipc::action::{ActionId, ResourceKind};

use super::arguments::Sorted;
use super::by_directory::{ByDirectory, work};
use super::question::{ContextRef, ExecuteContext, ProcessRef, Question, ResourceRef};
use super::session::{Facts, Reads};
use super::vocabulary::{self, Vocabulary};

/// How much of the world a policy set can see.
///
/// A policy asks about ancestors by naming a directory (`resource in Dir::"/srv"`), and Cedar answers from the resource's
/// own list of ancestors. Entities of the ancestors themselves matter only to a policy that looks *into* a literal
/// (`Dir::"/srv".path`, `Dir::"/srv" in Dir::"/"`).
#[derive(Debug)]
pub(super) enum Horizon {
    /// Only these directories are named, and nothing looks into a literal.
    Named(ByDirectory<EntityUID>),
    /// Some policy looks into a literal: those of these directories that are above the resource are in the store, and
    /// so is every action. No condition can reach a directory that no policy names.
    Entities(ByDirectory<EntityUID>),
}

impl Horizon {
    /// No policy names anything.
    pub(super) fn nothing() -> Self {
        Self::Named(ByDirectory::default())
    }

    /// The directories that policies name.
    fn named(&self) -> &ByDirectory<EntityUID> {
        match self {
            Self::Named(named) | Self::Entities(named) => named,
        }
    }
}

/// What Cedar needs for one question.
pub(super) struct Scene {
    pub(super) resource: Arc<EntityUID>,
    pub(super) context: Context,
    pub(super) entities: Entities,
}

/// Builds the scene of a question, or nothing where no scene can tell the truth: then the answer is "denied".
///
/// What is known of the principal is put there as far as statements look at it.
pub(super) fn scene(
    words: &Vocabulary,
    horizon: &Horizon,
    question: &Question<'_>,
    known: Option<(&Facts, Reads)>,
) -> Option<Scene> {
    let resource = resource_entity(words, horizon, &question.resource);
    let resource_uid = Arc::new(resource.uid().clone());
    let mut store = vec![Arc::new(resource)];
    match horizon {
        Horizon::Named(_) => store.push(Arc::clone(&words.action(question.action).entity)),
        Horizon::Entities(named) => {
            store.extend(words.actions().map(|(_, names)| Arc::clone(&names.entity)));
            if let ResourceRef::File(path) | ResourceRef::Dir(path) = question.resource {
                let above = named.above(path);
                store.extend(
                    above.map(|(path, _)| Arc::new(path_entity(words, horizon, ResourceKind::Dir, path))),
                );
            }
        }
    }
    let session = known.and_then(|(facts, reads)| facts.supply(reads, &mut store));
    let context = context(words, &question.context, session, &mut store)?;
    // The parts are built closed: every entity lists all its ancestors, so nothing is left to compute.
    let entities = Entities::new()
        .add_entities(
            store,
            None::<&NoEntitiesSchema>,
            TCComputation::AssumeAlreadyComputed,
            Extensions::none(),
        )
        .ok()?;
    Some(Scene { resource: resource_uid, context, entities })
}

/// The directories above a path, nearest first. A name without a slash, and `/` itself, have none.
#[cfg(test)]
pub(super) fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(parent(path), |path| parent(path))
}

#[cfg(test)]
fn parent(path: &str) -> Option<&str> {
    match path.rsplit_once('/')? {
        ("", "") => None,
        ("", _) => Some("/"),
        (before, _) => Some(before),
    }
}

fn resource_entity(words: &Vocabulary, horizon: &Horizon, resource: &ResourceRef<'_>) -> Entity {
    let kind = resource.kind();
    match *resource {
        ResourceRef::File(path) | ResourceRef::Dir(path) => path_entity(words, horizon, kind, path),
        ResourceRef::Process(process) => process_entity(words, kind, &process),
        ResourceRef::Hostname(name) => plain_entity(words, kind, name, &[("hostname", name)]),
        ResourceRef::Url(url) => plain_entity(words, kind, url, &[("url", url)]),
        ResourceRef::Service(name) => plain_entity(words, kind, name, &[("name", name)]),
        ResourceRef::Sysinfo | ResourceRef::Systemd | ResourceRef::Sysctl => {
            plain_entity(words, kind, &resource.id(), &[])
        }
    }
}

fn path_entity(words: &Vocabulary, horizon: &Horizon, kind: ResourceKind, path: &str) -> Entity {
    let text = Eid::new(path);
    let value = text.clone().into_smolstr();
    let uid = EntityUID::from_components(words.kind(kind).clone(), text, None);
    work::done(path.len());
    Entity::new_with_attr_partial_value(
        uid,
        [("path".into(), PartialValue::from(value))],
        horizon.named().above(path).map(|(_, uid)| uid.clone()).collect(),
        HashSet::new(),
        [],
    )
}

fn process_entity(words: &Vocabulary, kind: ResourceKind, process: &ProcessRef<'_>) -> Entity {
    let pid = process.pid.to_string();
    let texts = [
        ("pid", pid.as_str()),
        ("name", process.name),
        ("username", process.username),
        ("command", process.command),
    ];
    let texts = texts.into_iter().chain(process.exe.map(|exe| ("exe", exe)));
    let numbers = [("uid", i64::from(process.uid)), ("start_time", process.start_time)];
    Entity::new_with_attr_partial_value(
        vocabulary::uid(words.kind(kind), &pid),
        texts
            .map(|(name, value)| (name.into(), PartialValue::from(value)))
            .chain(numbers.map(|(name, value)| (name.into(), PartialValue::from(value)))),
        HashSet::new(),
        HashSet::new(),
        [],
    )
}

fn plain_entity(words: &Vocabulary, kind: ResourceKind, id: &str, attributes: &[(&str, &str)]) -> Entity {
    Entity::new_with_attr_partial_value(
        vocabulary::uid(words.kind(kind), id),
        attributes.iter().map(|(name, value)| ((*name).into(), PartialValue::from(*value))),
        HashSet::new(),
        HashSet::new(),
        [],
    )
}

fn context(
    words: &Vocabulary,
    context: &ContextRef<'_>,
    session: Option<Value>,
    store: &mut Vec<Arc<Entity>>,
) -> Option<Context> {
    let mut fields = match *context {
        ContextRef::None if session.is_none() => return Some(Context::empty()),
        ContextRef::None => Vec::new(),
        ContextRef::XAttr { name } => vec![("xattr", record([("name", name.into())]))],
        ContextRef::Move { path, name, parent_path } => vec![(
            "destination",
            record([("path", path.into()), ("name", name.into()), ("parent_path", parent_path.into())]),
        )],
        ContextRef::Get { host, port, scheme, hop, address } => {
            let mut fields = vec![
                ("host", host.into()),
                ("port", i64::from(port).into()),
                ("scheme", scheme.into()),
                ("hop", i64::from(hop).into()),
            ];
            fields.extend(address_field(address)?);
            fields
        }
        ContextRef::Connect { port, protocol, address } => {
            let mut fields = vec![("port", i64::from(port).into()), ("protocol", protocol.into())];
            fields.extend(address_field(address)?);
            fields
        }
        ContextRef::Execute(execute) => execute_context(words, execute, store)?,
        ContextRef::Program(program) => program.with(|execute| execute_context(words, execute, store))?,
    };
    fields.extend(session.map(|session| ("session", session)));
    Some(Context::Value(Arc::new(fields.into_iter().map(|(name, value)| (name.into(), value)).collect())))
}

/// The address as Cedar has it, where there is one; nothing at all where it cannot be told.
fn address_field(address: Option<IpAddr>) -> Option<Option<(&'static str, Value)>> {
    let Some(address) = address else { return Some(None) };
    let function = Name::from_str("ip").ok()?;
    let address = RestrictedExpr::call_extension_fn(function, [RestrictedExpr::val(address.to_string())]);
    let evaluator = RestrictedEvaluator::new(Extensions::all_available());
    let value = evaluator.interpret(address.as_borrowed()).ok()?;
    Some(Some(("address", value)))
}

fn execute_context(
    words: &Vocabulary,
    execute: &ExecuteContext<'_>,
    store: &mut Vec<Arc<Entity>>,
) -> Option<Vec<(&'static str, Value)>> {
    let arguments = arguments_entity(words, execute)?;
    let environment = environment_entity(words, execute.environment)?;
    let mut fields = vec![
        ("arguments", Literal::from(arguments.uid().clone()).into()),
        ("environment", Literal::from(environment.uid().clone()).into()),
        ("user", record([("username", execute.username.into()), ("uid", i64::from(execute.uid).into())])),
        ("group", record([("groupname", execute.groupname.into()), ("gid", i64::from(execute.gid).into())])),
        ("capabilities", set_of(execute.capabilities)),
        ("argument_count", i64::try_from(execute.argument_count()).ok()?.into()),
        ("command_line", execute.command_line().into()),
    ];
    if let Some(pid) = execute.target_process_id {
        fields.push(("namespace", record([("target_process_id", i64::from(pid).into())])));
    }
    store.extend([Arc::new(arguments), Arc::new(environment)]);
    Some(fields)
}

fn arguments_entity(words: &Vocabulary, execute: &ExecuteContext<'_>) -> Option<Entity> {
    let Sorted { keys, flags, positional, tags: given } = Sorted::of(execute.arguments);
    let mut tags = Tags::default();
    for (name, value) in given {
        let chosen = execute.chosen.iter().find(|(chosen, _)| *chosen == name);
        tags.set(name, chosen.map_or(value, |(_, value)| value))?;
    }
    let attributes = [("keys", keys), ("flags", flags), ("positional_values", positional)];
    Some(tagged_entity(vocabulary::uid(words.arguments(), "arguments"), &attributes, tags))
}

fn environment_entity(words: &Vocabulary, variables: &[(&str, &str)]) -> Option<Entity> {
    let mut tags = Tags::default();
    for (name, value) in variables {
        tags.set((*name).to_owned(), value)?;
    }
    let names = variables.iter().map(|(name, _)| *name).collect();
    Some(tagged_entity(vocabulary::uid(words.environment(), "environment"), &[("names", names)], tags))
}

/// Tags in the making. Cedar keeps one value for each, so a second one would hide the first from the policy while the
/// program receives both.
#[derive(Default)]
struct Tags<'a>(BTreeMap<String, &'a str>);

impl<'a> Tags<'a> {
    fn set(&mut self, name: String, value: &'a str) -> Option<()> {
        match self.0.insert(name, value) {
            Some(earlier) if earlier != value => None,
            _ => Some(()),
        }
    }
}

fn tagged_entity(uid: EntityUID, attributes: &[(&str, Vec<&str>)], tags: Tags<'_>) -> Entity {
    Entity::new_with_attr_partial_value(
        uid,
        attributes.iter().map(|(name, words)| ((*name).into(), PartialValue::from(set_of(words)))),
        HashSet::new(),
        HashSet::new(),
        tags.0.into_iter().map(|(name, value)| (name.into(), PartialValue::from(value))),
    )
}

fn set_of(words: &[&str]) -> Value {
    Value::set_of_lits(words.iter().map(|word| Literal::from(*word)), None)
}

fn record<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::record(fields, None)
}

/// The uid of an action, as the request names it.
pub(super) fn action_uid(words: &Vocabulary, action: ActionId) -> Arc<EntityUID> {
    Arc::clone(&words.action(action).uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_every_directory_above_it() {
        let above = |path| ancestors(path).collect::<Vec<_>>();

        assert_eq!(above("/a/b/c"), ["/a/b", "/a", "/"]);
        assert_eq!(above("/a"), ["/"]);
        assert!(above("/").is_empty());
        assert!(above("relative").is_empty());
        assert!(above("").is_empty());
    }
}
