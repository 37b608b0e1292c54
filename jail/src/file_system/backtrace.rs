//! What gdb says of the threads of a process and of their frames, as values. The text is hostile: it is made of names that
//! whoever has written the program chose.

use rhai::INT;

/// A process as a debugger has seen it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TracedProcess {
    /// The number of its first thread, where that is known.
    pub pid: Option<INT>,
    /// Its threads by number.
    pub threads: Vec<TracedThread>,
}

/// A thread of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TracedThread {
    /// The number that the debugger gives it.
    pub id: INT,
    /// The one that the kernel gives it, where that is known.
    pub tid: Option<INT>,
    /// Its frames by number.
    pub frames: Vec<Frame>,
}

/// A call that has not returned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// Its number, from 0, the innermost.
    pub frame_number: INT,
    /// The function.
    pub function_name: String,
    /// Where it is at, as a text that begins with `0x`, where that is told.
    pub instruction_ptr: Option<String>,
    /// The file of its source, or the library that it is from, where that is known.
    pub source: Option<String>,
    /// The line of its source.
    pub line_number: Option<INT>,
}

/// The threads that a text tells of; none when it tells of none. Of several frames with one number in a thread the first counts.
pub fn parse(text: &str) -> Vec<TracedThread> {
    let mut threads: Vec<TracedThread> = Vec::new();
    let mut current = 1;
    for line in text.lines() {
        if let Some((id, tid)) = thread(line) {
            current = id;
            let found = at(&mut threads, id);
            found.tid = found.tid.or(tid);
        } else if let Some(frame) = frame(line) {
            at(&mut threads, current).frames.push(frame);
        }
    }
    threads.retain(|thread| !thread.frames.is_empty());
    threads.sort_by_key(|thread| thread.id);
    for thread in &mut threads {
        // A sort that keeps the order of what is equal, so that the first of several stays.
        thread.frames.sort_by_key(|frame| frame.frame_number);
        thread.frames.dedup_by_key(|frame| frame.frame_number);
    }
    threads
}

/// The thread of this number, made where there is none. Threads come one after the other, so that it is the last one mostly.
fn at(threads: &mut Vec<TracedThread>, id: INT) -> &mut TracedThread {
    let index = threads.iter().rposition(|thread| thread.id == id).unwrap_or_else(|| {
        threads.push(TracedThread { id, ..TracedThread::default() });
        threads.len() - 1
    });
    &mut threads[index]
}

/// `Thread N (… (LWP T)):`, `Thread N (LWP T):`, and `[Current thread is N (…LWP T)]`, which gdb says of a core dump.
fn thread(line: &str) -> Option<(INT, Option<INT>)> {
    let heading = line.strip_prefix("Thread ").and_then(|rest| rest.trim_end().strip_suffix(':'));
    let rest = heading.or_else(|| line.strip_prefix("[Current thread is "))?;
    let (number, rest) = number(rest)?;
    let rest = rest.strip_prefix(" (")?;
    let tid = rest.rsplit_once("LWP ").and_then(|(_, rest)| self::number(rest)).map(|(tid, _)| tid);
    Some((number, tid))
}

/// `#N [0xADDR in] FUNC (ARGS) [at FILE:LINE | from LIB]`.
fn frame(line: &str) -> Option<Frame> {
    let (frame_number, rest) = number(line.strip_prefix('#')?)?;
    let rest = rest.strip_prefix([' ', '\t'])?.trim_start();
    let (instruction_ptr, rest) = match address(rest) {
        Some((address, rest)) => (Some(address.to_owned()), rest),
        None => (None, rest),
    };
    let begin = arguments(rest)?;
    let (function, rest) = rest.split_at_checked(begin)?;
    let function = function.trim();
    if function.is_empty() {
        return None;
    }
    let (source, line_number) = place(rest);
    Some(Frame { frame_number, function_name: function.to_owned(), instruction_ptr, source, line_number })
}

/// `0xADDR in `, and what follows.
fn address(text: &str) -> Option<(&str, &str)> {
    let digits = text.strip_prefix("0x")?;
    let end = digits.find(|c: char| !c.is_ascii_hexdigit()).filter(|end| *end > 0)?;
    let (address, rest) = text.split_at_checked(end + 2)?;
    Some((address, rest.strip_prefix(" in ")?))
}

