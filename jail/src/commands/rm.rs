//! Removes a file or a directory.

use rex_ipc::failure::{ErrorKind, Failure, FailureClass};
use rex_ipc::file_system::DeletePath;
use rhai::{Array, NativeCallContext};

use crate::error::Fallible;
use crate::session::Session;
use crate::value;

/// A flag of `rm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RmFlag {
    /// It is no failure that there is nothing to remove.
    Force,
    /// A directory is removed with everything in it.
    Recursive,
}

/// Removes a file or an empty directory.
///
/// # Errors
/// See [`with_flags`].
pub fn plain(context: NativeCallContext, path: &str) -> Fallible<()> {
    remove(&context, &[], path)
}

/// Removes what stands at a path, as the flags say.
///
/// # Errors
/// Kind `Other` for a foreign flag; the broker's failures.
pub fn with_flags(context: NativeCallContext, flags: Array, path: &str) -> Fallible<()> {
    let flags = value::flags::<RmFlag>(&context, "rm", flags)?;
    remove(&context, &flags, path)
}

fn remove(context: &NativeCallContext, flags: &[RmFlag], path: &str) -> Fallible<()> {
    let request = DeletePath { path: value::path(path)?, recursive: flags.contains(&RmFlag::Recursive) };
    match Session::of(context).ask(value::line(context), request) {
        // rm(1): "ignore nonexistent files". Only who may know that it is missing gets this failure.
        Err(failed) if flags.contains(&RmFlag::Force) && says_missing(&failed.failure) => Ok(()),
        outcome => Ok(outcome?),
    }
}

/// Whether there was nothing at the path, or nothing any more when it came to removing it.
fn says_missing(failure: &Failure) -> bool {
    failure.class == (FailureClass::System { errno: ENOENT }) || failure.kind == ErrorKind::NotFound
}

const ENOENT: u16 = 2;

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    fn bench() -> Bench {
        Bench::new().file("/d/f", "x").dir("/d/empty").file("/d/s/t/u", "").link("/d/l", "s")
    }

    #[test]
    fn files_and_empty_directories_are_removed_and_links_are_not() {
        let bench = bench();

        assert_eq!(bench.output(r#"rm("/d/f"); rm("/d/empty"); ls("/d").keys()"#), r#"["l", "s"]"#);
        assert_eq!(bench.asked()[0], ["delete_path"]);
        assert!(
            bench
                .failure(r#"rm([rm::f], "/d/l")"#)
                .contains("FileError: File error: file is a symbolic link")
        );
    }

    #[test]
    fn what_is_in_a_directory_is_removed_only_with_recursive() {
        let bench = bench();

        assert!(bench.failure(r#"rm([rm::f], "/d/s")"#).contains("DirectoryNotEmpty: Directory not empty: "));
        assert_eq!(bench.output(r#"rm([rm::recursive], "/d/s"); ls("/d").len()"#), "3");
    }

    #[test]
    fn only_force_takes_what_is_missing_for_removed() {
        assert!(
            bench().failure(r#"rm("/d/no")"#).contains("IoError: No such file or directory (os error 2)")
        );
        assert_eq!(bench().output(r#"rm([rm::force], "/d/no")"#), "");
        assert!(
            bench().denying("open", "/d/no").failure(r#"rm([rm::f], "/d/no")"#).contains("PermissionDenied")
        );
    }
}
