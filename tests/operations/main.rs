//! Each row of the interface table: permitted, denied, edges; the record as well as the reply.

mod file_system;
mod rows;
mod runtime;
