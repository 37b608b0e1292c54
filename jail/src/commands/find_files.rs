//! The names below a directory that match a pattern.

use rex_ipc::file_system::ListEntries;
use rhai::{Array, NativeCallContext};

use crate::error::Fallible;
use crate::file_system::dir::DirHandle;
use crate::file_system::find;
use crate::file_system::passed_over::PassedOver;
use crate::file_system::walk::{Step, Walk, WalkPlan};
use crate::session::Session;
use crate::text::{TextArray, open_parent};
use crate::value;

/// A flag of `find_files`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlobFlag {
    /// Everything below, and not only the direct children.
    Recursive,
}

/// The direct children that match, by name.
///
/// # Errors
/// See [`with_flags`].
pub fn plain(context: NativeCallContext, pattern: &str, path: &str) -> Fallible<Array> {
    names(&context, 1, pattern, path)
}

/// What matches, as the flags say, by name and without the path.
///
/// # Errors
/// Kind `Other` for a foreign flag; the broker's failures to open the directory; `ValidationError` for a pattern.
pub fn with_flags(context: NativeCallContext, flags: Array, pattern: &str, path: &str) -> Fallible<Array> {
    let flags = value::flags::<GlobFlag>(&context, "glob", flags)?;
    names(&context, if flags.is_empty() { 1 } else { u64::MAX }, pattern, path)
}

fn names(context: &NativeCallContext, max_depth: u64, pattern: &str, path: &str) -> Fallible<Array> {
    let session = Session::of(context);
    let id = session.new_dir();
    let requests = (open_parent(id, value::path(path)?), ListEntries { dir: id, restart: true });
    let opened = session.perform(value::line(context), &requests);
    let passed_over = PassedOver::new(context, None);
    // A directory that may be opened and not read has nothing in it that the script may know of.
    let listed = match opened {
        Err(failed) if failed.index == 0 => return Err(failed.into()),
        outcome => passed_over.unless(path, outcome)?,
    };
    let glob = find::glob(pattern, false)?;
    let mut names = TextArray::new(&session);
    let Some((opened, page)) = listed else { return Ok(names.into_array()) };
    let root = DirHandle::adopt(&session, id, path, &opened);
    let plan = WalkPlan { max_depth, describe: false, follow_links: false };
    Walk::from_page(context, &root, page, plan, &passed_over).run(&mut |step: Step<'_>| {
        if glob.matches(step.entry.name()) { names.push(step.entry.name()) } else { Ok(()) }
    })?;
    Ok(names.into_array())
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    fn bench() -> Bench {
        Bench::new()
            .file("/t/a.log", "")
            .file("/t/b.txt", "")
            .file("/t/.c.log", "")
            .file("/t/s/d.log", "")
            .file("/t/s/E.LOG", "")
            .file("/t/s/u/f.log", "")
            .link("/t/g.log", "b.txt")
    }

    #[test]
    fn direct_children_without_a_flag_and_everything_with_it() {
        assert_eq!(bench().output(r#"find_files("*.log", "/t")"#), r#"[".c.log", "a.log", "g.log"]"#);
        assert_eq!(
            bench().output(r#"let r = find_files([glob::recursive], "*.log", "/t"); r.sort(); [r, find_files([glob::r], "*", "/t").len()]"#),
            r#"[[".c.log", "a.log", "d.log", "f.log", "g.log"], 9]"#
        );
    }

    #[test]
    fn each_directory_takes_one_round_trip() {
        let bench = bench();

        bench.output(r#"find_files([glob::r], "*", "/t")"#);

        assert_eq!(
            bench.asked(),
            [["open_dir", "list_entries"], ["open_dir", "list_entries"], ["open_dir", "list_entries"]]
        );
    }

    #[test]
    fn what_may_not_be_read_has_nothing_in_it() {
        assert_eq!(bench().denying("read", "/t").output(r#"find_files([glob::r], "*", "/t")"#), "[]");
        assert_eq!(
            bench().denying("read", "/t/s").output(r#"find_files([glob::r], "[s-u]", "/t")"#),
            r#"["s"]"#
        );
    }

    #[test]
    fn a_directory_that_may_not_be_opened_is_not_reported() {
        assert_eq!(bench().denying("open", "/t/s").output(r#"find_files("s", "/t")"#), "[]");
        assert_eq!(bench().denying("open", "/t/s").output(r#"find_files([glob::r], "s", "/t")"#), "[]");
        assert!(
            bench().denying("open", "/t").failure(r#"find_files("s", "/t")"#).contains("PermissionDenied")
        );
    }

    #[test]
    fn a_pattern_that_is_none_is_refused() {
        assert_eq!(
            bench().failure(r#"find_files("[", "/t")"#),
            "IoErrorKind: ValidationError: Validation error: Invalid glob pattern: - Pattern syntax error near position 0: \
             invalid range pattern (line 1, position 1)"
        );
    }
}
