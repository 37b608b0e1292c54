//! A jail that says that a step was taken which was not: what it says counts for nothing where somebody can look.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use rex_outside::{Layer, Plan, Posture, State, verify};
use rex_tests::jailed::{Jailed, PROGRAM, full_plan, lie};
use rex_tests::skip::skipped;

use crate::broker::Run;
use crate::surroundings::{is_root, skipped_in_a_container};

/// The steps that can be seen from outside, each with what else has to be left out so that the jail can start without it.
const VISIBLE: [(Layer, &[Layer]); 13] = [
    (Layer::UserNamespace, &[]),
    (Layer::PidNamespace, &[]),
    (Layer::MountNamespace, &[Layer::Root]),
    (Layer::NetworkNamespace, &[]),
    (Layer::IpcNamespace, &[]),
    (Layer::UtsNamespace, &[]),
    (Layer::CgroupNamespace, &[]),
    (Layer::Session, &[]),
    (Layer::Capabilities, &[Layer::UserNamespace, Layer::Uid]),
    (Layer::Uid, &[]),
    (Layer::Rlimits, &[]),
    // An ordinary user gets neither filter nor domain without it.
    (Layer::NoNewPrivs, &[Layer::Seccomp, Layer::Landlock, Layer::LandlockScopes]),
    (Layer::Seccomp, &[]),
];

/// What looks from outside like a concession that core allows: a bounding set that stays, and the broker's own user.
const CONCEDED: [Layer; 2] = [Layer::Capabilities, Layer::Uid];

#[test]
fn a_step_that_is_claimed_and_not_taken_is_not_enforced() {
    if skipped_in_a_container() {
        return;
    }
    let wanted = full_plan().with(Layer::NetworkNamespace);
    let mut honest = Jailed::start(&wanted);
    let report = honest.await_ready().unwrap();
    let honest_posture = verify(&honest.jail, &report, &wanted);
    let mut failures = Vec::new();
    let mut seen = 0;

    for (layer, others) in VISIBLE {
        // The control; what is not to be had here cannot be lied about either.
        if state(&honest_posture, layer) != State::Enforced {
            println!("{layer} is {:?} here even without a lie", state(&honest_posture, layer));
            continue;
        }
        let plan = others.iter().fold(wanted.clone(), |plan, other| plan.without(*other)).without(layer);
        let mut liar = Jailed::start(&plan);
        liar.await_ready().unwrap_or_else(|end| panic!("{layer}: {end:?}"));
        liar.jail.steps.clone_from(&honest.jail.steps);

        let posture = verify(&liar.jail, &report, &wanted);

        seen += 1;
        let found = state(&posture, layer);
        if found != State::Failed && !(found == State::Degraded && CONCEDED.contains(&layer)) {
            failures.push(format!("{layer}: {:?}", posture.measure(layer)));
        }
    }

    assert!(failures.is_empty(), "{failures:#?}");
    let least = if is_root() { 10 } else { 4 };
    assert!(seen >= least, "only {seen} lies could be told here");
}

// The one that everything rests on: the jail says that it is ready, and has not sealed itself.
#[test]
fn a_jail_that_says_ready_without_its_filter_does_not_meet_core() {
    let wanted = full_plan();
    let report = Jailed::start(&wanted).await_ready().unwrap();
    let plan = wanted.clone().without(Layer::Seccomp);
    let mut liar = Jailed::start(&plan);
    liar.await_ready().unwrap();

    let posture = verify(&liar.jail, &report, &wanted);

    assert_eq!(state(&posture, Layer::Seccomp), State::Failed, "{:?}", posture.measure(Layer::Seccomp));
    let missing = posture.missing(&rex_outside::Requirement::core());
    assert_eq!(missing.iter().map(|measure| measure.id).collect::<Vec<_>>(), ["seccomp3"]);
}

