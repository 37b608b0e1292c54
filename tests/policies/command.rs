//! What `rex-broker policy` says and how it ends.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::geteuid;
use rex_tests::program;
use rex_tests::scratch::Scratch;
use serde_json::Value;

pub(super) struct Said {
    pub(super) code: i32,
    pub(super) stdout: String,
    stderr: String,
}

// Whoever can write a policy decides what scripts may do. For root it is refused.
#[test]
fn a_policy_that_its_group_may_write_is_a_finding() {
    let scratch = Scratch::new();
    let file = scratch.file("site.cedar", READ_LOGS);
    fs::set_permissions(&file, Permissions::from_mode(0o664)).expect("it is ours");
    let copy = scratch.path().join("rex-broker");
    // Not by this process: a child that another test starts meanwhile would hold the copy open for writing.
    let copied = Command::new("cp").arg(program::path()).arg(&copy).status().expect("coreutils is there");
    assert!(copied.success(), "the program can be copied");
    fs::set_permissions(scratch.path(), Permissions::from_mode(0o755)).expect("it is ours");
    let by_somebody = |words: &[&str]| {
        let mut command = Command::new(&copy);
        command.args(words).current_dir(scratch.path()).env_clear().stdin(Stdio::null());
        command.env("REX_BROKER_FORBID", &file);
        if geteuid().is_root() {
            chown(&file, Some(SOMEBODY), Some(SOMEBODY)).expect("root can give things away");
            command.uid(SOMEBODY).gid(SOMEBODY);
        }
        let output = command.output().expect("the program can be started");
        let text = |bytes| String::from_utf8(bytes).expect("it writes text");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };

    let (code, stdout, stderr) = by_somebody(&["policy", "check", "site.cedar"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    assert!(stdout.contains("warning: its group may write this policy"), "{stdout}");
    assert!(stdout.contains("--> site.cedar:1:1") && stdout.contains("chmod g-w"), "{stdout}");
    assert!(stdout.ends_with("accepted: 2 policies in 1 file, 1 warning\n"), "{stdout}");
    assert_eq!(by_somebody(&["policy", "check", "site.cedar", "--deny-warnings"]).0, Some(65));
    let (_, stdout, _) = by_somebody(&["policy", "check", ".", "--json"]);
    let findings: Value = serde_json::from_str(&stdout).expect("it is JSON");
    assert_eq!((&findings[0]["file"], &findings[0]["severity"]), (&"./site.cedar".into(), &"warning".into()));
    let (_, stdout, _) = by_somebody(&["doctor"]);
    let told = format!("policies     {}: its group may write this policy\n", file.display());
    assert!(stdout.contains(&told), "{stdout}");
    let (_, stdout, _) = by_somebody(&["doctor", "--json"]);
    let report: Value = serde_json::from_str(&stdout).expect("it is JSON");
    assert_eq!(report["policies"]["configured"][0].as_str(), file.to_str());
    assert_eq!(report["policies"]["doubts"].as_array().map(Vec::len), Some(1), "{report}");
}

#[test]
fn doctor_says_of_configured_policies_that_they_are_sound_or_that_no_run_will_start() {
    let scratch = Scratch::new();
    let file = scratch.file("never.cedar", "forbid(principal, action, resource);");
    let doctor = |path: &Path| {
        let mut command = Command::new(program::path());
        command.arg("doctor").env_clear().env("REX_BROKER_FORBID", path).stdin(Stdio::null());
        String::from_utf8(command.output().expect("the program can be started").stdout)
            .expect("it writes text")
    };

    let sound = doctor(&file);
    let told = format!("policies     {}, which nobody but their owner may write\n", file.display());
    assert!(sound.contains(&told), "{sound}");
    let missing = doctor(&scratch.path().join("none.cedar"));
    assert!(
        missing.contains("policies     no run will start: ") && missing.contains("none.cedar"),
        "{missing}"
    );
}

/// Runs the command in a directory, so that files are told by their names alone.
pub(super) fn policy(directory: &Path, words: &[&str]) -> Said {
    let output = Command::new(program::path())
        .arg("policy")
        .args(words)
        .current_dir(directory)
        .env_clear()
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .output()
        .expect("the program can be started");
    Said {
        code: output.status.code().expect("it ends by itself"),
        stdout: String::from_utf8(output.stdout).expect("it writes text"),
        stderr: String::from_utf8(output.stderr).expect("it writes text"),
    }
}

pub(super) fn json(said: &Said) -> Value {
    serde_json::from_str(&said.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", said.stdout, said.stderr))
}

const SOMEBODY: u32 = 12345;

pub(super) const WRONG: &str = "\
@id(\"etc\")
permit (
    principal,
    action == file_system::Action::\"raed\",
    resource in file_system::Dir::\"/etc/\"
);
";

pub(super) const DOUBTFUL: &str = "\
forbid(principal, action == file_system::Action::\"execute\", resource) when { context.user.uid + 1 > 5 };
";

pub(super) const READ_LOGS: &str = "\
@id(\"logs\")
permit (
    principal == User::\"monitor\",
    action in [file_system::Action::\"open\", file_system::Action::\"read\"],
    resource in file_system::Dir::\"/var/log\"
) when { resource.path like \"*.log\" };

@id(\"no keys\")
forbid(principal, action, resource) when { resource has path && resource.path like \"*key*\" };
";

#[test]
fn a_refused_policy_is_shown_with_its_lines_and_remedies() {
    let scratch = Scratch::new();
    scratch.file("site.cedar", WRONG);

    let said = policy(scratch.path(), &["check", "site.cedar"]);

    assert_eq!(said.code, 65);
    assert_eq!(said.stderr, "");
    assert_eq!(
        said.stdout,
        r#"error: there is no action `file_system::Action::"raed"`
 --> site.cedar:4:15
  |
4 |     action == file_system::Action::"raed",
  |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: did you mean `file_system::Action::"read"`?
error: no path is ever named `/etc/`
 --> site.cedar:5:17
  |
5 |     resource in file_system::Dir::"/etc/"
  |                 ^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write `/etc`
refused: 2 errors
"#
    );
}

#[test]
fn findings_are_a_json_array_with_the_same_fields_always() {
    let scratch = Scratch::new();
    scratch.file("site.cedar", WRONG);
    scratch.file("broken.cedar", "permit(");
    scratch.file("fine.cedar", READ_LOGS);

    let wrong = policy(scratch.path(), &["check", "--json", "site.cedar"]);
    let broken = policy(scratch.path(), &["check", "--json", "broken.cedar"]);
    let fine = policy(scratch.path(), &["check", "--json", "fine.cedar"]);

    assert_eq!((wrong.code, broken.code, fine.code), (65, 65, 0));
    assert_eq!(
        json(&wrong)[1],
        serde_json::json!({
            "severity": "error", "file": "site.cedar", "line": 5, "column": 17, "length": 25,
            "message": "no path is ever named `/etc/`", "hint": "write `/etc`", "policy": "etc"
        })
    );
    assert_eq!(
        json(&broken)[0],
        serde_json::json!({
            "severity": "error", "file": "broken.cedar", "line": 1, "column": 8, "length": 0,
            "message": "unexpected end of input", "hint": null, "policy": null
        })
    );
    assert_eq!(json(&fine), serde_json::json!([]));
}

#[test]
fn warnings_are_accepted_unless_they_are_denied() {
    let scratch = Scratch::new();
    scratch.file("a.cedar", DOUBTFUL);
    scratch.file("fine.cedar", READ_LOGS);

    let accepted = policy(scratch.path(), &["check", "a.cedar"]);
    let denied = policy(scratch.path(), &["check", "a.cedar", "--deny-warnings"]);
    let strict = policy(scratch.path(), &["check", "a.cedar", "--policy-mode", "strict"]);
    let fine = policy(scratch.path(), &["check", "fine.cedar", "--deny-warnings", "--policy-mode", "strict"]);

    assert_eq!((accepted.code, denied.code, strict.code, fine.code), (0, 65, 65, 0));
    assert!(accepted.stdout.contains("this addition can overflow"), "{}", accepted.stdout);
    // There may be one more, as long as nothing asks about what the policy names.
    assert!(accepted.stdout.contains("accepted: 1 policy in 1 file, "), "{}", accepted.stdout);
    assert!(strict.stdout.ends_with("refused: 1 error\n"), "{}", strict.stdout);
    assert_eq!(fine.stdout, "accepted: 2 policies in 1 file\n");
}

#[test]
fn rexs_mode_accepts_what_parses() {
    let scratch = Scratch::new();
    scratch.file("site.cedar", WRONG);
    scratch.file("broken.cedar", "permit(");

    let site = policy(scratch.path(), &["check", "site.cedar", "--policy-mode", "rex"]);
    let broken = policy(scratch.path(), &["check", "broken.cedar", "--policy-mode", "rex"]);

    assert_eq!((site.code, broken.code), (0, 65));
    assert!(site.stdout.ends_with("accepted: 1 policy in 1 file, 2 warnings\n"), "{}", site.stdout);
}

#[test]
fn what_cannot_be_read_is_66_and_what_must_not_be_is_65() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new();
    let open = scratch.file("open.cedar", READ_LOGS);
    fs::set_permissions(&open, Permissions::from_mode(0o666)).unwrap();

    let missing = policy(scratch.path(), &["check", "none.cedar"]);
    let open = policy(scratch.path(), &["check", "open.cedar"]);
    let usage = policy(scratch.path(), &["check"]);

    assert_eq!((missing.code, open.code, usage.code), (66, 65, 64));
    assert_eq!(missing.stdout, "");
    assert_eq!(
        missing.stderr,
        "error: cannot read policy none.cedar: No such file or directory (os error 2)\n"
    );
    assert!(open.stderr.contains("everybody may write"), "{}", open.stderr);
}

#[test]
fn hostile_names_and_texts_stay_text() {
    let scratch = Scratch::new();
    let name = "a\u{1b}[2J.cedar";
    scratch.file(name, "permit(principal, action, resource) when { \"\u{1b}]0;title\u{7}\" };");

    let said = policy(scratch.path(), &["check", name]);

    assert_eq!(said.code, 65);
    assert!(!said.stdout.contains(['\u{1b}', '\u{7}']), "{:?}", said.stdout);
}

#[test]
fn a_denial_is_explained_by_the_nearest_permit_and_what_would_permit_it() {
    let scratch = Scratch::new();
    scratch.file("site.cedar", READ_LOGS);

    let said = policy(
        scratch.path(),
        &["explain", "-p", "site.cedar", "-a", "read", "-r", "/var/log/messages", "--principal", "monitor"],
    );

    assert_eq!((said.code, said.stderr.as_str()), (77, ""));
    assert_eq!(
        said.stdout,
        r#"denied: User::"monitor", file_system::Action::"read", file_system::File::"/var/log/messages"
no permit matches
nearest permit: `logs` (site.cedar:1:1)
  site.cedar:6:10: clause is not true: resource.path like "*.log"
to permit exactly this, add:
  permit(principal == User::"monitor", action == file_system::Action::"read", resource == file_system::File::"/var/log/messages");
as a file_system::Dir: denied (--resource-type Dir tells more)
"#
    );
}

// Issue: a path alone may be meant as a file or as a directory, and the exit status says the decision.
#[test]
fn a_path_that_may_be_either_is_answered_as_both() {
    let scratch = Scratch::new();
    scratch.file(
        "walk.cedar",
        "@id(\"walk\") permit(principal, action == file_system::Action::\"open\", resource == file_system::Dir::\"/srv\");",
    );
    let explain = |more: &[&str]| {
        let words = ["explain", "-p", "walk.cedar", "--principal", "monitor", "-a", "open"];
        policy(scratch.path(), &[&words, more].concat())
    };

    let either = explain(&["-r", "/srv"]);
    assert_eq!(either.code, 0, "{}", either.stdout);
    assert!(either.stdout.starts_with("permitted: "), "{}", either.stdout);
    assert!(either.stdout.contains("permitted by `walk`"), "{}", either.stdout);
    let last = "as a file_system::File: denied (--resource-type File tells more)\n";
    assert!(either.stdout.ends_with(last), "{}", either.stdout);
    let told = json(&explain(&["-r", "/srv", "--json"]));
    assert_eq!(
        (&told["decision"], &told["resource_type"]),
        (&"permitted".into(), &"file_system::Dir".into())
    );
    assert_eq!(
        (&told["also"][0]["decision"], &told["also"][0]["resource_type"]),
        (&"denied".into(), &"file_system::File".into())
    );

    for (words, code) in [
        (&["-r", "/srv", "--resource-type", "File"] as &[&str], 77),
        (&["-r", "/srv", "--resource-type", "Dir"], 0),
        (&["-r", "/srv/"], 0),
        (&["-r", "file_system::File::\"/srv\""], 77),
        (&["-r", "/other"], 77),
        (&["-r", "/other/"], 77),
    ] {
        let said = explain(words);
        assert_eq!(said.code, code, "{words:?}: {}", said.stdout);
    }
    // One answer where it is said what is meant, or where the action takes only one.
    let only = json(&explain(&["-r", "/srv/", "--json"]));
    assert_eq!(
        (&only["resource_type"], &only["also"]),
        (&"file_system::Dir".into(), &Value::Array(Vec::new()))
    );
}

#[test]
fn what_nothing_asks_for_is_told_by_check_and_not_by_a_run() {
    let scratch = Scratch::new();
    let asked = rex_ipc::interface::ROWS.iter().flat_map(|row| row.needs);
    let asked: Vec<_> = asked.collect();
    let Some(idle) = rex_ipc::action::ActionId::ALL.iter().find(|action| !asked.contains(action)) else {
        // Then every action has its functions, and there is nothing to warn about.
        return;
    };
    scratch.file("idle.cedar", format!("permit(principal, action == {}, resource);", idle.uid()));

    let checked = policy(scratch.path(), &["check", "idle.cedar"]);

    assert_eq!(checked.code, 0, "{}", checked.stdout);
    assert!(checked.stdout.contains("no function of this build asks about"), "{}", checked.stdout);
    assert!(checked.stdout.contains("accepted: 1 policy in 1 file, 1 warning"), "{}", checked.stdout);
    assert_eq!(policy(scratch.path(), &["check", "idle.cedar", "--deny-warnings"]).code, 65);
}

#[test]
fn permits_forbids_and_failures_are_explained_by_their_policies() {
    let scratch = Scratch::new();
    scratch.file("site.cedar", READ_LOGS);
    scratch.file(
        "failing.cedar",
        "permit(principal, action, resource);\n@id(\"odd\") forbid(principal, action, resource) when { resource.nonsense };",
    );
    let explain = |policies: &str, path: &str, mode: &str| {
        policy(
            scratch.path(),
            &[
                "explain",
                "-p",
                policies,
                "-a",
                "file_system::Action::\"read\"",
                "-r",
                path,
                "--principal",
                "monitor",
                "--policy-mode",
                mode,
                "--json",
            ],
        )
    };

    let permitted = json(&explain("site.cedar", "/var/log/a.log", "standard"));
    let forbidden = json(&explain("site.cedar", "file_system::File::\"/var/log/key.log\"", "standard"));
    let failed = json(&explain("failing.cedar", "/a", "rex"));

    assert_eq!(
        (&permitted["decision"], &permitted["grounds"][0]["id"]),
        (&"permitted".into(), &"logs".into())
    );
    assert_eq!((&forbidden["decision"], &forbidden["grounds"][0]["line"]), (&"denied".into(), &8.into()));
    assert_eq!((&forbidden["grant"], &forbidden["nearest"]), (&Value::Null, &Value::Null));
    assert_eq!(
        (&failed["could_not_be_evaluated"], &failed["grounds"][0]["id"]),
        (&true.into(), &"odd".into())
    );
    assert_eq!(failed["errors"].as_array().map(Vec::len), Some(1));
    assert_eq!(explain("failing.cedar", "/a", "standard").code, 65);
}

#[test]
fn the_grant_of_an_explanation_turns_the_denial_into_a_permission() {
    let scratch = Scratch::new();
    scratch.file("before.cedar", READ_LOGS);
    let context = r#"{"arguments":["-l",["--sort","size"]],"environment":{"LANG":"C"},"user":{"username":"nobody","uid":65534},"group":{"groupname":"nogroup","gid":65534}}"#;
    let process = r#"{"name":"sshd","username":"root","command":"sshd -D"}"#;
    let questions: [&[&str]; 8] = [
        &["-a", "stat", "-r", "/srv/a b", "--resource-type", "Dir"],
        &["-a", "move", "-r", "/srv/a", "--context", r#"{"destination":{"path":"/srv/b"}}"#],
        &["-a", "set_x_attr", "-r", "/srv/a", "--context", r#"{"xattr":{"name":"user.a"}}"#],
        &["-a", "execute", "-r", "/bin/ls", "--context", context],
        &["-a", "kill", "-r", "42", "--process", process],
        &["-a", "systemd::restart", "-r", "nginx.service"],
        &["-a", "daemon_reload"],
        &["-a", "GET", "-r", "http://example.org/?a=b'c"],
    ];

    for words in questions {
        let ask = |policies: &[&str]| {
            let mut all = vec!["explain", "--principal", "monitor", "--json", "-p"];
            all.extend(policies);
            all.extend(words);
            json(&policy(scratch.path(), &all))
        };
        let before = ask(&["before.cedar"]);
        assert_eq!(before["decision"], "denied", "{before}");
        scratch.file("grant.cedar", before["grant"].as_str().unwrap_or_else(|| panic!("{before}")));

        let after = ask(&["before.cedar", "grant.cedar"]);

        assert_eq!(after["decision"], "permitted", "{after}");
        assert_eq!(after["grounds"][0]["file"], "grant.cedar");
    }
}

#[test]
fn what_nobody_gave_is_not_called_untrue() {
    let scratch = Scratch::new();
    scratch.file(
        "kill.cedar",
        "@id(\"own\") permit(principal, action == process_system::Action::\"kill\", resource)\nwhen { resource.name == \"a\" && resource.uid == 1000 };",
    );
    scratch.file(
        "exe.cedar",
        "@id(\"exe\") permit(principal, action == process_system::Action::\"kill\", resource)\nwhen { resource has exe && resource.exe == \"/x\" };",
    );
    scratch.file(
        "get.cedar",
        "@id(\"get\") permit(principal, action == network::Action::\"GET\", resource)\nwhen { context has address && context.address.isLoopback() };",
    );
    let explain = |file: &str, words: &[&str]| {
        policy(scratch.path(), &[&["explain", "--principal", "monitor", "-p", file], words].concat())
    };
    let kill = |process| ["-a", "kill", "-r", "42", "--process", process];
    let bare = kill(r#"{"name":"a","username":"u","command":"a"}"#);
    let whole = kill(r#"{"name":"a","username":"u","command":"a","uid":7,"exe":"/y"}"#);

    for (file, words, name) in [
        ("kill.cedar", &bare[..], "resource.uid, which is not given (--process gives it)"),
        ("exe.cedar", &bare[..], "resource.exe, which is not given (--process gives it)"),
        (
            "get.cedar",
            &["-a", "GET", "-r", "http://example.org/"],
            "context.address, which is not given (--context gives it)",
        ),
    ] {
        let said = explain(file, words);
        assert!(said.stdout.contains(&format!("clause looks at {name}: ")), "{}", said.stdout);
        assert!(!said.stdout.contains("is not true"), "{}", said.stdout);
        let told = json(&explain(file, &[words, &["--json"]].concat()));
        assert_eq!(told["not_given"].as_array().map(Vec::len), Some(1), "{told}");
    }
    for file in ["kill.cedar", "exe.cedar"] {
        let said = explain(file, &whole);
        assert!(said.stdout.contains("clause is not true: resource"), "{}", said.stdout);
        assert!(!said.stdout.contains("not given"), "{}", said.stdout);
    }
    let told = json(&explain("kill.cedar", &[&whole[..], &["--json"]].concat()));
    assert_eq!(told["not_given"], serde_json::json!([]));
}

#[test]
fn questions_that_make_no_sense_are_answered_with_what_would() {
    let scratch = Scratch::new();
    scratch.file("site.cedar", READ_LOGS);
    let asked = |words: &[&str]| {
        let mut all = vec!["explain", "-p", "site.cedar"];
        all.extend(words);
        let said = policy(scratch.path(), &all);
        assert_eq!((said.code, said.stdout.as_str()), (64, ""), "{words:?}");
        said.stderr
    };

    for (words, reason) in [
        (&["-a", "raed", "-r", "/a"][..], "did you mean `read`?"),
        (&["-a", "list"], "sysinfo::Action::\"list\", process_system::Action::\"list\""),
        (&["-a", "list", "-r", "/srv"], "did you mean `file_system::Action::\"read\"`?"),
        (&["-a", "rm", "-r", "/srv"], "did you mean `file_system::Action::\"delete\"`?"),
        (&["-a", "file_system::ls", "-r", "/srv"], "did you mean `file_system::Action::\"read\"`?"),
        (&["-a", "read"], "--resource has to name"),
        (&["-a", "read", "-r", "a/b"], "paths are absolute"),
        (&["-a", "read", "-r", "/a/../b"], "paths are absolute"),
        (&["-a", "read", "-r", "filesystem::File::\"/a\""], "did you mean `file_system::File`?"),
        (&["-a", "read", "-r", "file_system::File::\"/a"], "is no entity"),
        (&["-a", "unmount", "-r", "/a", "--resource-type", "File"], "never asked about file_system::File"),
        (&["-a", "read", "-r", "/a", "--resource-type", "Folder"], "there is no resource type `Folder`"),
        (&["-a", "read", "-r", "file_system::File::\"/a\"", "--resource-type", "Dir"], "something else"),
        (&["-a", "read", "-r", "/a", "--context", "{}"], "has no context"),
        (&["-a", "move", "-r", "/a"], "comes with a context"),
        (&["-a", "move", "-r", "/a", "--context", "{"], "--context is not what it should be"),
        (
            &["-a", "move", "-r", "/a", "--context", r#"{"destination":{"path":"/b","name":"c"}}"#],
            "are the parts",
        ),
        (&["-a", "execute", "-r", "/a", "--context", r#"{"user":{}}"#], "--context is not what it should be"),
        (&["-a", "kill", "-r", "42"], "give --process"),
        (&["-a", "kill", "-r", "sshd", "--process", "{}"], "--process is not"),
        (&["-a", "kill", "-r", "5", "--process", "5"], "; it is '{\"name\":…,\"username\":…,\"command\":…}'"),
        (&["-a", "read", "-r", "/a", "--process", "{}"], "--process is for"),
        (&["-a", "read", "-r", "/a", "--principal", "User::\"x"], "is no user"),
    ] {
        let said = asked(words);
        assert!(said.starts_with("error: ") && said.contains(reason), "{words:?}: {said}");
    }
}

/// Who asks for JSON reads JSON, also where there is no answer.
#[test]
fn with_json_there_is_a_document_whatever_is_wrong() {
    let scratch = Scratch::new();
    scratch.file("site.cedar", READ_LOGS);
    scratch.file("bad.cedar", "permit(principal, action, resource");

    let check = policy(scratch.path(), &["check", "missing.cedar", "--json"]);
    let findings = json(&check);
    assert_eq!((check.code, findings.as_array().map(Vec::len)), (66, Some(1)));
    assert_eq!(findings[0]["severity"], "error");
    assert_eq!(findings[0]["file"], "missing.cedar");
    assert_eq!(
        findings[0]["message"],
        "cannot read policy missing.cedar: No such file or directory (os error 2)"
    );
    for (code, words) in [
        (65, &["-p", "bad.cedar", "-a", "read", "-r", "/a"][..]),
        (66, &["-p", "missing.cedar", "-a", "read", "-r", "/a"]),
        (64, &["-p", "site.cedar", "-a", "raed", "-r", "/a"]),
    ] {
        let said = policy(scratch.path(), &[&["explain", "--json"], words].concat());
        let document = json(&said);
        assert_eq!(said.code, code, "{words:?}");
        assert!(document["error"].as_str().is_some_and(|error| !error.is_empty()), "{document}");
        let findings = document["findings"].as_array().expect("it is a list");
        assert_eq!(findings.is_empty(), code == 64, "{document}");
        assert!(said.stderr.starts_with("error: ") || said.stderr.contains("error"), "{}", said.stderr);
    }
}

#[test]
fn a_path_is_asked_about_as_a_run_would_ask() {
    let scratch = Scratch::new();
    scratch.file("site.cedar", READ_LOGS);

    for path in ["//var/./log//a.log", "file_system::File::\"/var/log//a.log\""] {
        let words = [
            "explain",
            "-p",
            "site.cedar",
            "-a",
            "read",
            "-r",
            path,
            "--principal",
            "User::\"monitor\"",
            "--json",
        ];
        let answer = json(&policy(scratch.path(), &words));

        assert_eq!(
            (&answer["decision"], &answer["resource"]),
            (&"permitted".into(), &"/var/log/a.log".into())
        );
    }
}

#[test]
fn the_schema_is_printed_in_both_forms() {
    let scratch = Scratch::new();
    let shipped = |name: &str| fs::read_to_string(program::checkout().join("policies").join(name)).unwrap();

    let readable = policy(scratch.path(), &["schema"]);
    let compiled = policy(scratch.path(), &["schema", "--json"]);

    assert_eq!((readable.code, readable.stdout), (0, shipped("rex.cedarschema")));
    assert_eq!(compiled.stdout, shipped("rex.cedarschema.json"));
    assert!(json(&compiled)["file_system"]["actions"]["read"].is_object());
}
