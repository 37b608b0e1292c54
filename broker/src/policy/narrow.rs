//! Which resources a condition can be true of, read off its text.
//!
//! Of a resource outside the answer the condition is false, and its evaluation does not err. Inside, anything is possible.
//! So the answer may be too wide and must never be too narrow.

use cedar_policy_core::ast::{BinaryOp, EntityUID, Expr, ExprKind, Literal, PatternElem, UnaryOp, Var};
use rex_ipc::action::ResourceKind;

use super::vocabulary::Vocabulary;

/// Resources of one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    All,
    /// The union of these; none at all if there are none.
    Only(Vec<Area>),
}

/// Resources whose name is that text, or begins with it and a slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Area {
    Exactly(String),
    Beneath(String),
}

/// What is known of one condition.
struct Known {
    reach: Reach,
    /// Whether it is true or false for every resource of the type, and never errs.
    total: bool,
}

/// The resources of that type of which the condition can be true, or can err.
pub(super) fn reach(condition: &Expr, kind: ResourceKind, words: &Vocabulary) -> Reach {
    Reader { kind, words }.read(condition).reach
}

/// Whether the condition is true or false of every resource of that type, whatever else is asked, and never errs.
pub(super) fn never_errs(condition: &Expr, kind: ResourceKind, words: &Vocabulary) -> bool {
    Reader { kind, words }.read(condition).total
}

impl Reach {
    pub(super) const NONE: Self = Self::Only(Vec::new());

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Only(mut one), Self::Only(mut other)) => {
                one.append(&mut other);
                Self::Only(one)
            }
            _ => Self::All,
        }
    }

    /// The narrower of two answers that both hold.
    fn and(self, other: Self) -> Self {
        let weight = |reach: &Self| match reach {
            Self::All => (usize::MAX, 0),
            // Fewer areas first, then the longer names.
            Self::Only(areas) => (areas.len(), usize::MAX - areas.iter().map(Area::length).sum::<usize>()),
        };
        if weight(&other) < weight(&self) { other } else { self }
    }
}

impl Area {
    fn length(&self) -> usize {
        match self {
            Self::Exactly(text) | Self::Beneath(text) => text.len(),
        }
    }
}

struct Reader<'a> {
    kind: ResourceKind,
    words: &'a Vocabulary,
}

