//! The incumbent's table of exhaustion: each row ends within its limit, with a document, and with little memory.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

use nix::sys::stat::Mode;
use rex_tests::runs::{Ended, PERMIT_ALL, Run};

/// What the broker may have resident, whatever the script does; an unoptimized one has more of itself.
const BROKER_KIB: u64 = if cfg!(debug_assertions) { 72 * 1024 } else { 64 * 1024 };

/// Runs it, and asserts what holds for every row.
fn survived(name: &str, run: Run, codes: &[i32]) -> Ended {
    let (ended, peak) = run.finish_and_measure();
    let code = ended.code();
    assert!(code.is_some_and(|code| codes.contains(&code)), "{name}: {code:?} {}", ended.stderr);
    let code = code.unwrap_or_default();
    let document = ended.document();
    assert!(document["jail"]["end"].is_string(), "{name}");
    assert!(peak < BROKER_KIB, "{name}: the broker had {peak} KiB");
    eprintln!("{name}: exit {code}, broker {peak} KiB, document {} bytes", ended.stdout.len());
    ended
}

fn row(name: &str, script: &str, codes: &[i32]) -> Ended {
    survived(name, Run::of(script), codes)
}

#[test]
fn a_loop_for_ever() {
    survived("loop", Run::of("loop {}").options(["--max-operations", "10000000"]), &[75]);
    survived("loop until the deadline", Run::of("loop {}").options(["--timeout", "1"]), &[124]);
}

#[test]
fn a_string_that_doubles() {
    row("string", "let s = \"x\"; loop { s += s; }", &[75]);
}

#[test]
fn an_array_that_grows() {
    row("push", "let a = []; loop { a.push(\"x\"); }", &[75]);
}

#[test]
fn natives_that_ask_for_too_much_at_once() {
    row("pad", "let a = []; a.pad(2000000000, 1);", &[75]);
    row("blob", "blob(20000000000, 0).len()", &[75]);
    row("seq", "seq(1, 2000000000).len()", &[75]);
    row("random", "random_alphanumeric(9223372036854775807).len()", &[75]);
}

#[test]
fn a_recursion_without_end() {
    let ended = row("recursion", "fn f() { f() } f()", &[1]);

    assert!(ended.message().starts_with("Stack overflow"), "{}", ended.message());
}

#[test]
fn a_million_chained_closures() {
    row("closures", "let f = || 0; for i in 0..1000000 { let g = f; f = || g.call(); } \"made\"", &[70]);
}

#[test]
fn an_array_in_an_array_in_an_array() {
    let script = "let a = []; for i in 0..20000 { a = [a]; } a";

    survived("nested array", Run::of(script).options(["--timeout", "3"]), &[0, 70, 75, 124]);
}

#[test]
fn a_module_that_imports_itself() {
    let run = Run::of("");
    let module = run.scratch.path().join("m");
    run.scratch.file("m.rhai", format!("import \"{}\" as m;", module.display()));
    run.scratch.file("script.rhai", format!("import \"{}\" as m; m::x", module.display()));

    let ended = survived("import", run, &[1]);

    // It is not even looked for, so that the answer is the same whether it is there or not.
    assert!(ended.message().starts_with("Module not found: "), "{}", ended.message());
}

#[test]
fn a_policy_of_parentheses() {
    let (open, close) = ("(".repeat(20_000), ")".repeat(20_000));
    let policy = format!("permit(principal, action, resource) when {{ {open}true{close} }};");

    let ended = survived("parentheses", Run::of("1").policy(&policy), &[65]);

    assert!(ended.message().contains("nested too deeply"), "{}", ended.message());
}

// Rex panics here, and everything that was logged before is lost.
#[test]
fn a_log_line_of_characters_of_three_bytes() {
    let ended = row(
        "characters",
        "info(\"before\"); let s = \"\"; for i in 0..1000 { s += \"日\"; } info(s); 1",
        &[0],
    );

    let document = ended.document();
    let message = document["logs"][1]["attributes"]["message"].as_str().expect("it is logged").to_owned();
    assert!(message.ends_with("日...[truncate]"), "{message}");
    assert!(message.len() <= 2048);
}

#[test]
fn alarms_and_metrics_without_number() {
    let metric = |name: &str| {
        format!(
            "for i in 0..200000 {{ MetricBuilder().name({name} + i).value(1.0).unit(MetricUnitType::COUNT).publish(); }}"
        )
    };

    row(
        "alarms",
        "for i in 0..300000 { AlarmBuilder().type(\"DiskFull\").details(\"on /srv \" + i).publish(); }",
        &[75],
    );
    row("metrics", &metric("\"m\""), &[75]);
}

#[test]
fn alarms_and_metrics_without_measure() {
    let long = "let s = \"\"; s.pad(2000, \"x\");";

    row(
        "long alarms",
        &format!("{long} for i in 0..300000 {{ AlarmBuilder().type(\"A\").details(s + i).publish(); }}"),
        &[75],
    );
    row(
        "long metrics",
        &format!(
            "{long} for i in 0..100000 {{ MetricBuilder().name(s + i).value(1.0).unit(MetricUnitType::COUNT).publish(); }}"
        ),
        &[75],
    );
}

