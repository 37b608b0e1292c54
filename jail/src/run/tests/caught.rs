//! Which errors a script can catch, and which it cannot: the list of `jail/manual/errors.md`, each provoked.

use std::collections::BTreeSet;

use rex_ipc::control::EngineLimit::{DataSize, Operations, Variables};
use rex_ipc::control::ScriptEnd::{self, Error, Limit, Value};

use crate::testing::{Bench, with_deep_stack};

/// One thing that no `catch` stops: how its line in the manual begins, an act, how the run ends, and what is said of it.
struct Uncaught {
    line: &'static str,
    act: &'static str,
    end: ScriptEnd,
    text: &'static str,
}

const NO_ERRORS: &str = "`exit(…)`, and `return`";
const OPERATIONS: &str = "a limit of operations";
const BROKER: &str = "a limit that the broker counts";
const SIZE: &str = "a text, an array or a map that a function would make larger";
const VARIABLES: &str = "more variables than there may be";
const DEPTH: &str = "script functions that call each other too deep";
const JSON_OF_REX: &str = "with `--rex-compat`, what `parse_json` cannot read";

/// What ends the jail from outside, which `tests/command_line/limits.rs` and `signals.rs` try.
const FROM_OUTSIDE: &str = "a limit of time or of memory, and a signal";

const UNCAUGHT: [Uncaught; 17] = [
    Uncaught { line: NO_ERRORS, act: "exit(5)", end: Value, text: "5" },
    Uncaught { line: NO_ERRORS, act: "exit()", end: Value, text: "" },
    Uncaught { line: OPERATIONS, act: "loop { }", end: Limit(Operations), text: "Too many operations" },
    Uncaught {
        line: BROKER,
        act: "loop { info(\"line\"); }",
        end: Error,
        text: "Script terminated: too many lines",
    },
    Uncaught { line: SIZE, act: "blob(2000)", end: Limit(DataSize), text: "Size of array/BLOB too large" },
    Uncaught {
        line: SIZE,
        act: "let b = blob(1); b.pad(2000, 1)",
        end: Limit(DataSize),
        text: "Size of array",
    },
    Uncaught { line: SIZE, act: "let a = []; a.pad(2000, 1)", end: Limit(DataSize), text: "Size of array" },
    Uncaught {
        line: SIZE,
        act: "let t = \"\"; t.pad(9000, 'x')",
        end: Limit(DataSize),
        text: "Length of string",
    },
    Uncaught {
        line: SIZE,
        act: "let t = \"x\"; t.pad(900, 'x'); t.replace(\"x\", t)",
        end: Limit(DataSize),
        text: "Length of string too large",
    },
    Uncaught {
        line: SIZE,
        act: "let t = \"x\"; t.pad(1500, 'x'); t.to_chars()",
        end: Limit(DataSize),
        text: "Size of array/BLOB too large",
    },
    Uncaught {
        line: SIZE,
        act: "cat(\"/d/long\")",
        end: Limit(DataSize),
        text: "Length of string too large",
    },
    Uncaught { line: SIZE, act: "seq(1, 2000)", end: Limit(DataSize), text: "Size of array/BLOB too large" },
    Uncaught {
        line: SIZE,
        act: "parse_json(list)",
        end: Limit(DataSize),
        text: "Size of array/BLOB too large",
    },
    Uncaught {
        line: SIZE,
        act: "parse_json(map)",
        end: Limit(DataSize),
        text: "Size of object map too large",
    },
    Uncaught { line: VARIABLES, act: "many()", end: Limit(Variables), text: "Too many variables" },
    Uncaught { line: DEPTH, act: "deep(0)", end: Error, text: "Stack overflow" },
    Uncaught { line: DEPTH, act: "deep_closure(|f| f.call(f))", end: Error, text: "Stack overflow" },
];

