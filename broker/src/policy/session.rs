//! What a policy can know of whoever a run is for, beside the name: groups and tags of the principal, and `context.session`.
//!
//! All of it is the same in every question of a run, and so no part of what tells questions apart. It is given to Cedar only
//! where a statement that was loaded looks at it.

use std::collections::HashSet;
use std::sync::Arc;

use cedar_policy_core::ast::{
    BinaryOp, Entity, EntityType, EntityUID, Expr, ExprKind, Literal, PartialValue, Value,
};

use super::vocabulary::{self, Vocabulary};

/// On whose behalf a run asks, how sure that is, and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The groups that the principal belongs to.
    pub groups: Vec<String>,
    /// The tags of the principal, each name once.
    pub tags: Vec<(String, String)>,
    /// Who acts for the principal.
    pub agent: Option<String>,
    /// The model that the agent runs on, as somebody was told.
    pub model: Option<String>,
    /// What for; a purpose is in each that its name begins with up to a slash.
    pub purpose: Option<String>,
    /// On which occasion.
    pub ticket: Option<String>,
    /// How sure it is who the principal is: [`BY_KERNEL`] or [`BY_ISSUER`].
    pub assurance: i64,
    /// How many act for the principal, one behind the other.
    pub depth: i64,
}

impl Default for Session {
    /// Of a run without a delegation: nothing is known but the user of the broker.
    fn default() -> Self {
        Self {
            groups: Vec::new(),
            tags: Vec::new(),
            agent: None,
            model: None,
            purpose: None,
            ticket: None,
            assurance: BY_KERNEL,
            depth: 0,
        }
    }
}

/// The assurance of a run whose principal is the user that the kernel names.
pub const BY_KERNEL: i64 = 1;
/// The assurance of a run whose principal an issuer has signed for.
pub const BY_ISSUER: i64 = 2;

/// A session as Cedar has it.
#[derive(Debug)]
pub(super) struct Facts {
    principal: Arc<Entity>,
    /// The session, the agent and the purpose.
    about: [Arc<Entity>; 3],
    session: EntityUID,
}

/// What the statements of a policy set look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reads {
    /// Groups or tags of the principal.
    pub(super) principal: bool,
    /// `context.session`.
    pub(super) session: bool,
}

impl Facts {
    pub(super) fn new(words: &Vocabulary, principal: EntityUID, session: &Session) -> Self {
        let of_type = |name: &str| vocabulary::entity_type(name);
        let group = of_type("Group");
        let groups = session.groups.iter().map(|name| vocabulary::uid(&group, name)).collect();
        let tags = session.tags.iter();
        let tags = tags.map(|(name, value)| (name.as_str().into(), PartialValue::from(value.as_str())));
        let principal = Entity::new_with_attr_partial_value(principal, [], HashSet::new(), groups, tags);
        let agent = vocabulary::uid(&of_type("Agent"), session.agent.as_deref().unwrap_or_default());
        let text = |name: &'static str, text: &Option<String>| {
            text.as_ref().map(|text| (name, PartialValue::from(text.as_str())))
        };
        let reference = |uid: &EntityUID| PartialValue::from(Literal::from(uid.clone()));
        let purposes = of_type("Purpose");
        let purpose = session.purpose.as_deref().unwrap_or_default();
        let within = purpose.match_indices('/').filter_map(|(slash, _)| purpose.get(..slash));
        let within = within.map(|name| vocabulary::uid(&purposes, name)).collect();
        let purpose = vocabulary::uid(&purposes, purpose);
        let uid = vocabulary::uid(words.session(), "run");
        let known = [
            ("agent", reference(&agent)),
            ("purpose", reference(&purpose)),
            ("assurance", PartialValue::from(session.assurance)),
            ("depth", PartialValue::from(session.depth)),
        ];
        let about = [
            entity(uid.clone(), known.into_iter().chain(text("ticket", &session.ticket)), HashSet::new()),
            entity(agent, text("model", &session.model), HashSet::new()),
            entity(purpose, [], within),
        ];
        Self { principal: Arc::new(principal), about, session: uid }
    }

    /// Puts into the store what is looked at, and gives the value of `context.session` where it is.
    pub(super) fn supply(&self, reads: Reads, store: &mut Vec<Arc<Entity>>) -> Option<Value> {
        if reads.principal {
            store.push(Arc::clone(&self.principal));
        }
        reads.session.then(|| {
            store.extend(self.about.iter().map(Arc::clone));
            Literal::from(self.session.clone()).into()
        })
    }
}

fn entity(
    uid: EntityUID,
    attributes: impl IntoIterator<Item = (&'static str, PartialValue)>,
    ancestors: HashSet<EntityUID>,
) -> Arc<Entity> {
    let attributes = attributes.into_iter().map(|(name, value)| (name.into(), value));
    Arc::new(Entity::new_with_attr_partial_value(uid, attributes, ancestors, HashSet::new(), []))
}

impl Reads {
    /// What these conditions look at: too much rather than too little.
    pub(super) fn of<'a>(conditions: impl Iterator<Item = &'a Expr>, words: &Vocabulary) -> Self {
        let mut reads = Self::default();
        for part in conditions.flat_map(Expr::subexpressions) {
            let mentions = |ty: &EntityType| ty == words.group();
            match part.expr_kind() {
                // Of all that can be had from a context, only this has the name; a record may be compared with a context as a whole.
                ExprKind::GetAttr { attr, .. } | ExprKind::HasAttr { attr, .. } if attr == SESSION => {
                    reads.session = true;
                }
                ExprKind::ExtHasAttr { attrs, .. } if attrs.iter().any(|attr| attr == SESSION) => {
                    reads.session = true;
                }
                ExprKind::Record(fields) if fields.contains_key(SESSION) => reads.session = true,
                ExprKind::BinaryApp { op: BinaryOp::HasTag | BinaryOp::GetTag, .. } => reads.principal = true,
                ExprKind::Lit(Literal::EntityUID(uid)) if mentions(uid.entity_type()) => {
                    reads.principal = true
                }
                ExprKind::Is { entity_type, .. } if mentions(entity_type) => reads.principal = true,
                _ => {}
            }
        }
        reads
    }
}

const SESSION: &str = "session";
