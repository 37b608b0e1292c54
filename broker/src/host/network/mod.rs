//! The network: connections to servers whose bytes go to the jail unread, and what this host knows of names.

mod anchors;
pub mod connect;
pub mod dns;
pub mod hosts;
pub mod http;
pub mod inside;
pub mod lookup;
pub mod object;
mod patience;
mod resources;
mod secure;
pub mod unguarded;
mod worker;
