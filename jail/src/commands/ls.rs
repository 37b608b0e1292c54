//! Lists a directory by name, or shows a link as itself.

use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{Listing, OpenListing};
use rhai::{Array, Dynamic, Map, NativeCallContext};

use crate::error::{Fallible, io_error_from};
use crate::file_system::dir::DirHandle;
use crate::file_system::entry::DirEntry;
use crate::session::Session;
use crate::text::open_parent;
use crate::value;

/// A flag of `ls`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LsFlag {
    /// Names that begin with a dot, too.
    All,
    /// A link as itself, wherever it leads; of everything else entries have all there is to know anyway.
    Long,
    /// Accepted, without effect.
    Recursive,
}

/// What is listed, without hidden names.
///
/// # Errors
/// The broker's failures; the limit on maps.
pub fn plain(context: NativeCallContext, path: &str) -> Fallible<Map> {
    list(&context, path, false, false)
}

/// What is listed, as the flags say.
///
/// # Errors
/// As [`plain`]; kind `Other` for a foreign flag.
pub fn with_flags(context: NativeCallContext, flags: Array, path: &str) -> Fallible<Map> {
    let flags = value::flags::<LsFlag>(&context, "ls", flags)?;
    list(&context, path, flags.contains(&LsFlag::All), flags.contains(&LsFlag::Long))
}

/// Two round trips: only after the first is it known whether there is a directory whose entries may be asked for.
fn list(context: &NativeCallContext, path: &str, all: bool, as_itself: bool) -> Fallible<Map> {
    let session = Session::of(context);
    let id = session.new_dir();
    let request = OpenListing { id, path: value::path(path)? };
    let listing = session.ask(value::line(context), request)?;
    match listing {
        Listing::Directory(opened) => {
            entries_of(&DirHandle::adopt(&session, id, path, &opened), context, all)
        }
        Listing::Link(opened, entry) => {
            let parent = path.trim_end_matches('/').rsplit_once('/').map_or("/", |(parent, _)| parent);
            let parent = DirHandle::adopt(&session, id, parent, &opened);
            if !as_itself
                && !session.is_rex_compat()
                && let Some(target) = target(context, &session, path)?
            {
                return entries_of(&target, context, all);
            }
            let name = entry.name.as_str().into();
            Ok(Map::from([(name, Dynamic::from(DirEntry::new(&parent, entry)))]))
        }
    }
}

fn entries_of(dir: &DirHandle, context: &NativeCallContext, all: bool) -> Fallible<Map> {
    let mut entries = dir.list_entries(context)?;
    if !all {
        entries.retain(|name, _| !name.starts_with('.'));
    }
    Ok(entries)
}

/// The directory that a link leads to; nothing when it leads to something else, or nowhere.
fn target(context: &NativeCallContext, session: &Session, path: &str) -> Fallible<Option<DirHandle>> {
    let id = session.new_dir();
    match session.ask(value::line(context), open_parent(id, value::path(path)?)) {
        Ok(opened) => Ok(Some(DirHandle::adopt(session, id, path, &opened))),
        Err(failed) if failed.is_final() => Err(failed.into()),
        Err(failed) if failed.is_denial() => {
            let message =
                format!("{}; `ls([ls::l], …)` shows the link itself", failed.failure.message.as_str());
            Err(io_error_from(ErrorKind::PermissionDenied, message, Some(failed.number)))
        }
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    fn bench() -> Bench {
        Bench::new()
            .file("/d/b.txt", "bb")
            .file("/d/a.txt", "a")
            .file("/d/.hidden", "h")
            .dir("/d/sub")
            .link("/d/l", "a.txt")
            .fifo("/d/p")
    }

    #[test]
    fn names_are_sorted_and_hidden_ones_left_out() {
        assert_eq!(
            bench().output(r#"[ls("/d").keys(), ls([ls::long, ls::R], "/d").len()]"#),
            r#"[["a.txt", "b.txt", "l", "p", "sub"], 5]"#
        );
    }

    #[test]
    fn all_adds_hidden_names() {
        assert_eq!(
            bench().output(
                r#"let a = ls([ls::all], "/d").keys(); [a.len(), a[0], a == ls([ls::a], "/d").keys()]"#
            ),
            r#"[6, ".hidden", true]"#
        );
    }

    // ls(1): "--dereference-command-line-symlink-to-dir" is what it does when no option says otherwise, and -l does.
    #[test]
    fn a_link_to_a_directory_is_that_directory_and_any_other_link_itself() {
        let bench = bench().link("/to", "d").link("/f", "/d/a.txt").link("/none", "gone").link("/far", "/to");
        let keys = |call: &str| bench.output(&format!("{call}.keys()"));
        let of_dir = r#"["a.txt", "b.txt", "l", "p", "sub"]"#;

        for call in [
            r#"ls("/to")"#,
            r#"ls("/far")"#,
            r#"ls("/to/")"#,
            r#"ls([ls::R], "/to")"#,
            r#"ls([ls::l], "/to/")"#,
        ] {
            assert_eq!(keys(call), of_dir, "{call}");
        }
        assert_eq!(keys(r#"ls([ls::a], "/to")"#).matches("hidden").count(), 1);
        assert_eq!(keys(r#"ls([ls::l], "/to")"#), r#"["to"]"#);
        assert_eq!(keys(r#"ls([ls::long, ls::a], "/far")"#), r#"["far"]"#);
        assert_eq!([keys(r#"ls("/f")"#), keys(r#"ls("/none")"#)], [r#"["f"]"#, r#"["none"]"#]);
        let rex = bench.like_rex();
        assert_eq!(
            rex.output(r#"let l = ls("/to"); [l.keys(), `${l["to"].type()}`, ls("/to/").len()]"#),
            r#"[["to"], "Symlink", 5]"#
        );
    }

    #[test]
    fn a_link_to_a_place_that_is_denied_says_how_it_is_shown() {
        let bench = bench().link("/to", "d").denying("open", "/d");

        let told = bench.failure(r#"ls("/to")"#);
        assert!(
            told.contains("PermissionDenied") && told.contains("`ls([ls::l], …)` shows the link itself"),
            "{told}"
        );
        assert!(bench.run(r#"ls("/to")"#).outcome.ended_by.is_some());
        assert_eq!(bench.output(r#"ls([ls::l], "/to").keys()"#), r#"["to"]"#);
    }

    #[test]
    fn a_file_cannot_be_listed() {
        assert_eq!(
            bench().failure(r#"ls("/d/a.txt")"#),
            "IoErrorKind: InvalidArguments: Invalid arguments: ls: /d/a.txt: Not a directory or symlink (line 1, position 1)"
        );
    }

    #[test]
    fn entries_can_be_opened_and_described() {
        assert_eq!(
            bench().output(
                r#"let e = ls("/d")["a.txt"];
                   [e.name, e.open_as_file(OpenFileOptions().read(true).build()).read(), e.metadata().file_size(), type_of(e.inode)]"#
            ),
            r#"["a.txt", "a", 1, "u64"]"#
        );
    }

    #[test]
    fn a_long_listing_comes_page_by_page() {
        let mut bench = Bench::new().dir("/many");
        for number in 0..250 {
            bench = bench.file(&format!("/many/f{number}"), "");
        }

        assert_eq!(bench.output(r#"ls("/many").len()"#), "250");
        assert_eq!(bench.asked().len(), 4);
    }

    #[test]
    fn a_map_beyond_the_limit_ends_the_script() {
        let mut bench = bench();
        bench.limits.map_entries = 3;

        assert_eq!(bench.run(r#"ls("/d")"#).text, "Size of object map too large (line 1, position 1)");
    }
}
