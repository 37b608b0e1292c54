//! Sorting arrays: the language's own functions, without the panic when comparisons contradict each other.
//!
//! The standard library's sort may panic when a comparison is no total order. The engine catches that panic, which the
//! jail cannot, because a panic ends it; and a comparison that returns `a <= b`, as its documentation suggests, is no total
//! order when two elements are equal. So what a script compares is merged here, which gives some order in any case.

use std::cmp::Ordering;

use rhai::{Array, Dynamic, Engine, EvalAltResult, FnPtr, NativeCallContext, Position};

use crate::error::Fallible;

/// Replaces every function that sorts.
pub fn register(engine: &mut Engine) {
    for name in ["sort", "sort_by"] {
        engine.register_fn(
            name,
            |context: NativeCallContext, array: &mut Array, comparer: FnPtr| -> Fallible<()> {
                *array = by_comparer(&context, std::mem::take(array), &comparer)?;
                Ok(())
            },
        );
    }
    for name in ["order", "order_by"] {
        engine.register_fn(
            name,
            |context: NativeCallContext, array: &mut Array, comparer: FnPtr| -> Fallible<Array> {
                by_comparer(&context, array.clone(), &comparer)
            },
        );
    }
    engine.register_fn("sort", |array: &mut Array| by_value(array, Direction::Up));
    engine.register_fn("sort_desc", |array: &mut Array| by_value(array, Direction::Down));
    engine.register_fn("order", |array: &mut Array| copied(array, Direction::Up));
    engine.register_fn("order_desc", |array: &mut Array| copied(array, Direction::Down));
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

fn copied(array: &[Dynamic], direction: Direction) -> Fallible<Array> {
    let mut copy = array.to_vec();
    by_value(&mut copy, direction)?;
    Ok(copy)
}

/// Sorts values of one simple type. Floats that are no number come last.
fn by_value(array: &mut Array, direction: Direction) -> Fallible<()> {
    let [first, rest @ ..] = array.as_slice() else { return Ok(()) };
    if rest.iter().any(|value| value.type_id() != first.type_id()) {
        return Err(unsortable("elements of different types cannot be sorted".into()));
    }
    if rest.is_empty() || first.is_unit() {
        return Ok(());
    }
    let simple =
        first.is_int() || first.is_char() || first.is_float() || first.is_string() || first.is_bool();
    if !simple {
        return Err(unsortable(format!("elements of {} cannot be sorted", first.type_name())));
    }
    array.sort_by(|a, b| match direction {
        Direction::Up => compare(a, b),
        Direction::Down => compare(b, a),
    });
    Ok(())
}

/// A total order over the values of one simple type.
fn compare(a: &Dynamic, b: &Dynamic) -> Ordering {
    if let (Ok(a), Ok(b)) = (a.as_int(), b.as_int()) {
        return a.cmp(&b);
    }
    if let (Ok(a), Ok(b)) = (a.as_immutable_string_ref(), b.as_immutable_string_ref()) {
        return a.cmp(&b);
    }
    if let (Ok(a), Ok(b)) = (a.as_float(), b.as_float()) {
        return a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()));
    }
    if let (Ok(a), Ok(b)) = (a.as_char(), b.as_char()) {
        return a.cmp(&b);
    }
    match (a.as_bool(), b.as_bool()) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        _ => Ordering::Equal,
    }
}

fn unsortable(reason: String) -> Box<EvalAltResult> {
    EvalAltResult::ErrorFunctionNotFound(reason, Position::NONE).into()
}

/// Sorts as a script's function says: less than, equal to or greater than 0, or whether the first may come first.
fn by_comparer(context: &NativeCallContext, array: Array, comparer: &FnPtr) -> Fallible<Array> {
    merged(array, &mut |a, b| {
        let verdict = comparer.call_raw(context, None, [a.clone(), b.clone()]);
        match verdict {
            Ok(verdict) => Ok(verdict
                .as_int()
                .or_else(|_| verdict.as_bool().map(|first| if first { -1 } else { 1 }))
                .map_or_else(|_| a.type_id().cmp(&b.type_id()), |number| number.cmp(&0))),
            // The engine passes over an error here and orders by type; but not over the end of the script.
            Err(error) if error.is_catchable() => Ok(a.type_id().cmp(&b.type_id())),
            Err(error) => Err(error),
        }
    })
}

