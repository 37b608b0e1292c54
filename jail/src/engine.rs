//! The engine as every script gets it: its limits, what is switched off, and what is registered.

use rhai::{Dynamic, Engine, EvalAltResult, ModuleResolver, Position, Shared};

use crate::registry::{Entry, Registrar};
use crate::sdk::unsigned;
use crate::session::Session;
use crate::{forms, limits, log, natives, sdk};

/// An engine that can run a script, and the list of what was registered with it.
pub struct Ready {
    /// The engine.
    pub engine: Engine,
    /// What the script can call beyond the language's own library.
    pub entries: Vec<Entry>,
}

/// Builds the engine for this session.
pub fn build(session: &Session) -> Ready {
    fix_hashing();
    let mut engine = Engine::new();
    engine.set_strict_variables(true);
    engine.disable_symbol("eval");
    engine.disable_symbol("print");
    engine.set_default_tag(Dynamic::from(session.clone()));
    limits::apply(&mut engine, session.limits());
    natives::guard(&mut engine, session.limits());
    let mut registrar = Registrar::new(&mut engine);
    sdk::register(&mut registrar);
    let entries = registrar.finish();
    if !session.is_rex_compat() {
        forms::register(&mut engine);
        unsigned::register(&mut engine);
        session.set_texts(forms::text_of);
    }
    log::take_over_debug(&mut engine, session);
    engine.set_module_resolver(NoModules);
    warm_up(&engine);
    // Set last, so that what the warm-up did is not counted.
    let budget = session.clone();
    engine.on_progress(move |_| budget.count_operation());
    Ready { engine, entries }
}

/// Makes everything that is made at its first use, while making it may still ask the system for something.
fn warm_up(engine: &Engine) {
    let script = r#"
        let list = [3, 1, 2];
        list.sort();
        let map = #{ a: 1.5, b: `x${list}` };
        let total = 0;
        for value in list { total += value; }
        let twice = |x| x * 2;
        switch total { 6 => twice.call(map.a), _ => 0 }
    "#;
    engine.run(script).expect("the warm-up script is correct");
    // Without Unicode's tables, which take a hundred times as long to build and ask the system for nothing besides.
    let text = regex::Regex::new(r"(?i-u)\b[a-z]+\d*$").expect("the warm-up pattern is correct");
    assert!(text.is_match("warm up"), "the warm-up pattern matches");
}

/// Answers every `import`: there is nothing to import from, under any policy.
///
/// The engine's own limit of no modules is not used, because its error cannot be caught.
struct NoModules;

impl ModuleResolver for NoModules {
    fn resolve(
        &self,
        _engine: &Engine,
        _source: Option<&str>,
        path: &str,
        position: Position,
    ) -> Result<Shared<rhai::Module>, Box<EvalAltResult>> {
        // As for Rex, where there is no such file. It tells nothing of what is on the host, because it never looks.
        Err(Box::new(EvalAltResult::ErrorModuleNotFound(path.to_owned(), position)))
    }
}

/// Fixes the seed of the engine's function hashes; see `docs/adr/0002-hashing-seed.md`.
fn fix_hashing() {
    // Fails when it was set before, which a second engine in one process does, to the same value.
    let _ = rhai::config::hashing::set_hashing_seed(Some(HASHING_SEED));
}

/// Digits of pi, which nobody chose.
const HASHING_SEED: [u64; 4] =
    [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344, 0xa409_3822_299f_31d0, 0x082e_fa98_ec4e_6c89];

#[cfg(test)]
mod tests {
    use rex_ipc::control::{EngineLimit, ScriptEnd};

    use crate::testing::{Bench, with_deep_stack};

    #[test]
    fn eval_and_print_are_refused_when_compiling() {
        for (script, text) in [
            (r#"eval("1")"#, "Syntax error: reserved keyword 'eval' is disabled (line 1, position 1)"),
            (r#"print("1")"#, "Syntax error: reserved keyword 'print' is disabled (line 1, position 1)"),
        ] {
            let ended = Bench::new().run(script);

            assert_eq!(ended.outcome.end, ScriptEnd::CompileError);
            assert_eq!(ended.text, text);
        }
    }

    #[test]
    fn undeclared_variables_are_refused_when_compiling() {
        let ended = Bench::new().run("let x = 1;\nundeclared + x");

        assert_eq!(ended.outcome.end, ScriptEnd::CompileError);
        assert_eq!(ended.text, "Syntax error: Undefined variable: undeclared (line 2, position 1)");
    }

    #[test]
    fn every_import_fails_and_can_be_caught() {
        let bench = Bench::new();

        assert_eq!(bench.failure(r#"import "x" as m; 1"#), "Module not found: x (line 1, position 8)");
        assert_eq!(
            bench.output(
                r#"let r = ""; let p = "x"; try { import p as m; m::f() } catch (e) { r = e.message } r"#
            ),
            "Module not found: x"
        );
        assert_eq!(bench.run(r#"import "x" as m; 1"#).outcome.ended_by, None);
    }

    #[test]
    fn operations_are_limited_and_the_limit_cannot_be_caught() {
        for script in [
            "loop {}",
            "try { loop {} } catch (e) { 1 }",
            "fn f() { loop {} } try { f() } catch (e) { 1 }",
            "try { [1].map(|x| { loop {} }) } catch (e) { 1 }",
            "let f = || { loop {} }; try { f.call() } catch (e) { 1 }",
            "loop { [1].map(|x| { for i in 0..1000 {} }) }",
        ] {
            let ended = Bench::new().run(script);

            assert_eq!(
                ended.outcome.end,
                ScriptEnd::Limit(EngineLimit::Operations),
                "{script}: {}",
                ended.text
            );
        }
    }

    #[test]
    fn calls_nest_to_the_limit_and_no_deeper() {
        with_deep_stack(|| {
            let bench = Bench::new();

            assert_eq!(bench.output("fn f(n) { if n == 0 { 0 } else { 1 + f(n - 1) } } f(63)"), "63");
            assert_eq!(bench.failure("fn f(n) { f(n + 1) }\nf(0)"), "Stack overflow (line 2, position 1)");
        });
    }

    #[test]
    fn expressions_nest_to_the_limit_and_no_deeper() {
        let deep = |count: usize| format!("let x = {}1{}; x", "(".repeat(count), ")".repeat(count));

        assert_eq!(Bench::new().output(&deep(25)), "1");
        let ended = Bench::new().run(&deep(40));
        assert_eq!(ended.outcome.end, ScriptEnd::CompileError);
        assert!(
            ended.text.starts_with("Syntax error: Expression exceeds maximum complexity"),
            "{}",
            ended.text
        );
    }

    #[test]
    fn variables_are_limited() {
        let script = (0..1_100).map(|number| format!("let v{number} = 1;")).collect::<String>();

        let ended = Bench::new().run(&script);

        assert_eq!(ended.outcome.end, ScriptEnd::Limit(EngineLimit::Variables), "{}", ended.text);
    }
}
