//! Where the audit log usually is.

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, geteuid};

use super::error::AuditError;
use crate::audit::AuditTarget;

/// The usual log: root's is in `/var/log`, everybody else's in their state directory. Its directory is made.
pub(super) fn usual() -> Result<PathBuf, AuditError> {
    let directory = directory(geteuid().is_root(), |name| std::env::var_os(name))?;
    prepare(&directory)?;
    Ok(directory.join(NAME))
}

/// The paths of a log, and of the usual one, as far as they are paths.
pub fn places(target: &AuditTarget) -> impl Iterator<Item = PathBuf> {
    let usual = directory(geteuid().is_root(), |name| std::env::var_os(name)).ok();
    let named = if let AuditTarget::Path(path) = target { Some(path.clone()) } else { None };
    usual.map(|directory| directory.join(NAME)).into_iter().chain(named)
}

/// Root's place does not depend on the environment, which may be somebody else's.
fn directory(is_root: bool, lookup: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, AuditError> {
    if is_root {
        return Ok(PathBuf::from("/var/log/rex-broker"));
    }
    // XDG Base Directory Specification: "All paths set in these environment variables must be absolute. If an
    // implementation encounters a relative path […] it should consider the path invalid and ignore it."
    let absolute = |name| lookup(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    match state {
        Some(state) => Ok(state.join("rex-broker")),
        None => Err(AuditError::NoPlace {
            tried: None,
            reason: "neither XDG_STATE_HOME nor HOME names a directory".to_owned(),
        }),
    }
}

/// Makes the directory if it is missing, and refuses one in which others could exchange the log.
fn prepare(directory: &Path) -> Result<(), AuditError> {
    let unusable = |reason: String| AuditError::NoPlace { tried: Some(directory.to_owned()), reason };
    make(directory).map_err(|error| unusable(error.to_string()))?;
    let metadata = fs::symlink_metadata(directory).map_err(|error| unusable(error.to_string()))?;
    let owner = Uid::from_raw(metadata.uid());
    if !metadata.is_dir() {
        Err(unusable("it is not a directory".to_owned()))
    } else if metadata.mode() & 0o022 != 0 {
        Err(unusable("others may write to it".to_owned()))
    } else if !owner.is_root() && owner != geteuid() {
        Err(unusable("it belongs to another user".to_owned()))
    } else {
        Ok(())
    }
}

fn make(directory: &Path) -> io::Result<()> {
    match DirBuilder::new().recursive(true).mode(0o700).create(directory) {
        // With `recursive` an existing directory is no error, but a link to one is not followed below.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

const NAME: &str = "audit.jsonl";

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<OsString> {
        move |asked| variables.iter().find(|(name, _)| *name == asked).map(|(_, value)| value.into())
    }

    #[test]
    fn roots_place_does_not_depend_on_the_environment() {
        let place = directory(true, with(&[("XDG_STATE_HOME", "/tmp/x"), ("HOME", "/home/u")])).unwrap();

        assert_eq!(place, Path::new("/var/log/rex-broker"));
    }

    #[test]
    fn a_user_has_a_state_directory() {
        let table: [(&'static [(&str, &str)], &str); 3] = [
            (&[("XDG_STATE_HOME", "/s"), ("HOME", "/home/u")], "/s/rex-broker"),
            (&[("XDG_STATE_HOME", "relative"), ("HOME", "/home/u")], "/home/u/.local/state/rex-broker"),
            (&[("HOME", "/home/u")], "/home/u/.local/state/rex-broker"),
        ];

        for (variables, expected) in table {
            assert_eq!(directory(false, with(variables)).unwrap(), Path::new(expected));
        }
    }

    #[test]
    fn without_a_place_the_message_says_what_to_do() {
        let error = directory(false, with(&[("HOME", "")])).unwrap_err();

        assert!(error.to_string().ends_with("name one with --audit-log PATH|fd:N|none"), "{error}");
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_refused() {
        let directory = std::env::temp_dir().join(format!("rex-audit-place-{}", std::process::id()));
        DirBuilder::new().create(&directory).unwrap();

        let fine = prepare(&directory.join("made/here"));
        fs::set_permissions(&directory, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        let open = prepare(&directory);

        fs::remove_dir_all(&directory).unwrap();
        assert!(fine.is_ok(), "{fine:?}");
        assert!(matches!(open, Err(AuditError::NoPlace { .. })), "{open:?}");
    }
}
