//! An open directory: its entries, its description, and what is opened in it.

use std::cell::Cell;
use std::rc::Rc;

use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{
    self as wire, CreateDir, DirPlace, Entry, ListEntries, OpenDir, Opened, ReadLink, Stat,
};
use rex_ipc::handle::{AnyId, DirId};
use rhai::{Dynamic, Map, NativeCallContext};

use super::entry::DirEntry;
use super::metadata::{Metadata, Ownership};
use super::options::{DirConfig, OpenDirOptions};
use crate::error::{Fallible, TooLarge, io_error, too_large};
use crate::handle::OpenDirectory;
use crate::session::Session;
use crate::text::map_limit;
use crate::value;

/// A directory that is open, and the path by which it was reached.
#[derive(Clone)]
pub struct DirHandle {
    directory: OpenDirectory,
    path: Rc<str>,
    /// How often listing it was begun: the broker has one place per handle where the next page starts.
    listings: Rc<Cell<u64>>,
}

impl DirHandle {
    /// Takes charge of a directory that the broker has just opened at this path, or where it says.
    pub fn adopt(session: &Session, id: DirId, path: &str, opened: &Opened) -> Self {
        let path = opened.real_path.as_ref().map_or(path, |real| real.as_str());
        Self { directory: OpenDirectory::adopt(session, id), path: path.into(), listings: Rc::default() }
    }

    /// Takes charge of a directory that the broker has just opened under this name in another one.
    pub fn adopt_entry(
        session: &Session,
        id: DirId,
        parent: &DirHandle,
        name: &str,
        opened: &Opened,
    ) -> Self {
        Self::adopt(session, id, &parent.path_of(name), opened)
    }

    /// The number that requests name it by.
    pub fn id(&self) -> DirId {
        self.directory.id()
    }

    /// The path that the policy knows it by.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The path of an entry with this name.
    pub fn path_of(&self, name: &str) -> String {
        format!("{}/{name}", self.path.trim_end_matches('/'))
    }

    /// Opens the directory at a path.
    ///
    /// # Errors
    /// The broker's failures.
    pub fn open(context: &NativeCallContext, config: &DirConfig, options: &OpenDirOptions) -> Fallible<Self> {
        let session = Session::of(context);
        let id = session.new_dir();
        let path = config.path.as_deref().unwrap_or_default();
        let request = OpenDir {
            id,
            at: DirPlace::Path(value::path(path)?),
            follow: options.follow_symlinks,
            create: options.creation(),
        };
        let opened = session.ask(value::line(context), request)?;
        Ok(Self::adopt(&session, id, path, &opened))
    }

    /// Says that it is being listed from the start; gives the number of that listing.
    pub fn begin_listing(&self) -> u64 {
        let number = self.listings.get().saturating_add(1);
        self.listings.set(number);
        number
    }

    /// The number of the listing that was begun last.
    pub fn listing(&self) -> u64 {
        self.listings.get()
    }

    /// Its entries by name, without `.` and `..`.
    ///
    /// # Errors
    /// The broker's failures; the limit on maps.
    pub fn list_entries(&self, context: &NativeCallContext) -> Fallible<Map> {
        let mut map = Map::new();
        let most = map_limit(&Session::of(context));
        self.for_each_entry(context, |entry| {
            if map.len() >= most {
                return Err(too_large(TooLarge::Map));
            }
            map.insert(entry.name.as_str().into(), Dynamic::from(DirEntry::new(self, entry)));
            Ok(())
        })?;
        Ok(map)
    }

    /// Gives each entry, in the order of the file system, page by page.
    ///
    /// # Errors
    /// The broker's failures, and those of `take`.
    pub fn for_each_entry(
        &self,
        context: &NativeCallContext,
        mut take: impl FnMut(Entry) -> Fallible<()>,
    ) -> Fallible<()> {
        let session = Session::of(context);
        let mut restart = true;
        self.begin_listing();
        loop {
            let page = session.ask(value::line(context), ListEntries { dir: self.id(), restart })?;
            let entries = page.entries.into_vec();
            // A page without entries ends the listing too; asking again would change nothing.
            let end = page.end || entries.is_empty();
            entries.into_iter().try_for_each(&mut take)?;
            if end {
                return Ok(());
            }
            restart = false;
        }
    }

    /// Its description.
    ///
    /// # Errors
    /// The broker's failures; `IdentityResolutionError`.
    pub fn metadata(&self, context: &NativeCallContext) -> Fallible<Metadata> {
        Metadata::new(self.stat(context)?, None)
    }

    /// What the broker says of it.
    ///
    /// # Errors
    /// The broker's failures.
    pub fn stat(&self, context: &NativeCallContext) -> Fallible<wire::Metadata> {
        let request = Stat { handle: AnyId::Dir(self.id()) };
        Ok(Session::of(context).ask(value::line(context), request)?)
    }

    /// Its user and group.
    ///
    /// # Errors
    /// As [`DirHandle::metadata`].
    pub fn ownership(&self, context: &NativeCallContext) -> Fallible<Ownership> {
        Ownership::of(&self.stat(context)?)
    }

