//! Compiling and running the script, and what is said of how it ended.

use std::borrow::Cow;

use rex_ipc::bounded::List;
use rex_ipc::control::{Arguments, EngineLimit, Outcome, Place, Remark, ScriptEnd};
use rhai::{AST, Dynamic, Engine, EvalAltResult, OptimizationLevel, Position, Scope};

use crate::engine::Ready;
use crate::error::Exited;
use crate::session::Session;
use crate::source::{self, place};
use crate::{calls, doubts, error, log, parsed, value};

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
    let script = text_for(session, script);
    let program = match compile(engine, session, &scope, &script) {
        Ok(program) => program,
        Err(ended) => return ended,
    };
    let mut result = engine.eval_ast_with_scope::<Dynamic>(&mut scope, &program);
    // A script that was stopped inside a closure may have caught that and come to its end before the next operation.
    if let Some(token) = session.stop_token() {
        let position = result.as_ref().map_or_else(|error| error.position(), |_| Position::NONE);
        result = match token.try_cast_result::<Exited>() {
            Ok(Exited(value)) => Ok(value),
            Err(token) => Err(EvalAltResult::ErrorTerminated(token, position).into()),
        };
    }
    tell_refused(session);
    match result {
        Ok(value) => Ended { text: value::output(engine, &value), outcome: done(Vec::new()) },
        Err(error) => Ended {
            text: error::message_of_run(
                |value| value::output(engine, value),
                session.is_rex_compat(),
                &error,
            ),
            outcome: outcome_of(&error, session, &program),
        },
    }
}

/// Says in the log, in one line for the whole run, what walks have passed over because the system refused it. Rex says nothing.
fn tell_refused(session: &Session) {
    let is_ended = session.stop_token().is_some_and(|token| token.is::<error::Termination>());
    let Some((entries, first)) = session.take_refused().filter(|_| !is_ended && !session.is_rex_compat())
    else {
        return;
    };
    let text = match entries {
        1 => format!("1 entry could not be looked at and was passed over: {}", first.reason),
        many => {
            format!("{many} entries could not be looked at and were passed over, the first: {}", first.reason)
        }
    };
    // The broker fails no log line but by ending the run.
    let _ = log::warn(session, first.line, &first.function, &text);
}

/// Compiles the script with the arguments in scope, executes nothing of it, and says what is doubtful in it.
pub fn check(ready: &mut Ready, session: &Session, script: &str, arguments: Arguments) -> Ended {
    let script = text_for(session, script);
    let scope = scope_of(arguments);
    match compile(&ready.engine, session, &scope, &script) {
        Ok(optimized) => {
            // The optimizer replaces what is always the same by its value, and of that nothing could be said.
            ready.engine.set_optimization_level(OptimizationLevel::None);
            let program = ready.engine.compile_with_scope(&scope, &*script).unwrap_or(optimized);
            ready.engine.set_optimization_level(OptimizationLevel::default());
            let unresolved = calls::unresolved(&ready.engine, &program);
            let remarks = doubts::find(&ready.engine, &ready.entries, &program, &script, &unresolved);
            match unresolved.missing.into_iter().next() {
                None => Ended { text: String::new(), outcome: done(remarks) },
                Some((name, at)) => {
                    let mut ended =
                        refused(EvalAltResult::ErrorFunctionNotFound(name, at).to_string(), place(at));
                    ended.outcome.remarks = List::new(remarks).unwrap_or_default();
                    ended
                }
            }
        }
        Err(ended) => ended,
    }
}

/// Rex gives the text to the engine as it is.
fn text_for<'s>(session: &Session, script: &'s str) -> Cow<'s, str> {
    if session.is_rex_compat() { Cow::Borrowed(script) } else { Cow::Owned(source::readable(script)) }
}

fn scope_of(arguments: Arguments) -> Scope<'static> {
    let mut scope = Scope::new();
    for (name, argument) in arguments.values {
        scope.push_dynamic(name, value::argument(argument));
    }
    scope
}

