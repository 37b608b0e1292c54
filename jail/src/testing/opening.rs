//! How the fake broker opens directories, files and links.

use rex_ipc::failure::{ErrorKind, Failure};
use rex_ipc::file_system::*;

use super::world::{Handle, Node, World, entry, handle, invalid, missing, normal, parent, system};

impl World {
    pub(super) fn open_dir(&mut self, open: &OpenDir) -> Result<(), Failure> {
        let path = match &open.at {
            DirPlace::Path(path) if !path.as_str().starts_with('/') => {
                return Err(invalid(ErrorKind::Other, &format!("Path is not absolute {path}")));
            }
            DirPlace::Path(path) => normal(path.as_str()),
            DirPlace::Entry(dir, name) => self.in_dir(dir.0, name.as_str()),
            DirPlace::Below(dir, path) => self.in_dir(dir.0, path.as_str()),
        };
        self.check("open", "Dir", &path)?;
        let real = if open.follow { self.follow(&path) } else { path.clone() };
        if real != path {
            self.check("open", "Dir", &real)?;
        }
        match self.nodes.get(&real) {
            Some(Node::Dir) => self.opens(open.id.0, handle(real)),
            Some(_) if open.follow => return Err(system(20, "Not a directory (os error 20)")),
            Some(_) => {
                return Err(invalid(
                    ErrorKind::DirectoryOpenError,
                    &format!(
                        "Directory error: Not a directory, enable follow_symlinks to open the target directory: {path}"
                    ),
                ));
            }
            None => return Err(missing()),
        }
        Ok(())
    }

    pub(super) fn open_file(&mut self, open: &OpenFile) -> Result<(), Failure> {
        let path = self.in_dir(open.dir.0, open.name.as_str());
        self.check("open", "File", &path)?;
        if open.mode.asks_create() {
            self.check("create", "File", &path)?;
        }
        let real = if open.follow { self.follow(&path) } else { path.clone() };
        if real != path {
            self.check("open", "File", &real)?;
        }
        let (readable, writable) = match open.mode {
            OpenMode::Read => (true, false),
            OpenMode::Write(_) => (false, true),
            OpenMode::ReadWrite(_) => (true, true),
            OpenMode::AskOnly => return Err(system(22, "Invalid argument (os error 22)")),
        };
        if open.mode.asks_create() && !self.nodes.contains_key(&real) {
            self.nodes.insert(real.clone(), Node::File(Vec::new()));
        }
        match self.nodes.get(&real) {
            Some(Node::File(_)) => {
                self.opens(open.id.0, Handle { named: path, readable, writable, ..handle(real) });
                Ok(())
            }
            Some(Node::Link(_)) => Err(invalid(
                ErrorKind::FileError,
                &format!("File error: file is a symbolic link but follow_symlinks is not enabled: {path}"),
            )),
            Some(Node::Dir) if writable => Err(system(21, "Is a directory (os error 21)")),
            Some(_) => Err(invalid(ErrorKind::ValidationError, "Validation error: argument is not a file")),
            None => Err(missing()),
        }
    }

    pub(super) fn open_target(&mut self, open: &OpenTarget) -> Result<(), Failure> {
        let path = self.in_dir(open.dir.0, open.name.as_str());
        self.check("open", "File", &path)?;
        self.check("create", "File", &path)?;
        if let Some(from) = open.from {
            let from = self.opened[&from.0].path.clone();
            self.check("read", "File", &from)?;
        }
        self.check("write", "File", &path)?;
        self.open_file(&OpenFile {
            id: open.id,
            dir: open.dir,
            name: open.name.clone(),
            mode: OpenMode::Write(IfMissing::Make(None)),
            follow: false,
        })
    }

    pub(super) fn open_listing(&mut self, open: &OpenListing) -> Result<Listing, Failure> {
        let text = open.path.as_str();
        let path = normal(text);
        if let (Some(Node::Link(_)), false) = (self.nodes.get(&path), text.ends_with('/')) {
            let parent = parent(&path);
            self.check("open", "Dir", &parent)?;
            self.check("open", "File", &path)?;
            self.opens(open.id.0, Handle { link: true, ..handle(parent) });
            return Ok(Listing::Link(self.opened_at(open.id.0), entry(&path, &self.nodes[&path])));
        }
        self.check("open", "Dir", &path)?;
        let real = self.follow(&path);
        match self.nodes.get(&real) {
            Some(Node::Dir) => self.opens(open.id.0, handle(real)),
            Some(_) => {
                return Err(invalid(
                    ErrorKind::InvalidArguments,
                    &format!("Invalid arguments: ls: {path}: Not a directory or symlink"),
                ));
            }
            None => return Err(missing()),
        }
        Ok(Listing::Directory(self.opened_at(open.id.0)))
    }
}
