//! What a jail must not be able to do, as code that tries it.
//!
//! Each [`Act`] is one attempt that works in an unconfined process. The containment tests run it there first, then in a
//! jail with every layer, then in jails with layers left out. No program of the product links this package.

mod acts;
mod call;
pub mod instruction;
pub mod lies;
pub mod probe;
pub mod stage;
mod targets;

pub use acts::{Act, Class, all, find, use_inherited};
pub use call::Errno;
pub use targets::Targets;
