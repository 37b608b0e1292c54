//! What scripts begin with, what is said of their mistakes, and what a dry run warns of.

use crate::people::{document, finish, place, run, text, with_input};

#[test]
fn a_script_may_begin_with_a_line_for_the_kernel_and_a_mark() {
    let script = "\u{feff}#!/usr/bin/env -S rex-broker run\n6 * 7";
    let scratch = place(script);

    assert_eq!(text(&finish(&scratch, &[]).stdout), "42\n");
    assert_eq!(finish(&scratch, &["--dry-run"]).status.code(), Some(0));
    let piped = with_input(run(&scratch, &["-", "-p", "policy.cedar"]), script);
    assert_eq!(text(&piped.stdout), "42\n", "{}", text(&piped.stderr));

    let broken = finish(&place("#!/usr/bin/env rex\n\n  throw 5"), &[]);
    assert!(text(&broken.stderr).contains("script.rhai:3:3"), "{}", text(&broken.stderr));
}

#[test]
fn a_damaged_state_file_is_caught() {
    let script = "let state = #{n: 0}; try { state = parse_json(`{\"n\": tru}`); } catch (e) { warn(e.message); } state.n";

    let output = finish(&place(script), &[]);

    assert_eq!(text(&output.stdout), "0\n", "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("line 1, column 7 of the text"), "{}", text(&output.stderr));
}

#[test]
fn the_place_and_the_remedy_of_an_error_are_shown() {
    for (script, place_of, words) in [
        ("info(\"a\");\n/* open\ninfo(\"b\");", "script.rhai:2:1", "end it with `*/`"),
        ("const c = #{a: 1};\nc.a = 2;", "script.rhai:2:1", "declare it with `let`"),
        ("let a = [1];\na.map(|x| a.len());", "script.rhai:2:3", "open through what the closure is given"),
        (
            "let limits = #{cpu: 4};\nlet twice = 2 * limits;",
            "script.rhai:2:15",
            "`*` does not go with values of these types",
        ),
        ("throw #{code: 5, msg: \"disk web7 is full\"};", "script.rhai:1:1", "\"disk web7 is full\""),
        ("throw #{kind: \"DiskFull\", message: \"web7\", source: \"check\"};", "script.rhai:1:1", "DiskFull"),
    ] {
        let output = finish(&place(script), &[]);
        let shown = text(&output.stderr);

        assert!(shown.contains(place_of) && shown.contains(words), "{script}:\n{shown}");
        assert!(!shown.contains("sdk search *") && !shown.contains(".rs"), "{shown}");
        assert!(matches!(output.status.code(), Some(1 | 65)), "{script}: {:?}", output.status);
    }
}

#[test]
fn a_dry_run_warns_with_the_line_and_is_a_success() {
    let script = "let name = cat(\"/etc/hostname\");\nrm(\"/dir/\" + name.trim());\n";

    let output = finish(&place(script), &["--dry-run"]);
    let json = document(&finish(&place(script), &["--dry-run", "--json"]));

    let shown = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0));
    assert!(shown.contains("warning: this changes its value in place and gives nothing"), "{shown}");
    assert!(shown.contains("script.rhai:2:19"), "{shown}");
    assert_eq!(json["status"], "SUCCESS");
    assert_eq!(
        (&json["diagnostics"][0]["severity"], &json["diagnostics"][0]["line"]),
        (&"warning".into(), &2.into())
    );
    // Whoever runs a script is not warned: what it does is done.
    let ran = finish(&place("let name = \" a \"; \"/dir/\" + name.trim()"), &[]);
    assert_eq!((text(&ran.stdout), text(&ran.stderr)), ("/dir/\n", ""));
}

#[test]
fn arguments_keep_what_they_are() {
    let scratch = place("[a, b, c]");
    scratch
        .file("args.json", r#"{"a": {"doubleValue": 0.25}, "b": {"longValue": -0}, "c": {"longValue": 1}}"#);

    let output = finish(&scratch, &["--args", "args.json", "--arg", "c:json=0.5"]);
    let twice = finish(&scratch, &["--arg", "a=1", "--arg", "a=2"]);

    assert_eq!(text(&output.stdout), "[0.25, 0, 0.5]\n", "{}", text(&output.stderr));
    assert_eq!(twice.status.code(), Some(65));
    assert!(
        text(&twice.stderr).contains("the argument a is given more than once"),
        "{}",
        text(&twice.stderr)
    );
}
