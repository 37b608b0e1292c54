//! How a program is started that the policy has permitted: what goes to the spawner.

use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::stat::Mode;
use nix::unistd::pipe2;
use rex_ipc::action::file_system::{self, Execute};
use rex_ipc::action::process_system::Trace;
use rex_ipc::limits::MAX_PROGRAM_PROCESSES;
use rex_ipc::name;
use rex_spawner::{Confinement, Handed, Order, Text};

use super::object::{Executed, Interpreter, Programs, Question, Running, Tool};
use super::{places, unguarded};
use crate::gate::Permit;
use crate::host::file_system::object::File;
use crate::host::file_system::tools::Tools;
use crate::host::process_system::object::Process;
use crate::host::process_system::stopped::{self, Taken};
use crate::policy::Program;

/// Who a program is to be, as numbers; what is missing stays what the broker is.
#[derive(Clone, Copy, Debug, Default)]
pub struct As {
    /// The user.
    pub user: Option<u32>,
    /// The group.
    pub group: Option<u32>,
    /// The capabilities that it keeps, one bit for each.
    pub capabilities: u64,
}

/// What interprets the file that may be executed; nothing when the kernel executes it as it is.
///
/// # Errors
/// Those of reading the file and of finding the interpreter; `ENOEXEC` for a first line that names none.
///
/// # Source
/// execve(2), "Interpreter scripts": the interpreter gets what stands behind it on the line as one argument.
pub fn interpreter(permit: &Permit<'_, Execute, Executed>, tools: &Tools) -> io::Result<Option<Interpreter>> {
    let Executed { file, program } = permit.resource();
    let mut line = [0; FIRST_LINE_BYTES];
    let mut reader = fs::File::from(reopen(file.fd.as_fd(), tools)?).take(FIRST_LINE_BYTES as u64);
    let mut count = 0;
    loop {
        match reader.read(line.get_mut(count..).unwrap_or_default())? {
            0 => break,
            read => count += read,
        }
    }
    let Some(line) = line.get(..count).and_then(|line| line.strip_prefix(b"#!")) else { return Ok(None) };
    // A longer line would be cut, and mean something else than it says.
    let end =
        line.iter().position(|byte| *byte == b'\n').or((count < FIRST_LINE_BYTES).then_some(line.len()));
    let line = line.get(..end.ok_or(Errno::ENOEXEC)?).unwrap_or_default();
    let line = std::str::from_utf8(line).map_err(|_| Errno::ENOEXEC)?.trim_matches([' ', '\t']);
    let (path, option) = match line.split_once([' ', '\t']) {
        Some((path, option)) => (path, Some(option.trim_matches([' ', '\t']))),
        None => (line, None),
    };
    if !path.starts_with('/') || path.contains('\0') || option.is_some_and(|option| option.contains('\0')) {
        return Err(Errno::ENOEXEC.into());
    }
    let (real, inode, found) = unguarded::find(Path::new(path))?;
    let mut arguments: Vec<(String, Option<String>)> = option
        .filter(|option| !option.is_empty())
        .map(|option| (option.to_owned(), None))
        .into_iter()
        .collect();
    arguments.push((SCRIPT.to_owned(), None));
    arguments.extend(program.arguments.iter().cloned());
    let interpreted = Program { name: path.to_owned(), arguments, chosen: Vec::new(), ..program.clone() };
    Ok(Some(Interpreter {
        script: Rc::clone(file),
        path: real,
        inode,
        file: Rc::new(found),
        program: interpreted,
    }))
}

/// Executes the file itself.
///
/// # Errors
/// Those of what goes to the spawner; what becomes of the program is told by reading from it.
pub fn program(
    permit: &Permit<'_, Execute, Executed>,
    programs: &mut Programs,
    tools: &Tools,
    who: As,
) -> io::Result<()> {
    let Executed { file, program } = permit.resource();
    let executed = reopen(file.fd.as_fd(), tools)?;
    let question = Question { executed: permit.resource().clone(), is_beyond_rex: false };
    begin(programs, question, program, &Started { who, ..Started::of(executed.as_fd()) })
}