impl Reader<'_> {
    fn read(&self, expr: &Expr) -> Known {
        match expr.expr_kind() {
            ExprKind::Lit(Literal::Bool(true)) => Known { reach: Reach::All, total: true },
            ExprKind::Lit(Literal::Bool(false)) => Known { reach: Reach::NONE, total: true },
            ExprKind::And { left, right } => {
                let (left, right) = (self.read(left), self.read(right));
                // Where the left side could err, the right side says nothing.
                let reach = if left.total { left.reach.and(right.reach) } else { left.reach };
                Known { reach, total: left.total && right.total }
            }
            ExprKind::Or { left, right } => {
                let (left, right) = (self.read(left), self.read(right));
                Known { reach: left.reach.or(right.reach), total: left.total && right.total }
            }
            ExprKind::UnaryApp { op: UnaryOp::Not, arg } => {
                Known { reach: Reach::All, total: self.read(arg).total }
            }
            ExprKind::Is { expr, entity_type } if is(expr, Var::Resource) => {
                let reach = if entity_type == self.words.kind(self.kind) { Reach::All } else { Reach::NONE };
                Known { reach, total: true }
            }
            ExprKind::Is { expr, .. } => Known { reach: Reach::All, total: is_variable(expr) },
            ExprKind::HasAttr { expr, .. } => Known { reach: Reach::All, total: is_variable(expr) },
            ExprKind::Like { expr, pattern } if self.is_name(expr) => {
                let reach =
                    pattern_area(pattern.get_elems()).map_or(Reach::All, |area| Reach::Only(vec![area]));
                Known { reach, total: true }
            }
            ExprKind::BinaryApp { op, arg1, arg2 } => self.read_binary(*op, arg1, arg2),
            _ => Known { reach: Reach::All, total: false },
        }
    }

    fn read_binary(&self, op: BinaryOp, left: &Expr, right: &Expr) -> Known {
        let areas = match op {
            BinaryOp::Eq => return self.read_equality(left, right),
            BinaryOp::In if is(left, Var::Resource) => literals(right).map(|uids| self.areas(&uids, true)),
            BinaryOp::Contains
                if is(right, Var::Resource) && matches!(left.expr_kind(), ExprKind::Set(_)) =>
            {
                literals(left).map(|uids| self.areas(&uids, false))
            }
            BinaryOp::In if is(left, Var::Principal) || is(left, Var::Action) => {
                return Known { reach: Reach::All, total: literals(right).is_some() };
            }
            _ => None,
        };
        match areas {
            Some(areas) => Known { reach: Reach::Only(areas), total: true },
            None => Known { reach: Reach::All, total: false },
        }
    }

    fn read_equality(&self, left: &Expr, right: &Expr) -> Known {
        for (one, other) in [(left, right), (right, left)] {
            if is(one, Var::Resource)
                && let Some(uid) = literal(other)
            {
                return Known { reach: Reach::Only(self.areas(&[uid], false)), total: true };
            }
            if self.is_name(one)
                && let ExprKind::Lit(Literal::String(text)) = other.expr_kind()
            {
                return Known { reach: Reach::Only(vec![Area::Exactly(text.to_string())]), total: true };
            }
        }
        // `==` never errs by itself, so variables and literals on both sides are safe.
        let is_safe = |side: &Expr| is_variable(side) || matches!(side.expr_kind(), ExprKind::Lit(_));
        Known { reach: Reach::All, total: is_safe(left) && is_safe(right) }
    }

    /// Where a resource of our type lies that is one of these, or, `below`, in one of these.
    fn areas(&self, uids: &[&EntityUID], below: bool) -> Vec<Area> {
        let own = self.words.kind(self.kind);
        let is_path = matches!(self.kind, ResourceKind::File | ResourceKind::Dir);
        let dir = self.words.kind(ResourceKind::Dir);
        let area = |uid: &&EntityUID| {
            let name = AsRef::<str>::as_ref(uid.eid()).to_owned();
            if below && is_path && uid.entity_type() == dir {
                Some(Area::Beneath(name))
            } else {
                // `in` is reflexive, and nothing but paths has ancestors.
                (uid.entity_type() == own).then_some(Area::Exactly(name))
            }
        };
        uids.iter().filter_map(area).collect()
    }

    /// Whether the expression is the attribute that repeats the resource's name.
    fn is_name(&self, expr: &Expr) -> bool {
        let ExprKind::GetAttr { expr, attr } = expr.expr_kind() else { return false };
        let own = match self.kind {
            ResourceKind::File | ResourceKind::Dir => "path",
            ResourceKind::Hostname => "hostname",
            ResourceKind::Url => "url",
            ResourceKind::Service => "name",
            ResourceKind::Process => "pid",
            ResourceKind::Sysinfo | ResourceKind::Systemd | ResourceKind::Sysctl => return false,
        };
        is(expr, Var::Resource) && attr == own
    }
}

/// The part of a pattern before its first wildcard, as an area.
fn pattern_area(pattern: &[PatternElem]) -> Option<Area> {
    let mut prefix = String::new();
    for element in pattern {
        match element {
            PatternElem::Char(character) => prefix.push(*character),
            PatternElem::Wildcard => {
                return match prefix.rsplit_once('/') {
                    Some(("", _)) => Some(Area::Beneath("/".to_owned())),
                    Some((above, _)) => Some(Area::Beneath(above.to_owned())),
                    None => None,
                };
            }
        }
    }
    Some(Area::Exactly(prefix))
}

/// A literal, or a set of nothing but literals.
pub(super) fn literals(expr: &Expr) -> Option<Vec<&EntityUID>> {
    match expr.expr_kind() {
        ExprKind::Set(items) => items.iter().map(literal).collect(),
        _ => literal(expr).map(|uid| vec![uid]),
    }
}

pub(super) fn literal(expr: &Expr) -> Option<&EntityUID> {
    match expr.expr_kind() {
        ExprKind::Lit(Literal::EntityUID(uid)) => Some(uid),
        _ => None,
    }
}

