//! Makes a directory, and those that lead to it if wanted.

use rex_ipc::file_system::{Attributes, MakeDir, MakePath};
use rhai::{Array, NativeCallContext};

use crate::error::Fallible;
use crate::handle::OpenDirectory;
use crate::session::Session;
use crate::text::{open_parent, split};
use crate::value;

/// A flag of `mkdir`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MkdirFlag {
    /// What leads to the directory is made, too.
    Parents,
}

/// Makes a directory; one that is there is fine.
///
/// # Errors
/// `InvalidArguments` for a path without a last component; the broker's failures.
pub fn plain(context: NativeCallContext, path: &str) -> Fallible<()> {
    make(&context, path)
}

/// Makes a directory, as the flags say.
///
/// # Errors
/// Kind `Other` for a foreign flag; those of [`plain`].
pub fn with_flags(context: NativeCallContext, flags: Array, path: &str) -> Fallible<()> {
    let flags = value::flags::<MkdirFlag>(&context, "mkdir", flags)?;
    if flags.is_empty() {
        return make(&context, path);
    }
    let request = MakePath { path: value::path(path)? };
    Ok(Session::of(&context).ask(value::line(&context), request)?)
}

fn make(context: &NativeCallContext, path: &str) -> Fallible<()> {
    let session = Session::of(context);
    let (parent, name) = split(path, "directory path")?;
    let dir = session.new_dir();
    let requests = (
        open_parent(dir, parent),
        MakeDir { dir, path: value::path(name.as_str())?, attributes: Attributes::default() },
    );
    session.perform(value::line(context), &requests)?;
    drop(OpenDirectory::adopt(&session, dir));
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    #[test]
    fn a_directory_is_made_in_one_round_trip_and_may_be_there() {
        let bench = Bench::new().file("/d/f", "");

        assert_eq!(bench.output(r#"mkdir("/d/s/"); mkdir("/d/s"); ls("/d").keys()"#), r#"["f", "s"]"#);
        assert_eq!(bench.asked()[0], ["open_dir", "make_dir"]);
        assert!(bench.failure(r#"mkdir("/d/f")"#).contains("IoError: File exists (os error 17)"));
    }

    #[test]
    fn what_leads_to_it_is_made_only_when_wanted() {
        let bench = Bench::new().dir("/d");

        assert!(
            bench.failure(r#"mkdir("/d/a/b/c")"#).contains("IoError: No such file or directory (os error 2)")
        );
        assert_eq!(
            bench.output(
                r#"mkdir([mkdir::p], "/d/a/b/c"); mkdir([mkdir::parents], "/d/a/b"); ls("/d/a/b").keys()"#
            ),
            r#"["c"]"#
        );
    }

    #[test]
    fn a_path_without_a_name_is_refused() {
        assert!(
            Bench::new()
                .failure(r#"mkdir("/")"#)
                .contains("InvalidArguments: Invalid arguments: Invalid directory path: /")
        );
    }
}
