//! Compiling and running the script, and what is said of how it ended.

use rex_ipc::control::{Arguments, EngineLimit, Outcome, ScriptEnd};
use rhai::{Dynamic, Engine, EvalAltResult, Scope};

use crate::{error, value};

/// The text for the result document, and how the script ended.
#[derive(Debug)]
pub struct Ended {
    /// The output, or the message of the error.
    pub text: String,
    /// How.
    pub outcome: Outcome,
}

/// Compiles the script with the arguments in scope and runs it.
pub fn run(engine: &Engine, script: &str, arguments: Arguments) -> Ended {
    let mut scope = Scope::new();
    for (name, argument) in arguments.values {
        scope.push_dynamic(name, value::argument(argument));
    }
    let program = match engine.compile_with_scope(&scope, script) {
        Ok(program) => program,
        Err(reason) => {
            let error = EvalAltResult::from(reason);
            return Ended {
                text: error.to_string(),
                outcome: Outcome { end: ScriptEnd::CompileError, ended_by: None },
            };
        }
    };
    let result = engine.eval_ast_with_scope::<Dynamic>(&mut scope, &program);
    match result {
        Ok(value) => {
            Ended { text: value.to_string(), outcome: Outcome { end: ScriptEnd::Value, ended_by: None } }
        }
        Err(error) => Ended { text: error::message_of_run(&error), outcome: outcome_of(&error) },
    }
}

fn outcome_of(error: &EvalAltResult) -> Outcome {
    let end = match error.unwrap_inner() {
        EvalAltResult::ErrorTooManyOperations(..) => ScriptEnd::Limit(EngineLimit::Operations),
        EvalAltResult::ErrorDataTooLarge(..) | EvalAltResult::ErrorTooManyVariables(..) => {
            ScriptEnd::Limit(EngineLimit::DataSize)
        }
        _ => ScriptEnd::Error,
    };
    Outcome { end, ended_by: error::request_behind(error) }
}
