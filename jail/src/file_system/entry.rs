//! An entry of a directory: its name and type, and what can be opened from it.

use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{self as wire, CreateDir, DirPlace, Entry, EntryType, OpenDir, Stat, StatEntry};
use rex_ipc::handle::AnyId;
use rhai::{Dynamic, Map, NativeCallContext};

use super::dir::DirHandle;
use super::file::FileHandle;
use super::link::SymlinkHandle;
use super::metadata::{Metadata, type_name};
use super::options::OpenFileOptions;
use crate::error::{Fallible, io_error};
use crate::session::Session;
use crate::value;

/// An entry, which remembers the first handle that was opened from it.
///
/// Copies made afterwards remember it too; copies made before do not.
#[derive(Clone)]
pub struct DirEntry {
    parent: DirHandle,
    entry: Entry,
    through_link: bool,
    opened: Option<Opened>,
}

#[derive(Clone)]
enum Opened {
    File(FileHandle),
    Dir(DirHandle),
}

impl DirEntry {
    /// An entry as a listing of its directory has it.
    pub fn new(parent: &DirHandle, entry: Entry) -> Self {
        Self { parent: parent.clone(), entry, through_link: false, opened: None }
    }

    /// This entry as what its link leads to; opening it follows the link again.
    pub fn seen_through_link(mut self, entry_type: EntryType) -> Self {
        self.entry.entry_type = entry_type;
        self.through_link = true;
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.entry.name.as_str()
    }

    /// Its path: its name in the directory that it was found in.
    pub fn path(&self) -> String {
        self.parent.path_of(self.name())
    }

    /// Its inode number.
    pub fn inode(&self) -> u64 {
        self.entry.inode
    }

    /// What it is.
    pub fn entry_type(&self) -> EntryType {
        self.entry.entry_type
    }

    /// The directory it is in.
    pub fn parent(&self) -> &DirHandle {
        &self.parent
    }

    /// The directory that was opened from it, if one was.
    pub fn opened_dir(&self) -> Option<DirHandle> {
        match &self.opened {
            Some(Opened::Dir(dir)) => Some(dir.clone()),
            Some(Opened::File(_)) | None => None,
        }
    }

    /// Remembers a directory that was opened from it.
    pub fn remember_dir(&mut self, dir: &DirHandle) {
        self.opened = Some(Opened::Dir(dir.clone()));
    }

    /// The entry as a file; the one that is open already, if there is one, whatever the options say.
    ///
    /// # Errors
    /// `EntryTypeMismatchError` when it is open as a directory; the broker's failures.
    pub fn open_as_file(
        &mut self,
        context: &NativeCallContext,
        options: &OpenFileOptions,
    ) -> Fallible<FileHandle> {
        match &self.opened {
            Some(Opened::File(file)) => return Ok(file.clone()),
            Some(Opened::Dir(_)) => return Err(mismatch("file")),
            None => {}
        }
        let follow_symlinks = options.follow_symlinks || self.through_link;
        let options = OpenFileOptions { follow_symlinks, ..options.clone() };
        let file = FileHandle::open(context, &self.parent, self.entry.name.as_str(), &options)?;
        self.opened = Some(Opened::File(file.clone()));
        Ok(file)
    }

    /// The entry as a directory. A link is followed.
    ///
    /// # Errors
    /// `EntryTypeMismatchError` when it is open as a file; the broker's failures.
    pub fn open_as_dir(&mut self, context: &NativeCallContext) -> Fallible<DirHandle> {
        match &self.opened {
            Some(Opened::Dir(dir)) => return Ok(dir.clone()),
            Some(Opened::File(_)) => return Err(mismatch("dir")),
            None => {}
        }
        let session = Session::of(context);
        let request = self.open_dir_request(&session)?;
        let id = request.id;
        let opened = session.ask(value::line(context), request)?;
        let dir = DirHandle::adopt_entry(&session, id, &self.parent, self.name(), &opened);
        self.remember_dir(&dir);
        Ok(dir)
    }

    /// The request that opens it as a directory.
    ///
    /// # Errors
    /// `IoError` for a name that is too long.
    pub fn open_dir_request(&self, session: &Session) -> Fallible<OpenDir> {
        Ok(OpenDir {
            id: session.new_dir(),
            at: DirPlace::Entry(self.parent.id(), value::spelled(self.name())?),
            follow: self.through_link || self.entry.entry_type == EntryType::Symlink,
            create: CreateDir::No,
        })
    }

    /// Its description. Files and directories are opened for it, links as themselves, the rest is looked at by name.
    ///
    /// # Errors
    /// The broker's failures; `IdentityResolutionError`.
    pub fn metadata(&mut self, context: &NativeCallContext) -> Fallible<Metadata> {
        let (described, target) = self.describe(context)?;
        Metadata::new(described, target)
    }

    /// What the broker says of it, and of a link where it points if that may be read.
    ///
    /// # Errors
    /// The broker's failures.
    pub fn describe(&mut self, context: &NativeCallContext) -> Fallible<(wire::Metadata, Option<String>)> {
        let described = match (&self.opened, self.entry.entry_type) {
            (Some(Opened::File(file)), _) => file.stat(context)?,
            (Some(Opened::Dir(dir)), _) => dir.stat(context)?,
            (None, EntryType::File) => {
                let options =
                    OpenFileOptions { follow_symlinks: self.through_link, ..OpenFileOptions::for_reading() };
                let (file, described) = FileHandle::describe(context, &self.parent, self.name(), &options)?;
                self.opened = Some(Opened::File(file));
                described
            }
            (None, EntryType::Dir) => self.describe_dir(context)?,
            (None, EntryType::Symlink) => {
                return SymlinkHandle::describe(context, &self.parent, self.name());
            }
            (
                None,
                EntryType::Unknown
                | EntryType::Fifo
                | EntryType::Socket
                | EntryType::CharDevice
                | EntryType::BlockDevice,
            ) => self.describe_by_name(context)?,
        };
        Ok((described, None))
    }

