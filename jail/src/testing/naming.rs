//! How the fake broker moves, makes, removes and relabels entries.

use rex_ipc::failure::{ErrorKind, Failure};
use rex_ipc::file_system::*;
use rex_ipc::handle::AnyId;

use super::world::{Handle, Node, World, handle, invalid, missing, normal, parent, system};
use super::writing::told;

impl World {
    pub(super) fn move_file(&mut self, moving: &MoveFile) -> Result<Opened, Failure> {
        let file = self.opened[&moving.file.0].clone();
        let to = self.in_dir(moving.to.0, moving.name.as_str());
        self.check("move", "File", &file.named)?;
        self.check("create", "File", &to)?;
        if matches!(self.nodes.get(&to), Some(Node::Dir)) {
            let message = format!("File error: Error moving file from '{}' to '{to}'", file.named);
            return Err(invalid(ErrorKind::FileError, &message));
        }
        self.renamed(&file.named, &to)?;
        self.check("open", "File", &to)?;
        self.opens(moving.id.0, Handle { path: to.clone(), named: to.clone(), ..file });
        Ok(told(&to))
    }

    pub(super) fn move_dir(&mut self, moving: &MoveDir) -> Result<Opened, Failure> {
        let dir = self.opened[&moving.dir.0].clone();
        let base = dir.path.rsplit('/').next().unwrap().to_owned();
        let from = self.in_dir(moving.from.0, &base);
        let mut to = self.in_dir(moving.to.0, moving.name.as_str());
        self.check("move", "Dir", &from)?;
        self.check("create", "Dir", &to)?;
        if self.nodes.keys().any(|path| parent(path) == to) {
            to = normal(&format!("{to}/{base}"));
        }
        self.renamed(&from, &to)?;
        self.opens(moving.id.0, handle(to.as_str()));
        Ok(told(&to))
    }

    pub(super) fn delete_file(&mut self, delete: &DeleteFile) -> Result<(), Failure> {
        let file = self.opened[&delete.file.0].clone();
        self.check("delete", "File", &file.named)?;
        match self.nodes.remove(&file.named) {
            None if !delete.force => Err(gone(&parent(&file.named))),
            _ => Ok(()),
        }
    }

    pub(super) fn delete_dir(&mut self, delete: &DeleteDir) -> Result<(), Failure> {
        let path = self.opened[&delete.dir.0].path.clone();
        self.check("delete", "Dir", &path)?;
        if !self.nodes.contains_key(&path) {
            return if delete.force { Ok(()) } else { Err(gone(&path)) };
        }
        self.remove_tree(&path, delete.recursive)
    }

    pub(super) fn delete_path(&mut self, delete: &DeletePath) -> Result<(), Failure> {
        let path = normal(delete.path.as_str());
        let kind = if matches!(self.nodes.get(&path), Some(Node::Dir)) { "Dir" } else { "File" };
        self.check("open", kind, &path)?;
        self.check("delete", kind, &path)?;
        match self.nodes.get(&path) {
            None => return Err(missing()),
            Some(Node::Link(_)) => {
                let message =
                    format!("File error: file is a symbolic link but follow_symlinks is not enabled: {path}");
                return Err(invalid(ErrorKind::FileError, &message));
            }
            Some(_) => {}
        }
        self.remove_tree(&path, delete.recursive)
    }

    pub(super) fn make_dir(&mut self, make: &MakeDir) -> Result<(), Failure> {
        let path = self.in_dir(make.dir.0, make.path.as_str());
        self.make_missing(&path)?;
        if make.attributes.mode.is_some() {
            self.check("chmod", "Dir", &path)?;
        }
        self.attribute(&path, &make.attributes)
    }

    pub(super) fn make_path(&mut self, make: &MakePath) -> Result<(), Failure> {
        self.make_missing(&normal(make.path.as_str()))
    }

