//! Which memory of a stopped process is copied: what is used of its stacks, and the small mappings that it has for itself, in
//! which stand what libraries there are and where.

use std::fs;
use std::io;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::uio::pread;
use rex_ipc::limits::MAX_TRACED_BYTES;

use super::super::unguarded::{open, read};
use super::{MAPS_BYTES, Thread};

/// Memory that was copied.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Where it begins.
    pub(super) address: u64,
    /// What it has.
    pub(super) bytes: Vec<u8>,
}

/// What is copied, by address; at most [`MAX_TRACED_BYTES`], stacks first.
pub(super) fn pieces(directory: BorrowedFd<'_>, threads: &[Thread]) -> io::Result<Vec<Piece>> {
    let maps = read(directory, "maps", MAPS_BYTES)?;
    let memory = fs::File::from(open(directory, "mem", OFlag::O_RDONLY)?);
    let stacks: Vec<u64> = threads.iter().map(|thread| thread.registers.stack()).collect();
    let mut pieces = Vec::new();
    let mut left = MAX_TRACED_BYTES as u64;
    for (begin, end) in wanted(&String::from_utf8_lossy(&maps), &stacks) {
        let length = (end - begin).min(left);
        let piece = Piece { address: begin, bytes: copied(&memory, begin, length)? };
        left -= length;
        if !piece.bytes.is_empty() {
            pieces.push(piece);
        }
    }
    pieces.sort_by_key(|piece| piece.address);
    Ok(pieces)
}

/// What is there from an address on; less where it cannot be read.
fn copied(memory: &fs::File, begin: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).map_err(|_| Errno::EOVERFLOW)?];
    let mut count = 0;
    while let Some(space) = bytes.get_mut(count..).filter(|space| !space.is_empty()) {
        let Ok(offset) = i64::try_from(begin.saturating_add(count as u64)) else { break };
        match pread(memory, space, offset) {
            Ok(0) | Err(Errno::EIO | Errno::EFAULT) => break,
            Ok(more) => count += more,
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    bytes.truncate(count);
    Ok(bytes)
}

/// The ranges that are wanted, the stacks first. No two of them overlap.
fn wanted(maps: &str, stacks: &[u64]) -> Vec<(u64, u64)> {
    let mut of_stacks = Vec::new();
    let mut others = Vec::new();
    for mapping in maps.lines().filter_map(Mapping::parse) {
        if !mapping.is_readable {
            continue;
        }
        let (begin, end) = (mapping.begin, mapping.end);
        let used = stacks.iter().filter(|stack| (begin..end).contains(stack)).min();
        if let Some(lowest) = used {
            let from = (lowest.saturating_sub(RED_ZONE_BYTES) & !(PAGE_BYTES - 1)).max(begin);
            of_stacks.push((from, end.min(from.saturating_add(STACK_BYTES))));
        } else if mapping.is_own && end - begin <= SMALL_BYTES {
            others.push((begin, end));
        } else if mapping.is_own && mapping.is_heap {
            others.push((begin, begin + SMALL_BYTES));
        } else if mapping.is_begin_of_file {
            others.push((begin, end.min(begin + PAGE_BYTES)));
        }
    }
    of_stacks.extend(others);
    of_stacks
}

/// A line of `/proc/PID/maps`.
struct Mapping {
    begin: u64,
    end: u64,
    is_readable: bool,
    /// Private, and no code, which is in a file; or the kernel's own code, which is in none.
    is_own: bool,
    is_heap: bool,
    is_begin_of_file: bool,
}

impl Mapping {
    /// proc_pid_maps(5): `begin-end perms offset dev inode path`.
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace();
        let (begin, end) = fields.next()?.split_once('-')?;
        let hexadecimal = |text| u64::from_str_radix(text, 16).ok();
        let (begin, end) = (hexadecimal(begin)?, hexadecimal(end)?);
        let permissions = fields.next()?.as_bytes();
        let offset = hexadecimal(fields.next()?)?;
        let (_device, inode) = (fields.next()?, fields.next()?);
        let name = fields.next().unwrap_or_default();
        let is = |at: usize, letter: u8| permissions.get(at) == Some(&letter);
        let is_of_kernel = inode == "0" && matches!(name, "[vvar]" | "[vvar_vclock]" | "[vsyscall]");
        let is_code = is(2, b'x') && !(inode == "0" && name == "[vdso]");
        (begin < end).then_some(Self {
            begin,
            end,
            is_readable: is(0, b'r') && !is_of_kernel,
            is_own: is(3, b'p') && !is_code,
            is_heap: inode == "0" && name == "[heap]",
            is_begin_of_file: inode != "0" && offset == 0,
        })
    }
}

/// What a function may use below its stack pointer, by the conventions of x86-64.
const RED_ZONE_BYTES: u64 = 128;
const PAGE_BYTES: u64 = 4096;
/// Of one stack, or of stacks in one mapping.
const STACK_BYTES: u64 = 1 << 20;
/// Tables of libraries, and what they write into.
const SMALL_BYTES: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
        1000-2000 r--p 00000000 08:01 7 /bin/p\n\
        2000-3000 r-xp 00001000 08:01 7 /bin/p\n\
        3000-4000 rw-p 00002000 08:01 7 /bin/p\n\
        10000000-20000000 rw-p 00000000 00:00 0 [heap]\n\
        30000000-30800000 rw-p 00000000 00:00 0 \n\
        40000000-48000000 rw-p 00000000 00:00 0 \n\
        50000000-58000000 r--s 00000000 08:01 9 /a file [heap]\n\
        60000000-60001000 ---p 00000000 00:00 0 \n\
        70000000-70004000 r--p 00000000 00:00 0 [vvar]\n\
        70004000-70006000 r-xp 00000000 00:00 0 [vdso]\n\
        nonsense\n\
        5000-4000 rw-p 00000000 00:00 0\n";

    #[test]
    fn stacks_come_first_as_far_as_they_are_used_and_nothing_large_but_them() {
        let wanted = wanted(MAPS, &[0x3070_0100, 0x3000_0000 - 1, 0x3071_0000]);

        assert_eq!(
            wanted,
            [
                (0x3070_0000, 0x3080_0000),
                (0x1000, 0x2000),
                (0x3000, 0x4000),
                (0x1000_0000, 0x1010_0000),
                (0x5000_0000, 0x5000_1000),
                (0x7000_4000, 0x7000_6000),
            ]
        );
    }

    #[test]
    fn own_memory_is_copied_as_far_as_it_is_there() {
        let text = *b"copied once";
        let memory = fs::File::open("/proc/self/mem").unwrap();

        let address = text.as_ptr() as u64;

        assert_eq!(copied(&memory, address, text.len() as u64).unwrap(), text);
        assert!(copied(&memory, 0, 4096).unwrap().is_empty(), "nothing is at 0");
    }
}
