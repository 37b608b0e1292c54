//! Executes an open file.
//!
//! # Policy
//! `file_system::execute` on the file, with everything that the program is given; for each value of a key that has several,
//! which Rex asks for the last one only. For a script the same of its interpreter, which Rex does not ask. A program that
//! becomes another user, and is given no group, gets that user's; a script of Rex is also asked about with the broker's,
//! which Rex leaves to the program.

use rex_ipc::action::file_system::Execute;
use rex_ipc::failure::ErrorKind;
use rex_ipc::limits::{MAX_PROGRAM_QUESTIONS, MAX_PROGRAM_TEXT_BYTES};
use rex_ipc::name;
use rex_ipc::program::BeginProgram;

use super::set_owner::{group_number, user_number};
use crate::gate::error::Error;
use crate::gate::{Act, Permit};
use crate::host::file_system::unguarded;
use crate::host::programs::object::{Executed, Interpreter};
use crate::host::programs::start::{self, As};
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;
use crate::ops::tool;
use crate::policy::Program;

impl Perform for BeginProgram {
    fn foresee(&self, _ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        let file = call.host.handles.file(self.file)?;
        let user = self.user.as_ref().map(user_number).transpose()?;
        let given = self.group.as_ref().map(group_number).transpose()?;
        let who = As {
            user,
            group: given.or_else(|| user.and_then(|user| group_of_other(call, user))),
            capabilities: self
                .capabilities
                .as_slice()
                .iter()
                .fold(0, |set, capability| set | 1 << capability.get()),
        };
        let name = file.origin.named.path.file_name().unwrap_or_default().to_owned();
        let program = described(&self, call, who, name.clone())?;
        let executed = |program| Executed { file: file.clone(), program };
        let permit = if call.is_rex_compat() && who.group != given {
            let of_rex = described(&self, call, As { group: given, ..who }, name)?;
            let permit = ask(call, choices(&of_rex)?, executed)?;
            for choice in choices(&program)? {
                call.authorize_beyond_rex::<Execute, _>(executed(choice))?;
            }
            permit
        } else {
            ask(call, choices(&program)?, executed)?
        };
        tool::can_be_started(call, &file)?;
        let tools = call.host.tools.clone();
        let failed = |error: std::io::Error| tool::not_started(&file, &error);
        match start::interpreter(&permit, &tools).map_err(failed)? {
            None => start::program(&permit, &mut call.host.programs, &tools, who).map_err(failed),
            Some(mut interpreter) => {
                // What it is told of is what it gets, whatever Rex would have asked.
                (interpreter.program.gid, interpreter.program.groupname) = (program.gid, program.groupname);
                let choices = choices(&interpreter.program)?;
                let interpreting = |program| interpreter.given(program);
                let second = ask_beyond_rex(call, choices, interpreting)?;
                start::script(&second, &permit, &mut call.host.programs, &tools, who).map_err(failed)
            }
        }
    }
}

/// The group that a program gets with a user which is not the broker's.
fn group_of_other(call: &Call<'_, BeginProgram>, user: u32) -> Option<u32> {
    if user == call.host.euid { None } else { unguarded::primary_group(user) }
}

/// What the policy is told of the program.
fn described(
    request: &BeginProgram,
    call: &mut Call<'_, BeginProgram>,
    who: As,
    program: String,
) -> Result<Program, Error> {
    let uid = who.user.unwrap_or(call.host.euid);
    let gid = who.group.unwrap_or(call.host.programs.gid);
    // Without a name there is no question that Cedar could be asked.
    let nameless = || Error::invalid(ErrorKind::AuthorizationError, "Authorization check failed");
    let text = |text: &rex_ipc::program::ProgramText| text.as_str().to_owned();
    // An escape may spell an ordinary byte. What the policy and the record are told is the text that the bytes have.
    let exact = |text: &rex_ipc::program::ProgramText| name::to_text(&name::to_bytes(text.as_str()));
    let arguments: Vec<(String, Option<String>)> = request
        .arguments
        .as_slice()
        .iter()
        .map(|argument| (exact(&argument.word), argument.value.as_ref().map(exact)))
        .collect();
    let environment: Vec<(String, String)> = request
        .environment
        .as_slice()
        .iter()
        .map(|variable| (text(&variable.name), text(&variable.value)))
        .collect();
    let lengths = arguments
        .iter()
        .map(|(word, value)| word.len() + value.as_ref().map_or(0, String::len))
        .chain(environment.iter().map(|(name, value)| name.len() + value.len()));
    let has_zero = arguments
        .iter()
        .flat_map(|(word, value)| [Some(word), value.as_ref()])
        .chain(environment.iter().flat_map(|(name, value)| [Some(name), Some(value)]))
        .flatten()
        .any(|text| text.contains('\0'));
    let is_named = environment.iter().all(|(name, _)| !name.is_empty() && !name.contains('='));
    // The jail says so in better words; here it is looked at because the jail may be lying.
    if lengths.sum::<usize>() > MAX_PROGRAM_TEXT_BYTES || has_zero || !is_named {
        return Err(Error::invalid(
            ErrorKind::InvalidArguments,
            "what the program is given is no list of arguments and variables",
        ));
    }
    Ok(Program {
        name: program,
        arguments,
        chosen: Vec::new(),
        environment,
        username: call.host.user_name(uid).ok_or_else(nameless)?,
        uid,
        groupname: call.host.group_name(gid).ok_or_else(nameless)?,
        gid,
        capabilities: request
            .capabilities
            .as_slice()
            .iter()
            .map(|capability| capability_name(capability.get()))
            .collect(),
    })
}

/// The program once for each question that there is about it. The last one is Rex's.
fn choices(program: &Program) -> Result<Vec<Program>, Error> {
    program.choices(MAX_PROGRAM_QUESTIONS).ok_or_else(|| {
        Error::invalid(
            ErrorKind::InvalidArguments,
            format!("the values of repeated keys make more than {MAX_PROGRAM_QUESTIONS} questions"),
        )
    })
}

fn ask<'req>(
    call: &mut Call<'req, BeginProgram>,
    mut choices: Vec<Program>,
    executed: impl Fn(Program) -> Executed,
) -> Result<Permit<'req, Execute, Executed>, Error> {
    let act = Act::Execute { children: call.host.programs.confinement.name() };
    let last = choices.pop().unwrap_or_default();
    for choice in choices {
        call.authorize_beyond_rex::<Execute, _>(executed(choice))?;
    }
    call.authorize_act::<Execute, _>(executed(last), act)
}

fn ask_beyond_rex<'req>(
    call: &mut Call<'req, BeginProgram>,
    mut choices: Vec<Program>,
    interpreting: impl Fn(Program) -> Interpreter,
) -> Result<Permit<'req, Execute, Interpreter>, Error> {
    let last = choices.pop().unwrap_or_default();
    for choice in choices {
        call.authorize_beyond_rex::<Execute, _>(interpreting(choice))?;
    }
    call.authorize_beyond_rex::<Execute, _>(interpreting(last))
}

/// The name of a capability, as capabilities(7) has it; newer ones have their number.
pub(in crate::ops) fn capability_name(number: u8) -> String {
    rex_ipc::program::CAPABILITY_NAMES
        .get(usize::from(number))
        .map_or_else(|| format!("CAP_{number}"), |name| (*name).to_owned())
}
