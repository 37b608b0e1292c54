//! The limits of the script's values, and those that the engine itself keeps.

use rex_ipc::control::EngineLimits;
use rhai::Engine;

use crate::session::Session;

/// Sets the limits that the engine itself keeps.
///
/// Operations are counted by the session. Sizes are not the engine's either: with a size limit set, it measures the
/// whole object with everything in it after each call of a method, so that filling an array of 40,000 elements takes a
/// hundred times as long as without (measured), and a loop over `map.contains` is quadratic. What the engine makes is
/// bounded by the arena, which ends the run as cleanly; what can make much at once is bounded in [`crate::natives`], and
/// what comes from the broker where it is read.
pub fn apply(engine: &mut Engine, limits: &EngineLimits) {
    engine.set_max_call_levels(size(limits.call_levels));
    engine.set_max_expr_depths(size(limits.expression_depth), size(limits.function_expression_depth));
    engine.set_max_variables(size(limits.variables));
    engine.set_max_functions(size(limits.functions));
}

/// A limit that is larger than the address space is none, which the engine writes as 0.
fn size(limit: impl TryInto<usize>) -> usize {
    limit.try_into().unwrap_or(0)
}

/// Most bytes of a string.
pub fn string_limit(session: &Session) -> usize {
    limit(session.limits().string_bytes)
}

/// Most elements of an array.
pub fn array_limit(session: &Session) -> usize {
    limit(session.limits().array_elements)
}

/// Most entries of a map.
pub fn map_limit(session: &Session) -> usize {
    limit(session.limits().map_entries)
}

fn limit(number: u64) -> usize {
    match usize::try_from(number) {
        Ok(0) | Err(_) => usize::MAX,
        Ok(number) => number,
    }
}
