//! What the broker itself may do at most while a script runs: what the policy could permit, and what it needs for itself.
//!
//! The statements say which places ([`crate::policy::CeilingStatement`]); here it is looked which objects stand there now, and the
//! kernel is told. A place that is missing is given by the nearest directory above it that is there, and a name is made in its
//! directory; then more is given than the statement could permit, and it says what.

mod entering;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{Mode, SFlag, fstat};
use rex_ipc::action::ActionId;
use rex_outside::ceiling::{self, Capability, Rights};
use serde::Serialize;

pub(super) use self::entering::Built;
use crate::gate::file_type;
use crate::gate::forbidden::DICTIONARY_PATH;
use crate::host::file_system::temporaries::Temporaries;
use crate::host::file_system::unguarded;
use crate::policy::name::PathName;
use crate::policy::{CeilingNeed, CeilingRight, CeilingStatement, Policies};

/// What the broker may do at most, and how that follows from each statement.
#[derive(Debug, Serialize)]
pub struct Ceiling {
    /// Each statement that permits something, in the order of the sources.
    pub statements: Vec<Statement>,
    /// What the broker needs for itself.
    pub own: Vec<Own>,
    /// The capabilities that it keeps of those it has, by the names of capabilities(7).
    pub capabilities: Vec<String>,
    #[serde(skip)]
    kept: Vec<Capability>,
    #[serde(skip)]
    held: BTreeMap<PathName, (OwnedFd, Rights)>,
}

/// How far a statement is held to what it could permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Bounded {
    /// The kernel allows these places and no others.
    Exact,
    /// It allows more than the statement could permit, within bounds.
    Widened,
    /// There is no bound.
    Unbounded,
}

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Statement {
    /// Its `@id`, or `policyN`.
    pub id: String,
    /// The file that it stands in, as it was given.
    pub file: String,
    /// The line that it begins in.
    pub line: usize,
    /// How far it is held.
    pub bounded: Bounded,
    /// What it could permit, and what is given for that.
    pub places: Vec<Given>,
    /// Why it has no bound.
    pub reasons: Vec<String>,
}

/// What is given for something that a statement could permit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Given {
    /// What it could permit: `read files`, `list directories` or `change`.
    pub right: &'static str,
    /// Where; a path that ends in `/` means everything below it as well.
    pub wanted: String,
    /// The place that is given with everything below it; absent when there is nothing to give.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given: Option<String>,
    /// Why that is another place, or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<&'static str>,
}

/// Something that the broker needs for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Own {
    /// Where; everything below it as well.
    pub path: &'static str,
    /// What is done there.
    pub right: &'static str,
    /// What for.
    pub reason: &'static str,
}

/// How the broker was held, as it stands in the result document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entered {
    /// `enforced`: else no script is sent.
    pub state: &'static str,
    /// The version of Landlock.
    pub landlock: u32,
    /// How many statements are held exactly.
    pub exact: usize,
    /// How many may do more than they could permit.
    pub widened: usize,
    /// How many places were given, the broker's own among them.
    pub places: usize,
    /// The capabilities that are left.
    pub capabilities: Vec<String>,
}

impl Ceiling {
    /// What follows from these policies on this host, now. With `rex_compat` nothing has a bound, because there not every act is
    /// asked about.
    ///
    /// # Errors
    /// When `/` cannot be opened, or a place not be looked at for another reason than that it is missing.
    pub fn of(policies: &Policies, rex_compat: bool) -> io::Result<Self> {
        let mut found = Found { root: unguarded::root()?, held: BTreeMap::new() };
        let statements: io::Result<Vec<Statement>> =
            policies.ceiling().into_iter().map(|statement| found.statement(statement, rex_compat)).collect();
        let statements = statements?;
        let changes = could_change(&statements);
        let holds = |when: &When| when.holds(policies, changes);
        let own: Vec<Own> = OWN.iter().filter(|(when, _)| holds(when)).map(|(_, own)| *own).collect();
        // Before the broker's own, of which the capabilities are known.
        let kept = kept(policies, changes, found.held.keys().any(is_view_of_kernel));
        for own in &own {
            found.own(own)?;
        }
        let capabilities = kept.iter().map(ToString::to_string).collect();
        Ok(Self { statements, own, capabilities, kept, held: found.held })
    }

