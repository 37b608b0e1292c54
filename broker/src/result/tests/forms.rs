//! How the document looks.

use super::*;
use crate::result::Format;

const HUMAN: Form<'static> = Form {
    format: Format::Human,
    verbose: false,
    compat: true,
    to_terminal: false,
    for_person: false,
    explain_denials: false,
    in_colour: false,
    sources: &[],
};

fn written(document: &Document, form: Form) -> (String, String) {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    write(document, &form, &mut stdout, &mut stderr).unwrap();
    (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn json_is_one_line_without_an_end_and_pretty_json_is_indented_by_two() {
    let document = recorder().finish(Ending::Value("a\nb".to_owned()), &ALL);

    let (line, _) = written(&document, Form::default());
    let (pretty, _) = written(&document, Form { format: Format::PrettyJson, ..Form::default() });

    assert!(
        line.starts_with("{\"output\":\"a\\nb\",\"status\":\"SUCCESS\",") && !line.contains('\n'),
        "{line}"
    );
    assert!(pretty.starts_with("{\n  \"output\": \"a\\nb\",\n") && pretty.ends_with("\n}"), "{pretty}");
    assert!(serde_json::from_str::<Value>(&line).unwrap() == serde_json::from_str::<Value>(&pretty).unwrap());
}

// Section 16.19.
#[test]
fn the_human_form_is_the_output_and_with_verbose_logs_and_metrics() {
    let document = || {
        let mut recorder = compat();
        recorder.log(&log(LogLevel::Info, 1, "hi")).unwrap();
        recorder.log(&log(LogLevel::Warn, 1, "w2")).unwrap();
        recorder.finish(Ending::Value("7".to_owned()), &Measured::default())
    };

    let (short, _) = written(&document(), HUMAN);
    let (long, stderr) = written(&document(), Form { verbose: true, ..HUMAN });

    assert_eq!(short, "7\n");
    let beginning = "[INFO] hi\n[WARN] w2\n7\n--- metrics ---\nRexRunnerScriptExecutionSuccessCount: 1\n\
                     RexRunnerTotalExecutionTime: ";
    assert!(long.starts_with(beginning) && long.ends_with('\n'), "{long}");
    assert_eq!(stderr, "");
}

#[test]
fn the_human_form_of_nothing_is_nothing_and_of_an_error_is_on_standard_error() {
    let unit = compat().finish(Ending::Value(String::new()), &ALL);
    let error = compat().finish(failed("Runtime error: bad", ErrorClass::Other), &ALL);

    assert_eq!(written(&unit, HUMAN), (String::new(), String::new()));
    assert_eq!(written(&error, HUMAN), (String::new(), "error: Runtime error: bad\n".to_owned()));
}

#[test]
fn a_run_that_was_not_started_answers_rex_in_json() {
    let ending = || Ending::NotStarted(NotStarted::Input { message: "no".to_owned(), missing: true });
    let document = compat().finish(ending(), &ALL);

    let (stdout, stderr) = written(&document, HUMAN);
    let (_, for_people) = written(&document, Form { compat: false, ..HUMAN });

    assert!(stdout.starts_with("{\"output\":\"\"") && stderr.is_empty(), "{stdout}");
    assert_eq!(for_people, "error: no\n");
}

#[test]
fn a_terminal_gets_no_escape_sequences() {
    let mut recorder = compat();
    recorder.log(&log(LogLevel::Info, 1, "\u{1b}[2J")).unwrap();
    recorder.metric(metric("a\nb\u{1b}c", 1.0)).unwrap();
    let document = recorder.finish(Ending::Value("\u{1b}]0;x\u{7}\nline".to_owned()), &ALL);
    let error = compat().finish(failed("\u{1b}[31m", ErrorClass::Other), &ALL);

    let (terminal, _) = written(&document, Form { verbose: true, to_terminal: true, ..HUMAN });
    let (file, _) = written(&document, HUMAN);
    let (_, stderr) = written(&error, HUMAN);

    assert!(!terminal.contains('\u{1b}') && terminal.contains("\\u{1b}]0;x\\u{7}\nline"), "{terminal:?}");
    assert!(terminal.contains("a\\nb\\u{1b}c: 1\n"), "{terminal:?}");
    assert_eq!(file, "\u{1b}]0;x\u{7}\nline\n");
    assert_eq!(stderr, "error: \\u{1b}[31m\n");
}

#[test]
fn json_on_a_terminal_means_the_same_and_gives_no_orders() {
    let said = "\u{9b}2J\u{7f}\u{1b}\u{202e}\n";
    let document = compat().finish(Ending::Value(said.to_owned()), &ALL);

    for format in [Format::Json, Format::PrettyJson, Format::Ndjson] {
        let (terminal, _) = written(&document, Form { to_terminal: true, format, ..HUMAN });

        let read: Value = serde_json::from_str(&terminal).unwrap();
        assert_eq!(read["output"], said, "{terminal:?}");
        assert!(terminal.ends_with("}\n"), "{terminal:?}");
        assert_eq!(crate::terminal::printable(&terminal), terminal);
    }
    // A file or a pipe gets the bytes that Rex would write.
    let (file, _) = written(&document, Form { format: Format::Json, ..HUMAN });
    assert!(file.contains('\u{9b}') && file.ends_with('}'), "{file:?}");
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let document = recorder().finish(Ending::Value("x".to_owned()), &ALL);
    let mut full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();

    assert!(write(&document, &Form::default(), &mut full, &mut Vec::new()).is_err());
}
