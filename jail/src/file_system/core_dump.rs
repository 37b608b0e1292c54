//! Core dumps: gdb looks into them, and what it says is read here.

use std::cell::RefCell;
use std::rc::Rc;

use rex_ipc::bounded::{List, Text};
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{ChunkLength, CreateDir, DirPlace, OpenDir, OpenFile, ReadChunk};
use rex_ipc::handle::FileId;
use rex_ipc::limits::{MAX_VARIABLE_BYTES, MAX_VARIABLES};
use rex_ipc::program::{BeginAnalysis, MARK, Wanted};
use rhai::{Array, INT, ImmutableString, Map, NativeCallContext};

use super::backtrace::{self, TracedProcess};
use super::execute::{ExecuteResult, collected};
use crate::error::{Fallible, io_error};
use crate::handle::{OpenDirectory, OpenObject};
use crate::session::Session;
use crate::text::{open_for_reading, split};
use crate::value;

/// What a program has left behind, and the program. Copies share what is open of it.
#[derive(Clone)]
pub struct CoreDump {
    /// The path of the program.
    pub exe_path: ImmutableString,
    /// The path of what it has left.
    pub core_dump_path: ImmutableString,
    opened: Rc<RefCell<Option<Opened>>>,
}

/// The debugger, the program, and what it has left.
struct Opened {
    debugger: OpenObject,
    program: OpenObject,
    core: OpenObject,
}

impl CoreDump {
    /// What this program has left there. Nothing is looked at yet.
    pub fn new(exe: ImmutableString, core: ImmutableString) -> Self {
        Self { exe_path: exe, core_dump_path: core, opened: Rc::default() }
    }

    /// The threads and their frames.
    ///
    /// # Errors
    /// The broker's failures; `Other` for what is no program or no core dump.
    pub fn backtrace(&self, context: &NativeCallContext) -> Fallible<TracedProcess> {
        let result = self.analysed(context, Wanted::Backtrace)?;
        // What comes before is about the thread that has ended the program, and is told again.
        let told = segment(&result.stdout, 0).unwrap_or_default();
        let mut threads = backtrace::parse(told);
        if threads.is_empty() {
            threads = backtrace::parse(&result.stdout);
        }
        if threads.is_empty() {
            return Err(self.unreadable(&result));
        }
        let first = threads.iter().find(|thread| thread.id == 1);
        Ok(TracedProcess { pid: first.and_then(|thread| thread.tid), threads })
    }

    /// The values of variables in a frame, by their names. What has no value is not among them.
    ///
    /// # Errors
    /// A text for a number that is none of a thread or frame; `InvalidArguments` for what is no name of a variable; `Other`
    /// where there is no such frame; the broker's failures.
    pub fn variables(
        &self,
        context: &NativeCallContext,
        thread: Option<INT>,
        frame: INT,
        names: &Array,
    ) -> Fallible<Map> {
        let thread =
            thread.map(|thread| value::parameter_number::<u32>("thread_number", thread)).transpose()?;
        let frame = value::parameter_number::<u32>("frame_number", frame)?;
        let texts: Vec<String> = names.iter().map(ToString::to_string).collect();
        let named = texts.iter().map(|name| variable(name)).collect::<Fallible<Vec<_>>>()?;
        let named = List::new(named).ok_or_else(|| {
            let message = format!("at most {MAX_VARIABLES} variables can be asked for at a time");
            io_error(ErrorKind::InvalidArguments, message)
        })?;
        let result = self.analysed(context, Wanted::Variables { thread, frame, names: named })?;
        if backtrace::parse(&result.stdout).is_empty() {
            return Err(self.unreadable(&result));
        }
        // In another frame a name means another variable: gdb goes on in the one that it is in.
        if !is_in(&result.stdout, thread, frame) {
            let of = thread.map_or(String::new(), |thread| format!(" of thread {thread}"));
            let message = format!("there is no frame {frame}{of} in {}", self.core_dump_path);
            return Err(io_error(ErrorKind::Other, message));
        }
        let values = texts.into_iter().enumerate().filter_map(|(index, name)| {
            let value = value_in(segment(&result.stdout, index)?)?;
            Some((name.into(), value.to_owned().into()))
        });
        Ok(values.collect())
    }

