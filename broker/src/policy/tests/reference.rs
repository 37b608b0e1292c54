//! Our decisions beside those of Cedar's own authorizer, over the whole policy set and the whole world.

use core::net::IpAddr;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::str::FromStr;

use cedar_policy::{
    Authorizer, Context, Decision, Effect, Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicySet,
    Request, RestrictedExpression, Schema, ValidationError, ValidationMode, Validator,
};
use rex_ipc::action::ActionId;

use super::super::entities::ancestors;
use super::super::{ContextRef, ProcessRef};
use super::*;

/// A small generator of numbers, so that every run sees the same policies.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or(0) % sides
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.roll(choices.len())]
    }
}

const HEAD_PRINCIPALS: &[&str] = &[
    "principal",
    "principal",
    "principal == User::\"root\"",
    "principal is User",
    "principal == User::\"eve\"",
    "principal in User::\"root\"",
];

const HEAD_ACTIONS: &[&str] = &[
    "action",
    "action",
    "action == file_system::Action::\"read\"",
    "action == file_system::Action::\"open\"",
    "action in file_system::Action::\"SafeIO\"",
    "action in [file_system::Action::\"read\", process_system::Action::\"ProcessAction\"]",
    "action == file_system::Action::\"SafeIO\"",
    "action in systemd::Action::\"SystemdAction\"",
    "action in [sysinfo::Action::\"list\", network::Action::\"GET\", file_system::Action::\"move\"]",
    "action in []",
];

const HEAD_RESOURCES: &[&str] = &[
    "resource",
    "resource",
    "resource is file_system::File",
    "resource is file_system::Dir",
    "resource is file_system::File in file_system::Dir::\"/srv\"",
    "resource is file_system::Dir in file_system::Dir::\"/srv/data\"",
    "resource in file_system::Dir::\"/\"",
    "resource in file_system::Dir::\"/srv\"",
    "resource in file_system::Dir::\"/srv/data\"",
    "resource in file_system::Dir::\"/srv/data/a\"",
    "resource in file_system::File::\"/srv/data/a\"",
    "resource == file_system::File::\"/srv/data/a\"",
    "resource == file_system::Dir::\"/srv/data\"",
    "resource == systemd::Service::\"cron.service\"",
    "resource in systemd::Service::\"cron.service\"",
    "resource is process_system::Process",
    "resource is process_system::Process in process_system::Process::\"42\"",
    "resource == file_system::Dir::\"/srv/data/\"",
];

const CLAUSES: &[&str] = &[
    "true",
    "resource.path like \"/srv/*\"",
    "resource.path == \"/srv/data/a\"",
    "resource has path && resource.path like \"*a\"",
    "resource.name == \"cron.service\"",
    "resource.username == \"root\" && resource.pid == \"42\"",
    "resource in file_system::Dir::\"/srv\"",
    "resource in [file_system::Dir::\"/etc\", file_system::Dir::\"/srv/data\"]",
    "resource in [file_system::File::\"/srv/data/a\", resource]",
    "[file_system::File::\"/srv/data/a\", file_system::Dir::\"/srv\"].contains(resource)",
    "file_system::Dir::\"/srv\".path == \"/srv\"",
    "file_system::Dir::\"/srv\" in file_system::Dir::\"/\"",
    "file_system::Dir::\"/srv/data\" has path",
    "resource in file_system::Dir::\"/srv/data\" && file_system::Dir::\"/srv/data\" in file_system::Dir::\"/srv\"",
    "file_system::Action::\"open\" in file_system::Action::\"SafeIO\"",
    "action in file_system::Action::\"SafeIO\"",
    "action in [file_system::Action::\"read\", sysinfo::Action::\"SysinfoAction\"]",
    "action == file_system::Action::\"read\"",
    "action in action",
    "resource in resource",
    "resource in principal",
    "principal in User::\"root\"",
    "(if action == file_system::Action::\"read\" then resource else file_system::Dir::\"/srv\") in file_system::Dir::\"/\"",
    "(if resource is file_system::Dir then file_system::Dir::\"/srv\" else file_system::Dir::\"/srv/data\").path like \"/srv*\"",
    "{\"a\": file_system::Dir::\"/srv/data\"}.a in file_system::Dir::\"/srv\"",
    "resource in {\"a\": [file_system::Dir::\"/srv\"]}.a",
    "resource in (if resource is file_system::File then [file_system::Dir::\"/srv\"] else [file_system::Dir::\"/etc\"])",
    "file_system::Dir::\"/srv\" in resource",
    "[file_system::Dir::\"/srv\"].containsAny([resource, file_system::Dir::\"/srv\"])",
    "resource is file_system::Dir && resource != file_system::Dir::\"/srv\"",
    "file_system::Dir::\"/srv\" is file_system::Dir",
    "context.destination.name == \"b\"",
    "context has destination && context.destination.parent_path like \"/srv*\"",
    "1 + 1 == 2",
    "9223372036854775807 + 1 == 0",
    "resource.no_such == 1",
    "resource like \"x\"",
    "resource == \"x\" || resource.path < \"y\"",
    "principal.name == \"x\"",
    "resource.hasTag(\"x\")",
    "context has address && context.address.isInRange(ip(\"10.0.0.0/8\")) || context.hop < 2",
    "resource.command like \"*sshd*\" || resource.path like \"*\"",
];

