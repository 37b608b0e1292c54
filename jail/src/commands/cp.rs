//! Copies a regular file to another name; the content does not pass through the jail.

use rex_ipc::file_system::{Copy, OpenTarget};
use rhai::{Array, NativeCallContext};

use crate::error::Fallible;
use crate::handle::{OpenDirectory, OpenObject};
use crate::session::Session;
use crate::text::{open_for_reading, open_unlinked, split_two};
use crate::value;

/// A flag of `cp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpFlag {
    /// A destination with content is overwritten.
    Force,
    /// Mode and times are kept.
    Preserve,
}

/// Copies a file to a name that is free, or that of an empty file.
///
/// # Errors
/// See [`with_flags`].
pub fn plain(context: NativeCallContext, source: &str, destination: &str) -> Fallible<()> {
    copy(&context, &[], source, destination)
}

/// Copies a file, as the flags say.
///
/// # Errors
/// Kind `Other` for a foreign flag; `InvalidArguments` for a path without a last component; the broker's failures.
pub fn with_flags(context: NativeCallContext, flags: Array, source: &str, destination: &str) -> Fallible<()> {
    let flags = value::flags::<CpFlag>(&context, "cp", flags)?;
    copy(&context, &flags, source, destination)
}

/// The destination is made only when everything that follows is permitted.
fn copy(context: &NativeCallContext, flags: &[CpFlag], source: &str, destination: &str) -> Fallible<()> {
    let session = Session::of(context);
    let ((from_dir, from_name), (to_dir, to_name)) = split_two(source, destination)?;
    let (from_parent, from) = (session.new_dir(), session.new_file());
    let (to_parent, to) = (session.new_dir(), session.new_file());
    let requests = (
        open_unlinked(from_parent, from_dir),
        open_for_reading(from, from_parent, from_name),
        open_unlinked(to_parent, to_dir),
        OpenTarget { id: to, dir: to_parent, name: to_name, from: Some(from) },
        Copy { from, to, force: flags.contains(&CpFlag::Force), preserve: flags.contains(&CpFlag::Preserve) },
    );
    session.perform(value::line(context), &requests)?;
    // Nothing is needed any more, so the closes may travel with the next frame.
    drop([from_parent, to_parent].map(|dir| OpenDirectory::adopt(&session, dir)));
    drop([from, to].map(|file| OpenObject::adopt(&session, file)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    fn bench() -> Bench {
        Bench::new().file("/d/a", "new").file("/d/b", "older").file("/d/e", "").dir("/d/s")
    }

    #[test]
    fn a_file_is_copied_in_one_round_trip() {
        let bench = bench();

        assert_eq!(bench.output(r#"cp("/d/a", "/d/n"); cp("/d/a", "/d/e")"#), "");

        assert_eq!((bench.content("/d/n"), bench.content("/d/e")), ("new".into(), "new".into()));
        assert_eq!(bench.asked()[0], ["open_dir", "open_file", "open_dir", "open_target", "copy"]);
        assert_eq!(bench.asked()[1][..4], ["close"; 4]);
    }

    #[test]
    fn content_is_overwritten_only_with_force() {
        let bench = bench();

        assert_eq!(
            bench.output(
                r#"let r = ""; try { cp("/d/a", "/d/b") } catch (e) { r = `${e.kind}: ${e.message}` }
                   cp([cp::f, cp::p], "/d/a", "/d/b"); r"#
            ),
            "DestinationFileNotEmptyError: Destination file not empty: File: /d/b, Size: 5 bytes"
        );
        assert_eq!(bench.content("/d/b"), "new");
    }

    #[test]
    fn a_denial_leaves_no_empty_file() {
        for (action, path) in [("read", "/d/a"), ("write", "/d/n"), ("create", "/d/n"), ("open", "/d/n")] {
            let bench = bench().denying(action, path);

            let message = bench.failure(r#"cp("/d/a", "/d/n")"#);

            assert!(message.contains(&format!("\"{action}\" for file_system::File::{path}")), "{message}");
            assert!(!bench.has("/d/n"));
        }
    }

    #[test]
    fn paths_without_a_name_are_refused() {
        assert!(
            bench()
                .failure(r#"cp("/", "/d/n")"#)
                .contains("InvalidArguments: Invalid arguments: Invalid source path: /")
        );
        assert!(
            bench()
                .failure(r#"cp("/d/a", "/..")"#)
                .contains("InvalidArguments: Invalid arguments: Invalid destination path: /..")
        );
    }

    #[test]
    fn paths_that_no_frame_holds_are_refused() {
        let script = r#"let long = "/"; long.pad(16000, 'x'); cp(long + "/" + long, long + "/" + long)"#;

        assert!(bench().failure(script).contains("IoError: File name too long (os error 36)"));
    }
}
