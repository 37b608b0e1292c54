//! What comes from the program that runs: bytes as it writes them, and how it ends.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rex_ipc::action::file_system::Execute;
use rex_ipc::failure::ErrorKind;
use rex_ipc::limits::MAX_PROGRAM_OUTPUT_BYTES;
use rex_ipc::program::ProgramEnd;
use rex_spawner::report::EVENT_BYTES;
use rex_spawner::{Event, Step};

use super::object::{Executed, GoOn, Programs, Running};
use crate::gate::Permit;
use crate::gate::error::Error;
use std::rc::Rc;

/// Waits until the program that the permit is for has written something or has ended; gives how much of each space is filled,
/// and the end once there is nothing more to come.
///
/// # Errors
/// Why there is no program after all; that it has written too much; `Interrupted` when the run is to end. In every case
/// nothing of it is left.
pub fn read(
    permit: &Permit<'_, Execute, Executed>,
    programs: &mut Programs,
    spaces: [&mut [u8]; 2],
    go_on: GoOn<'_>,
) -> Result<([usize; 2], Option<ProgramEnd>), Error> {
    let asked = Rc::clone(&permit.resource().file);
    let Some(running) =
        programs.running.as_mut().filter(|running| Rc::ptr_eq(&running.question.executed.file, &asked))
    else {
        return Err(Error::invalid(ErrorKind::IoError, "no program is running"));
    };
    let outcome = wait(running, spaces, go_on);
    match &outcome {
        Ok((_, None)) => {}
        // What is left of it ends with this.
        _ => programs.running = None,
    }
    outcome
}

fn wait(
    running: &mut Running,
    [output, error]: [&mut [u8]; 2],
    go_on: GoOn<'_>,
) -> Result<([usize; 2], Option<ProgramEnd>), Error> {
    let mut counts = [0, 0];
    loop {
        go_on()?;
        poll_all(running)?;
        hear(running)?;
        // After the report of the end nobody is left who could write.
        let is_over = running.end.is_some();
        let spaces = [&mut *output, &mut *error];
        for ((stream, space), count) in running.streams.iter_mut().zip(spaces).zip(&mut counts) {
            *count += fill(stream, space.get_mut(*count..).unwrap_or_default(), is_over)
                .map_err(|error| Error::system(&error))?;
        }
        running.bytes = running.bytes.saturating_add(counts.iter().sum::<usize>() as u64);
        if running.bytes > MAX_PROGRAM_OUTPUT_BYTES {
            let message =
                format!("the program has written more than {MAX_PROGRAM_OUTPUT_BYTES} bytes, and was ended");
            return Err(Error::invalid(ErrorKind::Other, message));
        }
        if counts != [0, 0] {
            return Ok((counts, None));
        }
        if let Some(event) = running.end {
            return ended(running, event).map(|end| (counts, Some(end)));
        }
    }
}

/// Waits a moment for any of its pipes.
fn poll_all(running: &Running) -> Result<(), Error> {
    let pipes = running.streams.iter().flatten().map(AsFd::as_fd);
    let report = running.end.is_none().then(|| running.report.as_fd());
    let mut watched: Vec<PollFd<'_>> =
        pipes.chain(report).map(|pipe: BorrowedFd<'_>| PollFd::new(pipe, PollFlags::POLLIN)).collect();
    match poll(&mut watched, PollTimeout::from(MOMENT_MS)) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(Error::system(&errno.into())),
    }
}

/// Takes what a stream has, without waiting; a stream that has ended is given up, and one whose writers are gone for good.
fn fill(stream: &mut Option<std::fs::File>, space: &mut [u8], is_over: bool) -> io::Result<usize> {
    let Some(pipe) = stream else { return Ok(0) };
    if space.is_empty() {
        return Ok(0);
    }
    let mut ready = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
    let is_ready = poll(&mut ready, PollTimeout::ZERO).unwrap_or(0) > 0;
    if !is_ready {
        if is_over {
            *stream = None;
        }
        return Ok(0);
    }
    match pipe.read(space) {
        Ok(0) => {
            *stream = None;
            Ok(0)
        }
        Ok(count) => Ok(count),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
        Err(error) => Err(error),
    }
}

/// Takes what the keeper has said, without waiting.
fn hear(running: &mut Running) -> Result<(), Error> {
    if running.end.is_some() {
        return Ok(());
    }
    let mut ready = [PollFd::new(running.report.as_fd(), PollFlags::POLLIN)];
    if poll(&mut ready, PollTimeout::ZERO).unwrap_or(0) == 0 {
        return Ok(());
    }
    let mut buffer = [0; 64 * EVENT_BYTES];
    let count = match running.report.read(&mut buffer) {
        Ok(count) => count,
        Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
        Err(error) => return Err(Error::system(&error)),
    };
    running.told.extend_from_slice(buffer.get(..count).unwrap_or_default());
    while running.told.len() >= EVENT_BYTES {
        let bytes: Vec<u8> = running.told.drain(..EVENT_BYTES).collect();
        match Event::from_bytes(&bytes) {
            Some(Event::Taken(step)) => tracing::debug!("step {} of a program was taken", step.name()),
            Some(end) => running.end = Some(end),
            None => return Err(Error::invalid(ErrorKind::Other, "the report of a program is damaged")),
        }
    }
    if count == 0 && running.end.is_none() {
        return Err(Error::invalid(ErrorKind::Other, "what starts programs has ended before the program"));
    }
    Ok(())
}

/// How it has ended, or why it never was.
fn ended(running: &Running, event: Event) -> Result<ProgramEnd, Error> {
    let path = &running.question.executed.file.name;
    let number = |number: i32| u8::try_from(number).unwrap_or(u8::MAX);
    match event {
        Event::Exited(status) => Ok(ProgramEnd::Exited { status: number(status) }),
        Event::Signaled(signal) => Ok(ProgramEnd::Signaled { signal: number(signal) }),
        Event::Failed(Step::Execute, errno) => Err(Error::Failed {
            kind: ErrorKind::IoError,
            message: format!("cannot execute {path}: {}", Errno::from_raw(errno)),
            errno: Some(errno),
        }),
        Event::Failed(step, errno) => Err(Error::Failed {
            kind: ErrorKind::Other,
            message: format!(
                "cannot execute {path}: the step `{}` of its confinement failed: {}{}",
                step.name(),
                Errno::from_raw(errno),
                hint(step),
            ),
            errno: Some(errno),
        }),
        Event::Taken(_) => Err(Error::invalid(ErrorKind::Other, "the report of a program is damaged")),
    }
}

/// What an operator can do about it.
fn hint(step: Step) -> &'static str {
    match step {
        Step::Root | Step::Namespaces => {
            " (a root of its own needs root and mount namespaces; `--children approximate` does without)"
        }
        Step::Processes => {
            " (this kernel cannot bound the number of processes of root; a program of another user it can)"
        }
        _ => "",
    }
}

/// How long nobody looks whether the run is to end.
const MOMENT_MS: u8 = 50;
