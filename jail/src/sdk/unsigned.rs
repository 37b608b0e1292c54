//! Unsigned integers among those of the language: comparison and arithmetic.
//!
//! Some results are of the type `u64` or `u16`. To the language those are types of their own, which have operators among
//! themselves and none with what a script writes, so that `response.status == 200` is an error. Rex's scripts may rely on
//! that; all others can do with these numbers what they do with any number.

use rhai::{Engine, EvalAltResult, FLOAT, INT, Position};

use crate::disk::file_systems::{Unit, format_bytes};
use crate::error::Fallible;
use crate::value::parameter_number;

/// An integer of a script, of whatever type.
trait Integer: Copy + 'static {
    /// Its value; none is beyond it.
    fn wide(self) -> i128;
}

impl Integer for INT {
    fn wide(self) -> i128 {
        self.into()
    }
}

impl Integer for u64 {
    fn wide(self) -> i128 {
        self.into()
    }
}

impl Integer for u16 {
    fn wide(self) -> i128 {
        self.into()
    }
}

/// Registers the operators, for scripts that are not Rex's.
pub fn register(engine: &mut Engine) {
    mixed::<u64, INT>(engine);
    mixed::<INT, u64>(engine);
    mixed::<u16, INT>(engine);
    mixed::<INT, u16>(engine);
    mixed::<u64, u16>(engine);
    mixed::<u16, u64>(engine);
    // The language has these, with unsigned results, so that the smaller number less the larger one is an error.
    mixed::<u64, u64>(engine);
    mixed::<u16, u16>(engine);
    with_floats::<u64>(engine);
    with_floats::<u16>(engine);
    engine.register_fn("-", |number: u64| {
        within(Some(-number.wide()), || format!("Negation overflow: -{number}"))
    });
    engine.register_fn("-", |number: u16| -INT::from(number));
    engine.register_fn("format_bytes", |size: INT, unit: Unit| -> Fallible<u64> {
        Ok(format_bytes(parameter_number("size", size)?, unit))
    });
}

/// Comparison is exact, and the result of arithmetic is an integer of the language, or an error where none is that large.
fn mixed<A: Integer + ToString, B: Integer + ToString>(engine: &mut Engine) {
    engine.register_fn("==", |a: A, b: B| a.wide() == b.wide());
    engine.register_fn("!=", |a: A, b: B| a.wide() != b.wide());
    engine.register_fn("<", |a: A, b: B| a.wide() < b.wide());
    engine.register_fn("<=", |a: A, b: B| a.wide() <= b.wide());
    engine.register_fn(">", |a: A, b: B| a.wide() > b.wide());
    engine.register_fn(">=", |a: A, b: B| a.wide() >= b.wide());
    for &(name, what, operate) in OPERATIONS {
        engine.register_fn(name, move |a: A, b: B| {
            let told = |why: &str| format!("{why}: {} {name} {}", a.to_string(), b.to_string());
            match operate(a.wide(), b.wide()) {
                None if b.wide() == 0 => Err(arithmetic(told("Division by zero"))),
                result => within(result, || told(&format!("{what} overflow"))),
            }
        });
    }
}

/// With a float, an integer is one, as among numbers of the language.
fn with_floats<A: Integer>(engine: &mut Engine) {
    macro_rules! operators {
        ($($name:literal $operator:tt),+) => {
            $(engine.register_fn($name, |a: A, b: FLOAT| (a.wide() as FLOAT) $operator b);
            engine.register_fn($name, |a: FLOAT, b: A| a $operator (b.wide() as FLOAT));)+
        };
    }
    operators!("==" ==, "!=" !=, "<" <, "<=" <=, ">" >, ">=" >=, "+" +, "-" -, "*" *, "/" /, "%" %);
}

type Operation = fn(i128, i128) -> Option<i128>;

/// Operators, what the language calls what they do, and how. No two integers of a script are too large for 128 bits but to
/// be multiplied.
const OPERATIONS: &[(&str, &str, Operation)] = &[
    ("+", "Addition", i128::checked_add),
    ("-", "Subtraction", i128::checked_sub),
    ("*", "Multiplication", i128::checked_mul),
    ("/", "Division", i128::checked_div),
    ("%", "Modulo", i128::checked_rem),
];

fn within(result: Option<i128>, told: impl Fn() -> String) -> Fallible<INT> {
    let fitting = result.and_then(|number| INT::try_from(number).ok());
    fitting.ok_or_else(|| arithmetic(told()))
}