    /// Makes a directory and those that lead to it, each of which is asked for before the first is made.
    pub(super) fn make_missing(&mut self, path: &str) -> Result<(), Failure> {
        let mut missing = Vec::new();
        let mut place = path.to_owned();
        while !self.nodes.contains_key(&place) {
            missing.push(place.clone());
            place = parent(&place);
        }
        if !matches!(self.nodes[&place], Node::Dir) {
            return Err(system(17, "File exists (os error 17)"));
        }
        missing.reverse();
        for place in &missing {
            self.check("create", "Dir", place)?;
        }
        self.nodes.extend(missing.into_iter().map(|place| (place, Node::Dir)));
        Ok(())
    }

    pub(super) fn create_link(&mut self, create: &CreateLink) -> Result<(), Failure> {
        let path = self.in_dir(create.dir.0, create.name.as_str());
        self.check("create", "File", &path)?;
        if create.force {
            self.check("delete", "File", &path)?;
        }
        match self.nodes.get(&path) {
            Some(Node::Dir) if create.force => return Err(system(21, "Is a directory (os error 21)")),
            Some(_) if !create.force => return Err(system(17, "File exists (os error 17)")),
            _ => {}
        }
        self.nodes.insert(path, Node::Link(create.target.as_str().into()));
        Ok(())
    }

    pub(super) fn set_mode(&mut self, set: &SetMode) -> Result<(), Failure> {
        let path = self.labelled("chmod", set.handle)?;
        self.traits.entry(path).or_default().mode = Some(set.permissions.bits().into());
        Ok(())
    }

    pub(super) fn set_owner(&mut self, set: &SetOwner) -> Result<(), Failure> {
        let path = self.labelled("chown", set.handle)?;
        if set.user.as_ref().is_some_and(|user| user.as_str() == "nobody-here") {
            let message = "Identity resolution error: No user mapping found for uid: nobody-here";
            return Err(invalid(ErrorKind::IdentityResolutionError, message));
        }
        let traits = self.traits.entry(path).or_default();
        traits.owner = set.user.as_ref().map(|user| user.as_str().into()).or(traits.owner.take());
        traits.group = set.group.as_ref().map(|group| group.as_str().into()).or(traits.group.take());
        Ok(())
    }

    pub(super) fn set_x_attr(&mut self, set: &SetXAttr) -> Result<(), Failure> {
        let path = self.labelled("set_x_attr", AnyId::File(set.file))?;
        let part = |part: &Option<LabelText>| part.as_ref().map_or("-", |part| part.as_str()).to_owned();
        let parts = [&set.selinux_user, &set.selinux_role, &set.selinux_type, &set.selinux_level].map(part);
        self.traits.entry(path).or_default().label = Some(format!("{}={}", set.name, parts.join(":")));
        Ok(())
    }

    fn labelled(&self, action: &'static str, handle: AnyId) -> Result<String, Failure> {
        let path = self.opened[&handle.number()].path.clone();
        let kind = if matches!(handle, AnyId::Dir(_)) { "Dir" } else { "File" };
        self.check(action, kind, &path)?;
        Ok(path)
    }

    fn renamed(&mut self, from: &str, to: &str) -> Result<(), Failure> {
        if !self.nodes.contains_key(from) {
            return Err(missing());
        }
        let new = |path: &str| format!("{to}{}", path.strip_prefix(from).unwrap());
        let below: Vec<String> = self.nodes.keys().filter(|path| is_within(path, from)).cloned().collect();
        for path in below {
            let node = self.nodes.remove(&path).unwrap();
            self.nodes.insert(new(&path), node);
            if let Some(traits) = self.traits.remove(&path) {
                self.traits.insert(new(&path), traits);
            }
        }
        Ok(())
    }

    fn remove_tree(&mut self, path: &str, recursive: bool) -> Result<(), Failure> {
        if !recursive && self.nodes.keys().any(|other| parent(other) == path && other != path) {
            let message = format!(
                "Directory not empty: A path led to a non-empty directory location. To include contents of this directory, use the recursive flag: {path}"
            );
            return Err(invalid(ErrorKind::DirectoryNotEmpty, &message));
        }
        self.nodes.retain(|other, _| !is_within(other, path));
        Ok(())
    }
}

fn is_within(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn gone(path: &str) -> Failure {
    invalid(ErrorKind::NotFound, &format!("No such file or directory found: {path}"))
}