    /// Why the broker cannot be held; nothing when every statement has a bound.
    pub fn unbounded(&self) -> Option<String> {
        let unbounded = self.statements.iter().filter(|statement| statement.bounded == Bounded::Unbounded);
        let texts: Vec<String> = unbounded
            .map(|statement| {
                let Statement { id, file, line, reasons, .. } = statement;
                format!("{id:?} at {file}:{line} ({})", reasons.join("; "))
            })
            .collect();
        (!texts.is_empty()).then(|| texts.join(", "))
    }

    /// Gives another place, for what this run has that others do not.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn give(&mut self, path: &Path, rights: Rights) -> io::Result<()> {
        let file = nix::fcntl::open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?;
        give(&mut self.held, PathName::from_os(path), file, rights);
        Ok(())
    }

    /// Where the temporary names of this run are noted, made where it is missing; nothing where the policy could change no file.
    ///
    /// # Errors
    /// Those of opening it.
    pub fn give_journal(&mut self) -> io::Result<()> {
        if !could_change(&self.statements) {
            return Ok(());
        }
        match Temporaries::prepared_place() {
            Some(place) => self.give(&place, Rights::change()),
            // The run goes on without, as it does when the place cannot be made later.
            None => Ok(()),
        }
    }

    /// As the kernel is told; every thread has to enter it. What is held for that is let go.
    ///
    /// # Errors
    /// `EOPNOTSUPP` where this kernel cannot, else what it says to the rules.
    pub fn build(&mut self) -> io::Result<(ceiling::Ceiling, Entered)> {
        let held = std::mem::take(&mut self.held);
        let places = held.len();
        let count = |bounded| self.statements.iter().filter(|one| one.bounded == bounded).count();
        let (exact, widened) = (count(Bounded::Exact), count(Bounded::Widened));
        let built = ceiling::Ceiling::new(held.into_values(), self.kept.iter().copied())?;
        let landlock = built.abi();
        let entered =
            Entered { state: "enforced", landlock, exact, widened, places, capabilities: Vec::new() };
        Ok((built, entered))
    }

    /// In lines, for people.
    pub fn in_words(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        for statement in &self.statements {
            let bounded = match statement.bounded {
                Bounded::Exact => "exact",
                Bounded::Widened => "widened",
                Bounded::Unbounded => "unbounded",
            };
            let _ = writeln!(text, "{bounded:<9}  {:?}  {}:{}", statement.id, statement.file, statement.line);
            for reason in &statement.reasons {
                let _ = writeln!(text, "           {reason}");
            }
            for given in &statement.places {
                let _ = write!(text, "           {}: {}", given.right, given.wanted);
                match (&given.given, given.because) {
                    (Some(place), Some(because)) => {
                        let _ = write!(text, "; allowed: {place} and below, because {because}");
                    }
                    (None, Some(because)) => {
                        let _ = write!(text, "; nothing, because {because}");
                    }
                    _ => {}
                }
                text.push('\n');
            }
        }
        text.push_str("\nFor the broker itself:\n");
        for own in &self.own {
            let _ = writeln!(text, "  {:<26} {:<16} {}", own.path, own.right, own.reason);
        }
        let _ = writeln!(text, "\nCapabilities, of those it has: {}", self.capabilities.join(", "));
        text
    }
}

/// Objects that stand at places now.
struct Found {
    root: OwnedFd,
    held: BTreeMap<PathName, (OwnedFd, Rights)>,
}

/// What stands at a name.
enum Standing {
    Object(OwnedFd, SFlag),
    /// A link has the name, or leads to it: nothing is asked about by it.
    Link,
    Missing,
}

