//! What the jail does to itself: its memory, its end of the socket, the filter, and the lockdown as a whole.
//!
//! The jail's `main` is made by [`jail_main`]; it receives its first frame through a [`channel`], serves its memory from an
//! [`arena`], and gives up the rest in [`lockdown`].

pub mod arena;
mod calls;
pub mod channel;
mod entry;
pub mod filter;
pub mod lockdown;
