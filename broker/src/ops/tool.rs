//! How a program of the host is started that does the work of a function.

use std::rc::Rc;

use rex_ipc::action::file_system::Execute;
use rex_ipc::action::process_system::Trace;
use rex_ipc::failure::ErrorKind;
use rex_ipc::interface::Needs;

use super::call::Call;
use super::file_system::begin_program::capability_name;
use crate::gate::error::Error;
use crate::gate::{Act, Permit};
use crate::host::file_system::object::File;
use crate::host::process_system::object::Process;
use crate::host::programs::object::{Executed, Tool};
use crate::host::programs::start::{self, As, Over};
use crate::host::programs::unguarded;
use crate::policy::Program;

/// What the program is given. It gets no variables, and stays what the broker is.
pub(super) struct Given {
    /// The words after its name.
    pub(super) arguments: Vec<String>,
    /// The capabilities that it could use, one bit for each. It gets those that the broker has.
    pub(super) capabilities: u64,
}

/// Asks for `execute` of the program, of which a script of Rex is asked for the forbids only, and starts it.
///
/// # Errors
/// `Denied`; `InvalidFileMode` for a file that was opened for writing; `Other` where nothing starts programs; `IoError` where
/// the file is not the program, or cannot be started.
pub(super) fn begin<O: Needs<Execute>>(
    call: &mut Call<'_, O>,
    tool: Tool,
    file: Rc<File>,
    given: Given,
    over: Over<'_, '_>,
) -> Result<(), Error> {
    let who = As { capabilities: given.capabilities & unguarded::own_capabilities(), ..As::default() };
    let executed = Executed { program: described(call, &file, &given, who)?, file: Rc::clone(&file) };
    let permit = if call.is_rex_compat() {
        call.authorize_beyond_rex::<Execute, _>(executed)?
    } else {
        let children = tool.confinement(call.host.programs.confinement).name();
        call.authorize_act::<Execute, _>(executed, Act::Execute { children })?
    };
    can_be_started(call, &file)?;
    let tools = call.host.tools.clone();
    start::tool(&permit, over, &mut call.host.programs, &tools, tool, who)
        .map_err(|error| not_started(&file, &error))
}

/// Asks for the forbids of `execute` of a script of the host and of the debugger that does its work, and starts that.
///
/// # Errors
/// As [`begin`].
pub(super) fn begin_for_script<O: Needs<Execute>>(
    call: &mut Call<'_, O>,
    script: Rc<File>,
    of_script: Given,
    of_debugger: Given,
    traced: &Permit<'_, Trace, Rc<Process>>,
) -> Result<(), Error> {
    let who = As::default();
    let executed = Executed { program: described(call, &script, &of_script, who)?, file: Rc::clone(&script) };
    let mut program = described(call, &script, &of_debugger, who)?;
    DEBUGGER.clone_into(&mut program.name);
    let asked = call.authorize_beyond_rex::<Execute, _>(executed)?;
    can_be_started(call, &script)?;
    let debugger = start::debugger_of(&asked, program).map_err(|error| not_started(&script, &error))?;
    let permit = call.authorize_beyond_rex::<Execute, _>(debugger)?;
    start::tool_of_script(&permit, &asked, traced, &mut call.host.programs, who)
        .map_err(|error| not_started(&script, &error))
}

/// Whether an open file, which may be executed, could be started.
///
/// # Errors
/// `InvalidFileMode` for a file that was opened for writing; `Other` where nothing starts programs.
pub(super) fn can_be_started<O>(call: &Call<'_, O>, file: &File) -> Result<(), Error> {
    if file.writable {
        let message = format!(
            "Attempted to execute a file opened with write permissions. Files must be opened read-only for execution.: {}",
            file.name
        );
        return Err(Error::invalid(ErrorKind::InvalidFileMode, message));
    }
    if call.host.programs.spawner.is_none() {
        let message = format!("cannot execute {}: what starts programs is not there", file.name);
        return Err(Error::invalid(ErrorKind::Other, message));
    }
    Ok(())
}

/// What is said of a program that could not be started.
pub(super) fn not_started(file: &File, error: &std::io::Error) -> Error {
    Error::Failed {
        kind: ErrorKind::IoError,
        message: format!("cannot execute {}: {error}", file.name),
        errno: error.raw_os_error(),
    }
}

/// What the policy is told of the program.
fn described<O>(call: &mut Call<'_, O>, file: &File, given: &Given, who: As) -> Result<Program, Error> {
    // Without a name there is no question that Cedar could be asked.
    let nameless = || Error::invalid(ErrorKind::AuthorizationError, "Authorization check failed");
    let (uid, gid) = (call.host.euid, call.host.programs.gid);
    let numbers = (0..u64::BITS as u8).filter(|number| who.capabilities & (1 << number) != 0);
    Ok(Program {
        name: file.origin.named.path.file_name().unwrap_or_default().to_owned(),
        arguments: given.arguments.iter().map(|word| (word.clone(), None)).collect(),
        chosen: Vec::new(),
        environment: Vec::new(),
        username: call.host.user_name(uid).ok_or_else(nameless)?,
        uid,
        groupname: call.host.group_name(gid).ok_or_else(nameless)?,
        gid,
        capabilities: numbers.map(capability_name).collect(),
    })
}

/// What gdb is called where it does the work of a script.
const DEBUGGER: &str = "gdb";
