//! Makes an empty file, or sets the times of one that is there.

use rex_ipc::file_system::{IfMissing, NewTime, OpenFile, OpenMode, SetTimes};
use rhai::NativeCallContext;

use crate::error::Fallible;
use crate::handle::{OpenDirectory, OpenObject};
use crate::session::Session;
use crate::text::{open_for_reading, open_unlinked, split};
use crate::value;

/// Makes the file when it is missing, and sets its times to now where that is permitted.
///
/// Rex opens the file and leaves its times, so a script may run under a policy that permits `open` and `create` and
/// not `write`: for such a script the times stay as they are, and it succeeds as before.
///
/// # Errors
/// `InvalidArguments` for a path without a last component; the broker's failures to make or open the file.
pub fn touch(context: NativeCallContext, path: &str) -> Fallible<()> {
    let session = Session::of(&context);
    let (parent, name) = split(path, "file path")?;
    let (dir, file) = (session.new_dir(), session.new_file());
    let now = Some(NewTime::Now);
    let requests = (
        open_unlinked(dir, parent),
        OpenFile { mode: OpenMode::Write(IfMissing::Make(None)), ..open_for_reading(file, dir, name) },
        SetTimes { file, accessed: now, modified: now },
    );
    match session.perform(value::line(&context), &requests) {
        Ok(_) => {
            drop(OpenObject::adopt(&session, file));
            drop(OpenDirectory::adopt(&session, dir));
            Ok(())
        }
        Err(failed) if failed.index == 2 && failed.is_denial() => Ok(()),
        Err(failed) => Err(failed.into()),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    #[test]
    fn a_file_is_made_or_gets_new_times_in_one_round_trip() {
        let bench = Bench::new().file("/d/old", "x");

        assert_eq!(bench.output(r#"touch("/d/new"); touch("/d/old")"#), "");

        assert_eq!((bench.content("/d/new"), bench.content("/d/old")), (String::new(), "x".into()));
        assert_eq!(bench.traits("/d/old").modified.unwrap().seconds, 1_761_057_000);
        assert_eq!(bench.asked()[0], ["open_dir", "open_file", "set_times"]);
    }

    #[test]
    fn without_write_the_times_stay_and_the_file_is_made() {
        let bench = Bench::new().file("/d/old", "x").denying("write", "/d/old").denying("write", "/d/new");

        assert_eq!(bench.output(r#"touch("/d/new"); touch("/d/old")"#), "");

        assert!(bench.has("/d/new") && bench.traits("/d/old").modified.is_none());
    }

    #[test]
    fn other_denials_and_failures_are_told() {
        let bench = Bench::new().dir("/d/s").file("/d/f", "").denying("create", "/d/f");

        assert!(bench.failure(r#"touch("/d/f")"#).contains("PermissionDenied"));
        assert!(bench.failure(r#"touch("/d/s")"#).contains("IoError: Is a directory (os error 21)"));
        assert!(bench.failure(r#"touch("/")"#).contains("Invalid arguments: Invalid file path: /"));
    }
}
