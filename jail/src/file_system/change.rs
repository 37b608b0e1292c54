//! What changes an open file, directory or link: its content, its name, its mode and its owner.

use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{
    Allocate, BeginWrite, Copy, CreateLink, DeleteDir, DeleteFile, IdentityText, LabelText, MoveDir,
    MoveFile, SetMode, SetOwner, SetXAttr, Truncate, WriteHow,
};
use rex_ipc::handle::AnyId;
use rhai::{INT, ImmutableString, NativeCallContext};

use super::change_options::{
    ChmodDirOptions, CopyFileOptions, CreateSymlinkOptions, DeleteDirOptions, DeleteFileOptions,
    FallocateOptions, MoveOptions, SetOwnershipOptions, SetXAttrOptions, TruncateOptions, WriteOptions,
    permissions,
};
use super::dir::DirHandle;
use super::file::FileHandle;
use super::link::SymlinkHandle;
use super::relabel;
use crate::error::{Fallible, io_error};
use crate::log;
use crate::session::Session;
use crate::writer::NewContent;
use crate::{stray, value};

impl FileHandle {
    /// Puts a new file with this content in the place of the old one, and opens it. This handle keeps the old one.
    ///
    /// # Errors
    /// The broker's failures; the old content stays then.
    pub fn write(
        &self,
        context: &NativeCallContext,
        content: &str,
        options: &WriteOptions,
    ) -> Fallible<Self> {
        let session = Session::of(context);
        let id = session.new_writer();
        let reopen = session.new_file();
        let how = WriteHow::Replace { keep_owner: options.preserve_ownership };
        let begin = (BeginWrite { id, file: self.id(), how },);
        let bytes = &stray::bytes_of(&session, content);
        let content = NewContent { id, bytes, reopen: Some(reopen) };
        content.put(context, begin, 0, |_, _| ())?;
        Ok(self.adopt_replacement(&session, reopen))
    }

    /// Gives the same file this content and its length.
    ///
    /// # Errors
    /// The broker's failures.
    pub fn write_in_place(&self, context: &NativeCallContext, content: &str) -> Fallible<()> {
        let session = Session::of(context);
        let id = session.new_writer();
        let begin = (BeginWrite { id, file: self.id(), how: WriteHow::InPlace },);
        let bytes = &stray::bytes_of(&session, content);
        let content = NewContent { id, bytes, reopen: None };
        content.put(context, begin, 0, |_, _| ())?;
        self.rewind();
        Ok(())
    }

    /// Cuts or extends it.
    ///
    /// # Errors
    /// `InvalidArguments` for a length less than 0; the broker's failures.
    pub fn truncate(&self, context: &NativeCallContext, options: &TruncateOptions) -> Fallible<()> {
        let request = Truncate { file: self.id(), size_bytes: options.size_bytes()? };
        Ok(Session::of(context).ask(value::line(context), request)?)
    }

    /// Allocates its space from the start.
    ///
    /// # Errors
    /// The broker's failures.
    pub fn fallocate(&self, context: &NativeCallContext, options: &FallocateOptions) -> Fallible<()> {
        let request = Allocate { file: self.id(), length_bytes: options.length_bytes() };
        Ok(Session::of(context).ask(value::line(context), request)?)
    }

    /// Gives another file its content, and gives that file's handle.
    ///
    /// # Errors
    /// The broker's failures.
    pub fn copy(&self, context: &NativeCallContext, to: &Self, options: &CopyFileOptions) -> Fallible<Self> {
        let request = Copy { from: self.id(), to: to.id(), force: options.force, preserve: options.preserve };
        Session::of(context).ask(value::line(context), request)?;
        self.rewind();
        to.rewind();
        Ok(to.clone())
    }

    /// Moves it, under the name it was opened by, to a name in a directory, and opens it there.
    ///
    /// # Errors
    /// The broker's failures.
    pub fn move_to(
        &self,
        context: &NativeCallContext,
        dir: &DirHandle,
        name: &str,
        options: &MoveOptions,
    ) -> Fallible<Self> {
        let session = Session::of(context);
        let id = session.new_file();
        let backup = options.backup;
        let request = MoveFile { file: self.id(), to: dir.id(), name: value::spelled(name)?, id, backup };
        let opened = session.ask(value::line(context), request)?;
        let moved = Self::adopt(&session, id, &dir.path_of(name), &opened);
        tell_move(context, options, self.named(), moved.path())?;
        Ok(moved)
    }

