//! Doubts by rule and not by sample: every pair of types, every form of a closure, every sign.
//!
//! That nothing is told of the scripts that there are is held by `jail/tests/manual/doubts.rs`.

use std::collections::BTreeSet;

use rex_ipc::control::Doubt::{self, NoBoolean, NoOrder, Precedence, Types};

use crate::testing::Bench;

/// Which lines of a script are told of with this doubt, and no line with another one.
fn told(doubt: Doubt, begin: &str, lines: &[String]) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    for (part, some) in lines.chunks(90).enumerate() {
        let script = format!("{begin}\n{}\n()", some.join("\n"));
        let ended = Bench::new().check(&script);
        assert!(ended.text.is_empty(), "{}\n{script}", ended.text);
        for remark in ended.outcome.remarks.as_slice() {
            let line = remark.place.line as usize - begin.lines().count().max(1) - 1;
            assert_eq!(remark.doubt, doubt, "{}", some[line]);
            found.insert(part * 90 + line);
        }
    }
    found
}

/// Fails with the lines of which it is told wrongly, or wrongly not.
fn check(doubt: Doubt, begin: &str, cases: &[(String, bool)]) {
    let lines: Vec<String> = cases.iter().map(|(line, _)| line.clone()).collect();
    let found = told(doubt, begin, &lines);
    let wrong: Vec<String> = cases
        .iter()
        .enumerate()
        .filter(|(index, (_, wanted))| found.contains(index) != *wanted)
        .map(|(_, (line, wanted))| format!("{line} wanted {wanted}"))
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(cases.iter().any(|(_, wanted)| *wanted) && cases.iter().any(|(_, wanted)| !*wanted));
}

/// Values by type, each written in several ways.
const VALUES: [(&str, &[&str]); 7] = [
    (
        "number",
        &["5", "-5", "parse_int(\"5\")", "\"ab\".len()", "(2 + 3)", "1.5", "parse_float(\"1.5\")", "number"],
    ),
    ("text", &["\"5\"", "`5`", "`${5}`", "\"a\".to_upper()", "cat(\"/n\")", "'5'", "(\"a\" + 5)", "text"]),
    ("boolean", &["true", "(1 > 2)", "\"a\".contains(\"b\")", "!true", "truth"]),
    ("array", &["[5]", "[]", "\"a b\".split()", "[1].filter(|q| q > 0)", "list"]),
    ("map", &["#{}", "#{a: 5}", "map"]),
    ("object", &["now()", "from_epoch_seconds(0)", "moment"]),
    // Nothing is what people compare with on purpose, and of the rest no type is known.
    ("", &["()", "nothing", "anything", "map.a", "list[0]", "some(1)"]),
];

const BEGIN: &str = "let number = 5; let text = \"5\"; let truth = true; let list = [5]; let map = #{a: 5}; \
     let moment = now(); let nothing = (); let anything = 5; anything = \"5\"; \
     fn some(x) { x }";

#[test]
fn values_of_different_types_are_told_of_in_every_spelling_and_those_of_one_type_are_not() {
    let mut cases = Vec::new();
    for (left_type, lefts) in VALUES {
        for left in lefts {
            for (right_type, rights) in VALUES {
                for (index, right) in rights.iter().enumerate() {
                    let operator = ["==", "!=", "<", "<=", ">", ">="][(cases.len() + index) % 6];
                    // Floats that are compared with `==` are a doubt of their own.
                    let is_float = |text: &str| text.contains("1.5");
                    if left_type == right_type && (is_float(left) || is_float(right)) {
                        continue;
                    }
                    let wanted = left_type != right_type && !left_type.is_empty() && !right_type.is_empty();
                    if is_float(left) || is_float(right) {
                        cases.push((format!("if {left} < {right} {{ }}"), wanted));
                    } else {
                        cases.push((format!("let r{} = {left} {operator} {right};", cases.len()), wanted));
                    }
                }
            }
        }
    }
    check(Types, BEGIN, &cases);

    // What is told of is true: none of them is equal, less or greater.
    let bench = Bench::new().file("/n", "5\n");
    let wrong = |case: &str| {
        let expression =
            case.split_once(" = ").map_or(case, |(_, expression)| expression.trim_end_matches(';'));
        let script = format!("{BEGIN}\n{}", expression.replace("{ }", "{ true } else { false }"));
        let ended = bench.run(&script);
        let is_told = ended.text == expression.contains("!=").to_string();
        (!is_told && !ended.text.contains("Function not found")).then(|| format!("{case}: {}", ended.text))
    };
    let told: Vec<&str> = cases.iter().filter(|(_, wanted)| *wanted).map(|(case, _)| case.as_str()).collect();
    let wrong: Vec<String> = told.iter().step_by(5).filter_map(|case| wrong(case)).collect();
    assert!(told.len() > 500 && wrong.is_empty(), "{} {}", told.len(), wrong.join("\n"));
}

