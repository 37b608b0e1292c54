//! Moves a regular file to another name.

use rex_ipc::file_system::{IfMissing, MoveFile, OpenFile, OpenMode};
use rhai::{Array, NativeCallContext};

use crate::error::Fallible;
use crate::file_system::change::tell_move;
use crate::file_system::change_options::MoveOptions;
use crate::handle::{OpenDirectory, OpenObject};
use crate::session::Session;
use crate::text::{open_for_reading, open_unlinked, split_two};
use crate::value;

/// A flag of `mv`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MvFlag {
    /// It is a failure if the file cannot keep owner, mode and times on another file system.
    Backup,
    /// A line is written to the log.
    Verbose,
}

/// Moves a file; one that has the name is replaced.
///
/// # Errors
/// See [`with_flags`].
pub fn plain(context: NativeCallContext, source: &str, destination: &str) -> Fallible<()> {
    move_file(&context, &[], source, destination)
}

/// Moves a file, as the flags say.
///
/// # Errors
/// Kind `Other` for a foreign flag; `InvalidArguments` for a path without a last component; the broker's failures.
pub fn with_flags(context: NativeCallContext, flags: Array, source: &str, destination: &str) -> Fallible<()> {
    let flags = value::flags::<MvFlag>(&context, "mv", flags)?;
    move_file(&context, &flags, source, destination)
}

fn move_file(context: &NativeCallContext, flags: &[MvFlag], source: &str, destination: &str) -> Fallible<()> {
    let session = Session::of(context);
    let options =
        MoveOptions { backup: flags.contains(&MvFlag::Backup), verbose: flags.contains(&MvFlag::Verbose) };
    let ((from_dir, from_name), (to_dir, to_name)) = split_two(source, destination)?;
    let (from_parent, file) = (session.new_dir(), session.new_file());
    let (to_parent, moved) = (session.new_dir(), session.new_file());
    let requests = (
        open_unlinked(from_parent, from_dir),
        OpenFile {
            mode: OpenMode::ReadWrite(IfMissing::Fail),
            ..open_for_reading(file, from_parent, from_name)
        },
        open_unlinked(to_parent, to_dir),
        MoveFile { file, to: to_parent, name: to_name, id: moved, backup: options.backup },
    );
    session.perform(value::line(context), &requests)?;
    // Nothing is needed any more, so the closes may travel with the next frame.
    drop([from_parent, to_parent].map(|dir| OpenDirectory::adopt(&session, dir)));
    drop([file, moved].map(|file| OpenObject::adopt(&session, file)));
    tell_move(context, &options, source, destination)
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    fn bench() -> Bench {
        Bench::new().file("/d/a", "new").file("/d/b", "old").dir("/d/s")
    }

    #[test]
    fn a_file_is_moved_in_one_round_trip_and_replaces_another() {
        let bench = bench();

        assert_eq!(bench.output(r#"mv("/d/a", "/d/b")"#), "");

        assert_eq!((bench.content("/d/b"), bench.has("/d/a")), ("new".into(), false));
        assert_eq!(bench.asked(), [["open_dir", "open_file", "open_dir", "move_file"]]);
    }

    #[test]
    fn a_move_is_told_when_wanted() {
        let bench = bench();

        bench.output(r#"mv([mv::b], "/d/a", "/d/c"); mv([mv::verbose], "/d/c", "/d/s/c")"#);

        assert_eq!(bench.log(), ["Info Moved from '/d/c' to '/d/s/c'"]);
    }

    #[test]
    fn a_directory_is_not_moved() {
        assert!(bench().failure(r#"mv("/d/s", "/d/t")"#).contains("IoError: Is a directory (os error 21)"));
        assert!(
            bench().failure(r#"mv("/d/a", "/d/s")"#).contains("FileError: File error: Error moving file")
        );
    }

    #[test]
    fn a_denied_move_changes_nothing() {
        let bench = bench().denying("move", "/d/a");

        assert!(bench.failure(r#"mv("/d/a", "/d/c")"#).contains("PermissionDenied"));
        assert!(bench.has("/d/a") && !bench.has("/d/c"));
    }
}