impl Found {
    fn statement(&mut self, statement: CeilingStatement, rex_compat: bool) -> io::Result<Statement> {
        let CeilingStatement { id, place, needs, unbounded } = statement;
        let mut reasons: Vec<String> = unbounded.into_iter().collect();
        if rex_compat {
            reasons.push(COMPAT.to_owned());
        }
        let mut places = Vec::new();
        for need in &needs {
            let given = self.need(need)?;
            if given.because == Some(NOTHING_THERE) {
                reasons.push(format!("{}: {NOTHING_THERE}", given.wanted));
            }
            places.push(given);
        }
        let is_widened = places.iter().any(|given| given.given.is_some() && given.because.is_some());
        let bounded = match (reasons.is_empty(), is_widened) {
            (false, _) => Bounded::Unbounded,
            (true, true) => Bounded::Widened,
            (true, false) => Bounded::Exact,
        };
        Ok(Statement { id, file: place.file, line: place.line, bounded, places, reasons })
    }

    fn need(&mut self, need: &CeilingNeed) -> io::Result<Given> {
        let slash = if need.is_tree && need.path != PathName::root() { "/" } else { "" };
        let wanted = format!("{}{slash}", need.path);
        let mut path = if need.is_name { need.path.parent() } else { need.path.clone() };
        let mut because = match need.is_name && need.path != PathName::root() {
            true => Some(NAMES),
            false => None,
        };
        let told = |given: Option<&PathName>, because| Given {
            right: right_name(need.right),
            wanted: wanted.clone(),
            given: given.map(|path| path.as_str().to_owned()),
            because,
        };
        loop {
            match self.at(&path)? {
                Standing::Link => return Ok(told(None, Some(LINK))),
                Standing::Missing if is_in_proc(&path) => return Ok(told(None, Some(NOT_IN_PROC))),
                Standing::Missing => {
                    path = path.parent();
                    because = Some(MISSING);
                    if path == PathName::root() {
                        return Ok(told(None, Some(NOTHING_THERE)));
                    }
                }
                Standing::Object(file, kind) => {
                    let is_directory = kind == SFlag::S_IFDIR;
                    let is_here = because != Some(MISSING);
                    let fits = match need.right {
                        CeilingRight::ReadFiles if is_here => is_directory == need.is_tree,
                        CeilingRight::ReadFiles => is_directory,
                        CeilingRight::ReadDirectories | CeilingRight::Change => is_directory,
                    };
                    if !fits {
                        return Ok(told(None, Some(ANOTHER_KIND)));
                    }
                    if need.right == CeilingRight::ReadDirectories && !need.is_tree && is_here {
                        because = Some(LISTING);
                    }
                    give(&mut self.held, path.clone(), file, rights(need.right));
                    return Ok(told(Some(&path), because));
                }
            }
        }
    }

    fn own(&mut self, own: &Own) -> io::Result<()> {
        // What has a link for a name is meant where that leads; it is root's to say.
        let Ok(real) = std::fs::canonicalize(own.path) else { return Ok(()) };
        let path = PathName::from_os(&real);
        if let Standing::Object(file, _) = self.at(&path)? {
            let rights = match own.right {
                READ => Rights::read_files().and(Rights::read_directories()),
                _ => Rights::read_files().and(Rights::write_files()),
            };
            give(&mut self.held, path, file, rights);
        }
        Ok(())
    }

    fn at(&self, path: &PathName) -> io::Result<Standing> {
        let how = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        match openat2(&self.root, path.below_root().as_c_str(), how) {
            Ok(file) => match file_type(&fstat(&file)?) {
                SFlag::S_IFLNK => Ok(Standing::Link),
                kind => Ok(Standing::Object(file, kind)),
            },
            Err(Errno::ELOOP) => Ok(Standing::Link),
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ENAMETOOLONG) => Ok(Standing::Missing),
            Err(errno) => Err(errno.into()),
        }
    }
}

