//! What processes hold open, and who holds a path open.

use std::collections::BTreeSet;

use rex_ipc::bounded::Text;
use rex_ipc::file_system::EntryType;
use rex_ipc::process_system::{
    FindRealPath, Holder, Holders, ListOpenFiles, OpenAccess, OpenEntry, RealPath, Sought,
};
use rhai::{Array, Dynamic, EvalAltResult, INT, ImmutableString, Map, NativeCallContext};

use super::manager::{ProcessManager, Remembered};
use super::options::LsofOptions;
use super::sockets::{BoundSockets, inode_of};
use super::{ErrorKind, invalid, is_missing, process_not_found, refused, validation_error};
use crate::error::{Fallible, TooLarge, too_large};
use crate::file_system::passed_over::PassedOver;
use crate::limits::array_limit;
use crate::session::{Failed, Session};
use crate::value::{self, integer};

/// A process that uses a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FuserInfo {
    /// Its user.
    pub user: ImmutableString,
    /// Its number.
    pub pid: INT,
    /// Its command line.
    pub command: ImmutableString,
    /// How it uses the path, in the order of [`ORDER`].
    ways: BTreeSet<u8>,
}

impl FuserInfo {
    /// The ways in which it uses the path, separated by commas.
    pub fn access(&self) -> String {
        self.words().collect::<Vec<_>>().join(", ")
    }

    /// The fields as a map.
    pub fn to_map(&self) -> Map {
        let ways: Array = self.words().map(Dynamic::from).collect();
        [
            ("user", self.user.clone().into()),
            ("pid", Dynamic::from_int(self.pid)),
            ("command", self.command.clone().into()),
            ("access_types", Dynamic::from_array(ways)),
        ]
        .into_iter()
        .map(|(key, value)| (key.into(), value))
        .collect()
    }

    /// One line: who it is, and how it uses the path.
    pub fn as_text(&self) -> String {
        format!("{} {} ({}): {}", self.pid, self.command, self.user, self.access())
    }

    fn words(&self) -> impl Iterator<Item = &'static str> {
        ORDER.into_iter().filter(|access| self.ways.contains(&rank(*access))).map(access_word)
    }
}

/// Something that a process holds open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenFileInfo {
    /// The number of the process.
    pub pid: INT,
    /// What the process calls itself.
    pub process_name: ImmutableString,
    /// The user of the process.
    pub user: ImmutableString,
    /// The command line of the process.
    pub command: ImmutableString,
    /// What the kernel calls it: a path, or such as `socket:[123]`.
    pub file_path: ImmutableString,
    /// What it is, as a word of lsof(8).
    pub file_type: &'static str,
    /// How the process holds it open.
    pub access: &'static str,
}

impl OpenFileInfo {
    /// The fields as a map.
    pub fn to_map(&self) -> Map {
        [
            ("pid", Dynamic::from_int(self.pid)),
            ("process_name", self.process_name.clone().into()),
            ("user", self.user.clone().into()),
            ("command", self.command.clone().into()),
            ("file_path", self.file_path.clone().into()),
            ("file_type", self.file_type.into()),
            ("access_type", self.access.into()),
        ]
        .into_iter()
        .map(|(key, value)| (key.into(), value))
        .collect()
    }

    /// One line: who holds what open.
    pub fn as_text(&self) -> String {
        format!(
            "{} {}: {} ({}, {})",
            self.pid, self.process_name, self.file_path, self.file_type, self.access
        )
    }
}

