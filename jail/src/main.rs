//! The start of a jail: read the limits, take the memory, build the engine, give up all rights, run one script, end.
// It has no tests, and under the test harness, which brings a `main` of its own, it is empty.
#![cfg(not(test))]
#![no_main]

use std::cell::RefCell;
use std::panic::PanicHookInfo;

use rex_agreed::PreparePlan;
use rex_inside::arena::{self, Arena};
use rex_inside::channel::Channel;
use rex_inside::lockdown;
use rex_ipc::control::{FatalCause, Hello, Purpose};
use rex_jail::link::Frames;
use rex_jail::session::Session;
use rex_jail::{engine, lifecycle, panics, run};

#[global_allocator]
static ARENA: Arena = Arena::new();

rex_inside::jail_main!(start);

fn start() -> i32 {
    let channel = Channel::take().expect("the channel is taken once, here");
    let mut frames = Frames::new(Box::new(channel));
    let hello = lifecycle::receive_hello(&mut frames).unwrap_or_else(|reason| give_up(&mut frames, &reason));
    take_memory(&hello).unwrap_or_else(|reason| give_up(&mut frames, &reason));

    let session = Session::new(frames, &hello);
    report_panics_through(&session);
    let mut ready = engine::build(&session);

    let plan = PreparePlan::from_bits(hello.lockdown_bits);
    let report = lockdown::prepare(&plan).to_bytes();
    lockdown::seal(&plan).unwrap_or_else(|reason| give_up(&mut session.frames(), &reason.to_string()));
    lifecycle::send_ready(&mut session.frames(), report);

    let program = lifecycle::receive_program(&mut session.frames());
    let ended = match program.purpose {
        Purpose::Run => run::run(&ready.engine, &session, &program.script, program.arguments),
        Purpose::Check => run::check(&mut ready, &session, &program.script, program.arguments),
    };
    lifecycle::send_outcome(&mut session.frames(), &ended);
    0
}

/// Says why there can be no run, and ends.
fn give_up(frames: &mut Frames, reason: &str) -> ! {
    lifecycle::send_fatal(frames, FatalCause::Setup, reason);
    Channel::exit(SETUP_FAILED);
}

/// Gives the allocator all the memory that the script and the engine may use.
fn take_memory(hello: &Hello) -> Result<(), String> {
    let bytes =
        usize::try_from(hello.arena_bytes).map_err(|_| "the arena is larger than the address space")?;
    ARENA.init(bytes).map_err(|reason| format!("cannot map an arena of {bytes} bytes: {reason}"))?;
    arena::set_exhaustion_frame(&lifecycle::exhaustion_frame())
        .map_err(|reason| format!("cannot prepare the last frame: {reason}"))
}

/// Has a panic end the run with a frame that says what happened. abort(3) would need what the filter refuses.
fn report_panics_through(session: &Session) {
    SESSION.with(|slot| slot.replace(Some(session.clone())));
    std::panic::set_hook(Box::new(|panic: &PanicHookInfo<'_>| {
        SESSION.with(|slot| {
            // A panic in the middle of an exchange leaves nothing to send with; the exit code still tells.
            if let Ok(slot) = slot.try_borrow()
                && let Some(session) = slot.as_ref()
                && let Some(mut frames) = session.try_frames()
            {
                lifecycle::send_fatal(
                    &mut frames,
                    FatalCause::Panic,
                    &panics::told(panic, session.last_line()),
                );
            }
        });
        Channel::exit(PANICKED);
    }));
}

/// Exit code after a start that failed.
const SETUP_FAILED: i32 = 71;

/// Exit code after a panic, which is Rust's own.
const PANICKED: i32 = 101;

thread_local! {
    static SESSION: RefCell<Option<Session>> = const { RefCell::new(None) };
}
