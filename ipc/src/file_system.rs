//! The requests and replies of the file system.
//!
//! Paths and names are texts in the form of [`crate::name`]. Numbers of new handles are chosen by the jail.

mod change;
mod content;
mod naming;

use alloc::string::String;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::bounded::{Bytes, List, Text, number};
use crate::handle::{AnyId, DirId, FileId};
use crate::limits::{MAX_CHUNK_BYTES, MAX_NAME_TEXT_BYTES, MAX_PAGE_ENTRIES, MAX_PATH_TEXT_BYTES};

pub use change::*;
pub use content::*;
pub use naming::*;

/// A path as the script gave it.
pub type PathText = Text<MAX_PATH_TEXT_BYTES>;

/// Opens a directory, or makes and opens it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct OpenDir {
    /// The number of the new handle.
    pub id: DirId,
    /// Where it is.
    pub at: DirPlace,
    /// Whether links on the way, the last component included, are followed.
    pub follow: bool,
    /// Whether it is made when it is missing.
    pub create: CreateDir,
}

/// Where a directory is.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub enum DirPlace {
    /// At an absolute path.
    Path(PathText),
    /// In a directory that is open, under this name.
    Entry(DirId, Spelled),
    /// Somewhere below a directory that is open, at this relative path, in which no link is followed.
    Below(DirId, PathText),
}

/// What was opened or put somewhere.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Opened {
    /// The path that the policy knows the object by, when it is another one than the request spelled: the target of a
    /// link, or a path without its needless slashes.
    pub real_path: Option<PathText>,
}

/// Whether missing directories are made.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateDir {
    /// None.
    No,
    /// The last one, which must not exist.
    Leaf,
    /// Each one that is missing.
    All,
    /// None, but the question `create` is asked as if.
    AskOnly,
}

/// Opens a regular file in an open directory, or makes and opens it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct OpenFile {
    /// The number of the new handle.
    pub id: FileId,
    /// The directory it is in.
    pub dir: DirId,
    /// Its name there.
    pub name: Spelled,
    /// What for.
    pub mode: OpenMode,
    /// Whether a link at this name is followed.
    pub follow: bool,
}

/// What a file is opened for.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Reading.
    Read,
    /// Writing.
    Write(IfMissing),
    /// Reading and writing.
    ReadWrite(IfMissing),
    /// Nothing, but `open` and `create` are asked as if; it fails as open(2) with `O_CREAT` does for what is not written.
    AskOnly,
}

/// What is done when the file is missing.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMissing {
    /// Nothing: opening it fails.
    Fail,
    /// It is made, with these permissions less the broker's umask. An existing file is opened unchanged.
    Make(Option<Permissions>),
}

impl OpenMode {
    /// Whether the question `create` is asked.
    pub const fn asks_create(self) -> bool {
        matches!(self, Self::AskOnly | Self::Write(IfMissing::Make(_)) | Self::ReadWrite(IfMissing::Make(_)))
    }
}

/// Opens a regular file that is about to get content, for writing and not through a link; makes it when it is missing.
///
/// Everything that giving it content will ask is asked before it is made, so that a denial leaves no empty file.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct OpenTarget {
    /// The number of the new handle.
    pub id: FileId,
    /// The directory it is in.
    pub dir: DirId,
    /// Its name there.
    pub name: Spelled,
    /// The open file whose content it will get, if it gets that of a file.
    pub from: Option<FileId>,
}

number! {
    /// Permission bits, 0 to 0o777.
    Permissions("u16" u16), 0..0o777, bits -> u16, "permission bits beyond 0o777"
}

/// Opens a link as itself, without following it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct OpenLink {
    /// The number of the new handle.
    pub id: FileId,
    /// The directory it is in.
    pub dir: DirId,
    /// Its name there.
    pub name: Spelled,
}

/// Reads part of an open file.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ReadChunk {
    /// The file.
    pub file: FileId,
    /// Bytes from the start of the content that the script may see.
    pub offset_bytes: u64,
    /// How much, at most.
    pub length: ChunkLength,
    /// Whether redacted content will do when the whole may not be read.
    pub redacted: bool,
}

number! {
    /// How much to read: 1 to [`MAX_CHUNK_BYTES`] bytes.
    ChunkLength("u32" u32), 1..MAX_CHUNK_BYTES, bytes -> usize, "chunk length out of range"
}

/// Part of a file.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Chunk {
    /// The bytes; fewer than asked for when the reply has no more room or the file no more content.
    pub bytes: Bytes<MAX_CHUNK_BYTES>,
    /// Whether the file ends here.
    pub end: bool,
}

/// Reads the end of an open file, for whoever wants its last lines.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ReadEnd {
    /// The file.
    pub file: FileId,
    /// How much, at most.
    pub length: ChunkLength,
}