/// The processes that use a path: by a descriptor, mapped, as directory, program or root.
///
/// # Policy
/// Links of the path are followed before anything else; Rex asks nothing for that, [`FindRealPath`] says what is asked here.
/// Then `open` and `read` on the directory `/proc`, and `list_fds` on each process; what that denies is left out. What the system
/// keeps back is counted as passed over.
///
/// # Errors
/// `ValidationError` for a path that leads nowhere; `PermissionDenied`; `ProcessEnumerationError`; the limit on arrays.
pub fn users_of(context: &NativeCallContext, manager: &ProcessManager, path: &str) -> Fallible<Array> {
    let most = array_limit(&Session::of(context));
    let path = real_path(context, path).map_err(|failed| failed.into_error(path))?.path;
    let mut users: Vec<FuserInfo> = Vec::new();
    let passed_over = PassedOver::new(context, None);
    each_holder(
        context,
        manager,
        EVERYBODY,
        &Sought::At { path, below: false },
        Some(&passed_over),
        |holder| {
            let ways = holder.entries.into_vec().into_iter().map(|entry| rank(entry.access));
            let pid = integer(holder.pid);
            if let Some(last) = users.last_mut().filter(|last| last.pid == pid) {
                last.ways.extend(ways);
                return Ok(());
            }
            if users.len() >= most {
                return Err(too_large(TooLarge::Array));
            }
            let (user, command) = (user_of(holder.uid, holder.user), holder.command.into_string().into());
            users.push(FuserInfo { user, pid, command, ways: ways.collect() });
            Ok(())
        },
    )?;
    Ok(users.into_iter().filter(|user| !user.ways.is_empty()).map(Dynamic::from).collect())
}

/// What a process holds open, or what all of them hold open at a path.
///
/// # Policy
/// `open` and `read` on the directory `/proc`; then `list_fds` on each process, whose denial is an error where it alone is
/// meant, and else leaves it out. What the system keeps back is counted as passed over. Where sockets are among it, `open` and `read` on the file `/proc/net/unix` for the paths that
/// they are bound to; without them a socket has no path.
///
/// # Errors
/// `ProcessNotFound`, `ValidationError` for a path that leads nowhere, `PermissionDenied`, `ProcessEnumerationError`; the limit on
/// arrays.
pub fn list(context: &NativeCallContext, manager: &ProcessManager, options: &LsofOptions) -> Fallible<Array> {
    match (options.pid, &options.path) {
        (Some(pid), _) => of_process(context, manager, pid),
        (None, Some(path)) => at_path(context, manager, path, options.include_subdir),
        // The builder makes no options without either.
        (None, None) => Err(invalid("Either path or pid is required")),
    }
}

fn of_process(context: &NativeCallContext, manager: &ProcessManager, pid: u32) -> Fallible<Array> {
    if pid == 0 || i32::try_from(pid).is_err() {
        // proc(5): numbers of processes begin at 1, and pid_t is an `int`. What may be known is asked all the same.
        may_look(context)?;
        return Err(ErrorKind::error("ProcessNotFound", no_process(pid)));
    }
    let mut files = Files::new(context);
    let passed_over = PassedOver::new(context, None);
    let of = Holders::One { pid, skip: 0 };
    each_holder(context, manager, of, &Sought::Everything, Some(&passed_over), |holder| {
        files.add(holder, |_| true)
    })?;
    files.name_sockets(context)?;
    Ok(files.into_array())
}

fn at_path(
    context: &NativeCallContext,
    manager: &ProcessManager,
    path: &str,
    below: bool,
) -> Fallible<Array> {
    let real = match real_path(context, path) {
        Ok(real) => real,
        Err(nowhere) => {
            // Rex asks first whether processes may be looked at, and tells nothing of the path to whom they are closed.
            if !nowhere.is_final() {
                may_look(context)?;
            }
            return Err(nowhere.into_error(path));
        }
    };
    let mut files = Files::new(context);
    let sought = Sought::At { path: real.path.clone(), below };
    let passed_over = PassedOver::new(context, None);
    each_holder(context, manager, EVERYBODY, &sought, Some(&passed_over), |holder| {
        files.add(holder, |_| true)
    })?;
    if real.entry_type == EntryType::Socket {
        // The kernel does not call the descriptor of a socket by the path that the socket is bound to.
        let bound = BoundSockets::at(context, real.path.as_str())?;
        if !bound.is_empty() {
            // Who was passed over is known by now.
            each_holder(context, manager, EVERYBODY, &Sought::Everything, None, |holder| {
                files.add(holder, |entry| {
                    inode_of(entry.target.as_str()).is_some_and(|inode| bound.path(inode).is_some())
                })
            })?;
            files.rename(&bound);
        }
    }
    Ok(files.into_array())
}

/// The files that are listed, and the limit that they stay within.
struct Files {
    found: Vec<OpenFileInfo>,
    most: usize,
}

