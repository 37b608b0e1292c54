//! How jail and broker are confined: every confinement step, and every line of `unsafe` in the product.

pub mod sys;
