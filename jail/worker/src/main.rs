//! The start of a worker: take the memory, make what has to be random, give up all rights, obey.
// It has no tests, and under the test harness, which brings a `main` of its own, it is empty.
#![cfg(not(test))]
#![no_main]

use rex_agreed::PreparePlan;
use rex_agreed::errand::{self, HEADER_BYTES, Kind, Prepare};
use rex_inside::arena::{self, Arena};
use rex_inside::channel::Channel;
use rex_inside::lockdown;
use rex_worker::orders::Worker;
use rex_worker::prepared;

#[global_allocator]
static ARENA: Arena = Arena::new();

rex_inside::jail_main!(start);

fn start() -> i32 {
    let mut channel = Channel::take().expect("the channel is taken once, here");
    // abort(3) would need what the filter refuses, and whoever reads a code knows enough.
    std::panic::set_hook(Box::new(|_| Channel::exit(PANICKED)));
    let Ok(first) = channel.receive() else { return BROKER_GONE };
    let Some((Kind::Prepare, body)) = errand::split(first, 0) else { return SETUP_FAILED };
    let Some(prepare) = Prepare::from_bytes(body) else { return SETUP_FAILED };
    if take_memory(prepare.arena_bytes).is_none() {
        return SETUP_FAILED;
    }
    let Ok(provider) = prepared::provider() else { return SETUP_FAILED };
    let mut worker = Worker::new(provider);

    let plan = PreparePlan::from_bits(prepare.lockdown_bits);
    let report = lockdown::prepare(&plan).to_bytes();
    if lockdown::seal(&plan).is_err() {
        return SETUP_FAILED;
    }
    let room = channel.out();
    room[HEADER_BYTES..HEADER_BYTES + report.len()].copy_from_slice(&report);
    let mut answer = (Kind::Ready, report.len());
    for number in 0.. {
        let frame = errand::finish(answer.0, number, answer.1, channel.out()).expect("an answer fits");
        if channel.send(frame).is_err() || channel.receive().is_err() {
            return BROKER_GONE;
        }
        let (room, order) = channel.split();
        let Some((kind, body)) = errand::split(order, number.wrapping_add(1)) else { return SETUP_FAILED };
        answer = worker.obey(kind, body, &mut room[HEADER_BYTES..]);
    }
    SETUP_FAILED
}

/// Gives the allocator all the memory that the worker may use. When it is used up, the process ends.
fn take_memory(bytes: u64) -> Option<()> {
    ARENA.init(usize::try_from(bytes).ok()?).ok()?;
    let last = errand::frame(Kind::Failed, 0, &[errand::Cause::NoTls as u8])?;
    arena::set_exhaustion_frame(&last).ok()
}

/// Exit code of a worker that found nobody at the other end.
const BROKER_GONE: i32 = 1;
/// Exit code after a start that failed, or an order that is none.
const SETUP_FAILED: i32 = 71;
/// Exit code after a panic, which is Rust's own.
const PANICKED: i32 = 101;
