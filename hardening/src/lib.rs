//! How jail and broker are confined: every confinement step, and every line of `unsafe` in the product.

pub mod arena;
pub mod channel;
pub mod filter;
pub mod image;
pub mod layer;
pub mod plan;
mod raw;
pub mod report;
pub mod requirement;
pub mod sys;

pub use image::SealedImage;
pub use layer::Layer;
pub use plan::{Plan, PreparePlan};
pub use report::{Measure, Posture, SelfReport, State};
pub use requirement::{Requirement, RequirementError};
