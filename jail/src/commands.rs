//! The commands of the shell, composed from requests to the broker; one file for each.

pub mod awk;
pub mod cat;
pub mod find_files;
pub mod grep;
pub mod ls;
pub mod replace_text;
pub mod seq;
pub mod tail;
pub mod wc;
