//! The engine as every script gets it: its limits, what is switched off, and what is registered.

use rex_ipc::control::EngineLimits;
use rhai::module_resolvers::DummyModuleResolver;
use rhai::{Dynamic, Engine};

use crate::registry::{Entry, Registrar};
use crate::session::Session;
use crate::{natives, sdk};

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
    apply(&mut engine, session.limits());
    natives::guard(&mut engine);
    let mut registrar = Registrar::new(&mut engine);
    sdk::register(&mut registrar);
    let entries = registrar.finish();
    sdk::log::take_over_debug(&mut engine, session);
    engine.set_module_resolver(DummyModuleResolver::new());
    Ready { engine, entries }
}

/// Makes everything that is made at its first use, while making it may still ask the system for something.
pub fn warm_up(engine: &Engine) {
    let script = r#"
        let list = [3, 1, 2];
        list.sort();
        let map = #{ a: 1.5, b: `x${list}` };
        let total = 0;
        for value in list { total += value; }
        let twice = |x| x * 2;
        switch total { 6 => twice.call(map.a), _ => 0 }
    "#;
    engine.eval::<Dynamic>(script).expect("the warm-up script is correct");
    let text = regex::Regex::new(r"(?i)\b\p{L}+\d*$").expect("the warm-up pattern is correct");
    assert!(text.is_match("warm up"), "the warm-up pattern matches");
}

/// Fixes the seed of the engine's function hashes; see `docs/adr/0002-hashing-seed.md`.
fn fix_hashing() {
    // Fails when it was set before, which a second engine in one process does, to the same value.
    let _ = rhai::config::hashing::set_hashing_seed(Some(HASHING_SEED));
}

/// Digits of pi, which nobody chose.
const HASHING_SEED: [u64; 4] =
    [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344, 0xa409_3822_299f_31d0, 0x082e_fa98_ec4e_6c89];

fn apply(engine: &mut Engine, limits: &EngineLimits) {
    engine.set_max_operations(limits.operations);
    engine.set_max_call_levels(size(limits.call_levels));
    engine.set_max_expr_depths(size(limits.expression_depth), size(limits.function_expression_depth));
    engine.set_max_string_size(size(limits.string_bytes));
    engine.set_max_array_size(size(limits.array_elements));
    engine.set_max_map_size(size(limits.map_entries));
    engine.set_max_variables(size(limits.variables));
    engine.set_max_functions(size(limits.functions));
    engine.set_max_modules(0);
}

/// A limit that is larger than the address space is none, which the engine writes as 0.
fn size(limit: impl TryInto<usize>) -> usize {
    limit.try_into().unwrap_or(0)
}
