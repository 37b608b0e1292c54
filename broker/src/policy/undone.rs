//! Which forbids on content a permitted move undoes: the policy knows names, and a move gives another one.
//!
//! Within one run the broker remembers what was moved. The next run knows only the new name. No function of the SDK
//! makes a hard link or mounts anything, and symbolic links are decided on where they lead, so moves are all there is.

use std::collections::BTreeSet;

use cedar_policy_core::ast::Effect;
use rex_ipc::action::{ActionId, ResourceKind};

use super::finding::{Finding, Severity, Source};
use super::narrow::{self, Area, Reach};
use super::policies::{Policies, Rule};
use super::question::{ContextRef, Question, ResourceRef};
use super::{Engine, PolicyText};

/// A warning for each forbid on content that a move undoes, with the statements that close the way.
pub fn undone(policies: Policies, texts: &[PolicyText<'_>]) -> Vec<Finding> {
    let mut open: Vec<Open> = Vec::new();
    let principals = principals(&policies);
    let mut policies = policies;
    for principal in principals {
        let mut engine = Engine::new(policies, &principal);
        let forbids: Vec<(usize, Vec<Area>)> = engine
            .policies()
            .rules
            .iter()
            .enumerate()
            .filter_map(|(at, rule)| Some((at, areas(rule, engine.policies())?)))
            .take(MAX_LOOKED_AT)
            .collect();
        for (rule, areas) in forbids {
            for way in areas.iter().flat_map(ways).filter(|way| way.is_permitted(&mut engine)) {
                match open.iter_mut().find(|open| open.rule == rule) {
                    Some(open) => drop(open.ways.insert(way)),
                    None => open.push(Open { rule, ways: BTreeSet::from([way]) }),
                }
            }
        }
        policies = engine.into_policies();
    }
    open.sort_by_key(|open| open.rule);
    open.iter().filter_map(|open| open.finding(&policies, texts)).collect()
}

/// A forbid, and what moves although it stands.
struct Open {
    rule: usize,
    ways: BTreeSet<Way>,
}

/// Something that might move.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// A directory above what is forbidden.
    Above(String),
    /// Anything in a directory, and the directory.
    Within(String),
    /// A file.
    File(String),
}

impl Open {
    fn finding(&self, policies: &Policies, texts: &[PolicyText<'_>]) -> Option<Finding> {
        let rule = policies.rules.get(self.rule)?;
        let text = texts.iter().find(|text| text.name == rule.place.file)?;
        let moved = self.ways.first()?.name();
        let message = format!(
            "a move of `{}` is permitted, and this does not hold for what was moved in an earlier run",
            moved.escape_debug()
        );
        let close: Vec<String> = self.ways.iter().map(Way::closed).collect();
        let mut finding = Source::new(text.name, text.text).finding(Severity::Warning, (0, 0), message);
        (finding.line, finding.column) = (rule.place.line, rule.place.column);
        finding.hint = Some(format!("add {}", close.join(" ")));
        finding.policy_id = Some(rule.id.clone());
        Some(finding)
    }
}

impl Way {
    fn name(&self) -> &str {
        match self {
            Self::Above(name) | Self::Within(name) | Self::File(name) => name,
        }
    }

