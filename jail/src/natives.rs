//! The library functions of the language that would outrun the limits or run code of their own, replaced by ours.
//!
//! Where a result can be many times larger than the arguments, these functions look at the limit before they allocate.
//! What can only double is left to the language's library and to the arena.

use std::rc::Rc;

use rex_ipc::control::EngineLimits;
use rhai::{Array, Blob, Dynamic, Engine, EvalAltResult, INT, ImmutableString, Map, NativeCallContext};

use crate::error::{Fallible, TooLarge, too_large};
use crate::session::Session;
use crate::sort;
use crate::text::{array_limit, string_limit};
use crate::value;

/// Replaces them.
pub fn guard(engine: &mut Engine, limits: &EngineLimits) {
    engine.register_fn("pad", pad_array);
    engine.register_fn("pad", pad_text);
    engine.register_fn(
        "pad",
        |context: NativeCallContext, text: &mut ImmutableString, len: INT, padding: char| {
            pad_text(context, text, len, padding.encode_utf8(&mut [0; 4]))
        },
    );
    guard_blob(engine);
    guard_replace(engine);
    guard_split(engine);
    guard_parse_json(engine, limits);
    sort::register(engine);
}

/// `array.pad(len, item)`: the engine's own counts with sums that wrap around.
fn pad_array(context: NativeCallContext, array: &mut Array, len: INT, item: Dynamic) -> Fallible<()> {
    let Ok(len) = usize::try_from(len) else { return Ok(()) };
    let session = Session::of(&context);
    if len > array_limit(&session) {
        return Err(too_large(TooLarge::Array));
    }
    let added = len.saturating_sub(array.len());
    if added == 0 {
        return Ok(());
    }
    let one = value::Size::of(&item);
    let whole = value::Size::of_array(array).plus(&one.times(added));
    whole.check(&session)?;
    array.resize(len, item);
    Ok(())
}

/// `text.pad(len, padding)`: the engine's own never ends when the padding is empty.
fn pad_text(context: NativeCallContext, text: &mut ImmutableString, len: INT, padding: &str) -> Fallible<()> {
    let Ok(len) = usize::try_from(len) else { return Ok(()) };
    let present = text.chars().count();
    let missing = len.saturating_sub(present);
    if missing == 0 || padding.is_empty() {
        return Ok(());
    }
    let most = string_limit(&Session::of(&context));
    if text.len().saturating_add(missing) > most {
        return Err(too_large(TooLarge::Text));
    }
    let mut padded = String::from(text.as_str());
    for character in padding.chars().cycle().take(missing) {
        if padded.len() >= most {
            return Err(too_large(TooLarge::Text));
        }
        padded.push(character);
    }
    *text = padded.into();
    Ok(())
}

/// `blob(len)`, `blob(len, value)` and `blob.pad(len, value)`.
fn guard_blob(engine: &mut Engine) {
    engine.register_fn("blob", |context: NativeCallContext, len: INT| padded(&context, Blob::new(), len, 0));
    engine.register_fn("blob", |context: NativeCallContext, len: INT, value: INT| {
        padded(&context, Blob::new(), len, value)
    });
    engine.register_fn(
        "pad",
        |context: NativeCallContext, blob: &mut Blob, len: INT, value: INT| -> Fallible<()> {
            *blob = padded(&context, std::mem::take(blob), len, value)?;
            Ok(())
        },
    );
}

fn padded(context: &NativeCallContext, mut blob: Blob, len: INT, value: INT) -> Fallible<Blob> {
    let len = usize::try_from(len).unwrap_or(0);
    if len > array_limit(&Session::of(context)) {
        return Err(too_large(TooLarge::Array));
    }
    // As in the language's own library, only the lowest byte of the value counts.
    let byte = value.to_le_bytes().first().copied().unwrap_or_default();
    if len > blob.len() {
        blob.resize(len, byte);
    }
    Ok(blob)
}