impl Files {
    fn new(context: &NativeCallContext) -> Self {
        Self { found: Vec::new(), most: array_limit(&Session::of(context)) }
    }

    fn add(&mut self, holder: Holder, is_wanted: impl Fn(&OpenEntry) -> bool) -> Fallible<()> {
        let user = user_of(holder.uid, holder.user);
        let process_name = ImmutableString::from(holder.name.as_str());
        let command = ImmutableString::from(holder.command.as_str());
        for entry in holder.entries.into_vec().into_iter().filter(|entry| is_wanted(entry)) {
            if self.found.len() >= self.most {
                return Err(too_large(TooLarge::Array));
            }
            self.found.push(OpenFileInfo {
                pid: integer(holder.pid),
                process_name: process_name.clone(),
                user: user.clone(),
                command: command.clone(),
                file_type: type_word(&entry),
                access: access_word(entry.access),
                file_path: entry.target.into_string().into(),
            });
        }
        Ok(())
    }

    /// Gives sockets the paths that they are bound to, as far as that may be known.
    fn name_sockets(&mut self, context: &NativeCallContext) -> Fallible<()> {
        let inodes: BTreeSet<u64> = self.found.iter().filter_map(|file| inode_of(&file.file_path)).collect();
        if inodes.is_empty() {
            return Ok(());
        }
        let bound = BoundSockets::of(context, &inodes)?;
        self.rename(&bound);
        Ok(())
    }

    fn rename(&mut self, bound: &BoundSockets) {
        for file in &mut self.found {
            if let Some(path) = inode_of(&file.file_path).and_then(|inode| bound.path(inode)) {
                file.file_path = path.into();
            }
        }
    }

    fn into_array(self) -> Array {
        self.found.into_iter().map(Dynamic::from).collect()
    }
}

/// Hands over processes and what they hold open of what is sought, page by page, and has the manager remember them. A process
/// with very much comes several times, one behind the other. Those of which the system does not tell everything are counted.
fn each_holder(
    context: &NativeCallContext,
    manager: &ProcessManager,
    of: Holders,
    sought: &Sought,
    passed_over: Option<&PassedOver>,
    mut take: impl FnMut(Holder) -> Fallible<()>,
) -> Fallible<()> {
    let session = Session::of(context);
    let mut of = of;
    loop {
        let request = ListOpenFiles { of: of.clone(), sought: sought.clone() };
        let page = session.ask(value::line(context), request).map_err(|failed| not_listed(failed, &of))?;
        if let (Some(passed_over), Some(kept_back)) = (passed_over, page.kept_back) {
            let path = format!("/proc/{}", kept_back.pid);
            passed_over.refused_at_once(&path, kept_back.errno, kept_back.processes);
        }
        for holder in page.holders.into_vec() {
            manager.remember(holder.pid, Remembered::met(&holder));
            take(holder)?;
        }
        let next = match (&of, page.next) {
            (Holders::One { pid, .. }, Some((next, skip))) if next == *pid => {
                Holders::One { pid: next, skip }
            }
            (Holders::From { .. }, Some((pid, skip))) => Holders::From { pid, skip },
            _ => return Ok(()),
        };
        // A place that is not behind the last one would be listed for ever.
        if place(&next) <= place(&of) {
            return Ok(());
        }
        of = next;
    }
}

fn place(of: &Holders) -> (u32, u32) {
    match of {
        Holders::One { pid, skip } | Holders::From { pid, skip } => (*pid, *skip),
    }
}

fn not_listed(failed: Failed, of: &Holders) -> Box<EvalAltResult> {
    match of {
        Holders::One { pid, .. } if is_missing(&failed) => {
            refused(failed, "ProcessNotFound", |_| no_process(*pid))
        }
        Holders::One { .. } => refused(failed, "Other", str::to_owned),
        Holders::From { .. } => refused(failed, "ProcessEnumerationError", |reason| {
            format!("Process enumeration failed: {reason}")
        }),
    }
}

/// Asks whether what processes hold open may be looked at, of a process that cannot be.
///
/// # Errors
/// `PermissionDenied`, `AuthorizationError`, and what ends the script.
fn may_look(context: &NativeCallContext) -> Fallible<()> {
    let request = ListOpenFiles { of: Holders::One { pid: 0, skip: 0 }, sought: Sought::Everything };
    match Session::of(context).ask(value::line(context), request) {
        Err(failed) if failed.is_denial() || failed.is_final() => Err(ErrorKind::of(failed, "Other")),
        _ => Ok(()),
    }
}

