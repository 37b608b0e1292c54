//! Compiling and running the script, and what is said of how it ended.

use rex_ipc::control::{Arguments, EngineLimit, Outcome, Place, ScriptEnd};
use rhai::{AST, Dynamic, Engine, EvalAltResult, Position, Scope};

use crate::session::Session;
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
pub fn run(engine: &Engine, session: &Session, script: &str, arguments: Arguments) -> Ended {
    let mut scope = scope_of(arguments);
    let program = match compile(engine, &scope, script) {
        Ok(program) => program,
        Err(ended) => return ended,
    };
    let mut result = engine.eval_ast_with_scope::<Dynamic>(&mut scope, &program);
    // A script that was stopped inside a closure may have caught that and come to its end before the next operation.
    if let Some(token) = session.stop_token() {
        let position = result.as_ref().map_or_else(|error| error.position(), |_| Position::NONE);
        result = Err(EvalAltResult::ErrorTerminated(token, position).into());
    }
    match result {
        Ok(value) => Ended { text: value::output(engine, &value), outcome: DONE },
        Err(error) => Ended { text: error::message_of_run(&error), outcome: outcome_of(&error) },
    }
}

/// Compiles the script with the arguments in scope and executes nothing of it.
pub fn check(engine: &Engine, script: &str, arguments: Arguments) -> Ended {
    match compile(engine, &scope_of(arguments), script) {
        Ok(_) => Ended { text: String::new(), outcome: DONE },
        Err(ended) => ended,
    }
}

fn scope_of(arguments: Arguments) -> Scope<'static> {
    let mut scope = Scope::new();
    for (name, argument) in arguments.values {
        scope.push_dynamic(name, value::argument(argument));
    }
    scope
}

fn compile(engine: &Engine, scope: &Scope<'_>, script: &str) -> Result<AST, Ended> {
    engine.compile_with_scope(scope, script).map_err(|reason| {
        let error = EvalAltResult::from(reason);
        let outcome =
            Outcome { end: ScriptEnd::CompileError, ended_by: None, place: place(error.position()) };
        Ended { text: error.to_string(), outcome }
    })
}

fn place(position: Position) -> Option<Place> {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Some(Place { line: number(position.line()?), column: number(position.position().unwrap_or(0)) })
}

fn outcome_of(error: &EvalAltResult) -> Outcome {
    let end = match error.unwrap_inner() {
        EvalAltResult::ErrorTooManyOperations(..) => ScriptEnd::Limit(EngineLimit::Operations),
        EvalAltResult::ErrorTerminated(token, _) if token.is::<error::OutOfOperations>() => {
            ScriptEnd::Limit(EngineLimit::Operations)
        }
        EvalAltResult::ErrorDataTooLarge(..) => ScriptEnd::Limit(EngineLimit::DataSize),
        EvalAltResult::ErrorTooManyVariables(..) => ScriptEnd::Limit(EngineLimit::Variables),
        _ => ScriptEnd::Error,
    };
    let place = place(error.unwrap_inner().position()).or_else(|| place(error.position()));
    Outcome { end, ended_by: error::request_behind(error), place }
}

const DONE: Outcome = Outcome { end: ScriptEnd::Value, ended_by: None, place: None };

#[cfg(test)]
mod tests {
    use rex_ipc::control::{Argument, Arguments};

    use crate::testing::{Bench, FIRST};