#[test]
fn a_minus_before_a_power_is_told_of_with_numbers_and_names_alike() {
    let mut cases = Vec::new();
    for base in ["2", "2.5", "number", "10", "1_000"] {
        for power in ["2", "number", "2.0", "(1 + 1)"] {
            let mut case = |text: String, wanted| {
                let index = cases.len();
                cases.push((
                    text.replace("BASE", base).replace("POWER", power).replace("NAME", &format!("r{index}")),
                    wanted,
                ));
            };
            case("let NAME = -BASE ** POWER;".into(), true);
            case("let NAME = 1 + -BASE ** POWER;".into(), true);
            case("let NAME = [-BASE ** POWER];".into(), true);
            case("info(`${-BASE ** POWER}`);".into(), true);
            case("let NAME = [1].map(|x| -BASE ** POWER);".into(), true);
            case("let NAME = BASE ** POWER;".into(), false);
            case("let NAME = 1 - BASE ** POWER;".into(), false);
            case("let NAME = (-BASE) ** POWER;".into(), false);
            case("let NAME = -(BASE ** POWER);".into(), false);
            case("let NAME = BASE ** (-POWER);".into(), false);
            case("let NAME = -BASE * POWER;".into(), false);
            case("let NAME = -BASE + POWER;".into(), false);
        }
    }
    check(Precedence, "let number = 2;", &cases);
    assert_eq!(Bench::new().output("[-2 ** 2, -(2 ** 2)]"), "[4, -4]");
}

const FORMS: [&str; 5] = [
    "|x| BODY",
    "|x| { BODY }",
    "|x| { let y = 1; BODY }",
    "|x| { return BODY; }",
    "|x| if k > 0 { BODY } else { BODY }",
];

#[test]
fn a_test_that_gives_no_boolean_is_told_of_in_every_form() {
    let mut cases = Vec::new();
    for (body, wanted) in [
        ("x + 1", true),
        ("1 + x", true),
        ("x + k", true),
        ("x - 1", true),
        ("x * 2", true),
        ("x / 2", true),
        ("x % 2", true),
        ("x ** 2", true),
        ("x << 1", true),
        ("-x", true),
        ("x + 0.5", true),
        ("`${x}`", true),
        ("5", true),
        ("\"yes\"", true),
        ("[x]", true),
        ("#{x: x}", true),
        ("()", true),
        ("x.to_string()", true),
        ("x.to_string().len()", true),
        ("cat(\"/n\")", true),
        ("x > 1", false),
        ("x % 2 == 0", false),
        ("!(x > 1)", false),
        ("x > 1 && x < 9", false),
        ("true", false),
        ("x", false),
        ("some(x)", false),
        ("x & k", false),
        ("x in [1, 2]", false),
        ("x.is_empty()", false),
    ] {
        for method in ["filter", "retain", "drain", "some", "all", "find"] {
            for form in FORMS {
                cases.push((format!("a.{method}({});", form.replace("BODY", body)), wanted));
            }
        }
    }
    // Of the elements nothing is known, so that nothing but the bodies decides.
    check(NoBoolean, "let a = [1, 2]; a += [\"x\"]; let k = 1; k = some(k); fn some(x) { x }", &cases);
}

