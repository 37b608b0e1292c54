//! The library functions of the language that would outrun the limits or run code of their own, replaced by ours.
//!
//! Where a result can be many times larger than the arguments, these functions look at the limit before they allocate.
//! What can only double is left to the language's library and to the arena.

use std::rc::Rc;

use rex_ipc::control::EngineLimits;
use rhai::{Array, Blob, Dynamic, Engine, EvalAltResult, INT, ImmutableString, NativeCallContext, Position};

use crate::error::{CommonErrorKind, Fallible, TooLarge, too_large};
use crate::json::{self, JsonLimits, Unread};
use crate::session::Session;
use crate::sort;
use crate::text::{array_limit, map_limit, string_limit};
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
    guard_exit(engine);
    sort::register(engine);
}

/// `exit(value)`: the engine's own is an error to each function of the library that has called a closure, such as `map`,
/// and what comes out of that function can be caught.
fn guard_exit(engine: &mut Engine) {
    let exit = |context: &NativeCallContext, value: Dynamic| -> Fallible<Dynamic> {
        let session = Session::of(context);
        if !session.is_rex_compat() {
            session.exit(value.clone());
        }
        Err(EvalAltResult::Exit(value, Position::NONE).into())
    };
    engine.register_fn("exit", move |context: NativeCallContext| exit(&context, Dynamic::UNIT));
    engine.register_fn("exit", move |context: NativeCallContext, value: Dynamic| exit(&context, value));
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
        parts(&context, text, text.split_whitespace())
    });
    engine.register_fn("split", |context: NativeCallContext, text: &str, by: &str| {
        parts(&context, text, text.split(by))
    });
    engine.register_fn("split", |context: NativeCallContext, text: &str, by: char| {
        parts(&context, text, text.split(by))
    });
    engine.register_fn("split_rev", |context: NativeCallContext, text: &str, by: &str| {
        parts(&context, text, text.rsplit(by))
    });
    engine.register_fn("split_rev", |context: NativeCallContext, text: &str, by: char| {
        parts(&context, text, text.rsplit(by))
    });
    engine.register_fn("to_array", |context: NativeCallContext, blob: Blob| {
        collect(&context, blob.into_iter().map(|byte| Dynamic::from_int(byte.into())))
    });
}

