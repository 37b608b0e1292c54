//! Where configuration lies.

use std::ffi::OsString;
use std::path::PathBuf;

use nix::unistd::{geteuid, getuid};

/// Where configuration lies, and whose it has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The directory of root's.
    pub system: PathBuf,
    /// The user's file; nothing for root, whose environment may be somebody else's.
    pub user: Option<PathBuf>,
    /// The user that the files in `system` must belong to.
    pub system_owner: u32,
}

impl Places {
    /// Those of this process.
    pub fn usual() -> Self {
        let is_root = geteuid().is_root() || getuid().is_root();
        // With the rights of another user than the one who calls, the caller's environment says nothing.
        let user = if is_root || geteuid() != getuid() { None } else { user(|name| std::env::var_os(name)) };
        Self { system: PathBuf::from("/etc/rex-broker"), user, system_owner: 0 }
    }

    /// The files, and the directory of files, that are looked for; whether they are there or not.
    pub fn paths(&self) -> impl Iterator<Item = PathBuf> {
        [self.system.join("config.toml"), self.system.join("conf.d")].into_iter().chain(self.user.clone())
    }
}

fn user(lookup: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    // XDG Base Directory Specification: "All paths set in these environment variables must be absolute. If an
    // implementation encounters a relative path […] it should consider the path invalid and ignore it."
    let absolute = |name| lookup(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let directory = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
    Some(directory.join("rex-broker/config.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_file_is_where_the_specification_has_it() {
        let with = |variables: &'static [(&str, &str)]| {
            user(move |asked| {
                variables.iter().find(|(name, _)| *name == asked).map(|(_, value)| value.into())
            })
        };

        assert_eq!(with(&[("HOME", "/h")]), Some("/h/.config/rex-broker/config.toml".into()));
        assert_eq!(
            with(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/c")]),
            Some("/c/rex-broker/config.toml".into())
        );
        assert_eq!(
            with(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "c")]),
            Some("/h/.config/rex-broker/config.toml".into())
        );
        assert_eq!(with(&[("HOME", "h")]), None);
    }
}
