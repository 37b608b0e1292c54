//! Which places follow from statements on a tree of the test's own.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::*;
use crate::policy::{Mode, PolicyText};

/// A directory of the test's own; gone when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let base = std::env::temp_dir().canonicalize().unwrap();
        let path = base.join(format!("rex-ceiling-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn statement(&self, text: &str) -> Statement {
        self.of(text, false).statements.remove(0)
    }

    fn of(&self, text: &str, rex_compat: bool) -> Ceiling {
        let text = text.replace("{root}", self.0.to_str().unwrap());
        let policies =
            Policies::load(&[PolicyText { name: "test", text: &text }], Mode::Standard).unwrap().policies;
        Ceiling::of(&policies, rex_compat).unwrap()
    }

    /// How the first statement of that policy is bounded, the place that is given, and why.
    fn given(&self, text: &str) -> (Bounded, Option<String>, Option<&'static str>) {
        let Statement { bounded, places, .. } = self.statement(text);
        let [given] = &places[..] else { panic!("{places:?}") };
        let root = self.0.to_str().unwrap();
        (bounded, given.given.as_ref().map(|place| place.replace(root, "~")), given.because)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn to(action: &str, resource: &str) -> String {
    format!("permit(principal, action == file_system::Action::\"{action}\", {resource});")
}

#[test]
fn what_is_there_is_given_as_it_is_and_what_is_missing_by_what_is_above() {
    let scratch = Scratch::new("given");
    fs::create_dir_all(scratch.0.join("dir/below")).unwrap();
    fs::write(scratch.0.join("file"), "").unwrap();
    symlink("file", scratch.0.join("link")).unwrap();
    symlink("dir", scratch.0.join("way")).unwrap();
    let tree = |name: &str| format!("resource is file_system::File in file_system::Dir::\"{{root}}/{name}\"");
    let file = |name: &str| format!("resource == file_system::File::\"{{root}}/{name}\"");
    let dir = |name: &str| format!("resource == file_system::Dir::\"{{root}}/{name}\"");
    let some = |place: &str| Some(place.to_owned());
    for (action, resource, expected) in [
        ("read", tree("dir"), (Bounded::Exact, some("~/dir"), None)),
        ("read", file("file"), (Bounded::Exact, some("~/file"), None)),
        ("read", file("missing"), (Bounded::Widened, some("~"), Some(MISSING))),
        ("read", tree("dir/a/b"), (Bounded::Widened, some("~/dir"), Some(MISSING))),
        ("read", tree("file/a"), (Bounded::Exact, None, Some(ANOTHER_KIND))),
        ("read", file("dir"), (Bounded::Exact, None, Some(ANOTHER_KIND))),
        ("read", file("link"), (Bounded::Exact, None, Some(LINK))),
        ("read", tree("way/below"), (Bounded::Exact, None, Some(LINK))),
        ("read", dir("dir"), (Bounded::Widened, some("~/dir"), Some(LISTING))),
        ("write", file("dir/new"), (Bounded::Widened, some("~/dir"), Some(NAMES))),
        ("write", tree("dir"), (Bounded::Exact, some("~/dir"), None)),
        ("create", dir("dir/new"), (Bounded::Widened, some("~/dir"), Some(NAMES))),
    ] {
        assert_eq!(scratch.given(&to(action, &resource)), expected, "{action} {resource}");
    }
}

#[test]
fn what_could_come_to_be_anywhere_has_no_bound() {
    let scratch = Scratch::new("anywhere");
    let nowhere = to("read", "resource == file_system::File::\"/no-such-directory/file\"");

    let statement = scratch.statement(&nowhere);

    assert_eq!(statement.bounded, Bounded::Unbounded);
    assert!(statement.reasons.iter().any(|reason| reason.contains(NOTHING_THERE)), "{statement:?}");
    // A table that this kernel does not have cannot be made by anybody.
    let table = to("read", "resource == file_system::File::\"/proc/no_such_table\"");
    assert_eq!(scratch.given(&table), (Bounded::Exact, None, Some(NOT_IN_PROC)));
}

#[test]
fn nothing_has_a_bound_where_not_every_act_is_asked_about() {
    let scratch = Scratch::new("compat");
    let policy = to("read", "resource in file_system::Dir::\"{root}\"");

    assert_eq!(scratch.of(&policy, false).unbounded(), None);
    let unbounded = scratch.of(&policy, true).unbounded();
    assert!(unbounded.is_some_and(|text| text.contains("--rex-compat") && text.contains("test:1")));
}

#[test]
fn capabilities_and_places_of_the_broker_follow_from_what_policies_could_permit() {
    let scratch = Scratch::new("own");
    let has = |text: &str, capability: &str, place: &str| {
        let ceiling = scratch.of(text, false);
        (
            ceiling.capabilities.iter().any(|own| own == capability),
            ceiling.own.iter().any(|own| own.path == place),
        )
    };
    let tree = "resource in file_system::Dir::\"{root}\"";

    assert_eq!(has("", "CAP_DAC_READ_SEARCH", "/var/tmp"), (false, false));
    assert_eq!(has(&to("read", tree), "CAP_DAC_READ_SEARCH", "/etc/passwd"), (true, true));
    assert_eq!(has(&to("read", tree), "CAP_DAC_OVERRIDE", "/var/tmp"), (false, false));
    assert_eq!(has(&to("chmod", tree), "CAP_FOWNER", "/var/tmp"), (true, false));
    assert_eq!(has(&to("write", tree), "CAP_DAC_OVERRIDE", "/var/tmp"), (true, true));
    let table = |name: &str| to("read", &format!("resource == file_system::File::\"/proc/{name}\""));
    assert_eq!(has(&table("meminfo"), "CAP_SYS_RAWIO", "/etc/passwd"), (false, true));
    assert_eq!(has(&table("sys/kernel/hostname"), "CAP_SYS_RAWIO", "/etc/passwd"), (true, true));
    assert_eq!(has(&to("redacted_read", tree), "CAP_KILL", DICTIONARY_PATH), (true, true));
}
