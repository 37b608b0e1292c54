//! However jail or broker die, the other one knows, and no jail is left.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rex_broker::run::session::{RunEnd, Session};
use rex_ipc::control::{Arguments, FatalCause};
use rex_outside::kernel::{pidfd_open, pidfd_send_signal};
use rex_outside::{JailExit, Layer};
use rex_tests::bench;
use rex_tests::jailed::{End, Jailed, full_plan, wait_for};

const STATES: [&str; 6] = ["spawned", "verified", "loaded", "waiting", "running", "finished"];

// prctl(2), PR_SET_PDEATHSIG.
#[test]
fn a_jail_ends_with_its_broker_in_every_state() {
    for state in STATES {
        let mut broker = Understudy::hold(state, &[]);
        let jail = pidfd_open(broker.jail).unwrap();

        broker.kill();

        assert!(wait_for(&[jail.as_fd()]), "{state}: the jail outlives its broker");
    }
}

// The control: a jail that does not read its socket has nothing but that signal to tell it.
#[test]
fn without_the_death_signal_a_jail_goes_on() {
    let mut broker = Understudy::hold("running", &["pdeathsig"]);
    let jail = pidfd_open(broker.jail).unwrap();

    broker.kill();

    let mut polled = [PollFd::new(jail.as_fd(), PollFlags::POLLIN)];
    let ended = poll(&mut polled, PollTimeout::from(200_u16)).unwrap();
    pidfd_send_signal(jail.as_fd(), libc::SIGKILL).unwrap();
    assert_eq!(ended, 0);
}

#[test]
fn a_jail_that_is_killed_is_noticed_in_every_state() {
    for state in STATES {
        let mut jailed = Jailed::start(&full_plan());
        if state != "spawned" {
            jailed.await_ready().unwrap();
        }
        match state {
            "loaded" => jailed.begin_order(16),
            "waiting" => jailed.order("wait"),
            "running" => jailed.order("spin"),
            _ => {}
        }

        jailed.jail.kill().unwrap();

        assert_eq!(jailed.exit(), JailExit::Signaled(libc::SIGKILL), "{state}");
        assert!(matches!(jailed.end(), End::Killed(libc::SIGKILL) | End::Broke(_)), "{state}");
    }
}

#[test]
fn the_brokers_session_ends_with_its_jail_in_every_state() {
    let mut services = bench::services(bench::ALLOW_ALL);
    for state in ["spawned", "verified", "running"] {
        let mut jail = Jailed::start(&full_plan()).jail;
        let killer = pidfd_open(jail.pid()).unwrap();
        let kill = || pidfd_send_signal(killer.as_fd(), libc::SIGKILL).unwrap();
        let mut session = Session::new(&jail.socket);

        let end = if state == "spawned" {
            kill();
            // It may have been ready before it was killed.
            session
                .await_ready(&mut services.pace.waiter)
                .and_then(|_| session.await_ready(&mut services.pace.waiter))
                .unwrap_err()
        } else {
            session.await_ready(&mut services.pace.waiter).unwrap();
            session.verified();
            if state == "verified" {
                kill();
                assert!(wait_for(&[killer.as_fd()]));
            }
            match session.load(&mut services, "wait", &Arguments::default()) {
                Ok(()) => {
                    kill();
                    session.serve(&mut services)
                }
                Err(end) => end,
            }
        };

        assert!(matches!(end, RunEnd::JailGone), "{state}: {end:?}");
        assert_eq!(jail.wait().unwrap(), JailExit::Signaled(libc::SIGKILL), "{state}");
    }
}

// The broker itself this time, killed as soon as it has a child, whatever that has become by then.
#[test]
fn a_killed_broker_leaves_no_jail() {
    for _ in 0..10 {
        let mut broker = crate::broker::Run::of("spin").start();
        let children = format!("/proc/{0}/task/{0}/children", broker.id());
        let jail = loop {
            let Ok(text) = fs::read_to_string(&children) else {
                rex_tests::skip::skipped("this kernel does not tell the children of a process");
                broker.kill();
                return;
            };
            if let Some(pid) = text.split_whitespace().next().and_then(|pid| pid.parse().ok()) {
                break pidfd_open(pid);
            }
            std::thread::yield_now();
        };

        broker.kill();

        // One that could not even be looked at any more is gone.
        if let Ok(jail) = jail {
            assert!(wait_for(&[jail.as_fd()]), "the jail outlives its broker");
        }
    }
}

#[test]
fn a_panic_is_said_with_the_last_frame() {
    assert_eq!(end_of("panic"), (End::Fatal(FatalCause::Panic), JailExit::Exited(70)));
}

#[test]
fn exhausted_memory_is_said_with_the_last_frame() {
    assert_eq!(end_of("exhaust"), (End::Fatal(FatalCause::Arena), JailExit::Exited(70)));
}

#[test]
fn a_stack_overflow_is_a_fault_and_no_violation() {
    assert_eq!(end_of("overflow").0, End::Killed(libc::SIGSEGV));
}

#[test]
fn data_does_not_run() {
    assert_eq!(end_of("data").0, End::Killed(libc::SIGSEGV));
}

// Both are read without a system call, so the filter has no part in it.
#[test]
fn the_kernels_code_and_the_time_stamp_counter_are_gone() {
    for (order, layer) in [("vdso", Layer::Vdso), ("rdtsc", Layer::Tsc)] {
        let posture = Jailed::start(&full_plan()).posture().unwrap();
        let state = posture.measure(layer).unwrap().state;
        if state != rex_outside::State::Enforced {
            rex_tests::skip::skipped(format!("{layer} is {state:?} here"));
            continue;
        }
        let mut control = Jailed::ready(&full_plan().without(layer));
        control.order(order);

        assert!(matches!(control.end(), End::Said(_)), "{order}");
        assert_eq!(end_of(order).0, End::Killed(libc::SIGSEGV), "{order}");
    }
}

/// Has a jail with every layer do this, and gives what it said and how it ended.
fn end_of(order: &str) -> (End, JailExit) {
    let mut jailed = Jailed::ready(&full_plan());
    jailed.order(order);
    (jailed.end(), jailed.exit())
}

/// A broker in a process of its own.
struct Understudy {
    process: Child,
    jail: i32,
}

impl Understudy {
    fn hold(state: &str, without: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_rex-understudy"))
            .args(["hold", state])
            .args(without)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { process, jail: line.trim().parse().unwrap() }
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Understudy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
