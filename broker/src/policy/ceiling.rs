//! What the broker can need at most to do what its policy could permit, read off the statements, one by one.
//!
//! It is rounded up: where Cedar could permit something, the answer has it. Where no place can be named, or where what is to be
//! done cannot be done by a process that is held to places at all, the statement is unbounded and says why.

use std::collections::BTreeSet;

use cedar_policy_core::ast::Effect;
use rex_ipc::action::ResourceKind::{self, Dir, File};
use rex_ipc::action::{ActionId, ActionId as Act};

use super::name::PathName;
use super::narrow::{self, Area, Reach};
use super::policies::{Place, Policies, Rule};
use super::vocabulary::Vocabulary;

/// What is done at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CeilingRight {
    /// Files are opened for reading.
    ReadFiles,
    /// Directories are listed.
    ReadDirectories,
    /// Files, directories and links are made, written, renamed and removed.
    Change,
}

/// A place that a statement could let a script get at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CeilingNeed {
    /// The file or directory.
    pub path: PathName,
    /// Whether what is below it is meant as well.
    pub is_tree: bool,
    /// Whether it is made, renamed or removed itself, which happens in the directory that it is in.
    pub is_name: bool,
    /// What is done there.
    pub right: CeilingRight,
}

/// What one statement could let a script have the broker do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CeilingStatement {
    /// Its `@id`, or `policyN`.
    pub id: String,
    /// Where it begins.
    pub place: Place,
    /// The places; none for what takes no file.
    pub needs: BTreeSet<CeilingNeed>,
    /// Why it has no bound; empty when it has one.
    pub unbounded: BTreeSet<String>,
}

impl Policies {
    /// What each statement that permits something takes at most, in the order of the sources. Forbids take nothing.
    pub fn ceiling(&self) -> Vec<CeilingStatement> {
        let permits = self.rules.iter().filter(|rule| rule.effect == Effect::Permit);
        permits.map(|rule| statement(rule, &self.words)).collect()
    }
}

fn statement(rule: &Rule, words: &Vocabulary) -> CeilingStatement {
    let (mut needs, mut unbounded) = (BTreeSet::new(), BTreeSet::new());
    for action in ActionId::ALL.iter().filter(|action| rule.scope.names_action(**action)) {
        for kind in action.resources() {
            let reach = match rule.scope.can_match(*action, *kind, words) {
                true => narrow::reach(&rule.condition, *kind, words),
                false => Reach::NONE,
            };
            if reach == Reach::NONE {
                continue;
            }
            match takes(*action, *kind) {
                Takes::Nothing => {}
                Takes::Unheld(why) => drop(unbounded.insert(format!("{}: {why}", action.uid()))),
                Takes::Looking => {
                    if places(&reach).iter().any(|(path, is_tree)| shows_processes(path, *is_tree)) {
                        unbounded.insert(of_processes(*action));
                    }
                }
                Takes::Place(right) => {
                    for (path, is_tree) in places(&reach) {
                        if shows_processes(&path, is_tree) {
                            unbounded.insert(of_processes(*action));
                        }
                        // What is below a directory is in it, and the directory itself in the one above. It need not be
                        // made where it is, and where it is missing another place is given anyway.
                        let goes = matches!(action, Act::FileSystemDelete | Act::FileSystemMove);
                        let is_name = right == CeilingRight::Change && (!is_tree || (*kind == Dir && goes));
                        needs.insert(CeilingNeed { path, is_tree, is_name, right });
                    }
                }
            }
        }
    }
    CeilingStatement { id: rule.id.clone(), place: rule.place.clone(), needs, unbounded }
}

fn of_processes(action: ActionId) -> String {
    format!(
        "{}: it takes in /proc, where the kernel shows other processes to nobody who is held to places",
        action.uid()
    )
}

