//! What a worker does with what it is given: TLS with one server, or one answer of a name server.
//!
//! It has the lockdown of a jail to the last instruction of its filter, and so neither a clock nor a source of random bytes nor a
//! socket: the time comes with the order, what has to be random is made before the lockdown ([`prepared`]), and the bytes of the
//! connection are carried by the broker ([`tls`]).
#![forbid(unsafe_code)]

pub mod names;
pub mod orders;
pub mod prepared;
pub mod tls;
