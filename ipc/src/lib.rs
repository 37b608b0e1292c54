//! The boundary between jail and broker: interface table, wire types, limits, frame and codec.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod action;
