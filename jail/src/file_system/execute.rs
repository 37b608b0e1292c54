//! Executing an open file: what it is given, and what comes back.

use rex_ipc::bounded::{List, Text};
use rex_ipc::failure::{ErrorKind, FailureClass};
use rex_ipc::limits::MAX_PROGRAM_TEXT_BYTES;
use rex_ipc::program::{
    BeginProgram, CAPABILITY_NAMES, Capability, ProgramArgument, ProgramEnd, ProgramText, ProgramVariable,
    ReadProgram,
};
use rhai::{Array, Dynamic, INT, ImmutableString, Map, NativeCallContext};

use super::file::FileHandle;
use super::options::Builder;
use crate::error::{Failed, Fallible, TooLarge, io_error, text_error, too_large};
use crate::limits::string_limit;
use crate::session::Session;
use crate::value;

/// What a program is given, and who it is.
#[derive(Clone, Debug, Default)]
pub struct ExecuteOptions {
    arguments: Vec<(ImmutableString, Option<ImmutableString>)>,
    environment: Vec<(ImmutableString, ImmutableString)>,
    capabilities: Vec<Capability>,
    /// The user it becomes.
    pub user: Option<ImmutableString>,
    /// The group it becomes.
    pub group: Option<ImmutableString>,
    /// The namespaces it joins.
    pub namespace: Option<ChildNamespaceOptions>,
}

/// Whose namespaces a program joins.
#[derive(Clone, Debug, Default)]
pub struct ChildNamespaceOptions {
    /// The process.
    pub target_process: Option<INT>,
}

/// What a program has written, and how it has ended.
#[derive(Clone, Debug)]
pub struct ExecuteResult {
    /// Its standard output; bytes that are no UTF-8 are U+FFFD.
    pub stdout: ImmutableString,
    /// Its standard error, likewise.
    pub stderr: ImmutableString,
    /// Its status, or a signal as a negative number.
    pub exit_code: INT,
}

impl Builder<ExecuteOptions> {
    /// Sets the arguments: words, and arrays of a key with its value.
    ///
    /// # Errors
    /// A text, for anything else.
    pub fn set_arguments(&mut self, given: &Array) -> Fallible<()> {
        self.0.arguments.clear();
        for (index, argument) in given.iter().enumerate() {
            if let Ok(word) = argument.clone().into_immutable_string() {
                self.0.arguments.push((word, None));
                continue;
            }
            let Ok(pair) = argument.clone().into_array() else {
                return Err(text_error(format!("Argument at index {index} must be a string or an array")));
            };
            let text = |part: &Dynamic, what: &str| {
                let text = part.clone().into_immutable_string();
                text.map_err(|_| text_error(format!("Argument {what} must be a string")))
            };
            match pair.as_slice() {
                [] => return Err(text_error(format!("Argument array at index {index} cannot be empty"))),
                [key] => self.0.arguments.push((text(key, "key")?, None)),
                [key, value] => self.0.arguments.push((text(key, "key")?, Some(text(value, "value")?))),
                _ => {
                    let message = format!("Argument array at index {index} cannot have more than 2 elements");
                    return Err(text_error(message));
                }
            }
        }
        Ok(())
    }

    /// Sets the variables, all of them.
    ///
    /// # Errors
    /// A text, for a value that is no text.
    pub fn set_environment(&mut self, given: &Map) -> Fallible<()> {
        self.0.environment.clear();
        for (name, value) in given {
            let text = value.clone().into_immutable_string().map_err(|_| {
                text_error(format!("Environment variable value for key '{name}' must be a string"))
            })?;
            self.0.environment.push((name.as_str().into(), text));
        }
        Ok(())
    }

