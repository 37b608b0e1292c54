//! Directories, files, links and entries, under the names that scripts know.

use rex_ipc::file_system::EntryType;
use rhai::{Dynamic, FnPtr, INT, ImmutableString, NativeCallContext};

use crate::file_system::dir::DirHandle;
use crate::file_system::entry::DirEntry;
use crate::file_system::file::{FileHandle, Match, WordCount};
use crate::file_system::find;
use crate::file_system::link::SymlinkHandle;
use crate::file_system::metadata::{Metadata, Ownership, type_name};
use crate::file_system::options::{
    DirConfig, FindOptions, OpenDirOptions, OpenFileOptions, ReadLinesOptions, ReadPageOptions,
};
use crate::registry::{Entry, NOTHING, Registrar};

/// Registers every object and what can be done with it.
pub fn register(registrar: &mut Registrar<'_>) {
    register_dir(registrar);
    register_file(registrar);
    register_link(registrar);
    register_entry(registrar);
    register_entry_type(registrar);
    register_metadata(registrar);
    register_found(registrar);
}

fn register_dir(registrar: &mut Registrar<'_>) {
    registrar.type_name::<DirHandle>("rust_safe_io::dir::common::RcDirHandle");
    registrar.function(
        Entry {
            module: "DirConfig",
            name: "open",
            signature: "(DirConfig, OpenDirOptions)",
            returns: "DirHandle",
            actions: "open Dir, [create Dir when create], [open Dir(resolved) when follow_symlinks]",
            doc: "Opens the directory.",
        },
        |context: NativeCallContext, config: DirConfig, options: OpenDirOptions| {
            DirHandle::open(&context, &config, &options)
        },
    );
    let entry = |name, signature, returns, actions, doc| Entry {
        module: "DirHandle",
        name,
        signature,
        returns,
        actions,
        doc,
    };
    registrar.function(
        entry(
            "open_file",
            "(DirHandle, name: String, OpenFileOptions)",
            "FileHandle",
            "open File, [create File when create], [open File(resolved) when follow_symlinks and different]",
            "Opens a file in the directory.",
        ),
        |context: NativeCallContext, dir: DirHandle, name: &str, options: OpenFileOptions| {
            FileHandle::open(&context, &dir, name, &options)
        },
    );
    registrar.function(
        entry(
            "read_link_target",
            "(DirHandle, name: String)",
            "String",
            "read File(link)",
            "Where a link points.",
        ),
        |context: NativeCallContext, dir: DirHandle, name: &str| dir.read_link_target(&context, name),
    );
    registrar.function(
        entry("list_entries", "(DirHandle)", "Map<String,DirEntry>", "read Dir", "The entries by name."),
        |context: NativeCallContext, dir: DirHandle| dir.list_entries(&context),
    );
    registrar.function(
        entry("metadata", "(DirHandle)", "Metadata", "stat Dir", "The description of the directory."),
        |context: NativeCallContext, dir: DirHandle| dir.metadata(&context),
    );
    registrar.function(
        entry(
            "find",
            "(DirHandle, FindOptions, FnPtr)",
            "()",
            "read Dir(best effort), per subdirectory: open Dir(best effort), read Dir(best effort); [per entry with \
             size/time filters: open + stat, per link: read File(tolerated)]; follow_symlinks: stat Dir(root)(best \
             effort), open + stat per entry(best effort)",
            "Calls a function with each entry below that the options let through.",
        ),
        |context: NativeCallContext, dir: DirHandle, options: FindOptions, callback: FnPtr| {
            find::find(&context, &dir, &options, &callback)
        },
    );
    registrar.function(
        entry("get_ownership", "(DirHandle)", "Ownership", "stat Dir", "User and group of the directory."),
        |context: NativeCallContext, dir: DirHandle| dir.ownership(&context),
    );
    registrar.function(
        entry(
            "open_symlink",
            "(DirHandle, name: String)",
            "SymlinkHandle",
            "open File(link)",
            "Opens a link as itself.",
        ),
        |context: NativeCallContext, dir: DirHandle, name: &str| SymlinkHandle::open(&context, &dir, name),
    );
}

