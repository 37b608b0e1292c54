//! `in`, where nothing is in anything: only directories hold something, groups users, and purposes each other.

use cedar_policy_core::ast::{EntityUID, Expr, ExprKind, Literal, Var};
use rex_ipc::action::ResourceKind;

use super::super::check::{Report, Span};
use super::super::finding::Severity;
use super::super::parse::Parsed;
use super::super::vocabulary::{KINDS, Vocabulary};
use super::language::Language;

/// Looks at `subject in object`.
///
/// A list of several is left alone: `principal in [User::"a", User::"b"]` is how people write "one of these".
pub(super) fn check(
    parsed: &Parsed,
    (subject, object): (&Expr, &Expr),
    place: Span,
    words: &Vocabulary,
    report: &mut Report<'_>,
) {
    let ExprKind::Var(subject) = subject.expr_kind() else { return };
    let (uids, is_list) = match object.expr_kind() {
        ExprKind::Set(items) => (items.iter().filter_map(literal).collect(), items.len() > 1),
        _ => (literal(object).into_iter().collect::<Vec<_>>(), false),
    };
    for uid in uids {
        // The head's names carry their own place.
        let place = uid.loc().map(|loc| (loc.start(), loc.end())).or(place);
        match relation(*subject, uid, words) {
            Relation::Fits => {}
            Relation::Never => {
                let message = format!("{} is never in `{uid}`, so this is never true", thing(*subject));
                let hint = format!("write `{subject} in` with {}", holders(*subject));
                report.add(parsed, Severity::Error, place, message, Some(hint));
            }
            Relation::Itself if is_list => {}
            Relation::Itself => {
                let (message, hint) = only_itself(*subject, uid, words);
                report.add(parsed, Severity::Warning, place, message, Some(hint));
            }
        }
    }
}

enum Relation {
    /// It may hold the subject, or nothing is known of its type.
    Fits,
    /// It can only be the subject.
    Itself,
    /// Neither.
    Never,
}

fn relation(subject: Var, uid: &EntityUID, words: &Vocabulary) -> Relation {
    let ty = uid.entity_type();
    let kind = KINDS.into_iter().find(|kind| words.kind(*kind) == ty);
    let is_user = ty == words.user();
    let is_action = words.actions().any(|(_, names)| names.uid.entity_type() == ty);
    match (subject, kind) {
        (Var::Principal, _) if is_user => Relation::Itself,
        (Var::Resource, Some(ResourceKind::Dir)) => Relation::Fits,
        (Var::Resource, Some(_)) => Relation::Itself,
        (Var::Action, _) if is_action => Relation::Fits,
        (Var::Principal | Var::Resource | Var::Action, _) if is_user || is_action || kind.is_some() => {
            Relation::Never
        }
        _ => Relation::Fits,
    }
}

fn only_itself(subject: Var, uid: &EntityUID, words: &Vocabulary) -> (String, String) {
    let ty = uid.entity_type();
    let name = uid.eid().escaped();
    if subject == Var::Principal {
        return (
            format!("a user is no group: this is true of the user `{name}` alone"),
            format!(
                "write `principal == {uid}` if that user is meant, `[User::\"a\", User::\"b\"].contains(principal)` for several, and `principal in Group::\"{name}\"` for a group that a delegation names"
            ),
        );
    }
    let beyond = if ty == words.kind(ResourceKind::File) {
        let dir = words.kind(ResourceKind::Dir);
        format!(", or `resource in {dir}::\"{name}\"` if it is a directory, with everything in it")
    } else if ty == words.kind(ResourceKind::Url) {
        format!(", or `resource.url like \"{name}/*\"` for what is below it")
    } else {
        String::new()
    };
    (
        format!("nothing is in a `{ty}` but itself: this is true of `{name}` alone"),
        format!("write `resource == {uid}`{beyond}"),
    )
}

fn thing(subject: Var) -> &'static str {
    match subject {
        Var::Principal => "a user",
        Var::Action => "an action",
        _ => "a resource",
    }
}

fn holders(subject: Var) -> &'static str {
    match subject {
        Var::Principal => {
            "a group that a delegation names, such as `Group::\"staff\"`, or name the user: `principal == User::\"root\"`"
        }
        Var::Action => "a group of actions, such as `file_system::Action::\"SafeIO\"`",
        _ => "a directory, such as `file_system::Dir::\"/srv\"`",
    }
}

/// Why there can be no resource of that name: of some there is only one, and processes have numbers.
pub(super) fn no_such_name(uid: &EntityUID, words: &Vocabulary) -> Option<(String, String)> {
    let ty = uid.entity_type();
    let name: &str = uid.eid().as_ref();
    match KINDS.into_iter().find(|kind| words.kind(*kind) == ty)? {
        ResourceKind::Sysinfo | ResourceKind::Systemd | ResourceKind::Sysctl if name != "host" => Some((
            format!("there is only one `{ty}`, and it is not named `{}`", uid.eid().escaped()),
            format!("write `resource is {ty}`"),
        )),
        ResourceKind::Process if !Language::Number.has(name) => Some((
            Language::Number.never(name),
            format!(
                "numbers do not last either; for a process by its name write `resource is {ty} && resource.name == \"{}\"`",
                uid.eid().escaped()
            ),
        )),
        _ => None,
    }
}

/// What speaks against a unit of that name: systemd refuses it, whatever a policy permits.
pub(super) fn no_unit(uid: &EntityUID, words: &Vocabulary) -> Option<(String, String)> {
    let ty = uid.entity_type();
    if ty != words.kind(ResourceKind::Service) {
        return None;
    }
    let name: &str = uid.eid().as_ref();
    let shown = uid.eid().escaped();
    let never = |why: &str| format!("no unit is named `{shown}`: {why}");
    let suffix = name.rsplit_once('.').map(|(_, suffix)| suffix);
    if !suffix.is_some_and(|suffix| UNIT_TYPES.contains(&suffix)) {
        return Some((
            never("names of units are not completed, and this one does not end with the type of one"),
            format!("write `{ty}::\"{shown}.service\"` if that service is meant"),
        ));
    }
    let prefix = name.rsplit_once('.').map_or("", |(prefix, _)| prefix);
    if prefix.ends_with('@') {
        return Some((
            never("it is a template, and only its instances are started"),
            format!(
                "write the name of an instance, as `{ty}::\"{}NAME.{}\"`",
                prefix,
                suffix.unwrap_or_default()
            ),
        ));
    }
    let is_valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_' | '.' | '\\' | '@');
    if prefix.is_empty()
        || prefix.starts_with('@')
        || name.len() > MAX_UNIT_BYTES
        || !name.chars().all(is_valid)
    {
        return Some((
            never("systemd takes letters, digits and `:-_.\\@` in at most 255 characters"),
            "`systemctl list-units --all` shows the names as systemd has them".to_owned(),
        ));
    }
    None
}

/// systemd.unit(5): the types of units, and how long a name may be.
const UNIT_TYPES: [&str; 11] = [
    "service",
    "socket",
    "device",
    "mount",
    "automount",
    "swap",
    "target",
    "path",
    "timer",
    "slice",
    "scope",
];
const MAX_UNIT_BYTES: usize = 255;

fn literal(expr: &Expr) -> Option<&EntityUID> {
    match expr.expr_kind() {
        ExprKind::Lit(Literal::EntityUID(uid)) => Some(uid),
        _ => None,
    }
}
