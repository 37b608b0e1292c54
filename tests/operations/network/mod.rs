//! Rows about the network, against servers of the test's own on the loopback interface.

mod begin_get;
mod connect;
mod known_addresses;
mod query_name;
mod read_response;
mod servers;
mod spellings;
