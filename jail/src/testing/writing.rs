//! How the fake broker changes what is in a file.

use rex_ipc::bounded::Text;
use rex_ipc::failure::{ErrorKind, Failure};
use rex_ipc::file_system::*;

use super::world::{Handle, Node, World, Writing, handle, invalid, missing, normal, parent};

impl World {
    pub(super) fn begin_write(&mut self, begin: &BeginWrite) -> Result<(), Failure> {
        self.spend(begin.id.0);
        let file = self.to_be_written(begin.file.0)?;
        let writing = Writing { path: file.path, how: Some(begin.how), content: Vec::new() };
        self.writers.insert(begin.id.0, writing);
        Ok(())
    }

    pub(super) fn begin_file(&mut self, begin: &BeginFile) -> Result<(), Failure> {
        self.spend(begin.id.0);
        let path = self.in_dir(begin.dir.0, begin.path.as_str());
        self.check("create", "File", &path)?;
        self.check("write", "File", &path)?;
        self.writers.insert(begin.id.0, Writing { path, how: None, content: Vec::new() });
        Ok(())
    }

    pub(super) fn write_chunk(&mut self, chunk: &WriteChunk) -> Result<(), Failure> {
        let writing = self.writers.get_mut(&chunk.writer.0).expect("a writer that was begun");
        writing.content.extend_from_slice(chunk.bytes.as_slice());
        if writing.content.ends_with(b"full disk") {
            return Err(super::world::system(28, "No space left on device (os error 28)"));
        }
        Ok(())
    }

    pub(super) fn finish_write(&mut self, finish: &FinishWrite) -> Result<(), Failure> {
        let writing = self.writers.remove(&finish.writer.0).expect("a writer that was begun");
        let path = normal(&writing.path);
        let old = match self.nodes.get(&path) {
            Some(Node::File(content)) => content.clone(),
            _ => Vec::new(),
        };
        let content = match writing.how {
            Some(WriteHow::Append) => [old, writing.content].concat(),
            Some(WriteHow::InPlace | WriteHow::Replace { .. }) => writing.content,
            None => {
                self.make_missing(&parent(&path))?;
                writing.content
            }
        };
        if let Some(WriteHow::Replace { keep_owner: false }) = writing.how {
            let traits = self.traits.entry(path.clone()).or_default();
            (traits.owner, traits.group) = (None, None);
        }
        self.attribute(&path, &finish.attributes)?;
        self.nodes.insert(path.clone(), Node::File(content));
        if let Some(id) = finish.reopen {
            self.opens(id.0, Handle { readable: true, writable: true, ..handle(path) });
        }
        Ok(())
    }

    pub(super) fn truncate(&mut self, truncate: &Truncate) -> Result<(), Failure> {
        let file = self.to_be_written(truncate.file.0)?;
        let size = usize::try_from(truncate.size_bytes).unwrap();
        self.content(&file.path)?.resize(size, 0);
        Ok(())
    }

    pub(super) fn allocate(&mut self, allocate: &Allocate) -> Result<(), Failure> {
        let file = self.to_be_written(allocate.file.0)?;
        let size = usize::try_from(allocate.length_bytes).unwrap();
        let content = self.content(&file.path)?;
        if content.len() < size {
            content.resize(size, 0);
        }
        Ok(())
    }

    pub(super) fn copy(&mut self, copy: &Copy) -> Result<Copied, Failure> {
        let from = self.opened[&copy.from.0].clone();
        self.check("read", "File", &from.path)?;
        if !from.readable {
            return Err(invalid(
                ErrorKind::InvalidFileMode,
                &format!(
                    "Invalid file mode: Attempted to read a file without opening it with the read option.: {}",
                    from.path
                ),
            ));
        }
        let to = self.to_be_written(copy.to.0)?;
        let content = self.content(&from.path)?.clone();
        let old = self.content(&to.path)?;
        if !copy.force && !old.is_empty() {
            let message = format!("Destination file not empty: File: {}, Size: {} bytes", to.path, old.len());
            return Err(invalid(ErrorKind::DestinationFileNotEmptyError, &message));
        }
        let bytes = content.len() as u64;
        *old = content;
        if copy.preserve {
            let traits = self.traits.get(&from.path).cloned().unwrap_or_default();
            self.traits.insert(to.path, traits);
        }
        Ok(Copied { bytes })
    }

    pub(super) fn set_times(&mut self, set: &SetTimes) -> Result<(), Failure> {
        let path = self.opened[&set.file.0].path.clone();
        self.check("write", "File", &path)?;
        let now = Instant { seconds: 1_761_057_000, nanoseconds: 0 };
        if let Some(time) = set.modified {
            let time = match time {
                NewTime::Now => now,
                NewTime::At(time) => time,
            };
            self.traits.entry(path).or_default().modified = Some(time);
        }
        Ok(())
    }

    /// Gives a new object what it is to be like.
    pub(super) fn attribute(&mut self, path: &str, attributes: &Attributes) -> Result<(), Failure> {
        let name = |name: &NameOrNumber| match name {
            NameOrNumber::Name(name) => name.as_str().to_owned(),
            NameOrNumber::Number(number) => number.to_string(),
        };
        if attributes.mode.is_some() {
            self.check("chmod", "File", path)?;
        }
        if attributes.user.is_some() || attributes.group.is_some() {
            self.check("chown", "File", path)?;
        }
        let traits = self.traits.entry(path.into()).or_default();
        traits.mode = attributes.mode.map(|mode| mode.bits().into()).or(traits.mode);
        traits.owner = attributes.user.as_ref().map(name).or(traits.owner.take());
        traits.group = attributes.group.as_ref().map(name).or(traits.group.take());
        traits.modified = attributes.modified.or(traits.modified);
        Ok(())
    }

    fn to_be_written(&self, number: u32) -> Result<Handle, Failure> {
        let file = self.opened[&number].clone();
        self.check("write", "File", &file.path)?;
        if file.writable {
            return Ok(file);
        }
        Err(invalid(
            ErrorKind::InvalidFileMode,
            &format!(
                "Invalid file mode: Attempted to write a file without opening it with the write option.: {}",
                file.path
            ),
        ))
    }

    fn content(&mut self, path: &str) -> Result<&mut Vec<u8>, Failure> {
        match self.nodes.get_mut(path) {
            Some(Node::File(content)) => Ok(content),
            _ => Err(missing()),
        }
    }
}

/// The text of a reply about a path.
pub(super) fn told(path: &str) -> Opened {
    Opened { real_path: Text::new(path) }
}
