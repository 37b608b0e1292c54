//! Files that can be used, files that cannot, and what is said of them.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use rex_ipc::control::Argument;

use super::*;
use crate::result::NotStarted;

/// A directory of its own, with `script`, `policy` and, when given, `args.json`.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("rex-input-{}-{name}", std::process::id()));
        drop(fs::remove_dir_all(&path));
        fs::create_dir(&path).unwrap();
        fs::write(path.join("script"), "1").unwrap();
        fs::write(path.join("policy"), "// nothing").unwrap();
        Self(path)
    }

    fn read(&self) -> Result<Inputs, InputError> {
        let arguments = self.0.join("args.json");
        let arguments = arguments.exists().then_some(arguments.as_path());
        let deadline = Instant::now() + Duration::from_millis(300);
        read(&wanted(&Script::File(self.0.join("script")), &[self.0.join("policy")], arguments), deadline)
    }

    fn refused(&self) -> String {
        self.read().unwrap_err().to_string()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn wanted<'a>(script: &'a Script, policies: &'a [PathBuf], arguments: Option<&'a Path>) -> Wanted<'a> {
    Wanted { script, policies, directories: false, forbids: &[], arguments, given: &[], rex_compat: false }
}

/// More than any test takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn with_arguments(name: &str, text: &str) -> Result<Inputs, InputError> {
    let place = Place::new(name);
    fs::write(place.0.join("args.json"), text).unwrap();
    place.read()
}

/// What follows the path in the message about these arguments.
fn reason(name: &str, text: &str) -> String {
    let error = with_arguments(name, text).unwrap_err();
    assert!(!error.is_missing());
    let message = error.to_string();
    let beginning = "Failed to load input files: Failed to parse script arguments JSON: ";
    assert!(message.starts_with(beginning), "{message}");
    let reason = message.split_once("args.json: ").unwrap().1;
    reason.split_once("; each value is named by its kind").map_or(reason, |(reason, _)| reason).to_owned()
}

