//! How much space a directory takes, and what is in it.

use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{ListDetails, Stat};
use rex_ipc::handle::AnyId;
use rhai::{Array, Dynamic, EvalAltResult, INT, Map, NativeCallContext};

use crate::error::{
    Fallible, TooLarge, io_error, io_error_from, kind_of, message_of, request_behind, too_large,
};
use crate::file_system::change_options::{CONTRADICTION, DiskUsageOptions};
use crate::file_system::dir::DirHandle;
use crate::file_system::disk_usage::{Count, DiskUsageEntry};
use crate::session::Session;
use crate::text::{map_limit, open_parent};
use crate::value;

/// A flag of `du`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DuFlag {
    /// Only the directory itself is listed.
    Summarize,
    /// What is not a directory is listed, too.
    AllFiles,
    /// Lengths instead of allocated blocks.
    ApparentSize,
    /// Nothing below this depth is listed.
    MaxDepth(INT),
}

/// The directories at and below a path.
///
/// # Errors
/// See [`with_flags`].
pub fn plain(context: NativeCallContext, path: &str) -> Fallible<Map> {
    as_told(&context, count(&context, &DiskUsageOptions::default(), path))
}

/// What is listed, as the flags say, and the total.
///
/// # Errors
/// Kind `Other` for a foreign flag; `ValidationError` for flags that contradict each other; the broker's failures to open and
/// describe the directory; the limits on values.
pub fn with_flags(context: NativeCallContext, flags: Array, path: &str) -> Fallible<Map> {
    as_told(&context, flagged(&context, flags, path))
}

/// An error as everywhere, and for Rex the text alone: there every error of this command is a text.
fn as_told<T>(context: &NativeCallContext, result: Fallible<T>) -> Fallible<T> {
    let session = Session::of(context);
    match result {
        result if session.is_rex_compat() => session.as_text(result),
        Err(error) => Err(with_advice(error)),
        result => result,
    }
}

/// What is no directory says what has its size instead.
fn with_advice(error: Box<EvalAltResult>) -> Box<EvalAltResult> {
    match message_of(&error) {
        Some(message) if message.contains("Not a directory (os error 20)") => {
            let message = format!("{message}; `FileHandle.disk_usage` has the space of a file");
            io_error_from(kind_of(&error), message, request_behind(&error))
        }
        _ => error,
    }
}

fn flagged(context: &NativeCallContext, flags: Array, path: &str) -> Fallible<Map> {
    let flags = value::flags::<DuFlag>(context, "du", flags)?;
    let max_depth = flags.iter().find_map(|flag| match flag {
        DuFlag::MaxDepth(depth) => Some(*depth),
        _ => None,
    });
    let options = DiskUsageOptions {
        summarize: flags.contains(&DuFlag::Summarize),
        all_files: flags.contains(&DuFlag::AllFiles),
        apparent_size: flags.contains(&DuFlag::ApparentSize),
        max_depth: max_depth.unwrap_or(INT::MAX),
        ..DiskUsageOptions::default()
    };
    // Rex's text is that of `DiskUsageOptions().build()`.
    let options = options.checked().map_err(|error| match Session::of(context).is_rex_compat() {
        true => error,
        false => io_error(ErrorKind::ValidationError, CONTRADICTION),
    })?;
    count(context, &options, path)
}

/// The total is that of the directory, and not a sum over a list in which each directory is contained in the next.
fn count(context: &NativeCallContext, options: &DiskUsageOptions, path: &str) -> Fallible<Map> {
    let session = Session::of(context);
    let line = value::line(context);
    let id = session.new_dir();
    let open = open_parent(id, value::path(path)?);
    let stat = Stat { handle: AnyId::Dir(id) };
    let result = match session.perform(line, &(open, stat, ListDetails { dir: id, restart: true })) {
        Ok((opened, own, page)) => {
            let mut count = Count::new(context, options);
            count.enter(DirHandle::adopt(&session, id, path, &opened), Some(own), Some(page));
            count.run()?
        }
        // It may be described and not read. The batch has closed what it had opened.
        Err(failed) if failed.index > 1 && !failed.is_final() => {
            let id = session.new_dir();
            let opened = session.ask(line, open_parent(id, value::path(path)?))?;
            DirHandle::adopt(&session, id, path, &opened).disk_usage(context, options)?
        }
        Err(failed) => return Err(failed.into()),
    };
    // The engine counts the entries of nested maps together, and would end the script with the same words.
    let fields = if session.is_rex_compat() { FIELDS_OF_REX } else { FIELDS };
    if result.entries.len().saturating_mul(fields) > map_limit(&session) {
        return Err(too_large(TooLarge::Map));
    }
    let as_map = |entry: &Dynamic| {
        entry.read_lock::<DiskUsageEntry>().map(|entry| Dynamic::from_map(entry.to_map(&session)))
    };
    let entries: Array = result.entries.iter().filter_map(as_map).collect();
    // Rex's map has three keys; the fourth says that the others do not tell everything.
    let denied = (result.denied_count > 0).then(|| ("denied_count", Dynamic::from_int(result.denied_count)));
    Ok([
        ("entries", Dynamic::from_array(entries)),
        ("total_size_bytes", Dynamic::from_int(result.total.size_bytes)),
        ("total_inode_count", Dynamic::from_int(result.total.inode_count)),
    ]
    .into_iter()
    .chain(denied)
    .map(|(key, value)| (key.into(), value))
    .collect())
}

