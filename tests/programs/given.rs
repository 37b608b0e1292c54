//! What a program is given: exactly what was asked for.

use std::fs::File;
use std::os::fd::AsRawFd;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use rex_tests::runs::Run;
use rex_tests::tree::is_root;
use serde_json::Value;

use crate::{execute, opened, real, run};

fn output(run: Run) -> String {
    let ended = run.finish();
    let document = ended.document();
    document["output"].as_str().unwrap_or_else(|| panic!("{document}\n{}", ended.stderr)).to_owned()
}

#[test]
fn a_program_runs_and_is_told_of() {
    if !is_root() {
        return;
    }
    let echo = real("/usr/bin/echo");

    let ended = run(&echo, ".args([\"a b\", [\"--key\", \"it's\"]])", "result.stdout").finish();

    assert_eq!(ended.document()["output"], "a b --key it's\n", "{}", ended.stderr);
    let records = ended.records();
    let decision = records
        .iter()
        .find(|record| record["operation"] == "begin_program" && record["event"] == "decision")
        .expect("it is on record");
    assert_eq!(decision["context"]["command_line"], "echo 'a b' --key 'it'\\''s'");
    assert_eq!(decision["act"]["children"], "confined");
}

#[test]
fn the_environment_is_what_was_given_and_nothing_else() {
    if !is_root() {
        return;
    }
    let env = real("/usr/bin/env");

    assert_eq!(output(run(&env, ".env(#{ A: \"1\" })", "result.stdout")), "A=1\n");
    assert_eq!(output(run(&env, "", "result.stdout")), "");
}

#[test]
fn it_has_three_descriptors_an_empty_input_and_the_root_as_its_directory() {
    if !is_root() {
        return;
    }
    let ls = real("/usr/bin/ls");
    let cat = real("/usr/bin/cat");

    // The last one is that of the list itself.
    assert_eq!(output(run(&ls, ".args([\"/proc/self/fd\"])", "result.stdout")), "0\n1\n2\n3\n");
    assert_eq!(output(run(&cat, "", "`${result.stdout}${result.exit_code}`")), "0");
    let pwd = real("/usr/bin/pwd");
    assert_eq!(output(run(&pwd, "", "result.stdout")), "/\n");
}

