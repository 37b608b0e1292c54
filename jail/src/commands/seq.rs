//! Integers from one to another.

use rex_ipc::failure::ErrorKind;
use rhai::{Array, Dynamic, INT, NativeCallContext};

use crate::error::{Fallible, TooLarge, io_error, too_large};
use crate::session::Session;
use crate::text::array_limit;
use crate::value;

/// A flag of `seq`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeqFlag {
    /// The distance between two numbers; less than 0 counts down.
    Step(INT),
}

/// One after the other, both ends included.
///
/// # Errors
/// The limit on arrays.
pub fn plain(context: NativeCallContext, start: INT, end: INT) -> Fallible<Array> {
    numbers(&context, 1, start, end)
}

/// In steps; empty when they lead away from the end.
///
/// # Errors
/// The limit on arrays; `InvalidArguments` for steps of 0; kind `Other` for a foreign flag.
pub fn with_flags(context: NativeCallContext, flags: Array, start: INT, end: INT) -> Fallible<Array> {
    let flags = value::flags::<SeqFlag>(&context, "seq", flags)?;
    let step = flags.first().map_or(1, |SeqFlag::Step(step)| *step);
    numbers(&context, step, start, end)
}

fn numbers(context: &NativeCallContext, step: INT, start: INT, end: INT) -> Fallible<Array> {
    if step == 0 {
        return Err(io_error(ErrorKind::InvalidArguments, "Invalid arguments: seq: step cannot be zero"));
    }
    let distance =
        if step > 0 { i128::from(end) - i128::from(start) } else { i128::from(start) - i128::from(end) };
    if distance < 0 {
        return Ok(Array::new());
    }
    let count = distance / i128::from(step.unsigned_abs()) + 1;
    match usize::try_from(count) {
        Ok(count) if count <= array_limit(&Session::of(context)) => {}
        Ok(_) | Err(_) => return Err(too_large(TooLarge::Array)),
    }
    // The next number after the last may be no script integer, so there is none then.
    let following = |number: &INT| {
        number.checked_add(step).filter(|&next| if step > 0 { next <= end } else { next >= end })
    };
    Ok(std::iter::successors(Some(start), following).map(Dynamic::from_int).collect())
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    #[test]
    fn both_ends_are_included_and_steps_may_go_either_way() {
        assert_eq!(
            Bench::new().output(
                "[seq(1, 4), seq([seq::step(2)], 1, 6), seq([seq::step(-3)], 7, 0), seq(3, 1), seq([seq::step(-1)], 1, 2), seq([], 5, 5)]"
            ),
            "[[1, 2, 3, 4], [1, 3, 5], [7, 4, 1], [], [], [5]]"
        );
        assert_eq!(
            Bench::new().output("seq(9223372036854775806, 9223372036854775807)"),
            "[9223372036854775806, 9223372036854775807]"
        );
    }

    #[test]
    fn a_step_of_zero_is_refused() {
        assert_eq!(
            Bench::new().failure("seq([seq::step(0)], 1, 2)"),
            "IoErrorKind: InvalidArguments: Invalid arguments: seq: step cannot be zero (line 1, position 1)"
        );
    }

    #[test]
    fn a_long_sequence_meets_the_limit_before_it_is_made() {
        for script in ["seq(1, 2_000_000_000)", "seq(-9223372036854775807, 9223372036854775807)"] {
            assert_eq!(Bench::new().run(script).text, "Size of array/BLOB too large (line 1, position 1)");
        }
    }

    #[test]
    fn floats_are_no_integers() {
        assert_eq!(
            Bench::new().failure("seq(1.0, 5.0)"),
            "Function not found: seq (f64, f64) (line 1, position 1)"
        );
    }
}
