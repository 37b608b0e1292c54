//! Hostile nesting.
