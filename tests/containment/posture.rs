//! The posture for root, for an ordinary user, and where user namespaces are refused, against one golden document.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rex_outside::{Layer, Plan, Requirement, State, verify};
use rex_tests::jailed::{Jailed, full_plan};

use crate::surroundings::{is_root, skipped_in_a_container};

/// The golden document: identifier, then the state for root, user, and user without user namespaces.
const GOLDEN: &str = include_str!("posture.golden");

#[test]
fn root_has_the_golden_posture() {
    if skipped_in_a_container() {
        return;
    }
    if !is_root() {
        rex_tests::skip::skipped("needs root");
        return;
    }
    compare(&mut Command::new(UNDERSTUDY), 0, &[]);
}

#[test]
fn an_ordinary_user_has_the_golden_posture() {
    if skipped_in_a_container() {
        return;
    }
    let program = Copy::new();

    compare(&mut program.as_ordinary_user(), 1, &[]);
}

#[test]
fn a_user_without_namespaces_has_the_golden_posture() {
    if skipped_in_a_container() {
        return;
    }
    let program = Copy::new();

    compare(&mut program.as_ordinary_user(), 2, &["userns"]);
}

#[test]
fn the_golden_document_names_every_measure_once() {
    let names: Vec<_> = golden().into_keys().collect();
    let mut expected: Vec<_> = Layer::all().map(Layer::id).collect();
    expected.sort_unstable();

    assert_eq!(names, expected);
}

// `core` has to be had everywhere, or nobody could start a script; what more there is depends on the system.
#[test]
fn core_is_met_in_every_column_of_the_golden_document() {
    for (id, states) in golden() {
        let layer = Layer::from_id(id).unwrap();
        for state in states {
            assert!(Requirement::core().is_met(layer, state_of(state)), "{id} {state}");
        }
    }
}

#[test]
fn what_is_required_and_missing_is_reported_with_what_to_do() {
    let plan = full_plan().without(Layer::Mdwe).without(Layer::Tsc);
    let posture = Jailed::start(&plan).posture().unwrap();

    let missing = |requirement: &str| -> Vec<_> {
        let requirement: Requirement = requirement.parse().unwrap();
        posture
            .missing(&requirement)
            .into_iter()
            .map(|measure| (measure.id, measure.hint.is_empty()))
            .collect()
    };

    assert_eq!(missing("core"), []);
    assert_eq!(missing("core,+mdwe"), [("mdwe", false)]);
    assert_eq!(missing("core,+mdwe,+tsc"), [("tsc", false), ("mdwe", false)]);
    assert_eq!(missing("core,+mdwe,-mdwe"), []);
}

// What `strict` asks for is known from outside, or was done before exec: a jail that says it of itself is not believed.
#[test]
fn a_claim_about_what_strict_asks_for_is_not_believed() {
    if skipped_in_a_container() {
        return;
    }
    if !is_root() {
        rex_tests::skip::skipped("needs root, because an ordinary broker cannot meet strict anyway");
        return;
    }
    let believed = |layer: Layer, does_it: bool| {
        let plan = if does_it { full_plan() } else { full_plan().without(layer) };
        let mut jailed = Jailed::start(&plan);
        let mut report = jailed.await_ready().unwrap();
        report.steps.retain(|(number, _)| *number != layer.number());
        report.record(layer, Ok(()));
        let required = Plan::for_requirement(&format!("core,+{layer}").parse().unwrap());
        let posture = verify(&jailed.jail, &report, &required);
        posture.measure(layer).unwrap().state == State::Enforced
    };

    for layer in [Layer::Mdwe, Layer::Tsc, Layer::Mseal] {
        assert!(believed(layer, true), "{layer} is done, so there is nothing to doubt");
        assert!(!believed(layer, false), "{layer} is only claimed");
    }
}

#[test]
fn a_jail_without_its_filter_does_not_meet_core() {
    let posture = Jailed::start(&full_plan().without(Layer::Seccomp)).posture().unwrap();

    let missing = posture.missing(&Requirement::core());

    assert_eq!(missing.iter().map(|measure| measure.id).collect::<Vec<_>>(), ["seccomp3"]);
}