    fn analysed(&self, context: &NativeCallContext, wanted: Wanted) -> Fallible<ExecuteResult> {
        let (session, line) = (Session::of(context), value::line(context));
        self.open(context)?;
        let opened = self.opened.borrow();
        let Some(Opened { debugger, program, core }) = opened.as_ref() else {
            return Err(io_error(ErrorKind::Other, "the core dump is not open"));
        };
        let begin = BeginAnalysis { debugger: debugger.id(), program: program.id(), core: core.id(), wanted };
        session.ask(line, begin).and_then(|()| collected(&session, line))?
    }

    /// Opens all three, unless they are.
    fn open(&self, context: &NativeCallContext) -> Fallible<()> {
        if self.opened.borrow().is_some() {
            return Ok(());
        }
        let debugger = opened_in(context, "/usr/bin/gdb", true)?;
        let program = opened_in(context, &self.exe_path, false)?;
        let core = opened_in(context, &self.core_dump_path, false)?;
        *self.opened.borrow_mut() = Some(Opened { debugger, program, core });
        Ok(())
    }

    /// What is said where gdb has seen nothing.
    fn unreadable(&self, result: &ExecuteResult) -> Box<rhai::EvalAltResult> {
        let message = if result.stderr.contains("not in executable format") {
            format!("Invalid executable: {}", self.exe_path)
        } else {
            format!(
                "Unable to parse trace for executable {} and core file {}",
                self.exe_path, self.core_dump_path
            )
        };
        io_error(ErrorKind::Other, message)
    }
}

/// Opens a file in a directory to which no link leads. The debugger can be a link; of the others it is asked whether they may be
/// read.
fn opened_in(context: &NativeCallContext, path: &str, is_debugger: bool) -> Fallible<OpenObject> {
    let (session, line) = (Session::of(context), value::line(context));
    let (parent, name) = split(path, "file path")?;
    let (dir, file) = (session.new_dir(), session.new_file());
    let at = DirPlace::Path(parent);
    let open_dir = OpenDir { id: dir, at, follow: false, create: CreateDir::No };
    let open_file = OpenFile { follow: is_debugger, ..open_for_reading(file, dir, name) };
    if is_debugger {
        session.perform(line, &(open_dir, open_file))?;
    } else {
        session.perform(line, &(open_dir, open_file, first_byte(file)))?;
    }
    drop(OpenDirectory::adopt(&session, dir));
    Ok(OpenObject::adopt(&session, file))
}

fn first_byte(file: FileId) -> ReadChunk {
    let length = ChunkLength::new(1).unwrap_or(ChunkLength::MAX);
    ReadChunk { file, offset_bytes: 0, length, redacted: false }
}

/// The name of a variable, for the wire. The broker says whether it is one.
fn variable(name: &str) -> Fallible<Text<MAX_VARIABLE_BYTES>> {
    Text::new(name).ok_or_else(|| {
        let message = format!("a name of a variable has at most {MAX_VARIABLE_BYTES} bytes");
        io_error(ErrorKind::InvalidArguments, message)
    })
}

/// What was written between the mark of this number and the next one. In values there are no such lines: texts in them are
/// escaped.
pub(crate) fn segment(text: &str, index: usize) -> Option<&str> {
    let mark = format!("{MARK}{index}");
    let mut begin = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let next = at + line.len();
        match begin {
            None if line.trim_end_matches('\n') == mark => begin = Some(next),
            Some(begin) if line.starts_with(MARK) => return text.get(begin..at),
            _ => {}
        }
        at = next;
    }
    text.get(begin?..)
}

