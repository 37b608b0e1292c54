//! A jail that was taken over: the same start and the same lockdown, and then whatever the test orders.
#![cfg_attr(not(test), no_main)]
#![cfg_attr(test, expect(dead_code, reason = "a test harness has a start of its own"))]

mod frames;
mod lies;
mod orders;
mod worker;

use std::panic::PanicHookInfo;

use rex_agreed::PreparePlan;
use rex_agreed::errand::{self, Kind, Prepare};
use rex_inside::arena::{self, Arena};
use rex_inside::channel::Channel;
use rex_inside::jail_main;
use rex_inside::lockdown;
use rex_ipc::control::FatalCause;

use crate::frames::Frames;
use crate::lies::Lie;

#[global_allocator]
static ARENA: Arena = Arena::new();

jail_main!(run);

/// The start of a jail, in its order; only the engine is missing.
fn run() -> i32 {
    let Some(mut channel) = Channel::take() else { return SETUP_FAILED };
    let Ok(first) = channel.receive() else { return SETUP_FAILED };
    if let Some((Kind::Prepare, body)) = errand::split(first, 0) {
        let Some(prepare) = Prepare::from_bytes(body) else { return SETUP_FAILED };
        let taken = usize::try_from(prepare.arena_bytes).is_ok_and(|bytes| ARENA.init(bytes).is_ok());
        return if taken { worker::run(channel, prepare) } else { SETUP_FAILED };
    }
    let mut frames = Frames::new(channel);
    let Some(hello) = frames.receive_hello() else { return SETUP_FAILED };
    let taken = usize::try_from(hello.arena_bytes).is_ok_and(|bytes| ARENA.init(bytes).is_ok());
    if !taken || arena::set_exhaustion_frame(&frames::fatal(FatalCause::Arena, "used up")).is_err() {
        return SETUP_FAILED;
    }
    std::panic::set_hook(Box::new(report_panic));

    let lie = Lie::ordered(&hello);
    let told = PreparePlan::from_bits(hello.lockdown_bits);
    let plan = lie.map_or(told, |lie| lie.leave_out(told));
    if let Some(lie) = lie {
        lie.before();
    }
    let mut report = lockdown::prepare(&plan);
    if let Some(lie) = lie {
        lie.after();
        lie.claim(&mut report);
    }
    if lockdown::seal(&plan).is_err() {
        return SETUP_FAILED;
    }

    frames.send_ready(&report);
    let Some(order) = frames.receive_order() else { return BROKER_GONE };
    orders::carry_out(&mut frames, &order)
}

/// The panicking code holds the channel, so the last frame goes out as the arena's, by asking for more than there can be.
fn report_panic(_: &PanicHookInfo<'_>) {
    let frame = frames::fatal(FatalCause::Panic, "a panic was ordered (main.rs:1); the script was in line 1");
    if arena::set_exhaustion_frame(&frame).is_ok() {
        drop(std::hint::black_box(Vec::<u8>::with_capacity(isize::MAX as usize)));
    }
    Channel::exit(PANICKED);
}

const BROKER_GONE: i32 = 1;
const SETUP_FAILED: i32 = 71;
const PANICKED: i32 = 101;
