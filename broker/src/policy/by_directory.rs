//! What belongs to the directories that policies name, found for a path in one pass over it.

use std::collections::{BTreeSet, HashMap};

/// Values by directory.
///
/// A path of some thousand components has as many directories above it, and looking each of them up would read the path
/// as often. Only prefixes are looked up that are as long as a name that is here, and end where a component does.
#[derive(Debug)]
pub(super) struct ByDirectory<T> {
    of: HashMap<Box<str>, T>,
    lengths: BTreeSet<usize>,
}

impl<T> Default for ByDirectory<T> {
    fn default() -> Self {
        Self { of: HashMap::new(), lengths: BTreeSet::new() }
    }
}

impl<T> ByDirectory<T> {
    /// The value of this directory, made when it has none.
    pub(super) fn entry(&mut self, directory: &str, make: impl FnOnce() -> T) -> &mut T {
        self.lengths.insert(directory.len());
        self.of.entry(directory.into()).or_insert_with(make)
    }

    /// Whether no directory has a value.
    pub(super) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// The value of this very directory.
    pub(super) fn get(&self, directory: &str) -> Option<&T> {
        // Most names are as long as none that is here, and need not be hashed to know it.
        if self.lengths.contains(&directory.len()) { self.of.get(directory) } else { None }
    }

    /// The directories above a path that have a value, the furthest first, with their values.
    pub(super) fn above<'a>(&'a self, path: &'a str) -> impl Iterator<Item = (&'a str, &'a T)> {
        let longest = path.len().saturating_sub(1);
        self.lengths.range(..=longest).filter_map(move |length| {
            let above = prefix(path, *length)?;
            work::done(above.len());
            self.of.get(above).map(|value| (above, value))
        })
    }
}

/// Whether the directory is one of those above the path.
pub(super) fn is_above(directory: &str, path: &str) -> bool {
    directory.len() < path.len() && prefix(path, directory.len()) == Some(directory)
}

/// The prefix of this length, where it is a directory above the path: what stands before a slash, or the root.
fn prefix(path: &str, length: usize) -> Option<&str> {
    let ends_here = path.as_bytes().get(length) == Some(&b'/') && length > 0;
    let is_root = length == 1 && path.starts_with('/');
    if ends_here || is_root { path.get(..length) } else { None }
}

/// How many bytes were read to decide; counted in tests only.
pub(super) mod work {
    #[cfg(test)]
    thread_local! {
        static BYTES: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
    }

    #[cfg(test)]
    pub(in crate::policy) fn done(bytes: usize) {
        BYTES.with(|count| count.set(count.get() + bytes as u64));
    }

    #[cfg(not(test))]
    pub(in crate::policy) fn done(_bytes: usize) {}

    /// What was counted since the last time, in this thread.
    #[cfg(test)]
    pub(in crate::policy) fn take() -> u64 {
        BYTES.with(|count| count.replace(0))
    }
}

#[cfg(test)]
mod tests {
    use super::super::entities::ancestors;
    use super::*;

    #[test]
    fn what_is_above_is_what_the_definition_says() {
        let names = [
            "",
            "/",
            "//",
            "/a",
            "/a/",
            "a",
            "a/b",
            "/a/b",
            "/a//b",
            "/ab",
            "/a/b/c",
            "/\u{e4}/\u{f6}",
            "https://a/b/c",
        ];
        let mut all = ByDirectory::default();
        for name in names {
            all.entry(name, || name);
        }

        for path in
            names.into_iter().chain(["/a/b/c/d", "/a//b/c", "//a/b", "/\u{e4}/\u{f6}/x", "/ab/c", "a/b/c/"])
        {
            let found: BTreeSet<&str> = all.above(path).map(|(_, value)| *value).collect();
            let expected: BTreeSet<&str> = ancestors(path).filter(|above| names.contains(above)).collect();

            assert_eq!(found, expected, "{path:?}");
            let each = names.into_iter().filter(|name| is_above(name, path)).collect::<BTreeSet<_>>();
            assert_eq!(each, expected, "{path:?}");
        }
    }
}
