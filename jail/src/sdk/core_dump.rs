//! Core dumps and what debuggers see, under the names that scripts know.

use rhai::{Array, INT, ImmutableString, Map, NativeCallContext};

use super::object::object;
use crate::file_system::backtrace::{Frame, TracedProcess, TracedThread};
use crate::file_system::core_dump::CoreDump;
use crate::registry::{Entry, NOTHING, Registrar};

const FIRST_CALL: &str = "first call: open Dir(/usr/bin), open File(/usr/bin/gdb), [open File(resolved gdb)], open Dir(exe parent), open File(exe), read File(exe), open Dir(core parent), open File(core), read File(core), execute File(/usr/bin/gdb)";

/// Registers core dumps, processes, threads and frames.
pub fn register(registrar: &mut Registrar<'_>) {
    registrar.type_name::<CoreDump>("rust_safe_io::core_dump_analysis::core_dump::CoreDump");
    let entry = |name, signature, returns, actions, doc| Entry {
        module: "CoreDump",
        name,
        signature,
        returns,
        actions,
        doc,
    };
    registrar.function(
        entry(
            "CoreDump",
            "(exe: String, core: String)",
            "CoreDump",
            NOTHING,
            "What a program has left behind; nothing is looked at yet.",
        ),
        |exe: ImmutableString, core: ImmutableString| CoreDump::new(exe, core),
    );
    registrar.function(
        entry("backtrace", "(CoreDump)", "TracedProcess", FIRST_CALL, "The threads, and the calls in each."),
        |context: NativeCallContext, dump: CoreDump| dump.backtrace(&context),
    );
    registrar.function(
        entry(
            "get_variables",
            "(CoreDump, frame: i64, names: Array)",
            "Map<String,String>",
            FIRST_CALL,
            "The values of variables in a frame of the thread that has ended the program.",
        ),
        |context: NativeCallContext, dump: CoreDump, frame: INT, names: Array| {
            dump.variables(&context, None, frame, &names)
        },
    );
    registrar.function(
        entry(
            "get_variables",
            "(CoreDump, thread: i64, frame: i64, names: Array)",
            "Map<String,String>",
            FIRST_CALL,
            "The values of variables in a frame of a thread.",
        ),
        |context: NativeCallContext, dump: CoreDump, thread: INT, frame: INT, names: Array| {
            dump.variables(&context, Some(thread), frame, &names)
        },
    );
    registrar.function(
        entry("to_map", "(CoreDump)", "Map", NOTHING, "Its paths by name."),
        |dump: &mut CoreDump| -> Map {
            [
                ("exe_path".into(), dump.exe_path.clone().into()),
                ("core_dump_path".into(), dump.core_dump_path.clone().into()),
            ]
            .into_iter()
            .collect()
        },
    );
    register_process(registrar);
    register_thread(registrar);
    register_frame(registrar);
}

object! {
    TracedProcess as "TracedProcess", "rust_safe_io::core_dump_analysis::core_dump::TracedProcess", register_process {
        pid: "i64 | ()" "The number of its first thread, where that is known." = |process| process.pid;
        threads: "Array<TracedThread>" "Its threads by number." = |process| process.threads.clone();
    }
    beside {}
}

object! {
    TracedThread as "TracedThread", "rust_safe_io::core_dump_analysis::core_dump::TracedThread", register_thread {
        id: "i64" "The number that the debugger gives it." = |thread| thread.id;
        tid: "i64 | ()" "The number that the kernel has given it, where that is known." = |thread| thread.tid;
        frames: "Array<Frame>" "Its frames by number." = |thread| thread.frames.clone();
    }
    beside {}
}

object! {
    Frame as "Frame", "rust_safe_io::core_dump_analysis::core_dump::Frame", register_frame {
        frame_number: "i64" "Its number, 0 for the innermost." = |frame| frame.frame_number;
        function_name: "String" "The function." = |frame| frame.function_name.clone();
        instruction_ptr: "String | ()" "Where it is at, as a text that begins with `0x`, where that is told." = |frame| frame.instruction_ptr.clone();
        source: "String | ()" "The file of its source, or the library that it is from, where that is known." = |frame| frame.source.clone();
        line_number: "i64 | ()" "The line of its source." = |frame| frame.line_number;
    }
    beside {}
}
