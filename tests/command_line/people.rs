//! The command `run`: what people say, what they are shown, and when.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rex_tests::contract;
use rex_tests::program;
use rex_tests::runs::PERMIT_ALL;
use rex_tests::scratch::Scratch;
use serde_json::Value;

/// A directory with a script and a policy that permits everything.
pub(crate) fn place(script: &str) -> Scratch {
    let scratch = Scratch::new();
    scratch.file("script.rhai", script);
    scratch.file("policy.cedar", PERMIT_ALL);
    scratch
}

/// `rex-broker run`, in that directory, without a record unless one is asked for.
pub(crate) fn run(scratch: &Scratch, words: &[&str]) -> Command {
    let mut command = Command::new(program::path());
    command.arg("run").args(words);
    if !words.contains(&"--audit-log") {
        command.args(["--audit-log", "none"]);
    }
    command
        .current_dir(scratch.path())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The usual words.
pub(crate) const USUAL: [&str; 3] = ["script.rhai", "--policy", "policy.cedar"];

pub(crate) fn finish(scratch: &Scratch, words: &[&str]) -> Output {
    run(scratch, &[&USUAL, words].concat()).output().expect("the program can be started")
}

pub(crate) fn with_input(mut command: Command, input: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).spawn().expect("the program can be started");
    child.stdin.take().expect("it is piped").write_all(input.as_bytes()).expect("somebody reads it");
    child.wait_with_output().expect("it ends")
}

pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("it is text")
}

pub(crate) fn document(output: &Output) -> Value {
    let document: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)));
    contract::assert_document(&document);
    document
}

#[test]
fn the_output_alone_is_on_standard_output() {
    let scratch = place("info(\"seen\"); warn(\"as well\"); 40 + 2");

    let output = finish(&scratch, &[]);

    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), "42\n");
    assert_eq!(text(&output.stderr), "[INFO] seen\n[WARN] as well\n");
}

#[test]
fn arguments_come_from_the_command_line_and_from_a_file() {
    let scratch = place("[a, n, b, l, m, f]");
    scratch.file("args.json", r#"{"a": {"stringValue": "file"}, "f": {"doubleValue": 1}}"#);

    let output = finish(
        &scratch,
        &["--args", "args.json", "--arg", "a=word", "--arg", "n:int=-3", "--arg", "b:bool=true"]
            .into_iter()
            .chain(["--arg", "l:json=[1,\"x\"]", "--arg", "m:json={\"k\":2.5}"])
            .collect::<Vec<_>>(),
    );

    assert_eq!(text(&output.stdout), "[\"word\", -3, true, [1, \"x\"], #{\"k\": 2.5}, 1.0]\n");
}

#[test]
fn several_policies_and_directories_are_one_policy() {
    let scratch = place("try { cat(\"/etc/hostname\") } catch (e) { return \"denied\" } \"read\"");
    fs::create_dir(scratch.path().join("more")).expect("a directory can be made");
    scratch
        .file("more/b.cedar", "forbid(principal, action, resource == file_system::File::\"/etc/hostname\");");
    scratch.file("more/ignored.txt", "nonsense");
    scratch.file("other.cedar", "permit(principal == User::\"nobody\", action, resource);");

    let alone = finish(&scratch, &[]);
    let together = finish(&scratch, &["--policy", "more", "other.cedar"]);

    assert_eq!(text(&alone.stdout), "read\n", "{}", text(&alone.stderr));
    assert_eq!(text(&together.stdout), "denied\n", "{}", text(&together.stderr));
}

#[test]
fn a_script_may_come_through_standard_input() {
    let scratch = place("");

    let output = with_input(run(&scratch, &["-", "-p", "policy.cedar"]), "40 +\n 2");
    let broken = with_input(run(&scratch, &["-", "-p", "policy.cedar"]), "40 +\n )");

    assert_eq!(text(&output.stdout), "42\n");
    assert_eq!(broken.status.code(), Some(65));
    assert!(text(&broken.stderr).contains("--> <stdin>:2:2"), "{}", text(&broken.stderr));
}

#[test]
fn a_dry_run_compiles_and_runs_nothing() {
    let scratch = place("info(\"ran\"); cat(\"/etc/hostname\")");

    let output = finish(&scratch, &["--dry-run", "--audit-log", "audit.jsonl"]);
    let json = document(&finish(&scratch, &["--dry-run", "--json"]));

    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), "");
    assert_eq!(text(&output.stderr), "script, policies and arguments are valid; nothing was run\n");
    assert!(!scratch.path().join("audit.jsonl").exists());
    assert_eq!(
        (&json["dry_run"], &json["status"], &json["output"]),
        (&true.into(), &"SUCCESS".into(), &"".into())
    );
    assert_eq!((&json["logs"], &json["jail"]["audit_log"]), (&Value::Array(Vec::new()), &"none".into()));
}

