//! broker
pub mod policy;
