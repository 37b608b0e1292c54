//! A jail that says that a step was taken which was not: what it says counts for nothing where somebody can look.

use rex_outside::{Layer, Plan, Posture, State, verify};
use rex_tests::jailed::{Jailed, full_plan};

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

fn state(posture: &Posture, layer: Layer) -> State {
    posture.measure(layer).map_or(State::Unsupported, |measure| measure.state)
}

/// That the table above keeps up with the plan.
#[test]
fn every_step_of_the_table_is_one_of_the_plan() {
    let wanted: Plan = full_plan().with(Layer::NetworkNamespace);

    assert!(VISIBLE.iter().all(|(layer, _)| wanted.wants(*layer)));
}