    /// Where the link with this name points. The name may lead through directories below, and not through links.
    ///
    /// # Errors
    /// `Other` for a component `..`; the broker's failures.
    pub fn read_link_target(&self, context: &NativeCallContext, name: &str) -> Fallible<String> {
        let session = Session::of(context);
        let line = value::line(context);
        let (parents, last) = match name.rsplit_once('/') {
            // What is absolute, or ends with a slash, is no name; the broker says so.
            Some((parents, last)) if !name.starts_with('/') && !last.is_empty() => (parents, last),
            _ => ("", name),
        };
        if parents.split('/').any(|parent| parent == "..") {
            let message = format!("Path traversal detected {}", self.path_of(name));
            return Err(io_error(ErrorKind::Other, message));
        }
        let mut dir = self.clone();
        for parent in parents.split('/').filter(|parent| !matches!(*parent, "" | ".")) {
            let id = session.new_dir();
            let at = DirPlace::Entry(dir.id(), value::spelled(parent)?);
            let opened = session.ask(line, OpenDir { id, at, follow: false, create: CreateDir::No })?;
            dir = Self::adopt_entry(&session, id, &dir, parent, &opened);
        }
        Ok(session.ask(line, ReadLink { dir: dir.id(), name: value::name(last)? })?.target.into_string())
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    fn bench() -> Bench {
        Bench::new().file("/d/f", "x").dir("/d/sub").link("/l", "d")
    }

    #[test]
    fn a_directory_is_opened_by_path_and_lists_its_entries() {
        assert_eq!(
            bench().output(
                r#"let d = DirConfig().path("/d").build().open(OpenDirOptions().build());
                   [d.list_entries().keys(), `${d.metadata().type()}`, d.get_ownership().user, type_of(d)]"#
            ),
            r#"[["f", "sub"], "Dir", "root", "rust_safe_io::dir::common::RcDirHandle"]"#
        );
    }

    #[test]
    fn functions_and_methods_are_the_same_call() {
        assert_eq!(
            bench().output(
                r#"let d = open(build(path(DirConfig(), "/d")), build(OpenDirOptions()));
                   let f = open_file(d, "f", build(read(OpenFileOptions(), true)));
                   [read(f), file_size(metadata(f)), keys(list_entries(d))]"#
            ),
            r#"["x", 1, ["f", "sub"]]"#
        );
    }

    #[test]
    fn handles_work_as_constants() {
        assert_eq!(
            bench().output(r#"const D = DirConfig().path("/d").build().open(OpenDirOptions().build()); D.list_entries().len()"#),
            "2"
        );
    }

    #[test]
    fn a_link_in_the_path_is_followed_only_when_wanted() {
        let open = |follow: bool| {
            format!(
                r#"DirConfig().path("/l").build().open(OpenDirOptions().follow_symlinks({follow}).build()).list_entries().len()"#
            )
        };

        assert_eq!(bench().output(&open(true)), "2");
        assert_eq!(
            bench().failure(&open(false)),
            "IoErrorKind: DirectoryOpenError: Directory error: Not a directory, enable follow_symlinks to open the target \
             directory: /l (line 1, position 32)"
        );
    }

    #[test]
    fn links_are_read_and_described_as_themselves() {
        let script = r#"
            let d = DirConfig().path("/").build().open(OpenDirOptions().build());
            let m = d.open_symlink("l").metadata();
            [d.read_link_target("l"), m.type() == EntryType::SYMLINK, m.symlink_target(), m.file_size()]
        "#;

        assert_eq!(bench().output(script), r#"["d", true, "d", 1]"#);
        assert_eq!(
            bench().denying("read", "/l").output(&script.replace("d.read_link_target(\"l\")", "0")),
            "[0, true, (), 1]"
        );
    }

    // spec, 4.3, which holds for every name: "`.` -> not a file; `\"\"` -> ENOENT; `x/` -> ENOTDIR"; else `InvalidPath`.
    #[test]
    fn what_is_no_name_is_refused_as_one() {
        for (name, expected) in [
            ("", "IoError: No such file or directory (os error 2)"),
            (".", "ValidationError: Validation error: argument is not a file"),
            ("sub/.", "ValidationError: Validation error: argument is not a file"),
            ("..", "InvalidPath: Invalid path: file path must contain only a filename"),
            ("/l", "InvalidPath: Invalid path: file path must contain only a filename"),
            ("l\\x00", "InvalidPath: Invalid path: file path must contain only a filename"),
            ("l/", "IoError: Not a directory (os error 20)"),
            ("sub/l/", "InvalidPath: Invalid path: file path must contain only a filename"),
        ] {
            let script = format!(
                r#"DirConfig().path("/d").build().open(OpenDirOptions().build()).read_link_target("{name}")"#
            );
            let failure = bench().failure(&script);
            assert!(failure.contains(&format!("IoErrorKind: {expected}")), "{name:?}: {failure}");
        }
    }

    #[test]
    fn a_handle_is_closed_when_its_last_copy_is_gone() {
        let bench = bench();

        bench.output(
            r#"let n = 0;
               for i in 0..30 {
                   let d = DirConfig().path("/d").build().open(OpenDirOptions().build());
                   let copy = d;
                   n += copy.list_entries().len();
               }
               cat("/d/f"); n"#,
        );

        assert!(bench.world.borrow().opened.len() <= 3, "{:?}", bench.world.borrow().opened);
    }

    #[test]
    fn a_link_below_is_read_through_directories_and_not_through_links() {
        let bench = bench().link("/d/sub/in/l", "there").link("/d/k", "sub");
        let read = |name: &str| {
            format!(
                r#"DirConfig().path("/d").build().open(OpenDirOptions().build()).read_link_target("{name}")"#
            )
        };

        assert_eq!(bench.output(&read("sub/in/l")), "there");
        assert_eq!(bench.output(&read("sub//./in/l")), "there");
        for (name, message) in [
            ("sub/../k", "Other: Path traversal detected /d/sub/../k"),
            ("k/in/l", "DirectoryOpenError: Directory error: Not a directory"),
            ("sub/in/none", "IoError: No such file or directory (os error 2)"),
        ] {
            assert!(bench.failure(&read(name)).contains(message), "{name}: {}", bench.failure(&read(name)));
        }
        assert!(bench.denying("open", "/d/sub/in").failure(&read("sub/in/l")).contains("PermissionDenied"));
    }
}