/// What an action takes of the kernel, beside what is open already.
enum Takes {
    /// No file is opened: by descriptors that are held, or by calls that Landlock is not asked about.
    Nothing,
    /// As above, but for links that only the kernel can follow.
    Looking,
    /// Files or directories are opened, or names changed.
    Place(CeilingRight),
    /// A process that is held to places cannot do it, and why.
    Unheld(&'static str),
}

/// By what host functions do when their operation has asked for this action.
fn takes(action: ActionId, kind: ResourceKind) -> Takes {
    const PROCESSES: &str = "the program of another process is shown to nobody who is held to places";
    const NAMESPACES: &str = "nobody who is held to places enters or makes namespaces";
    const WORKER: &str =
        "a worker is started for it in namespaces of its own, which nobody makes who is held to places";
    const PROGRAMS: &str = "what a program is given is looked for when it is started";
    match (action, kind) {
        (Act::FileSystemOpen | Act::FileSystemRead | Act::FileSystemRedactedRead, File) => {
            Takes::Place(CeilingRight::ReadFiles)
        }
        (Act::FileSystemOpen | Act::FileSystemRead | Act::FileSystemRedactedRead, _) => {
            Takes::Place(CeilingRight::ReadDirectories)
        }
        (Act::FileSystemStat, File) => Takes::Looking,
        (Act::FileSystemStat | Act::FileSystemChmod | Act::FileSystemChown | Act::FileSystemSetXAttr, _) => {
            Takes::Nothing
        }
        (Act::FileSystemCreate | Act::FileSystemDelete | Act::FileSystemWrite | Act::FileSystemMove, _) => {
            Takes::Place(CeilingRight::Change)
        }
        (Act::FileSystemExecute | Act::SysctlLoad, _) => Takes::Unheld(PROGRAMS),
        (Act::FileSystemNetworkNamespace | Act::ProcessMountNamespace | Act::ProcessNetworkNamespace, _) => {
            Takes::Unheld(NAMESPACES)
        }
        (Act::FileSystemUnmount, _) => Takes::Unheld("nobody who is held to places unmounts"),
        (Act::SysinfoResolveHostname | Act::NetworkGet | Act::NetworkConnect, _) => Takes::Unheld(WORKER),
        (
            Act::ProcessList
            | Act::ProcessListFds
            | Act::ProcessKill
            | Act::ProcessInterrupt
            | Act::ProcessTrace,
            _,
        ) => Takes::Unheld(PROCESSES),
        (
            Act::SysinfoList
            | Act::SystemdStart
            | Act::SystemdStop
            | Act::SystemdRestart
            | Act::SystemdStatus
            | Act::SystemdDaemonReload,
            _,
        ) => Takes::Nothing,
    }
}

/// The paths of a reach, each with whether everything below is meant. What is no path is never asked about.
fn places(reach: &Reach) -> Vec<(PathName, bool)> {
    let areas = match reach {
        Reach::All => return vec![(PathName::root(), true)],
        Reach::Only(areas) => areas,
    };
    let place = |area: &Area| match area {
        Area::Exactly(text) => Some((PathName::parse(text).ok()?, false)),
        Area::Beneath(text) if text.is_empty() => Some((PathName::root(), true)),
        Area::Beneath(text) => Some((PathName::parse(text).ok()?, true)),
    };
    areas.iter().filter_map(place).collect()
}

/// Whether files of other processes are among these, or links that lead where those are.
fn shows_processes(path: &PathName, is_tree: bool) -> bool {
    let mut components = path.components();
    match (components.next(), components.next()) {
        (None, _) => is_tree,
        (Some(first), None) => first == b"proc" && is_tree,
        (Some(first), Some(second)) => {
            // Its own entry is closed to every script. The mounts of the first process are shown to everybody.
            let is_mounts_of_init = path.as_str() == "/proc/1/mounts" && !is_tree;
            first == b"proc" && second.iter().all(u8::is_ascii_digit) && !is_mounts_of_init
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Mode, PolicyText};

    fn of(text: &str) -> Vec<CeilingStatement> {
        let texts = [PolicyText { name: "test", text }];
        Policies::load(&texts, Mode::Standard).unwrap().policies.ceiling()
    }

    fn needs(text: &str) -> Vec<(String, bool, bool, CeilingRight)> {
        let found = of(text);
        assert!(found.iter().all(|statement| statement.unbounded.is_empty()), "{found:?}");
        let needs = found.into_iter().flat_map(|statement| statement.needs);
        needs.map(|need| (need.path.as_str().to_owned(), need.is_tree, need.is_name, need.right)).collect()
    }

    fn read(path: &str, is_tree: bool, right: CeilingRight) -> (String, bool, bool, CeilingRight) {
        (path.to_owned(), is_tree, false, right)
    }

    #[test]
    fn a_tree_and_a_file_are_themselves() {
        use CeilingRight::{ReadDirectories, ReadFiles};
        assert_eq!(
            needs(
                r#"permit(principal, action in [file_system::Action::"open", file_system::Action::"read"],
                    resource in file_system::Dir::"/var/log");"#
            ),
            [read("/var/log", true, ReadFiles), read("/var/log", true, ReadDirectories)],
        );
        assert_eq!(
            needs(
                r#"permit(principal, action == file_system::Action::"read", resource is file_system::File)
                   when { resource.path like "/srv/a*" || resource == file_system::File::"/etc/x" };"#
            ),
            [read("/etc/x", false, ReadFiles), read("/srv", true, ReadFiles)],
        );
    }

    #[test]
    fn what_is_made_is_a_name_in_its_directory() {
        use CeilingRight::Change;
        assert_eq!(
            needs(
                r#"permit(principal, action == file_system::Action::"write",
                    resource == file_system::File::"/srv/a");"#
            ),
            [("/srv/a".to_owned(), false, true, Change)],
        );
        assert_eq!(
            needs(
                r#"permit(principal, action == file_system::Action::"create", resource in file_system::Dir::"/srv");"#
            ),
            [("/srv".to_owned(), true, false, Change)],
        );
        assert_eq!(
            needs(
                r#"permit(principal, action == file_system::Action::"delete", resource in file_system::Dir::"/srv/a");"#
            ),
            [("/srv/a".to_owned(), true, false, Change), ("/srv/a".to_owned(), true, true, Change)],
        );
    }

