//! Do the table, the golden bytes, the wire document, the schema and an independent peer agree?
//!
//! `REX_GOLDEN=write cargo test -p rex-tests --test interface` writes what is generated: `tests/golden/wire/`,
//! `ipc/protocol.json` and the marked parts of `docs/wire.md`. Read the difference before it is committed.

mod actions;
mod changes;
mod control;
mod document;
mod golden;
mod peer;
mod protocol;
mod refused;
mod rows;
mod rows_of_host;
mod rows_of_network;
mod rows_of_programs;
mod shape;
mod table;
