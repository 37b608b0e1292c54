//! Delegation tokens: a compact JWS (RFC 7515), signed with Ed25519 (RFC 8037) and with nothing else, that says for whom, through
//! which agent and for which purpose a script runs.
//!
//! Everything here is pure: bytes, a time and a user id go in, and a [`Delegation`] or a [`Refused`] comes out. What a token says
//! can be had from [`verify`] alone, whose signature was found good; the exception is [`Delegation::read`], for fuzzing.
#![forbid(unsafe_code)]

mod base64url;
mod claims;
mod digest;
mod json;
mod keys;
mod refused;
mod token;

pub use claims::{Actor, Delegation};
pub use keys::{KeyFault, Keys};
pub use refused::Refused;
pub use token::{Expected, MAX_TOKEN_BYTES, verify};
