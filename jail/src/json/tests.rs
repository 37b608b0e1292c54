//! One line for each production of RFC 8259, and for each way to miss it.

use serde_json::Value;

use super::*;

const LIMITS: JsonLimits = JsonLimits { depth: 64, elements: 1_000, members: 1_000 };

fn shown(value: &Dynamic) -> String {
    format!("{value:?}")
}

/// Grammar of sections 2 to 8, and what is read.
const ACCEPTED: &[(&str, &str)] = &[
    // JSON-text = ws value ws; ws = space, tab, line feed, carriage return
    ("1", "1"),
    (" \t\n\r1\r\n\t ", "1"),
    ("[ ]", "[]"),
    ("{\t}", "#{}"),
    ("{ \"a\" : 1 , \"b\" : 2 }", r##"#{"a": 1, "b": 2}"##),
    ("[\n1\n,\n2\n]", "[1, 2]"),
    // value
    ("true", "true"),
    ("false", "false"),
    ("null", "()"),
    ("\"\"", "\"\""),
    ("[null,true,false]", "[(), true, false]"),
    // object and array
    ("{\"\":0}", r##"#{"": 0}"##),
    ("{\"a\":{\"a\":{}}}", r##"#{"a": #{"a": #{}}}"##),
    ("[[],[[]],{}]", "[[], [[]], #{}]"),
    ("{\"a b\":1,\"let\":2,\"null\":3}", r##"#{"a b": 1, "let": 2, "null": 3}"##),
    // number
    ("0", "0"),
    ("-0", "0"),
    ("-1", "-1"),
    ("10", "10"),
    ("9223372036854775807", "9223372036854775807"),
    ("-9223372036854775808", "-9223372036854775808"),
    ("9007199254740993", "9007199254740993"),
    ("0.5", "0.5"),
    ("-0.0", "-0.0"),
    ("1.0", "1.0"),
    ("1e2", "100.0"),
    ("1E+2", "100.0"),
    ("1e-2", "0.01"),
    ("0e0", "0.0"),
    ("1e00", "1.0"),
    ("0.30000000000000004", "0.30000000000000004"),
    ("1.7976931348623157e308", "1.7976931348623157e308"),
    ("5e-324", "5e-324"),
    ("1e-400", "0.0"),
    // string
    (r#""\"\\\/\b\f\n\r\t""#, "\"\\\"\\\\/\\u{8}\\u{c}\\n\\r\\t\""),
    (r#""http:\/\/web7\/x""#, "\"http://web7/x\""),
    (r#""\u0041\u00e9\u20AC""#, "\"Aé€\""),
    (r#""\ud83d\ude00 \uD83D\uDE00""#, "\"😀 😀\""),
    (r#""\udbff\udfff""#, "\"\\u{10ffff}\""),
    (r#""\u0000""#, "\"\\0\""),
    ("\"é😀\u{7f}\u{2028}\"", "\"é😀\\u{7f}\\u{2028}\""),
    (r#""\u005c\u0022""#, r#""\\\"""#),
    ("\"\u{feff}\"", "\"\\u{feff}\""),
    ("\"/* no comment */ // none\"", "\"/* no comment */ // none\""),
];

/// Text, words of the reason, line and column.
const REFUSED: &[(&str, &str, usize, usize)] = &[
    ("", "the end of the text", 1, 1),
    (" \n ", "the end of the text", 2, 2),
    ("\u{feff}1", "byte-order mark", 1, 1),
    ("\u{a0}1", "no value", 1, 1),
    ("\u{c}1", "no value", 1, 1),
    ("1 2", "behind the value", 1, 3),
    ("{} x", "behind the value", 1, 4),
    ("1;", "behind the value", 1, 2),
    ("nul", "no value", 1, 1),
    ("True", "no value", 1, 1),
    ("truex", "no value", 1, 1),
    ("undefined", "no value", 1, 1),
    ("NaN", "no value", 1, 1),
    ("Infinity", "no value", 1, 1),
    ("-Infinity", "a minus without a number", 1, 1),
    ("{\"host\": \"web7\",\n \"seen\": tru,\n \"n\": 2}", "no value", 2, 10),
    ("()", "no value", 1, 1),
    ("#{}", "no value", 1, 1),
    // Objects and arrays.
    ("{", "no key", 1, 2),
    ("{\"a\"", "no colon", 1, 5),
    ("{\"a\":", "the end of the text", 1, 6),
    ("{\"a\":1", "neither a comma nor the end of the object", 1, 7),
    ("{\"a\":1,}", "no key", 1, 8),
    ("{,}", "no key", 1, 2),
    ("{a:1}", "no key", 1, 2),
    ("{'a':1}", "no key", 1, 2),
    ("{1:1}", "no key", 1, 2),
    ("{\"a\" 1}", "no colon", 1, 6),
    ("{\"a\"=1}", "no colon", 1, 5),
    ("{\"a\":1 \"b\":2}", "neither a comma", 1, 8),
    ("{\"a\":1,\"a\":2}", "was there before", 1, 8),
    ("{\"a\":1,\"\\u0061\":2}", "was there before", 1, 8),
    ("[", "the end of the text", 1, 2),
    ("[1", "neither a comma nor the end of the array", 1, 3),
    ("[1,]", "no value", 1, 4),
    ("[,1]", "no value", 1, 2),
    ("[1 2]", "neither a comma", 1, 4),
    ("[1}", "neither a comma", 1, 3),
    ("]", "no value", 1, 1),
    // Comments and sums.
    ("/* c */ 1", "no value", 1, 1),
    ("1 // c", "behind the value", 1, 3),
    ("[1, /* c */ 2]", "no value", 1, 5),
    ("{\"a\": 1+1}", "neither a comma", 1, 8),
    ("[1-1]", "neither a comma", 1, 3),
    ("`a`", "no value", 1, 1),
    // Numbers.
    ("01", "a zero too many", 1, 1),
    ("-01", "a zero too many", 1, 1),
    ("00", "a zero too many", 1, 1),
    ("+1", "no value", 1, 1),
    (".5", "no value", 1, 1),
    ("1.", "behind its point", 1, 1),
    ("1.e1", "behind its point", 1, 1),
    ("-", "a minus without a number", 1, 1),
    ("--1", "a minus without a number", 1, 1),
    ("1e", "in its exponent", 1, 1),
    ("1e+", "in its exponent", 1, 1),
    ("1_000", "behind the value", 1, 2),
    ("0x10", "behind the value", 1, 2),
    ("1f", "behind the value", 1, 2),
    ("9223372036854775808", "beyond 64 bits", 1, 1),
    ("-9223372036854775809", "beyond 64 bits", 1, 1),
    ("[\n  18446744073709551615]", "beyond 64 bits", 2, 3),
    ("1e400", "beyond the range", 1, 1),
    ("-1e400", "beyond the range", 1, 1),
    // Strings.
    ("\"", "the end of the text in a string", 1, 2),
    ("\"a\\", "an escape", 1, 3),
    ("'a'", "no value", 1, 1),
    ("\"\u{1}\"", "control character", 1, 2),
    ("\"a\nb\"", "control character", 1, 3),
    ("\"a\tb\"", "control character", 1, 3),
    ("\"\u{1f}\"", "control character", 1, 2),
    (r#""\x41""#, "an escape that JSON does not have", 1, 2),
    (r#""\'""#, "an escape that JSON does not have", 1, 2),
    (r#""\0""#, "an escape that JSON does not have", 1, 2),
    (r#""\U0041""#, "an escape that JSON does not have", 1, 2),
    (r#""\u004""#, "four hexadecimal digits", 1, 2),
    (r#""\u004g""#, "four hexadecimal digits", 1, 2),
    (r#""\u+041""#, "four hexadecimal digits", 1, 2),
    (r#""\u{41}""#, "four hexadecimal digits", 1, 2),
    ("\"\\u00é1\"", "four hexadecimal digits", 1, 2),
    (r#""\ud83d""#, "half of a character", 1, 2),
    (r#""\ude00""#, "half of a character", 1, 2),
    (r#""\ude00\ud83d""#, "half of a character", 1, 2),
    (r#""é\ud83dx""#, "half of a character", 1, 3),
    (r#""\ud83d\ud83d""#, "half of a character", 1, 2),
    (r#""\ud83d\u0041""#, "half of a character", 1, 2),
    (r#""\ud83d\n""#, "half of a character", 1, 2),
    (r#""\ud83d\u12""#, "four hexadecimal digits", 1, 2),
];

#[test]
fn every_production_is_accepted() {
    for (text, value) in ACCEPTED {
        let read = read(text, LIMITS).unwrap_or_else(|reason| panic!("{text}: {reason:?}"));
        assert_eq!(shown(&read), *value, "{text}");
    }
}

#[test]
fn everything_else_is_refused_at_its_place() {
    for (text, words, line, column) in REFUSED {
        match read(text, LIMITS) {
            Err(Unread::Wrong(error)) => {
                assert!(error.reason.contains(words), "{text}: {error}");
                assert_eq!((error.line, error.column), (*line, *column), "{text}: {error}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn depth_and_sizes_are_limited() {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let maps = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));

    for text in [deep(64), maps(64)] {
        assert!(read(&text, LIMITS).is_ok());
    }
    for text in [deep(65), maps(65), deep(1_000_000), "[".repeat(1_000_000)] {
        let Err(Unread::Wrong(error)) = read(&text, LIMITS) else { panic!("read") };
        assert!(error.reason.contains("deeper than 64 levels"), "{error}");
        assert!(error.column > 64, "{error}");
    }
    let many = |count: usize| format!("[{}1]", "1,".repeat(count - 1));
    assert!(read(&many(1_000), LIMITS).is_ok());
    assert_eq!(read(&many(1_001), LIMITS).unwrap_err(), Unread::ArrayTooLarge);
    let members = |count: usize| {
        let members: Vec<String> = (0..count).map(|number| format!("\"{number}\":0")).collect();
        format!("{{{}}}", members.join(","))
    };
    assert!(read(&members(1_000), LIMITS).is_ok());
    assert_eq!(read(&members(1_001), LIMITS).unwrap_err(), Unread::MapTooLarge);
}

/// Against another reader: every prefix of every line above, every line with one byte replaced, and every line twice.
#[test]
fn another_reader_agrees() {
    let mut texts = Vec::new();
    for text in ACCEPTED.iter().map(|line| line.0).chain(REFUSED.iter().map(|line| line.0)) {
        texts.push(format!("{text}{text}"));
        texts.push(format!("[{text},{text}]"));
        for (at, character) in text.char_indices() {
            texts.push(text[..at].to_owned());
            for other in [
                "\"", "\\", "{", "}", "[", "]", ",", ":", "0", "1", "-", "+", ".", "e", "u", "d", " ", "\n",
                "/",
            ] {
                texts.push(format!("{}{other}{}", &text[..at], &text[at + character.len_utf8()..]));
                texts.push(format!("{}{other}{}", &text[..at], &text[at..]));
            }
        }
    }
    assert!(texts.len() > 20_000, "{}", texts.len());
    for text in texts {
        let ours = read(&text, LIMITS);
        match serde_json::from_str::<Value>(&text) {
            Ok(theirs) => match ours {
                Ok(value) => assert!(same(&value, &theirs), "{text}: {value:?} {theirs:?}"),
                // Where we are stricter.
                Err(Unread::Wrong(error)) => assert!(
                    error.reason.contains("beyond 64 bits") || error.reason.contains("was there before"),
                    "{text}: {error}"
                ),
                Err(other) => panic!("{text}: {other:?}"),
            },
            Err(reason) => assert!(ours.is_err(), "{text}: {ours:?} {reason}"),
        }
    }
}

fn same(ours: &Dynamic, theirs: &Value) -> bool {
    match theirs {
        Value::Null => ours.is_unit(),
        Value::Bool(truth) => ours.as_bool() == Ok(*truth),
        Value::String(text) => ours.as_immutable_string_ref().is_ok_and(|ours| *ours == text.as_str()),
        Value::Number(number) => match (ours.as_int(), ours.as_float()) {
            // The other reader takes -0 for a float.
            (Ok(ours), _) => number.as_i64() == Some(ours) || (ours == 0 && number.as_f64() == Some(0.0)),
            (_, Ok(ours)) => number.as_f64().map(f64::to_bits) == Some(ours.to_bits()),
            _ => false,
        },
        Value::Array(values) => ours.as_array_ref().is_ok_and(|ours| {
            ours.len() == values.len() && ours.iter().zip(values).all(|(ours, theirs)| same(ours, theirs))
        }),
        Value::Object(members) => ours.as_map_ref().is_ok_and(|ours| {
            ours.len() == members.len()
                && members
                    .iter()
                    .all(|(key, theirs)| ours.get(key.as_str()).is_some_and(|ours| same(ours, theirs)))
        }),
    }
}
