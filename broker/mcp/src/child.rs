//! How a broker is started for one call, how it is ended, and why none is left when this server is gone.
//!
//! The child is at first this program again: it asks the kernel for a signal at the death of its parent, takes the script
//! and its arguments from its standard input into memory files, and then becomes the broker. Neither is ever a word of a
//! command line, which every user of the host can read; what is asked about SDK and policy without running anything is.

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, PipeReader, Read, Seek, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{Pid, getppid};

/// A broker that was started for one call.
pub(crate) struct Child {
    state: Mutex<State>,
    changed: Condvar,
    pid: Pid,
}

/// A broker that goes on no longer than whoever holds this: it is stopped and waited for with the end of its holder, however that comes.
pub(crate) struct Running(Arc<Child>);

struct State {
    is_stopping: bool,
    /// Once it is reaped, its number may be somebody else's.
    is_gone: bool,
}

/// What a run is given: nothing, or a script with its arguments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Input<'a> {
    /// The arguments, as the file that `--args` takes.
    pub(crate) arguments: &'a [u8],
    /// The script, for standard input.
    pub(crate) script: &'a [u8],
}

/// What a child says.
pub(crate) struct Said {
    /// Its standard output.
    pub(crate) stdout: PipeReader,
    /// Its standard error.
    pub(crate) stderr: PipeReader,
}

impl Child {
    /// Starts the broker with these words, of which [`ARGUMENTS`] becomes the option for the file of arguments.
    ///
    /// The thread that calls has to live as long as what it is given: the kernel counts its death as the parent's.
    ///
    /// # Errors
    /// When no process can be made, or it is gone before it has all of its input. That there is no broker shows in what the child
    /// says, and in its status of 71.
    pub(crate) fn start(
        broker: &Path,
        words: &[OsString],
        input: Option<Input<'_>>,
    ) -> io::Result<(Running, Said)> {
        let (stdin, to_stdin) = match input {
            Some(_) => io::pipe().map(|(read, write)| (OwnedFd::from(read), Some(write)))?,
            None => (OwnedFd::from(File::open("/dev/null")?), None),
        };
        let (stdout, to_stdout) = io::pipe()?;
        let (stderr, to_stderr) = io::pipe()?;
        let ends = [stdin, to_stdout.into(), to_stderr.into()];
        let pid = spawn(broker, words, &ends)?;
        drop(ends);
        let state = State { is_stopping: false, is_gone: false };
        let child = Running(Arc::new(Self { state: Mutex::new(state), changed: Condvar::new(), pid }));
        if let (Some(mut to_stdin), Some(input)) = (to_stdin, input) {
            // It is read to its end before anything is said.
            let lengths = [input.arguments.len() as u64, input.script.len() as u64].map(u64::to_be_bytes);
            [lengths.as_flattened(), input.arguments, input.script]
                .iter()
                .try_for_each(|part| to_stdin.write_all(part))?;
        }
        Ok((child, Said { stdout, stderr }))
    }

    /// Ends the run: by SIGTERM, upon which the broker ends it with record and document, and by SIGKILL if that takes longer
    /// than [`GRACE`]. Does not wait.
    pub(crate) fn stop(self: &Arc<Self>) {
        let mut state = self.state();
        if state.is_gone || state.is_stopping {
            return;
        }
        state.is_stopping = true;
        // It is not reaped, so the number is its own. A process that has ended already takes no signal.
        let _ = kill(self.pid, Signal::SIGTERM);
        drop(state);
        let child = Arc::clone(self);
        let is_watched =
            thread::Builder::new().name("stopping".to_owned()).spawn(move || child.insist(GRACE));
        if is_watched.is_err() {
            self.insist(Duration::ZERO);
        }
    }

    fn insist(&self, grace: Duration) {
        let still_there = |state: &mut State| !state.is_gone;
        let Ok((state, _)) = self.changed.wait_timeout_while(self.state(), grace, still_there) else {
            return;
        };
        if !state.is_gone {
            // It is not reaped, as above. That it has ended by itself in between is as good.
            let _ = kill(self.pid, Signal::SIGKILL);
        }
    }