fn compile(engine: &Engine, session: &Session, scope: &Scope<'_>, script: &str) -> Result<AST, Ended> {
    if !session.is_rex_compat() {
        source::check(engine, script).map_err(|misread| refused(misread.message(), Some(misread.place)))?;
    }
    let program = engine.compile_with_scope(scope, script).map_err(|reason| {
        let error = EvalAltResult::from(reason);
        refused(error.to_string(), place(error.position()))
    })?;
    match parsed::assignment_into_constant(&program, script) {
        Some(misread) => Err(refused(misread.message(), Some(misread.place))),
        None => Ok(program),
    }
}

fn refused(text: String, place: Option<Place>) -> Ended {
    let end = ScriptEnd::CompileError;
    Ended { text, outcome: Outcome { end, ended_by: None, place, remarks: List::default() } }
}

fn outcome_of(error: &EvalAltResult, session: &Session, program: &AST) -> Outcome {
    let end = match error.unwrap_inner() {
        EvalAltResult::ErrorTooManyOperations(..) => ScriptEnd::Limit(EngineLimit::Operations),
        EvalAltResult::ErrorTerminated(token, _) if token.is::<error::OutOfOperations>() => {
            ScriptEnd::Limit(EngineLimit::Operations)
        }
        EvalAltResult::ErrorDataTooLarge(..) => ScriptEnd::Limit(EngineLimit::DataSize),
        EvalAltResult::ErrorTooManyVariables(..) => ScriptEnd::Limit(EngineLimit::Variables),
        _ => ScriptEnd::Error,
    };
    let inner = error.unwrap_inner();
    let place = place(inner.position())
        .or_else(|| place(place_of_race(inner, program)?))
        .or_else(|| place(error.position()));
    let told = || match inner {
        EvalAltResult::ErrorRuntime(value, _) => session.request_told(&value.as_immutable_string_ref().ok()?),
        _ => None,
    };
    let ended_by = error::request_behind(error).or_else(told);
    Outcome { end, ended_by, place, remarks: List::default() }
}

/// The engine says of a value that is used twice at once only which function it was given to.
fn place_of_race(error: &EvalAltResult, program: &AST) -> Option<Position> {
    let EvalAltResult::ErrorDataRace(what, _) = error else { return None };
    let function = what.split_once("of function '")?.1.strip_suffix('\'')?;
    parsed::call_on_captured(program, function)
}

fn done(remarks: Vec<Remark>) -> Outcome {
    let remarks = List::new(remarks).unwrap_or_default();
    Outcome { end: ScriptEnd::Value, ended_by: None, place: None, remarks }
}

#[cfg(test)]
#[path = "run/tests/caught.rs"]
mod caught;