/// Merge sort: stable, and it ends whatever `compare` says.
fn merged(
    mut left: Array,
    compare: &mut dyn FnMut(&Dynamic, &Dynamic) -> Fallible<Ordering>,
) -> Fallible<Array> {
    if left.len() < 2 {
        return Ok(left);
    }
    let right = left.split_off(left.len() / 2);
    let mut left = merged(left, compare)?.into_iter().peekable();
    let mut right = merged(right, compare)?.into_iter().peekable();
    let mut sorted = Array::with_capacity(left.len().saturating_add(right.len()));
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let next = if compare(a, b)?.is_gt() { right.next() } else { left.next() };
        sorted.extend(next);
    }
    sorted.extend(left);
    sorted.extend(right);
    Ok(sorted)
}

#[cfg(test)]
mod tests {
    use rex_ipc::control::{EngineLimit, ScriptEnd};

    use crate::testing::Bench;

    fn gives(script: &str, expected: &str) {
        assert_eq!(Bench::new().output(script), expected, "{script}");
    }

    #[test]
    fn comparisons_of_scripts_order_as_they_say() {
        gives("let a = [5, 3, 8, 1, 3]; a.sort(|x, y| y - x); a", "[8, 5, 3, 3, 1]");
        gives(
            "let a = [5, 3, 8, 1, 3]; [a.order(|x, y| x <= y), a.order_by(|x, y| x - y), a]",
            "[[1, 3, 3, 5, 8], [1, 3, 3, 5, 8], [5, 3, 8, 1, 3]]",
        );
        gives(
            r#"let a = ["bb", "a", "cc", "b"]; a.sort_by(|x, y| x.len() - y.len()); a"#,
            r#"["a", "b", "bb", "cc"]"#,
        );
    }

    #[test]
    fn comparisons_that_contradict_each_other_end() {
        gives(
            "let a = seq(0, 2000); let i = 0; a.sort(|x, y| { i = (i * 1103515245 + 12345) % 2147483648; (i / 65536) % 3 - 1 }); a.len()",
            "2001",
        );
        gives("let a = [1, 2, 3]; a.sort(|x, y| true); a.sort(|x, y| 1); a.sort(|x, y| \"?\"); a.len()", "3");
        gives("let a = [2, 1]; a.sort(|x, y| throw \"no\"); a", "[2, 1]");
    }

    #[test]
    fn the_end_of_the_script_is_not_passed_over() {
        let ended = Bench::new().run("let a = seq(0, 100); loop { a.sort(|x, y| x - y) }");

        assert_eq!(ended.outcome.end, ScriptEnd::Limit(EngineLimit::Operations));
    }

    #[test]
    fn simple_values_are_ordered_by_themselves() {
        gives(
            r#"let f = [2.0, 0.0 / 0.0, -1.0]; f.sort();
               [[3, 1, 2].order(), [3, 1, 2].order_desc(), ["b", "a"].order(), ['b', 'a'].order(), [true, false].order(), [(), ()].order(), f]"#,
            r#"[[1, 2, 3], [3, 2, 1], ["a", "b"], ['a', 'b'], [false, true], [(), ()], [-1.0, 2.0, NaN]]"#,
        );
        let mut bench = Bench::new();
        bench.limits.operations = 0;
        assert_eq!(
            bench.output("let a = []; for i in 0..3000 { a.push(if i % 7 == 0 { 0.0 / 0.0 } else { (i * 37 % 1001) * 1.0 }) } a.sort(); a.sort_desc(); a.len()"),
            "3000"
        );
    }

    #[test]
    fn other_values_cannot_be_sorted() {
        let message = |script: &str| Bench::new().failure(script);

        assert!(message("[1, \"a\"].sort()").contains("elements of different types cannot be sorted"));
        assert!(message("let a = [now(), now()]; a.sort()").contains("cannot be sorted"));
    }
}