fn no_process(pid: u32) -> String {
    process_not_found(format_args!("Process with PID {pid} does not exist"), pid)
}

/// Why a path has no real one.
enum NoPath {
    TooLong,
    Refused(Failed),
}

impl NoPath {
    fn is_final(&self) -> bool {
        matches!(self, Self::Refused(failed) if failed.is_final())
    }

    fn into_error(self, path: &str) -> Box<EvalAltResult> {
        let message =
            |reason: &str| validation_error(format_args!("Failed to canonicalize path {path}: {reason}"));
        match self {
            Self::TooLong => ErrorKind::error("ValidationError", message("File name too long (os error 36)")),
            Self::Refused(failed) => refused(failed, "ValidationError", message),
        }
    }
}

fn real_path(context: &NativeCallContext, path: &str) -> Result<RealPath, NoPath> {
    let path = Text::new(path).ok_or(NoPath::TooLong)?;
    Session::of(context).ask(value::line(context), FindRealPath { path }).map_err(NoPath::Refused)
}

impl Remembered {
    fn met(holder: &Holder) -> Self {
        Self {
            name: holder.name.as_str().into(),
            username: user_of(holder.uid, holder.user.clone()),
            command: holder.command.as_str().into(),
            started_ticks: holder.started_ticks,
            namespace: None,
        }
    }
}

/// The name of a user, else the number.
fn user_of<const MAX: usize>(uid: u32, name: Option<Text<MAX>>) -> ImmutableString {
    name.map_or_else(|| uid.to_string(), Text::into_string).into()
}

fn access_word(access: OpenAccess) -> &'static str {
    match access {
        OpenAccess::WorkingDirectory => "Working directory",
        OpenAccess::Root => "Root directory",
        OpenAccess::Executable => "Executable",
        OpenAccess::Mapped => "Memory mapped",
        OpenAccess::Descriptor => "File descriptor",
    }
}

/// Where an access stands in [`ORDER`].
fn rank(access: OpenAccess) -> u8 {
    match access {
        OpenAccess::Descriptor => 0,
        OpenAccess::Mapped => 1,
        OpenAccess::WorkingDirectory => 2,
        OpenAccess::Executable => 3,
        OpenAccess::Root => 4,
    }
}

/// The order in which a script is told how a path is used.
const ORDER: [OpenAccess; 5] = [
    OpenAccess::Descriptor,
    OpenAccess::Mapped,
    OpenAccess::WorkingDirectory,
    OpenAccess::Executable,
    OpenAccess::Root,
];

/// The word for what is held open. What has no path is told by the beginning of the kernel's name for it.
fn type_word(entry: &OpenEntry) -> &'static str {
    let target = entry.target.as_str();
    match entry.access {
        OpenAccess::WorkingDirectory | OpenAccess::Root => "DIR",
        OpenAccess::Executable | OpenAccess::Mapped => "REG",
        OpenAccess::Descriptor if target.starts_with("/memfd:") => "REG",
        OpenAccess::Descriptor if target.starts_with('/') => match entry.entry_type {
            EntryType::File => "REG",
            EntryType::Dir => "DIR",
            EntryType::Symlink => "LNK",
            EntryType::Socket => "SOCK",
            EntryType::CharDevice => "CHR",
            EntryType::BlockDevice => "BLK",
            EntryType::Fifo => "FIFO",
            EntryType::Unknown => "UNK",
        },
        OpenAccess::Descriptor => {
            let known = BEGINNINGS.into_iter().find(|(beginning, _)| target.starts_with(beginning));
            known.map_or("UNK", |(_, word)| word)
        }
    }
}

const BEGINNINGS: [(&str, &str); 4] =
    [("socket:[", "SOCK"), ("net:[", "SOCK"), ("pipe:[", "FIFO"), ("anon_inode:", "ANON_INODE")];

const EVERYBODY: Holders = Holders::From { pid: 0, skip: 0 };

#[cfg(test)]
mod tests;
