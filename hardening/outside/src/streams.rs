//! Which of the standard streams the caller has closed.

use std::sync::atomic::{AtomicU8, Ordering};

/// Whether descriptor 0, 1 or 2 was closed when the program was started.
///
/// The standard library opens `/dev/null` in the place of a closed one before `main`, and from then on that is what a
/// caller may have given on purpose.
pub fn was_closed(number: u8) -> bool {
    number < STREAMS && CLOSED.load(Ordering::Relaxed) & 1 << number != 0
}

/// One bit for each stream.
static CLOSED: AtomicU8 = AtomicU8::new(0);

// JUSTIFICATION: nothing that is called from `main` comes early enough.
// SAFETY: the section holds pointers to functions that the loader calls once, before any thread; this one allocates
// nothing, cannot panic, and touches only its own atomic.
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK_FIRST: extern "C" fn() = look;

extern "C" fn look() {
    for number in 0..STREAMS {
        // JUSTIFICATION: a descriptor that may be closed cannot be borrowed.
        // SAFETY: takes integers only, and changes nothing.
        let flags = unsafe { libc::fcntl(number.into(), libc::F_GETFD) };
        if flags == -1 {
            CLOSED.fetch_or(1 << number, Ordering::Relaxed);
        }
    }
}

const STREAMS: u8 = 3;