/// Entries of the map of one entry.
const FIELDS: usize = 4;
const FIELDS_OF_REX: usize = 3;

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    fn bench() -> Bench {
        Bench::new().file("/t/s/u/b", "123").file("/t/a", "12345").link("/l", "t")
    }

    #[test]
    fn the_total_is_that_of_the_directory() {
        assert_eq!(
            bench().output(
                r#"let m = du([du::apparent_size, du::a], "/t");
                   [m.entries.map(|e| e.path), m.total_size_bytes, m.total_inode_count, m.keys().len(), m.entries[0]]"#
            ),
            r##"[["/t/a", "/t/s/u/b", "/t/s/u", "/t/s", "/t"], 12296, 5, 3, #{"inode_count": 1, "path": "/t/a", "size_bytes": 5, "type": "File"}]"##
        );
    }

    #[test]
    fn the_directory_is_opened_described_and_listed_in_one_round_trip() {
        let bench = bench();

        assert_eq!(
            bench.output(r#"du([du::s], "/l").entries.map(|e| [e.path, e.size_bytes])"#),
            r#"[["/t", 20480]]"#
        );
        assert_eq!(bench.asked()[0], ["open_dir", "stat", "list_details"]);
    }

    #[test]
    fn entries_say_what_they_are_but_for_rex() {
        let script =
            r#"let r = du([du::a], "/t").entries.map(|e| `${e.path} ${e.keys().len()} ${e.get("type")}`); r"#;
        let bench = bench().link("/t/l", "a").fifo("/t/p");

        assert_eq!(
            bench.output(script),
            r#"["/t/a 4 File", "/t/l 4 Symlink", "/t/p 4 Fifo", "/t/s/u/b 4 File", "/t/s/u 4 Dir", "/t/s 4 Dir", "/t 4 Dir"]"#
        );
        assert!(bench.like_rex().output(script).starts_with(r#"["/t/a 3 ","#));
    }

    #[test]
    fn depths_limit_the_list_and_not_the_total() {
        assert_eq!(
            bench().output(
                r#"[du([du::max_depth(0)], "/t").entries.len(), du([du::d(-1)], "/t").total_inode_count]"#
            ),
            "[1, 5]"
        );
    }

    #[test]
    fn a_directory_that_may_not_be_read_has_its_own_size() {
        assert_eq!(
            bench()
                .denying("read", "/t")
                .output(r#"let m = du("/t"); [m.entries.len(), m.total_inode_count, m.denied_count]"#),
            "[1, 1, 1]"
        );
    }

    #[test]
    fn every_error_is_a_map() {
        let script = r#"
            [|| du([du::s, du::a], "/t"), || du("/t/a"), || du("/none"), || du([cat::n], "/t"), || du("relative")].map(|f| {
                let r = ();
                try { f.call() } catch (e) { r = type_of(e) + " " + e.kind.to_string() }
                r
            })
        "#;

        assert_eq!(
            bench().output(script),
            r#"["map ValidationError", "map IoError", "map IoError", "map Other", "map Other"]"#
        );
    }

    // spec, du: "All errors are plain strings, including denials."
    #[test]
    fn for_rex_every_error_is_a_text() {
        let script = r#"
            [|| du([du::s, du::a], "/t"), || du("/t/a"), || du("/none"), || du([cat::n], "/t"), || du("relative"), || du("/no")].map(|f| {
                let r = ();
                try { f.call() } catch (e) { r = `${type_of(e)} ${e}` }
                r
            })
        "#;
        let bench = || bench().dir("/no").denying("stat", "/no").like_rex();
        let output = bench().output(script);

        assert_eq!(output.matches("string ").count(), 6, "{output}");
        assert!(output.contains("string Not a directory (os error 20)"), "{output}");
        assert!(output.contains("string Permission denied: "), "{output}");
        // A denial is what ended the script, although its text is all that is left of it.
        let ended = bench().run(r#"du("/no")"#);
        assert!(
            ended.outcome.ended_by.is_some() && ended.text.starts_with("Runtime error: Permission denied: "),
            "{}",
            ended.text
        );
        assert_eq!(bench().run(r#"du("/none")"#).outcome.ended_by.map(|_| ()), Some(()));
        assert_eq!(
            bench().run(r#"try { du("/no") } catch { } throw "Permission denied""#).outcome.ended_by,
            None
        );
        assert_eq!(bench().run(r#"throw "Permission denied: u""#).outcome.ended_by, None);
    }

    #[test]
    fn errors_are_those_of_other_commands() {
        assert!(
            bench().failure(r#"du("/t/a")"#).contains(
                "IoErrorKind: IoError: Not a directory (os error 20); `FileHandle.disk_usage` has the space of a file"
            )
        );
        assert!(bench().denying("stat", "/t").failure(r#"du("/t")"#).contains("PermissionDenied"));
        assert!(bench().failure(r#"du([du::s, du::a], "/t")"#).contains(
            "IoErrorKind: ValidationError: Validation error: cannot both summarize and show all entries"
        ));
    }
}