fn arithmetic(message: String) -> Box<EvalAltResult> {
    EvalAltResult::ErrorArithmetic(message, Position::NONE).into()
}

#[cfg(test)]
mod tests {
    use rex_ipc::sysinfo::Source;

    use crate::testing::Bench;

    fn bench() -> Bench {
        Bench::new().table(Source::Memory, format!("MemTotal: 10 kB\nMemFree: 0 kB\nCached: {}\n", u64::MAX))
    }

    const NUMBERS: &str =
        "let m = SystemInfo().memory_info(); let t = m.total; let z = m.free; let h = m.cached; ";

    fn gives(script: &str, expected: &str) {
        assert_eq!(bench().output(&format!("{NUMBERS}{script}")), expected, "{script}");
    }

    #[test]
    fn unsigned_numbers_compare_with_what_a_script_writes() {
        gives(
            "[t == 10240, 10240 == t, t != 1, t > 5, 5 < t, t >= 10240, t <= -1, -1 > t, h > 9223372036854775807, h == -1, \
             t > 0.5, 10240.0 == t, t in [1, 10240], type_of(t)]",
            r#"[true, true, true, true, true, true, false, false, true, false, true, true, true, "u64"]"#,
        );
    }

    #[test]
    fn arithmetic_gives_integers_of_the_language() {
        gives("[t + t, z - t, t / t, t * z, type_of(t - z)]", r#"[20480, -10240, 1, 0, "i64"]"#);
        gives("[m, SystemInfo().memory_info()].map(|i| i.total).reduce(|sum, n| sum + n, 0)", "20480");
        gives(
            "let sum = 1; sum += t; [t / 1024, t * 2, 3 - t, t - 20000, t % 1000, 20480 / t, -t, sum, t / 2.5, 0.5 * t, type_of(t / 2), \
             h / 3]",
            r#"[10, 20480, -10237, -9760, 240, 2, -10240, 10241, 4096.0, 5120.0, "i64", 6148914691236517205]"#,
        );
    }

    #[test]
    fn what_no_integer_holds_is_an_error() {
        for (script, message) in [
            ("h + 1", "Addition overflow: 18446744073709551615 + 1"),
            ("h - 1", "Subtraction overflow: 18446744073709551615 - 1"),
            ("-9223372036854775807 - h", "Subtraction overflow: -9223372036854775807 - 18446744073709551615"),
            (
                "h * 9223372036854775807",
                "Multiplication overflow: 18446744073709551615 * 9223372036854775807",
            ),
            ("-h", "Negation overflow: -18446744073709551615"),
            ("t / 0", "Division by zero: 10240 / 0"),
            ("5 / z", "Division by zero: 5 / 0"),
            ("5 % z", "Division by zero: 5 % 0"),
        ] {
            let told = bench().failure(&format!("{NUMBERS}{script}"));
            assert!(told.starts_with(&format!("{message} (line 1")), "{script}: {told}");
        }
    }

    // Case system.memory.unsigned.
    #[test]
    fn for_rex_there_are_no_such_operators() {
        for script in ["t > 5", "5 == t", "t + 1", "t / 2.0", "-t", "format_bytes(1024, Unit::KILOBYTES)"] {
            let script = format!("{NUMBERS} let r = (); try {{ {script} }} catch (e) {{ r = e.error }} r");
            assert_eq!(bench().like_rex().output(&script), "ErrorFunctionNotFound", "{script}");
        }
        let script = format!("{NUMBERS} [type_of(t), t.to_int() > 0, t == t, z <= t, type_of(t + t)]");
        assert_eq!(bench().like_rex().output(&script), r#"["u64", true, true, true, "u64"]"#);
        let difference = bench().like_rex().failure(&format!("{NUMBERS} z - t"));
        assert!(difference.starts_with("Subtraction overflow: 0 - 10240"), "{difference}");
    }

    #[test]
    fn sizes_may_be_written() {
        gives("[format_bytes(5000, Unit::KILOBYTES), format_bytes(t, Unit::KILOBYTES) == 10]", "[4, true]");
        assert_eq!(
            bench().output("let r = (); try { format_bytes(-1, Unit::BYTES) } catch (e) { r = e } r"),
            "Parameter 'size' conversion failed: out of range integral type conversion attempted"
        );
    }
}
