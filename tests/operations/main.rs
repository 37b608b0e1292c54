//! Each row of the interface table: permitted, denied, edges; the record as well as the reply.

mod aliases;
mod batches;
mod built_in;
mod closed_copies;
mod deep;
mod denials;
mod disk;
mod failures;
mod file_system;
mod foreseen;
mod hostile_changes;
mod hostile_trees;
mod made_for_nothing;
mod moved;
mod network;
mod proc;
mod process_system;
mod redaction;
mod refusals;
mod replacing;
mod rows;
mod runtime;
mod sysinfo;
mod systemd;
mod temporaries;
mod ways;
