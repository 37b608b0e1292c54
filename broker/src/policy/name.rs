//! The names under which the policy is asked about files: absolute, without `//`, `.` and `..`.

use std::ffi::{CString, OsStr};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;

use rex_ipc::file_system::NameText;
use rex_ipc::name;

/// An absolute, lexically normalized path, in the text form of [`rex_ipc::name`].
///
/// Two spellings of one place are one `PathName`; it is what entity uids are made of.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PathName(Rc<str>);

/// Why a text is no path that a script may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAPath {
    /// What is wrong with it, for the script.
    Invalid(String),
    /// It has more than [`MAX_COMPONENTS`].
    TooLong,
}

/// Most components of a path that a script gives: path_resolution(7) takes no path of PATH_MAX, 4,096 bytes, and each
/// component has at least one and a slash.
pub const MAX_COMPONENTS: usize = 2048;

impl PathName {
    /// The root directory.
    pub fn root() -> Self {
        Self("/".into())
    }

    /// The name for a path as a script gave it.
    ///
    /// # Errors
    /// `Invalid` when it is not absolute, has a component `..`, or contains a zero byte; `TooLong` when it has more
    /// components than any system call takes.
    pub fn parse(given: &str) -> Result<Self, NotAPath> {
        // An escape may spell an ordinary character, a slash or a dot among them: bytes first, text afterwards.
        let canonical = if given.is_ascii() { None } else { Some(name::to_text(&name::to_bytes(given))) };
        let text = canonical.as_deref().unwrap_or(given);
        if text.contains('\0') {
            return Err(NotAPath::Invalid(format!("Path contains invalid characters {given}")));
        }
        if !text.starts_with('/') {
            return Err(NotAPath::Invalid(format!("Path is not absolute {given}")));
        }
        let mut path = String::with_capacity(text.len());
        let mut components = 0_usize;
        for component in text.split('/') {
            match component {
                "" | "." => {}
                ".." => {
                    return Err(NotAPath::Invalid(format!("Path traversal detected {given}")));
                }
                _ => {
                    components += 1;
                    path.push('/');
                    path.push_str(component);
                }
            }
        }
        // The kernel would say so, too, but only after the policy has been asked.
        if components > MAX_COMPONENTS {
            return Err(NotAPath::TooLong);
        }
        if path.is_empty() {
            path.push('/');
        }
        Ok(Self(path.into()))
    }

    /// The name of an operating system's path that is already known to be absolute; `..` is taken lexically.
    pub fn from_os(path: &Path) -> Self {
        let mut parts: Vec<&[u8]> = Vec::new();
        for component in path.as_os_str().as_bytes().split(|&byte| byte == b'/') {
            match component {
                b"" | b"." => {}
                b".." => {
                    parts.pop();
                }
                _ => parts.push(component),
            }
        }
        let mut text = String::new();
        for part in parts {
            text.push('/');
            text.push_str(&name::to_text(part));
        }
        if text.is_empty() {
            text.push('/');
        }
        Self(text.into())
    }

    /// This directory's entry of this name, which is a single component in bytes.
    pub fn join(&self, entry: &[u8]) -> Self {
        let above = if &*self.0 == "/" { "" } else { &*self.0 };
        Self([above, "/", &*name::to_text(entry)].concat().into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The directory it is in; the root's is the root.
    pub fn parent(&self) -> Self {
        match self.0.rfind('/') {
            Some(at) if at > 0 => Self(self.0[..at].into()),
            _ => Self::root(),
        }
    }

    /// The last component; the root has none.
    pub fn file_name(&self) -> Option<&str> {
        self.0.rsplit('/').next().filter(|name| !name.is_empty())
    }

    /// Whether this is `other` or lies below it.
    pub fn is_within(&self, other: &PathName) -> bool {
        match self.0.strip_prefix(other.as_str()) {
            Some(rest) => rest.is_empty() || rest.starts_with('/') || other.as_str() == "/",
            None => false,
        }
    }

    /// The directories below `top`, down to this one and with it, the first one first; none when it is not below it.
    pub fn levels_below(&self, top: &PathName) -> Vec<PathName> {
        let mut levels = Vec::new();
        let mut level = self.clone();
        while level != *top && level.is_within(top) {
            let parent = level.parent();
            levels.push(level);
            level = parent;
        }
        levels.reverse();
        levels
    }

    /// The components in bytes, from the root.
    pub fn components(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.0.split('/').filter(|part| !part.is_empty()).map(name::to_bytes)
    }

    /// The path below the root, for a call that starts there: without its first slash, or `.` for the root itself.
    pub fn below_root(&self) -> CString {
        let rest = &self.0[1..];
        let bytes = match rest {
            "" => b".".to_vec(),
            _ if rest.is_ascii() => rest.as_bytes().to_vec(),
            _ => name::to_bytes(rest),
        };
        CString::new(bytes).expect("a path name contains no zero byte")
    }

    /// The path below a directory that it is in, for a call that starts there; `.` for the directory itself, nothing
    /// for a path that is not below it.
    pub fn below(&self, directory: &PathName) -> Option<CString> {
        if !self.is_within(directory) {
            return None;
        }
        let rest = self.0.strip_prefix(directory.as_str())?.trim_start_matches('/');
        let bytes = if rest.is_empty() { b".".to_vec() } else { name::to_bytes(rest) };
        CString::new(bytes).ok()
    }

    /// The path as the operating system spells it.
    pub fn to_os(&self) -> std::path::PathBuf {
        Path::new(OsStr::from_bytes(&name::to_bytes(&self.0))).to_path_buf()
    }
}

// As the text is hashed and compared, so is the name.
impl std::borrow::Borrow<str> for PathName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PathName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Debug for PathName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, out)
    }
}

