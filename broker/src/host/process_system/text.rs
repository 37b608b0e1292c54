//! The texts of `/proc/PID`, read as what they are: words of a process that may be hostile, and numbers of the kernel.

use rex_ipc::limits::{MAX_COMMAND_BYTES, MAX_PROCESS_NAME_BYTES};

/// What `/proc/PID/stat` says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) name: String,
    pub(super) state: u8,
    pub(super) parent: u32,
    pub(super) cpu_ticks: u64,
    pub(super) started_ticks: u64,
    pub(super) resident_pages: u64,
}

impl Stat {
    /// proc_pid_stat(5): `pid (comm) state ppid …`; the name may contain anything, parentheses and line ends included, so
    /// that the last parenthesis ends it. Fields 14, 15, 22 and 24 are the times, the start and the resident pages.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let open = text.iter().position(|byte| *byte == b'(')?;
        let close = text.iter().rposition(|byte| *byte == b')')?;
        let name = text.get(open.checked_add(1)?..close)?;
        let rest = std::str::from_utf8(text.get(close.checked_add(1)?..)?).ok()?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let number = |field: usize| -> Option<u64> { fields.get(field.checked_sub(3)?)?.parse().ok() };
        Some(Self {
            name: cut(&String::from_utf8_lossy(name), MAX_PROCESS_NAME_BYTES),
            state: *fields.first()?.as_bytes().first()?,
            parent: u32::try_from(number(4)?).ok()?,
            cpu_ticks: number(14)?.saturating_add(number(15)?),
            started_ticks: number(22)?,
            // It is a signed number that is never negative for long.
            resident_pages: fields.get(21)?.parse::<i64>().ok()?.max(0).unsigned_abs(),
        })
    }
}

/// What `/proc/PID/status` says of users and numbers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Status {
    /// The number of the process that the task belongs to.
    pub(super) group: u32,
    pub(super) uid: u32,
    pub(super) innermost: u32,
}

impl Status {
    /// proc_pid_status(5): `Uid` begins with the real one; `NSpid` ends with the number in the innermost namespace. A name
    /// cannot pass for another line, because the kernel escapes line ends in it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        let group = line("Tgid:")?.trim().parse().ok()?;
        let uid = line("Uid:")?.split_ascii_whitespace().next()?.parse().ok()?;
        let numbers = line("NSpid:").or_else(|| line("Pid:"))?;
        let innermost = numbers.split_ascii_whitespace().next_back()?.parse().ok()?;
        Some(Self { group, uid, innermost })
    }
}

/// The words of a command line, which stand one behind the other with a zero byte at the end of each, joined by single
/// spaces; the first word up to a space loses its directory.
pub(super) fn command(bytes: &[u8]) -> String {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let words: Vec<_> =
        bytes[..end].split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word)).collect();
    let line = words.join(" ");
    let (program, rest) =
        line.split_once(' ').map_or((line.as_str(), None), |(program, rest)| (program, Some(rest)));
    let program = program.rsplit('/').next().unwrap_or(program);
    let line = match rest {
        Some(rest) => format!("{program} {rest}"),
        None => program.to_owned(),
    };
    cut(&line, MAX_COMMAND_BYTES)
}

/// A text, cut at the last character boundary that fits.
pub(super) fn cut(text: &str, most_bytes: usize) -> String {
    let mut end = text.len().min(most_bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_contain_whatever_ends_a_field() {
        let line = b"7 (a) R 1 (\n) S 1 7 7 0 -1 4194560 1 2 3 4 50 60 7 8 20 0 1 0 999 1000000 250 18446744073709551615\n";

        let stat = Stat::parse(line).unwrap();

        let expected = Stat {
            name: "a) R 1 (\n".into(),
            state: b'S',
            parent: 1,
            cpu_ticks: 110,
            started_ticks: 999,
            resident_pages: 250,
        };
        assert_eq!(stat, expected);
    }

    #[test]
    fn what_is_no_line_of_a_process_gives_nothing() {
        let wrong: [&[u8]; 7] = [
            b"",
            b"7",
            b"7 (x",
            b"7 )x( S 1",
            b"7 (x)",
            b"7 (x) S 1 2 3",
            b"7 (x) S a b c d e f g h i j k l m n o p q r s",
        ];

        for text in wrong {
            assert_eq!(Stat::parse(text), None, "{:?}", String::from_utf8_lossy(text));
        }
        for text in [
            "",
            "Tgid:\t1\nUid:\n",
            "Tgid:\t1\nUid:\tx\nNSpid:\t1\n",
            "Tgid:\t1\nUid:\t1\t2\n",
            "Tgid:\t1\nNSpid:\t1\n",
        ] {
            assert_eq!(Status::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_real_user_and_the_innermost_number_are_told() {
        let text = "Name:\tx\nTgid:\t70\nPid:\t70\nUid:\t1\t2\t3\t4\nNSpid:\t70\t5\t2\n";

        assert_eq!(Status::parse(text), Some(Status { group: 70, uid: 1, innermost: 2 }));
        let of_a_kernel_without_namespaces = "Tgid:\t70\nPid:\t70\nUid:\t1\t2\t3\t4\n";
        assert_eq!(
            Status::parse(of_a_kernel_without_namespaces),
            Some(Status { group: 70, uid: 1, innermost: 70 })
        );
    }

    #[test]
    fn a_command_line_loses_the_directory_of_its_program() {
        let table: [(&[u8], &str); 8] = [
            (b"", ""),
            (b"\0\0", ""),
            (b"/usr/bin/x\0-a\0/b\0", "x -a /b"),
            (b"x\0\0y\0", "x  y"),
            (b"/opt/a b/x\0", "a b/x"),
            (b"sshd: u [priv]", "sshd: u [priv]"),
            (b"\xff\0", "\u{fffd}"),
            (b"/\0a", " a"),
        ];

        for (bytes, expected) in table {
            assert_eq!(command(bytes), expected, "{bytes:?}");
        }
        assert_eq!(command(&[b'a'; 100_000]).len(), MAX_COMMAND_BYTES);
        assert_eq!(cut("aé", 2), "a");
    }
}
