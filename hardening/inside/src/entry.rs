//! How a jail's program begins: without the start-up of the standard library, which needs files.

/// Makes `$body`, a `fn() -> i32`, the program's `main`.
///
/// The standard library's own start-up opens `/dev/null` where a standard descriptor is closed, and ends the process when
/// it cannot, which is what happens in a jail. It would also install a signal handler and ignore SIGPIPE. So the crate that
/// uses this says `#![cfg_attr(not(test), no_main)]`. The answer of `$body` is the exit code; it is passed on through
/// [`crate::channel::Channel::exit`], because returning from `main` would run exit handlers.
///
/// A panic must not unwind out of `$body`: the jail is built with `panic = "abort"`.
///
/// # Examples
/// ```ignore
/// #![cfg_attr(not(test), no_main)]
///
/// rex_inside::jail_main!(run);
///
/// fn run() -> i32 {
///     0
/// }
/// ```
#[macro_export]
macro_rules! jail_main {
    ($body:path) => {
        // The symbol has the name and the signature that the C library calls.
        #[cfg(not(test))]
        #[unsafe(no_mangle)]
        extern "C" fn main(_: i32, _: *const *const u8, _: *const *const u8) -> i32 {
            let body: fn() -> i32 = $body;
            $crate::channel::Channel::exit(body())
        }
    };
}