/// The ways in which an act is tried; `ACT` stands for it.
const FRAMES: [&str; 6] = [
    "try { ACT; } catch (e) { info(`caught ${e}`); }",
    "try { try { ACT; } catch { info(\"caught\"); } } catch { info(\"caught outside\"); }",
    "let f = || { ACT; }; try { f.call(); } catch (e) { info(`caught ${e}`); }",
    "try { [2, 1].sort(|a, b| { try { ACT; } catch { info(\"caught\"); } 1 }); } catch { info(\"caught outside\"); }",
    "let d = DirConfig().path(\"/d\").build().open(OpenDirOptions().build());\n\
     try { d.find(FindOptions().build(), |e| { ACT; }); } catch (e) { info(`caught ${e}`); }",
    THROUGH_LIBRARY,
];

/// The engine makes an error of its own of whatever comes out of a closure that a function of its library has called.
const THROUGH_LIBRARY: &str = "try { [1].map(|x| { ACT; }); } catch (e) { info(`caught ${e}`); }";

fn bench() -> Bench {
    let mut bench = Bench::new().file("/d/long", "x".repeat(9_000));
    bench.limits.array_elements = 1_000;
    bench.limits.string_bytes = 8_000;
    bench.limits.map_entries = 100;
    bench.limits.operations = 20_000;
    bench.limits.variables = 60;
    bench
}