#[cfg(test)]
mod tests {
    use rex_ipc::control::{Argument, Arguments, ScriptEnd};

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
            ("from_epoch_seconds(0)", "1970-01-01T00:00:00Z"),
            ("if true { return [1, 2]; } 3", "[1, 2]"),
            ("exit(7); 8", "7"),
        ] {
            assert_eq!(Bench::new().output(script), text, "{script}");
        }
    }

    #[test]
    fn errors_become_messages_in_the_known_forms() {
        for (script, text) in [
            (r#"throw "bad""#, "Runtime error: bad (line 1, position 1)"),
            ("throw", "Runtime error (line 1, position 1)"),
            ("throw 42", "Runtime error: 42 (line 1, position 1)"),
            ("throw [1, 2]", "Runtime error: [1, 2] (line 1, position 1)"),
            ("throw #{}", "Runtime error: #{} (line 1, position 1)"),
            (
                r#"throw #{source: "Mine", kind: "text", message: "m"}"#,
                "Runtime error: #{\"kind\": \"text\", \"message\": \"m\", \"source\": \"Mine\"} (line 1, position 1)",
            ),
            (
                r#"throw #{code: 5, msg: "disk web7 is full"};"#,
                "Runtime error: #{\"code\": 5, \"msg\": \"disk web7 is full\"} (line 1, position 1)",
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

    // Rex writes the place behind the engine's text, which has it already.
    #[test]
    fn what_is_thrown_has_its_place_once_and_twice_for_rex() {
        let once = " (line 1, position 1)";
        for (script, text) in [
            (r#"throw "bad""#, "Runtime error: bad"),
            ("throw", "Runtime error"),
            ("throw 42", "Runtime error: 42"),
            ("throw [1, 2]", "Runtime error: [1, 2]"),
        ] {
            assert_eq!(Bench::new().failure(script), format!("{text}{once}"), "{script}");
            assert_eq!(Bench::new().like_rex().failure(script), format!("{text}{once}{once}"), "{script}");
        }
    }

    // In the engine's texts types have the names of the table; for Rex those that Rust has for them.
    #[test]
    fn errors_name_types_as_the_table_does() {
        let long = "rust_sdk_common_utils::types::datetime::DateTime";
        let dir = r#"DirConfig().path("/").build().open(OpenDirOptions().build())"#;
        let of_dir = format!("{dir}.colour");
        for (script, named, short) in [
            ("now().yaer", long, "DateTime"),
            ("let d = now(); d.yaer = 1", long, "DateTime"),
            ("info(now())", long, "DateTime"),
            ("info([now()][0])", long, "DateTime"),
            ("fn f() { now().yaer } f()", long, "DateTime"),
            (of_dir.as_str(), "rust_safe_io::dir::common::RcDirHandle", "DirHandle"),
        ] {
            let here = Bench::new().failure(script);
            let rex = Bench::new().like_rex().failure(script);

            assert!(rex.contains(named), "{script}: {rex}");
            assert_eq!(here, rex.replace(named, short), "{script}");
        }
        // What a script throws is its own.
        let thrown = format!("throw \"no {long}\"");
        assert!(Bench::new().failure(&thrown).contains(long));
        let thrown = format!("fn f() {{ {thrown} }} f()");
        assert!(Bench::new().failure(&thrown).contains(long));
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
        let check = |script: &str| Bench::new().check(script);

        let fine = check("throw 1");
        assert_eq!((fine.text.as_str(), fine.outcome), ("", super::done(Vec::new())));
        let broken = check("let x = 1;\nx +");
        assert_eq!(broken.outcome.end, ScriptEnd::CompileError);
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

    /// Parts of a constant assigned to in every way that the grammar has; nothing panics, and what would is refused.
    #[test]
    fn a_part_of_a_constant_is_not_assigned_to() {
        let constants = [
            "#{a: [1, 2], b: #{x: 1}, s: \"ab\", n: 5}",
            "[[1, 2], #{x: 1}, \"ab\", 5]",
            "\"abc\"",
            "5",
            "()",
            "[1].map(|x| x)",
            "blob(3, 1)",
        ];
        let places = [
            "c.a",
            "c.q",
            "c.b.x",
            "c.a[0]",
            "c[0]",
            "c[-1]",
            "c[0][0]",
            "c[\"a\"]",
            "c[\"b\"].x",
            "c[0..1]",
            "c?.a",
            "c?[0]",
        ];
        let operators = ["=", "+=", "<<="];
        let frames = ["{}", "try { {} } catch { }", "let f = || { {} }; f.call()"];
        let mut refused = 0;
        for constant in constants {
            for place in places {
                for operator in operators {
                    for frame in frames {
                        let act = format!("{place} {operator} 1;");
                        let script = format!("const c = {constant};\n{}\nc", frame.replace("{}", &act));
                        let ended = Bench::new().run(&script);

                        if ended.text.contains("Cannot assign to a part of the constant c") {
                            refused += 1;
                            assert_eq!(ended.outcome.end, ScriptEnd::CompileError);
                            let place = ended.outcome.place.unwrap();
                            let line = script.lines().nth(1).unwrap();
                            assert_eq!(place.line, 2);
                            assert_eq!(line.chars().nth(place.column as usize - 1), Some('c'), "{script}");
                        }
                    }
                }
            }
        }
        assert!(refused > 20, "{refused}");
        let rex = Bench { rex_compat: true, ..Bench::new() };
        assert_eq!(
            rex.run("const c = #{a: 1};\nc.a = 2;").text,
            "Syntax error: Cannot assign to a part of the constant c (line 2, position 1)"
        );
        assert_eq!(Bench::new().output("const c = #{a: 1}; let d = c; d.a = 2; d.a"), "2");
    }

    #[test]
    fn a_first_line_for_the_kernel_and_a_mark_move_no_line() {
        for begin in
            ["#!/usr/bin/env rex-broker\n", "\u{feff}\n", "\u{feff}#!/usr/bin/env rex-broker\n", "#!\r\n"]
        {
            assert_eq!(Bench::new().output(&format!("{begin}6 * 7")), "42", "{begin:?}");
            let failed = Bench::new().run(&format!("{begin}  throw 1"));
            let place = failed.outcome.place.unwrap();
            assert_eq!((place.line, place.column), (2, 3), "{begin:?}");
            assert_eq!(Bench::new().check(&format!("{begin}6 *")).outcome.end, ScriptEnd::CompileError);
            assert_eq!(Bench::new().check(&format!("{begin}6 * 7")).outcome.end, ScriptEnd::Value);
            let rex = Bench { rex_compat: true, ..Bench::new() };
            assert_eq!(rex.run(&format!("{begin}6 * 7")).outcome.end, ScriptEnd::CompileError, "{begin:?}");
        }
        assert_eq!(Bench::new().output("#!/usr/bin/env rex-broker"), "");
        assert_eq!(Bench::new().run("1;\n#!/bin/x").outcome.end, ScriptEnd::CompileError);
    }

    #[test]
    fn open_comments_and_too_many_lines_are_errors_but_for_rex() {
        let open = "info(\"first\");\n/* remember\ninfo(\"second\");";
        let ended = Bench::new().run(open);

        assert_eq!(
            ended.text,
            "Syntax error: The comment that begins here is not closed (line 2, position 1)"
        );
        assert_eq!(ended.outcome.end, ScriptEnd::CompileError);
        let long = format!("{}throw 1", "\n".repeat(65_540));
        assert_eq!(
            Bench::new().run(&long).text,
            "Syntax error: A script has at most 65535 lines (line 65536, position 1)"
        );
        let rex = Bench { rex_compat: true, ..Bench::new() };
        assert_eq!(rex.run(open).outcome.end, ScriptEnd::Value);
        assert_eq!(rex.run(&long).outcome.end, ScriptEnd::Error);
    }

    #[test]
    fn a_place_beyond_the_last_column_is_a_line() {
        let ended = Bench::new().run(&format!("{}throw 1", " ".repeat(70_000)));

        assert_eq!(ended.outcome.place.map(|place| (place.line, place.column)), Some((1, 0)));
    }

    #[test]
    fn a_value_that_a_closure_of_its_own_method_uses_is_found() {
        for (script, place) in [
            ("let a = [1];\na.map(|x| a.len())", (2, 3)),
            ("let a = [1];\nlet b = [2];\nb.map(|x| x);\nlet f = |x| a.len();\na.map(f)", (5, 3)),
            ("let m = #{a: 1};\nm.filter(|k| m.len() > 0)", (2, 3)),
        ] {
            let ended = Bench::new().run(script);

            assert!(ended.text.starts_with("Data race detected"), "{script}: {}", ended.text);
            assert_eq!(ended.outcome.place.map(|place| (place.line, place.column)), Some(place), "{script}");
        }
    }
}
