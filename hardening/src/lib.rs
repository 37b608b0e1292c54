//! How jail and broker are confined: every confinement step, and every line of `unsafe` in the product.
//!
//! The broker makes a [`Plan`] from its [`Requirement`], puts the jail's program into a [`SealedImage`], calls [`spawn`],
//! receives the jail's [`SelfReport`], calls [`verify`], and sends a script only if [`Posture::missing`] is empty. The
//! jail uses [`arena`], [`channel`] and [`lockdown`].

pub mod arena;
pub mod channel;
mod entry;
pub mod filter;
pub mod image;
mod jail;
mod layer;
pub mod lockdown;
mod plan;
mod posture;
mod raw;
mod report;
mod requirement;
pub mod socket;
mod spawn;
pub mod streams;
pub mod sys;
pub mod violation;

pub use image::SealedImage;
pub use jail::{Jail, JailExit};
pub use layer::Layer;
pub use plan::{FaultInjection, Plan, PreparePlan};
pub use posture::verify;
pub use report::{Measure, Posture, SelfReport, State};
pub use requirement::{Requirement, RequirementError};
pub use socket::Link;
pub use spawn::{SpawnError, spawn};
