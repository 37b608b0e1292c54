//! What is said of a panic of the interpreter: enough to find it, and nothing of where the program was built.

use std::panic::PanicHookInfo;

/// The message, the file and line of the program without their directories, and where the script was, as far as that is
/// known.
///
/// `script_line` is the line from which the script last asked for something, 0 before that.
pub fn told(panic: &PanicHookInfo<'_>, script_line: u32) -> String {
    let message = panic.payload_as_str().unwrap_or("no message");
    let place = panic.location().map(|place| {
        let file = place.file().rsplit('/').next().unwrap_or_default();
        format!(" ({file}:{})", place.line())
    });
    let behind = if script_line == 0 {
        String::from("; the script had asked for nothing yet")
    } else {
        format!("; the script last asked for something in line {script_line}")
    };
    [message, &place.unwrap_or_default(), &behind].concat()
}

#[cfg(test)]
mod tests {
    use std::panic::{self, AssertUnwindSafe};
    use std::sync::{Arc, Mutex};
    use std::thread;

    use rhai::{Dynamic, INT, NativeCallContext};

    use super::*;
    use crate::engine;
    use crate::run;
    use crate::session::Session;
    use crate::testing::Bench;

    /// What is said of the panic of a native function that a script calls, and the line of this file that it stood in.
    fn panic_of(script: &str) -> (String, u32) {
        let told_here = Arc::new(Mutex::new(Vec::new()));
        let (script, collected) = (script.to_owned(), Arc::clone(&told_here));
        // On a thread of its own, so that a test beside it that fails is not taken for it.
        let ended = thread::spawn(move || {
            let me = thread::current().id();
            let bench = Bench::new().file("/d/a", "text");
            let session = bench.session();
            let mut ready = engine::build(&session);
            ready.engine.register_fn("broken", |context: NativeCallContext, number: INT| -> Dynamic {
                LINE.with(|line| line.set(Session::of(&context).last_line()));
                panic!("an invariant of {number} does not hold")
            });
            ready.engine.register_fn("broken", |_: &str| -> Dynamic { panic::panic_any(5) });
            let others = panic::take_hook();
            panic::set_hook(Box::new(move |panic| {
                if thread::current().id() == me {
                    collected.lock().unwrap().push(told(panic, LINE.with(std::cell::Cell::get)));
                } else {
                    others(panic);
                }
            }));
            let ended = panic::catch_unwind(AssertUnwindSafe(|| {
                run::run(&ready.engine, &session, &script, bench.arguments.clone())
            }));
            drop(panic::take_hook());
            ended.is_err()
        });
        assert!(ended.join().unwrap(), "the script ended in order");
        let said = told_here.lock().unwrap();
        assert_eq!(said.len(), 1, "{said:?}");
        let line =
            include_str!("panics.rs").lines().position(|line| line.contains("an invariant of {number}"));
        (said[0].clone(), line.unwrap() as u32 + 1)
    }

    thread_local! {
        static LINE: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
    }

    // In one test, because the hook belongs to the whole program.
    #[test]
    fn a_panic_is_told_with_its_message_its_line_and_that_of_the_script_and_without_directories() {
        let (early, line) = panic_of("broken(7)");
        assert_eq!(
            early,
            format!(
                "an invariant of 7 does not hold (panics.rs:{line}); the script had asked for nothing yet"
            )
        );

        let (late, _) = panic_of("let a = 1;\ncat(\"/d/a\");\n\ntry { [1].map(|x| broken(x)); } catch { }");
        assert_eq!(
            late,
            format!(
                "an invariant of 1 does not hold (panics.rs:{line}); the script last asked for something in line 2"
            )
        );

        let (nameless, _) = panic_of("broken(\"x\")");
        assert!(nameless.starts_with("no message (panics.rs:"), "{nameless}");
        for text in [early, late, nameless] {
            assert!(!text.contains('/'), "{text}");
        }
    }
}
