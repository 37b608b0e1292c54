//! Where two layers hold the same, each of them alone: one that is gone must not hide behind the other.

use std::fs::{self, File};
use std::os::fd::RawFd;

use nix::fcntl::{FcntlArg, fcntl};
use rex_outside::{Layer, State, verify};
use rex_tests::jailed::{Jailed, full_plan};

use crate::surroundings::{is_root, skipped_in_a_container};

/// How `rex-hostile` lies about its descriptors.
const KEPT_AND_CLOSED: u8 = 1;
const NOTHING_KEPT: u8 = 2;

/// A descriptor of this process that every program which is started from it inherits.
struct Inherited(RawFd);

impl Inherited {
    /// Its number is far from those that the start of a jail uses for itself.
    fn new() -> Self {
        let file = File::open("/dev/null").unwrap();
        Self(fcntl(&file, FcntlArg::F_DUPFD(FAR)).unwrap())
    }

    fn number(&self) -> RawFd {
        self.0
    }
}

impl Drop for Inherited {
    fn drop(&mut self) {
        nix::unistd::close(self.0).unwrap();
    }
}

const FAR: RawFd = 700;

/// The descriptors of a jail that is ready, as root sees them.
fn open_in(jailed: &mut Jailed) -> Vec<i32> {
    jailed.await_ready().unwrap();
    let mut open: Vec<i32> = fs::read_dir(format!("/proc/{}/fd", jailed.jail.pid()))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap().parse().unwrap())
        .collect();
    open.sort_unstable();
    open
}

// close_range(2). The broker's child closes what the caller of the broker has left open, before the jail's program runs.
#[test]
fn what_the_caller_left_open_is_closed_before_the_jail_closes_anything() {
    if !is_root() {
        rex_tests::skip::skipped("needs root, to see the descriptors of a jail");
        return;
    }
    let inherited = Inherited::new();

    // The control: with neither layer it is there.
    let control = open_in(&mut Jailed::start(&full_plan().without(Layer::Descriptors)));
    let closed = open_in(&mut Jailed::start_lying(&full_plan(), Layer::Descriptors, NOTHING_KEPT));

    assert!(control.contains(&inherited.number()), "{control:?}");
    assert_eq!(closed, [3]);
}

// And the jail closes what is open for whatever reason: here because it has made a copy of its socket.
#[test]
fn what_is_open_in_the_jail_is_closed_by_itself() {
    if !is_root() {
        rex_tests::skip::skipped("needs root, to see the descriptors of a jail");
        return;
    }
    let control = open_in(&mut Jailed::start_lying(&full_plan(), Layer::Descriptors, 0));

    let closed = open_in(&mut Jailed::start_lying(&full_plan(), Layer::Descriptors, KEPT_AND_CLOSED));

    assert_eq!(control.len(), 2, "{control:?}");
    assert_eq!(closed, [3]);
}

// What is set before exec is looked at by the jail itself, too: nobody else can see these from outside.
#[test]
fn a_jail_says_so_when_what_was_to_be_done_before_it_is_missing() {
    if skipped_in_a_container() {
        return;
    }
    for (layer, others) in [
        (Layer::Landlock, &[Layer::LandlockScopes][..]),
        (Layer::DeathSignal, &[]),
        (Layer::Securebits, &[]),
        // Without it no filter and no domain is to be had by an ordinary user.
        (Layer::NoNewPrivs, &[Layer::Seccomp, Layer::Landlock, Layer::LandlockScopes]),
    ] {
        let plan = others.iter().fold(full_plan(), |plan, other| plan.without(*other));
        let honest = Jailed::start_told(&plan, &plan).await_ready().unwrap();
        if layer != Layer::Landlock {
            assert_eq!(honest.outcome(layer), Some(0), "{layer}");
        }
        let wanted = if layer == Layer::Landlock { full_plan() } else { plan.clone() };
        let mut jailed = Jailed::start_told(&plan.clone().without(layer), &wanted);

        let report = jailed.await_ready().unwrap();

        assert!(report.outcome(layer).is_some_and(|errno| errno != 0), "{layer}: {report:?}");
        let posture = verify(&jailed.jail, &report, &wanted);
        assert_eq!(posture.measure(layer).unwrap().state, State::Failed, "{layer}");
    }
}

// The control of the first line above: in a domain the same look finds nothing to say.
#[test]
fn a_jail_in_its_domain_finds_that_nothing_opens() {
    let report = Jailed::start(&full_plan()).await_ready().unwrap();

    assert_eq!(report.outcome(Layer::Landlock), Some(0));
}
