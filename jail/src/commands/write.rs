//! Writes text to a file: behind what is there, or in its place.

use rex_ipc::file_system::{BeginWrite, OpenTarget, WriteHow};
use rhai::{Array, NativeCallContext};

use crate::error::Fallible;
use crate::handle::{OpenDirectory, OpenObject};
use crate::session::Session;
use crate::stray;
use crate::text::{open_parent, split};
use crate::value;
use crate::writer::NewContent;

/// A flag of `write`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteFlag {
    /// Behind what is there.
    Append,
    /// In the place of what is there.
    Replace,
}

/// Appends to a file, which is made when it is missing.
///
/// # Errors
/// See [`with_flags`].
pub fn plain(context: NativeCallContext, path: &str, content: &str) -> Fallible<()> {
    write(&context, WriteHow::Append, path, content)
}

/// Appends to a file or replaces its content, as the flags say. What replaces wins over what appends.
///
/// # Errors
/// Kind `Other` for a foreign flag; `InvalidArguments` for a path without a last component; the broker's failures, after
/// which the file is as it was.
pub fn with_flags(context: NativeCallContext, flags: Array, path: &str, content: &str) -> Fallible<()> {
    let flags = value::flags::<WriteFlag>(&context, "write", flags)?;
    let replaces = flags.contains(&WriteFlag::Replace);
    let how = if replaces { WriteHow::Replace { keep_owner: true } } else { WriteHow::Append };
    write(&context, how, path, content)
}

/// One round trip, if the text fits a frame. What is there is not read: the broker appends.
fn write(context: &NativeCallContext, how: WriteHow, path: &str, content: &str) -> Fallible<()> {
    let session = Session::of(context);
    let (parent, name) = split(path, "file path")?;
    let text_bytes = parent.as_str().len().saturating_add(name.as_str().len());
    let (dir, file, id) = (session.new_dir(), session.new_file(), session.new_writer());
    let opening = (
        open_parent(dir, parent),
        OpenTarget { id: file, dir, name, from: None },
        BeginWrite { id, file, how },
    );
    let content = NewContent { id, bytes: &stray::bytes_of(&session, content), reopen: None };
    content.put(context, opening, text_bytes, |session, _| {
        (OpenDirectory::adopt(session, dir), OpenObject::adopt(session, file))
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    #[test]
    fn text_is_appended_in_one_round_trip() {
        let bench = Bench::new().file("/d/f", "one\n");

        assert_eq!(
            bench.output(r#"write("/d/f", "two\n"); write([write::a], "/d/f", "three"); write("/d/n", "")"#),
            ""
        );

        assert_eq!((bench.content("/d/f"), bench.content("/d/n")), ("one\ntwo\nthree".into(), String::new()));
        assert_eq!(
            bench.asked()[0],
            ["open_dir", "open_target", "begin_write", "write_chunk", "finish_write"]
        );
    }

    #[test]
    fn replacing_wins_and_keeps_the_owner() {
        let bench = Bench::new()
            .file("/d/f", "a long text")
            .with("/d/f", |traits| traits.owner = Some("daemon".into()));

        bench.output(r#"write([write::append, write::replace], "/d/f", "short")"#);

        assert_eq!(bench.content("/d/f"), "short");
        assert_eq!(bench.traits("/d/f").owner.as_deref(), Some("daemon"));
    }

    #[test]
    fn a_long_text_is_sent_in_full_frames() {
        let bench = Bench::new().file("/d/f", "");

        bench.output(r#"let t = ""; t.pad(150000, 'x'); write("/d/f", t); write([write::r], "/d/f", t)"#);

        assert_eq!(bench.content("/d/f"), "x".repeat(150_000));
        assert_eq!(bench.asked().len(), 6);
        assert!(bench.world.borrow().writers.is_empty());
    }

    #[test]
    fn texts_about_as_long_as_a_frame_arrive_whole() {
        for length in [61_390, 61_400, 61_440, 61_441, 64_000, 122_880, 122_881] {
            let bench = Bench::new().dir("/d");

            bench.output(&format!(r#"let t = ""; t.pad({length}, 'y'); write("/d/f", t)"#));

            assert_eq!(bench.content("/d/f").len(), length);
        }
    }

    #[test]
    fn a_denial_makes_nothing_and_changes_nothing() {
        let bench = Bench::new().file("/d/f", "old").denying("write", "/d/f").denying("write", "/d/n");

        assert!(bench.failure(r#"write([write::r], "/d/f", "new")"#).contains("PermissionDenied"));
        assert!(bench.failure(r#"write("/d/n", "new")"#).contains("PermissionDenied"));
        assert_eq!((bench.content("/d/f"), bench.has("/d/n")), ("old".into(), false));
    }

    #[test]
    fn what_fails_on_the_way_is_abandoned() {
        let bench = Bench::new().file("/d/f", "old");

        assert_eq!(
            bench.output(
                r#"let t = ""; t.pad(150000, 'x');
                   try { write([write::r], "/d/f", t + "full disk") } catch (e) { info(`${e.kind}`) } cat("/d/f")"#
            ),
            "old"
        );
        assert!(bench.world.borrow().writers.is_empty());
        assert!(bench.asked().iter().flatten().any(|name| *name == "abandon_write"));
        assert_eq!(bench.log(), ["Info IoError"]);
    }

    #[test]
    fn what_fails_within_one_frame_needs_no_abandoning() {
        let bench = Bench::new().file("/d/f", "old");

        bench.output(r#"for i in 0..2 { try { write("/d/f", "full disk") } catch (e) { info(`${e.kind}`) } } write("/d/f", "!")"#);

        assert_eq!(bench.log(), ["Info IoError", "Info IoError"]);
        assert_eq!(bench.content("/d/f"), "old!");
        assert!(bench.asked().iter().flatten().all(|name| *name != "abandon_write"));
    }
}
