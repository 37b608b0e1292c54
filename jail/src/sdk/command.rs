//! The commands and their flags, under the names that scripts know.

use rex_ipc::file_system::EntryType;
use rhai::{Dynamic, INT, NativeCallContext};

use crate::commands::cat::CatFlag;
use crate::commands::find_files::GlobFlag;
use crate::commands::grep::GrepFlag;
use crate::commands::ls::LsFlag;
use crate::commands::seq::SeqFlag;
use crate::commands::tail::TailFlag;
use crate::commands::wc::WcFlag;
use crate::commands::{awk, cat, find_files, grep, ls, replace_text, seq, tail, wc};
use crate::error::Fallible;
use crate::registry::{Entry, NOTHING, Registrar};

/// Registers every command.
pub fn register(registrar: &mut Registrar<'_>) {
    register_cat(registrar);
    register_ls(registrar);
    register_grep(registrar);
    register_tail(registrar);
    register_wc(registrar);
    register_find_files(registrar);
    register_seq(registrar);
    register_awk(registrar);
    registrar.function(
        Entry {
            module: "global",
            name: "replace_text",
            signature: "(text: String, old: String, new: String, ReplacementOptions)",
            returns: "String",
            actions: NOTHING,
            doc: "The text with the first or every occurrence of the old text replaced by the new one.",
        },
        replace_text::replace_text,
    );
}

/// What a command asks for that reads one file, redacted if need be.
const READ: &str = "open Dir(parent), [open Dir(resolved parent)], open File, read File | redacted_read File";

/// What a command asks for that reads one file, and does without redaction.
const READ_WHOLE: &str = "open Dir(parent), [open Dir(resolved parent)], open File, read File";

const LIST: &str = "directory: open Dir, [open Dir(resolved)], read Dir; symlink: open Dir(parent), [open Dir(resolved \
                    parent)], open File, [open Dir(resolved)], [read Dir(resolved)]; other: open Dir, open Dir(parent), [open Dir(resolved parent)], open File";

const WALK: &str = "open Dir, [open Dir(resolved)], read Dir(best effort), per subdirectory: open Dir(best effort), read \
                    Dir(best effort)";

/// What the flags say of bytes that are no text.
pub(super) const LOSSY: &str = "Bytes that are no text become U+FFFD.";

/// What is said of the one that refuses them.
pub(super) const STRICT: &str = "Bytes that are no text are an error, which names file and line.";

pub(super) fn command(
    name: &'static str,
    signature: &'static str,
    returns: &'static str,
    actions: &'static str,
    doc: &'static str,
) -> Entry {
    Entry { module: "command", name, signature, returns, actions, doc }
}

/// Registers a flag under its names.
pub(super) fn flag<F: Clone + 'static>(
    registrar: &mut Registrar<'_>,
    module: &'static str,
    names: &[&'static str],
    (flag, type_name, doc): (F, &'static str, &'static str),
) {
    for &name in names {
        let entry = Entry { module, name, signature: "constant", returns: type_name, actions: NOTHING, doc };
        registrar.constant(entry, Dynamic::from(flag.clone()));
    }
}

pub(super) fn flag_with_value(
    module: &'static str,
    name: &'static str,
    signature: &'static str,
    returns: &'static str,
    doc: &'static str,
) -> Entry {
    Entry { module, name, signature, returns, actions: NOTHING, doc }
}

fn register_cat(registrar: &mut Registrar<'_>) {
    registrar.type_name::<CatFlag>("CatFlag");
    flag(
        registrar,
        "cat",
        &["number", "n"],
        (CatFlag::Number, "CatFlag", "Puts its number in front of each line."),
    );
    for (name, value, doc) in [("lossy", CatFlag::Lossy, LOSSY), ("strict", CatFlag::Strict, STRICT)] {
        flag(registrar, "cat", &[name], (value, "CatFlag", doc));
    }
    registrar.function(command("cat", "(path: String)", "String", READ, "The text of a file."), cat::plain);
    registrar.function(
        command(
            "cat",
            "(flags: Array, path: String)",
            "String",
            READ,
            "The text of a file, as the flags say.",
        ),
        cat::with_flags,
    );
}

