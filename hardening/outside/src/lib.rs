//! What the broker does to a jail from outside, how it looks at the result, and the kernel calls it makes for itself.
//!
//! The broker makes a [`Plan`] from its [`Requirement`], puts the jail's program into a [`SealedImage`], calls [`spawn`],
//! receives the jail's [`SelfReport`], calls [`verify`], and sends a script only if [`Posture::missing`] is empty.

pub mod ceiling;
mod cgroup;
mod identity;
pub mod image;
mod jail;
pub mod kernel;
mod measure;
mod observe;
mod plan;
mod posture;
mod requirement;
pub mod socket;
mod spawn;
pub mod spawner;
pub mod streams;
pub mod violation;

pub use image::SealedImage;
pub use jail::{Jail, JailExit};
pub use measure::{Measure, State};
pub use plan::Plan;
pub use posture::{Least, Posture, verify};
pub use requirement::{Requirement, RequirementError};
pub use rex_agreed::errand;
pub use rex_agreed::{FaultInjection, Layer, MAX_FRAME_BYTES, PreparePlan, SelfReport};
pub use socket::Link;
pub use spawn::{SpawnError, spawn};