/// `text.replace(find, substitute)`: each of the four forms can make a text as long as the product of two.
fn guard_replace(engine: &mut Engine) {
    engine.register_fn(
        "replace",
        |context: NativeCallContext, text: &mut ImmutableString, find: &str, by: &str| {
            replace(&context, text, find, by)
        },
    );
    engine.register_fn(
        "replace",
        |context: NativeCallContext, text: &mut ImmutableString, find: &str, by: char| {
            replace(&context, text, find, by.encode_utf8(&mut [0; 4]))
        },
    );
    engine.register_fn(
        "replace",
        |context: NativeCallContext, text: &mut ImmutableString, find: char, by: &str| {
            replace(&context, text, find.encode_utf8(&mut [0; 4]), by)
        },
    );
    engine.register_fn(
        "replace",
        |context: NativeCallContext, text: &mut ImmutableString, find: char, by: char| {
            replace(&context, text, find.encode_utf8(&mut [0; 4]), by.encode_utf8(&mut [0; 4]))
        },
    );
}

fn replace(context: &NativeCallContext, text: &mut ImmutableString, find: &str, by: &str) -> Fallible<()> {
    let found = text.matches(find).count();
    if found == 0 {
        return Ok(());
    }
    let removed = found.saturating_mul(find.len());
    let length = text.len().saturating_sub(removed).saturating_add(found.saturating_mul(by.len()));
    if length > string_limit(&Session::of(context)) {
        return Err(too_large(TooLarge::Text));
    }
    *text = text.replace(find, by).into();
    Ok(())
}

/// Texts and blobs become arrays whose elements are many times larger than a character.
fn guard_split(engine: &mut Engine) {
    engine.register_fn("to_chars", |context: NativeCallContext, text: &str| {
        collect(&context, text.chars().map(Dynamic::from))
    });
    engine.register_fn("split", |context: NativeCallContext, text: &str| {
        collect(&context, text.split_whitespace().map(text_value))
    });
    engine.register_fn("split", |context: NativeCallContext, text: &str, by: &str| {
        collect(&context, text.split(by).map(text_value))
    });
    engine.register_fn("split", |context: NativeCallContext, text: &str, by: char| {
        collect(&context, text.split(by).map(text_value))
    });
    engine.register_fn("split_rev", |context: NativeCallContext, text: &str, by: &str| {
        collect(&context, text.rsplit(by).map(text_value))
    });
    engine.register_fn("split_rev", |context: NativeCallContext, text: &str, by: char| {
        collect(&context, text.rsplit(by).map(text_value))
    });
    engine.register_fn("to_array", |context: NativeCallContext, blob: Blob| {
        collect(&context, blob.into_iter().map(|byte| Dynamic::from_int(byte.into())))
    });
}

fn text_value(part: &str) -> Dynamic {
    Dynamic::from(part.to_owned())
}

fn collect(context: &NativeCallContext, values: impl Iterator<Item = Dynamic>) -> Fallible<Array> {
    let most = array_limit(&Session::of(context));
    let mut array = Array::new();
    for value in values {
        if array.len() >= most {
            return Err(too_large(TooLarge::Array));
        }
        array.push(value);
    }
    Ok(array)
}

/// `parse_json(text)`: the engine's own compiles the text and runs it, with a fresh budget of operations and with every
/// function within reach. Ours gives it to an engine that has no functions, so that what is accepted and the texts of
/// the errors stay the same.
fn guard_parse_json(engine: &mut Engine, limits: &EngineLimits) {
    let mut reader = Engine::new_raw();
    reader.set_strict_variables(true);
    crate::engine::apply(&mut reader, limits);
    reader.set_max_operations(limits.operations.min(JSON_OPERATIONS));
    let reader = Rc::new(reader);
    engine.register_fn("parse_json", move |text: &str| -> Result<Map, Box<EvalAltResult>> {
        reader.parse_json(text, true)
    });
}

/// Reading data takes one operation for each value at most, so this is generous for any text within the limits.
const JSON_OPERATIONS: u64 = 100_000_000;