    /// Waits for the end, and gives the status, if the kernel has kept it.
    fn wait(&self) -> Option<ExitStatus> {
        // Without reaping it, so that nobody who stops it in the meantime reaches another process of its number.
        while let Err(Errno::EINTR) = waitid(Id::Pid(self.pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {
        }
        let mut state = self.state();
        // It has none where the kernel was told to throw it away, by a parent that ignores SIGCHLD.
        let status = loop {
            match waitpid(self.pid, None) {
                Err(Errno::EINTR) => {}
                Ok(WaitStatus::Exited(_, code)) => break Some(ExitStatus::from_raw(code << 8)),
                Ok(WaitStatus::Signaled(_, signal, _)) => break Some(ExitStatus::from_raw(signal as i32)),
                Ok(_) | Err(_) => break None,
            }
        };
        state.is_gone = true;
        self.changed.notify_all();
        status
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Running {
    /// What it is, for those who may end it.
    pub(crate) fn child(&self) -> &Arc<Child> {
        &self.0
    }

    /// Waits for the end, and gives the status, if the kernel has kept it.
    pub(crate) fn wait(self) -> Option<ExitStatus> {
        self.0.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.state().is_gone {
            return;
        }
        self.0.stop();
        self.0.wait();
    }
}

/// This program again, with these as its first three descriptors, on its way to become the broker. It is not deaf to SIGTERM, as
/// it would be if whoever started this server had that signal ignored.
fn spawn(broker: &Path, words: &[OsString], ends: &[OwnedFd; 3]) -> io::Result<Pid> {
    let text = |word: OsString| CString::new(word.into_vec()).map_err(io::Error::other);
    let first = ["rex-mcp".into(), BECOME.into(), std::process::id().to_string().into(), broker.into()];
    let words: Vec<CString> =
        first.into_iter().chain(words.iter().cloned()).map(text).collect::<io::Result<_>>()?;
    let variable = |(mut name, value): (OsString, OsString)| {
        name.push("=");
        name.push(value);
        text(name)
    };
    let environment: Vec<CString> = std::env::vars_os().map(variable).collect::<io::Result<_>>()?;
    let mut actions = PosixSpawnFileActions::init()?;
    for (end, number) in ends.iter().zip(0..) {
        actions.add_dup2(end.as_raw_fd(), number)?;
    }
    let mut heeded = SigSet::empty();
    heeded.add(Signal::SIGTERM);
    // As the standard library has it: this program ignores the signal, and a broker is not to find it ignored.
    heeded.add(Signal::SIGPIPE);
    let mut attributes = PosixSpawnAttr::init()?;
    attributes.set_flags(PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF)?;
    attributes.set_sigdefault(&heeded)?;
    Ok(posix_spawn("/proc/self/exe", &actions, &attributes, &words, &environment)?)
}

/// Has the broker look at the policies, and gives its status and what it found.
///
/// Whoever ignores SIGCHLD has the kernel throw statuses away, and so do its children. Then it counts as found good: each run looks at its
/// policies by itself, and is refused by them.
///
/// # Errors
/// When there is no broker.
pub(crate) fn check(
    broker: &Path,
    policy_mode: Option<&OsStr>,
    policies: &[PathBuf],
) -> io::Result<(u8, String)> {
    let mut checking = Command::new(broker)
        .args(["policy", "check"])
        .args(policy_mode)
        .args(policies)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()?;
    let mut found = Vec::new();
    if let Some(mut stdout) = checking.stdout.take() {
        stdout.read_to_end(&mut found)?;
    }
    let status = match checking.wait() {
        Err(error) if error.raw_os_error() == Some(Errno::ECHILD as i32) => 0,
        ended => ended?.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(NO_BROKER),
    };
    Ok((status, String::from_utf8_lossy(&found).into_owned()))
}

/// What the child does until it is the broker, if these are the words of a child. It comes back when that failed.
pub(crate) fn become_broker(mut words: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    if words.next()? != BECOME {
        return None;
    }
    let failed = |error: &dyn std::fmt::Display| {
        eprintln!("rex-mcp: cannot start the broker: {error}");
        ExitCode::from(NO_BROKER)
    };
    let (Some(parent), Some(broker)) = (words.next(), words.next()) else {
        return Some(failed(&"what is it to be?"));
    };
    Some(match turn(&parent, &broker, words) {
        Ok(never) => match never {},
        Err(error) => failed(&error),
    })
}

fn turn(
    parent: &OsStr,
    broker: &OsStr,
    words: impl Iterator<Item = OsString>,
) -> io::Result<std::convert::Infallible> {
    // It has its default action, by the one who started this.
    let mut heeded = SigSet::empty();
    heeded.add(Signal::SIGTERM);
    heeded.thread_unblock()?;
    set_pdeathsig(Signal::SIGTERM)?;
    let is_asked_for = || {
        if parent.to_str() == Some(&getppid().to_string()) {
            Ok(())
        } else {
            Err(io::Error::other("whoever asked for it is gone"))
        }
    };
    // Asked for after the signal is: a parent that died before would send nothing any more.
    is_asked_for()?;
    let mut command = Command::new(broker);
    for word in words {
        if word != ARGUMENTS {
            command.arg(word);
            continue;
        }
        let (arguments, script) = take(&mut io::stdin().lock())?;
        // This one stays open, and its number is far from those that an operator may have meant by `fd:N`.
        let kept = fcntl(&arguments, FcntlArg::F_DUPFD(LEAST_DESCRIPTOR))?;
        command.arg(format!("{ARGUMENTS}/proc/self/fd/{kept}")).stdin(script);
    }
    is_asked_for()?;
    Err(command.exec())
}

/// The two files that standard input has: the arguments, and the script.
///
/// # Errors
/// When the input ends before all is there, as it does at the death of whoever writes it: a part of a script is another script.
fn take(from: &mut impl Read) -> io::Result<(File, File)> {
    let mut lengths = [[0; 8]; 2];
    from.read_exact(lengths.as_flattened_mut())?;
    let mut arguments = File::from(memfd_create("arguments", MFdFlags::MFD_CLOEXEC)?);
    let mut script = File::from(memfd_create("script", MFdFlags::MFD_CLOEXEC)?);
    for (file, length) in [&mut arguments, &mut script].into_iter().zip(lengths.map(u64::from_be_bytes)) {
        if io::copy(&mut from.by_ref().take(length), file)? != length {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        file.rewind()?;
    }
    Ok((arguments, script))
}

/// The word of a run's command line behind which the file of arguments belongs.
pub(crate) const ARGUMENTS: &str = "--args=";

/// The first word of a child's command line.
const BECOME: &str = "--become-the-broker";

/// `EX_OSERR` of sysexits.h: the broker's own status where it cannot make a jail.
pub(crate) const NO_BROKER: u8 = 71;

/// The arguments have the first free number from here.
const LEAST_DESCRIPTOR: i32 = 200;

/// A broker that is told to end does so within half a second, or its watchdog ends it.
const GRACE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(input: &[u8]) -> io::Result<[String; 2]> {
        let (mut arguments, mut script) = take(&mut &input[..])?;
        let mut texts = [String::new(), String::new()];
        arguments.read_to_string(&mut texts[0])?;
        script.read_to_string(&mut texts[1])?;
        Ok(texts)
    }

    #[test]
    fn an_input_that_ends_early_is_none() {
        let whole = [&2_u64.to_be_bytes()[..], &6_u64.to_be_bytes(), b"{}1 + 41"].concat();

        assert_eq!(taken(&whole).unwrap(), ["{}", "1 + 41"]);
        for end in 0..whole.len() {
            let kind = taken(&whole[..end]).map_err(|error| error.kind());
            assert_eq!(kind, Err(io::ErrorKind::UnexpectedEof), "after {end} bytes");
        }
    }
}
