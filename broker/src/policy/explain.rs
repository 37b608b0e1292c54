//! Why a question was answered as it was, and what would change the answer.

use rex_ipc::action::ResourceKind;

use super::engine::Verdict;
use super::policies::Policies;
use super::question::{ContextRef, Question, ResourceRef};
use super::vocabulary::{self, Vocabulary};

/// The grounds of a verdict, one line each, with the place of every policy named.
pub fn reasons(verdict: &Verdict, policies: &Policies) -> Vec<String> {
    let word = match (verdict.permitted, verdict.failed) {
        (true, _) => "permitted by",
        (false, true) => "denied because it could not be evaluated:",
        (false, false) => "forbidden by",
    };
    let named = |id: &String| match policies.place(id) {
        Some(place) => format!("{word} `{id}` ({}:{})", place.file, place.line),
        None => format!("{word} `{id}`"),
    };
    let mut lines: Vec<String> = verdict.determining.iter().map(named).collect();
    if lines.is_empty() && !verdict.failed {
        lines.push("no permit matches".to_owned());
    }
    lines.extend(verdict.errors.iter().cloned());
    lines
}

/// The narrowest policy that permits exactly this question, or nothing if a forbid stands in its way.
///
/// Process ids and the names of things of which there is one do not last, so these are granted by what does.
pub fn grant(question: &Question<'_>, verdict: &Verdict, principal: &str) -> Option<String> {
    let nothing_matches = !verdict.permitted && !verdict.failed && verdict.determining.is_empty();
    if !nothing_matches {
        return None;
    }
    let words = Vocabulary::new();
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
    Some(if clauses.is_empty() {
        format!("{head};")
    } else {
        format!("{head} when {{ {} }};", clauses.join(" && "))
    })
}

fn clauses(question: &Question<'_>) -> Vec<String> {
    let equals = |name: &str, text: &str| format!("{name} == \"{}\"", text.escape_debug());
    let mut clauses = Vec::new();
    if let ResourceRef::Process(process) = question.resource {
        clauses.push(equals("resource.name", process.name));
        clauses.push(equals("resource.username", process.username));
    }
    match question.context {
        ContextRef::None => {}
        ContextRef::XAttr { name } => clauses.push(equals("context.xattr.name", name)),
        ContextRef::Move { path, .. } => clauses.push(equals("context.destination.path", path)),
        ContextRef::Execute(execute) => {
            clauses.push(format!("context.user.uid == {}", execute.uid));
            clauses.push(format!("context.group.gid == {}", execute.gid));
        }
    }
    clauses
}
