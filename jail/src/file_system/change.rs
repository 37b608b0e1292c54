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
use crate::sdk::log;
use crate::session::Session;
use crate::value;
use crate::writer::NewContent;

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
        let content = NewContent { id, bytes: content.as_bytes(), reopen: Some(reopen) };
        content.put(context, begin, 0, |_, _| ())?;
        Ok(self.adopt_replacement(&session, reopen))
    }

    /// Gives the same file this content and its length.
    ///
    /// # Errors
    /// The broker's failures.
    pub fn write_in_place(&self, context: &NativeCallContext, content: &str) -> Fallible<()> {
        let id = Session::of(context).new_writer();
        let begin = (BeginWrite { id, file: self.id(), how: WriteHow::InPlace },);
        let content = NewContent { id, bytes: content.as_bytes(), reopen: None };
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
        let request = MoveFile { file: self.id(), to: dir.id(), name: value::name(name)?, id, backup };
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
        let request = MoveDir { from: self.id(), dir: dir.id(), to: to.id(), name: value::name(name)?, id };
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
        let (name, target) = (value::name(name)?, value::path(target)?);
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