fn register_ls(registrar: &mut Registrar<'_>) {
    registrar.type_name::<LsFlag>("LsFlag");
    flag(registrar, "ls", &["all", "a"], (LsFlag::All, "LsFlag", "Includes names that begin with a dot."));
    flag(registrar, "ls", &["long", "l"], (LsFlag::Long, "LsFlag", "Shows a link as itself."));
    flag(registrar, "ls", &["recursive", "R"], (LsFlag::Recursive, "LsFlag", "Accepted, without effect."));
    registrar.function(
        command(
            "ls",
            "(path: String)",
            "Map<String,DirEntry>",
            LIST,
            "The entries of a directory by name, or a link itself.",
        ),
        ls::plain,
    );
    registrar.function(
        command(
            "ls",
            "(flags: Array, path: String)",
            "Map<String,DirEntry>",
            LIST,
            "The entries of a directory by name, or a link itself, as the flags say.",
        ),
        ls::with_flags,
    );
}

fn register_grep(registrar: &mut Registrar<'_>) {
    registrar.type_name::<GrepFlag>("GrepFlag");
    let flags: [(&[&'static str], GrepFlag, &'static str); 6] = [
        (&["ignore_case", "i"], GrepFlag::IgnoreCase, "Matches either letter case."),
        (&["count", "c"], GrepFlag::Count, "Gives the number of lines instead of the lines."),
        (&["invert", "v"], GrepFlag::Invert, "Gives the lines that do not match."),
        (&["line_number", "n"], GrepFlag::LineNumber, "Puts its number in front of each line."),
        (&["lossy"], GrepFlag::Lossy, LOSSY),
        (&["strict"], GrepFlag::Strict, STRICT),
    ];
    for (names, value, doc) in flags {
        flag(registrar, "grep", names, (value, "GrepFlag", doc));
    }
    for name in ["max_count", "m"] {
        registrar.module_function(
            flag_with_value("grep", name, "(n: i64)", "GrepFlag", "Gives the first so many lines."),
            |most: INT| -> Fallible<GrepFlag> { Ok(GrepFlag::MaxCount(most)) },
        );
    }
    registrar.function(
        command(
            "grep",
            "(pattern: String, path: String)",
            "Array<String>",
            READ,
            "The lines of a file that match a pattern.",
        ),
        grep::plain,
    );
    registrar.function(
        command(
            "grep",
            "(flags: Array, pattern: String, path: String)",
            "Array<String>",
            READ,
            "The lines of a file that match a pattern, as the flags say.",
        ),
        grep::with_flags,
    );
}

fn register_tail(registrar: &mut Registrar<'_>) {
    registrar.type_name::<TailFlag>("TailFlag");
    registrar.module_function(
        flag_with_value(
            "tail",
            "n",
            "(count: i64)",
            "TailFlag",
            "So many lines: from the start, or from the end if less than 0.",
        ),
        |count: INT| -> Fallible<TailFlag> { Ok(TailFlag::Count(count)) },
    );
    registrar.module_function(
        flag_with_value("tail", "from", "(line: i64)", "TailFlag", "From this line on, counted from 1."),
        |line: INT| -> Fallible<TailFlag> { Ok(TailFlag::From(line)) },
    );
    registrar.module_function(
        flag_with_value("tail", "range", "(start: i64, end: i64)", "TailFlag", "From this line to that one."),
        |start: INT, end: INT| -> Fallible<TailFlag> { Ok(TailFlag::Range(start, end)) },
    );
    for (name, value, doc) in [("lossy", TailFlag::Lossy, LOSSY), ("strict", TailFlag::Strict, STRICT)] {
        flag(registrar, "tail", &[name], (value, "TailFlag", doc));
    }
    registrar.function(
        command("tail", "(path: String)", "Array<String>", READ_WHOLE, "The last ten lines of a file."),
        tail::plain,
    );
    registrar.function(
        command(
            "tail",
            "(flags: Array, path: String)",
            "Array<String>",
            READ_WHOLE,
            "The lines that the flags mean.",
        ),
        tail::with_flags,
    );
}

fn register_wc(registrar: &mut Registrar<'_>) {
    registrar.type_name::<WcFlag>("WcFlag");
    flag(registrar, "wc", &["lines", "l"], (WcFlag::Lines, "WcFlag", "Counts newline characters."));
    flag(registrar, "wc", &["words", "w"], (WcFlag::Words, "WcFlag", "Counts words."));
    flag(registrar, "wc", &["bytes", "c"], (WcFlag::Bytes, "WcFlag", "Counts bytes."));
    registrar.function(
        command(
            "wc",
            "(path: String)",
            "Map",
            READ_WHOLE,
            "The numbers of lines, words and bytes of a file.",
        ),
        wc::plain,
    );
    registrar.function(
        command("wc", "(flags: Array, path: String)", "Map", READ_WHOLE, "The numbers that the flags name."),
        wc::with_flags,
    );
}

fn register_find_files(registrar: &mut Registrar<'_>) {
    registrar.type_name::<GlobFlag>("GlobFlag");
    flag(registrar, "glob", &["recursive", "r"], (GlobFlag::Recursive, "GlobFlag", "Goes into directories."));
    flag(registrar, "glob", &["path", "p"], (GlobFlag::Path, "GlobFlag", "Gives paths instead of names."));
    for (names, entry_type, doc) in [
        (["file", "f"], EntryType::File, "Finds files."),
        (["dir", "d"], EntryType::Dir, "Finds directories."),
        (["symlink", "l"], EntryType::Symlink, "Finds symbolic links."),
    ] {
        flag(registrar, "glob", &names, (GlobFlag::Type(entry_type), "GlobFlag", doc));
    }
    registrar.function(
        command(
            "find_files",
            "(pattern: String, path: String)",
            "Array<String>",
            WALK,
            "The names in a directory that match.",
        ),
        find_files::plain,
    );
    registrar.function(
        command(
            "find_files",
            "(flags: Array, pattern: String, path: String)",
            "Array<String>",
            WALK,
            "The names below a directory that match, as the flags say.",
        ),
        find_files::with_flags,
    );
}

fn register_seq(registrar: &mut Registrar<'_>) {
    registrar.type_name::<SeqFlag>("SeqFlag");
    registrar.module_function(
        flag_with_value("seq", "step", "(n: i64)", "SeqFlag", "The distance between two numbers."),
        |step: INT| -> Fallible<SeqFlag> { Ok(SeqFlag::Step(step)) },
    );
    registrar.function(
        command("seq", "(start: i64, end: i64)", "Array<i64>", NOTHING, "The integers from one to another."),
        seq::plain,
    );
    registrar.function(
        command(
            "seq",
            "(flags: Array, start: i64, end: i64)",
            "Array<i64>",
            NOTHING,
            "The integers from one to another in steps.",
        ),
        seq::with_flags,
    );
}

fn register_awk(registrar: &mut Registrar<'_>) {
    registrar.function(
        command(
            "awk_split",
            "(text: String, delimiter: String)",
            "Array<String>",
            NOTHING,
            "The parts of a text.",
        ),
        |context: NativeCallContext, text: &str, delimiter: &str| awk::split(context, text, delimiter),
    );
    registrar.function(
        command(
            "awk_field",
            "(field: i64, delimiter: String, path: String)",
            "Array<String>",
            READ,
            "One field of each line.",
        ),
        awk::field,
    );
    registrar.function(
        command(
            "awk_filter",
            "(text: String, path: String)",
            "Array<String>",
            READ,
            "The lines that contain a text.",
        ),
        awk::filter,
    );
    registrar.function(
        command(
            "awk_filter_field",
            "(field: i64, delimiter: String, text: String, path: String)",
            "Array<String>",
            READ,
            "The lines of which one field contains a text.",
        ),
        awk::filter_field,
    );
    registrar.function(
        command(
            "awk_sum",
            "(field: i64, delimiter: String, path: String)",
            "f64",
            READ,
            "The sum of one field.",
        ),
        awk::sum,
    );
    registrar.function(
        command(
            "awk_count_unique",
            "(field: i64, delimiter: String, path: String)",
            "Map<String,i64>",
            READ,
            "How often each value of a field occurs.",
        ),
        awk::count_unique,
    );
    registrar.function(
        command(
            "awk_filter_range",
            "(start: i64, end: i64, path: String)",
            "Array<String>",
            READ,
            "The lines from one number to another.",
        ),
        awk::filter_range,
    );
}