/// A single component of a path, in bytes: not empty, no slash, no zero byte, neither `.` nor `..`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryName(CString);

impl EntryName {
    /// The component in the text form of [`rex_ipc::name`], or nothing when it is no single component.
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_bytes(if text.is_ascii() { text.as_bytes().to_vec() } else { name::to_bytes(text) })
    }

    /// The component that crossed the boundary as one.
    pub fn of(name: &NameText) -> Self {
        Self(CString::new(name::to_bytes(name.as_str())).expect("a name has no zero byte"))
    }

    /// The component in bytes, or nothing when it is no single component.
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        if bytes.is_empty() || bytes.contains(&b'/') || bytes == b"." || bytes == b".." {
            return None;
        }
        CString::new(bytes).ok().map(Self)
    }

    /// For a system call.
    pub fn as_c_str(&self) -> &std::ffi::CStr {
        &self.0
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_those_below_the_directory() {
        let levels = |path: &str, top: &str| {
            let (path, top) = (PathName::parse(path).unwrap(), PathName::parse(top).unwrap());
            path.levels_below(&top).iter().map(|level| level.as_str().to_owned()).collect::<Vec<_>>()
        };

        assert_eq!(levels("/srv", "/srv"), [""; 0]);
        assert_eq!(levels("/srv/a/b", "/srv"), ["/srv/a", "/srv/a/b"]);
        assert_eq!(levels("/a/b", "/"), ["/a", "/a/b"]);
        assert_eq!(levels("/other/a", "/srv"), [""; 0]);
    }

    #[test]
    fn every_spelling_of_a_path_is_one_name() {
        for alias in ["/etc/x", "//etc/x", "/etc//x", "/etc/./x", "/./etc/x/", "/etc/x/.", "/etc/x//"] {
            assert_eq!(PathName::parse(alias).unwrap().as_str(), "/etc/x", "{alias}");
        }
    }

    #[test]
    fn an_escape_cannot_spell_an_ordinary_character() {
        // U+10FF65 stands for the byte 65, which is `e`; U+10FF2F for a slash, U+10FF2E for a dot.
        assert_eq!(PathName::parse("/\u{10FF65}tc").unwrap().as_str(), "/etc");
        assert_eq!(PathName::parse("/a\u{10FF2F}b").unwrap().as_str(), "/a/b");
        assert!(PathName::parse("/a/\u{10FF2E}\u{10FF2E}/b").is_err());
        assert!(PathName::parse("/a\u{10FF00}b").is_err());
    }

    #[test]
    fn what_is_relative_or_goes_up_is_refused() {
        for wrong in ["", "a", "./a", "/a/../b", "/..", "../a", "/a/.."] {
            assert!(PathName::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn more_components_than_a_system_call_takes_are_refused_before_anybody_is_asked() {
        let refused = PathName::parse(&"/a".repeat(MAX_COMPONENTS + 1)).unwrap_err();

        assert_eq!(refused, NotAPath::TooLong);
        assert!(PathName::parse(&"/a".repeat(MAX_COMPONENTS)).is_ok());
        assert!(PathName::parse(&format!("/a{}", "/".repeat(8000))).is_ok());
    }

    #[test]
    fn within_respects_component_borders() {
        let etc = PathName::parse("/etc").unwrap();

        assert!(PathName::parse("/etc/x").unwrap().is_within(&etc));
        assert!(etc.is_within(&etc));
        assert!(!PathName::parse("/etcetera").unwrap().is_within(&etc));
        assert!(etc.is_within(&PathName::root()));
    }
}
