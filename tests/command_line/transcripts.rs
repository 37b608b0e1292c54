//! What is said word for word: each diagnostic as a person sees it, and each event as a program does.
//!
//! The transcripts are in tests/golden/command_line. `REX_GOLDEN=write` writes them anew; read the difference.

use std::fmt::Write;
use std::fs;

use nix::unistd::{User, geteuid};
use rex_tests::scratch::Scratch;
use serde_json::Value;

use crate::golden;
use crate::people::{place, run, text};

/// Runs each line of words in the place and writes down what is said.
fn transcript(name: &str, scratch: &Scratch, lines: &[&str]) {
    let mut told = String::new();
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        let output = run(scratch, &words).output().expect("the program can be started");
        let code = output.status.code().expect("no signal ends it");
        writeln!(told, "$ rex-broker run {line}").expect("a string takes it");
        told += &stable(scratch, text(&output.stdout));
        if !output.stderr.is_empty() {
            told += "--- on standard error\n";
            told += &stable(scratch, text(&output.stderr));
        }
        writeln!(told, "--- exit status {code}\n").expect("a string takes it");
    }
    golden::check(&format!("tests/golden/command_line/{name}.txt"), &told);
}

/// The text without what differs from run to run and from host to host.
fn stable(scratch: &Scratch, text: &str) -> String {
    let user =
        User::from_uid(geteuid()).ok().flatten().map_or_else(|| "unknown".to_owned(), |user| user.name);
    let mut lines = String::new();
    for line in text.replace(&scratch.path().display().to_string(), "<here>").lines() {
        let line = match serde_json::from_str::<Value>(line) {
            Ok(mut json @ Value::Object(_)) => {
                mask(&mut json);
                json.to_string()
            }
            _ => masked_metric(line),
        };
        let line = line.replace(&format!("User::\"{user}\""), "User::\"<user>\"");
        let line = line.replace(&format!("User::\\\"{user}\\\""), "User::\\\"<user>\\\"");
        lines += &line.replace(&format!("denied: {user} "), "denied: <user> ");
        lines.push('\n');
    }
    lines
}

/// A metric of the human form has a value that differs.
fn masked_metric(line: &str) -> String {
    match line.split_once(": ") {
        Some((name, value)) if name.starts_with("RexRunner") && !name.ends_with("Count") => {
            assert!(value.parse::<f64>().is_ok(), "{line}");
            format!("{name}: <n>")
        }
        _ => line.to_owned(),
    }
}