#[test]
fn a_comparer_that_gives_a_float_is_told_of_in_every_form() {
    let mut cases = Vec::new();
    for (list, body, wanted) in [
        ("floats", "x - y", true),
        ("floats", "y - x", true),
        ("floats", "x * 2 - y", true),
        ("[2.5, 0.5]", "x - y", true),
        ("floats.filter(|z| z > 0.0)", "x - y", true),
        ("numbers", "(x - y) / 2.0", true),
        ("numbers", "(x - y) * 1.5", true),
        ("numbers", "x.to_float() - y.to_float()", true),
        ("numbers", "x + 0.5", true),
        ("numbers", "0.5", true),
        ("maps", "parse_float(x.n) - parse_float(y.n)", true),
        ("texts", "x + y", true),
        ("texts", "`${x}`", true),
        ("numbers", "[x, y]", true),
        ("numbers", "x - y", false),
        ("numbers", "x < y", false),
        ("floats", "x < y", false),
        ("floats", "x <= y", false),
        ("maps", "x.n - y.n", false),
        ("texts", "x.len() - y.len()", false),
        ("texts", "x < y", false),
        ("mixed", "x - y", false),
    ] {
        for method in ["sort", "sort_by", "order", "order_by"] {
            for form in FORMS {
                let closure =
                    form.replace("|x|", "|x, y|").replace("let y = 1", "let z = 1").replace("BODY", body);
                cases.push((format!("{list}.{method}({closure});"), wanted));
            }
        }
    }
    let begin = "let floats = [2.5, 0.5]; let numbers = [2, 1]; let texts = [\"b\", \"a\"]; let k = 1; \
         let maps = [#{n: 2}, #{n: 1}]; let mixed = [2.5]; mixed.push(1);";
    check(NoOrder, begin, &cases);
    assert_eq!(Bench::new().output("[2.5, 0.5, 1.5].order(|a, b| a - b)"), "[2.5, 0.5, 1.5]");
}

#[test]
fn a_parameter_is_of_the_type_of_what_the_method_is_called_on() {
    let lists = [
        ("number", "[1, 2]"),
        ("number", "numbers"),
        ("number", "numbers.filter(|z| z > 0)"),
        ("number", "numbers.order()"),
        ("text", "[\"a\", \"b\"]"),
        ("text", "texts"),
        ("text", "cat(\"/n\").split(\"\\n\")"),
        ("text", "lines"),
        ("text", "map.keys()"),
        ("boolean", "[true, false]"),
        // What is in these can be anything.
        ("", "mixed"),
        ("", "pushed"),
        ("", "changed"),
        ("", "given(texts)"),
        ("", "map.values()"),
        ("", "[]"),
    ];
    let values = [
        ("number", "1"),
        ("number", "k"),
        ("text", "\"a\""),
        ("text", "`${k}`"),
        ("boolean", "true"),
        ("", "()"),
    ];
    let mut cases = Vec::new();
    for (of_list, list) in lists {
        for (of_value, value) in values {
            let wanted = of_list != of_value && !of_list.is_empty() && !of_value.is_empty();
            for method in ["filter", "some", "all", "find", "map", "drain", "retain"] {
                for body in ["x == VALUE", "VALUE != x", "{ x < VALUE }", "x == VALUE && k == 1"] {
                    cases.push((format!("{list}.{method}(|x| {});", body.replace("VALUE", value)), wanted));
                }
            }
        }
    }
    let begin = "let numbers = [1, 2]; let texts = [\"a\"]; let lines = cat(\"/n\").split(\"\\n\"); let map = #{}; let k = 1; \
         let mixed = [1, \"a\"]; let pushed = [1]; pushed.push(\"a\"); let changed = [\"a\"]; changed[0] = 1; \
         fn given(x) { x }";
    check(Types, begin, &cases);
}

#[test]
fn the_variable_of_a_loop_is_of_the_type_of_what_it_goes_through() {
    let mut cases = Vec::new();
    for (of_list, list) in [
        ("text", "cat(\"/n\").split(\"\\n\")"),
        ("text", "lines"),
        ("number", "0..9"),
        ("number", "[1, 2]"),
        ("", "mixed"),
    ] {
        for (of_value, value) in [("number", "90"), ("text", "\"a\"")] {
            let wanted = !of_list.is_empty() && of_list != of_value;
            let name = format!("x{}", cases.len());
            cases.push((
                format!("for {name} in {list} {{ if {name} > {value} {{ info(\"more\"); }} }}"),
                wanted,
            ));
        }
    }
    check(Types, "let lines = cat(\"/n\").split(\"\\n\"); let mixed = [1, \"a\"];", &cases);
}
