//! What changes files, directories and links, and how much space they take, under the names that scripts know.

use rhai::{Array, Dynamic, INT, ImmutableString, NativeCallContext};

use crate::file_system::change_options::{
    ChmodDirOptions, CopyFileOptions, CreateSymlinkOptions, DeleteDirOptions, DeleteFileOptions,
    DiskUsageOptions, FallocateOptions, MoveOptions, SetOwnershipOptions, SetXAttrOptions, TruncateOptions,
    WriteOptions,
};
use crate::file_system::dir::DirHandle;
use crate::file_system::disk_usage::{DiskUsageEntry, DiskUsageResult};
use crate::file_system::file::FileHandle;
use crate::file_system::link::SymlinkHandle;
use crate::registry::{Entry, NOTHING, Registrar};
use crate::session::Session;
use crate::value;

/// Registers everything.
pub fn register(registrar: &mut Registrar<'_>) {
    register_dir(registrar);
    register_content(registrar);
    register_file(registrar);
    register_link(registrar);
    register_disk_usage(registrar);
    registrar.function(
        Entry {
            module: "global",
            name: "passed_over",
            signature: "()",
            returns: "i64",
            actions: NOTHING,
            doc: "How many entries the last walk of a tree could not look at or change.",
        },
        |context: NativeCallContext| -> INT { value::integer(Session::of(&context).passed_over()) },
    );
}

fn register_dir(registrar: &mut Registrar<'_>) {
    registrar.function(
        Entry {
            module: "DirHandle",
            name: "delete",
            signature: "(DirHandle, DeleteDirOptions)",
            returns: "()",
            actions: "delete Dir, [delete per entry when recursive]",
            doc: "Removes the directory.",
        },
        |context: NativeCallContext, dir: DirHandle, options: DeleteDirOptions| {
            dir.delete(&context, &options)
        },
    );
    registrar.function(
        Entry {
            module: "DirHandle",
            name: "chmod",
            signature: "(DirHandle, ChmodDirOptions)",
            returns: "()",
            actions: "chmod Dir; recursive: best effort read/open/chmod per entry",
            doc: "Sets the permission bits of the directory, and of everything below it if wanted.",
        },
        |context: NativeCallContext, dir: DirHandle, options: ChmodDirOptions| dir.chmod(&context, &options),
    );
    registrar.function(
        Entry {
            module: "DirHandle",
            name: "set_ownership",
            signature: "(DirHandle, SetOwnershipOptions)",
            returns: "()",
            actions: "chown Dir; recursive: best effort read/open/chown per entry",
            doc: "Sets user and group of the directory, and of everything below it if wanted.",
        },
        |context: NativeCallContext, dir: DirHandle, options: SetOwnershipOptions| {
            dir.set_ownership(&context, &options)
        },
    );
    registrar.function(
        Entry {
            module: "DirHandle",
            name: "create_symlink",
            signature: "(DirHandle, target: String, name: String, CreateSymlinkOptions)",
            returns: "()",
            actions: "create File(link), [delete File(link) when force]",
            doc: "Makes a link in the directory.",
        },
        |context: NativeCallContext,
         dir: DirHandle,
         target: &str,
         name: &str,
         options: CreateSymlinkOptions| dir.create_symlink(&context, target, name, &options),
    );
    registrar.function(
        Entry {
            module: "DirHandle",
            name: "disk_usage",
            signature: "(DirHandle, DiskUsageOptions)",
            returns: "DiskUsageResult",
            actions: "stat Dir(root), read Dir(best effort), per entry: open + stat(best effort), per link: \
             read File(tolerated), per subdirectory: open Dir, read Dir, stat Dir(best effort)",
            doc: "The space that the directory and everything below it take.",
        },
        |context: NativeCallContext, dir: DirHandle, options: DiskUsageOptions| {
            dir.disk_usage(&context, &options)
        },
    );
    registrar.function(
        Entry {
            module: "DirHandle",
            name: "move",
            signature: "(DirHandle src parent, DirHandle src, DirHandle dst parent, name: String, \
             MoveOptions)",
            returns: "DirHandle",
            actions: "move Dir(src){destination}, create Dir(dst), open Dir(dst); other paths see text",
            doc: "Moves a directory from its parent to a name in another directory, and opens it there.",
        },
        |context: NativeCallContext,
         parent: DirHandle,
         dir: DirHandle,
         to: DirHandle,
         name: &str,
         options: MoveOptions| parent.move_dir(&context, &dir, &to, name, &options),
    );
}

