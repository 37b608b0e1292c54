//! Questions that no statement tells apart, so that the answer to one is the answer to all of them.
//!
//! Of a file or directory Cedar is given the type, the path, and which of the directories that policies name lie above it.
//! A condition that looks at these in no other way than those of [`Look`] has a value that follows from what it sees: in
//! a directory of a thousand entries it mostly sees the same of each. Anything else makes a question one of its own.

use std::collections::HashMap;
use std::rc::Rc;

use cedar_policy_core::ast::{BinaryOp, EntityUID, Expr, ExprKind, Literal, Pattern, Var};
use rex_ipc::action::{ActionId, ResourceKind};

use super::by_directory::{is_above, work};
use super::engine::Verdict;
use super::entities::Horizon;
use super::narrow::{is, literal, literals};
use super::policies::Policies;
use super::question::{ContextRef, Question, ResourceRef};
use super::vocabulary::Vocabulary;

/// What a condition looks at in a path.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Look {
    /// Whether it is this text.
    Is(String),
    /// Whether it lies below this directory.
    Below(String),
    /// Whether it matches.
    Like(Pattern),
}

/// Everything that a condition looks at in a path, or nothing when it may look at more: where all of that is the same, so
/// is its value.
pub(super) fn looks(condition: &Expr, words: &Vocabulary) -> Option<Vec<Look>> {
    let mut looks = Vec::new();
    // Each place where the resource is named has to be one that is understood.
    let (mut named, mut understood) = (0_usize, 0_usize);
    for part in condition.subexpressions() {
        match part.expr_kind() {
            ExprKind::Var(Var::Resource) => named += 1,
            ExprKind::Slot(_) | ExprKind::Unknown(_) => return None,
            _ => understood += usize::from(understands(part, words, &mut looks)),
        }
    }
    looks.dedup();
    (named == understood && looks.len() <= MAX_LOOKS).then_some(looks)
}

/// Whether this part names the resource once, in a form that is known; notes what that looks at.
fn understands(part: &Expr, words: &Vocabulary, looks: &mut Vec<Look>) -> bool {
    match part.expr_kind() {
        // The type is part of the question, and every path has one attribute, `path`.
        ExprKind::Is { expr, .. } | ExprKind::HasAttr { expr, .. } => is(expr, Var::Resource),
        ExprKind::Like { expr, pattern } if is_path(expr) => {
            looks.push(Look::Like(pattern.clone()));
            true
        }
        ExprKind::BinaryApp { op: BinaryOp::In, arg1, arg2 } if is(arg1, Var::Resource) => {
            note(literals(arg2), Some(words), looks)
        }
        ExprKind::BinaryApp { op: BinaryOp::Contains, arg1, arg2 } if is(arg2, Var::Resource) => {
            let is_set = matches!(arg1.expr_kind(), ExprKind::Set(_));
            note(literals(arg1).filter(|_| is_set), None, looks)
        }
        ExprKind::BinaryApp { op: BinaryOp::Eq, arg1, arg2 } => {
            let pairs = [(arg1, arg2), (arg2, arg1)];
            pairs.into_iter().any(|(one, other)| match other.expr_kind() {
                ExprKind::Lit(Literal::String(text)) if is_path(one) => {
                    looks.push(Look::Is(text.to_string()));
                    true
                }
                _ => is(one, Var::Resource) && note(literal(other).map(|uid| vec![uid]), None, looks),
            })
        }
        _ => false,
    }
}

/// Notes that the path is compared with these names, and with those above it where they are directories and there is a
/// vocabulary to tell by. Says whether there are names at all.
fn note(uids: Option<Vec<&EntityUID>>, above: Option<&Vocabulary>, looks: &mut Vec<Look>) -> bool {
    let Some(uids) = uids else { return false };
    for uid in uids {
        let name = AsRef::<str>::as_ref(uid.eid());
        looks.push(Look::Is(name.to_owned()));
        if above.is_some_and(|words| uid.entity_type() == words.kind(ResourceKind::Dir)) {
            looks.push(Look::Below(name.to_owned()));
        }
    }
    true
}

fn is_path(expr: &Expr) -> bool {
    matches!(expr.expr_kind(), ExprKind::GetAttr { expr, attr } if is(expr, Var::Resource) && attr == "path")
}

impl Look {
    fn sees(&self, path: &str) -> bool {
        match self {
            Self::Is(text) => text == path,
            Self::Below(directory) => {
                work::done(directory.len());
                is_above(directory, path)
            }
            Self::Like(pattern) => pattern.wildcard_match(path),
        }
    }
}

/// The answers to questions that were found to be alike, in this run.
#[derive(Debug)]
pub(super) struct Alike {
    verdicts: HashMap<Box<[u8]>, Rc<Verdict>>,
    /// What the statements see of the question in hand; empty when they may see more.
    seen: Vec<u8>,
    /// How long all keys are together.
    key_bytes: usize,
    /// The last path that was asked about with each action and type, and the answer: a loop over one file looks no further.
    last: Vec<Last>,
    enabled: bool,
}