// Root of a service often has groups, and with them what those may read.
#[test]
fn a_jail_has_none_of_the_groups_of_its_broker() {
    if skipped_in_a_container() {
        return;
    }
    if !is_root() {
        rex_tests::skip::skipped("needs root");
        return;
    }
    for refused in [&[][..], &["userns"]] {
        let output = Command::new(UNDERSTUDY).arg("groups").args(refused).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();

        assert_eq!(printed, "4 20\n\n", "{refused:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Runs the understudy and compares what it prints with one column of the golden document.
fn compare(program: &mut Command, column: usize, refused: &[&str]) {
    program.arg("posture").args(refused);
    let output = loop {
        match program.output() {
            // Another test of this process has forked while the program was copied, and its child has not executed yet.
            Err(error) if error.raw_os_error() == Some(nix::libc::ETXTBSY) => std::thread::yield_now(),
            output => break output.unwrap(),
        }
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    let seen: BTreeMap<&str, (&str, &str)> = printed
        .lines()
        .map(|line| {
            let mut words = line.splitn(3, ' ');
            (words.next().unwrap(), (words.next().unwrap(), words.next().unwrap_or("")))
        })
        .collect();

    let refuses_namespaces = column != 2 && seen["userns"].0 == "Unsupported";
    let column = match (refuses_namespaces, is_root() && column == 0) {
        (true, true) => {
            rex_tests::skip::skipped("this root is not allowed to make namespaces");
            return;
        }
        (true, false) => 2,
        (false, _) => column,
    };
    let mut differences = Vec::new();
    for (id, states) in golden() {
        let (state, evidence) = seen[id];
        if state == states[column] {
            continue;
        }
        match state == "Unsupported" && may_be_absent(Layer::from_id(id).unwrap()) {
            true => println!("{id} is unsupported here: {evidence}"),
            false => differences.push(format!("{id}: {state} ({evidence}) instead of {}", states[column])),
        }
    }

    assert!(differences.is_empty(), "{differences:#?}");
    assert_eq!(seen.len(), golden().len());
}

/// Whether this kernel is too old for a measure, or its processor or configuration may lack it.
fn may_be_absent(layer: Layer) -> bool {
    let depends_on_more =
        [Layer::Speculation, Layer::CoreScheduling, Layer::Tsc, Layer::Landlock, Layer::LandlockScopes];
    let uname = nix::sys::utsname::uname().unwrap();
    let version = |text: &str| -> Vec<u32> {
        text.split(['.', '-']).map_while(|word| word.parse().ok()).take(2).collect()
    };
    depends_on_more.contains(&layer)
        || version(&uname.release().to_string_lossy()) < version(layer.kernel_min())
}

fn golden() -> BTreeMap<&'static str, [&'static str; 3]> {
    GOLDEN
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let mut words = line.split_whitespace();
            let mut word = || words.next().unwrap();
            (word(), [word(), word(), word()])
        })
        .collect()
}

fn state_of(name: &str) -> State {
    match name {
        "Enforced" => State::Enforced,
        "Degraded" => State::Degraded,
        "Unsupported" => State::Unsupported,
        "Failed" => State::Failed,
        _ => panic!("no state is called {name}"),
    }
}

/// The understudy in a place where everybody may run it.
pub(crate) struct Copy(PathBuf);

impl Copy {
    pub(crate) fn new() -> Self {
        let thread = std::thread::current().id();
        let path = std::env::temp_dir().join(format!("rex-understudy-{}-{thread:?}", std::process::id()));
        fs::copy(UNDERSTUDY, &path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self(path)
    }

    /// As another user where this is root, and else as the user that this is.
    pub(crate) fn as_ordinary_user(&self) -> Command {
        let mut command = Command::new(&self.0);
        command.current_dir("/").stdin(Stdio::null());
        if is_root() {
            command.uid(ORDINARY).gid(ORDINARY);
        }
        command
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

const UNDERSTUDY: &str = env!("CARGO_BIN_EXE_rex-understudy");
pub(crate) const ORDINARY: u32 = 12_345;