    #[test]
    fn forbids_and_what_takes_no_file_need_nothing() {
        assert!(of("forbid(principal, action, resource);").is_empty());
        assert!(
            needs(
                r#"permit(principal, action == file_system::Action::"stat", resource is file_system::Dir);
                   permit(principal, action == systemd::Action::"status", resource);"#
            )
            .is_empty()
        );
    }

    #[test]
    fn what_nobody_in_a_domain_can_do_is_unbounded_and_says_why() {
        for (text, why) in [
            (r#"permit(principal, action == process_system::Action::"list", resource);"#, "another process"),
            (r#"permit(principal, action == network::Action::"GET", resource);"#, "a worker"),
            (r#"permit(principal, action == file_system::Action::"execute", resource);"#, "a program"),
            (r#"permit(principal, action == file_system::Action::"unmount", resource);"#, "unmounts"),
            (r#"permit(principal, action == file_system::Action::"read", resource);"#, "/proc"),
            (
                r#"permit(principal, action == file_system::Action::"read", resource in file_system::Dir::"/proc/7");"#,
                "/proc",
            ),
            (
                r#"permit(principal, action == file_system::Action::"stat", resource is file_system::File);"#,
                "/proc",
            ),
            (r#"permit(principal, action, resource);"#, "namespaces"),
        ] {
            let found = of(text);
            assert!(found[0].unbounded.iter().any(|reason| reason.contains(why)), "{text}: {found:?}");
        }
    }

    #[test]
    fn tables_of_the_kernel_are_bounded() {
        use CeilingRight::ReadFiles;
        assert_eq!(
            needs(
                r#"permit(principal, action == file_system::Action::"read", resource)
                   when { [file_system::File::"/proc/meminfo", file_system::File::"/proc/1/mounts"].contains(resource) };"#
            ),
            [read("/proc/1/mounts", false, ReadFiles), read("/proc/meminfo", false, ReadFiles)],
        );
    }
}