#[cfg(test)]
mod tests {
    use rex_ipc::control::{EngineLimit, ScriptEnd};

    use crate::testing::Bench;

    fn meets_a_size_limit(script: &str) {
        let ended = Bench::new().run(script);

        assert_eq!(ended.outcome.end, ScriptEnd::Limit(EngineLimit::DataSize), "{script}: {}", ended.text);
        assert!(ended.text.contains("too large"), "{}", ended.text);
    }

    #[test]
    fn functions_that_allocate_much_meet_the_limit_first() {
        for script in [
            "let a = []; a.pad(2000000000, 1)",
            "let a = []; a.pad(9223372036854775807, [1, 2])",
            "let a = []; a.pad(90000, [1, 2, 3, 4])",
            "blob(20000000000, 0)",
            "let b = blob(); b.pad(20000000000, 1)",
            r#"let t = ""; t.pad(9000000000, 'x')"#,
            r#"let t = ""; t.pad(9000000000, "xyz")"#,
            r#"let t = "a"; t.pad(1000000, "x"); t.replace("x", t)"#,
            r#"let t = "a"; t.pad(1000000, "x"); t.replace('x', t)"#,
            r#"let t = "a"; t.pad(1000000, "x"); t.to_chars()"#,
            r#"let t = "a"; t.pad(1000000, "x"); t.split("x")"#,
            r#"let t = "a"; t.pad(1000000, "x"); t.split("")"#,
        ] {
            meets_a_size_limit(script);
        }
    }

    #[test]
    fn a_limit_cannot_be_caught() {
        meets_a_size_limit("try { blob(20000000000, 0) } catch (e) { 1 }");
        meets_a_size_limit("fn f() { blob(20000000000, 0) } try { f() } catch (e) { 1 }");
        meets_a_size_limit("[1].map(|x| blob(20000000000, 0))");
    }

    #[test]
    fn blobs_are_filled_with_the_lowest_byte() {
        assert_eq!(
            Bench::new()
                .output("let b = blob(2, 0x1ff); b.pad(4, 7); b.pad(1, 9); [b, blob(2), blob(-1, 3)]"),
            "[[ffff0707], [0000], []]"
        );
    }

    #[test]
    fn padding_with_nothing_ends() {
        assert_eq!(Bench::new().output(r#"let t = "ab"; t.pad(10, ""); t"#), "ab");
        assert_eq!(Bench::new().output(r#"let t = "ab"; t.pad(5, "xy"); t"#), "abxyx");
    }

    #[test]
    fn replacements_do_what_the_language_says() {
        let script = r#"
            let r = [];
            for p in [["b", "xx"], ['b', "y"], ["b", 'z'], ['a', 'c'], ["nothing", ""], ["", "-"]] {
                let t = "abab"; t.replace(p[0], p[1]); r.push(t);
            }
            r
        "#;

        assert_eq!(Bench::new().output(script), r#"["axxaxx", "ayay", "azaz", "cbcb", "abab", "-a-b-a-b-"]"#);
    }

    #[test]
    fn splitting_gives_what_the_language_says() {
        let script =
            r#"["a b".split(), "a,b".split(","), "a,b".split(','), "ab".to_chars(), blob(2, 7).to_array()]"#;

        assert_eq!(
            Bench::new().output(script),
            r#"[["a", "b"], ["a", "b"], ["a", "b"], ['a', 'b'], [7, 7]]"#
        );
    }

    #[test]
    fn json_is_data_and_runs_no_function() {
        let bench = Bench::new().file("/d/a", "secret");

        assert_eq!(
            bench.output(r#"parse_json(`{"a": [1, 2.5, null, true], "b": {"c": "x"}}`)"#),
            r##"#{"a": [1, 2.5, (), true], "b": #{"c": "x"}}"##
        );
        bench.run(r#"parse_json(`{"a": cat("/d/a")}`)"#);
        assert!(bench.asked().is_empty());
    }
}
