//! Which paths the sockets of UNIX are bound to.

use std::collections::{BTreeMap, BTreeSet};

use rex_ipc::sysinfo::{ReadSource, Source};
use rhai::NativeCallContext;

use super::ErrorKind;
use crate::error::Fallible;
use crate::session::Session;
use crate::value;

/// Some bound sockets, by the number that the kernel calls them by.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct BoundSockets(BTreeMap<u64, String>);

impl BoundSockets {
    /// Those of these numbers that have a path; none where the table may not be read.
    ///
    /// # Errors
    /// What ends the script.
    pub fn of(context: &NativeCallContext, inodes: &BTreeSet<u64>) -> Fallible<Self> {
        Self::select(context, |inode, _| inodes.contains(&inode))
    }

    /// Those that are bound to this path; none where the table may not be read.
    ///
    /// # Errors
    /// What ends the script.
    pub fn at(context: &NativeCallContext, path: &str) -> Fallible<Self> {
        Self::select(context, |_, bound| bound == path)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The path of a socket.
    pub fn path(&self, inode: u64) -> Option<&str> {
        self.0.get(&inode).map(String::as_str)
    }

    fn select(context: &NativeCallContext, is_wanted: impl Fn(u64, &str) -> bool) -> Fallible<Self> {
        let (session, line) = (Session::of(context), value::line(context));
        let mut table = Table { sockets: Self::default(), rest: Vec::new() };
        let mut offset_bytes = 0_u64;
        while offset_bytes < MOST_BYTES {
            let chunk = match session.ask(line, ReadSource { source: Source::Unix, offset_bytes }) {
                Ok(chunk) => chunk,
                Err(failed) if failed.is_final() => return Err(ErrorKind::of(failed, "Other")),
                // What may not be read, or is not there, names nothing.
                Err(_) => return Ok(Self::default()),
            };
            let bytes = chunk.bytes.into_vec();
            offset_bytes = offset_bytes.saturating_add(bytes.len() as u64);
            table.take(&bytes, &is_wanted);
            if chunk.end || bytes.is_empty() {
                break;
            }
        }
        table.take(b"\n", &is_wanted);
        Ok(table.sockets)
    }
}

/// A table that comes piece by piece.
struct Table {
    sockets: BoundSockets,
    rest: Vec<u8>,
}

impl Table {
    fn take(&mut self, piece: &[u8], is_wanted: &impl Fn(u64, &str) -> bool) {
        let mut parts = piece.split(|byte| *byte == b'\n');
        self.keep(parts.next().unwrap_or_default());
        for part in parts {
            if let Some((inode, path)) = bound(&self.rest)
                && is_wanted(inode, &path)
            {
                // The kernel gives a number once; what a path with a line end in it pretends comes later or is a path.
                self.sockets.0.entry(inode).or_insert(path);
            }
            self.rest.clear();
            self.keep(part);
        }
    }

    fn keep(&mut self, part: &[u8]) {
        let room = MOST_LINE_BYTES.saturating_sub(self.rest.len());
        self.rest.extend_from_slice(part.get(..room.min(part.len())).unwrap_or_default());
    }
}

/// The number and the path of a line, if it has both.
///
/// # Source
/// proc_pid_net(5): `Num RefCount Protocol Flags Type St Inode Path`; the path is the rest of the line. Names that are no paths
/// begin with `@`.
fn bound(line: &[u8]) -> Option<(u64, String)> {
    let mut rest = line;
    for _ in 0..6 {
        rest = rest.get(rest.iter().position(|byte| *byte == b' ')?..)?.trim_ascii_start();
    }
    let end = rest.iter().position(|byte| *byte == b' ')?;
    let (inode, path) = (rest.get(..end)?, rest.get(end.saturating_add(1)..)?);
    let inode = std::str::from_utf8(inode).ok()?.parse().ok()?;
    (!path.is_empty()).then(|| (inode, rex_ipc::name::to_text(path)))
}

/// The number of a socket, from what the kernel calls a descriptor of it.
pub fn inode_of(target: &str) -> Option<u64> {
    target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// Sockets beyond this much of the table have no path. It has room for half a million.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// The longest line: a path of unix(7) has at most 108 bytes.
const MOST_LINE_BYTES: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"Num       RefCount Protocol Flags    Type St Inode Path\n\
        0000000000000000: 00000002 00000000 00010000 0001 01 18663 /run/a b\n\
        0000000000000000: 00000003 00000000 00000000 0001 03   186\n\
        0000000000000000: 00000002 00000000 00000000 0002 01 18664 @abstract\n\
        0000000000000000: 00000002 00000000 00010000 0001 01 18665 /run/\xff";

    fn read(pieces: &[&[u8]]) -> Vec<(u64, String)> {
        let mut table = Table { sockets: BoundSockets::default(), rest: Vec::new() };
        for piece in pieces {
            table.take(piece, &|_, _| true);
        }
        table.take(b"\n", &|_, _| true);
        table.sockets.0.into_iter().collect()
    }

    #[test]
    fn a_bound_socket_has_a_number_and_the_rest_of_its_line_for_a_path() {
        let expected = vec![
            (18_663, "/run/a b".to_owned()),
            (18_664, "@abstract".to_owned()),
            (18_665, rex_ipc::name::to_text(b"/run/\xff")),
        ];

        assert_eq!(read(&[TABLE]), expected);
        for cut in 0..TABLE.len() {
            let (first, second) = TABLE.split_at(cut);
            assert_eq!(read(&[first, second]), expected, "{cut}");
        }
    }

    #[test]
    fn what_is_no_table_names_nothing() {
        let long = vec![b'x'; 100_000];
        let spaces = vec![b' '; 100_000];
        let samples: [&[u8]; 9] = [
            b"",
            b"\n\n\n",
            b"a b c d e f g",
            b"a b c d e f -1 /x",
            b"a b c d e f 99999999999999999999999 /x",
            b"a b c d e f \xff /x",
            b"a b c d e f 5 ",
            &long,
            &spaces,
        ];
        for sample in samples {
            assert_eq!(read(&[sample]), [], "{:?}", String::from_utf8_lossy(sample));
        }
    }

    #[test]
    fn a_line_without_an_end_takes_bounded_memory_and_hides_no_other() {
        let mut long = b"a b c d e f 5 /".to_vec();
        long.resize(1_000_000, b'y');
        long.extend_from_slice(b"\na b c d e f 6 /z\n");

        let found = read(&[&long]);

        assert_eq!(found.len(), 2);
        assert!(found[0].1.len() < MOST_LINE_BYTES);
        assert_eq!(found[1], (6, "/z".to_owned()));
    }

    #[test]
    fn a_descriptor_of_a_socket_has_its_number() {
        assert_eq!(inode_of("socket:[12]"), Some(12));
        for other in [
            "socket:[]",
            "socket:[1",
            "socket:[-1]",
            "/socket:[1]",
            "pipe:[1]",
            "socket:[99999999999999999999]",
        ] {
            assert_eq!(inode_of(other), None, "{other}");
        }
    }
}
