//! The commands of the shell, composed from requests to the broker; one file for each.

pub mod cat;