fn register_content(registrar: &mut Registrar<'_>) {
    registrar.function(
        Entry {
            module: "FileHandle",
            name: "write",
            signature: "(FileHandle, content: String)",
            returns: "FileHandle",
            actions: "write File",
            doc: "Puts a new file with this content in the place of the old one, and opens it.",
        },
        |context: NativeCallContext, file: FileHandle, content: &str| {
            file.write(&context, content, &WriteOptions { preserve_ownership: false })
        },
    );
    registrar.function(
        Entry {
            module: "FileHandle",
            name: "write",
            signature: "(FileHandle, content: String, WriteOptions)",
            returns: "FileHandle",
            actions: "write File",
            doc: "Puts a new file with this content in the place of the old one, as the options say.",
        },
        |context: NativeCallContext, file: FileHandle, content: &str, options: WriteOptions| {
            file.write(&context, content, &options)
        },
    );
    registrar.function(
        Entry {
            module: "FileHandle",
            name: "write_in_place",
            signature: "(FileHandle, content: String)",
            returns: "()",
            actions: "write File",
            doc: "Gives the same file this content and its length.",
        },
        |context: NativeCallContext, file: FileHandle, content: &str| file.write_in_place(&context, content),
    );
    registrar.function(
        Entry {
            module: "FileHandle",
            name: "truncate",
            signature: "(FileHandle, TruncateOptions)",
            returns: "()",
            actions: "write File",
            doc: "Cuts or extends the file.",
        },
        |context: NativeCallContext, file: FileHandle, options: TruncateOptions| {
            file.truncate(&context, &options)
        },
    );
    registrar.function(
        Entry {
            module: "FileHandle",
            name: "fallocate",
            signature: "(FileHandle, FallocateOptions)",
            returns: "()",
            actions: "write File",
            doc: "Allocates space for the file from its start.",
        },
        |context: NativeCallContext, file: FileHandle, options: FallocateOptions| {
            file.fallocate(&context, &options)
        },
    );
    registrar.function(
        Entry {
            module: "FileHandle",
            name: "copy",
            signature: "(FileHandle src, FileHandle dst, CopyFileOptions)",
            returns: "FileHandle",
            actions: "read File(src), write File(dst)",
            doc: "Gives another file the content of this one, and gives that file.",
        },
        |context: NativeCallContext, from: FileHandle, to: FileHandle, options: CopyFileOptions| {
            from.copy(&context, &to, &options)
        },
    );
}

fn register_file(registrar: &mut Registrar<'_>) {
    registrar.function(
        Entry {
            module: "FileHandle",
            name: "move",
            signature: "(FileHandle, DirHandle, name: String, MoveOptions)",
            returns: "FileHandle",
            actions: "move File(src){destination}, create File(dst), open File(dst), [create File(dst) \
             when source handle was opened with create]; across file systems see text",
            doc: "Moves the file to a name in a directory, and opens it there.",
        },
        |context: NativeCallContext, file: FileHandle, dir: DirHandle, name: &str, options: MoveOptions| {
            file.move_to(&context, &dir, name, &options)
        },
    );
    registrar.function(
        Entry {
            module: "FileHandle",
            name: "delete",
            signature: "(FileHandle, DeleteFileOptions)",
            returns: "()",
            actions: "delete File",
            doc: "Removes the name by which the file was opened.",
        },
        |context: NativeCallContext, file: FileHandle, options: DeleteFileOptions| {
            file.delete(&context, &options)
        },
    );
    registrar.function(
        Entry {
            module: "FileHandle",
            name: "disk_usage",
            signature: "(FileHandle, DiskUsageOptions)",
            returns: "DiskUsageEntry",
            actions: "stat File",
            doc: "The space that the file takes.",
        },
        |context: NativeCallContext, file: FileHandle, options: DiskUsageOptions| {
            file.disk_usage(&context, &options)
        },
    );
    registrar.function(
        Entry {
            module: "FileHandle",
            name: "chmod",
            signature: "(FileHandle, permissions: i64)",
            returns: "()",
            actions: "chmod File",
            doc: "Sets the permission bits of the file.",
        },
        |context: NativeCallContext, file: FileHandle, mode: INT| file.chmod(&context, mode),
    );
    registrar.function(
        Entry {
            module: "FileHandle",
            name: "set_ownership",
            signature: "(FileHandle, SetOwnershipOptions)",
            returns: "()",
            actions: "chown File",
            doc: "Sets user and group of the file.",
        },
        |context: NativeCallContext, file: FileHandle, options: SetOwnershipOptions| {
            file.set_ownership(&context, &options)
        },
    );
    registrar.function(
        Entry {
            module: "FileHandle",
            name: "set_extended_attr",
            signature: "(FileHandle, SetXAttrOptions)",
            returns: "()",
            actions: "set_x_attr File{xattr}",
            doc: "Sets parts of the security label of the file.",
        },
        |context: NativeCallContext, file: FileHandle, options: SetXAttrOptions| {
            file.set_extended_attr(&context, &options)
        },
    );
}

