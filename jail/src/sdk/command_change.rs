//! The commands that change something, `du`, and their flags, under the names that scripts know.

use rhai::INT;

use super::command::{LOSSY, STRICT, command, flag, flag_with_value};
use crate::commands::cp::CpFlag;
use crate::commands::du::DuFlag;
use crate::commands::mkdir::MkdirFlag;
use crate::commands::mv::MvFlag;
use crate::commands::rm::RmFlag;
use crate::commands::sed::SedFlag;
use crate::commands::write::WriteFlag;
use crate::commands::{cp, du, mkdir, mv, rm, sed, touch, write};
use crate::error::Fallible;
use crate::registry::Registrar;

/// Registers every command.
pub fn register(registrar: &mut Registrar<'_>) {
    register_sed(registrar);
    register_rm(registrar);
    register_cp(registrar);
    register_mv(registrar);
    register_mkdir(registrar);
    register_du(registrar);
    register_touch(registrar);
    register_write(registrar);
}

fn register_sed(registrar: &mut Registrar<'_>) {
    registrar.type_name::<SedFlag>("SedFlag");
    flag(
        registrar,
        "sed",
        &["regex"],
        (SedFlag::Regex, "SedFlag", "Takes the pattern as a regular expression."),
    );
    flag(registrar, "sed", &["all", "g"], (SedFlag::All, "SedFlag", "Replaces every occurrence."));
    flag(registrar, "sed", &["in_place", "i"], (SedFlag::InPlace, "SedFlag", "Gives the file the new text."));
    for (name, value, doc) in [("lossy", SedFlag::Lossy, LOSSY), ("strict", SedFlag::Strict, STRICT)] {
        flag(registrar, "sed", &[name], (value, "SedFlag", doc));
    }
    registrar.function(
        command(
            "sed",
            "(pattern: String, replacement: String, path: String)",
            "String",
            "open Dir(parent), [open Dir(resolved parent)], open File, read File | \
             redacted_read File",
            "The text of a file with the first occurrence replaced.",
        ),
        sed::plain,
    );
    registrar.function(
        command(
            "sed",
            "(flags: Array, pattern: String, replacement: String, path: String)",
            "String",
            "open Dir(parent), [open Dir(resolved parent)], open File, read File | \
             redacted_read File, [write File when sed::in_place]",
            "The text of a file with occurrences replaced, as the flags say.",
        ),
        sed::with_flags,
    );
}

fn register_rm(registrar: &mut Registrar<'_>) {
    registrar.type_name::<RmFlag>("RmFlag");
    flag(
        registrar,
        "rm",
        &["force", "f"],
        (RmFlag::Force, "RmFlag", "It is no failure that there is nothing to remove."),
    );
    flag(
        registrar,
        "rm",
        &["recursive", "r"],
        (RmFlag::Recursive, "RmFlag", "Removes a directory with everything in it."),
    );
    registrar.function(
        command(
            "rm",
            "(path: String)",
            "()",
            "directory: open Dir, [open Dir(resolved)], delete Dir; otherwise: open \
             Dir(parent), [open Dir(resolved parent)], open File, delete File",
            "Removes a file or an empty directory.",
        ),
        rm::plain,
    );
    registrar.function(
        command(
            "rm",
            "(flags: Array, path: String)",
            "()",
            "directory: open Dir, [open Dir(resolved)], delete Dir, [delete per entry when rm::recursive]; \
             otherwise: open Dir(parent), [open Dir(resolved parent)], open File, delete File",
            "Removes what stands at a path, as the flags say.",
        ),
        rm::with_flags,
    );
}

fn register_cp(registrar: &mut Registrar<'_>) {
    registrar.type_name::<CpFlag>("CpFlag");
    flag(
        registrar,
        "cp",
        &["force", "f"],
        (CpFlag::Force, "CpFlag", "Overwrites a destination that has content."),
    );
    flag(registrar, "cp", &["preserve", "p"], (CpFlag::Preserve, "CpFlag", "Keeps mode and times."));
    registrar.function(
        command(
            "cp",
            "(src: String, dst: String)",
            "()",
            "open Dir(src parent), open File(src), open Dir(dst parent), open File(dst), \
             create File(dst), read File(src), write File(dst)",
            "Copies a regular file.",
        ),
        cp::plain,
    );
    registrar.function(
        command(
            "cp",
            "(flags: Array, src: String, dst: String)",
            "()",
            "open Dir(src parent), open File(src), open Dir(dst parent), open File(dst), \
             create File(dst), read File(src), write File(dst)",
            "Copies a regular file, as the flags say.",
        ),
        cp::with_flags,
    );
}