pub(super) fn is(expr: &Expr, variable: Var) -> bool {
    matches!(expr.expr_kind(), ExprKind::Var(own) if *own == variable)
}

fn is_variable(expr: &Expr) -> bool {
    [Var::Principal, Var::Action, Var::Resource, Var::Context].into_iter().any(|variable| is(expr, variable))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(condition: &str, kind: ResourceKind) -> Reach {
        reach(&condition.parse().unwrap(), kind, &Vocabulary::new())
    }

    fn exactly(names: &[&str]) -> Reach {
        Reach::Only(names.iter().map(|name| Area::Exactly((*name).to_owned())).collect())
    }

    fn beneath(names: &[&str]) -> Reach {
        Reach::Only(names.iter().map(|name| Area::Beneath((*name).to_owned())).collect())
    }

    #[test]
    fn conditions_name_the_resources_they_can_be_true_of() {
        let cases = [
            ("resource == file_system::File::\"/a\"", exactly(&["/a"])),
            ("file_system::File::\"/a\" == resource", exactly(&["/a"])),
            ("resource == file_system::Dir::\"/a\"", Reach::NONE),
            ("resource in file_system::Dir::\"/a\"", beneath(&["/a"])),
            (
                "resource in [file_system::Dir::\"/a\", file_system::File::\"/b\", User::\"c\"]",
                Reach::Only(vec![Area::Beneath("/a".to_owned()), Area::Exactly("/b".to_owned())]),
            ),
            ("[file_system::File::\"/a\", file_system::Dir::\"/b\"].contains(resource)", exactly(&["/a"])),
            ("resource.path == \"/a\"", exactly(&["/a"])),
            ("resource.path like \"/a/b*\"", beneath(&["/a"])),
            ("resource.path like \"/a*\"", beneath(&["/"])),
            ("resource.path like \"/a/b\"", exactly(&["/a/b"])),
            ("resource.path like \"*a\"", Reach::All),
            (
                "resource.path like \"/a/*\" || resource.path == \"/b\"",
                Reach::Only(vec![Area::Beneath("/a".to_owned()), Area::Exactly("/b".to_owned())]),
            ),
            ("resource.path like \"/a/*\" || resource.name == \"/b\"", Reach::All),
            ("resource is file_system::File && resource.path like \"/a/*\"", beneath(&["/a"])),
            ("resource is file_system::Dir && resource.nonsense", Reach::NONE),
            ("resource has path && resource.path == \"/a\"", exactly(&["/a"])),
            ("action == file_system::Action::\"read\" && resource.path == \"/a\"", exactly(&["/a"])),
            // The left side may err, so the policy may err outside of the right side's area.
            ("resource.nonsense && resource.path == \"/a\"", Reach::All),
            ("resource.path == \"/a\" && resource.nonsense", exactly(&["/a"])),
            ("!(resource.path == \"/a\")", Reach::All),
            ("if true then false else resource.path == \"/a\"", Reach::All),
            ("resource in principal", Reach::All),
            ("false", Reach::NONE),
        ];
        for (condition, expected) in cases {
            assert_eq!(of(condition, ResourceKind::File), expected, "{condition}");
        }
        assert_eq!(of("resource.path == \"/a\"", ResourceKind::Url), Reach::All);
        assert_eq!(of("resource.url like \"https://a.b/c*\"", ResourceKind::Url), beneath(&["https://a.b"]));
    }

    #[test]
    fn a_name_that_begins_with_a_prefix_lies_beneath_its_last_slash() {
        let names = ["/", "/a", "/a/", "//", "//a", "/a//b", "/a/b/c", "a/b", "https://a/b", "", "/ä/ö"];
        for name in names {
            for (end, _) in name.char_indices().chain([(name.len(), ' ')]) {
                let elements: Vec<PatternElem> =
                    name[..end].chars().map(PatternElem::Char).chain([PatternElem::Wildcard]).collect();
                if let Some(Area::Beneath(above)) = pattern_area(&elements) {
                    let mut own_and_above =
                        std::iter::once(name).chain(super::super::entities::ancestors(name));
                    assert!(own_and_above.any(|place| place == above), "{name:?} {above:?}");
                }
            }
        }
    }
}
