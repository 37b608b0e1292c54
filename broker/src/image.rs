//! The jail's program, built with the broker and carried inside it.

/// The bytes of the static program that runs scripts.
pub static JAIL_IMAGE: &[u8] = include_bytes!(env!("REX_JAIL_IMAGE"));