fn register_mv(registrar: &mut Registrar<'_>) {
    registrar.type_name::<MvFlag>("MvFlag");
    flag(
        registrar,
        "mv",
        &["backup", "b"],
        (
            MvFlag::Backup,
            "MvFlag",
            "Fails if a file that goes to another file system cannot keep owner, mode and times.",
        ),
    );
    flag(registrar, "mv", &["verbose", "v"], (MvFlag::Verbose, "MvFlag", "Writes a line to the log."));
    registrar.function(
        command(
            "mv",
            "(src: String, dst: String)",
            "()",
            "open Dir(src parent), open File(src), open Dir(dst parent), move File(src), \
             create File(dst), open File(dst); across file systems see text",
            "Moves a regular file.",
        ),
        mv::plain,
    );
    registrar.function(
        command(
            "mv",
            "(flags: Array, src: String, dst: String)",
            "()",
            "open Dir(src parent), open File(src), open Dir(dst parent), move File(src), \
             create File(dst), open File(dst); across file systems see text",
            "Moves a regular file, as the flags say.",
        ),
        mv::with_flags,
    );
}

fn register_mkdir(registrar: &mut Registrar<'_>) {
    registrar.type_name::<MkdirFlag>("MkdirFlag");
    flag(
        registrar,
        "mkdir",
        &["parents", "p"],
        (MkdirFlag::Parents, "MkdirFlag", "Makes what leads to the directory, too."),
    );
    registrar.function(
        command(
            "mkdir",
            "(path: String)",
            "()",
            "open Dir(parent or deepest existing ancestor), [open Dir(resolved)], create Dir \
             per new level",
            "Makes a directory.",
        ),
        mkdir::plain,
    );
    registrar.function(
        command(
            "mkdir",
            "(flags: Array, path: String)",
            "()",
            "open Dir(parent or deepest existing ancestor), [open Dir(resolved)], create Dir \
             per new level",
            "Makes a directory, as the flags say.",
        ),
        mkdir::with_flags,
    );
}

fn register_du(registrar: &mut Registrar<'_>) {
    registrar.type_name::<DuFlag>("DuFlag");
    flag(
        registrar,
        "du",
        &["summarize", "s"],
        (DuFlag::Summarize, "DuFlag", "Lists the directory itself and nothing below."),
    );
    flag(
        registrar,
        "du",
        &["all_files", "a"],
        (DuFlag::AllFiles, "DuFlag", "Lists what is not a directory, too."),
    );
    flag(
        registrar,
        "du",
        &["apparent_size"],
        (DuFlag::ApparentSize, "DuFlag", "Counts lengths instead of allocated blocks."),
    );
    for name in ["max_depth", "d"] {
        registrar.module_function(
            flag_with_value("du", name, "(n: i64)", "DuFlag", "Lists nothing below this depth."),
            |depth: INT| -> Fallible<DuFlag> { Ok(DuFlag::MaxDepth(depth)) },
        );
    }
    registrar.function(
        command(
            "du",
            "(path: String)",
            "Map",
            "open Dir, [open Dir(resolved)], stat Dir, then walk as disk_usage",
            "The space that a directory and everything below it take.",
        ),
        du::plain,
    );
    registrar.function(
        command(
            "du",
            "(flags: Array, path: String)",
            "Map",
            "open Dir, [open Dir(resolved)], stat Dir, then walk as disk_usage",
            "The space that a directory and everything below it take, as the flags say.",
        ),
        du::with_flags,
    );
}

fn register_touch(registrar: &mut Registrar<'_>) {
    registrar.function(
        command(
            "touch",
            "(path: String)",
            "()",
            "open Dir(parent), open File, create File, write File(tolerated)",
            "Makes an empty file, or sets the times of one that is there where that is permitted.",
        ),
        touch::touch,
    );
}

fn register_write(registrar: &mut Registrar<'_>) {
    registrar.type_name::<WriteFlag>("WriteFlag");
    flag(
        registrar,
        "write",
        &["append", "a"],
        (WriteFlag::Append, "WriteFlag", "Writes behind what is there."),
    );
    flag(
        registrar,
        "write",
        &["replace", "r"],
        (WriteFlag::Replace, "WriteFlag", "Writes in the place of what is there."),
    );
    registrar.function(
        command(
            "write",
            "(path: String, content: String)",
            "()",
            "open Dir(parent), [open Dir(resolved parent)], open File, create File, read \
             File(failure ignored), write File",
            "Appends text to a file, which is made when it is missing.",
        ),
        write::plain,
    );
    registrar.function(
        command(
            "write",
            "(flags: Array, path: String, content: String)",
            "()",
            "open Dir(parent), [open Dir(resolved parent)], open File, create File, [read \
             File(failure ignored) when appending], write File",
            "Appends text to a file or replaces its content, as the flags say.",
        ),
        write::with_flags,
    );
}