/// Whether gdb says that it is in this frame, in what it has written before the first mark.
fn is_in(text: &str, thread: Option<u32>, frame: u32) -> bool {
    let before: Vec<&str> = text.lines().take_while(|line| !line.starts_with(MARK)).collect();
    let switched =
        |thread| before.iter().any(|line| line.starts_with(&format!("[Switching to thread {thread} (")));
    let last = before.iter().rfind(|line| line.starts_with('#'));
    thread.is_none_or(switched) && last.is_some_and(|line| line.starts_with(&format!("#{frame} ")))
}

/// The value in `$1 = VALUE`.
fn value_in(text: &str) -> Option<&str> {
    let (number, value) = text.strip_prefix('$')?.split_once(" = ")?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| value.trim_end_matches('\n'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file_system::backtrace::tests::Chance;
    use crate::testing::Bench;

    const TOLD: &str = "[Current thread is 1 (LWP 7)]\n#0  a () at a.c:1\n[Switching to thread 2 (LWP 8)]\n#0  b () at b.c:1\n\
                        #3  c (x=1) at c.c:3\nrex-broker: 0\nrex-broker: 1\n$1 = 5\nrex-broker: 2\n$2 = {a = 1,\n  b = \"$9 = \"}\nrex-broker: 3\n";

    #[test]
    fn each_value_is_that_of_its_own_name_whichever_others_have_none() {
        let values: Vec<_> = (0..5).map(|index| segment(TOLD, index).and_then(value_in)).collect();

        assert_eq!(values, [None, Some("5"), Some("{a = 1,\n  b = \"$9 = \"}"), None, None]);
        assert_eq!(segment("rex-broker: 0\n$1 = 7", 0).and_then(value_in), Some("7"));
        assert_eq!(value_in("$x = 1"), None);
        assert_eq!(value_in("1 = 1"), None);
    }

    #[test]
    fn values_are_those_of_the_frame_that_was_asked_for_or_of_none() {
        for (thread, frame, expected) in
            [(Some(2), 3, true), (None, 3, true), (Some(1), 3, false), (Some(2), 0, false), (None, 33, false)]
        {
            assert_eq!(is_in(TOLD, thread, frame), expected, "{thread:?} {frame}");
        }
        assert!(!is_in("", None, 0));
    }

    #[test]
    fn what_cannot_be_sent_is_refused_before_anything_is_opened() {
        for names in ["let n = \"x\"; n.pad(257, \"x\"); [n]", "let n = []; n.pad(65, \"x\"); n"] {
            let script = format!(
                "let k = (); try {{ CoreDump(\"/e\", \"/c\").get_variables(0, {{ {names} }}) }} catch (e) {{ k = e.kind; }} k"
            );

            let bench = Bench::new();
            assert_eq!(bench.output(&script), "InvalidArguments", "{names}");
            assert!(bench.asked().is_empty(), "{names}");
        }
        let frame = Bench::new().failure("CoreDump(\"/e\", \"/c\").get_variables(-1, [])");
        assert!(frame.contains("Parameter 'frame_number' conversion failed: "), "{frame}");
        let thread = Bench::new().failure("CoreDump(\"/e\", \"/c\").get_variables(-1, 0, [])");
        assert!(thread.contains("Parameter 'thread_number' conversion failed: "), "{thread}");
    }

    #[test]
    fn whatever_a_debugger_writes_is_read_without_a_panic() {
        let parts = [
            "rex-broker: 0\n$1 = ",
            "rex-broker: 0",
            "rex-broker: 1",
            "\n",
            "$1 = ",
            "$",
            " = ",
            "#0 ",
            "[Switching to thread 1 (",
            "é",
            "7",
        ];
        let mut chance = Chance(3);
        let mut found = 0;

        for _ in 0..20_000 {
            let text = chance.text(&parts, 12);
            for index in 0..3 {
                let segment = segment(&text, index);
                assert!(
                    segment.is_none_or(|segment| !segment.lines().any(|line| line.starts_with(MARK))),
                    "{text:?}"
                );
                found += usize::from(segment.and_then(value_in).is_some());
            }
            let _no_panic = is_in(&text, Some(1), 0);
        }

        assert!(found > 100, "some of them have values, a control: {found}");
    }
}