#[test]
fn arguments_that_are_json_of_another_form_are_told_the_form() {
    for (text, is_told) in [(r#"{"days": 30}"#, true), (r#"["a"]"#, true), (r#"{"days": "#, false)] {
        let message = with_arguments("form", text).unwrap_err().to_string();
        assert_eq!(message.contains(r#"{"integerValue": 30}"#), is_told, "{message}");
    }
}

fn values(name: &str, text: &str) -> Vec<(String, Argument)> {
    let inputs = with_arguments(name, text).unwrap();
    inputs.check_depth().unwrap();
    inputs.arguments.values
}

fn for_rex(text: &str) -> Vec<(String, Argument)> {
    arguments::decode(text, true).unwrap().into_arguments().unwrap().values
}

/// Every third that has no end keeps its last bit, on the way through a file and back.
#[test]
fn numbers_keep_their_last_bit() {
    for number in 1..10_000_i32 {
        let third = f64::from(number) / 3.0;

        let read = for_rex(&format!("{{\"x\":{{\"doubleValue\":{third:?}}}}}")).remove(0).1;

        assert!(
            matches!(read, Argument::Float(value) if value.to_bits() == third.to_bits()),
            "{third:?}: {read:?}"
        );
    }
}

fn value(name: &str, kind: &str) -> Argument {
    values(name, &format!("{{\"x\":{kind}}}")).remove(0).1
}

#[test]
fn the_files_are_read_whole() {
    let inputs = with_arguments("whole", r#"{"base": {"integerValue": 40}}"#).unwrap();

    assert_eq!((inputs.script.as_str(), inputs.policies[0].text.as_str()), ("1", "// nothing"));
    assert_eq!(inputs.script_sha256, "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b");
    assert_eq!(inputs.arguments.values, [("base".to_owned(), Argument::Integer(40))]);
    assert!(inputs.arguments_sha256.is_some());
}

#[test]
fn without_arguments_there_are_none() {
    let inputs = Place::new("none").read().unwrap();

    assert!(inputs.arguments.values.is_empty() && inputs.arguments_sha256.is_none());
}

#[test]
fn every_kind_has_its_value() {
    assert_eq!(value("string", r#"{"stringValue": "ü\n\u0000"}"#), Argument::Text("ü\n\0".to_owned()));
    assert_eq!(value("integer", r#"{"integerValue": -2147483648}"#), Argument::Integer(-2_147_483_648));
    assert_eq!(value("long", r#"{"longValue": 9223372036854775807}"#), Argument::Integer(i64::MAX));
    assert_eq!(value("double", r#"{"doubleValue": 3}"#), Argument::Float(3.0));
    assert_eq!(value("boolean", r#"{"booleanValue": true}"#), Argument::Bool(true));
    assert_eq!(
        value("list", r#"{"listValue": [{"stringValue": "a"}, {"integerValue": 1}]}"#),
        Argument::List(vec![Argument::Text("a".to_owned()), Argument::Integer(1)])
    );
    assert_eq!(
        value("map", r#"{"mapValue": {"k": {"booleanValue": false}}}"#),
        Argument::Map(vec![("k".to_owned(), Argument::Bool(false))])
    );
}

#[test]
fn a_byte_order_mark_before_the_arguments_says_nothing() {
    let text = r#"{"a": {"longValue": 1}}"#;

    assert_eq!(values("marked", &format!("\u{feff}{text}")), values("plain", text));
    assert!(with_arguments("twice", &format!("\u{feff}\u{feff}{text}")).is_err());
}

#[test]
fn names_are_not_checked_and_keep_their_order() {
    let text = r#"{"b": {"integerValue": 1}, "": {"integerValue": 2}, "let": {"integerValue": 3}, "a-b": {"integerValue": 4}}"#;

    let names: Vec<String> = values("names", text).into_iter().map(|(name, _)| name).collect();

    assert_eq!(names, ["b", "", "let", "a-b"]);
}

#[test]
fn a_name_that_comes_twice_is_refused() {
    for (name, text) in [
        ("again", r#"{"a": {"integerValue": 1}, "a": {"integerValue": 2}}"#),
        ("again-escaped", r#"{"a": {"integerValue": 1}, "\u0061": {"integerValue": 1}}"#),
        ("again-in-map", r#"{"m": {"mapValue": {"a": {"integerValue": 1}, "a": {"integerValue": 2}}}}"#),
        (
            "again-in-list",
            r#"{"l": {"listValue": [{"mapValue": {"a": {"integerValue": 1}, "a": {"integerValue": 2}}}]}}"#,
        ),
    ] {
        assert_eq!(reason(name, text), "the name \"a\" is there more than once");
    }
}

#[test]
fn a_name_is_given_once_on_the_command_line() {
    let place = Place::new("given-twice");
    let given = ["a=1", "b=2", "a:int=1"].map(|word| GivenArgument::parse(word).unwrap());
    let (script, policies) = (Script::File(place.0.join("script")), [place.0.join("policy")]);
    let with = |given: &[GivenArgument]| {
        read(&Wanted { given, ..wanted(&script, &policies, None) }, Instant::now() + PATIENCE)
            .map_err(|error| error.to_string())
    };

    assert_eq!(with(&given[..2]).unwrap().arguments.values.len(), 2);
    assert_eq!(
        with(&given).unwrap_err(),
        "Failed to load input files: the argument a is given more than once"
    );
}

#[test]
fn a_mark_before_the_arguments_does_not_count() {
    assert_eq!(
        values("marked", "\u{feff}{\"x\":{\"longValue\":1}}"),
        [("x".to_owned(), Argument::Integer(1))]
    );
    assert!(arguments::decode("\u{feff}{}", true).is_ok());
}

#[test]
fn numbers_are_read_whole() {
    for (text, number) in [
        ("-0", 0),
        ("9223372036854775807", i64::MAX),
        ("-9223372036854775808", i64::MIN),
        ("9007199254740993", 9_007_199_254_740_993),
    ] {
        assert_eq!(value("long", &format!("{{\"longValue\":{text}}}")), Argument::Integer(number));
    }
    assert_eq!(value("int", r#"{"integerValue":-0}"#), Argument::Integer(0));
    for text in ["1.0", "1e2", "9223372036854775808", "-9223372036854775809", "100000000000000000000"] {
        reason("wrong-long", &format!("{{\"x\":{{\"longValue\":{text}}}}}"));
        reason("wrong-int", &format!("{{\"x\":{{\"integerValue\":{text}}}}}"));
    }
    reason("wrong-range", r#"{"x":{"integerValue":2147483648}}"#);
}

#[test]
fn for_rex_the_last_value_of_a_name_counts() {
    let text = r#"{"a": {"integerValue": 1}, "b": {"integerValue": 2}, "a": {"stringValue": "x"}}"#;

    assert_eq!(
        for_rex(text),
        [("a".to_owned(), Argument::Text("x".to_owned())), ("b".to_owned(), Argument::Integer(2))]
    );
    assert_eq!(
        for_rex(r#"{"x": {"mapValue": {"k": {"integerValue": 1}, "k": {"integerValue": 2}}}}"#).remove(0).1,
        Argument::Map(vec![("k".to_owned(), Argument::Integer(2))])
    );
}

// Section 16.12.
#[test]
fn a_bare_value_is_refused_in_rexs_words() {
    assert_eq!(
        reason("bare", r#"{"who":"plain string"}"#),
        "unknown variant `plain string`, expected one of `stringValue`, `integerValue`, `longValue`, `doubleValue`, \
         `booleanValue`, `listValue`, `mapValue` at line 1 column 21"
    );
}

#[test]
fn what_has_not_the_form_is_refused() {
    for (name, text) in [
        ("null", r#"{"x": null}"#),
        ("number", r#"{"x": 5}"#),
        ("two-kinds", r#"{"x": {"integerValue": 1, "stringValue": "a"}}"#),
        ("no-kind", r#"{"x": {}}"#),
        ("fraction", r#"{"x": {"integerValue": 1.5}}"#),
        ("whole-fraction", r#"{"x": {"integerValue": 1.0}}"#),
        ("33-bits", r#"{"x": {"integerValue": 2147483648}}"#),
        ("65-bits", r#"{"x": {"longValue": 9223372036854775808}}"#),
        ("overflow", r#"{"x": {"doubleValue": 1e999}}"#),
        ("not-a-number", r#"{"x": {"doubleValue": "NaN"}}"#),
        ("case", r#"{"x": {"StringValue": "a"}}"#),
        ("kind-alone", r#"{"x": "stringValue"}"#),
        ("top-list", "[]"),
        ("trailing", "{} x"),
        ("empty", ""),
        ("null-in-list", r#"{"x": {"listValue": [null]}}"#),
    ] {
        let reason = reason(name, text);

        assert!(reason.contains(" at line 1 column "), "{name}: {reason}");
    }
}

#[test]
fn values_may_be_two_levels_deep() {
    for (name, kind) in [
        ("flat", r#"{"listValue": [{"integerValue": 1}]}"#),
        ("empty-in-list", r#"{"listValue": [{"listValue": []}]}"#),
        ("empty-in-map", r#"{"mapValue": {"k": {"mapValue": {}}}}"#),
    ] {
        value(name, kind);
    }
}

// Section 16.11.
#[test]
fn what_is_deeper_is_told_of_after_everything_else() {
    let inputs = with_arguments(
        "deep",
        r#"{"a":{"integerValue":1},"who":{"listValue":[{"listValue":[{"integerValue":1}]}]}}"#,
    );

    let error = inputs.unwrap().check_depth().unwrap_err();

    assert_eq!(
        error.to_string(),
        "Script arguments depth validation failed: Argument 'who': Maximum nesting depth of 2 exceeded"
    );
    assert!(matches!(NotStarted::from(error), NotStarted::Arguments(_)));
}

#[test]
fn nesting_beyond_128_levels_is_refused_by_the_decoder() {
    let nested = format!("{{\"x\":{}{}}}", "{\"listValue\":[".repeat(200), "]}".repeat(200));

    assert!(reason("nested", &nested).starts_with("recursion limit exceeded"));
}

#[test]
fn the_first_file_that_is_wrong_is_the_one_told_of() {
    let place = Place::new("order");
    fs::write(place.0.join("args.json"), "x").unwrap();
    let path = |name: &str| place.0.join(name).display().to_string();

    assert!(
        place.refused().starts_with("Failed to load input files: Failed to parse script arguments JSON: ")
    );
    fs::remove_file(place.0.join("policy")).unwrap();
    assert_eq!(
        place.refused(),
        format!(
            "Failed to load input files: Failed to read policy file: {}: No such file or directory (os error 2)",
            path("policy")
        )
    );
    fs::remove_file(place.0.join("script")).unwrap();
    fs::create_dir(place.0.join("script")).unwrap();
    assert_eq!(
        place.refused(),
        format!(
            "Failed to load input files: Failed to read script file: {}: Is a directory (os error 21)",
            path("script")
        )
    );
}

#[test]
fn what_is_not_text_is_refused() {
    let place = Place::new("bytes");
    fs::write(place.0.join("script"), b"\"\xff\"").unwrap();

    let error = place.read().unwrap_err();

    assert!(!error.is_missing());
    assert!(error.to_string().ends_with("/script: stream did not contain valid UTF-8"), "{error}");
}

#[test]
fn a_missing_file_is_told_from_a_wrong_one() {
    let place = Place::new("missing");
    fs::remove_file(place.0.join("policy")).unwrap();

    let reason = NotStarted::from(place.read().unwrap_err());

    assert!(matches!(reason, NotStarted::Input { missing: true, .. }));
}

#[test]
fn a_file_has_a_largest_size() {
    let place = Place::new("large");

    let endless = file::read(Path::new("/dev/zero"), 1000, Instant::now() + PATIENCE).unwrap_err();
    let fits = file::read(&place.0.join("script"), 1, Instant::now() + PATIENCE);
    let exceeds = file::read(&place.0.join("policy"), 9, Instant::now() + PATIENCE);

    assert_eq!(endless.to_string(), "larger than 1000 bytes");
    assert_eq!(fits.unwrap(), "1");
    assert!(exceeds.is_err());
}

#[test]
fn a_fifo_is_read_until_its_end() {
    let place = Place::new("fifo");
    let script = place.0.join("script");
    fs::remove_file(&script).unwrap();
    mkfifo(&script, Mode::S_IRWXU).unwrap();

    let writer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        let mut fifo = fs::OpenOptions::new().write(true).open(script).unwrap();
        fifo.write_all(b"first ").unwrap();
        std::thread::sleep(Duration::from_millis(20));
        fifo.write_all(b"second").unwrap();
    });
    let inputs = place.read();

    writer.join().unwrap();
    assert_eq!(inputs.unwrap().script, "first second");
}

#[test]
fn a_fifo_that_nobody_writes_to_does_not_hold_the_run_for_ever() {
    let place = Place::new("silent");
    let policy = place.0.join("policy");
    fs::remove_file(&policy).unwrap();
    mkfifo(&policy, Mode::S_IRWXU).unwrap();

    let begun = Instant::now();
    let message = place.refused();

    assert!(message.ends_with("/policy: has not come to its end in time"), "{message}");
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_pipe_whose_writer_is_gone_is_at_its_end() {
    use std::os::fd::AsRawFd;
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b"1 + 1").unwrap();
    drop(writer);
    let path = PathBuf::from(format!("/proc/self/fd/{}", reader.as_raw_fd()));

    let full = file::read(&path, 1000, Instant::now() + PATIENCE);
    let empty = file::read(&path, 1000, Instant::now() + PATIENCE);

    assert_eq!((full.unwrap(), empty.unwrap()), ("1 + 1".to_owned(), String::new()));
}