/// What acts call: too many variables, functions without end, and texts that hold too much.
fn around(frame: &str, act: &str) -> String {
    let variables: String = (0..100).map(|number| format!("let v{number} = 1; ")).collect();
    let list = (0..1_200).map(|_| "1").collect::<Vec<_>>().join(",");
    let map = (0..150).map(|number| format!(r#""k{number}":1"#)).collect::<Vec<_>>().join(",");
    format!(
        "fn deep(n) {{ deep(n + 1) }} fn deep_closure(f) {{ f.call(f) }} fn many() {{ {variables} }}\n\
         const list = `[{list}]`; const map = `{{{map}}}`;\n{}\n\
         info(\"went on\");",
        frame.replace("ACT", act)
    )
}

#[test]
fn what_the_manual_lists_is_all_that_cannot_be_caught() {
    with_deep_stack(|| {
        let mut wrong = Vec::new();
        for uncaught in &UNCAUGHT {
            for frame in FRAMES {
                let bench = bench();
                // Each line of the log counts, and what is said of a caught error would be the third.
                bench.world.borrow_mut().lines_left = Some(if uncaught.line == BROKER { 2 } else { 1_000 });
                let script = around(frame, uncaught.act);
                let ended = bench.run(&script);

                let told = format!("{} in {frame}: {:?} {}", uncaught.act, ended.outcome.end, ended.text);
                let said = bench.log();
                if frame == THROUGH_LIBRARY && [SIZE, VARIABLES, DEPTH].contains(&uncaught.line) {
                    let is_told = said.first().is_some_and(|line| line.contains(uncaught.text));
                    if !is_told || said.last().is_none_or(|line| line != "Info went on") {
                        wrong.push(format!("{told}; said {said:?}"));
                    }
                    continue;
                }
                let went_on = said.iter().any(|line| line.contains("caught") || line.contains("went on"));
                if ended.outcome.end != uncaught.end || !ended.text.starts_with(uncaught.text) || went_on {
                    wrong.push(format!("{told}; said {said:?}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

/// `return`, `break` and `continue` go where they go, past every `catch`.
#[test]
fn what_is_no_error_is_not_caught() {
    for (script, text) in [
        ("try { return 5; } catch { info(\"caught\"); } 6", "5"),
        ("fn f() { try { return 5; } catch { info(\"caught\"); } 6 } f()", "5"),
        ("for i in 0..9 { try { break; } catch { info(\"caught\"); } info(\"caught\"); } 7", "7"),
        ("let n = 0; for i in 0..3 { try { continue; } catch { info(\"caught\"); } n += 1; } n", "0"),
        ("let n = loop { try { break 4; } catch { info(\"caught\"); } }; n", "4"),
    ] {
        let bench = Bench::new();

        assert_eq!(bench.output(script), text, "{script}");
        assert!(bench.log().is_empty(), "{script}: {:?}", bench.log());
    }
}

#[test]
fn exit_in_a_closure_ends_the_script_but_for_rex() {
    let script = "let n = 0; [1, 2].for_each(|x| { n += 1; if n == 2 { exit(n); } }); 9";

    assert_eq!(Bench::new().output(script), "2");
    assert_eq!(Bench::new().output("try { [1].map(|x| exit(#{a: 1})); } catch { } 9"), "#{\"a\": 1}");
    assert_eq!(Bench::new().output("fn f() { [1].some(|x| { exit() }); } f(); 9"), "");
    assert_eq!(Bench::new().like_rex().output("try { [1].map(|x| exit(5)); } catch { } 9"), "9");
}

#[test]
fn json_that_cannot_be_read_cannot_be_caught_for_rex() {
    for text in ["{", "{\"a\": tru}", "{\"a\": 1 2}", "{\"a\": \"\\q\"}"] {
        let script =
            format!("try {{ parse_json(`{text}`); }} catch {{ info(\"caught\"); }} info(\"went on\");");
        let rex = Bench::new().like_rex();
        let ours = Bench::new();

        assert_eq!(rex.run(&script).outcome.end, Error, "{text}");
        assert!(rex.log().is_empty(), "{text}");
        ours.run(&script);
        assert_eq!(ours.log(), ["Info caught", "Info went on"], "{text}");
    }
}

/// Each line of the manual's list is tried here, and what is tried here is on the list.
#[test]
fn the_list_of_the_manual_is_what_is_tried() {
    let manual = include_str!("../../../manual/errors.md");
    let (_, list) = manual.split_once("these are all that cannot:\n\n").unwrap();
    let listed: Vec<&str> = list.lines().map_while(|line| line.strip_prefix("- ")).collect();
    assert!(list.contains(
        "The last three can be caught where they happen in a closure that a function of the language calls, such as `map`"
    ));
    let mut tried: BTreeSet<&str> = UNCAUGHT.iter().map(|uncaught| uncaught.line).collect();
    tried.extend([JSON_OF_REX, FROM_OUTSIDE]);

    for line in &listed {
        assert!(tried.iter().any(|begin| line.starts_with(begin)), "{line}");
    }
    assert_eq!(listed.len(), tried.len(), "{tried:?}");
}

/// One act at least for each kind of error that the engine has, can catch, and a running script can meet, and for each
/// kind that the SDK throws: what is thrown holds `text`, and a `catch` goes on with it.
#[test]
fn everything_else_raises_an_error_and_can_be_caught() {
    let mut wrong = Vec::new();
    for (act, error) in CAUGHT {
        for frame in FRAMES {
            let bench = Bench::new().file("/d/long", "").file("/d/full", "x").denying("read", "/d/secret");
            let ended = bench.run(&around(frame, act));

            let said = bench.log();
            let went_on =
                ended.outcome.end == Value && said.last().is_some_and(|line| line == "Info went on");
            let caught = said.iter().any(|line| line.starts_with("Info caught"));
            if !went_on || !caught || ended.outcome.ended_by.is_some() {
                wrong.push(format!("{act} in {frame}: {:?} {}; said {said:?}", ended.outcome, ended.text));
            }
        }
        let script = format!("let told = (); try {{ {act}; }} catch (e) {{ told = e; }} `${{told}}`");
        let told = Bench::new().file("/d/full", "x").denying("read", "/d/secret").run(&script).text;
        if !told.contains(error) {
            wrong.push(format!("{act}: {told}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const CAUGHT: [(&str, &str); 58] = [
    ("nothing_of_this_name(1)", "ErrorFunctionNotFound"),
    ("cat(5)", "ErrorFunctionNotFound"),
    ("let x = 1; x.nothing()", "ErrorFunctionNotFound"),
    ("FindOptions().name(5)", "ErrorFunctionNotFound"),
    ("let t = \"a\"; t - 1", "ErrorFunctionNotFound"),
    ("let t = \"a\"; -t", "ErrorFunctionNotFound"),
    ("now() + \"a\" - 1", "ErrorFunctionNotFound"),
    ("Fn(\"x\").call()", "ErrorFunctionNotFound"),
    ("let o = now(); o.nothing", "ErrorDotExpr"),
    ("let x = 0; x.y = 1", "ErrorDotExpr"),
    ("let m = #{}; m.a.b", "ErrorDotExpr"),
    ("let o = now(); o.year = 1", "ErrorDotExpr"),
    ("let a = [1]; a[5]", "ErrorArrayBounds"),
    ("let a = [1]; a[-2]", "ErrorArrayBounds"),
    ("let b = blob(1); b[5]", "ErrorArrayBounds"),
    ("let t = \"a\"; t[5]", "ErrorStringBounds"),
    ("let n = 1; n[70]", "ErrorBitFieldBounds"),
    ("let m = #{}; m[5]", "ErrorMismatchDataType"),
    ("let o = true; o[0]", "ErrorIndexingType"),
    ("let n = 5; for x in n { }", "ErrorFor"),
    ("let p = \"x\"; import p as m; m::f()", "ErrorModuleNotFound"),
    ("let a = [1]; a.map(|x| a.len())", "ErrorDataRace"),
    ("let n = 0; 1 / n", "ErrorArithmetic"),
    ("let n = 9223372036854775807; n + 1", "ErrorArithmetic"),
    ("let n = 0; 1 % n", "ErrorArithmetic"),
    ("let n = 99; n ** 99", "ErrorArithmetic"),
    ("let n = 5; if n { info(\"yes\"); }", "ErrorMismatchDataType"),
    ("let n = 5; while n { }", "ErrorMismatchDataType"),
    ("let n = 5; let t = true; t && n", "ErrorMismatchDataType"),
    ("let n = 5; n.call()", "ErrorMismatchDataType"),
    ("`${Fn(5)}`", "ErrorMismatchDataType"),
    ("let k = IoErrorKind::Nothing; info(`${k}`)", "ErrorVariableNotFound"),
    ("const c = [1].map(|x| x); c[0] = 1", "ErrorAssignmentToConstant"),
    ("const c = [1].map(|x| x); c.push(1)", "ErrorNonPureMethodCallOnConstant"),
    ("let f = || this.a; f.call()", "not bound"),
    ("throw 1", "1"),
    ("throw \"text\"", "text"),
    ("throw #{code: 7}", "7"),
    ("throw", ""),
    ("let e = #{message: \"forged\"}; throw e", "forged"),
    ("parse_int(\"x\")", "Error"),
    ("parse_float(\"x\")", "Error"),
    ("parse_json(\"{\")", "not JSON"),
    ("parse_json(\"\")", "not JSON"),
    ("parse_datetime(\"x\", DateTimeFormat::RFC3339)", "CommonUtilsErrorKind"),
    ("DateTime(2026, 258, 1, 0, 0, 0, 0) + 1", "CommonUtilsErrorKind"),
    ("cat(\"/gone\")", "IoErrorKind"),
    ("cat(\"relative\")", "IoErrorKind"),
    ("cat(\"/d/secret\")", "IoErrorKind"),
    ("mkdir(\"/d/full\")", "IoErrorKind"),
    ("rm(\"/gone\")", "IoErrorKind"),
    ("grep(\"(\", \"/d/full\")", "IoErrorKind"),
    ("DirConfig().build()", "path"),
    ("seq([seq::step(0)], 1, 2)", "IoErrorKind"),
    ("sleep(seconds(-1))", "Error"),
    ("random_bytes(-1)", "Error"),
    ("let f = FileConfig(); f.path(5)", "ErrorFunctionNotFound"),
    ("let r = 0..5; r[9]", "ErrorIndexingType"),
];