fn mask(json: &mut Value) {
    match json {
        Value::Object(fields) => {
            let name = fields.get("metric_name").and_then(Value::as_str).unwrap_or_default();
            if name.starts_with("RexRunner") && !name.ends_with("Count") {
                fields["metric_value"] = "<n>".into();
            }
            for (key, value) in fields {
                match key.as_str() {
                    "timestamp" | "metric_timestamp" | "run" => *value = format!("<{key}>").into(),
                    "posture" => *value = "<posture>".into(),
                    key if key.ends_with("_sha256") => *value = "<sha256>".into(),
                    _ => mask(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(mask),
        _ => {}
    }
}

#[test]
fn errors_of_scripts() {
    let scratch = place("1");
    let scripts = [
        ("incomplete", "let x = 1;\nx +\n"),
        ("undeclared", "let n = 1;\n\tn + undeclared\n"),
        ("unknown", "let lines = cta(\"/etc/hostname\");\n"),
        ("print", "print(\"x\");\n"),
        ("eval", "eval(\"1\");\n"),
        ("import", "import \"other\" as other;\n"),
        ("zero", "let n = 0;\nn / n\n"),
        ("thrown", "throw \"a message\";\n"),
        ("nested", "fn inner() {\n    throw \"deep\"\n}\nfn outer() {\n    inner()\n}\nouter();\n"),
        ("recursion", "fn f(n) { f(n + 1) }\nf(0)\n"),
        ("missing", "cat(\"/no/such/file\")\n"),
        ("hostile", "throw \"\u{1b}[2J\u{202e}\";\n"),
        ("wide", "let s = \"日本 é\"; s + undeclared\n"),
    ];
    for (name, script) in scripts {
        scratch.file(&format!("{name}.rhai"), script);
    }

    let lines: Vec<String> =
        scripts.iter().map(|(name, _)| format!("{name}.rhai --policy policy.cedar")).collect();

    transcript("scripts", &scratch, &lines.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn errors_of_policies() {
    let scratch = place("1");
    scratch.file("syntax.cedar", "permit(principal, action resource);\n");
    scratch.file("action.cedar", "permit(principal, action == file_system::Action::\"opne\", resource);\n");
    scratch.file("doubtful.cedar", "permit(principal, action, resource) when { resource.path == \"/x\" };\n");
    scratch.file("forbid.cedar", "forbid(principal == User::\"nobody\", action, resource);\n");
    fs::create_dir(scratch.path().join("empty")).expect("a directory can be made");

    transcript(
        "policies",
        &scratch,
        &[
            "script.rhai --policy syntax.cedar",
            "script.rhai --policy policy.cedar action.cedar",
            "script.rhai --policy doubtful.cedar",
            "script.rhai --policy doubtful.cedar --policy-mode strict",
            "script.rhai --policy action.cedar --policy-mode rex",
            "script.rhai --policy policy.cedar --forbid forbid.cedar",
            "script.rhai --policy policy.cedar --forbid policy.cedar",
            "script.rhai --policy empty",
            "script.rhai --policy missing.cedar",
        ],
    );
}

#[test]
fn denials() {
    let scratch = place("cat(\"/etc/hostname\")");
    scratch
        .file("caught.rhai", "for i in 0..3 {\n    try { cat(\"/etc/hostname\") } catch (e) {}\n}\n\"done\"");
    scratch.file("nothing.cedar", "");
    scratch.file(
        "near.cedar",
        "permit(\n    principal,\n    action,\n    resource in file_system::Dir::\"/srv\"\n);\n",
    );
    scratch.file(
        "never.cedar",
        "permit(principal, action, resource);\n@id(\"never\")\nforbid(principal, action, resource in file_system::Dir::\"/etc\");\n",
    );

    transcript(
        "denials",
        &scratch,
        &[
            "script.rhai --policy nothing.cedar",
            "script.rhai --policy near.cedar",
            "caught.rhai --policy never.cedar",
            "caught.rhai --policy near.cedar --explain-denials=false",
        ],
    );
}

#[test]
fn forms_of_the_result() {
    let scratch = place("info(\"seen\"); AlarmBuilder().type(\"A\").publish(); 40 + 2");

    transcript(
        "forms",
        &scratch,
        &[
            "script.rhai --policy policy.cedar",
            "script.rhai --policy policy.cedar --verbose",
            "script.rhai --policy policy.cedar --json",
            "script.rhai --policy policy.cedar --ndjson",
            "script.rhai --policy policy.cedar --dry-run",
            "script.rhai --policy policy.cedar --dry-run --json",
        ],
    );
}

#[test]
fn arguments_and_words() {
    let scratch = place("1");
    scratch.file("broken.json", "{\"x\": \"plain\"}");
    scratch.file("deep.json", r#"{"x": {"listValue": [{"listValue": [{"integerValue": 1}]}]}}"#);

    transcript(
        "arguments",
        &scratch,
        &[
            "",
            "script.rhai",
            "script.rhai --policy policy.cedar --arg x",
            "script.rhai --policy policy.cedar --arg a-b=1",
            "script.rhai --policy policy.cedar --arg n:int=x",
            "script.rhai --policy policy.cedar --arg n:number=1",
            "script.rhai --policy policy.cedar --json --ndjson",
            "script.rhai --policy policy.cedar --timeout 0",
            "script.rhai --policy policy.cedar --args broken.json",
            "script.rhai --policy policy.cedar --args deep.json",
            "missing.rhai --policy policy.cedar",
        ],
    );
}

#[test]
fn limits() {
    let scratch = place("1");
    scratch.file("loop.rhai", "let i = 0;\nloop {\n    i += 1;\n}\n");
    scratch.file("output.rhai", "let s = \"\";\ns.pad(1000, \"x\");\ns\n");
    scratch.file("value.rhai", "let s = \"\";\ns.pad(100000000, \"x\");\n");

    transcript(
        "limits",
        &scratch,
        &[
            "loop.rhai --policy policy.cedar --max-operations 1000",
            "output.rhai --policy policy.cedar --max-output 100",
            "value.rhai --policy policy.cedar --memory 16",
            "loop.rhai --policy policy.cedar --timeout 1",
        ],
    );
}
