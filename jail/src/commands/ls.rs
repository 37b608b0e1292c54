//! Lists a directory by name, or shows a link as itself.

use rex_ipc::file_system::{Listing, OpenListing};
use rhai::{Array, Dynamic, Map, NativeCallContext};

use crate::error::Fallible;
use crate::file_system::dir::DirHandle;
use crate::file_system::entry::DirEntry;
use crate::session::Session;
use crate::value;

/// A flag of `ls`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LsFlag {
    /// Names that begin with a dot, too.
    All,
    /// Accepted; entries have all there is to know about them anyway.
    Long,
    /// Accepted, without effect.
    Recursive,
}

/// What is listed, without hidden names.
///
/// # Errors
/// The broker's failures; the limit on maps.
pub fn plain(context: NativeCallContext, path: &str) -> Fallible<Map> {
    list(&context, path, false)
}

/// What is listed, as the flags say.
///
/// # Errors
/// As [`plain`]; kind `Other` for a foreign flag.
pub fn with_flags(context: NativeCallContext, flags: Array, path: &str) -> Fallible<Map> {
    let flags = value::flags::<LsFlag>(&context, "ls", flags)?;
    list(&context, path, flags.contains(&LsFlag::All))
}

/// Two round trips: only after the first is it known whether there is a directory whose entries may be asked for.
fn list(context: &NativeCallContext, path: &str, all: bool) -> Fallible<Map> {
    let session = Session::of(context);
    let id = session.new_dir();
    let request = OpenListing { id, path: value::path(path)? };
    let listing = session.ask(value::line(context), request)?;
    match listing {
        Listing::Directory(opened) => {
            let mut entries = DirHandle::adopt(&session, id, path, &opened).list_entries(context)?;
            if !all {
                entries.retain(|name, _| !name.starts_with('.'));
            }
            Ok(entries)
        }
        Listing::Link(opened, entry) => {
            let parent = path.trim_end_matches('/').rsplit_once('/').map_or("/", |(parent, _)| parent);
            let parent = DirHandle::adopt(&session, id, parent, &opened);
            let name = entry.name.as_str().into();
            Ok(Map::from([(name, Dynamic::from(DirEntry::new(&parent, entry)))]))
        }
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

    #[test]
    fn a_link_is_one_entry_and_with_a_slash_the_directory_it_leads_to() {
        let bench = bench().link("/to", "d");

        assert_eq!(
            bench.output(r#"let l = ls("/to"); [l.keys(), `${l["to"].type()}`, ls("/to/").len()]"#),
            r#"[["to"], "Symlink", 5]"#
        );
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