#[test]
fn metrics_that_are_mostly_dimensions() {
    let publish =
        "MetricBuilder().name(`m${i}`).value(1.0).unit(MetricUnitType::COUNT).dimensions(d).publish();";
    for dimensions in [1, 12, 20] {
        let script = format!(
            "let d = MetricDimensionsBuilder(); for k in 0..{dimensions} {{ d = d.add(`k${{k}}`, \"v\"); }} let d = d.build(); for i in 0..100000 {{ {publish} }}"
        );

        row(&format!("{dimensions} dimensions"), &script, &[75]);
    }
}

#[test]
fn everything_at_once_and_just_within_its_limit() {
    let script = r#"
        let s = ""; s.pad(80, "x");
        for i in 0..70000 { MetricBuilder().name(s + i).value(1.0).unit(MetricUnitType::COUNT).publish(); }
        let t = ""; t.pad(2000, "y");
        for i in 0..1001 { info(t); }
        let o = ""; o.pad(8388608, "z");
        o
    "#;

    row("everything", script, &[0]);
}

#[test]
fn an_output_without_measure() {
    row("output", "let s = \"x\"; s.pad(268435456, \"x\"); s", &[75]);
    survived(
        "output with more memory",
        Run::of("let s = \"x\"; s.pad(268435456, \"x\"); s").options(["--memory", "2048"]),
        &[75],
    );
    row("an output that just fits", "let s = \"x\"; s.pad(8388608, \"\\x01\"); s", &[0]);
    row("a long error", "let s = \"x\"; s.pad(60000000, \"x\"); throw s", &[1, 75]);
}

#[test]
fn an_expression_of_parentheses_and_blocks() {
    for (open, close) in [("(", ")"), ("{", "}"), ("[", "]"), ("-", ""), ("!", "")] {
        let script = format!("{}1{}", open.repeat(5000), close.repeat(5000));

        row(&format!("nested {open}"), &script, &[65]);
    }
}

#[test]
fn a_script_of_22_mb() {
    // A script has at most 65,535 lines.
    let line = "let a = 1;".repeat(1_000) + "\n";
    let script = line.repeat(2_200);

    row("long script", &script, &[0, 75]);
    row("long comment", &format!("//{}", "x".repeat(22_000_000)), &[0]);
}

#[test]
fn logs_without_number() {
    let ended = row("logs", "let s = \"\"; s.pad(2000, \"x\"); for i in 0..20000 { info(s); }", &[0]);

    assert_eq!(ended.document()["logs"].as_array().map(Vec::len), Some(1001));
}

#[test]
fn denials_without_number() {
    let run = Run::of("for i in 0..20000 { try { cat(`/nope${i}/x`) } catch (e) {} }").policy("");

    let ended = survived("denials", run, &[0]);

    let document = ended.document();
    let told: u64 = document["denials"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|denial| denial["count"].as_u64())
        .sum();
    assert_eq!(told + document["denials_dropped"].as_u64().unwrap_or(0), 20_000);
}

// B3: 19.8 s and 6.2 GiB in Rex.
#[test]
fn a_sparse_file_of_3_gib() {
    let table = [
        ("cat(FILE).len()", 75),
        ("grep(\"x\", FILE).len()", 75),
        ("tail(FILE).len()", 75),
        ("wc([wc::l], FILE).lines", 0),
    ];
    for (call, code) in table {
        let run = Run::of("");
        let path = run.scratch.path().join("sparse");
        File::create(&path).and_then(|file| file.set_len(3 << 30)).expect("a file can have a hole");
        run.scratch.file("script.rhai", call.replace("FILE", &format!("\"{}\"", path.display())));

        survived(call, run.policy(PERMIT_ALL), &[code]);
    }
}

#[test]
fn a_line_of_1_gib() {
    let table = [("grep(\"x\", FILE).len()", 75), ("tail(FILE).len()", 75), ("wc([wc::l], FILE).lines", 0)];
    for (call, code) in table {
        let run = Run::of("");
        let path = run.scratch.path().join("line");
        // Holes between the ends: a line of zero bytes.
        let mut file = File::create(&path).expect("a file can be made");
        file.write_all(b"begin").expect("it can be written");
        file.seek(SeekFrom::Start(1 << 30)).expect("it can be positioned");
        file.write_all(b"end\n").expect("it can be written");
        drop(file);
        run.scratch.file("script.rhai", call.replace("FILE", &format!("\"{}\"", path.display())));

        survived(call, run, &[code]);
    }
}

// B1: in Rex it blocks for ever, also under SIGTERM.
#[test]
fn a_fifo_that_nobody_writes_to() {
    for call in ["cat(FILE)", "grep(\"x\", FILE)", "tail(FILE)", "wc([wc::l], FILE)"] {
        let run = Run::of("");
        let path = run.scratch.path().join("fifo");
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).expect("a FIFO can be made");
        run.scratch.file("script.rhai", call.replace("FILE", &format!("\"{}\"", path.display())));

        survived(call, run, &[1]);
    }
}
