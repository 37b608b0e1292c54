//! Rows about the network, against servers of the test's own on the loopback interface.

mod begin_get;
mod connect;
mod context;
mod hostile_worker;
mod known_addresses;
mod lookup;
mod name_server;
mod proxy;
mod query_name;
mod read_response;
mod secure;
mod servers;
mod spellings;
