//! What an inode says of itself, as a script sees it.

use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{self as wire, EntryType, Identity};
use rhai::{Dynamic, INT, ImmutableString, Map};

use crate::error::{Fallible, io_error};
use crate::value::integer;

/// The description of a file, directory or link.
#[derive(Clone, Debug)]
pub struct Metadata {
    inner: wire::Metadata,
    owner: Ownership,
    target: Option<ImmutableString>,
}

/// The names of user and group.
#[derive(Clone, Debug)]
pub struct Ownership {
    /// The user.
    pub user: ImmutableString,
    /// The group.
    pub group: ImmutableString,
}

impl Ownership {
    /// The names behind the numbers.
    ///
    /// # Errors
    /// `IdentityResolutionError` for a number without a name.
    pub fn of(metadata: &wire::Metadata) -> Fallible<Self> {
        Ok(Self {
            user: named(&metadata.owner, "user", "uid")?,
            group: named(&metadata.group, "group", "gid")?,
        })
    }
}

impl Metadata {
    /// The description that the broker gave, with the target of a link.
    ///
    /// # Errors
    /// `IdentityResolutionError` for an owner or group without a name.
    pub fn new(inner: wire::Metadata, target: Option<String>) -> Fallible<Self> {
        let owner = Ownership::of(&inner)?;
        Ok(Self { inner, owner, target: target.map(ImmutableString::from) })
    }

    /// What it is.
    pub fn entry_type(&self) -> EntryType {
        self.inner.entry_type
    }

    /// Length in bytes.
    pub fn file_size(&self) -> INT {
        integer(self.inner.size_bytes)
    }

    /// Allocated blocks of 512 bytes.
    pub fn blocks(&self) -> INT {
        integer(self.inner.blocks)
    }

    /// Allocated bytes.
    pub fn allocated_size(&self) -> INT {
        self.blocks().saturating_mul(512)
    }

    /// Hard links.
    pub fn num_hardlinks(&self) -> INT {
        integer(self.inner.links)
    }

    /// The whole mode, with the bits of the file type.
    pub fn permissions(&self) -> INT {
        integer(self.inner.mode)
    }

    /// Last modification, in whole seconds.
    pub fn modified_seconds(&self) -> INT {
        self.inner.modified.seconds
    }

    /// The part of a second of the last modification.
    pub fn modified_nanos(&self) -> INT {
        integer(self.inner.modified.nanoseconds)
    }

    /// Where a link points, if that is known.
    pub fn symlink_target(&self) -> Dynamic {
        self.target.clone().map_or(Dynamic::UNIT, Dynamic::from)
    }

    /// User and group.
    pub fn owner(&self) -> Ownership {
        self.owner.clone()
    }

    /// The fields as a map.
    pub fn to_map(&self) -> Map {
        [
            ("type", Dynamic::from(type_name(self.entry_type()))),
            ("permissions", Dynamic::from_int(self.permissions())),
            ("file_size", Dynamic::from_int(self.file_size())),
            ("allocated_size", Dynamic::from_int(self.allocated_size())),
            ("last_modified_time", Dynamic::from_int(self.modified_seconds())),
            ("num_hardlinks", Dynamic::from_int(self.num_hardlinks())),
            ("owner_user", Dynamic::from(self.owner.user.clone())),
            ("owner_group", Dynamic::from(self.owner.group.clone())),
            ("symlink_target", self.symlink_target()),
        ]
        .into_iter()
        .map(|(key, value)| (key.into(), value))
        .collect()
    }
}

/// The text of a type of entry.
pub fn type_name(entry_type: EntryType) -> &'static str {
    match entry_type {
        EntryType::File => "File",
        EntryType::Dir => "Dir",
        EntryType::Symlink => "Symlink",
        EntryType::Unknown => "Unknown",
        EntryType::Fifo => "Fifo",
        EntryType::Socket => "Socket",
        EntryType::CharDevice => "CharDevice",
        EntryType::BlockDevice => "BlockDevice",
    }
}

fn named(identity: &Identity, what: &str, id: &str) -> Fallible<ImmutableString> {
    match &identity.name {
        Some(name) => Ok(name.into()),
        None => Err(io_error(
            ErrorKind::IdentityResolutionError,
            format!("Identity resolution error: No {what} mapping found for {id}: {}", identity.number),
        )),
    }
}