fn give(held: &mut BTreeMap<PathName, (OwnedFd, Rights)>, path: PathName, file: OwnedFd, rights: Rights) {
    // One rule for each place, and none for what lies in a place that has the rights already.
    let mut above = path.clone();
    while above != PathName::root() {
        above = above.parent();
        if held.get(&above).is_some_and(|(_, of_above)| of_above.include(rights)) {
            return;
        }
    }
    match held.get_mut(&path) {
        Some((_, known)) => *known = known.and(rights),
        None => drop(held.insert(path, (file, rights))),
    }
}

/// Whether some statement could have a file changed.
fn could_change(statements: &[Statement]) -> bool {
    let changes = |given: &Given| given.right == right_name(CeilingRight::Change) && given.given.is_some();
    statements.iter().flat_map(|statement| &statement.places).any(changes)
}

fn rights(right: CeilingRight) -> Rights {
    match right {
        CeilingRight::ReadFiles => Rights::read_files(),
        CeilingRight::ReadDirectories => Rights::read_directories(),
        CeilingRight::Change => Rights::change(),
    }
}

const fn right_name(right: CeilingRight) -> &'static str {
    match right {
        CeilingRight::ReadFiles => "read files",
        CeilingRight::ReadDirectories => "list directories",
        CeilingRight::Change => "change",
    }
}

fn is_in_proc(path: &PathName) -> bool {
    path.components().next().is_some_and(|first| first == b"proc")
}

/// Whether this is a file of the kernel's own that may take any capability to read, as `/proc/kcore` does. Of a few it is known
/// that their mode is all that counts.
fn is_view_of_kernel(path: &PathName) -> bool {
    let first = path.components().next();
    let is_view = first.is_none_or(|first| first == b"proc" || first == b"sys");
    is_view && !PLAIN_TABLES.contains(&path.as_str())
}

/// What is kept for the acts that policies could permit, and for the end of the jail.
fn kept(policies: &Policies, changes: bool, views: bool) -> Vec<Capability> {
    use Capability as Cap;
    if views {
        let mut all = ceiling::every_capability();
        all.sort_by_key(Capability::index);
        return all;
    }
    // The jail has another user, and broker and jail are moved to one processor.
    let mut kept = vec![Cap::CAP_KILL, Cap::CAP_SYS_NICE];
    let could = |actions: &[ActionId]| actions.iter().any(|action| policies.could_permit(*action));
    let is_about_files = |action: &ActionId| action.namespace() == "file_system";
    if ActionId::ALL
        .iter()
        .filter(|action| is_about_files(action))
        .any(|action| policies.could_permit(*action))
    {
        // Whose the files are is not known. The kernel's messages are read by this one.
        kept.extend([Cap::CAP_DAC_READ_SEARCH, Cap::CAP_SYSLOG]);
    }
    let attributes = [ActionId::FileSystemChmod, ActionId::FileSystemChown, ActionId::FileSystemSetXAttr];
    if changes || could(&attributes) {
        // New content keeps owner, mode and attributes of the old, also those of the security modules.
        kept.extend([
            Cap::CAP_DAC_OVERRIDE,
            Cap::CAP_CHOWN,
            Cap::CAP_FOWNER,
            Cap::CAP_FSETID,
            Cap::CAP_SETFCAP,
            Cap::CAP_LINUX_IMMUTABLE,
            Cap::CAP_MAC_ADMIN,
            Cap::CAP_SYS_ADMIN,
            // Room on disks that is kept for root.
            Cap::CAP_SYS_RESOURCE,
        ]);
    }
    kept.sort_by_key(Capability::index);
    kept
}