/// What a program of the host is handed as descriptors 3 and 4.
#[derive(Clone, Copy, Debug)]
pub enum Over<'a, 'req> {
    /// Nothing.
    Nothing,
    /// Files that may be read.
    Files(&'a [Permit<'req, file_system::Read, Rc<File>>; 2]),
    /// The program of a process, and as a core dump where its threads are. It is stopped for that, once all is asked.
    Process(&'a Permit<'req, Trace, Rc<Process>>),
}

/// Executes a program of the host for a function that is no `execute`.
///
/// # Errors
/// `ESTALE` where the file is not the program that stands at its place; those of stopping a process; those of what goes to the
/// spawner.
pub fn tool(
    permit: &Permit<'_, Execute, Executed>,
    over: Over<'_, '_>,
    programs: &mut Programs,
    tools: &Tools,
    tool: Tool,
    who: As,
) -> io::Result<()> {
    let Executed { file, program } = permit.resource();
    is_at_its_place(tool, file)?;
    let executed = reopen(file.fd.as_fd(), tools)?;
    let question = Question { executed: permit.resource().clone(), is_beyond_rex: true };
    let started = Started { who, tool: Some(tool), ..Started::of(executed.as_fd()) };
    match over {
        Over::Nothing => begin(programs, question, program, &started),
        Over::Files(files) => {
            let [third, fourth] = files.each_ref().map(|read| reopen(read.resource().fd.as_fd(), tools));
            let (third, fourth) = (third?, fourth?);
            let handed = (Handed::Files, [third.as_fd(), fourth.as_fd()]);
            begin(programs, question, program, &Started { handed, ..started })
        }
        Over::Process(traced) => {
            let Taken { program: third, core } = stopped::take(traced)?;
            let handed = (Handed::Files, [third.as_fd(), core.as_fd()]);
            begin(programs, question, program, &Started { handed, ..started })
        }
    }
}

/// The debugger, which does the work of a script of the host, and what the policy is told of it.
///
/// # Errors
/// Those of finding it.
pub fn debugger_of(asked: &Permit<'_, Execute, Executed>, program: Program) -> io::Result<Interpreter> {
    let (path, inode, found) = unguarded::find(Path::new(Tool::Debugger.path()))?;
    Ok(Interpreter { script: Rc::clone(&asked.resource().file), path, inode, file: Rc::new(found), program })
}

/// Executes the debugger in the place of a script of the host, on a process.
///
/// # Errors
/// As [`tool`].
pub fn tool_of_script(
    permit: &Permit<'_, Execute, Interpreter>,
    asked: &Permit<'_, Execute, Executed>,
    traced: &Permit<'_, Trace, Rc<Process>>,
    programs: &mut Programs,
    who: As,
) -> io::Result<()> {
    let Interpreter { script, file, program, .. } = permit.resource();
    if !Rc::ptr_eq(script, &asked.resource().file) {
        return Err(Errno::EINVAL.into());
    }
    is_at_its_place(Tool::Gstack, script)?;
    let Taken { program: third, core } = stopped::take(traced)?;
    let question = Question { executed: asked.resource().clone(), is_beyond_rex: true };
    let handed = (Handed::Files, [third.as_fd(), core.as_fd()]);
    let started = Started { who, tool: Some(Tool::Gstack), handed, ..Started::of(file.as_fd()) };
    begin(programs, question, program, &started)
}

/// It may do more than others, and a script of Rex is not asked for it: so nothing else can be started this way.
fn is_at_its_place(tool: Tool, file: &File) -> io::Result<()> {
    let (_, inode, _) = unguarded::find(Path::new(tool.path()))?;
    if file.inode == inode { Ok(()) } else { Err(Errno::ESTALE.into()) }
}

/// Executes an interpreter on its file.
///
/// # Errors
/// Those of what goes to the spawner; what becomes of the program is told by reading from it.
pub fn script(
    permit: &Permit<'_, Execute, Interpreter>,
    asked: &Permit<'_, Execute, Executed>,
    programs: &mut Programs,
    tools: &Tools,
    who: As,
) -> io::Result<()> {
    let Interpreter { script, file, program, .. } = permit.resource();
    if !Rc::ptr_eq(script, &asked.resource().file) {
        return Err(Errno::EINVAL.into());
    }
    let interpreted = reopen(script.fd.as_fd(), tools)?;
    let question = Question { executed: asked.resource().clone(), is_beyond_rex: false };
    let handed = [interpreted.as_fd(), file.as_fd()];
    let started = Started { who, handed: (Handed::Script, handed), ..Started::of(file.as_fd()) };
    begin(programs, question, program, &started)
}