#[test]
fn a_dry_run_finds_what_a_run_would_not_start_with() {
    for (script, policy, words) in [
        ("let x = ;", PERMIT_ALL, &[] as &[&str]),
        ("undeclared", PERMIT_ALL, &[]),
        ("1", "permit(principal, action resource);", &[]),
        ("1", "permit(principal, action == file_system::Action::\"opne\", resource);", &[]),
    ] {
        let scratch = place(script);
        scratch.file("policy.cedar", policy);

        let output = finish(&scratch, &[&["--dry-run"], words].concat());

        assert_eq!(output.status.code(), Some(65), "{script} {policy} {}", text(&output.stderr));
    }
    // A function that there is not, wherever the script would call it.
    let scratch = place("if false {\n    catt(\"/etc/hostname\")\n}");
    let output = finish(&scratch, &["--dry-run"]);
    assert_eq!(output.status.code(), Some(65), "{}", text(&output.stderr));
    for told in ["error: Function not found: catt", "--> script.rhai:2:5", "did you mean `cat(path: String)`"]
    {
        assert!(text(&output.stderr).contains(told), "{told}: {}", text(&output.stderr));
    }
    let scratch = place("info(1, 2)");
    let output = finish(&scratch, &["--dry-run"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("warning: no function of this name takes so many values"));
    // An argument that the script uses is there to compile with.
    let scratch = place("path.len()");
    assert_eq!(finish(&scratch, &["--dry-run"]).status.code(), Some(65));
    assert_eq!(finish(&scratch, &["--dry-run", "--arg", "path=x"]).status.code(), Some(0));
}

/// Reads lines of a run that goes on, until one has this text.
fn read_until(reader: &mut impl BufRead, part: &str) -> String {
    let mut line = String::new();
    while !line.contains(part) {
        line.clear();
        let length = reader.read_line(&mut line).expect("a pipe can be read");
        assert!(length > 0, "the stream ended without {part}");
    }
    line
}

fn end(child: &Child) {
    let broker = Pid::from_raw(i32::try_from(child.id()).expect("a process number fits"));
    kill(broker, Signal::SIGTERM).expect("the broker runs");
}

#[test]
fn events_are_told_while_the_script_runs() {
    let script = "info(\"first\"); AlarmBuilder().type(\"A\").publish(); \
                  MetricBuilder().name(\"m\").value(2.5).unit(MetricUnitType::COUNT).publish(); \
                  try { cat(\"/etc/hostname\") } catch (e) {} info(\"last\"); sleep(1000);";
    let scratch = place(script);
    scratch.file("policy.cedar", "permit(principal == User::\"nobody\", action, resource);");
    let mut child = run(&scratch, &[&USUAL[..], &["--ndjson"]].concat()).spawn().expect("it starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));

    let mut told: Vec<Value> = Vec::new();
    while told.last().is_none_or(|event| event["message"] != "last") {
        let line = read_until(&mut stdout, "event");
        told.push(serde_json::from_str(&line).expect("a line is JSON"));
    }
    end(&child);
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).expect("a pipe can be read");

    let events: Vec<&str> = told.iter().filter_map(|event| event["event"].as_str()).collect();
    assert_eq!(events, ["start", "log", "alarm", "metric", "denial", "log"]);
    assert!(told[0]["run"].is_string() && told[0]["policy_sha256"].is_string());
    assert_eq!((&told[2]["alarm_type"], &told[3]["metric_value"]), (&"A".into(), &2.5.into()));
    assert!(told[4]["grant"].as_str().is_some_and(|grant| grant.starts_with("permit(")), "{}", told[4]);
    let result: Value = serde_json::from_str(rest.trim_end()).expect("the last line is the result");
    told.iter().chain([&result]).for_each(contract::assert_line);
    assert_eq!((&result["event"], &result["status"]), (&"result".into(), &"ERROR".into()));
    assert_eq!(result["logs"].as_array().map(Vec::len), Some(2));
    assert_eq!(child.wait().expect("it ends").code(), Some(143));
}

#[test]
fn log_lines_are_shown_while_the_script_runs() {
    let scratch = place("info(\"first\"); sleep(1000);");
    let mut child = run(&scratch, &USUAL).spawn().expect("it starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));

    let line = read_until(&mut stderr, "first");
    end(&child);

    assert_eq!(line, "[INFO] first\n");
    assert_eq!(child.wait().expect("it ends").code(), Some(143));
}

#[test]
fn events_that_nobody_can_hear_end_the_run() {
    let scratch = place("loop { info(\"x\"); }");
    let mut child = run(&scratch, &[&USUAL[..], &["--ndjson"]].concat()).spawn().expect("it starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    read_until(&mut stdout, "\"x\"");

    drop(stdout);

    assert_eq!(child.wait().expect("it ends").code(), Some(73));
}

#[test]
fn events_that_nobody_hears_do_not_hold_the_run_beyond_its_time() {
    let scratch = place("loop { info(\"x\"); }");
    let mut child =
        run(&scratch, &[&USUAL[..], &["--ndjson", "--timeout", "1"]].concat()).spawn().expect("it starts");

    let status = child.wait().expect("it ends");

    assert_eq!(status.code(), Some(124));
}

#[test]
fn every_way_to_end_has_its_exit_status() {
    let denying = "permit(principal == User::\"nobody\", action, resource);";
    for (script, policy, words, code) in [
        ("1", PERMIT_ALL, &[] as &[&str], 0),
        ("throw 1", PERMIT_ALL, &[], 1),
        ("1", PERMIT_ALL, &["--max-calls", "0"], 64),
        ("1", PERMIT_ALL, &["--require", "nonsense"], 64),
        ("let", PERMIT_ALL, &[], 65),
        ("1", PERMIT_ALL, &["--args", "/no/such/file"], 66),
        ("1", PERMIT_ALL, &["--policy", "/no/such/file"], 66),
        ("1", PERMIT_ALL, &["--audit-log", "/no/such/directory/log"], 74),
        ("loop {}", PERMIT_ALL, &["--max-operations", "1000"], 75),
        ("cat(\"/etc/hostname\")", denying, &[], 77),
        ("1", PERMIT_ALL, &["--forbid", "policy.cedar"], 78),
        ("loop {}", PERMIT_ALL, &["--timeout", "1"], 124),
    ] {
        let scratch = place(script);
        scratch.file("policy.cedar", policy);

        let output = finish(&scratch, words);

        assert_eq!(output.status.code(), Some(code), "{script} {words:?}: {}", text(&output.stderr));
        let is_silent = output.stdout.is_empty();
        assert!(is_silent || code == 0, "{script}: {}", text(&output.stdout));
    }
}

#[test]
fn a_program_is_told_the_place_of_an_error() {
    let scratch = place("let n = 1;\n  n + undeclared");

    let document = document(&finish(&scratch, &["--json"]));

    let found = &document["diagnostics"][0];
    assert_eq!(
        (&found["file"], &found["line"], &found["column"]),
        (&"script.rhai".into(), &2.into(), &7.into())
    );
    assert_eq!((&found["length"], &found["severity"]), (&10.into(), &"error".into()));
    assert!(found["hint"].as_str().is_some_and(|hint| hint.contains("--arg undeclared=")), "{found}");
}

#[test]
fn a_denial_is_explained_unless_nobody_wants_to_know() {
    let scratch = place("try { cat(\"/etc/hostname\") } catch (e) {}");
    scratch.file("policy.cedar", "permit(principal, action, resource in file_system::Dir::\"/srv\");");

    let told = document(&finish(&scratch, &["--json"]));
    let not_told = document(&finish(&scratch, &["--json", "--explain-denials=false"]));
    let shown = finish(&scratch, &["-v"]);
    let counted = finish(&scratch, &[]);
    let not_shown = finish(&scratch, &["-v", "--explain-denials=false"]);

    assert_eq!(told["denials"][0]["nearest"]["file"], "policy.cedar");
    assert!(told["denials"][0]["needs"].as_array().is_some_and(|needs| needs.len() == 3), "{told}");
    assert!(not_told["denials"][0].get("needs").is_none());
    assert!(
        text(&shown.stderr).contains("this would permit exactly that:\n    permit("),
        "{}",
        text(&shown.stderr)
    );
    assert!(!text(&not_shown.stderr).contains("permit("), "{}", text(&not_shown.stderr));
    // A run that succeeds is quiet.
    assert_eq!(text(&counted.stderr), "1 request was denied, and the script went on; -v shows it\n");
}

#[test]
fn what_is_granted_by_the_explanation_is_enough() {
    let scratch = place("cat(\"/etc/hostname\").len() > 0");
    scratch.file("policy.cedar", "");
    let told = document(&finish(&scratch, &["--json"]));
    let grant = told["denials"][0]["grant"].as_str().expect("nothing forbids it");

    scratch.file("granted.cedar", grant);
    let output = finish(&scratch, &["--policy", "granted.cedar"]);

    assert_eq!(text(&output.stdout), "true\n", "{}", text(&output.stderr));
}

#[test]
fn colours_are_used_where_they_are_wanted() {
    let scratch = place("let");
    let coloured = |words: &[&str]| finish(&scratch, words).stderr.contains(&0x1b);

    assert!(!coloured(&[]));
    assert!(coloured(&["--color", "always"]));
    assert!(!coloured(&["--color", "never"]));
}

#[test]
fn a_policy_that_others_may_write_is_refused() {
    let scratch = place("1");
    let policy = scratch.path().join("policy.cedar");
    fs::set_permissions(&policy, Permissions::from_mode(0o646)).expect("it is ours");

    let output = finish(&scratch, &[]);

    assert_eq!(output.status.code(), Some(78), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("everybody may write this policy"), "{}", text(&output.stderr));
}

#[test]
fn a_forbid_is_added_to_whatever_is_permitted() {
    let scratch = place("cat(\"/etc/hostname\")");
    scratch.file(
        "never.cedar",
        "@id(\"never\") forbid(principal, action, resource in file_system::Dir::\"/etc\");",
    );

    let output = finish(&scratch, &["--forbid", "never.cedar"]);

    assert_eq!(output.status.code(), Some(77));
    assert!(text(&output.stderr).contains("forbidden by never"), "{}", text(&output.stderr));
}

#[test]
fn the_script_cannot_read_what_it_is_run_by() {
    let scratch = place("cat(here + \"/never.cedar\")");
    scratch.file("never.cedar", "forbid(principal == User::\"nobody\", action, resource);");
    let here = format!("here={}", scratch.path().display());

    let output = finish(&scratch, &["--forbid", "never.cedar", "--arg", &here]);

    assert_eq!(output.status.code(), Some(77), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("built-in: the policy of this run"), "{}", text(&output.stderr));
}

#[test]
fn nothing_that_a_script_says_is_an_order_to_a_terminal() {
    let scratch = place("info(\"a\u{1b}[2Jb\"); throw \"x\u{1b}]0;y\u{7}\";");

    let output = finish(&scratch, &[]);

    assert!(!output.stderr.contains(&0x1b) && !output.stderr.contains(&7), "{:?}", text(&output.stderr));
}

#[test]
fn completions_are_those_of_the_grammar() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = Command::new(program::path()).args(["completions", shell]).output().expect("it starts");

        assert_eq!(output.status.code(), Some(0));
        for word in ["run", "doctor", "dry-run", "max-operations"] {
            assert!(text(&output.stdout).contains(word), "{shell}: {word}");
        }
    }
    let bash = Command::new(program::path()).args(["completions", "bash"]).output().expect("it starts");
    let mut check = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().expect("there is bash");
    check.stdin.take().expect("it is piped").write_all(&bash.stdout).expect("bash reads");
    assert!(check.wait().expect("it ends").success());
}

#[test]
fn the_version_names_the_program_in_the_jail() {
    let version = Command::new(program::path()).arg("--version").output().expect("it starts");
    let scratch = place("1");

    let document = document(&finish(&scratch, &["--json"]));

    let digest = document["jail"]["image_sha256"].as_str().expect("the result names it").to_owned();
    assert!(
        text(&version.stdout).ends_with(&format!("jail image sha256:{digest}\n")),
        "{}",
        text(&version.stdout)
    );
}
