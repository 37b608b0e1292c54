//! What policies are refused and read, what the command `policy` says of them, and what a denied call lacks.

mod command;
mod diff;
mod expected;
mod guards;
mod impossible;
mod lacking;
mod reports;
mod samples;
mod sources;
mod wrong;

/// A stack on which every policy that loading lets through can be evaluated without optimization.
fn with_room<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(work);
    thread.expect("a thread can be started").join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
