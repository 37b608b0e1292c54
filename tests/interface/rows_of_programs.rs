//! Samples of the rows about programs.

use rex_ipc::handle::FileId;
use rex_ipc::program::*;

use crate::rows::{Sampled, bytes, list, text};

impl Sampled for BeginProgram {
    fn requests() -> Vec<Self> {
        let capability = |number| Capability::new(number).expect("a number of a capability");
        let word = |word| ProgramArgument { word: text(word), value: None };
        let pair = |word, value| ProgramArgument { word: text(word), value: Some(text(value)) };
        vec![
            BeginProgram {
                file: FileId(7),
                arguments: list(vec![]),
                environment: list(vec![]),
                user: None,
                group: None,
                capabilities: list(vec![]),
            },
            BeginProgram {
                file: FileId(u32::MAX),
                arguments: list(vec![word("-v"), pair("--name", "value")]),
                environment: list(vec![ProgramVariable { name: text("LANG"), value: text("C") }]),
                user: Some(text("daemon")),
                group: Some(text("daemon")),
                capabilities: list(vec![capability(0), Capability::MAX]),
            },
        ]
    }

    fn replies() -> Vec<()> {
        vec![()]
    }
}

impl Sampled for BeginAnalysis {
    fn requests() -> Vec<Self> {
        let of =
            |wanted| BeginAnalysis { debugger: FileId(7), program: FileId(8), core: FileId(300), wanted };
        vec![
            of(Wanted::Backtrace),
            of(Wanted::Variables { thread: None, frame: 0, names: list(vec![]) }),
            of(Wanted::Variables {
                thread: Some(2),
                frame: 300,
                names: list(vec![text("a"), text("b->c[7]")]),
            }),
        ]
    }

    fn replies() -> Vec<()> {
        vec![()]
    }
}

impl Sampled for ReadProgram {
    fn requests() -> Vec<Self> {
        vec![ReadProgram {}]
    }

    fn replies() -> Vec<ProgramOutput> {
        vec![
            ProgramOutput { output: bytes(b"hello\n"), error: bytes(b""), end: None },
            ProgramOutput {
                output: bytes(b""),
                error: bytes(b""),
                end: Some(ProgramEnd::Exited { status: 255 }),
            },
            ProgramOutput {
                output: bytes(b""),
                error: bytes(b"x"),
                end: Some(ProgramEnd::Signaled { signal: 9 }),
            },
        ]
    }
}
