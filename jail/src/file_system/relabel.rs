//! Modes and owners of everything below a directory: each entry by itself, and what fails is logged and counted.

use rex_ipc::file_system::{EntryType, OpenFile, OpenLink, Permissions, SetMode};
use rex_ipc::handle::{AnyId, FileId};
use rex_ipc::interface::Operation;
use rhai::NativeCallContext;

use super::change::owner_request;
use super::change_options::SetOwnershipOptions;
use super::dir::DirHandle;
use super::passed_over::PassedOver;
use super::walk::{Step, Walk, WalkPlan};
use crate::error::Fallible;
use crate::handle::OpenObject;
use crate::session::Session;
use crate::text::open_for_reading;
use crate::value;

/// Gives a directory, and every directory and file below it, the same permission bits. Links stay as they are.
///
/// # Errors
/// What ends the script; everything else is logged and counted, bits that cannot be set as well.
pub fn modes(
    context: &NativeCallContext,
    root: &DirHandle,
    permissions: Fallible<Permissions>,
) -> Fallible<()> {
    let passed_over = PassedOver::new(context, Some("chmod"));
    let Some(permissions) = passed_over.unless_raised(root.path(), permissions)? else { return Ok(()) };
    let set = |handle| Ok(SetMode { handle, permissions });
    below(context, root, &passed_over, Links::AreLeft, &set)
}

/// Gives a directory, and every directory, file and link below it, the same user and group.
///
/// # Errors
/// What ends the script; everything else is logged and counted.
pub fn owners(context: &NativeCallContext, root: &DirHandle, options: &SetOwnershipOptions) -> Fallible<()> {
    let passed_over = PassedOver::new(context, Some("set_ownership"));
    below(context, root, &passed_over, Links::AreChanged, &|handle| owner_request(handle, options))
}

/// What becomes of links.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Links {
    /// They have no mode of their own.
    AreLeft,
    /// They themselves, and not what they lead to.
    AreChanged,
}

fn below<O: Operation<Reply = ()>>(
    context: &NativeCallContext,
    root: &DirHandle,
    passed_over: &PassedOver,
    links: Links,
    request: &dyn Fn(AnyId) -> Fallible<O>,
) -> Fallible<()> {
    let session = Session::of(context);
    let line = value::line(context);
    let change_dir =
        |dir: &DirHandle| -> Fallible<()> { Ok(session.ask(line, request(AnyId::Dir(dir.id()))?)?) };
    passed_over.unless_raised(root.path(), change_dir(root))?;
    let plan = WalkPlan { max_depth: u64::MAX, describe: false, follow_links: false };
    Walk::from_root(context, root, plan, passed_over)?.run(&mut |step: Step<'_>| {
        let outcome = match step.entry.entry_type() {
            // One that may not be read was opened and is closed again; it changes all the same.
            EntryType::Dir => step.entry.clone().open_as_dir(context).and_then(|dir| change_dir(&dir)),
            EntryType::File => opened(&session, line, &step, FileOrLink::File, request),
            EntryType::Symlink if links == Links::AreChanged => {
                opened(&session, line, &step, FileOrLink::Link, request)
            }
            _ => Ok(()),
        };
        passed_over.unless_raised(step.path, outcome).map(drop)
    })?;
    passed_over.close()
}

/// How an entry is opened.
enum FileOrLink {
    File,
    Link,
}

/// Opens an entry and changes it, in one round trip.
fn opened<O: Operation<Reply = ()>>(
    session: &Session,
    line: u32,
    step: &Step<'_>,
    kind: FileOrLink,
    request: &dyn Fn(AnyId) -> Fallible<O>,
) -> Fallible<()> {
    let id: FileId = session.new_file();
    let (dir, name) = (step.entry.parent().id(), value::spelled(step.entry.name())?);
    let change = request(AnyId::File(id))?;
    match kind {
        FileOrLink::File => {
            let open: OpenFile = open_for_reading(id, dir, name);
            session.perform(line, &(open, change)).map(drop)?;
        }
        FileOrLink::Link => session.perform(line, &(OpenLink { id, dir, name }, change)).map(drop)?,
    }
    // Not needed any more, so its close may travel with the next frame.
    drop(OpenObject::adopt(session, id));
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    fn bench() -> Bench {
        Bench::new().file("/t/a", "").file("/t/s/b", "").link("/t/l", "a").fifo("/t/p")
    }

    fn change(bench: &Bench, call: &str) -> String {
        bench.output(&format!(
            r#"DirConfig().path("/t").build().open(OpenDirOptions().build()).{call}; passed_over()"#
        ))
    }

    const CHMOD: &str = "chmod(ChmodDirOptions().permissions(0o750).recursive(true).build())";
    const CHOWN: &str = r#"set_ownership(SetOwnershipOptions().user("daemon").recursive(true).build())"#;

    #[test]
    fn a_mode_is_given_to_directories_and_files() {
        let bench = bench();

        assert_eq!(change(&bench, CHMOD), "0");

        let modes = ["/t", "/t/a", "/t/s", "/t/s/b", "/t/l", "/t/p"].map(|path| bench.traits(path).mode);
        assert_eq!(modes, [Some(0o750), Some(0o750), Some(0o750), Some(0o750), None, None]);
    }

    #[test]
    fn an_owner_is_given_to_links_too_and_not_to_what_they_lead_to() {
        let bench = bench().link("/t/out", "/elsewhere").file("/elsewhere", "");

        assert_eq!(change(&bench, CHOWN), "0");

        for path in ["/t", "/t/a", "/t/s", "/t/s/b", "/t/l", "/t/out"] {
            assert_eq!(bench.traits(path).owner.as_deref(), Some("daemon"), "{path}");
        }
        assert_eq!(bench.traits("/elsewhere").owner, None);
    }

    #[test]
    fn what_fails_is_logged_and_counted_and_the_others_go_on() {
        let bench = bench()
            .denying("chmod", "/t")
            .denying("open", "/t/a")
            .denying("read", "/t/s")
            .denying("chmod", "/t/s/b");

        assert_eq!(change(&bench, CHMOD), "3");

        let log = bench.log();
        assert_eq!(log.len(), 3, "{log:?}");
        assert!(log.iter().all(|line| line.contains(": Permission denied: tester")), "{log:?}");
        assert!(log[0].starts_with("Warn /t: ") && log[1].starts_with("Warn /t/a: "), "{log:?}");
        assert_eq!(bench.traits("/t/s").mode, Some(0o750));
    }

    #[test]
    fn bits_and_names_that_cannot_be_set_are_logged() {
        assert_eq!(
            change(&bench(), "chmod(ChmodDirOptions().permissions(0o7777).recursive(true).build())"),
            "1"
        );
        let bench = bench();
        let call = r#"set_ownership(SetOwnershipOptions().user("nobody-here").recursive(true).build())"#;
        assert_eq!(change(&bench, call), "5");
        assert!(bench.log()[0].contains("No user mapping found for uid: nobody-here"));
    }

    #[test]
    fn the_log_of_a_large_tree_stays_short() {
        let mut bench = Bench::new();
        for number in 0..50 {
            let path = format!("/t/f{number}");
            bench = bench.file(&path, "").denying("chmod", &path);
        }

        assert_eq!(change(&bench, CHMOD), "50");

        assert_eq!(bench.log().len(), 21);
        assert_eq!(bench.log()[20], "Warn 30 more entries were passed over");
    }
}