    /// What the broker says of the entry itself, by name and without opening it.
    ///
    /// # Errors
    /// The broker's failures.
    fn describe_by_name(&self, context: &NativeCallContext) -> Fallible<wire::Metadata> {
        let request = StatEntry { dir: self.parent.id(), name: value::name(self.name())? };
        Ok(Session::of(context).ask(value::line(context), request)?)
    }

    /// The fields as a map.
    pub fn to_map(&self) -> Map {
        [
            ("name", Dynamic::from(self.name().to_owned())),
            ("type", Dynamic::from(type_name(self.entry.entry_type))),
            ("inode", Dynamic::from_int(value::integer(self.entry.inode))),
        ]
        .into_iter()
        .map(|(key, value)| (key.into(), value))
        .collect()
    }

    fn describe_dir(&mut self, context: &NativeCallContext) -> Fallible<wire::Metadata> {
        let session = Session::of(context);
        let request = self.open_dir_request(&session)?;
        let id = request.id;
        let requests = (request, Stat { handle: AnyId::Dir(id) });
        let (opened, described) = session.perform(value::line(context), &requests)?;
        let dir = DirHandle::adopt_entry(&session, id, &self.parent, self.name(), &opened);
        self.remember_dir(&dir);
        Ok(described)
    }
}

fn mismatch(wanted: &str) -> Box<rhai::EvalAltResult> {
    io_error(
        ErrorKind::EntryTypeMismatchError,
        format!("Entry type mismatch: DirEntry does not represent a {wanted}"),
    )
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    fn bench() -> Bench {
        Bench::new()
            .file("/d/f", "text")
            .file("/d/s/in", "")
            .link("/d/l", "s")
            .link("/d/lf", "f")
            .fifo("/d/p")
    }

    const ENTRIES: &str =
        r#"let e = DirConfig().path("/d").build().open(OpenDirOptions().build()).list_entries(); "#;

    #[test]
    fn an_entry_knows_name_type_and_inode() {
        assert_eq!(
            bench().output(&format!(
                r#"{ENTRIES} let f = e["f"]; let m = f.to_map();
                   [f.name, `${{f.type()}}`, f.type() == EntryType::FILE, f.type() != EntryType::DIR, type_of(f.inode),
                    m.keys(), m.type, type_of(m.inode), "" + e["p"].type(), type_of(f)]"#
            )),
            r#"["f", "File", true, true, "u64", ["inode", "name", "type"], "File", "i64", "Fifo", "rust_safe_io::dir_entry::DirEntry"]"#
        );
    }

    #[test]
    fn each_type_of_entry_is_described_its_way() {
        let bench = bench();

        assert_eq!(
            bench.output(&format!(
                r#"{ENTRIES} ["f", "s", "l", "p"].map(|n| {{ let m = e[n].metadata(); `${{m.type()}} ${{m.symlink_target()}}` }})"#
            )),
            r#"["File ", "Dir ", "Symlink s", "Fifo "]"#
        );
        let asked: Vec<_> = bench.asked().into_iter().flatten().filter(|name| *name != "close").collect();
        assert_eq!(
            asked,
            [
                "open_dir",
                "list_entries",
                "open_file",
                "stat",
                "open_dir",
                "stat",
                "open_link",
                "stat",
                "read_link",
                "stat_entry"
            ]
        );
    }

    #[test]
    fn the_first_handle_is_remembered_with_its_options() {
        let bench = bench();

        assert_eq!(
            bench.output(&format!(
                r#"{ENTRIES} let f = e["f"]; let before = f; f.metadata(); let after = f;
                   let o = OpenFileOptions().write(true).build();
                   [f.open_as_file(o).read(), after.open_as_file(o).read()]"#
            )),
            r#"["text", "text"]"#
        );
        assert_eq!(bench.asked().iter().flatten().filter(|name| **name == "open_file").count(), 1);
    }

    #[test]
    fn an_entry_that_is_open_as_one_thing_is_not_the_other() {
        assert!(
            bench()
                .failure(&format!(
                    "{ENTRIES} let f = e[\"f\"]; f.metadata(); f.open_as_dir(OpenDirOptions().build())"
                ))
                .contains("EntryTypeMismatchError: Entry type mismatch: DirEntry does not represent a dir")
        );
        assert!(
            bench()
                .failure(&format!(
                    "{ENTRIES} let s = e[\"s\"]; s.metadata(); s.open_as_file(OpenFileOptions().read(true).build())"
                ))
                .contains("EntryTypeMismatchError: Entry type mismatch: DirEntry does not represent a file")
        );
    }

    #[test]
    fn a_link_is_always_followed_as_a_directory_and_as_a_file_when_wanted() {
        assert_eq!(
            bench().output(&format!(
                r#"{ENTRIES} let l = e["l"]; let lf = e["lf"];
                   [l.open_as_dir(OpenDirOptions().build()).list_entries().keys(),
                    lf.open_as_file(OpenFileOptions().read(true).follow_symlinks(true).build()).read()]"#
            )),
            r#"[["in"], "text"]"#
        );
        assert!(
            bench()
                .failure(&format!(r#"{ENTRIES} e["lf"].open_as_file(OpenFileOptions().read(true).build())"#))
                .contains(
                    "FileError: File error: file is a symbolic link but follow_symlinks is not enabled: /d/lf"
                )
        );
        assert!(
            bench()
                .failure(&format!(r#"{ENTRIES} e["f"].open_as_dir(OpenDirOptions().build())"#))
                .contains("DirectoryOpenError")
        );
    }
}
