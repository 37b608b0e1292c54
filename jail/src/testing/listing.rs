//! What the fake broker tells of files and directories.

use rex_ipc::bounded::{Bytes, List};
use rex_ipc::failure::{ErrorKind, Failure};
use rex_ipc::file_system::*;

use super::world::{Node, World, entry, invalid, normal, parent};

impl World {
    pub(super) fn read_chunk(&mut self, read: &ReadChunk) -> Result<Chunk, Failure> {
        let opened = self.opened[&read.file.0].clone();
        self.check("read", "File", &opened.path)?;
        if !opened.readable {
            return Err(invalid(
                ErrorKind::InvalidFileMode,
                &format!(
                    "Invalid file mode: Attempted to read a file without opening it with the read option.: {}",
                    opened.path
                ),
            ));
        }
        let Some(Node::File(content)) = self.nodes.get(&opened.path) else { panic!("not a file") };
        let from = usize::try_from(read.offset_bytes).unwrap().min(content.len());
        let to = (from + read.length.bytes().min(self.chunk_bytes)).min(content.len());
        Ok(Chunk { bytes: Bytes::new(content[from..to].to_vec()).unwrap(), end: to == content.len() })
    }

    pub(super) fn read_end(&mut self, read: &ReadEnd) -> Result<EndChunk, Failure> {
        let length = ChunkLength::MAX;
        // Asked and refused like a chunk; one piece of it is as long as the test wants pieces to be.
        self.read_chunk(&ReadChunk { file: read.file, offset_bytes: 0, length, redacted: false })?;
        let path = &self.opened[&read.file.0].path;
        let Some(Node::File(content)) = self.nodes.get(path) else { panic!("not a file") };
        let from = content.len() - content.len().min(read.length.bytes()).min(self.chunk_bytes);
        let offset_bytes = (!content.is_empty()).then_some(from as u64);
        Ok(EndChunk { offset_bytes, bytes: Bytes::new(content[from..].to_vec()).unwrap() })
    }

    pub(super) fn list_entries(&mut self, list: &ListEntries) -> Result<EntryPage, Failure> {
        let opened = self.opened[&list.dir.0].clone();
        // A handle that stands for a link has nothing to list, and nothing is asked.
        if opened.link {
            return Ok(EntryPage { entries: List::default(), end: true });
        }
        self.check("read", "Dir", &opened.path)?;
        let (entries, end) = self.page(list.dir.0, list.restart);
        Ok(EntryPage { entries: List::new(entries).unwrap(), end })
    }

    pub(super) fn list_details(&mut self, list: &ListDetails) -> Result<DetailsPage, Failure> {
        let dir = self.opened[&list.dir.0].path.clone();
        self.check("read", "Dir", &dir)?;
        let (entries, end) = self.page(list.dir.0, list.restart);
        let entries = entries.into_iter().map(|entry| {
            let details = self.details(&dir, &entry);
            DetailedEntry { entry, details }
        });
        Ok(DetailsPage { entries: List::new(entries.collect()).unwrap(), end })
    }

    fn page(&mut self, dir: u32, restart: bool) -> (Vec<Entry>, bool) {
        let opened = self.opened[&dir].clone();
        let all: Vec<Entry> = self
            .nodes
            .iter()
            .filter(|(path, _)| *path != "/" && parent(path) == opened.path)
            .map(|(path, node)| entry(path, node))
            .collect();
        let from = if restart { 0 } else { opened.listed };
        let to = (from + self.page_entries).min(all.len());
        self.opened.get_mut(&dir).unwrap().listed = to;
        (all[from..to].to_vec(), to == all.len())
    }

    fn details(&self, dir: &str, entry: &Entry) -> Details {
        let path = normal(&format!("{dir}/{}", entry.name));
        let asked: &[&'static str] = match entry.entry_type {
            EntryType::Dir => return Details::Directory,
            EntryType::File | EntryType::Symlink => &["open", "stat"],
            _ => &["stat"],
        };
        if path.contains("refused") {
            return Details::Refused { errno: 13 };
        }
        match asked.iter().try_for_each(|action| self.check(action, "File", &path)) {
            Ok(()) => Details::Described(self.metadata(&path)),
            Err(_) => Details::Withheld,
        }
    }

    pub(super) fn metadata(&self, path: &str) -> Metadata {
        let node = &self.nodes[path];
        let (mode, size_bytes) = match node {
            Node::File(content) => (0o100_644, content.len() as u64),
            Node::Dir => (0o040_755, 4096),
            Node::Link(target) => (0o120_777, target.len() as u64),
            Node::Fifo => (0o010_644, 0),
        };
        let time = Instant { seconds: 1_234_567_890, nanoseconds: 5 };
        let nobody = Identity { number: 4242, name: None };
        let traits = self.traits.get(path).cloned().unwrap_or_default();
        let named = |name: Option<String>| {
            let name = name.unwrap_or_else(|| "root".into());
            Identity { number: u32::from(name != "root"), name: Some(name) }
        };
        Metadata {
            entry_type: entry(path, node).entry_type,
            mode: traits.mode.map_or(mode, |bits| mode & 0o170_000 | bits),
            size_bytes,
            blocks: 8,
            links: traits.links.unwrap_or(1),
            device: traits.device.unwrap_or(1),
            inode: traits.inode.unwrap_or(entry(path, node).inode),
            modified: traits.modified.unwrap_or(time),
            changed: time,
            owner: if path.contains("nameless") { nobody } else { named(traits.owner) },
            group: named(traits.group),
        }
    }
}