    /// The statement that closes it.
    fn closed(&self) -> String {
        let head = r#"forbid(principal, action == file_system::Action::"move", resource"#;
        let name = self.name().escape_debug();
        match self {
            Self::Above(_) => format!(r#"{head} == file_system::Dir::"{name}");"#),
            Self::Within(_) => format!(r#"{head} in file_system::Dir::"{name}");"#),
            Self::File(_) => format!(r#"{head} == file_system::File::"{name}");"#),
        }
    }

    /// Whether some permit is about it, wherever it may move, and nothing forbids it.
    fn is_permitted(&self, engine: &mut Engine) -> bool {
        let below = format!("{}/x", self.name());
        let moves: &[(ResourceKind, &str)] = match self {
            Self::Above(name) => &[(ResourceKind::Dir, name)],
            Self::Within(name) => {
                &[(ResourceKind::Dir, name), (ResourceKind::Dir, &below), (ResourceKind::File, &below)]
            }
            Self::File(name) => &[(ResourceKind::File, name)],
        };
        moves.iter().any(|(kind, name)| may_move(engine, *kind, name))
    }
}

fn may_move(engine: &mut Engine, kind: ResourceKind, name: &str) -> bool {
    let policies = engine.policies();
    let is_about = |rule: &Rule| match narrow::reach(&rule.condition, kind, &policies.words) {
        Reach::All => true,
        Reach::Only(areas) => areas.iter().any(|area| matches(area, name)),
    };
    let permits = |rule: &&Rule| {
        rule.effect == Effect::Permit && rule.scope.names_action(ActionId::FileSystemMove) && is_about(rule)
    };
    if !policies.rules.iter().any(|rule| permits(&rule)) {
        return false;
    }
    let resource = if kind == ResourceKind::Dir { ResourceRef::Dir(name) } else { ResourceRef::File(name) };
    let context = ContextRef::Move { path: "/x", name: "x", parent_path: "/" };
    let verdict = engine.decide(&Question { context, ..Question::new(ActionId::FileSystemMove, resource) });
    // Where nothing permits this destination, another one may be permitted.
    verdict.permitted || verdict.determining.is_empty()
}

fn matches(area: &Area, name: &str) -> bool {
    match area {
        Area::Exactly(exactly) => exactly == name,
        Area::Beneath(above) => above == name || ancestors(name).any(|directory| directory == above),
    }
}

/// The directories above a path, nearest first.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(parent(path), |path| parent(path))
}

fn parent(path: &str) -> Option<&str> {
    match path.rsplit_once('/')? {
        ("", "") => None,
        ("", _) => Some("/"),
        (before, _) => Some(before),
    }
}

/// Where the content lies that a rule forbids; nothing for other rules, and for those about everything.
fn areas(rule: &Rule, policies: &Policies) -> Option<Vec<Area>> {
    let is_about_content = CONTENT.iter().any(|action| rule.scope.names_action(*action));
    if rule.effect != Effect::Forbid || !is_about_content {
        return None;
    }
    match narrow::reach(&rule.condition, ResourceKind::File, &policies.words) {
        Reach::All => None,
        Reach::Only(areas) => Some(areas),
    }
}

fn ways(area: &Area) -> Vec<Way> {
    let (name, own) = match area {
        Area::Exactly(name) => (name, Way::File(name.clone())),
        Area::Beneath(name) => (name, Way::Within(name.clone())),
    };
    if name == "/" || !name.starts_with('/') {
        return Vec::new();
    }
    // Nothing moves the root directory.
    let above = ancestors(name).filter(|directory| *directory != "/");
    above.map(|directory| Way::Above(directory.to_owned())).chain([own]).collect()
}

/// Whoever a head names, and somebody who is not named.
fn principals(policies: &Policies) -> BTreeSet<String> {
    let named =
        policies.rules.iter().filter_map(|rule| rule.template.principal_constraint().as_inner().get_euid());
    let named = named.map(|uid| {
        let name: &str = uid.eid().as_ref();
        name.to_owned()
    });
    named.take(MAX_PRINCIPALS).chain(["uid:1".to_owned()]).collect()
}

const CONTENT: [ActionId; 3] =
    [ActionId::FileSystemRead, ActionId::FileSystemRedactedRead, ActionId::FileSystemWrite];
/// More are looked at by nobody.
const MAX_LOOKED_AT: usize = 1_000;
const MAX_PRINCIPALS: usize = 16;

#[cfg(test)]
mod tests {
    use super::super::{Mode, Policies};
    use super::*;

    fn found(text: &str) -> Vec<Finding> {
        let texts = [PolicyText { name: "a.cedar", text }];
        let loaded = Policies::load(&texts, Mode::Standard).unwrap_or_else(|errors| panic!("{errors}"));
        undone(loaded.policies, &texts)
    }

    const OPEN: &str = r#"permit(principal, action in file_system::Action::"SafeIO", resource in file_system::Dir::"/srv");"#;

    #[test]
    fn what_the_hint_says_closes_it() {
        for forbid in [
            r#"forbid(principal, action == file_system::Action::"read", resource == file_system::File::"/srv/a/key");"#,
            r#"forbid(principal, action == file_system::Action::"write", resource in file_system::Dir::"/srv/a/b");"#,
            r#"forbid(principal, action in file_system::Action::"SafeIO", resource in file_system::Dir::"/srv/a") unless { action == file_system::Action::"move" };"#,
            r#"forbid(principal, action == file_system::Action::"redacted_read", resource) when { resource is file_system::File && resource.path == "/srv/a/k" };"#,
            r#"forbid(principal == User::"m", action == file_system::Action::"read", resource in file_system::Dir::"/srv/a/b");"#,
        ] {
            let text = format!("{OPEN}\n{forbid}");
            let findings = found(&text);
            assert_eq!(findings.len(), 1, "{forbid}");
            assert_eq!(findings[0].line, 2, "{forbid}");

            let close = findings[0].hint.as_deref().unwrap().strip_prefix("add ").unwrap();

            assert!(found(&format!("{text}\n{close}")).is_empty(), "{close}");
        }
    }

    #[test]
    fn what_no_move_undoes_is_not_told() {
        let read = r#"forbid(principal, action == file_system::Action::"read", resource in file_system::Dir::"/etc/x");"#;
        for text in [
            format!("{OPEN}\n{read}"),
            format!("{OPEN}\n{}", read.replace(r#"in file_system::Dir::"/etc/x""#, "")),
            format!("{OPEN}\n{}", read.replace("read", "stat").replace("/etc/x", "/srv/x")),
            read.to_owned(),
            r#"permit(principal, action == file_system::Action::"read", resource);
               forbid(principal, action == file_system::Action::"read", resource in file_system::Dir::"/srv/x");"#
                .to_owned(),
        ] {
            assert_eq!(found(&text), [], "{text}");
        }
    }
}