fn register_file(registrar: &mut Registrar<'_>) {
    registrar.type_name::<FileHandle>("rust_safe_io::file::common::RcFileHandle");
    let entry = |name, signature, returns, actions, doc| Entry {
        module: "FileHandle",
        name,
        signature,
        returns,
        actions,
        doc,
    };
    let redactable = "read File | redacted_read File";
    registrar.function(
        entry("read", "(FileHandle)", "String", redactable, "The content as text."),
        |context: NativeCallContext, file: FileHandle| file.read(&context),
    );
    registrar.function(
        entry(
            "read_lines",
            "(FileHandle, ReadLinesOptions)",
            "Array<String>",
            "read File",
            "The lines that the options mean.",
        ),
        |context: NativeCallContext, file: FileHandle, options: ReadLinesOptions| {
            file.read_lines(&context, &options)
        },
    );
    registrar.function(
        entry("read_page", "(FileHandle, ReadPageOptions)", "Array<String>", "read File", "The next lines."),
        |context: NativeCallContext, file: FileHandle, options: ReadPageOptions| {
            file.read_page(&context, &options)
        },
    );
    registrar.function(
        entry("search", "(FileHandle, pattern: String)", "Array<Match>", redactable, "The lines that match."),
        |context: NativeCallContext, file: FileHandle, pattern: &str| file.search(&context, pattern),
    );
    registrar.function(
        entry("counts", "(FileHandle)", "WordCount", "read File", "The numbers of lines, words and bytes."),
        |context: NativeCallContext, file: FileHandle| file.counts(&context),
    );
    registrar.function(
        entry(
            "extract_strings",
            "(FileHandle)",
            "Array<String>",
            "read File",
            "Runs of printable characters.",
        ),
        |context: NativeCallContext, file: FileHandle| file.extract_strings(&context),
    );
    registrar.function(
        entry("metadata", "(FileHandle)", "Metadata", "stat File", "The description of the file."),
        |context: NativeCallContext, file: FileHandle| file.metadata(&context),
    );
    registrar.function(
        entry(
            "get_last_modified_time",
            "(FileHandle)",
            "i64",
            "stat File",
            "The last modification in nanoseconds.",
        ),
        |context: NativeCallContext, file: FileHandle| file.last_modified_nanos(&context),
    );
    registrar.function(
        entry("get_ownership", "(FileHandle)", "Ownership", "stat File", "User and group of the file."),
        |context: NativeCallContext, file: FileHandle| file.ownership(&context),
    );
}

fn register_link(registrar: &mut Registrar<'_>) {
    registrar.type_name::<SymlinkHandle>("rust_safe_io::symlink::common::RcSymlinkHandle");
    registrar.function(
        Entry {
            module: "SymlinkHandle",
            name: "metadata",
            signature: "(SymlinkHandle)",
            returns: "Metadata",
            actions: "stat File(link), read File(link)(denial tolerated)",
            doc: "The description of the link itself, with its target where that may be read.",
        },
        |context: NativeCallContext, link: SymlinkHandle| link.metadata(&context),
    );
}

fn register_entry(registrar: &mut Registrar<'_>) {
    registrar.type_name::<DirEntry>("rust_safe_io::dir_entry::DirEntry");
    let entry = |name, signature, returns, actions, doc| Entry {
        module: "DirEntry",
        name,
        signature,
        returns,
        actions,
        doc,
    };
    let only = "(DirEntry)";
    registrar.function(entry("get$name", only, "String", NOTHING, "The name."), |entry: &mut DirEntry| {
        ImmutableString::from(entry.name())
    });
    registrar.function(entry("get$path", only, "String", NOTHING, "The path."), |entry: &mut DirEntry| {
        ImmutableString::from(entry.path())
    });
    registrar
        .function(entry("get$inode", only, "u64", NOTHING, "The inode number."), |entry: &mut DirEntry| {
            entry.inode()
        });
    registrar
        .function(entry("type", only, "EntryType", NOTHING, "What the entry is."), |entry: &mut DirEntry| {
            entry.entry_type()
        });
    registrar.function(
        entry(
            "open_as_file",
            "(DirEntry, OpenFileOptions)",
            "FileHandle",
            "as open_file (none when already opened)",
            "Opens the entry as a file.",
        ),
        |context: NativeCallContext, entry: &mut DirEntry, options: OpenFileOptions| {
            entry.open_as_file(&context, &options)
        },
    );
    registrar.function(
        entry(
            "open_as_dir",
            "(DirEntry, OpenDirOptions)",
            "DirHandle",
            "open Dir; symlink: open Dir, open Dir(resolved) (none when already opened)",
            "Opens the entry as a directory; a link is followed.",
        ),
        |context: NativeCallContext, entry: &mut DirEntry, _: OpenDirOptions| entry.open_as_dir(&context),
    );
    registrar.function(
        entry(
            "metadata",
            only,
            "Metadata",
            "file: open File, stat File; dir: open Dir, stat Dir; symlink: open File, stat File, read File(denial \
             tolerated); other: stat File",
            "The description of the entry.",
        ),
        |context: NativeCallContext, entry: &mut DirEntry| entry.metadata(&context),
    );
    registrar
        .function(entry("to_map", only, "Map", NOTHING, "The fields as a map."), |entry: &mut DirEntry| {
            entry.to_map()
        });
}

