//! What a program that a script has started cannot do, each against a control in which it can.

use std::collections::BTreeMap;
use std::fs;

use rex_tests::runs::Run;
use rex_tests::tree::is_root;

use crate::{execute, opened, real};

/// What a program may do beside its own directory, which this policy is about.
const REACHES: &str = r#"permit(principal, action in [file_system::Action::"open", file_system::Action::"read"], resource in file_system::Dir::"INSIDE");
"#;

/// What each act came to.
fn probed(how: &str) -> BTreeMap<String, String> {
    let python = real("/usr/bin/python3");
    let run = Run::of("");
    let (inside, outside) = (run.scratch.path().join("in"), run.scratch.path().join("out"));
    fs::create_dir(&inside).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(inside.join("probe.py"), include_str!("probe.py")).unwrap();
    fs::write(inside.join("note"), "note").unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink("../out/secret", inside.join("link")).unwrap();
    let (inside, outside) = (inside.to_str().unwrap().to_owned(), outside.to_str().unwrap().to_owned());
    let script = format!(
        "{}let result = program.execute(ExecuteOptions().args([\"-B\", \"{inside}/probe.py\", \"{outside}\", \"{inside}\", \"{}\"]).build());\n\
         `${{result.stdout}}${{result.stderr}}`",
        opened(&python),
        std::process::id(),
    );
    run.scratch.file("script.rhai", script);
    let policy = format!("{}{}", execute(&python), REACHES.replace("INSIDE", &inside));

    let ended = run.policy(&policy).options(["--children", how]).finish();

    let document = ended.document();
    let output = document["output"].as_str().unwrap_or_else(|| panic!("{document}\n{}", ended.stderr));
    let lines = output.lines().filter_map(|line| line.split_once(' '));
    lines.map(|(name, what)| (name.to_owned(), what.to_owned())).collect()
}

#[test]
fn none_of_the_acts_succeeds_in_a_confined_program_and_each_does_in_an_unconfined_one() {
    if !is_root() {
        return;
    }
    let unconfined = probed("unconfined");
    let confined = probed("confined");
    let approximate = probed("approximate");

    assert!(unconfined.len() >= 60, "{unconfined:#?}");
    let could = |acts: &BTreeMap<String, String>| -> Vec<String> {
        acts.iter().filter(|(_, what)| *what == "could").map(|(name, _)| name.clone()).collect()
    };
    let never: Vec<&str> = unconfined
        .iter()
        .filter(|(name, what)| *what != "could" && !MAY_BE_MISSING.contains(&name.as_str()))
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(never, [""; 0], "controls that show nothing on this kernel: {unconfined:#?}");
    assert_eq!(could(&confined), [""; 0], "{confined:#?}");
    assert_eq!(confined.len(), unconfined.len());
    // The names and attributes of everything stay in sight there, and nothing but these.
    assert_eq!(could(&approximate), [""; 0], "{approximate:#?}");
    assert_eq!(approximate.len(), unconfined.len());
}

/// What a kernel can have been built without.
const MAY_BE_MISSING: [&str; 8] =
    ["mptcp", "tcp_of_6", "io_uring", "bpf", "perf", "userfaultfd", "set_attribute", "set_flags"];

#[test]
fn what_the_policy_permits_a_program_can_do_and_what_it_forbids_inside_it_cannot() {
    if !is_root() {
        return;
    }
    let cat = real("/usr/bin/cat");
    let run = Run::of("");
    let inside = run.scratch.path().join("in");
    fs::create_dir_all(inside.join("keys")).unwrap();
    fs::write(inside.join("note"), "note\n").unwrap();
    fs::write(inside.join("keys/key"), "key\n").unwrap();
    let inside = inside.to_str().unwrap().to_owned();
    let script = format!(
        "{}[\"{inside}/note\", \"{inside}/keys/key\", \"/etc/shadow\"].map(|path| program.execute(ExecuteOptions().args([path]).build()).stdout)",
        opened(&cat)
    );
    run.scratch.file("script.rhai", script);
    let policy = format!(
        "{}{}forbid(principal, action, resource in file_system::Dir::\"{inside}/keys\");\n",
        execute(&cat),
        REACHES.replace("INSIDE", &inside)
    );

    for how in ["confined", "approximate"] {
        let again = Run::of(&fs::read_to_string(run.scratch.path().join("script.rhai")).unwrap());
        let ended = again.policy(&policy).options(["--children", how]).finish();
        assert_eq!(ended.document()["output"], "[\"note\\n\", \"\", \"\"]", "{how}: {}", ended.stderr);
    }
}

#[test]
fn a_place_that_may_be_written_is_and_its_neighbour_is_not() {
    if !is_root() {
        return;
    }
    let shell = real("/bin/sh");
    let run = Run::of("");
    let (inside, outside) = (run.scratch.path().join("in"), run.scratch.path().join("out"));
    fs::create_dir(&inside).unwrap();
    fs::create_dir(&outside).unwrap();
    let (inside, outside) = (inside.to_str().unwrap(), outside.to_str().unwrap());
    let script = format!(
        "{}[\"{inside}\", \"{outside}\"].map(|place| program.execute(ExecuteOptions().args([[\"-c\", `echo x > ${{place}}/new`]]).build()).exit_code)",
        opened(&shell)
    );
    let policy = format!(
        "{}permit(principal, action in [file_system::Action::\"open\", file_system::Action::\"create\", file_system::Action::\"write\"], resource in file_system::Dir::\"{inside}\");\n",
        execute(&shell)
    );
    run.scratch.file("script.rhai", script);

    let ended = run.policy(&policy).finish();

    assert_eq!(ended.document()["output"], "[0, 2]", "{}", ended.stderr);
}
