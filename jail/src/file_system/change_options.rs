//! The options of writing, copying, moving, removing and relabelling, and what is wrong with some of them.

use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::Permissions;
use rhai::{INT, ImmutableString};

use super::options::{Builder, SizeUnit};
use crate::error::{Fallible, io_error, text_error};
use crate::value;

/// How a directory is removed.
#[derive(Clone, Debug, Default)]
pub struct DeleteDirOptions {
    /// It is no failure that it is gone.
    pub force: bool,
    /// With everything in it.
    pub recursive: bool,
}

/// How a file is removed.
#[derive(Clone, Debug, Default)]
pub struct DeleteFileOptions {
    /// It is no failure that it is gone.
    pub force: bool,
}

/// How a file is replaced.
#[derive(Clone, Debug)]
pub struct WriteOptions {
    /// The new file gets the old one's user and group.
    pub preserve_ownership: bool,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self { preserve_ownership: true }
    }
}

/// How a file is copied.
#[derive(Clone, Debug, Default)]
pub struct CopyFileOptions {
    /// Overwrite content.
    pub force: bool,
    /// Keep mode and times.
    pub preserve: bool,
}

/// How something is moved.
#[derive(Clone, Debug, Default)]
pub struct MoveOptions {
    /// It is a failure if a file that goes to another file system cannot keep owner, mode and times.
    pub backup: bool,
    /// Write a line to the log.
    pub verbose: bool,
}

/// Which mode a directory gets, and what is in it.
#[derive(Clone, Debug, Default)]
pub struct ChmodDirOptions {
    /// The permission bits, which must be set.
    pub permissions: Option<INT>,
    /// Everything below, too.
    pub recursive: bool,
}

impl Builder<ChmodDirOptions> {
    /// The finished options.
    ///
    /// # Errors
    /// A text, when no bits were set.
    pub fn build(&mut self) -> Fallible<ChmodDirOptions> {
        match self.0.permissions {
            Some(_) => Ok(self.0.clone()),
            None => Err(text_error("`permissions` must be initialized")),
        }
    }
}

/// Permission bits for the wire.
///
/// # Errors
/// `TryFromIntError` for a number less than 0, `ValidationError` for one beyond 0o777.
pub fn permissions(number: INT) -> Fallible<Permissions> {
    if number < 0 {
        return Err(io_error(ErrorKind::TryFromIntError, value::OUT_OF_RANGE));
    }
    u16::try_from(number).ok().and_then(Permissions::new).ok_or_else(|| {
        let message = format!(
            "Validation error: Invalid permissions. Permissions must be in the range 0-777 octal: {number:#o}"
        );
        io_error(ErrorKind::ValidationError, message)
    })
}

/// Which user and group something gets.
#[derive(Clone, Debug, Default)]
pub struct SetOwnershipOptions {
    /// The name of the user, if it is to change.
    pub user: Option<ImmutableString>,
    /// The name of the group, if it is to change.
    pub group: Option<ImmutableString>,
    /// Everything below, too.
    pub recursive: bool,
}

/// What is counted, and what is listed.
#[derive(Clone, Debug)]
pub struct DiskUsageOptions {
    /// List the directory itself, and nothing below.
    pub summarize: bool,
    /// List what is not a directory, too.
    pub all_files: bool,
    /// Stay on the file system of the directory.
    pub one_file_system: bool,
    /// Count a file again under each of its names.
    pub count_hard_links: bool,
    /// Lengths instead of allocated blocks.
    pub apparent_size: bool,
    /// Greatest depth that is listed; the directory itself has depth 0.
    pub max_depth: INT,
    /// Keep the largest directory open.
    pub track_largest_subdir: bool,
}

impl Default for DiskUsageOptions {
    fn default() -> Self {
        Self {
            summarize: false,
            all_files: false,
            one_file_system: false,
            count_hard_links: false,
            apparent_size: false,
            max_depth: INT::MAX,
            track_largest_subdir: false,
        }
    }
}

impl DiskUsageOptions {
    /// These options, unless they contradict each other.
    ///
    /// # Errors
    /// A text, for a summary with all entries.
    pub fn checked(&self) -> Fallible<Self> {
        if self.summarize && self.all_files {
            return Err(text_error(CONTRADICTION));
        }
        Ok(self.clone())
    }
}

/// How a link is made.
#[derive(Clone, Debug, Default)]
pub struct CreateSymlinkOptions {
    /// Replace what has the name.
    pub force: bool,
}

/// How long a file becomes.
#[derive(Clone, Debug)]
pub struct TruncateOptions {
    /// The length, counted in the unit.
    pub size: INT,
    /// The unit.
    pub format: SizeUnit,
}

impl Default for TruncateOptions {
    fn default() -> Self {
        Self { size: 0, format: SizeUnit { bytes: 1 } }
    }
}

impl TruncateOptions {
    /// The length in bytes. What is too large for a script integer is as large as one can be, and no file is.
    ///
    /// # Errors
    /// `InvalidArguments` for a length less than 0.
    pub fn size_bytes(&self) -> Fallible<u64> {
        u64::try_from(self.size.saturating_mul(self.format.bytes)).map_err(|_| {
            let message = "Invalid arguments: Size must be greater than or equal to 0";
            io_error(ErrorKind::InvalidArguments, message)
        })
    }
}

/// How much space a file gets.
#[derive(Clone, Debug)]
pub struct FallocateOptions {
    /// The length, counted in the unit, which must be set.
    pub length: Option<INT>,
    /// The unit.
    pub format: SizeUnit,
}

impl Default for FallocateOptions {
    fn default() -> Self {
        Self { length: None, format: SizeUnit { bytes: 1 } }
    }
}

impl Builder<FallocateOptions> {
    /// The finished options.
    ///
    /// # Errors
    /// A text, when the length was not set or is not greater than 0.
    pub fn build(&mut self) -> Fallible<FallocateOptions> {
        match self.0.length {
            None => Err(text_error("Invalid arguments: Field not initialized: length")),
            Some(..=0) => Err(text_error("Validation error: Length must be greater than 0")),
            Some(_) => Ok(self.0.clone()),
        }
    }
}

impl FallocateOptions {
    /// The length in bytes; as large as can be when it is too large for a script integer.
    pub fn length_bytes(&self) -> u64 {
        let bytes = self.length.unwrap_or_default().saturating_mul(self.format.bytes);
        u64::try_from(bytes).unwrap_or_default()
    }
}

/// Which parts of a security label change.
#[derive(Clone, Debug, Default)]
pub struct SetXAttrOptions {
    /// The attribute, which must be set.
    pub name: Option<ImmutableString>,
    /// The SELinux type.
    pub selinux_type: Option<ImmutableString>,
    /// The SELinux user.
    pub selinux_user: Option<ImmutableString>,
    /// The SELinux role.
    pub selinux_role: Option<ImmutableString>,
    /// The SELinux level.
    pub selinux_level: Option<ImmutableString>,
}

impl Builder<SetXAttrOptions> {
    /// The finished options.
    ///
    /// # Errors
    /// A text, when no attribute was named.
    pub fn build(&mut self) -> Fallible<SetXAttrOptions> {
        match self.0.name {
            Some(_) => Ok(self.0.clone()),
            None => Err(text_error("`name` must be initialized")),
        }
    }
}
/// What is said of a summary with all entries.
pub const CONTRADICTION: &str = "Validation error: cannot both summarize and show all entries";