#[test]
fn whatever_the_caller_has_left_open_a_program_has_none_of_it() {
    if !is_root() {
        return;
    }
    let ls = real("/usr/bin/ls");
    let left: Vec<File> = (0..20).map(|_| File::open("/etc/shadow").unwrap()).collect();
    for file in &left {
        fcntl(file, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    }
    let last = left.last().unwrap().as_raw_fd();
    // A control: what the caller starts itself has them.
    let control = std::process::Command::new(&ls).arg("/proc/self/fd").output().unwrap();
    assert!(String::from_utf8(control.stdout).unwrap().lines().any(|line| line == last.to_string()));

    for how in ["confined", "unconfined"] {
        let run = run(&ls, ".args([\"/proc/self/fd\"])", "result.stdout").options(["--children", how]);
        assert_eq!(output(run), "0\n1\n2\n3\n", "{how}");
    }
}

#[test]
fn a_script_is_run_by_its_interpreter_which_is_asked_for() {
    if !is_root() {
        return;
    }
    let shell = real("/bin/sh");
    let prepare = |policy: &dyn Fn(&str) -> String| {
        let run = Run::of("");
        let path = run.scratch.file("job", "#!/bin/sh -e\necho \"$0 $1\"\n");
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let path = path.to_str().expect("it is text").to_owned();
        let script =
            format!("{}program.execute(ExecuteOptions().args([\"x\"]).build()).stdout", opened(&path));
        run.scratch.file("script.rhai", script);
        run.policy(&policy(&path))
    };

    let with = prepare(&|path| format!("{}{}", execute(path), execute(&shell))).finish();
    let without = prepare(&|path| execute(path)).finish();

    assert_eq!(with.document()["output"], "/proc/self/fd/3 x\n", "{}", with.stderr);
    assert_eq!(without.document()["status"], "ERROR");
    assert!(without.message().contains(&format!("file_system::File::{shell}")), "{}", without.message());
}

#[test]
fn user_group_and_capabilities_are_those_that_were_asked_for() {
    if !is_root() {
        return;
    }
    let cat = real("/usr/bin/cat");
    let fields = |options: &str| -> Vec<String> {
        let options = format!(".args([\"/proc/self/status\"]){options}");
        let text = output(run(&cat, &options, "result.stdout"));
        [
            "Uid:",
            "Gid:",
            "Groups:",
            "CapInh:",
            "CapPrm:",
            "CapEff:",
            "CapBnd:",
            "CapAmb:",
            "NoNewPrivs:",
            "Seccomp:",
        ]
        .iter()
        .map(|name| {
            let line = text.lines().find(|line| line.starts_with(name)).expect("the kernel has it");
            line[name.len()..].split_whitespace().collect::<Vec<_>>().join(" ")
        })
        .collect()
    };
    let none = "0000000000000000";

    assert_eq!(fields(""), ["0 0 0 0", "0 0 0 0", "", none, none, none, none, none, "1", "2"]);
    let daemon = fields(".user(\"daemon\").group(\"daemon\").capabilities([\"CAP_CHOWN\", \"CAP_BPF\"])");
    let two = "0000008000000001";
    assert_eq!(daemon, ["1 1 1 1", "1 1 1 1", "", two, two, two, two, two, "1", "2"]);
    // With another user comes its group: nothing of the broker's is left.
    let alone = fields(".user(\"daemon\")");
    assert_eq!(alone, ["1 1 1 1", "1 1 1 1", "", none, none, none, none, none, "1", "2"]);
}

#[test]
fn each_value_of_a_repeated_key_has_to_be_permitted() {
    if !is_root() {
        return;
    }
    let echo = real("/usr/bin/echo");
    let policy = format!(
        "{}forbid(principal, action == file_system::Action::\"execute\", resource)\n\
         when {{ context.arguments.hasTag(\"-e\") && context.arguments.getTag(\"-e\") == \"evil\" }};\n",
        execute(&echo)
    );
    let told = |options: &str| {
        let ended = run(&echo, options, "result.stdout").policy(&policy).finish();
        ended.document()["status"].clone()
    };

    assert_eq!(told(".args([[\"-e\", \"good\"], [\"-e\", \"fine\"]])"), "SUCCESS");
    for options in
        [".args([[\"-e\", \"evil\"], [\"-e\", \"good\"]])", ".args([[\"-e\", \"good\"], [\"-e\", \"evil\"]])"]
    {
        assert_eq!(told(options), "ERROR", "{options}");
    }
}

#[test]
fn a_policy_on_the_command_line_permits_that_list_and_no_other() {
    if !is_root() {
        return;
    }
    let echo = real("/usr/bin/echo");
    let policy = execute(&echo).replace(
        &format!("resource == file_system::File::\"{echo}\");"),
        &format!("resource == file_system::File::\"{echo}\") when {{ !(context has command_line) || context.command_line == \"echo a b\" }};"),
    );
    let policy = policy.replace(
        "file_system::Action::\"open\", file_system::Action::\"execute\"], ",
        "file_system::Action::\"execute\"], ",
    );
    let policy = format!("{policy}permit(principal, action == file_system::Action::\"open\", resource);\n");
    let status = |options: &str| -> Value {
        run(&echo, options, "1").policy(&policy).finish().document()["status"].clone()
    };

    assert_eq!(status(".args([\"a\", \"b\"])"), "SUCCESS");
    assert_eq!(status(".args([[\"a\", \"b\"]])"), "SUCCESS");
    for other in
        [".args([\"a b\"])", ".args([\"a\"])", ".args([\"a\", \"b\", \"c\"])", ".args([\"b\", \"a\"])", ""]
    {
        assert_eq!(status(other), "ERROR", "{other}");
    }
}

#[test]
fn the_namespaces_of_another_process_are_refused_by_name() {
    if !is_root() {
        return;
    }
    let echo = real("/usr/bin/echo");

    let ended = run(&echo, ".namespace(ChildNamespaceOptions().target_process(1).build())", "1").finish();

    assert!(ended.message().contains("namespaces of another process"), "{}", ended.message());
}

#[test]
fn a_policy_that_permits_no_program_starts_nothing_that_could_start_one() {
    let starts = |policy: &str| {
        let run = Run::of("sleep(600)").policy(policy);
        let started = run.start();
        started.wait_for_record("\"event\":\"start\"");
        let count = rex_tests::runs::children(started.broker()).len();
        started.signal(nix::sys::signal::Signal::SIGKILL);
        drop(started.wait());
        count
    };

    let without = starts("permit(principal, action == file_system::Action::\"read\", resource);");
    let with = starts("permit(principal, action == file_system::Action::\"execute\", resource);");

    assert_eq!((without, with), (1, 2));
}

#[test]
fn what_it_writes_to_both_outputs_arrives_whole_whichever_is_more() {
    if !is_root() {
        return;
    }
    let (shell, head) = (real("/bin/sh"), real("/usr/bin/head"));
    let policy: String = [&shell, &head]
        .iter()
        .map(|path| execute(path).replace("[file_system", "[file_system::Action::\"read\", file_system"))
        .collect();
    for (to_output, to_error) in [(300_000, 7), (7, 300_000), (200_000, 200_000)] {
        let inner = format!("{head} -c {to_error} /dev/zero >&2; {head} -c {to_output} /dev/zero");
        let run = run(
            &shell,
            &format!(".args([[\"-c\", \"{inner}\"]])"),
            "`${result.stdout.len()} ${result.stderr.len()} ${result.exit_code}`",
        );
        assert_eq!(output(run.policy(&policy)), format!("{to_output} {to_error} 0"));
    }
}
