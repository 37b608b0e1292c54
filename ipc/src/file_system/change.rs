//! Requests that make, move, remove or relabel entries of the file system.

use serde::{Deserialize, Serialize};

use super::{Attributes, Instant, PathText, Permissions, Spelled};
use crate::bounded::Text;
use crate::handle::{AnyId, DirId, FileId};
use crate::limits::{MAX_IDENTITY_BYTES, MAX_LABEL_BYTES};

/// The name of a user or group as the script gave it.
pub type IdentityText = Text<MAX_IDENTITY_BYTES>;

/// A part of a security label as the script gave it.
pub type LabelText = Text<MAX_LABEL_BYTES>;

/// A user or group by name or by number.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub enum NameOrNumber {
    /// By its name in the user or group database.
    Name(IdentityText),
    /// By its number.
    Number(u32),
}

/// Moves a file, under the name it was opened by, to a name in an open directory, and opens it there.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct MoveFile {
    /// The file.
    pub file: FileId,
    /// The directory it goes to.
    pub to: DirId,
    /// Its name there.
    pub name: Spelled,
    /// The number of the new handle, opened with the options of the old one.
    pub id: FileId,
    /// Whether a move to another file system keeps mode, owner and times.
    pub backup: bool,
}

/// Moves a directory to a name in an open directory, and opens it there.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct MoveDir {
    /// The directory it is in.
    pub from: DirId,
    /// The directory itself, which moves under its last name.
    pub dir: DirId,
    /// The directory it goes to.
    pub to: DirId,
    /// Its name there.
    pub name: Spelled,
    /// The number of the new handle.
    pub id: DirId,
}

/// Removes the name by which a file was opened; for a followed link that is the link's.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct DeleteFile {
    /// The file.
    pub file: FileId,
    /// Whether it is no failure that the name is gone.
    pub force: bool,
}

/// Removes an open directory.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct DeleteDir {
    /// The directory.
    pub dir: DirId,
    /// Whether it is no failure that the directory is gone.
    pub force: bool,
    /// Whether what is in it is removed first.
    pub recursive: bool,
}

/// Removes what stands at a path: a file, a link, or a directory.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct DeletePath {
    /// An absolute path.
    pub path: PathText,
    /// Whether what is in a directory is removed first.
    pub recursive: bool,
}

/// Makes a directory somewhere below an open one, with the directories that lead to it; existing ones are fine.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct MakeDir {
    /// The open directory.
    pub dir: DirId,
    /// The relative path below it, in which no link is followed.
    pub path: PathText,
    /// What the last directory is to be like, whether it was there or not.
    pub attributes: Attributes,
}

/// Makes a directory at a path, with every directory that is missing on the way; links on the way are followed.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct MakePath {
    /// An absolute path.
    pub path: PathText,
}

/// Makes a symbolic link.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct CreateLink {
    /// The directory it will be in.
    pub dir: DirId,
    /// Its name there.
    pub name: Spelled,
    /// Where it points: any text, in the form of [`crate::name`].
    pub target: PathText,
    /// Whether it replaces what has this name; a directory is never replaced.
    pub force: bool,
}

/// Sets the permission bits of an open object.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct SetMode {
    /// The object; a link opened as itself has no mode.
    pub handle: AnyId,
    /// The bits; whatever else the mode had is cleared.
    pub permissions: Permissions,
}

/// Sets user and group of an open object, of a link opened as itself that of the link.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct SetOwner {
    /// The object.
    pub handle: AnyId,
    /// The new user, if it is to change.
    pub user: Option<IdentityText>,
    /// The new group, if it is to change.
    pub group: Option<IdentityText>,
}

/// Sets parts of an open file's SELinux label.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct SetXAttr {
    /// The file.
    pub file: FileId,
    /// The attribute; only `security.selinux` is supported.
    pub name: LabelText,
    /// The new SELinux user, if it is to change.
    pub selinux_user: Option<LabelText>,
    /// The new role, if it is to change.
    pub selinux_role: Option<LabelText>,
    /// The new type, if it is to change.
    pub selinux_type: Option<LabelText>,
    /// The new level, if it is to change.
    pub selinux_level: Option<LabelText>,
}

/// Sets the times of an open file.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct SetTimes {
    /// The file.
    pub file: FileId,
    /// Last access; nothing leaves it.
    pub accessed: Option<NewTime>,
    /// Last modification; nothing leaves it.
    pub modified: Option<NewTime>,
}

/// A time to be set.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewTime {
    /// The time of the call.
    Now,
    /// This one.
    At(Instant),
}