/// When something is needed.
#[derive(Clone, Copy)]
enum When {
    Always,
    /// Where a policy could permit the action.
    Could(ActionId),
    /// Where it could permit that files change.
    Changes,
    /// As [`Self::Changes`], where there can be no file without a name in that directory.
    ChangesWithout(&'static str),
}

impl When {
    fn holds(self, policies: &Policies, changes: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Could(action) => policies.could_permit(action),
            Self::Changes => changes,
            Self::ChangesWithout(directory) => changes && !takes_nameless(directory),
        }
    }
}

fn takes_nameless(directory: &str) -> bool {
    let flags = OFlag::O_TMPFILE | OFlag::O_RDWR | OFlag::O_EXCL | OFlag::O_CLOEXEC;
    nix::fcntl::open(directory, flags, Mode::S_IRUSR | Mode::S_IWUSR).is_ok()
}

const fn own(when: When, path: &'static str, right: &'static str, reason: &'static str) -> (When, Own) {
    (when, Own { path, right, reason })
}

const READ: &str = "read";
const READ_AND_WRITE: &str = "read and write";
const NAMES_OF_USERS: &str = "names of users and groups";

/// Everything that the broker opens by itself after a script has begun. The record, the result, `/`, the own descriptors and the
/// socket of the jail are open before; the bus is connected to, which opens nothing. A run with a control group may empty and
/// remove it, and one that could change files notes its temporary names (`docs/file-system.md`).
const OWN: &[(When, Own)] = &[
    own(
        When::Always,
        "/proc/self",
        READ,
        "mounts and tables as this process sees them, its own use of memory",
    ),
    own(When::Always, "/etc/passwd", READ, NAMES_OF_USERS),
    own(When::Always, "/etc/group", READ, NAMES_OF_USERS),
    own(When::Always, "/etc/nsswitch.conf", READ, NAMES_OF_USERS),
    own(When::Always, "/etc/ld.so.cache", READ, NAMES_OF_USERS),
    own(When::Always, "/usr/lib", READ, "libraries that look names of users up"),
    own(When::Always, "/lib", READ, "libraries that look names of users up"),
    own(When::Always, "/lib64", READ, "libraries that look names of users up"),
    own(When::Always, "/etc/userdb", READ, NAMES_OF_USERS),
    own(When::Always, "/run/userdb", READ, NAMES_OF_USERS),
    own(When::Always, "/run/systemd/userdb", READ, NAMES_OF_USERS),
    own(When::Always, "/var/lib/sss/mc", READ, NAMES_OF_USERS),
    own(When::Always, "/var/lib/rex-broker/delegations", READ, "what is revoked while a run goes on"),
    own(When::Could(ActionId::FileSystemRedactedRead), DICTIONARY_PATH, READ, "what is redacted"),
    own(When::Changes, "/var/tmp", READ_AND_WRITE, "new content of more than 1 MiB, in files without a name"),
    own(
        When::ChangesWithout("/var/tmp"),
        "/tmp",
        READ_AND_WRITE,
        "as above, where /var/tmp cannot have them",
    ),
    own(When::Could(ActionId::SysinfoList), "/proc/stat", READ, "how many processors there are"),
    own(When::Could(ActionId::SysinfoList), "/sys/class/net", READ, "which interfaces there are"),
];

/// Tables that whoever may open them may read.
const PLAIN_TABLES: &[&str] = &[
    "/proc",
    "/proc/1/mounts",
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/filesystems",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/slabinfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
    "/proc/version",
    "/proc/vmstat",
];
const COMPAT: &str = "with --rex-compat not every act is asked about";
const MISSING: &str = "it is missing, and may come to be";
const NAMES: &str = "it is made, renamed and removed in its directory, and new content lies beside the old";
const LISTING: &str = "a right to list is one to list what is below as well";
const LINK: &str =
    "a link stands there or leads there, and what that leads to is asked about by its own name";
const ANOTHER_KIND: &str = "something of another kind stands there";
const NOT_IN_PROC: &str = "this kernel has no such table";
const NOTHING_THERE: &str = "nothing on the way to it is there, so that it could come to be anywhere";

#[cfg(test)]
mod tests;
