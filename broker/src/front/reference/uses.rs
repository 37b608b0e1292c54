//! What people call things that the reference calls something else, and what they want that is of the language.

use super::entry::{Entry, Reference};

/// Words for one use.
struct Use {
    /// The words, each of which means it.
    words: &'static [&'static str],
    /// The functions for it, as [`Entry::qualified_name`] gives them, best first.
    names: &'static [&'static str],
    /// What the language itself has for it; else empty.
    language: &'static str,
}

/// The entries that a word means by their use, best first.
pub(super) fn entries<'r>(reference: &'r Reference, word: &str) -> Vec<&'r Entry> {
    let names = USES.iter().filter(|found| found.words.contains(&word)).flat_map(|found| found.names);
    let named = |name: &&'static str| {
        let name = *name;
        reference.entries().map(|(_, entry)| entry).filter(move |entry| entry.qualified_name() == name)
    };
    names.flat_map(|name| named(name)).collect()
}

/// What the language has for a word.
pub(super) fn language(word: &str) -> impl Iterator<Item = &'static str> {
    USES.iter()
        .filter(move |found| found.words.contains(&word))
        .map(|found| found.language)
        .filter(|text| !text.is_empty())
}

const fn of_sdk(words: &'static [&'static str], names: &'static [&'static str]) -> Use {
    Use { words, names, language: "" }
}

const fn of_language(words: &'static [&'static str], language: &'static str) -> Use {
    Use { words, names: &[], language }
}

const USES: [Use; 33] = [
    of_sdk(&["atomic", "atomically", "overwrite"], &["write::replace", "FileHandle.write", "write"]),
    of_sdk(
        &["mtime", "modified", "modification", "age"],
        &[
            "FileHandle.get_last_modified_time",
            "Metadata.last_modified_time",
            "FindOptions.max_modification_time",
            "FindOptions.min_modification_time",
        ],
    ),
    of_sdk(
        &["older", "before", "expire", "prune"],
        &[
            "FindOptions.max_modification_time",
            "FindOptions.max_creation_time",
            "FileHandle.get_last_modified_time",
        ],
    ),
    of_sdk(
        &["newer", "newest", "recent", "latest"],
        &["FindOptions.min_modification_time", "FileHandle.get_last_modified_time"],
    ),
    of_sdk(&["ctime", "created", "birth"], &["FindOptions.min_creation_time"]),
    of_sdk(
        &["exist", "exists", "missing"],
        &["find_files", "ls", "IoErrorKind::IoError", "IoErrorKind::NotFound"],
    ),
    of_sdk(&["rename", "move"], &["mv", "FileHandle.move", "DirHandle.move"]),
    of_sdk(&["unlink", "remove", "delete", "erase"], &["rm", "FileHandle.delete", "DirHandle.delete"]),
    of_sdk(&["rmdir"], &["rm", "DirHandle.delete"]),
    of_sdk(&["copy", "backup", "duplicate"], &["cp", "FileHandle.copy", "mv::backup"]),
    of_sdk(&["append"], &["write::append", "write"]),
    of_sdk(&["head", "first"], &["ReadLinesOptions.count", "grep::max_count", "tail::range"]),
    of_sdk(&["last", "follow", "rotated"], &["tail", "tail::n", "FileHandle.read_page"]),
    of_sdk(
        &["stat", "size", "length"],
        &["DirEntry.metadata", "FileHandle.metadata", "Metadata.file_size", "du", "DirHandle.disk_usage"],
    ),
    of_sdk(
        &["space", "largest", "usage", "quota"],
        &["du", "DirHandle.disk_usage", "DiskUsageResult.largest_subdir_handle"],
    ),
    of_sdk(
        &["uid", "gid", "chown", "owner", "group"],
        &[
            "DirHandle.get_ownership",
            "FileHandle.get_ownership",
            "FileHandle.set_ownership",
            "DirHandle.set_ownership",
            "SetOwnershipOptions.user",
        ],
    ),
    of_sdk(
        &["chmod", "mode", "permissions"],
        &["FileHandle.chmod", "DirHandle.chmod", "Metadata.permissions"],
    ),
    of_sdk(
        &["symlink", "readlink", "link", "ln"],
        &[
            "DirHandle.create_symlink",
            "DirHandle.read_link_target",
            "DirHandle.open_symlink",
            "OpenFileOptions.follow_symlinks",
        ],
    ),
    of_sdk(
        &["walk", "recurse", "recursive", "tree", "glob"],
        &["DirHandle.find", "find_files", "glob::recursive"],
    ),
    of_sdk(&["print", "println", "echo", "puts", "output"], &["info"]),
    of_sdk(&["log", "message"], &["info", "warn", "error"]),
    of_sdk(
        &["regex", "regexp", "match", "pattern"],
        &["grep", "FileHandle.search", "sed::regex", "FindOptions.regex"],
    ),
    of_sdk(&["substitute", "replace"], &["sed", "replace_text", "write::replace"]),
    of_sdk(
        &["tar", "untar", "unzip", "zip", "extract", "archive"],
        &["FileHandle.extract_archive", "FileHandle.compress_gzip", "FileHandle.search_gzip"],
    ),
    of_sdk(
        &["time", "clock", "timestamp", "today"],
        &["now", "DateTime", "parse_datetime", "DateTime.to_string"],
    ),
    of_sdk(&["wait", "delay", "pause"], &["sleep"]),
    of_sdk(
        &["port", "ports", "listen", "listening", "socket", "sockets", "ss", "lsof"],
        &[
            "network_stats",
            "netstat",
            "connect",
            "NetworkStats.internet_connections",
            "InternetConnection.local_address",
            "InternetConnection.state",
        ],
    ),
    of_sdk(&["reachable", "reach", "telnet", "nc"], &["connect"]),
    of_sdk(&["json", "serialize"], &["to_json"]),
    of_language(
        &["parse", "json", "deserialize"],
        "parse_json(text) reads JSON; parse_int(text) and parse_float(text) read numbers",
    ),
    of_language(
        &["sort", "order", "sorted", "rank"],
        "array.sort() changes an array, array.order() gives a sorted one; array.sort(|a, b| a.size - b.size) compares",
    ),
    of_language(&["join", "concat"], "array.reduce(|a, b| a + \", \" + b) joins texts; a + b joins two"),
    of_language(
        &["env", "argument", "arguments", "argv"],
        "arguments are variables: `--arg name=value` declares `name`; there is no environment",
    ),
];

#[cfg(test)]
mod tests {
    use super::super::reference;
    use super::*;

    #[test]
    fn every_use_names_what_there_is_and_is_one_word() {
        let reference = reference();
        for found in &USES {
            for name in found.names {
                assert!(reference.entries().any(|(_, entry)| entry.qualified_name() == *name), "{name}");
            }
            for word in found.words {
                // A shell leaves these as they are.
                assert!(word.chars().all(|c| c.is_ascii_lowercase()), "{word}");
            }
        }
    }
}