/// A question that was asked, and the answer.
#[derive(Debug)]
struct Last {
    action: ActionId,
    kind: ResourceKind,
    path: String,
    verdict: Rc<Verdict>,
}

impl Alike {
    pub(super) fn new(enabled: bool) -> Self {
        Self { verdicts: HashMap::new(), seen: Vec::new(), key_bytes: 0, last: Vec::new(), enabled }
    }

    /// The answer to this very question, if no other was asked with its action and type since.
    pub(super) fn again(&self, question: &Question<'_>) -> Option<Rc<Verdict>> {
        let path = path_of(question)?;
        let last = self.last.iter().find(|last| last.is_of(question))?;
        (last.path == path).then(|| Rc::clone(&last.verdict))
    }

    /// Remembers the answer to this very question.
    pub(super) fn note(&mut self, question: &Question<'_>, verdict: &Rc<Verdict>) {
        let Some(path) = path_of(question).filter(|_| self.enabled) else { return };
        let verdict = Rc::clone(verdict);
        if let Some(last) = self.last.iter_mut().find(|last| last.is_of(question)) {
            last.path.clear();
            last.path.push_str(path);
            last.verdict = verdict;
        } else {
            let (action, kind) = (question.action, question.resource.kind());
            self.last.push(Last { action, kind, path: path.to_owned(), verdict });
        }
    }

    /// The answer to a question of which the statements at these positions, all that can match it, see nothing else.
    ///
    /// Never for an act that changes the host.
    pub(super) fn find(
        &mut self,
        question: &Question<'_>,
        selected: &[usize],
        policies: &Policies,
    ) -> Option<Rc<Verdict>> {
        self.seen.clear();
        if !self.enabled || self.look(question, selected, policies).is_none() {
            self.seen.clear();
            return None;
        }
        self.verdicts.get(self.seen.as_slice()).map(Rc::clone)
    }

    /// Writes what is seen: the action, the type, the statements, and one bit for each look of theirs.
    fn look(&mut self, question: &Question<'_>, selected: &[usize], policies: &Policies) -> Option<()> {
        let path = path_of(question)?;
        // Where a condition looks into a literal, what it finds depends on whether that is above the path.
        if matches!(policies.horizon, Horizon::Entities(_)) {
            return None;
        }
        self.seen.extend([question.action as u8, question.resource.kind() as u8]);
        // How many there are goes first: it says how long the rest is.
        self.seen.extend(u16::try_from(selected.len()).ok()?.to_le_bytes());
        for position in selected {
            self.seen.extend(u32::try_from(*position).ok()?.to_le_bytes());
        }
        let (mut bits, mut count) = (0_u8, 0_u32);
        for position in selected {
            for look in policies.rules.get(*position)?.looks(&policies.words)? {
                bits = bits << 1 | u8::from(look.sees(path));
                count += 1;
                if count % u8::BITS == 0 {
                    self.seen.push(std::mem::take(&mut bits));
                }
            }
        }
        self.seen.push(bits);
        Some(())
    }

    /// Remembers the answer to the question that was last looked for, where it is one for all that are alike.
    pub(super) fn keep(&mut self, verdict: &Rc<Verdict>) {
        // What went wrong is told with the name that it went wrong for.
        if self.seen.is_empty() || !verdict.errors.is_empty() || self.seen.len() > LIMIT_BYTES {
            self.seen.clear();
            return;
        }
        if self.key_bytes.saturating_add(self.seen.len()) > LIMIT_BYTES {
            self.verdicts.clear();
            self.key_bytes = 0;
        }
        self.key_bytes = self.key_bytes.saturating_add(self.seen.len());
        self.verdicts.insert(self.seen.as_slice().into(), Rc::clone(verdict));
    }

    /// Whether the answer to the question that was last looked for is found again as fast as by its whole text.
    pub(super) fn is_near(&self) -> bool {
        (1..=NEAR_BYTES).contains(&self.seen.len())
    }
}

impl Last {
    fn is_of(&self, question: &Question<'_>) -> bool {
        self.action == question.action && self.kind == question.resource.kind()
    }
}

/// The path of a question that is asked about entry by entry, with an action that leaves the host as it was.
fn path_of<'a>(question: &Question<'a>) -> Option<&'a str> {
    let only_looks = matches!(
        question.action,
        ActionId::FileSystemOpen
            | ActionId::FileSystemRead
            | ActionId::FileSystemRedactedRead
            | ActionId::FileSystemStat
    );
    match question.resource {
        ResourceRef::File(path) | ResourceRef::Dir(path)
            if only_looks && matches!(question.context, ContextRef::None) =>
        {
            Some(path)
        }
        _ => None,
    }
}

/// Looks of one condition. More of them cost more than they save.
const MAX_LOOKS: usize = 64;
/// What is seen by some ten statements.
const NEAR_BYTES: usize = 48;
/// All keys together: some ten thousand where few statements are concerned.
const LIMIT_BYTES: usize = 1 << 20;