    /// Sets the capabilities, by name.
    ///
    /// # Errors
    /// A text, for what is no name of one.
    pub fn set_capabilities(&mut self, given: &Array) -> Fallible<()> {
        self.0.capabilities.clear();
        for (index, name) in given.iter().enumerate() {
            let name = name
                .clone()
                .into_immutable_string()
                .map_err(|_| text_error(format!("Capability at index {index} must be a string")))?;
            let number = CAPABILITY_NAMES.iter().position(|known| *known == name.as_str());
            let capability = number.and_then(|number| Capability::new(u8::try_from(number).ok()?));
            let capability =
                capability.ok_or_else(|| text_error(format!("Invalid capability format: '{name}'")))?;
            if !self.0.capabilities.contains(&capability) {
                self.0.capabilities.push(capability);
            }
        }
        Ok(())
    }

    /// The finished options.
    ///
    /// # Errors
    /// A text, for keys, values and variables that are empty.
    pub fn build(&mut self) -> Fallible<ExecuteOptions> {
        for (index, (word, value)) in self.0.arguments.iter().enumerate() {
            let wrong = match value {
                _ if word.is_empty() => format!("Argument key at index {index} cannot be empty"),
                Some(value) if value.is_empty() => {
                    format!("Argument value for key '{word}' at index {index} cannot be empty")
                }
                _ => continue,
            };
            return Err(text_error(format!("Validation error: {wrong}")));
        }
        for (index, (name, value)) in self.0.environment.iter().enumerate() {
            if name.is_empty() || value.is_empty() {
                let message = format!(
                    "Validation error: Environment variable at index {index} should have non-empty key and value"
                );
                return Err(text_error(message));
            }
        }
        Ok(self.0.clone())
    }
}

impl Builder<ChildNamespaceOptions> {
    /// The finished options.
    ///
    /// # Errors
    /// A text, when no process was named.
    pub fn build(&mut self) -> Fallible<ChildNamespaceOptions> {
        match self.0.target_process {
            Some(_) => Ok(self.0.clone()),
            None => Err(text_error("Validation error: target_process is required")),
        }
    }
}

impl FileHandle {
    /// Executes it, and waits until it has ended.
    ///
    /// # Errors
    /// `UnsupportedOperationError` for the namespaces of another process; `InvalidArguments` for more than a program can be
    /// given; the broker's failures; the limit on strings.
    pub fn execute(&self, context: &NativeCallContext, options: &ExecuteOptions) -> Fallible<ExecuteResult> {
        if options.namespace.is_some() {
            let message = "programs cannot be executed in the namespaces of another process in this version";
            return Err(io_error(ErrorKind::UnsupportedOperationError, message));
        }
        let session = Session::of(context);
        let line = value::line(context);
        let request = request(self, options)?;
        let outcome = session.ask(line, request).and_then(|()| collected(&session, line));
        match outcome {
            Ok(result) => result,
            Err(failed) => as_rex(&session, failed),
        }
    }
}

/// What the broker is asked for.
fn request(file: &FileHandle, options: &ExecuteOptions) -> Fallible<BeginProgram> {
    let text = |text: &str| ProgramText::new(text).ok_or_else(too_much);
    let pair = |(word, value): &(ImmutableString, Option<ImmutableString>)| {
        let value = value.as_deref().map(text).transpose()?;
        Ok(ProgramArgument { word: text(word)?, value })
    };
    let variable = |(name, value): &(ImmutableString, ImmutableString)| {
        Ok(ProgramVariable { name: text(name)?, value: text(value)? })
    };
    let arguments = options.arguments.iter().map(pair).collect::<Fallible<Vec<_>>>()?;
    let environment = options.environment.iter().map(variable).collect::<Fallible<Vec<_>>>()?;
    let lengths = options
        .arguments
        .iter()
        .map(|(word, value)| word.len() + value.as_ref().map_or(0, |value| value.len()))
        .chain(options.environment.iter().map(|(name, value)| name.len() + value.len()));
    if lengths.sum::<usize>() > MAX_PROGRAM_TEXT_BYTES {
        return Err(too_much());
    }
    let identity = |name: &Option<ImmutableString>| {
        name.as_ref().map(|name| Text::new(name.as_str()).ok_or_else(too_much)).transpose()
    };
    Ok(BeginProgram {
        file: file.id(),
        arguments: List::new(arguments).ok_or_else(too_much)?,
        environment: List::new(environment).ok_or_else(too_much)?,
        user: identity(&options.user)?,
        group: identity(&options.group)?,
        capabilities: List::new(options.capabilities.clone()).ok_or_else(too_much)?,
    })
}