fn register_link(registrar: &mut Registrar<'_>) {
    registrar.function(
        Entry {
            module: "SymlinkHandle",
            name: "set_ownership",
            signature: "(SymlinkHandle, SetOwnershipOptions)",
            returns: "()",
            actions: "chown File(link)",
            doc: "Sets user and group of the link itself.",
        },
        |context: NativeCallContext, link: SymlinkHandle, options: SetOwnershipOptions| {
            link.set_ownership(&context, &options)
        },
    );
}

fn register_disk_usage(registrar: &mut Registrar<'_>) {
    registrar.type_name::<DiskUsageEntry>("rust_safe_io::dir::unix::disk_usage::DiskUsageEntry");
    registrar.type_name::<DiskUsageResult>("rust_safe_io::dir::unix::disk_usage::DiskUsageResult");
    registrar.function(
        Entry {
            module: "DiskUsageEntry",
            name: "get$path",
            signature: "(DiskUsageEntry)",
            returns: "String",
            actions: NOTHING,
            doc: "The path.",
        },
        |entry: &mut DiskUsageEntry| -> ImmutableString { entry.path.clone() },
    );
    registrar.function(
        Entry {
            module: "DiskUsageEntry",
            name: "type",
            signature: "(DiskUsageEntry)",
            returns: "EntryType",
            actions: NOTHING,
            doc: "What it is.",
        },
        |entry: &mut DiskUsageEntry| entry.entry_type,
    );
    registrar.function(
        Entry {
            module: "DiskUsageEntry",
            name: "get$size_bytes",
            signature: "(DiskUsageEntry)",
            returns: "i64",
            actions: NOTHING,
            doc: "The space in bytes.",
        },
        |entry: &mut DiskUsageEntry| -> INT { entry.size_bytes },
    );
    registrar.function(
        Entry {
            module: "DiskUsageEntry",
            name: "get$inode_count",
            signature: "(DiskUsageEntry)",
            returns: "i64",
            actions: NOTHING,
            doc: "Files and directories that were counted.",
        },
        |entry: &mut DiskUsageEntry| -> INT { entry.inode_count },
    );
    registrar.function(
        Entry {
            module: "DiskUsageEntry",
            name: "to_map",
            signature: "(DiskUsageEntry)",
            returns: "Map",
            actions: NOTHING,
            doc: "The fields as a map.",
        },
        |context: NativeCallContext, entry: &mut DiskUsageEntry| entry.to_map(&Session::of(&context)),
    );
    registrar.function(
        Entry {
            module: "DiskUsageResult",
            name: "get$entries",
            signature: "(DiskUsageResult)",
            returns: "Array<DiskUsageEntry>",
            actions: NOTHING,
            doc: "What was to be listed, each directory behind what is in it.",
        },
        |result: &mut DiskUsageResult| -> Array { result.entries.clone() },
    );
    registrar.function(
        Entry {
            module: "DiskUsageResult",
            name: "get$largest_subdir_handle",
            signature: "(DiskUsageResult)",
            returns: "DirHandle | ()",
            actions: NOTHING,
            doc: "The largest listed directory below, if that was wanted.",
        },
        |result: &mut DiskUsageResult| -> Dynamic {
            result.largest_subdir.clone().map_or(Dynamic::UNIT, Dynamic::from)
        },
    );
    registrar.function(
        Entry {
            module: "DiskUsageResult",
            name: "get$denied_count",
            signature: "(DiskUsageResult)",
            returns: "i64",
            actions: NOTHING,
            doc: "How many entries could not be looked at.",
        },
        |result: &mut DiskUsageResult| -> INT { result.denied_count },
    );
}
