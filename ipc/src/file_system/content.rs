//! Requests that give files new content: in pieces that become visible at once, or copied by the kernel.

use serde::{Deserialize, Serialize};

use super::{Instant, NameOrNumber, PathText, Permissions};
use crate::bounded::Bytes;
use crate::handle::{DirId, FileId, WriterId};
use crate::limits::MAX_CHUNK_BYTES;

/// Begins to give an open file new content, which nobody sees before [`FinishWrite`].
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct BeginWrite {
    /// The number of the new writer.
    pub id: WriterId,
    /// The file.
    pub file: FileId,
    /// What becomes of its present content.
    pub how: WriteHow,
}

/// What becomes of a file's present content, and of its inode.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteHow {
    /// A new file takes the name of the old one, with its mode.
    Replace {
        /// Whether it is a failure when the new file cannot get the old one's user and group. Without this it keeps
        /// those of the broker then, and loses the permissions that were for the others.
        keep_owner: bool,
    },
    /// The inode stays and gets the new content and its length.
    InPlace,
    /// The new content stands behind the present one, and behind what others append meanwhile.
    Append,
}

/// Begins a new file somewhere below an open directory, with the directories that lead to it; what is there already
/// is replaced by [`FinishWrite`].
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct BeginFile {
    /// The number of the new writer.
    pub id: WriterId,
    /// The directory.
    pub dir: DirId,
    /// The relative path below it, in which no link is followed.
    pub path: PathText,
}

/// Adds to the new content.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct WriteChunk {
    /// The writer.
    pub writer: WriterId,
    /// What comes next.
    pub bytes: Bytes<MAX_CHUNK_BYTES>,
}

/// Puts the new content in its place, on disk before the reply. The writer is gone afterwards, also after a failure.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct FinishWrite {
    /// The writer.
    pub writer: WriterId,
    /// The number under which the file with the new content is opened, with the options of the file that was written;
    /// only after [`WriteHow::Replace`].
    pub reopen: Option<FileId>,
    /// What the new file is to be like; only after [`BeginFile`].
    pub attributes: Attributes,
}

/// Drops new content that is not to be put in its place.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct AbandonWrite {
    /// The writer, which is gone afterwards.
    pub writer: WriterId,
}

/// What a new file or directory is to be like. What is not given stays as the system makes it.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Attributes {
    /// The mode. Bits with which a program runs as somebody else cannot be said: nobody may bring one in.
    pub mode: Option<Permissions>,
    /// The user.
    pub user: Option<NameOrNumber>,
    /// The group.
    pub group: Option<NameOrNumber>,
    /// Last modification.
    pub modified: Option<Instant>,
}

/// Cuts or extends a file.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Truncate {
    /// The file.
    pub file: FileId,
    /// Its new length in bytes; larger values than the system takes fail with its error.
    pub size_bytes: u64,
}

/// Allocates a file's space from its start; it grows when it is shorter and never shrinks.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Allocate {
    /// The file.
    pub file: FileId,
    /// How much, in bytes; at least 1.
    pub length_bytes: u64,
}

/// Gives one open file the content of another, without passing it through the jail.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Copy {
    /// Where the content is.
    pub from: FileId,
    /// Where it goes.
    pub to: FileId,
    /// Whether a destination with content is overwritten.
    pub force: bool,
    /// Whether mode and times of the source are kept.
    pub preserve: bool,
}

/// How much was copied.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// In bytes.
    pub bytes: u64,
}
