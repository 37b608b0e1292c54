//! Has gdb look into a core dump.
//!
//! # Policy
//! `file_system::read` on the program and on what it has left; `file_system::execute` on the debugger, with everything that it is
//! given, which Rex does not ask.

use rex_ipc::action::file_system::Read;
use rex_ipc::failure::ErrorKind;
use rex_ipc::program::{BeginAnalysis, MARK, Wanted};

use super::read_chunk::not_readable;
use crate::gate::error::Error;
use crate::host::programs::object::Tool;
use crate::host::programs::start::Over;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;
use crate::ops::tool::{self, Given};

impl Perform for BeginAnalysis {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        for id in [self.program, self.core] {
            let file = ahead.file(id)?.real;
            ahead.ask::<Read>(&file);
        }
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        let given = Given { arguments: arguments(&self.wanted)?, capabilities: 0 };
        let debugger = call.host.handles.file(self.debugger)?;
        let (program, core) = (call.host.handles.file(self.program)?, call.host.handles.file(self.core)?);
        let program = call.authorize::<Read, _>(program)?;
        let core = call.authorize::<Read, _>(core)?;
        for file in [program.resource(), core.resource()] {
            if !file.readable {
                return Err(not_readable(file));
            }
        }
        tool::begin(call, Tool::Debugger, debugger, given, Over::Files(&[program, core]))
    }
}

/// What the debugger is given. It reads no file of commands, loads no script and no symbols from elsewhere, and shows no line of
/// a source, whose path the program says.
///
/// # Errors
/// `InvalidArguments` for what is no name of a variable.
pub(in crate::ops) fn arguments(wanted: &Wanted) -> Result<Vec<String>, Error> {
    let mut arguments: Vec<String> = ["-nx", "-batch"].map(str::to_owned).into();
    let mut add = |option: &str, command: String| arguments.extend([option.to_owned(), command]);
    for setting in SETTINGS {
        add("-iex", setting.to_owned());
    }
    match wanted {
        Wanted::Backtrace => {
            add("-ex", format!("echo {MARK}0\\n"));
            add("-ex", "thread apply all -s backtrace".to_owned());
        }
        Wanted::Variables { thread, frame, names } => {
            if let Some(thread) = thread {
                add("-ex", format!("thread {thread}"));
            }
            add("-ex", format!("frame {frame}"));
            for (index, name) in names.as_slice().iter().enumerate() {
                // gdb calls functions and starts programs for what is an expression.
                if !is_variable(name.as_str()) {
                    let message = format!(
                        "{name} is no name of a variable: such a name is `name`, `scope::name`, with members and indices, as in `list[3].next->size`"
                    );
                    return Err(Error::invalid(ErrorKind::InvalidArguments, message));
                }
                add("-ex", format!("echo {MARK}{index}\\n"));
                add("-ex", format!("print {name}"));
            }
            add("-ex", format!("echo {MARK}{}\\n", names.as_slice().len()));
        }
    }
    arguments.extend(["/proc/self/fd/3", "/proc/self/fd/4"].map(str::to_owned));
    Ok(arguments)
}

/// Whether this is a name of a variable, with members and indices, and nothing that a debugger would calculate, call or start:
/// `name`, `scope::name`, `list[3].next->size`.
fn is_variable(text: &str) -> bool {
    let Some(mut rest) = without_name(text.strip_prefix("::").unwrap_or(text)) else { return false };
    loop {
        let next = if let Some(scoped) = rest.strip_prefix("::") {
            without_name(scoped)
        } else if let Some(member) = rest.strip_prefix("->").or_else(|| rest.strip_prefix('.')) {
            without_name(member)
        } else if let Some(index) = rest.strip_prefix('[') {
            let end = index.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(index.len());
            index
                .get(end..)
                .filter(|_| (1..=MAX_INDEX_DIGITS).contains(&end))
                .and_then(|rest| rest.strip_prefix(']'))
        } else {
            return rest.is_empty();
        };
        match next {
            Some(next) => rest = next,
            None => return false,
        }
    }
}

/// What follows a plain name; nothing where there is none.
fn without_name(text: &str) -> Option<&str> {
    let end = text.find(|part: char| !part.is_ascii_alphanumeric() && part != '_').unwrap_or(text.len());
    let begins = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if begins { text.get(end..) } else { None }
}

/// As they come before anything is read.
const SETTINGS: [&str; 4] = [
    "set auto-load off",
    "set debuginfod enabled off",
    "set print frame-info location",
    "set backtrace limit 10000",
];
/// Of an index.
const MAX_INDEX_DIGITS: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_variables_and_expressions_are_none() {
        for name in ["a", "_", "a1", "::a", "a::b::c", "a.b->c[0][17].d", "a[1234567890]", "operator_"] {
            assert!(is_variable(name), "{name}");
        }
        for other in [
            "",
            "1",
            "1a",
            "$a",
            "$_shell",
            "a b",
            " a",
            "a ",
            "a()",
            "(a)",
            "a+b",
            "*a",
            "&a",
            "-a",
            "a@2",
            "a=1",
            "a,b",
            "a.",
            "a->",
            "a::",
            "::",
            "a[",
            "a[]",
            "a[-1]",
            "a[b]",
            "a[0",
            "a[12345678901]",
            "a.1",
            "a\nb",
            "a\0",
            "'a'",
            "\"a\"",
            "/x",
            "a/x",
            "{int}a",
            "é",
            "aé",
            "a..b",
            "a:b",
            "a->->b",
            "!ls",
            "|ls",
        ] {
            assert!(!is_variable(other), "{other:?}");
        }
    }
}