    /// Removes the name that it was opened by.
    ///
    /// # Errors
    /// The broker's failures.
    pub fn delete(&self, context: &NativeCallContext, options: &DeleteFileOptions) -> Fallible<()> {
        let request = DeleteFile { file: self.id(), force: options.force };
        Ok(Session::of(context).ask(value::line(context), request)?)
    }

    /// Sets its permission bits.
    ///
    /// # Errors
    /// `TryFromIntError`, `ValidationError` for other bits than 0 to 0o777; the broker's failures.
    pub fn chmod(&self, context: &NativeCallContext, mode: INT) -> Fallible<()> {
        let request = SetMode { handle: AnyId::File(self.id()), permissions: permissions(mode)? };
        Ok(Session::of(context).ask(value::line(context), request)?)
    }

    /// Sets its user and group.
    ///
    /// # Errors
    /// `IdentityResolutionError` for names that nobody has; the broker's failures.
    pub fn set_ownership(&self, context: &NativeCallContext, options: &SetOwnershipOptions) -> Fallible<()> {
        let request = owner_request(AnyId::File(self.id()), options)?;
        Ok(Session::of(context).ask(value::line(context), request)?)
    }

    /// Sets parts of its security label.
    ///
    /// # Errors
    /// `InvalidArguments` for a part that is none; the broker's failures.
    pub fn set_extended_attr(&self, context: &NativeCallContext, options: &SetXAttrOptions) -> Fallible<()> {
        let request = SetXAttr {
            file: self.id(),
            name: label(options.name.clone().unwrap_or_default())?,
            selinux_user: options.selinux_user.clone().map(label).transpose()?,
            selinux_role: options.selinux_role.clone().map(label).transpose()?,
            selinux_type: options.selinux_type.clone().map(label).transpose()?,
            selinux_level: options.selinux_level.clone().map(label).transpose()?,
        };
        Ok(Session::of(context).ask(value::line(context), request)?)
    }
}

impl DirHandle {
    /// Removes it.
    ///
    /// # Errors
    /// The broker's failures.
    pub fn delete(&self, context: &NativeCallContext, options: &DeleteDirOptions) -> Fallible<()> {
        let request = DeleteDir { dir: self.id(), force: options.force, recursive: options.recursive };
        Ok(Session::of(context).ask(value::line(context), request)?)
    }

    /// Moves a directory that is in this one to a name in another one, and opens it there.
    ///
    /// # Errors
    /// The broker's failures.
    pub fn move_dir(
        &self,
        context: &NativeCallContext,
        dir: &Self,
        to: &Self,
        name: &str,
        options: &MoveOptions,
    ) -> Fallible<Self> {
        let session = Session::of(context);
        let id = session.new_dir();
        let request =
            MoveDir { from: self.id(), dir: dir.id(), to: to.id(), name: value::spelled(name)?, id };
        let opened = session.ask(value::line(context), request)?;
        let moved = Self::adopt(&session, id, &to.path_of(name), &opened);
        tell_move(context, options, dir.path(), moved.path())?;
        Ok(moved)
    }

    /// Makes a link in it.
    ///
    /// # Errors
    /// The broker's failures.
    pub fn create_symlink(
        &self,
        context: &NativeCallContext,
        target: &str,
        name: &str,
        options: &CreateSymlinkOptions,
    ) -> Fallible<()> {
        let (name, target) = (value::spelled(name)?, value::path(target)?);
        let request = CreateLink { dir: self.id(), name, target, force: options.force };
        Ok(Session::of(context).ask(value::line(context), request)?)
    }

    /// Sets its permission bits, and with `recursive` those of everything below, where failures are logged and counted.
    ///
    /// # Errors
    /// `TryFromIntError`, `ValidationError` for other bits than 0 to 0o777; the broker's failures.
    pub fn chmod(&self, context: &NativeCallContext, options: &ChmodDirOptions) -> Fallible<()> {
        let mode = options.permissions.unwrap_or_default();
        if options.recursive {
            return relabel::modes(context, self, permissions(mode));
        }
        let request = SetMode { handle: AnyId::Dir(self.id()), permissions: permissions(mode)? };
        Ok(Session::of(context).ask(value::line(context), request)?)
    }

