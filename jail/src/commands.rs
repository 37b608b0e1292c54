//! The commands of the shell, composed from requests to the broker; one file for each.

pub mod awk;
pub mod cat;
pub mod cp;
pub mod du;
pub mod find_files;
pub mod grep;
pub mod ls;
pub mod mkdir;
pub mod mv;
pub mod replace_text;
pub mod rm;
pub mod sed;
pub mod seq;
pub mod tail;
pub mod touch;
pub mod wc;
pub mod write;