pub(super) fn policy(dice: &mut Dice) -> String {
    let mut text = format!(
        "{}({}, {}, {})",
        dice.pick(&["permit", "permit", "forbid"]),
        dice.pick(HEAD_PRINCIPALS),
        dice.pick(HEAD_ACTIONS),
        dice.pick(HEAD_RESOURCES)
    );
    for _ in 0..dice.roll(3) {
        let (word, left, operator, right) = (
            dice.pick(&["when", "when", "unless"]),
            dice.pick(CLAUSES),
            dice.pick(&["&&", "||"]),
            dice.pick(CLAUSES),
        );
        text += &if dice.roll(2) == 0 {
            format!(" {word} {{ {left} }}")
        } else {
            format!(" {word} {{ ({left}) {operator} ({right}) }}")
        };
    }
    text + ";\n"
}

pub(super) fn questions() -> Vec<Question<'static>> {
    let mut questions = Vec::new();
    for action in ActionId::ALL {
        let mut resources = deciding::resources(*action);
        resources.extend(
            [
                ResourceRef::File("/srv/data/b"),
                ResourceRef::File("/etc/passwd"),
                ResourceRef::File("/top"),
                ResourceRef::Dir("/"),
                ResourceRef::Dir("/srv"),
                ResourceRef::Dir("/srv/data/a"),
                ResourceRef::Dir("/srv/data/a/deep/er"),
                ResourceRef::Service("other.service"),
            ]
            .into_iter()
            .filter(|resource| action.resources().contains(&resource.kind())),
        );
        let context = match action {
            ActionId::FileSystemMove => ContextRef::Move { path: "/srv/b", name: "b", parent_path: "/srv" },
            ActionId::FileSystemSetXAttr => ContextRef::XAttr { name: "user.a" },
            ActionId::NetworkGet => get("10.1.2.3", 0),
            ActionId::NetworkConnect => ContextRef::Connect { port: 443, protocol: "tcp", address: None },
            _ => ContextRef::None,
        };
        // What differs in nothing but its context is another question.
        if *action == ActionId::NetworkGet {
            for context in [get("127.0.0.1", 0), get("", 3)] {
                questions.extend(resources.iter().take(1).map(|resource| Question {
                    action: *action,
                    resource: *resource,
                    context,
                }));
            }
        }
        questions.extend(resources.into_iter().map(|resource| Question {
            action: *action,
            resource,
            context,
        }));
    }
    questions
}

fn get(address: &str, hop: u8) -> ContextRef<'static> {
    let address = address.parse().ok();
    ContextRef::Get { host: "example.com", port: 443, scheme: "https", hop, address }
}

/// The whole policy set, asked through Cedar's published interface.
struct Reference {
    policies: PolicySet,
    actions: Vec<Entity>,
}

impl Reference {
    fn new(text: &str, schema: &Schema) -> Self {
        let actions = schema.action_entities().unwrap().into_iter().collect();
        Self { policies: PolicySet::from_str(text).unwrap(), actions }
    }

    fn decide(&self, question: &Question<'_>) -> (bool, bool, BTreeSet<String>, usize) {
        let principal = uid("User", "root");
        let action = EntityUid::from_str(question.action.uid()).unwrap();
        let resource = uid(question.resource.kind().type_name(), &question.resource.id());
        let request = Request::new(principal, action, resource, context(&question.context), None).unwrap();
        let entities = Entities::from_entities(self.entities(&question.resource), None).unwrap();
        let response = Authorizer::new().is_authorized(&request, &self.policies, &entities);
        let failed: BTreeSet<String> = response
            .diagnostics()
            .errors()
            .map(|error| match error {
                cedar_policy::AuthorizationError::PolicyEvaluationError(error) => error.policy_id().clone(),
            })
            .filter(|id| self.policies.policy(id).unwrap().effect() == Effect::Forbid)
            .map(|id| id.to_string())
            .collect();
        let reasons: BTreeSet<String> = response.diagnostics().reason().map(ToString::to_string).collect();
        let errors = response.diagnostics().errors().count();
        match response.decision() {
            Decision::Allow if failed.is_empty() => (true, false, reasons, errors),
            // The one difference: a forbid that cannot be evaluated forbids.
            Decision::Allow => (false, true, failed, errors),
            Decision::Deny if reasons.is_empty() && !failed.is_empty() => (false, true, failed, errors),
            Decision::Deny => (false, false, reasons, errors),
        }
    }