fn register_entry_type(registrar: &mut Registrar<'_>) {
    registrar.type_name::<EntryType>("EntryType");
    let entry = |name, signature, returns, doc| Entry {
        module: "EntryType",
        name,
        signature,
        returns,
        actions: NOTHING,
        doc,
    };
    for (name, entry_type, doc) in [
        ("FILE", EntryType::File, "A regular file."),
        ("DIR", EntryType::Dir, "A directory."),
        ("SYMLINK", EntryType::Symlink, "A link."),
        ("UNKNOWN", EntryType::Unknown, "Not known."),
        ("FIFO", EntryType::Fifo, "A FIFO."),
        ("SOCKET", EntryType::Socket, "A socket."),
        ("CHAR_DEVICE", EntryType::CharDevice, "A character device."),
        ("BLOCK_DEVICE", EntryType::BlockDevice, "A block device."),
    ] {
        registrar.constant(entry(name, "constant", "EntryType", doc), Dynamic::from(entry_type));
    }
    let both = "(EntryType, EntryType)";
    registrar.function(
        entry("==", both, "bool", "Whether both are the same type."),
        |a: EntryType, b: EntryType| a == b,
    );
    registrar.function(
        entry("!=", both, "bool", "Whether they are different types."),
        |a: EntryType, b: EntryType| a != b,
    );
    registrar.function(
        entry("to_string", "(EntryType)", "String", "The name of the type."),
        |entry_type: EntryType| type_name(entry_type),
    );
}

fn register_metadata(registrar: &mut Registrar<'_>) {
    registrar.type_name::<Metadata>("rust_safe_io::dir_entry::Metadata");
    registrar.type_name::<Ownership>("rust_safe_io::Ownership");
    let entry = |name, returns, doc| Entry {
        module: "Metadata",
        name,
        signature: "(Metadata)",
        returns,
        actions: NOTHING,
        doc,
    };
    registrar.function(entry("type", "EntryType", "What it is."), |m: &mut Metadata| m.entry_type());
    registrar.function(entry("file_size", "i64", "Length in bytes."), |m: &mut Metadata| m.file_size());
    registrar.function(
        entry("last_modified_time", "i64", "Last modification in seconds since 1970 began."),
        |m: &mut Metadata| m.modified_seconds(),
    );
    registrar.function(
        entry("last_modified_time_nanos_component", "i64", "The part of a second of the last modification."),
        |m: &mut Metadata| m.modified_nanos(),
    );
    registrar.function(entry("num_hardlinks", "i64", "Hard links."), |m: &mut Metadata| m.num_hardlinks());
    registrar.function(entry("blocks", "i64", "Blocks of 512 bytes."), |m: &mut Metadata| m.blocks());
    registrar
        .function(entry("allocated_size", "i64", "Allocated bytes."), |m: &mut Metadata| m.allocated_size());
    registrar.function(
        entry("permissions", "i64", "The mode, with the bits of the file type."),
        |m: &mut Metadata| m.permissions(),
    );
    registrar.function(
        entry("symlink_target", "String | ()", "Where a link points, if that is known."),
        |m: &mut Metadata| m.symlink_target(),
    );
    registrar.function(entry("get$owner", "Ownership", "User and group."), |m: &mut Metadata| m.owner());
    registrar.function(entry("to_map", "Map", "The fields as a map."), |m: &mut Metadata| m.to_map());
    let owner = |name, doc| Entry {
        module: "Ownership",
        name,
        signature: "(Ownership)",
        returns: "String",
        actions: NOTHING,
        doc,
    };
    registrar.function(owner("get$user", "The name of the user."), |o: &mut Ownership| o.user.clone());
    registrar.function(owner("get$group", "The name of the group."), |o: &mut Ownership| o.group.clone());
}

fn register_found(registrar: &mut Registrar<'_>) {
    registrar.type_name::<Match>("rust_safe_io::file::search::Match");
    registrar.type_name::<WordCount>("rust_safe_io::file::counts::WordCount");
    let entry = |module, name, signature, returns, doc| Entry {
        module,
        name,
        signature,
        returns,
        actions: NOTHING,
        doc,
    };
    registrar.function(
        entry("Match", "get$line_content", "(Match)", "String", "The whole line."),
        |found: &mut Match| found.line_content.clone(),
    );
    registrar.function(
        entry("Match", "get$line_number", "(Match)", "i64", "The number of the line, from 1."),
        |found: &mut Match| -> INT { found.line_number },
    );
    let count = |name, returns, doc| entry("WordCount", name, "(WordCount)", returns, doc);
    registrar.function(count("get$line_count", "i64", "Newline characters."), |c: &mut WordCount| c.lines);
    registrar.function(count("get$word_count", "i64", "Words."), |c: &mut WordCount| c.words);
    registrar.function(count("get$byte_count", "i64", "Bytes."), |c: &mut WordCount| c.bytes);
    registrar.function(count("to_map", "Map", "The numbers as a map."), |c: &mut WordCount| c.to_map());
}