/// The end of a file.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct EndChunk {
    /// Where the bytes begin, in bytes from the start; nothing for a file that does not say how long it is, as those of
    /// `/proc`, whose end is found only by reading all of it.
    pub offset_bytes: Option<u64>,
    /// The bytes from there to the end.
    pub bytes: Bytes<MAX_CHUNK_BYTES>,
}

/// Gives a handle back.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Close {
    /// The handle.
    pub handle: AnyId,
}

/// Opens what `ls` lists: a directory to be listed, or a link that stands for itself.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct OpenListing {
    /// The number of the new handle, which is taken only by a directory or by the directory that a link is in.
    pub id: DirId,
    /// An absolute path.
    pub path: PathText,
}

/// What was found to list.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub enum Listing {
    /// A directory; the handle is open on it.
    Directory(Opened),
    /// A link; the handle is open on the directory it is in.
    Link(Opened, Entry),
}

/// Lists part of an open directory.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ListEntries {
    /// The directory.
    pub dir: DirId,
    /// From the first entry, and not from where the last page ended.
    pub restart: bool,
}

/// Part of a directory, in the order of the file system, without `.` and `..`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct EntryPage {
    /// The entries.
    pub entries: List<Entry, MAX_PAGE_ENTRIES>,
    /// Whether these are the last ones.
    pub end: bool,
}

/// An entry of a directory.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Entry {
    /// The name, in the form of [`crate::name`].
    pub name: Text<MAX_NAME_TEXT_BYTES>,
    /// What it is.
    pub entry_type: EntryType,
    /// The inode number.
    pub inode: u64,
}

/// What an entry of a directory is.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryType {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Symlink,
    /// Not known.
    Unknown,
    /// A FIFO.
    Fifo,
    /// A socket.
    Socket,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
}

/// Lists part of an open directory and describes what can be described without being entered.
///
/// `read` is asked for the directory; for each file and link `open` and `stat`, for a link also `read`, for what is
/// neither file, directory nor link `stat`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ListDetails {
    /// The directory.
    pub dir: DirId,
    /// From the first entry, and not from where the last page ended.
    pub restart: bool,
}

/// Part of a directory with descriptions, in the order of the file system, without `.` and `..`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct DetailsPage {
    /// The entries.
    pub entries: List<DetailedEntry, MAX_PAGE_ENTRIES>,
    /// Whether these are the last ones.
    pub end: bool,
}

/// An entry of a directory with its description.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct DetailedEntry {
    /// Name, type and inode number.
    pub entry: Entry,
    /// What it says of itself.
    pub details: Details,
}

/// What is told about an entry.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub enum Details {
    /// A directory: it is described once it is open.
    Directory,
    /// Anything else.
    Described(Metadata),
    /// The policy said no; asking for this entry alone tells why.
    Withheld,
    /// The system said no, or the entry is another thing by now.
    Refused {
        /// errno(3).
        errno: u16,
    },
}

/// Reads where a link points, without following it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ReadLink {
    /// The directory it is in.
    pub dir: DirId,
    /// Its name there.
    pub name: NameText,
}

/// Where a link points.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct LinkTarget {
    /// The target, in the form of [`crate::name`].
    pub target: PathText,
}

/// Describes an open object.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Stat {
    /// The object.
    pub handle: AnyId,
}

/// Describes an entry that is neither file nor directory nor link, without opening it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct StatEntry {
    /// The directory it is in.
    pub dir: DirId,
    /// Its name there.
    pub name: NameText,
}

/// What an inode says of itself; times and sizes as in stat(2).
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Metadata {
    /// What it is.
    pub entry_type: EntryType,
    /// The whole `st_mode`, file type included.
    pub mode: u32,
    /// Length in bytes.
    pub size_bytes: u64,
    /// Allocated blocks of 512 bytes.
    pub blocks: u64,
    /// Hard links.
    pub links: u64,
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// Last modification.
    pub modified: Instant,
    /// Last change of the inode.
    pub changed: Instant,
    /// The owner's name, or its number when it has none.
    pub owner: Identity,
    /// The group's name, or its number when it has none.
    pub group: Identity,
}

/// A point in time.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instant {
    /// Seconds since 1970-01-01T00:00:00Z, before it negative.
    pub seconds: i64,
    /// Nanoseconds, 0 to 999,999,999; larger numbers fail to decode.
    #[serde(deserialize_with = "below_a_second")]
    pub nanoseconds: u32,
}

fn below_a_second<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let nanoseconds = u32::deserialize(deserializer)?;
    if nanoseconds < NANOSECONDS_IN_A_SECOND {
        Ok(nanoseconds)
    } else {
        Err(de::Error::custom("more nanoseconds than a second has"))
    }
}

/// utimensat(2) gives numbers beyond it a meaning of their own.
const NANOSECONDS_IN_A_SECOND: u32 = 1_000_000_000;

/// A user or group.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Identity {
    /// The number.
    pub number: u32,
    /// The name in the user or group database.
    pub name: Option<String>,
}
