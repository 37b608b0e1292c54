//! Each step made to fail, with each of three errnos: it is noticed, and who requires it sends nothing.

use nix::libc;
use rex_outside::{Layer, Plan, Requirement, SpawnError, State, spawn};
use rex_tests::jailed::{End, Jailed, full_plan, image};

use crate::broker::Run;

#[test]
fn a_step_that_fails_is_missing_from_what_is_required() {
    let mut failures = Vec::new();

    for layer in Layer::all().filter(|layer| full_plan().wants(*layer)) {
        for errno in [libc::EPERM, libc::EINVAL, libc::ENOSYS] {
            if start(&full_plan().failing(layer, errno), layer) != Start::Nothing {
                failures.push(format!("{layer} failing with {errno}"));
            }
        }
    }

    assert!(failures.is_empty(), "{failures:#?}");
}

// The control: without a fault the same decision sends the script, and the script runs.
#[test]
fn without_a_fault_the_script_is_sent() {
    for layer in Layer::all().filter(|layer| full_plan().wants(*layer)) {
        if is_absent_here(layer) {
            println!("{layer} is not to be had here, so there is no control for it");
            continue;
        }
        assert_eq!(start(&full_plan(), layer), Start::Script, "{layer}");
    }
}

/// What a start with a fault led to.
#[derive(Debug, PartialEq, Eq)]
enum Start {
    /// Something required was missing, and the jail got nothing.
    Nothing,
    /// Nothing required was missing, and the jail did what it was sent.
    Script,
}

/// Does what a broker does that requires `layer`: sends the script if nothing is missing.
fn start(plan: &Plan, layer: Layer) -> Start {
    let requirement: Requirement = format!("core,+{layer}").parse().unwrap();
    // Without socket or program there is no jail at all.
    if let Err(SpawnError::Exec(_) | SpawnError::Socket(_)) = spawn(image(), plan) {
        return Start::Nothing;
    }
    let mut jailed = Jailed::start(plan);
    let posture = match jailed.posture() {
        Ok(posture) => posture,
        // The filter could not be installed; the jail ended by itself.
        Err(End::Exited(71)) => return Start::Nothing,
        Err(end) => panic!("{layer}: {end:?}"),
    };
    if posture.missing(&requirement).is_empty() {
        jailed.order("reach");
        assert_eq!(jailed.end(), End::Said("reached".to_owned()));
        return Start::Script;
    }
    Start::Nothing
}

/// Whether the step does not work here even without a fault.
fn is_absent_here(layer: Layer) -> bool {
    let posture = Jailed::start(&full_plan()).posture().unwrap();
    posture.measure(layer).is_none_or(|measure| measure.state != State::Enforced)
}

// The same through the broker itself, whose jail would answer "reached" if it got a byte of script.
#[test]
fn the_broker_sends_no_script_to_a_jail_that_lacks_what_is_required() {
    for layer in Requirement::core().layers() {
        if is_absent_here(layer) {
            println!("{layer} is degraded here even without a fault, which core allows");
            continue;
        }
        let ran = Run::of("reach").failing(layer.id(), libc::EPERM).run();

        assert_eq!(ran.code, Some(71), "{layer}: {ran:?}");
        assert_eq!(ran.end(), "not_started", "{layer}: {ran:?}");
        assert_eq!(ran.output(), "", "{layer}");
    }
    for id in ["mdwe", "mseal", "tsc", "vdso", "rseq", "keyring", "landlock6", "passrights", "threads"] {
        let layer = Layer::from_id(id).unwrap();
        if is_absent_here(layer) {
            println!("{layer} is not to be had here");
            continue;
        }
        let require = format!("+{id}");
        let with = |run: Run| run.option(&["--require", &require]).run();

        let refused = with(Run::of("reach").failing(id, libc::EPERM));
        let control = with(Run::of("reach"));

        assert_eq!((refused.code, refused.end()), (Some(71), "not_started"), "{layer}: {refused:?}");
        let said = refused.document.to_string();
        assert!(said.contains(id) && said.contains(layer.hint()), "{layer}: {said}");
        assert_eq!((control.code, control.output()), (Some(0), "reached"), "{layer}: {control:?}");
    }
}