/// What is started, and how.
struct Started<'a> {
    executed: BorrowedFd<'a>,
    handed: (Handed, [BorrowedFd<'a>; 2]),
    who: As,
    tool: Option<Tool>,
}

impl<'a> Started<'a> {
    /// This file alone, as whom the broker is.
    fn of(executed: BorrowedFd<'a>) -> Self {
        Self { executed, handed: (Handed::Nothing, [executed; 2]), who: As::default(), tool: None }
    }
}

/// The file once more, so that nobody shares how far it was read.
fn reopen(file: BorrowedFd<'_>, tools: &Tools) -> io::Result<OwnedFd> {
    let name = file.as_raw_fd().to_string();
    Ok(openat(
        tools.own_fds(),
        name.as_str(),
        OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOCTTY,
        Mode::empty(),
    )?)
}

fn begin(
    programs: &mut Programs,
    question: Question,
    program: &Program,
    started: &Started<'_>,
) -> io::Result<()> {
    let Started { executed, handed: (handed, [third, fourth]), who, tool } = *started;
    // What ran before ends before the next one begins.
    drop(programs.running.take());
    let of_others = programs.confinement;
    let confinement = tool.map_or(of_others, |tool| tool.confinement(of_others));
    let (places, objects) = match confinement {
        Confinement::Unconfined => (Vec::new(), Vec::new()),
        _ => places::places(programs, confinement, tool)?,
    };
    let (_, most_files) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let order = Order {
        confinement,
        user: who.user,
        group: who.group,
        capabilities: who.capabilities,
        open_files: OPEN_FILES.min(most_files),
        processes: MAX_PROGRAM_PROCESSES,
        may_connect: tool.is_none() && !programs.sockets.is_empty(),
        may_rename: tool.is_none() && programs.inner.may_rename(),
        handed,
    };
    let words = program.with(|context| context.words().map(name::to_bytes).collect::<Vec<_>>());
    let variables = program.environment.iter().map(|(name, value)| format!("{name}={value}").into_bytes());
    let text = Text { arguments: words, environment: variables.collect(), places };
    let text = in_memory(&text.to_bytes())?;
    let input = match confinement {
        // Rex's programs have the standard input of Rex.
        Confinement::Unconfined => io::stdin().as_fd().try_clone_to_owned().or_else(|_| null())?,
        _ => null()?,
    };
    let (output, output_end) = pipe2(OFlag::O_CLOEXEC)?;
    let (error, error_end) = pipe2(OFlag::O_CLOEXEC)?;
    let (report, report_end) = pipe2(OFlag::O_CLOEXEC)?;
    let (lifeline_end, lifeline) = pipe2(OFlag::O_CLOEXEC)?;
    let mut given = vec![
        text.as_fd(),
        executed,
        third,
        fourth,
        input.as_fd(),
        output_end.as_fd(),
        error_end.as_fd(),
        report_end.as_fd(),
        lifeline_end.as_fd(),
    ];
    given.extend(objects.iter().map(AsFd::as_fd));
    let spawner = programs.spawner.as_ref().ok_or_else(|| io::Error::from(Errno::ESRCH))?;
    spawner.give(&order.to_bytes(), &given)?;
    programs.running = Some(Running {
        question,
        streams: [Some(output.into()), Some(error.into())],
        report: report.into(),
        lifeline: Some(lifeline),
        told: Vec::new(),
        end: None,
        bytes: 0,
    });
    Ok(())
}

fn null() -> io::Result<OwnedFd> {
    Ok(open("/dev/null", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?)
}

/// A file without a name that has these bytes.
fn in_memory(bytes: &[u8]) -> io::Result<fs::File> {
    let mut file = fs::File::from(memfd_create("rex-order", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(bytes)?;
    Ok(file)
}

/// Where an interpreter finds what it interprets: the one descriptor that it has beyond the standard ones.
const SCRIPT: &str = "/proc/self/fd/3";
/// execve(2): 255 bytes of the first line count, since Linux 5.1.
const FIRST_LINE_BYTES: usize = 256;
/// What programs are used to.
const OPEN_FILES: u64 = 1024;