/// What a jail says of a step of its own, which it leaves out or takes back: the step, the way, and whether only root sees it.
const TOLD: [(Layer, u8, bool); 9] = [
    (Layer::Dumpable, 0, false),
    (Layer::Speculation, 0, false),
    (Layer::Rlimits, 0, false),
    // Whoever is not root has looked before the jail could open any.
    (Layer::Descriptors, 0, true),
    (Layer::Signals, IGNORED, false),
    (Layer::Signals, CAUGHT, false),
    (Layer::Signals, BLOCKED, false),
    (Layer::Threads, 0, false),
    (Layer::Seccomp, 0, false),
];
const IGNORED: u8 = 0;
const CAUGHT: u8 = 1;
const BLOCKED: u8 = 2;

// Through the broker: the jail says that it is ready and that every step was taken, and gets no byte of the script.
#[test]
fn a_start_ends_by_the_name_of_the_step_that_the_jail_only_claims() {
    if skipped_in_a_container() {
        return;
    }
    let (mut told, mut failures) = (0, Vec::new());

    for (layer, way, needs_root) in TOLD {
        if needs_root && !is_root() {
            skipped(format!("{layer}: needs root"));
            continue;
        }
        if layer == Layer::Speculation && !speculation_is_open_here() {
            skipped("spec: nothing that a process could hold back is open here");
            continue;
        }
        let run = || {
            // No process may start a thread where the number of processes is 0, which is why that is left out for this one.
            let (run, base) = match layer {
                Layer::Threads => (Run::of("reach").without(Layer::Rlimits), "core,-rlimits"),
                _ => (Run::of("reach"), "core"),
            };
            run.option(&["--require", &format!("{base},+{layer}")])
        };

        let control = run().run();
        let lied = run().option(&["--max-operations", &lie(layer, way).to_string()]).run();

        assert_eq!((control.code, control.output()), (Some(0), "reached"), "{layer}: {control:?}");
        let said = lied.document.to_string();
        let is_refused = (lied.code, lied.end(), lied.output()) == (Some(71), "not_started", "");
        let is_named = said.contains(&format!("required and missing: {layer} is Failed ("));
        // And nothing else is missing.
        let count =
            said.matches("; needs Linux ").count() + said.matches("; every supported Linux has it; ").count();
        if !is_refused || !is_named || count != 1 {
            failures.push(format!("{layer}, way {way}: {lied:?}"));
        }
        told += 1;
    }

    assert!(failures.is_empty(), "{failures:#?}");
    assert!(told >= if is_root() { 8 } else { 6 }, "only {told} lies could be told here");
}

// What runs has to be the sealed image and nothing that took its place before it said that it is ready.
#[test]
fn a_jail_that_became_another_program_does_not_meet_core() {
    if skipped_in_a_container() {
        return;
    }
    if !is_root() {
        skipped("needs root: whoever is not has looked before the jail could run another program");
        return;
    }
    let place = std::env::temp_dir().join(format!("rex-exchanged-{}", std::process::id()));
    fs::create_dir(&place).unwrap();
    let other = place.join(rex_acts::lies::OTHER_PROGRAM.to_str().unwrap());
    fs::write(&other, PROGRAM).unwrap();
    for path in [&place, &other] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let missing = |way: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_rex-understudy"))
            .args(["exchanged", way])
            .current_dir(&place)
            .output();
        let output = output.unwrap();
        (
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };

    let (control, exchanged) = (missing("not"), missing("indeed"));
    fs::remove_dir_all(&place).unwrap();

    assert_eq!(control, (String::new(), String::new()));
    assert!(exchanged.0.starts_with("exec Failed /proc/PID/exe is "), "{exchanged:?}");
    assert!(exchanged.0.contains("other-program") && exchanged.0.lines().count() == 1, "{exchanged:?}");
}

/// Whether the processor has a weakness that is open in this process and that a process can close for itself.
fn speculation_is_open_here() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    ["\tthread vulnerable", "\tconditional enabled"].iter().any(|open| status.contains(open))
}

fn state(posture: &Posture, layer: Layer) -> State {
    posture.measure(layer).map_or(State::Unsupported, |measure| measure.state)
}

/// That the table above keeps up with the plan.
#[test]
fn every_step_of_the_table_is_one_of_the_plan() {
    let wanted: Plan = full_plan().with(Layer::NetworkNamespace);

    assert!(VISIBLE.iter().all(|(layer, _)| wanted.wants(*layer)));
}
