//! Each row of the interface table: permitted, denied, edges; the record as well as the reply.

mod aliases;
mod batches;
mod built_in;
mod file_system;
mod hostile_trees;
mod redaction;
mod rows;
mod runtime;
mod temporaries;