fn too_much() -> Box<rhai::EvalAltResult> {
    let message = format!("a program can be given {MAX_PROGRAM_TEXT_BYTES} bytes of arguments and variables");
    io_error(ErrorKind::InvalidArguments, message)
}

/// Everything that the program writes which was begun last, and its end.
///
/// # Errors
/// The broker's failures; within, the limit on strings.
pub fn collected(session: &Session, line: u32) -> Result<Fallible<ExecuteResult>, Failed> {
    let most = string_limit(session);
    let (mut output, mut error) = (Vec::new(), Vec::new());
    loop {
        let read = session.ask(line, ReadProgram {})?;
        output.extend_from_slice(read.output.as_slice());
        error.extend_from_slice(read.error.as_slice());
        // What is left of the program ends with the next one, and with the run.
        if output.len().max(error.len()) > most {
            return Ok(Err(too_large(TooLarge::Text)));
        }
        let Some(end) = read.end else { continue };
        let text = |bytes: &[u8]| ImmutableString::from(String::from_utf8_lossy(bytes).into_owned());
        let exit_code = match end {
            ProgramEnd::Exited { status } => INT::from(status),
            ProgramEnd::Signaled { signal } => -INT::from(signal),
        };
        return Ok(Ok(ExecuteResult { stdout: text(&output), stderr: text(&error), exit_code }));
    }
}

/// A program that could not be executed is one that has failed, for Rex.
fn as_rex(session: &Session, failed: Failed) -> Fallible<ExecuteResult> {
    let errno = match failed.failure.class {
        FailureClass::System { errno } if session.is_rex_compat() => errno,
        _ => return Err(failed.into()),
    };
    let name = match errno {
        EACCES => "EACCES: Permission denied".to_owned(),
        ENOEXEC => "ENOEXEC: Exec format error".to_owned(),
        other => format!("errno {other}"),
    };
    Ok(ExecuteResult {
        stdout: ImmutableString::new(),
        stderr: format!("fexecve failed: {name}\n").into(),
        exit_code: 1,
    })
}

/// errno(3).
const ENOEXEC: u16 = 8;
const EACCES: u16 = 13;

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    #[test]
    fn what_is_no_argument_variable_or_capability_is_refused_where_it_is_set() {
        for (options, message) in [
            ("args([1])", "Argument at index 0 must be a string or an array"),
            ("args([[]])", "Argument array at index 0 cannot be empty"),
            ("args([[\"a\", \"b\", \"c\"]])", "Argument array at index 0 cannot have more than 2 elements"),
            ("args([[1]])", "Argument key must be a string"),
            ("args([[\"a\", 1]])", "Argument value must be a string"),
            ("args([\"\"]).build()", "Validation error: Argument key at index 0 cannot be empty"),
            (
                "args([\"x\", [\"a\", \"\"]]).build()",
                "Validation error: Argument value for key 'a' at index 1 cannot be empty",
            ),
            ("env(#{ A: 1 })", "Environment variable value for key 'A' must be a string"),
            (
                "env(#{ A: \"\" }).build()",
                "Validation error: Environment variable at index 0 should have non-empty key and value",
            ),
            ("capabilities([1])", "Capability at index 0 must be a string"),
            ("capabilities([\"NET_ADMIN\"])", "Invalid capability format: 'NET_ADMIN'"),
        ] {
            let script =
                format!("let r = \"\"; try {{ ExecuteOptions().{options} }} catch (e) {{ r = e }} r");

            assert_eq!(Bench::new().output(&script), message, "{options}");
        }
    }
}
