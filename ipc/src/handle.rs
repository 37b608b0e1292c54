//! The numbers by which the jail knows the objects that the broker holds open.

use serde::{Deserialize, Serialize};

/// A directory held by the broker. Chosen by the jail, never used twice.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DirId(pub u32);

/// A file, or a link opened as itself, held by the broker. Chosen by the jail, never used twice.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// New content that is on its way to a file. Chosen by the jail from the same sequence, never used twice.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriterId(pub u32);

/// A handle of either kind. Both kinds share one sequence of numbers.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AnyId {
    /// A directory.
    Dir(DirId),
    /// A file or link.
    File(FileId),
}

impl AnyId {
    /// The number without its kind.
    pub const fn number(self) -> u32 {
        match self {
            Self::Dir(DirId(number)) | Self::File(FileId(number)) => number,
        }
    }
}
