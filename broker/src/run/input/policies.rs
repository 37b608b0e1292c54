//! Which policy files are meant, and their texts.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use nix::dir::Dir;

use super::{InputError, MAX_POLICY_BYTES, file, trust};
use crate::host::believed::Opened;
use crate::terminal::printable_line;

/// One policy file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySource {
    /// Its path, as given or as found; findings call it so.
    pub name: String,
    /// What it contains.
    pub text: String,
    /// What of it its group may write: the file, or the directory that it was found in, which is named for its first file.
    pub writable_by_group: Vec<String>,
}

impl PolicySource {
    /// What there is to say of everything that its group may write.
    pub fn doubts(&self) -> impl Iterator<Item = String> + '_ {
        self.writable_by_group
            .iter()
            .map(|path| format!("{}: its group may write this policy", printable_line(path)))
    }
}

/// Reads policy files in the order given. A directory stands for its files `*.cedar` in the order of their names;
/// hidden ones and those of its subdirectories are left out.
///
/// All together may have 16 MiB, and a directory 1,000 files. A pipe may take until `deadline` to come to its end.
///
/// # Errors
/// When one cannot be read, is too large, not UTF-8, or may be written by people who must not (see `trust`), or when
/// a directory has no such file.
pub fn read_policies<P: AsRef<Path>>(
    paths: &[P],
    deadline: Instant,
) -> Result<Vec<PolicySource>, InputError> {
    let mut sources = Vec::new();
    let mut room = MAX_POLICY_BYTES;
    for given in paths {
        let given = given.as_ref();
        let failed = |path: &Path, source| InputError::Policy { path: path.display().to_string(), source };
        let mut take = |path: &Path, Opened { file, metadata, .. }: Opened, writable_by_group| {
            let text =
                file::read_opened(file, &metadata, room, deadline).map_err(|error| failed(path, error))?;
            room = room.saturating_sub(text.len());
            sources.push(PolicySource { name: path.display().to_string(), text, writable_by_group });
            Ok(())
        };
        let told = |path: &Path, group_may_write: trust::GroupMayWrite| {
            group_may_write.then(|| path.display().to_string())
        };
        // A pipe can be opened only once.
        let (opened, group_may_write) = trust::open(given).map_err(|error| failed(given, error))?;
        let own = told(given, group_may_write);
        if !opened.metadata.is_dir() {
            take(given, opened, own.into_iter().collect())?;
            continue;
        }
        let mut of_directory = own;
        for path in listed(given, opened.file).map_err(|error| failed(given, error))? {
            let (opened, group_may_write) = trust::open(&path).map_err(|error| failed(&path, error))?;
            let doubtful = of_directory.take().into_iter().chain(told(&path, group_may_write));
            take(&path, opened, doubtful.collect())?;
        }
    }
    Ok(sources)
}

fn listed(path: &Path, directory: File) -> io::Result<Vec<PathBuf>> {
    let mut names = Vec::new();
    for entry in Dir::from_fd(directory.into())?.iter() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        let is_meant = name.ends_with(b".cedar") && !name.starts_with(b".");
        if is_meant && !path.join(OsStr::from_bytes(name)).is_dir() {
            names.push(name.to_vec());
        }
        if names.len() > MAX_FILES {
            let message = format!("there are more than {MAX_FILES} policy files");
            return Err(io::Error::new(ErrorKind::FileTooLarge, message));
        }
    }
    if names.is_empty() {
        return Err(io::Error::new(ErrorKind::InvalidData, "there is no file *.cedar in this directory"));
    }
    names.sort_unstable();
    Ok(names.iter().map(|name| path.join(OsStr::from_bytes(name))).collect())
}

const MAX_FILES: usize = 1_000;
