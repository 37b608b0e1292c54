//! Every doubt is told where it stands, and nothing is told of scripts that do what they seem to do.

use rex_ipc::control::Doubt::{self, *};

use crate::testing::Bench;

fn doubts(script: &str) -> Vec<(Doubt, u32, u32)> {
    let ended = Bench::new().check(script);
    assert!(ended.text.is_empty(), "{script}: {}", ended.text);
    let remarks = ended.outcome.remarks.into_vec();
    remarks.iter().map(|remark| (remark.doubt, remark.place.line, remark.place.column)).collect()
}

#[test]
fn what_few_people_expect_is_told_at_its_place() {
    let mut wrong = Vec::new();
    for (script, doubt, column) in [
        (r#"let n = " a "; rm("/dir/" + n.trim());"#, InPlace, 31),
        (r#"let n = " a "; rm(`/dir/${n.trim()}`);"#, InPlace, 29),
        (r#"let n = " a "; let m = n.trim(); cat(m);"#, InPlace, 26),
        (r#"let n = " a "; let m = trim(n); cat(m);"#, InPlace, 24),
        (r#"let n = " a "; let m = ""; m = n.trim(); cat(m);"#, InPlace, 34),
        (r#"let n = " a "; let m = n.trim().len(); m += 1;"#, InPlace, 26),
        (r#"let n = "a,b"; info(n.replace(",", ";"));"#, InPlace, 23),
        (r#"let n = "a"; if n.make_upper() == () { }"#, InPlace, 19),
        (r#"let n = [2, 1]; let s = [n.sort()]; s.len()"#, InPlace, 28),
        (r#"let n = [" a "]; let t = n.map(|x| x.trim()); t.len()"#, InPlace, 28),
        (r#"let n = ["a"]; cat(n[0].trim());"#, InPlace, 25),
        ("let a = [1]; a.retain(|x| { let y = x; }); a", NoBoolean, 16),
        (r#"let a = [1]; a.filter(|x| "yes")"#, NoBoolean, 16),
        (r#"let a = ["a"]; a.some(|x| x.len())"#, NoBoolean, 18),
        (r#"let a = ["/a"]; a.filter(|x| cat(x))"#, NoBoolean, 19),
        ("let a = [1]; let k = 1; a.filter(|x| x - k)", NoBoolean, 27),
        ("let a = [2, 1]; a.sort(|x, y| 1); a", NoOrder, 19),
        ("let a = [2, 1]; a.order(|x, y| 0.5)", NoOrder, 19),
        (r#"let a = [2, 1]; a.sort(|x, y| `${x}`); a"#, NoOrder, 19),
        ("let a = 0.1; a + 0.2 == 0.3", Tolerance, 22),
        ("let a = 0.1; a != 0.3", Tolerance, 16),
        (r#"let n = cat("/n"); if n > 90 { info("full"); }"#, Types, 25),
        (r#"let n = "5"; if n == 5 { info("x"); }"#, Types, 19),
        ("let f = []; for i in 0..3 { f.push(|| i); } f", LoopVariable, 39),
        ("let f = []; for (x, i) in 0..3 { f.push(|| i + x); } f", LoopVariable, 0),
        ("let f = #{}; for i in 0..3 { f.a = || i; } f", LoopVariable, 39),
        ("let f = []; for i in 0..3 { f += [|| i]; } f", LoopVariable, 38),
        ("let a = 1; let b = 2; a << b + 1", Precedence, 25),
        ("let a = 1; let b = 2; a + b << 1", Precedence, 29),
        ("let a = true; let b = true; a & b == true", Precedence, 31),
        ("let a = 1; let b = 2; b == 2 | a", Precedence, 0),
        ("let a = 2; -a ** 2", Precedence, 15),
        (r#"let x = 1; cat("/etc/hostname");"#, LastValue, 12),
        (r#"fn f(p) { try { cat(p) } catch { "" } } f("/a")"#, TryValue, 11),
        (r#"let f = |p| { try { cat(p) } catch { "" } }; f.call("/a")"#, TryValue, 15),
        (r#"try { cat("/a") } catch { "" }"#, TryValue, 1),
        (
            "let d = DirConfig().path(\"/\").build().open(OpenDirOptions().build()); d.find(FindOptions().build(), |e| { d.path(); })",
            OwnValue,
            0,
        ),
        ("let a = [1]; a.map(|x| a.len())", OwnValue, 16),
    ] {
        let found = doubts(script);

        let here = found
            .iter()
            .any(|(told, line, at)| (*told, *line) == (doubt, 1) && (column == 0 || *at == column));
        if !here {
            wrong.push(format!("{script}: {doubt:?} at {column}, told {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_does_what_it_seems_to_do_is_not_doubted() {
    let mut wrong = Vec::new();
    for script in [
        "",
        r#"let n = " a "; n.trim(); rm("/dir/" + n);"#,
        r#"let n = [2, 1]; n.sort(); n.push(3); n"#,
        r#"let n = ["a"]; n.for_each(|x| this.trim()); n"#,
        r#"let m = #{a: 1}; let v = m.remove("a"); v"#,
        r#"let a = [1]; let v = a.pop() + a.remove(0); v"#,
        r#"fn trim(x) { x } let n = "a"; info("/dir/" + trim(n));"#,
        "let a = [1]; [a.filter(|x| x > 0), a.filter(|x| !(x < 0)), a.filter(|x| x > 0 && x < 9), a.filter(|x| { x > 1; })]",
        r#"let a = ["a"]; [a.filter(|x| x.contains("a")), a.some(|x| x.is_empty()), a.all(|x| x in ["b"])]"#,
        "fn big(x) { x > 3 } let a = [1]; [a.filter(|x| big(x)), a.filter(big)]",
        "let a = [2, 1]; a.sort(|x, y| x - y); a.sort(|x, y| x <= y); a.sort(|x, y| y.n - x.n); a.order()",
        "let a = 0.1; a < 0.3 && a > 0.0 && a != 0.0",
        r#"let n = parse_int("5"); n > 3 && n == 5 && n < 5.5"#,
        r#"let n = "5"; n == "5" && n != "" && n.len() == 1"#,
        r#"let n = (); n = cat("/n"); n == ()"#,
        r#"let n = "5"; n = parse_int(n); n > 3"#,
        "fn f(n) { n > 3 } let n = \"a\"; f(n.len())",
        "let t = 0; for i in 0..3 { let a = [1].filter(|x| x > i); t += a.len(); } t",
        "let f = []; for i in 0..3 { let own = i; f.push(|| own); } f",
        "let a = 1; let b = 2; [a << (b + 1), (a + b) << 1, a | b << 2, a + b * 2, 2 ** b * 3, (-a) ** 2, a - -b, -a + b]",
        "let a = 6; (a & 3) == 2 || (a | 1) > 2",
        "let f = |a, b| a == b; let g = || 1 == 2; f.call(1, 2) && g.call()",
        "let f = [1].map(|x| x + 1).filter(|x| x == 2); f",
        "switch 1 { 1 | 2 => 1 << 2, _ => 2 + 1 }",
        r#"let x = `${1 + 2} << ${3}`; x"#,
        r#"cat("/etc/hostname")"#,
        r#"let x = cat("/a"); info(x);"#,
        r#"try { mkdir("/a"); } catch (e) { }"#,
        r#"fn f(p) { try { return cat(p); } catch { } "" } f("/a")"#,
        r#"let x = ""; try { x = cat("/a"); } catch { } x"#,
        "let a = [1]; let b = [2]; a.map(|x| b.len() + x)",
    ] {
        let found = doubts(script);
        if !found.is_empty() {
            wrong.push(format!("{script}: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn doubts_are_few_enough_for_one_frame() {
    let script = "let n = \"a\"; info(`${n.trim()}`);\n".repeat(400);

    let found = doubts(&script);

    assert_eq!(found.len(), 100);
    assert_eq!((found[0].1, found[99].1), (1, 100));
}

#[test]
fn a_script_that_is_run_is_not_doubted_but_does_as_told() {
    let ended = Bench::new().run(r#"let n = " a "; "/dir/" + n.trim()"#);

    assert_eq!(ended.text, "/dir/");
    assert!(ended.outcome.remarks.as_slice().is_empty());
}
