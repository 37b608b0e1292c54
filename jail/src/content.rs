//! What is in files of known formats: gzip, archives, certificates and ELF, read in the jail.
//!
//! Everything here is hostile: whoever wrote a file may have written it for this reader. So content is taken in pieces
//! of bounded size, whatever a field of the file says of its length, and what is wrong is an error and never a panic.

pub mod archive;
pub mod certificate;
pub mod elf;
pub mod extract;
pub mod gzip;
mod hard_links;
pub mod options;
pub mod pieces;
pub mod records;
pub mod search_gzip;
pub mod sparse;
