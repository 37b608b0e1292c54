//! What a script may do: policies are loaded, checked and asked here.

mod alike;
mod anatomy;
mod arguments;
mod by_directory;
mod cache;
mod ceiling;
mod check;
mod engine;
mod entities;
mod examples;
pub mod explain;
mod finding;
mod grant;
mod guard;
mod impossible;
mod inner;
mod links;
mod literals;
mod load;
mod looked_at;
pub mod name;
mod narrow;
mod overflow;
mod parse;
mod policies;
mod question;
mod recorded;
mod render;
pub mod schema;
mod scope;
mod session;
mod suggest;
mod typecheck;
mod unasked;
mod undone;
pub mod url;
mod vocabulary;

#[cfg(test)]
mod tests;

pub use ceiling::{CeilingNeed, CeilingRight, CeilingStatement};
pub use engine::{Engine, Narrowed, Verdict};
pub use examples::Examples;
pub use finding::{Finding, PolicyErrors, Severity};
pub use inner::{Inner, InnerPlace, InnerRight};
pub use links::{Link, template_sha256};
pub use load::{Loaded, Mode, PolicyText, policy_sha256};
pub use looked_at::LooksAt;
pub use policies::{Place, Policies};
pub use question::{Argument, ContextRef, ExecuteContext, ProcessRef, Program, Question, ResourceRef};
pub use render::{MAX_SHOWN, render};
pub use session::{BY_ISSUER, BY_KERNEL, Session};
pub use suggest::{action_by_use, nearest};
pub use unasked::unasked;
pub use undone::undone;
pub use vocabulary::{KINDS, REX_NAMELESS, entity, entity_id};