/// Where the list of arguments begins: the first ` (` outside of the brackets of a template, and of what stands for a name.
fn arguments(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            // The names of operators have brackets that are none.
            b'o' if is_operator(text, at) => at += operator_length(text, at),
            b'<' => depth += 1,
            b'>' if bytes.get(at.wrapping_sub(1)) != Some(&b'-') => depth = depth.saturating_sub(1),
            b' ' if depth == 0 && bytes.get(at + 1) == Some(&b'(') => return Some(at),
            _ => {}
        }
        at += 1;
    }
    // A bracket that is never closed is none.
    text.find(" (")
}

/// Whether the name of an operator begins here, and no longer name has ended with the word.
fn is_operator(text: &str, at: usize) -> bool {
    let is_within = text
        .as_bytes()
        .get(at.wrapping_sub(1))
        .is_some_and(|before| before.is_ascii_alphanumeric() || *before == b'_');
    !is_within && text.get(at..).is_some_and(|rest| rest.starts_with("operator"))
}

/// How long the word `operator` and the signs behind it are, less one.
fn operator_length(text: &str, at: usize) -> usize {
    let rest = text.get(at + OPERATOR..).unwrap_or_default();
    let signs = ["<=>", "<<=", ">>=", "<<", ">>", "->*", "->", "<=", ">=", "<", ">"];
    let sign = signs.iter().find(|sign| rest.starts_with(**sign)).map_or(0, |sign| sign.len());
    OPERATOR + sign - 1
}

/// What follows the arguments: the last ` at FILE:LINE` or ` from LIB` behind a closing bracket. Arguments may have either in a
/// text, but not at the end of the line.
fn place(text: &str) -> (Option<String>, Option<INT>) {
    let text = text.trim_end();
    let at = text.rfind(") at ").map(|index| (index, text.get(index + 5..).unwrap_or_default()));
    let from = text.rfind(") from ").map(|index| (index, text.get(index + 7..).unwrap_or_default()));
    match (at, from) {
        (Some((at, file)), from) if from.is_none_or(|(from, _)| from < at) => match file.rsplit_once(':') {
            Some((file, line)) if !file.is_empty() => match number(line) {
                Some((line, "")) => (Some(file.to_owned()), Some(line)),
                _ => (None, None),
            },
            _ => (None, None),
        },
        (_, Some((_, library))) if !library.is_empty() => (Some(library.to_owned()), None),
        _ => (None, None),
    }
}

/// A number at the beginning of a text, and what follows it.
fn number(text: &str) -> Option<(INT, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, rest))
}