    // The table of output texts: strings bare at the top and quoted inside, unit empty at the top.
    #[test]
    fn values_become_the_text_of_the_output() {
        for (script, text) in [
            (r#""a""#, "a"),
            ("'c'", "c"),
            ("42", "42"),
            ("true", "true"),
            ("1.0", "1.0"),
            ("0.1 + 0.2", "0.30000000000000004"),
            ("1e20", "1e20"),
            ("1e-14", "1e-14"),
            ("[1e-7]", "[1e-7]"),
            ("[1.0 / 0.0, -1.0 / 0.0, 0.0 / 0.0]", "[inf, -inf, NaN]"),
            ("let x = 1;", ""),
            (r#"[1, "x", 'c', ()]"#, r#"[1, "x", 'c', ()]"#),
            (r##"#{ z: 1, "a b": [#{}], m: "t" }"##, r##"#{"a b": [#{}], "m": "t", "z": 1}"##),
            ("0..3", "0..3"),
            ("blob(3, 7)", "[070707]"),
            ("[blob(3, 7)]", "[[070707]]"),
            ("fn f() {} Fn(\"f\")", "Fn(f)"),
            ("timestamp()", "<timestamp>"),
            ("[timestamp()]", "[<timestamp>]"),
            ("from_epoch_seconds(0)", "rust_sdk_common_utils::types::datetime::DateTime"),
            ("if true { return [1, 2]; } 3", "[1, 2]"),
            ("exit(7); 8", "7"),
        ] {
            assert_eq!(Bench::new().output(script), text, "{script}");
        }
    }

    #[test]
    fn errors_become_messages_in_the_known_forms() {
        for (script, text) in [
            (r#"throw "bad""#, "Runtime error: bad (line 1, position 1) (line 1, position 1)"),
            ("throw", "Runtime error (line 1, position 1) (line 1, position 1)"),
            ("throw 42", "Runtime error: 42 (line 1, position 1) (line 1, position 1)"),
            ("throw [1, 2]", "Runtime error: [1, 2] (line 1, position 1) (line 1, position 1)"),
            ("throw #{}", "Unknown: Unknown: No message available (line 1, position 1)"),
            (
                r#"throw #{source: "Mine", kind: "text", message: "m"}"#,
                "Mine: Unknown: m (line 1, position 1)",
            ),
            ("let n = 0;\nn / n", "Division by zero: 0 / 0 (line 2, position 3)"),
            ("info(5)", "Function not found: info (i64) (line 1, position 1)"),
            (
                r#""a" - 1"#,
                "Function not found: - (&str | ImmutableString | String, i64) (line 1, position 5)",
            ),
            (
                r#"fn f() { throw "x" } f()"#,
                "Runtime error: x (line 1, position 10)\nin call to function 'f' (line 1, position 22)",
            ),
            (
                r#"fn f() { cat("/gone") } f()"#,
                "IoErrorKind: IoError: No such file or directory (os error 2) (line 1, position 10)\nin call to function \
                 'f' (line 1, position 25)",
            ),
            (
                r##"fn f() { throw #{kind: "mine"} } f()"##,
                "Runtime error: #{\"kind\": \"mine\"} (line 1, position 10)\nin call to function 'f' (line 1, position 34)",
            ),
        ] {
            assert_eq!(Bench::new().failure(script), text, "{script}");
        }
    }

    #[test]
    fn arguments_are_variables_of_the_top_level() {
        let mut bench = Bench::new();
        bench.arguments = Arguments {
            values: vec![
                ("n".into(), Argument::Integer(40)),
                ("l".into(), Argument::List(vec![Argument::Text("a".into()), Argument::Float(1.5)])),
                ("m".into(), Argument::Map(vec![("k".into(), Argument::Bool(true))])),
                ("a-b".into(), Argument::Integer(0)),
            ],
        };

        assert_eq!(bench.output("n += 2; [n, l, m]"), r##"[42, ["a", 1.5], #{"k": true}]"##);
        assert_eq!(
            bench.failure("fn f() { n }\nf()"),
            "Variable not found: n (line 1, position 10)\nin call to function 'f' (line 2, position 1)"
        );
    }

    #[test]
    fn an_error_has_the_place_where_it_arose() {
        let place = |script: &str| {
            let outcome = Bench::new().run(script).outcome;
            outcome.place.map(|place| (place.line, place.column))
        };

        assert_eq!(place("1"), None);
        assert_eq!(place("let x = 1;\n  y + x"), Some((2, 3)));
        assert_eq!(place("let n = 0;\nn / n"), Some((2, 3)));
        assert_eq!(place("\n throw 1"), Some((2, 2)));
        assert_eq!(place("fn f() {\n 1 / 0\n}\nf()"), Some((2, 4)));
        assert_eq!(place("let s = `é${1/0}`;"), Some((1, 14)));
    }

    #[test]
    fn a_check_compiles_and_executes_nothing() {
        let check = |script: &str| super::check(&rhai::Engine::new_raw(), script, Arguments::default());

        let fine = check("throw 1");
        assert_eq!((fine.text.as_str(), fine.outcome), ("", super::DONE));
        let broken = check("let x = 1;\nx +");
        assert_eq!(broken.outcome.end, super::ScriptEnd::CompileError);
        assert_eq!(broken.outcome.place.map(|place| place.line), Some(2));
    }

    #[test]
    fn a_rethrown_failure_still_names_its_request_and_another_error_does_not() {
        let bench = || Bench::new().file("/d/a", "").denying("open", "/d");
        let ended_by = |script: &str| bench().run(script).outcome.ended_by;

        assert_eq!(ended_by(r#"cat("/d/a")"#), Some(FIRST));
        assert_eq!(ended_by(r#"try { cat("/d/a") } catch (e) { throw e }"#), Some(FIRST));
        assert_eq!(ended_by(r#"fn f() { cat("/d/a") } f()"#), Some(FIRST));
        assert_eq!(ended_by(r#"[1].map(|x| cat("/d/a"))"#), Some(FIRST));
        assert_eq!(ended_by(r#"try { cat("/d/a") } catch (e) { throw e.message }"#), None);
        assert_eq!(ended_by(r#"try { cat("/d/a") } catch (e) { throw "Permission denied" }"#), None);
        assert_eq!(ended_by(r#"try { cat("/d/a") } catch (e) { e.message = "other"; throw e }"#), None);
        assert_eq!(ended_by(r#"try { cat("/d/a") } catch (e) { } 1 / 0"#), None);
    }
}
