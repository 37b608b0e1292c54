//! What `rex-mcp` does for a client, and what it does not let one do: tools, wrong messages, ends, and clients nobody here wrote.

mod bad_input;
mod clients;
mod ends;
mod page;
mod server;
mod tools;
