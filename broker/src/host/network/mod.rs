//! The network: connections to servers whose bytes go to the jail unread, and what this host knows of names.

pub mod connect;
pub mod dns;
pub mod hosts;
pub mod http;
pub mod object;
mod patience;
mod resources;
pub mod unguarded;