    /// Sets its user and group, and with `recursive` those of everything below, where failures are logged and counted.
    ///
    /// # Errors
    /// `IdentityResolutionError` for names that nobody has; the broker's failures.
    pub fn set_ownership(&self, context: &NativeCallContext, options: &SetOwnershipOptions) -> Fallible<()> {
        if options.recursive {
            return relabel::owners(context, self, options);
        }
        let request = owner_request(AnyId::Dir(self.id()), options)?;
        Ok(Session::of(context).ask(value::line(context), request)?)
    }
}

impl SymlinkHandle {
    /// Sets user and group of the link itself.
    ///
    /// # Errors
    /// `IdentityResolutionError` for names that nobody has; the broker's failures.
    pub fn set_ownership(&self, context: &NativeCallContext, options: &SetOwnershipOptions) -> Fallible<()> {
        let request = owner_request(AnyId::File(self.id()), options)?;
        Ok(Session::of(context).ask(value::line(context), request)?)
    }
}

/// The request that sets user and group.
///
/// # Errors
/// `IdentityResolutionError` for a name longer than any name is.
pub fn owner_request(handle: AnyId, options: &SetOwnershipOptions) -> Fallible<SetOwner> {
    Ok(SetOwner {
        handle,
        user: options.user.as_ref().map(|name| identity(name, "user", "uid")).transpose()?,
        group: options.group.as_ref().map(|name| identity(name, "group", "gid")).transpose()?,
    })
}

fn identity(name: &ImmutableString, what: &str, id: &str) -> Fallible<IdentityText> {
    IdentityText::new(name.as_str()).ok_or_else(|| {
        let message = format!("Identity resolution error: No {what} mapping found for {id}: {name}");
        io_error(ErrorKind::IdentityResolutionError, message)
    })
}

fn label(text: ImmutableString) -> Fallible<LabelText> {
    LabelText::new(text.as_str()).ok_or_else(|| {
        let message = "Invalid arguments: name or part of an extended attribute is too long";
        io_error(ErrorKind::InvalidArguments, message)
    })
}

/// Says in the log what has moved, where the options ask for that.
///
/// # Errors
/// What ends the script: the log has a limit.
pub fn tell_move(context: &NativeCallContext, options: &MoveOptions, from: &str, to: &str) -> Fallible<()> {
    if !options.verbose {
        return Ok(());
    }
    log::info(context, &format!("Moved from '{from}' to '{to}'"))
}

#[cfg(test)]
mod tests {
    use crate::testing::{Bench, Node};

    const OPEN: &str = r#"
        let dir = |path| DirConfig().path(path).build().open(OpenDirOptions().build());
        let d = dir.call("/d");
        let open = |name| d.open_file(name, OpenFileOptions().read(true).write(true).build());
    "#;

    fn bench() -> Bench {
        Bench::new().file("/d/f", "old text").file("/d/g", "").dir("/d/s").link("/d/l", "f").file("/to/x", "")
    }

    fn gives(bench: &Bench, script: &str, expected: &str) {
        assert_eq!(bench.output(&format!("{OPEN}{script}")), expected, "{script}");
    }

    fn fails(bench: &Bench, script: &str, expected: &str) {
        let message = bench.failure(&format!("{OPEN}{script}"));
        assert!(message.contains(expected), "{script}: {message}");
    }