const OPERATOR: usize = "operator".len();

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn one(line: &str) -> (INT, String, Option<String>, Option<String>, Option<INT>) {
        let frame = frame(line).unwrap_or_else(|| panic!("{line}"));
        (frame.frame_number, frame.function_name, frame.instruction_ptr, frame.source, frame.line_number)
    }

    #[test]
    fn a_frame_is_its_function_and_where_that_is() {
        let text = |text: &str| Some(text.to_owned());
        for (line, expected) in [
            ("#0  main () at x.c:8", (0, "main".to_owned(), None, text("x.c"), Some(8))),
            (
                "#4  0x000055555555516b in inner (depth=0, word=0x1 \"wo)rd (x) at y:7\") at /a b/x.c:6",
                (4, "inner".to_owned(), text("0x000055555555516b"), text("/a b/x.c"), Some(6)),
            ),
            (
                "#12 0x1f in poll () from /lib/libc.so.6",
                (12, "poll".to_owned(), text("0x1f"), text("/lib/libc.so.6"), None),
            ),
            ("#1  0x00 in ?? ()", (1, "??".to_owned(), text("0x00"), None, None)),
            (
                "#2  std::function<void (int)>::operator() (this=0x7, n=1) at f.h:1",
                (2, "std::function<void (int)>::operator()".to_owned(), None, text("f.h"), Some(1)),
            ),
            ("#3  a::operator<< (s=...)", (3, "a::operator<<".to_owned(), None, None, None)),
            ("#3  a::operator-> (s=...)", (3, "a::operator->".to_owned(), None, None, None)),
            ("#3  myoperator< (s=...)", (3, "myoperator<".to_owned(), None, None, None)),
            (
                "#5  (anonymous namespace)::f<int> (x=1 from) at q.c:2",
                (5, "(anonymous namespace)::f<int>".to_owned(), None, text("q.c"), Some(2)),
            ),
            ("#6  f (s=\" from /x\") at q.c:", (6, "f".to_owned(), None, None, None)),
        ] {
            assert_eq!(one(line), expected, "{line}");
        }
        for none in
            ["", "#", "#x", "#1", "#1  main", "# 1 main ()", "#99999999999999999999 f ()", "#1  0x1 in  ()"]
        {
            assert_eq!(frame(none), None, "{none}");
        }
    }

    #[test]
    fn threads_have_their_frames_in_order_and_each_number_once() {
        let text = "[New LWP 7]\n#0  before () at b.c:1\n\nThread 2 (Thread 0x7fff (LWP 12)):\n#1  b ()\n#0  a ()\n\n\
                    Thread 1 (LWP 11):\n#0  c ()\n#0  again ()\n#0x\nThread 9 (LWP 3):\n";

        let threads = parse(text);

        let told: Vec<_> = threads
            .iter()
            .map(|thread| {
                let names: Vec<_> = thread.frames.iter().map(|frame| frame.function_name.as_str()).collect();
                (thread.id, thread.tid, names)
            })
            .collect();
        assert_eq!(told, [(1, Some(11), vec!["before"]), (2, Some(12), vec!["a", "b"])]);
        assert_eq!(parse("[Current thread is 1 (LWP 5)]\n#0  m ()\n")[0].tid, Some(5));
        assert_eq!(parse("nothing of it\n"), []);
    }

    /// Texts from an alphabet, the same in every run.
    pub(crate) struct Chance(pub(crate) u64);

    impl Chance {
        pub(crate) fn below(&mut self, most: u64) -> u64 {
            // xorshift64*.
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % most
        }

        /// Up to `most` of these, one behind the other.
        pub(crate) fn text(&mut self, parts: &[&str], most: u64) -> String {
            (0..self.below(most + 1)).map(|_| parts[self.below(parts.len() as u64) as usize]).collect()
        }
    }

    #[test]
    fn whatever_is_written_is_read_without_a_panic() {
        let parts = [
            "#",
            "Thread ",
            "[Current thread is ",
            "0",
            "7",
            "99999999999",
            "0x",
            "f",
            " in ",
            " (",
            ")",
            "(LWP ",
            ") at ",
            ") from ",
            ":",
            "<",
            ">",
            "->",
            "operator",
            "operator<",
            "é",
            " ",
            "\t",
            "\n",
            "\n#1  ",
            "\u{0}",
            "\"",
        ];
        let mut chance = Chance(0x5eed);
        let mut found = 0;

        for _ in 0..20_000 {
            let text = chance.text(&parts, 40);
            let threads = parse(&text);
            found += threads.len();
            for thread in &threads {
                assert!(!thread.frames.is_empty(), "{text:?}");
                let ascend = |one: &Frame, other: &Frame| one.frame_number < other.frame_number;
                assert!(thread.frames.is_sorted_by(ascend), "{text:?}");
            }
        }

        assert!(found > 100, "some of them tell of frames, a control: {found}");
    }

    #[test]
    fn a_frame_that_is_written_as_gdb_does_is_read_as_it_was() {
        let mut chance = Chance(7);
        for _ in 0..10_000 {
            let number = chance.below(100_000) as INT;
            let line = chance.below(1_000_000) as INT;
            let function = format!(
                "f{}",
                chance.text(&["x", "_", "::g", "<a (b)>", "<c<d> >", "::operator()", "::operator<<"], 5)
            );
            let arguments = chance.text(&["a=1", ", ", "b=\") at x:1", "(", ")", " from ", "->"], 5);
            let file = format!("{}.c", chance.text(&["/", "a", " b", "..", ":", ")"], 6));
            let written = format!("#{number}  0xdead in {function} ({arguments}) at {file}:{line}");

            let expected = (number, function, Some("0xdead".to_owned()), Some(file), Some(line));
            assert_eq!(one(&written), expected, "{written}");
        }
    }
}
