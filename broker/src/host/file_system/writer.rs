//! New content on its way to a file: collected out of sight, and put in its place when it is complete.

use std::cell::RefCell;
use std::rc::Rc;

use rex_ipc::action::file_system::{Chmod, Chown, Create, Write};
use rex_ipc::file_system::WriteHow;

use crate::gate::{Allows, Held, Inode, Resource};
use crate::host::file_system::object::{Directory, File};
use crate::host::file_system::staged::Staged;
use crate::policy::ResourceRef;
use crate::policy::name::PathName;

/// New content, and where it goes.
#[derive(Debug)]
pub struct Writer {
    /// Where it goes.
    pub target: Target,
    /// What has come of it so far.
    pub staged: RefCell<Staged>,
}

/// Where new content goes.
#[derive(Debug)]
pub enum Target {
    /// To a file that is open.
    File(Rc<File>, WriteHow),
    /// To a name that may be missing, as may directories on the way to it.
    New(NewFile),
}

/// A file somewhere below an open directory, whether or not it is there.
#[derive(Clone, Debug)]
pub struct NewFile {
    /// The directory.
    pub dir: Rc<Directory>,
    /// The whole path.
    pub path: PathName,
}

impl Writer {
    /// The path that the policy is asked about.
    pub fn path(&self) -> &PathName {
        match &self.target {
            Target::File(file, _) => &file.name,
            Target::New(new) => &new.path,
        }
    }

    /// The content has come to its place.
    pub fn has_arrived(&self) {
        if let Target::File(file, _) = &self.target {
            file.stays();
        }
    }

    /// The content will not come: an empty file that was made for it goes again.
    pub fn was_for_nothing(&self) {
        if let Target::File(file, _) = &self.target {
            file.was_for_nothing();
        }
    }
}

impl NewFile {
    /// The directories between the open one and the file, the first one first.
    pub fn levels(&self) -> Vec<PathName> {
        let mut levels = Vec::new();
        let mut level = self.path.parent();
        while level != self.dir.name && level.is_within(&self.dir.name) {
            let parent = level.parent();
            levels.push(level);
            level = parent;
        }
        levels.reverse();
        levels
    }
}

impl Resource for Rc<Writer> {
    fn as_question(&self) -> ResourceRef<'_> {
        ResourceRef::File(self.path().as_str())
    }

    fn inode(&self) -> Option<Inode> {
        match &self.target {
            Target::File(file, _) => Some(file.inode),
            Target::New(_) => None,
        }
    }

    fn held(&self) -> Held<'_> {
        match &self.target {
            Target::File(file, _) => file.held(),
            Target::New(_) => Held::Nothing,
        }
    }
}

impl Resource for NewFile {
    fn as_question(&self) -> ResourceRef<'_> {
        ResourceRef::File(self.path.as_str())
    }
}

impl Allows<Write> for Rc<Writer> {}
impl Allows<Chmod> for Rc<Writer> {}
impl Allows<Chown> for Rc<Writer> {}
impl Allows<Create> for NewFile {}
impl Allows<Write> for NewFile {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_those_between_the_directory_and_the_file() {
        let fd = crate::host::file_system::unguarded::root().unwrap();
        let name = PathName::parse("/srv").unwrap();
        let inode = Inode { device: 0, number: 0 };
        let dir = Rc::new(Directory { fd, name, inode, listing: Default::default() });
        let levels = |path: &str| {
            let new = NewFile { dir: Rc::clone(&dir), path: PathName::parse(path).unwrap() };
            new.levels().iter().map(|level| level.as_str().to_owned()).collect::<Vec<_>>()
        };

        assert_eq!(levels("/srv/f"), [""; 0]);
        assert_eq!(levels("/srv/a/b/f"), ["/srv/a", "/srv/a/b"]);
    }
}