    #[test]
    fn a_replacing_write_gives_the_new_file_and_keeps_the_owner_only_with_options() {
        let owned = || bench().with("/d/f", |traits| traits.owner = Some("daemon".into()));

        let bench = owned();
        gives(&bench, r#"let f = open.call("f"); let n = f.write("new"); n.read()"#, "new");
        assert_eq!((bench.content("/d/f"), bench.traits("/d/f").owner), ("new".into(), None));
        assert_eq!(bench.asked()[2], ["begin_write", "write_chunk", "finish_write"]);

        let bench = owned();
        gives(&bench, r#"open.call("f").write("new", WriteOptions().build()); 0"#, "0");
        assert_eq!(bench.traits("/d/f").owner.as_deref(), Some("daemon"));

        let bench = owned();
        gives(
            &bench,
            r#"open.call("f").write("n", WriteOptions().preserve_ownership(false).build()); 0"#,
            "0",
        );
        assert_eq!(bench.traits("/d/f").owner, None);
    }

    #[test]
    fn a_new_file_larger_than_a_frame_is_opened_once_it_is_complete() {
        let bench = bench();

        gives(&bench, r#"let t = ""; t.pad(200000, 'x'); open.call("f").write(t).read().len()"#, "200000");
    }

    #[test]
    fn writing_in_place_begins_at_the_start_and_cuts_what_is_longer() {
        let bench = Bench::new().file("/d/f", "line 1\nline 2\n");
        let script = r#"let f = open.call("f"); let p = ReadPageOptions().num_lines(1).build();
                        f.read_page(p); f.write_in_place("new"); f.read_page(p)"#;

        gives(&bench, script, r#"["new"]"#);
        assert_eq!(bench.content("/d/f"), "new");
    }

    #[test]
    fn a_handle_without_write_writes_nothing() {
        let bench = bench();

        for call in ["write(\"x\")", "write_in_place(\"x\")", "truncate(TruncateOptions().build())"] {
            let script = format!(r#"d.open_file("f", OpenFileOptions().read(true).build()).{call}"#);
            fails(&bench, &script, "InvalidFileMode: Invalid file mode: Attempted to write a file without");
        }
        assert_eq!(bench.content("/d/f"), "old text");
    }

    #[test]
    fn sizes_are_counted_in_units() {
        let bench = bench();

        gives(
            &bench,
            r#"let f = open.call("g"); f.fallocate(FallocateOptions().length(1).format(SizeUnit::KIBIBYTES).build());
               let r = [f.metadata().file_size()];
               f.truncate(TruncateOptions().size(2).format(SizeUnit::KILOBYTES).build()); r.push(f.metadata().file_size());
               f.fallocate(FallocateOptions().length(5).build()); r.push(f.metadata().file_size());
               f.truncate(TruncateOptions().build()); r.push(f.metadata().file_size()); r"#,
            "[1024, 2000, 2000, 0]",
        );
        fails(
            &bench,
            r#"open.call("f").truncate(TruncateOptions().size(-1).build())"#,
            "InvalidArguments: Invalid arguments: Size must be greater than or equal to 0",
        );
    }

    #[test]
    fn a_copy_gives_the_destination_from_its_start() {
        let bench = bench();

        gives(
            &bench,
            r#"let f = open.call("f"); let g = open.call("g"); f.copy(g, CopyFileOptions().build()).read()"#,
            "old text",
        );
        fails(
            &bench,
            r#"open.call("f").copy(open.call("g"), CopyFileOptions().build())"#,
            "DestinationFileNotEmptyError: Destination file not empty: File: /d/g, Size: 8 bytes",
        );
    }

    #[test]
    fn a_moved_file_knows_its_place() {
        let bench = bench();

        gives(
            &bench,
            r#"let verbose = MoveOptions().verbose(true).build();
               let usage = DiskUsageOptions().build();
               let f = open.call("f").move(dir.call("/to"), "n", verbose); let r = [f.disk_usage(usage).path];
               let again = f.move(d, "back", verbose); r.push(again.disk_usage(usage).path); r.push(again.read()); r"#,
            r#"["/to/n", "/d/back", "old text"]"#,
        );
        assert_eq!(
            bench.log(),
            ["Info Moved from '/d/f' to '/to/n'", "Info Moved from '/to/n' to '/d/back'"]
        );
    }

    #[test]
    fn what_was_opened_through_a_link_is_told_by_the_name_of_the_link() {
        let bench = bench();

        gives(
            &bench,
            r#"let f = d.open_file("l", OpenFileOptions().read(true).follow_symlinks(true).build());
               f.move(d, "m", MoveOptions().verbose(true).build());
               f.disk_usage(DiskUsageOptions().build()).path"#,
            "/d/f",
        );
        assert_eq!(bench.log(), ["Info Moved from '/d/l' to '/d/m'"]);
    }

    #[test]
    fn a_directory_is_moved_and_goes_into_one_that_is_not_empty() {
        let bench = bench().file("/d/s/in", "1");

        gives(
            &bench,
            r#"let m = d.move(dir.call("/d/s"), dir.call("/"), "to", MoveOptions().verbose(true).build());
               [m.list_entries().keys(), m.disk_usage(DiskUsageOptions().build()).entries[0].path]"#,
            r#"[["in"], "/to/s"]"#,
        );
        assert_eq!(bench.log(), ["Info Moved from '/d/s' to '/to/s'"]);
    }

    #[test]
    fn names_are_removed() {
        let bench = bench().file("/d/s/in", "");

        gives(
            &bench,
            r#"let f = open.call("f"); f.delete(DeleteFileOptions().build());
               f.delete(DeleteFileOptions().force(true).build());
               let r = []; try { f.delete(DeleteFileOptions().build()) } catch (e) { r.push(`${e.kind}: ${e.message}`) }
               let s = dir.call("/d/s");
               try { s.delete(DeleteDirOptions().build()) } catch (e) { r.push(`${e.kind}`) }
               s.delete(DeleteDirOptions().recursive(true).build()); s.delete(DeleteDirOptions().force(true).build());
               r.push(d.list_entries().keys()); r"#,
            r#"["NotFound: No such file or directory found: /d", "DirectoryNotEmpty", ["g", "l"]]"#,
        );
    }

    #[test]
    fn modes_are_permission_bits() {
        let bench = bench();

        gives(
            &bench,
            r#"open.call("f").chmod(0o600); d.chmod(ChmodDirOptions().permissions(0o700).build())"#,
            "",
        );
        assert_eq!((bench.traits("/d/f").mode, bench.traits("/d").mode), (Some(0o600), Some(0o700)));
        fails(
            &bench,
            r#"open.call("f").chmod(0o1777)"#,
            "ValidationError: Validation error: Invalid permissions. Permissions must be in the range 0-777 octal: 0o1777",
        );
        fails(
            &bench,
            r#"d.chmod(ChmodDirOptions().permissions(-1).build())"#,
            "TryFromIntError: out of range integral type conversion attempted",
        );
    }

    #[test]
    fn owners_are_names() {
        let bench = bench();

        gives(
            &bench,
            r#"let o = SetOwnershipOptions().user("daemon").group("adm").build();
               open.call("f").set_ownership(o); d.set_ownership(o); d.open_symlink("l").set_ownership(o);
               open.call("g").set_ownership(SetOwnershipOptions().build());
               let o = d.get_ownership(); [o.user, o.group, open.call("g").get_ownership().user]"#,
            r#"["daemon", "adm", "root"]"#,
        );
        assert_eq!(bench.traits("/d/l").owner.as_deref(), Some("daemon"));
        fails(
            &bench,
            r#"let n = ""; n.pad(2000, 'n'); d.set_ownership(SetOwnershipOptions().user(n).build())"#,
            "IdentityResolutionError: Identity resolution error: No user mapping found for uid: nnn",
        );
    }

    #[test]
    fn parts_of_a_label_are_set() {
        let bench = bench();

        gives(
            &bench,
            r#"open.call("f").set_extended_attr(SetXAttrOptions().name("security.selinux").selinux_type("t").selinux_role("r").build())"#,
            "",
        );
        assert_eq!(bench.traits("/d/f").label.as_deref(), Some("security.selinux=-:r:t:-"));
    }

    #[test]
    fn links_are_made_and_replaced_only_with_force() {
        let bench = bench();

        gives(&bench, r#"d.create_symlink("../any", "n", CreateSymlinkOptions().build())"#, "");
        fails(
            &bench,
            r#"d.create_symlink("t", "f", CreateSymlinkOptions().build())"#,
            "IoError: File exists (os error 17)",
        );
        gives(&bench, r#"d.create_symlink("t", "f", CreateSymlinkOptions().force(true).build())"#, "");
        assert!(matches!(&bench.world.borrow().nodes["/d/n"], Node::Link(target) if target == "../any"));
    }
}