/// The parts of a text; of nothing the language makes one part, whatever it is split by.
fn parts<'t>(
    context: &NativeCallContext,
    text: &str,
    parts: impl Iterator<Item = &'t str>,
) -> Fallible<Array> {
    if text.is_empty() {
        return Ok(vec![text_value(text)]);
    }
    collect(context, parts.map(text_value))
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

/// `parse_json(text)`: JSON, and nothing else.
///
/// The engine's own takes the text for a script: it does not know half of the escapes, adds up sums, and its errors
/// cannot be caught. Rex has that one, so `--rex-compat` keeps it; but there the text goes to an engine that has no
/// functions, because the engine that runs the script would run what stands in the text, with all of them within reach.
fn guard_parse_json(engine: &mut Engine, limits: &EngineLimits) {
    let mut reader = Engine::new_raw();
    reader.set_strict_variables(true);
    crate::limits::apply(&mut reader, limits);
    reader.set_max_operations(limits.operations.min(JSON_OPERATIONS));
    let reader = Rc::new(reader);
    engine.register_fn("parse_json", move |context: NativeCallContext, text: &str| -> Fallible<Dynamic> {
        let session = Session::of(&context);
        if session.is_rex_compat() {
            return reader.parse_json(text, true).map(Dynamic::from_map);
        }
        let depth = usize::try_from(session.limits().expression_depth).unwrap_or(usize::MAX);
        let limits = JsonLimits { depth, elements: array_limit(&session), members: map_limit(&session) };
        json::read(text, limits).map_err(|unread| match unread {
            Unread::Wrong(reason) => {
                CommonErrorKind::ParseError.error(format!("Parse Error: this is not JSON: {reason}"))
            }
            Unread::ArrayTooLarge => too_large(TooLarge::Array),
            Unread::MapTooLarge => too_large(TooLarge::Map),
        })
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

    /// Every form of `split` and its like, on texts with nothing, blanks and separators in every place, beside the
    /// engine's own.
    #[test]
    fn splitting_is_that_of_the_engine() {
        let texts =
            ["", " ", "  ", "a", " a", "a ", " a  b ", ",", ",,", "a,b", ",a,", "é ü", "a\u{a0}b", "\n"];
        let calls = [
            "split()",
            "split(\",\")",
            "split(',')",
            "split(\"\")",
            "split(\" \")",
            "split(' ')",
            "split_rev(\",\")",
            "split_rev(',')",
            "split_rev(\"\")",
            "to_chars()",
            "to_blob().to_array()",
        ];
        let mut compared = 0;
        for text in texts {
            for call in calls {
                let script = format!("{text:?}.{call}");
                // What the engine alone does not have is ours.
                let Ok(expected) = rhai::Engine::new().eval::<rhai::Dynamic>(&script) else { continue };

                assert_eq!(Bench::new().output(&script), expected.to_string(), "{script}");
                compared += 1;
            }
        }
        assert!(compared > 50, "{compared}");
    }

    #[test]
    fn json_is_data_and_runs_no_function() {
        let bench = Bench::new().file("/d/a", "secret");

        assert_eq!(
            bench.output(r#"parse_json(`{"a": [1, 2.5, null, true], "b": {"c": "x"}}`)"#),
            r##"#{"a": [1, 2.5, (), true], "b": #{"c": "x"}}"##
        );
        let mut rex = Bench::new().file("/d/a", "secret");
        rex.rex_compat = true;
        for bench in [bench, rex] {
            assert_ne!(bench.run(r#"parse_json(`{"a": cat("/d/a")}`)"#).outcome.end, ScriptEnd::Value);
            assert!(bench.asked().is_empty());
        }
    }

    #[test]
    fn damaged_json_can_be_caught_and_is_told_by_its_own_lines() {
        let script = r#"
            let text = "{\"host\": \"web7\",\n \"seen\": tru,\n \"n\": 2}";
            let state = #{};
            let told = "";
            try { state = parse_json(text); } catch (e) { if e.kind == CommonUtilsErrorKind::ParseError { told = e.message; } }
            [state, told]
        "#;

        assert_eq!(
            Bench::new().output(script),
            r##"[#{}, "Parse Error: this is not JSON: there is no value at line 2, column 10 of the text"]"##
        );
    }

    #[test]
    fn json_may_be_any_value_and_for_rex_is_a_map() {
        let script = r#"let r = []; for t in ["[1]", "5", "null", "\"a\""] { try { r.push(parse_json(t)); } catch (e) { r.push("no"); } } r"#;

        assert_eq!(Bench::new().output(script), r#"[[1], 5, (), "a"]"#);
        let mut rex = Bench::new();
        rex.rex_compat = true;
        assert_eq!(rex.output(script), r#"["no", "no", "no", "no"]"#);
        assert_eq!(
            rex.run(r#"try { parse_json(`{"a": tru}`) } catch (e) { }"#).text,
            "Syntax error: Undefined variable: tru (line 1, position 7)"
        );
        assert_eq!(rex.output("parse_json(`{\"a\": 1+1, /* c */ \"b\": 010,}`)"), r##"#{"a": 2, "b": 10}"##);
    }

    #[test]
    fn what_is_written_as_json_is_read_as_the_same() {
        let script = r##"let m = #{ a: [1, 2.5, (), true, -0.1, 1e300, 9223372036854775807], "k\"\n\\": #{ "\x01": "\u00e9" } };
            parse_json(m.to_json()).to_json() == m.to_json()"##;

        assert_eq!(Bench::new().output(script), "true");
    }

    #[test]
    fn json_meets_the_limits_of_arrays_and_maps() {
        let mut bench = Bench::new();
        bench.limits.array_elements = 5;
        bench.limits.map_entries = 5;

        for script in [
            "try { parse_json(`[1,1,1,1,1,1]`) } catch (e) { 1 }",
            r#"parse_json(`{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1}`)"#,
        ] {
            let ended = bench.run(script);

            assert_eq!(
                ended.outcome.end,
                ScriptEnd::Limit(EngineLimit::DataSize),
                "{script}: {}",
                ended.text
            );
        }
        assert_eq!(bench.output("parse_json(`[1,1,1,1,1]`).len()"), "5");
    }
}