    fn entities(&self, resource: &ResourceRef<'_>) -> Vec<Entity> {
        let mut all = self.actions.clone();
        let own = uid(resource.kind().type_name(), &resource.id());
        match *resource {
            ResourceRef::File(path) | ResourceRef::Dir(path) => {
                all.push(path_entity(own, path));
                all.extend(ancestors(path).map(|path| path_entity(uid("file_system::Dir", path), path)));
            }
            ResourceRef::Process(process) => all.push(process_entity(own, &process)),
            ResourceRef::Hostname(text) => all.push(entity(own, &[("hostname", text)], HashSet::new())),
            ResourceRef::Url(text) => all.push(entity(own, &[("url", text)], HashSet::new())),
            ResourceRef::Service(text) => all.push(entity(own, &[("name", text)], HashSet::new())),
            ResourceRef::Sysinfo | ResourceRef::Systemd | ResourceRef::Sysctl => {
                all.push(entity(own, &[], HashSet::new()))
            }
        }
        all
    }
}

fn process_entity(own: EntityUid, process: &ProcessRef<'_>) -> Entity {
    let ProcessRef { pid, name, username, command, uid, start_time, exe } = *process;
    let text = |value: &str| RestrictedExpression::new_string(value.to_owned());
    let mut attributes: HashMap<String, RestrictedExpression> = [
        ("pid", text(&pid.to_string())),
        ("name", text(name)),
        ("username", text(username)),
        ("command", text(command)),
        ("uid", RestrictedExpression::new_long(uid.into())),
        ("start_time", RestrictedExpression::new_long(start_time)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    attributes.extend(exe.map(|exe| ("exe".to_owned(), text(exe))));
    Entity::new(own, attributes, HashSet::new()).expect("plain attributes")
}

fn uid(kind: &str, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(EntityTypeName::from_str(kind).unwrap(), EntityId::new(id))
}

fn path_entity(own: EntityUid, path: &str) -> Entity {
    let parents = ancestors(path).take(1).map(|path| uid("file_system::Dir", path)).collect();
    entity(own, &[("path", path)], parents)
}

fn entity(own: EntityUid, attributes: &[(&str, &str)], parents: HashSet<EntityUid>) -> Entity {
    let attributes: HashMap<String, RestrictedExpression> = attributes
        .iter()
        .map(|(name, value)| ((*name).to_owned(), RestrictedExpression::new_string((*value).to_owned())))
        .collect();
    Entity::new(own, attributes, parents).unwrap()
}

fn ip(address: IpAddr) -> RestrictedExpression {
    RestrictedExpression::new_ip(address.to_string())
}

fn context(context: &ContextRef<'_>) -> Context {
    let record =
        |fields: &[(&str, &str)]| {
            RestrictedExpression::new_record(fields.iter().map(|(name, value)| {
                ((*name).to_owned(), RestrictedExpression::new_string((*value).to_owned()))
            }))
            .unwrap()
        };
    let pairs = match *context {
        ContextRef::None | ContextRef::Execute(_) | ContextRef::Program(_) => Vec::new(),
        ContextRef::Get { host, port, scheme, hop, address } => {
            let mut pairs = vec![
                ("host".to_owned(), RestrictedExpression::new_string(host.to_owned())),
                ("port".to_owned(), RestrictedExpression::new_long(port.into())),
                ("scheme".to_owned(), RestrictedExpression::new_string(scheme.to_owned())),
                ("hop".to_owned(), RestrictedExpression::new_long(hop.into())),
            ];
            pairs.extend(address.map(|address| ("address".to_owned(), ip(address))));
            pairs
        }
        ContextRef::Connect { port, protocol, address } => {
            let mut pairs = vec![
                ("port".to_owned(), RestrictedExpression::new_long(port.into())),
                ("protocol".to_owned(), RestrictedExpression::new_string(protocol.to_owned())),
            ];
            pairs.extend(address.map(|address| ("address".to_owned(), ip(address))));
            pairs
        }
        ContextRef::XAttr { name } => vec![("xattr".to_owned(), record(&[("name", name)]))],
        ContextRef::Move { path, name, parent_path } => {
            vec![(
                "destination".to_owned(),
                record(&[("path", path), ("name", name), ("parent_path", parent_path)]),
            )]
        }
    };
    Context::from_pairs(pairs).unwrap()
}

/// Neither the index, nor the entities that are left out, nor the memory changes an answer.
#[test]
fn every_answer_is_that_of_cedar_over_the_whole_set() {
    let schema =
        Schema::from_cedarschema_str(include_str!("../../../../policies/rex.cedarschema")).unwrap().0;
    let questions = questions();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let (mut permitted, mut denied, mut failed) = (0, 0, 0);

    for round in 0..rounds() {
        let broad = ["", "permit(principal, action, resource);\n"][dice.roll(2)];
        let text: String = std::iter::once(broad.to_owned())
            .chain((0..1 + dice.roll(9)).map(|_| policy(&mut dice)))
            .collect();
        let reference = Reference::new(&text, &schema);
        let mut engine = Engine::new(load(&text, Mode::Rex).unwrap().policies, "root");
        let mut forgetful = Engine::new(load(&text, Mode::Rex).unwrap().policies, "root").with_cache(false);
        for _ in 0..20 {
            let question = &questions[dice.roll(questions.len())];
            let (is_permitted, is_failed, determining, errors) = reference.decide(question);
            for verdict in [engine.decide(question), engine.decide(question), forgetful.decide(question)] {
                let own: BTreeSet<String> = verdict.determining.iter().cloned().collect();
                assert_eq!(
                    (verdict.permitted, verdict.failed, own, verdict.errors.len()),
                    (is_permitted, is_failed, determining.clone(), errors),
                    "round {round}: {question:?}\n{text}"
                );
            }
            match (is_permitted, is_failed) {
                (true, _) => permitted += 1,
                (false, true) => failed += 1,
                (false, false) => denied += 1,
            }
        }
    }

    // A comparison in which everything is denied would prove little.
    let least = rounds() / 4;
    assert!(permitted > least && denied > least && failed > least, "{permitted} {denied} {failed}");
}

/// More rounds take longer and are worth it after a change: `REX_POLICY_ROUNDS=20000`.
pub(super) fn rounds() -> usize {
    std::env::var("REX_POLICY_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(100)
}

/// Heads are checked without the schema. The answer is that of the validator.
#[test]
fn heads_are_refused_just_when_the_validator_finds_fault() {
    let schema =
        Schema::from_cedarschema_str(include_str!("../../../../policies/rex.cedarschema")).unwrap().0;
    let validator = Validator::new(schema);
    let principals = [
        "principal == file_system::Dir::\"/a\"",
        "principal is file_system::File",
        "principal == Nobody::\"x\"",
    ];
    let actions = [
        "action == file_system::Action::\"raed\"",
        "action == network::Action::\"connect\"",
        "action in [sysctl::Action::\"load\", file_system::Action::\"unmount\"]",
    ];
    let resources = [
        "resource is User",
        "resource is network::url",
        "resource is network::URL",
        "resource in sysctl::Sysctl::\"x\"",
        "resource is file_system::Arguments",
        "resource is systemd::Service in file_system::Dir::\"/a\"",
    ];

    for principal in HEAD_PRINCIPALS.iter().skip(2).chain(&principals) {
        for action in HEAD_ACTIONS.iter().skip(1).step_by(2).chain(&actions) {
            // The validator has no opinion on the form of paths.
            for resource in HEAD_RESOURCES.iter().filter(|head| !head.contains("/\"")).chain(&resources) {
                let text = format!("forbid({principal}, {action}, {resource});");
                let result = validator.validate(&PolicySet::from_str(&text).unwrap(), ValidationMode::Strict);
                // The validator has no opinion on what is in nothing but itself, or has only one name.
                let is_own = |finding: &Finding| {
                    ["true of", "there is only one", "is never in", "is ever `"]
                        .iter()
                        .any(|words| finding.message.contains(words))
                };
                let is_clean = match load(&text, Mode::Strict) {
                    Ok(_) => true,
                    Err(errors) => errors.findings().iter().all(is_own),
                };
                // A list of actions may run across namespaces: the strict validator objects, evaluation does not.
                let only_mixed =
                    |error: &ValidationError| matches!(error, ValidationError::IncompatibleTypes(_));
                let expected =
                    result.validation_errors().all(only_mixed) && result.validation_warnings().count() == 0;

                assert_eq!(is_clean, expected, "{text}\n{result:?}");
            }
        }
    }
}
