//! Whether policies decide as their authors expect: `rex-broker policy test`.

use std::process::{Command, Stdio};

use rex_tests::program;
use rex_tests::scratch::Scratch;
use serde_json::{Value, json};

/// The policy and the requests of docs/policy.md.
fn of_the_page() -> (String, String) {
    let page = include_str!("../../docs/policy.md");
    let block = |language: &str, holds: &str| {
        page.split("```")
            .find(|block| block.starts_with(language) && block.contains(holds))
            .and_then(|block| block.strip_prefix(language))
            .unwrap_or_else(|| panic!("the page has no block of {language} with {holds}"))
            .trim_start()
            .to_owned()
    };
    (block("cedar", "\"the log\""), block("toml", "[[request]]"))
}

struct Said {
    code: i32,
    stdout: String,
    stderr: String,
}

fn test(scratch: &Scratch, words: &[&str]) -> Said {
    let output = Command::new(program::path())
        .args(["policy", "test"])
        .args(words)
        .current_dir(scratch.path())
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .expect("the program can be started");
    let text = |bytes| String::from_utf8(bytes).expect("it writes text");
    Said {
        code: output.status.code().expect("it ends by itself"),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

#[test]
fn what_comes_out_as_expected_is_counted_and_with_v_shown() {
    let scratch = Scratch::new();
    let (policy, requests) = of_the_page();
    scratch.file("site.cedar", &policy);
    scratch.file("site.test.toml", &requests);

    let quiet = test(&scratch, &["site.test.toml"]);
    let shown = test(&scratch, &["-v", "."]);

    assert_eq!((quiet.code, quiet.stdout.as_str(), quiet.stderr.as_str()), (0, "3 requests, 0 failed\n", ""));
    assert_eq!(shown.code, 0);
    assert_eq!(
        shown.stdout,
        "ok      ./site.test.toml:3 read /var/log/app.log\n\
         ok      ./site.test.toml:9 nobody reads the passwords\n\
         ok      ./site.test.toml:15 no other unit is restarted\n\
         3 requests, 0 failed\n"
    );
}

#[test]
fn a_policy_that_permits_more_or_less_or_otherwise_fails_with_the_statement_that_decided() {
    let scratch = Scratch::new();
    let (policy, requests) = of_the_page();
    scratch.file("site.test.toml", &requests);
    for (name, changed, told) in [
        (
            "more",
            policy.replace("resource == file_system::File::\"/var/log/app.log\"", "resource"),
            "nobody reads the passwords: permitted by `the log` (more.cedar:1:1), expected denied",
        ),
        (
            "less",
            policy.replace("app.log", "other.log"),
            "read /var/log/app.log: denied by no statement, expected permitted by the log",
        ),
        (
            "otherwise",
            policy.replace("\"the log\"", "\"a log\""),
            "read /var/log/app.log: permitted by `a log` (otherwise.cedar:1:1), expected permitted by the log",
        ),
    ] {
        assert_ne!(changed, policy, "{name}");
        scratch.file(&format!("{name}.cedar"), changed.trim_start());

        let said = test(&scratch, &["site.test.toml", "-p", &format!("{name}.cedar")]);

        assert_eq!(said.code, 1, "{name}: {}", said.stderr);
        assert!(said.stdout.contains(told), "{name}: {}", said.stdout);
        assert!(said.stdout.ends_with("3 requests, 1 failed\n"), "{name}: {}", said.stdout);
    }
}

#[test]
fn programs_read_it_as_json_or_as_junit() {
    let scratch = Scratch::new();
    scratch.file("a.cedar", "permit(principal, action, resource);\n");
    let hostile = "[[request]]\nname = \"a <b> & \\\"c\\\"\\u0007\\n\"\nprincipal = \"m\"\naction = \"read\"\nresource = \"/x\"\n";
    scratch.file("a.toml", format!("{hostile}expect = \"denied\"\n\n{hostile}expect = \"permitted\"\n"));

    let said = test(&scratch, &["a.toml", "--json", "--junit", "out.xml"]);

    assert_eq!(said.code, 1, "{}", said.stderr);
    let outcomes: Value = serde_json::from_str(&said.stdout).expect("it is JSON");
    assert_eq!(
        outcomes[0],
        json!({
            "file": "a.toml", "line": 1, "name": "a <b> & \"c\"\u{7}\n", "passed": false, "expected": "denied",
            "decision": "permitted", "expected_by": null,
            "grounds": [{"id": "policy0", "file": "./a.cedar", "line": 1, "column": 1}], "errors": [],
        })
    );
    assert_eq!(outcomes[1]["passed"], true);
    let said = test(&scratch, &["a.toml", "--format", "sarif"]);
    let log: Value = serde_json::from_str(&said.stdout).expect("it is JSON");
    let told = |index: usize, key: &str| log["runs"][0]["results"][index][key].clone();
    assert_eq!((said.code, told(0, "kind"), told(0, "level")), (1, json!("fail"), json!("error")));
    assert_eq!((told(1, "kind"), told(1, "level")), (json!("pass"), json!("none")));
    let read = "import sys, xml.etree.ElementTree as tree\n\
        root = tree.parse(sys.argv[1]).getroot()\n\
        print(root.tag, root.get('tests'), root.get('failures'))\n\
        for case in root.iter('testcase'): print(ascii(case.get('name')), case.get('line'), [f.get('message') for f in case])\n";
    let output = Command::new("python3")
        .args(["-c", read])
        .arg(scratch.path().join("out.xml"))
        .output()
        .expect("python3 can be started");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "testsuites 2 1\n\
         'a <b> & \"c\"\\ufffd\\n' 1 ['permitted by `policy0` (./a.cedar:1:1), expected denied']\n\
         'a <b> & \"c\"\\ufffd\\n' 8 []\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn what_cannot_be_asked_is_told_with_its_file_and_line() {
    let scratch = Scratch::new();
    scratch.file("site.cedar", "permit(principal, action, resource);\n");
    scratch.file(
        "word.toml",
        "[[request]]\nprincipal = \"m\"\naction = \"raed\"\nresource = \"/x\"\nexpect = \"denied\"\n",
    );
    scratch.file("broken.toml", "[[request]\n");
    scratch.file("bytes.toml", "");
    std::fs::write(scratch.path().join("bytes.toml"), b"\xff").expect("it can be written");
    std::fs::create_dir(scratch.path().join("empty")).expect("it can be made");
    nix::unistd::mkfifo(&scratch.path().join("pipe.toml"), nix::sys::stat::Mode::S_IRWXU)
        .expect("it can be made");
    for (file, code, told) in [
        ("word.toml", 65, "word.toml:1: "),
        ("broken.toml", 65, "broken.toml:1: "),
        ("bytes.toml", 65, "bytes.toml: is not UTF-8"),
        ("pipe.toml", 65, "pipe.toml: is not a regular file"),
        ("empty", 65, "empty: has no file *.toml"),
        ("missing.toml", 66, "missing.toml: cannot be read: "),
    ] {
        let said = test(&scratch, &[file]);

        assert_eq!((said.code, said.stdout.as_str()), (code, ""), "{file}: {}", said.stderr);
        assert!(said.stderr.contains(told), "{file}: {}", said.stderr);
    }
}
