//! The record of decisions as a transparency log: sealed by one program, checked by another, without the broker.
//!
//! The formats are those of C2SP: [signed notes](https://c2sp.org/signed-note),
//! [checkpoints](https://c2sp.org/tlog-checkpoint), [tiles](https://c2sp.org/tlog-tiles),
//! [proofs](https://c2sp.org/tlog-proof) and [cosignatures](https://c2sp.org/tlog-cosignature). `docs/evidence.md` says
//! how an operator uses it, `docs/adr/0016-the-log-is-sealed-by-another-program.md` why it is not part of the broker.

#![forbid(unsafe_code)]

pub mod base64;
pub mod checkpoint;
pub mod command;
pub mod cosignature;
pub mod directory;
pub mod error;
pub mod growth;
pub mod hash;
pub mod key;
pub mod note;
pub mod proof;
pub mod prune;
pub mod query;
pub mod records;
pub mod seal;
pub mod tile;
pub mod tree;
pub mod verify;
pub mod witness;
