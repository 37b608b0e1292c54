//! The names below a directory that match a pattern.

use rex_ipc::file_system::{EntryType, ListEntries};
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
    /// Whole paths, and not only names.
    Path,
    /// What is of this type.
    Type(EntryType),
}

/// The direct children that match, by name.
///
/// # Errors
/// See [`with_flags`].
pub fn plain(context: NativeCallContext, pattern: &str, path: &str) -> Fallible<Array> {
    names(&context, &[], pattern, path)
}

/// What matches, as the flags say, by name and without the path.
///
/// # Errors
/// Kind `Other` for a foreign flag; the broker's failures to open the directory; `ValidationError` for a pattern.
pub fn with_flags(context: NativeCallContext, flags: Array, pattern: &str, path: &str) -> Fallible<Array> {
    let flags = value::flags::<GlobFlag>(&context, "glob", flags)?;
    names(&context, &flags, pattern, path)
}

fn names(context: &NativeCallContext, flags: &[GlobFlag], pattern: &str, path: &str) -> Fallible<Array> {
    let max_depth = if flags.contains(&GlobFlag::Recursive) { u64::MAX } else { 1 };
    let has_paths = flags.contains(&GlobFlag::Path);
    let types: Vec<EntryType> = flags
        .iter()
        .filter_map(|flag| match flag {
            GlobFlag::Type(entry_type) => Some(*entry_type),
            GlobFlag::Recursive | GlobFlag::Path => None,
        })
        .collect();
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
        if !glob.matches(step.entry.name()) || !find::is_wanted_type(&step, &types) {
            return Ok(());
        }
        names.push(if has_paths { step.path } else { step.entry.name() })
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
        assert_eq!(bench().denying("open", "/t/s").like_rex().output(r#"find_files("s", "/t")"#), "[]");
        assert_eq!(bench().denying("open", "/t/s").output(r#"find_files([glob::r], "s", "/t")"#), "[]");
        assert!(
            bench().denying("open", "/t").failure(r#"find_files("s", "/t")"#).contains("PermissionDenied")
        );
    }

    // Rex asks to open each of them.
    #[test]
    fn without_recursion_nothing_below_is_asked_for() {
        let bench = bench().denying("open", "/t/s");

        assert_eq!(bench.output(r#"[find_files("*s", "/t"), passed_over()]"#), r#"[["s"], 0]"#);
        assert_eq!(bench.asked(), [["open_dir", "list_entries"]]);
    }

    #[test]
    fn a_link_to_a_directory_is_followed_and_paths_are_those_it_leads_to() {
        let bench = || bench().link("/to", "t");

        assert_eq!(bench().output(r#"find_files("*.txt", "/to")"#), r#"["b.txt"]"#);
        assert_eq!(bench().output(r#"find_files([glob::p], "*.txt", "/to")"#), r#"["/t/b.txt"]"#);
        let told = bench().denying("open", "/t").failure(r#"find_files("*", "/to")"#);
        assert!(told.contains("PermissionDenied") && told.contains("file_system::Dir::/t"), "{told}");
    }

    #[test]
    fn types_are_chosen_and_paths_are_whole() {
        let bench = bench().link("/t/s/up", "..").fifo("/t/p.log");

        for (flags, expected) in [
            ("glob::f", r#"[".c.log", "a.log"]"#),
            ("glob::file", r#"[".c.log", "a.log"]"#),
            ("glob::l", r#"["g.log"]"#),
            ("glob::symlink, glob::f", r#"[".c.log", "a.log", "g.log"]"#),
            ("glob::d", "[]"),
            ("glob::p, glob::f", r#"["/t/.c.log", "/t/a.log"]"#),
            ("glob::path, glob::r, glob::file", r#"["/t/.c.log", "/t/a.log", "/t/s/d.log", "/t/s/u/f.log"]"#),
        ] {
            let script = format!(r#"let r = find_files([{flags}], "*.log", "/t"); r.sort(); r"#);
            assert_eq!(bench.output(&script), expected, "{flags}");
        }
        assert_eq!(
            bench.output(r#"let r = find_files([glob::dir, glob::r, glob::p], "*", "/t"); r.sort(); r"#),
            r#"["/t/s", "/t/s/u"]"#
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
