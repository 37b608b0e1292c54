//! The narrowest policy text that permits a question.

use cedar_policy_core::ast::PrincipalOrResourceConstraint;
use cedar_policy_core::parser;
use cedar_policy_core::validator::ValidationMode;
use rex_ipc::action::ResourceKind;

use super::arguments::Sorted;
use super::question::{ContextRef, ExecuteContext, Question, ResourceRef};
use super::vocabulary::{self, Vocabulary};
use super::{entities, schema};

/// A policy that permits this question to this principal and, as far as policies can tell questions apart, no other.
///
/// What does not last is left out: the number of a process and when it was started, the address that a host had, the redirect
/// that led to a URL. A process is described by its name, owner, command line and, where the kernel tells, program; a thing
/// of which there is one by its type.
///
/// Nothing when it would be longer than [`MAX_BYTES`], when the strict validator objects, or when the question cannot
/// be put to a policy at all.
pub(super) fn text(question: &Question<'_>, principal: &str) -> Option<String> {
    let words = Vocabulary::new();
    // A question with one argument twice is denied whatever the policy says.
    entities::scene(&words, &entities::Horizon::nothing(), question, None)?;
    let kind = question.resource.kind();
    let resource = match kind {
        ResourceKind::Sysinfo | ResourceKind::Systemd | ResourceKind::Sysctl | ResourceKind::Process => {
            format!("resource is {}", kind.type_name())
        }
        _ => format!("resource == {}", vocabulary::uid(words.kind(kind), &question.resource.id())),
    };
    let head = format!(
        "permit(principal == {}, action == {}, {resource})",
        words.principal(principal),
        question.action.uid()
    );
    let clauses = clauses(question);
    let text = if clauses.is_empty() {
        format!("{head};")
    } else {
        format!("{head} when {{ {} }};", clauses.join(" && "))
    };
    (text.len() <= MAX_BYTES && is_valid(&text)).then_some(text)
}

/// A text of [`text`] without its conditions, where it is about a type.
pub(super) fn of_type(grant: &str) -> Option<String> {
    let set = parser::parse_policyset(grant).ok()?;
    let policy = set.all_templates().next()?;
    let resource = policy.resource_constraint();
    if !matches!(resource.as_inner(), PrincipalOrResourceConstraint::Is(_)) {
        return None;
    }
    let (principal, action) = (policy.principal_constraint(), policy.action_constraint());
    let text = format!("permit({principal}, {action}, {resource});");
    is_valid(&text).then_some(text)
}

/// Whether it is one policy that loading accepts and in which the strict validator finds no fault.
fn is_valid(text: &str) -> bool {
    let source = super::PolicyText { name: "grant", text };
    let Ok(loaded) = super::Policies::load(&[source], super::Mode::Standard) else { return false };
    let Ok(set) = parser::parse_policyset(text) else { return false };
    loaded.policies.len() == 1
        && schema::validator().validate(&set, ValidationMode::Strict).validation_passed()
}

fn clauses(question: &Question<'_>) -> Vec<String> {
    let mut clauses = Vec::new();
    if let ResourceRef::Process(process) = question.resource {
        clauses.push(equals("resource.name", process.name));
        clauses.push(equals("resource.username", process.username));
        clauses.push(equals("resource.command", process.command));
        // The kernel's word; name and command line are the process's own.
        if let Some(exe) = process.exe {
            clauses.push(format!("resource has exe && {}", equals("resource.exe", exe)));
        }
    }
    match question.context {
        // A URL says all that there is to say; where it leads is asked about, too, when it leads where others do not.
        ContextRef::None | ContextRef::Get { .. } => {}
        ContextRef::Connect { port, protocol, .. } => {
            clauses.push(format!("context.port == {port}"));
            clauses.push(equals("context.protocol", protocol));
        }
        ContextRef::XAttr { name } => clauses.push(equals("context.xattr.name", name)),
        ContextRef::Move { path, .. } => clauses.push(equals("context.destination.path", path)),
        ContextRef::Execute(execute) => execute_clauses(execute, &mut clauses),
        ContextRef::Program(program) => program.with(|execute| execute_clauses(execute, &mut clauses)),
    }
    clauses
}

/// Everything that the policy can see of the program to be started.
fn execute_clauses(execute: &ExecuteContext<'_>, clauses: &mut Vec<String>) {
    clauses.push(equals("context.user.username", execute.username));
    clauses.push(format!("context.user.uid == {}", execute.uid));
    clauses.push(equals("context.group.groupname", execute.groupname));
    clauses.push(format!("context.group.gid == {}", execute.gid));
    clauses.push(match execute.target_process_id {
        Some(pid) => format!("context has namespace && context.namespace.target_process_id == {pid}"),
        None => "!(context has namespace)".to_owned(),
    });
    clauses.push(equals("context.command_line", &execute.command_line()));
    clauses.push(same_set("context.capabilities", execute.capabilities));
    let Sorted { keys, flags, positional, mut tags } = Sorted::of(execute.arguments);
    clauses.push(same_set("context.arguments.keys", &keys));
    clauses.push(same_set("context.arguments.flags", &flags));
    clauses.push(same_set("context.arguments.positional_values", &positional));
    tags.sort();
    tags.dedup();
    // What has several values is told apart by the command line alone.
    let names: Vec<String> = tags.iter().map(|(name, _)| name.clone()).collect();
    tags.retain(|(name, _)| names.iter().filter(|other| *other == name).count() == 1);
    clauses.extend(tags.iter().map(|(name, value)| same_tag("context.arguments", name, value)));
    // A word that is given once more changes no set, but it has a number of its own.
    clauses.push(format!("!context.arguments.hasTag(\"$ARG{}\")", flags.len() + positional.len()));
    let names: Vec<&str> = execute.environment.iter().map(|(name, _)| *name).collect();
    clauses.push(same_set("context.environment.names", &names));
    let mut variables = execute.environment.to_vec();
    variables.sort_unstable();
    variables.dedup();
    clauses.extend(variables.iter().map(|(name, value)| same_tag("context.environment", name, value)));
}

fn equals(name: &str, text: &str) -> String {
    format!("{name} == {}", quoted(text))
}

fn same_set(name: &str, words: &[&str]) -> String {
    if words.is_empty() {
        // Cedar gives an empty list no type.
        return format!("{name}.isEmpty()");
    }
    let mut words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    words.sort_unstable();
    words.dedup();
    format!("{name} == [{}]", words.join(", "))
}

fn same_tag(owner: &str, name: &str, value: &str) -> String {
    let name = quoted(name);
    format!("{owner}.hasTag({name}) && {owner}.getTag({name}) == {}", quoted(value))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.escape_debug())
}

/// Longer ones are of no help to anybody.
const MAX_BYTES: usize = 16 << 10;
