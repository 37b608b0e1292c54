//! The clock of the run: `timestamp()` and `sleep`, over the broker's, because the jail has none.

use rhai::{EvalAltResult, FLOAT, INT, NativeCallContext};

use crate::datetime::{clocks, wait};
use crate::error::Fallible;
use crate::registry::{Entry, NOTHING, Registrar};

/// A point in time of the run, as `timestamp()` gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    nanoseconds: i128,
}

/// Registers what the language's own library would have if the jail had a clock.
pub fn register(registrar: &mut Registrar<'_>) {
    registrar.type_name::<Timestamp>("timestamp");
    registrar.function(global("sleep", "(seconds: i64)", "()", "Waits for whole seconds."), sleep_seconds);
    registrar.function(
        global("sleep", "(seconds: f64)", "()", "Waits for seconds and parts of them."),
        sleep_parts,
    );
    registrar
        .function(global("timestamp", "()", "Timestamp", "This moment, for measuring durations."), timestamp);
    registrar.function(member("elapsed", "(Timestamp)", "f64", "Seconds since this moment."), elapsed);
    registrar.function(member("get$elapsed", "(Timestamp)", "f64", "Seconds since this moment."), elapsed);
    registrar.function(
        member("to_string", "(Timestamp)", "String", "A fixed text; a timestamp is not a date."),
        |_: Timestamp| String::from("<timestamp>"),
    );
    registrar.function(
        member("-", "(Timestamp, Timestamp)", "f64", "Seconds from the second to the first."),
        difference,
    );
    registrar.function(
        member("+", "(Timestamp, i64)", "Timestamp", "So many seconds later."),
        |at: Timestamp, by: INT| shifted(at, by as FLOAT),
    );
    registrar.function(member("+", "(Timestamp, f64)", "Timestamp", "So many seconds later."), shifted);
    registrar.function(
        member("-", "(Timestamp, i64)", "Timestamp", "So many seconds earlier."),
        |at: Timestamp, by: INT| shifted(at, -(by as FLOAT)),
    );
    registrar.function(
        member("-", "(Timestamp, f64)", "Timestamp", "So many seconds earlier."),
        |at: Timestamp, by: FLOAT| shifted(at, -by),
    );
    let compares = |name, doc| member(name, "(Timestamp, Timestamp)", "bool", doc);
    registrar
        .function(compares("==", "Whether both are the same moment."), |a: Timestamp, b: Timestamp| a == b);
    registrar.function(compares("!=", "Whether they differ."), |a: Timestamp, b: Timestamp| a != b);
    registrar.function(compares("<", "Whether the first is earlier."), |a: Timestamp, b: Timestamp| a < b);
    registrar
        .function(compares("<=", "Whether the first is not later."), |a: Timestamp, b: Timestamp| a <= b);
    registrar.function(compares(">", "Whether the first is later."), |a: Timestamp, b: Timestamp| a > b);
    registrar
        .function(compares(">=", "Whether the first is not earlier."), |a: Timestamp, b: Timestamp| a >= b);
}

fn global(name: &'static str, signature: &'static str, returns: &'static str, doc: &'static str) -> Entry {
    Entry { module: "global", name, signature, returns, actions: NOTHING, doc }
}

fn member(name: &'static str, signature: &'static str, returns: &'static str, doc: &'static str) -> Entry {
    Entry { module: "Timestamp", name, signature, returns, actions: NOTHING, doc }
}

fn timestamp(context: NativeCallContext) -> Fallible<Timestamp> {
    Ok(Timestamp { nanoseconds: clocks(&context)?.monotonic_ns.into() })
}

fn elapsed(context: NativeCallContext, since: Timestamp) -> Fallible<FLOAT> {
    Ok(difference(timestamp(context)?, since))
}

fn difference(later: Timestamp, earlier: Timestamp) -> FLOAT {
    later.nanoseconds.saturating_sub(earlier.nanoseconds) as FLOAT / NANOSECONDS
}

fn shifted(at: Timestamp, seconds: FLOAT) -> Fallible<Timestamp> {
    let nanoseconds = seconds * NANOSECONDS;
    if !nanoseconds.is_finite() || nanoseconds.abs() > MOST_SHIFT {
        return Err(EvalAltResult::ErrorArithmetic(
            format!("Timestamp overflow: {seconds}"),
            rhai::Position::NONE,
        )
        .into());
    }
    Ok(Timestamp { nanoseconds: at.nanoseconds.saturating_add(nanoseconds as i128) })
}

fn sleep_seconds(context: NativeCallContext, seconds: INT) -> Fallible<()> {
    let milliseconds = u64::try_from(seconds).unwrap_or(0).saturating_mul(1000);
    wait(&context, milliseconds)
}

/// Not a number, nothing and less than nothing do not wait, as in the language's own library.
fn sleep_parts(context: NativeCallContext, seconds: FLOAT) -> Fallible<()> {
    if !seconds.is_normal() || seconds < 0.0 {
        return Ok(());
    }
    // A conversion from float to integer saturates, which waits for longer than any run may take.
    wait(&context, (seconds * 1000.0).ceil() as u64)
}

const NANOSECONDS: FLOAT = 1e9;

/// A million years; far from where adding two of them would overflow.
const MOST_SHIFT: FLOAT = 3.2e22;

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    #[test]
    fn sleep_takes_whole_seconds_and_parts_and_splits_long_ones() {
        let bench = Bench::new();

        bench.output("sleep(2); sleep(0.25); sleep(-1); sleep(-1.5); sleep(0); sleep(150);");

        assert_eq!(bench.world.borrow().slept_ms, 152_250);
        assert_eq!(bench.world.borrow().calls.len(), 5);
    }

    #[test]
    fn elapsed_time_is_measured_in_seconds() {
        let script = "let t = timestamp(); sleep(2); let u = timestamp(); [t.elapsed, u - t, u > t, t + 2 == u, u - 1.5 > t, type_of(t)]";

        assert_eq!(Bench::new().output(script), r#"[2.0, 2.0, true, true, true, "timestamp"]"#);
    }
}
