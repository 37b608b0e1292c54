//! broker
pub mod audit;
pub mod cli;
pub mod policy;
