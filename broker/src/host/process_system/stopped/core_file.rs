//! Stopped threads in the form of a core dump, which debuggers read.

use std::io::{self, Write};

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::unistd::Pid;

use super::Thread;
use super::memory::Piece;

/// What a thread has in its registers, in the order of `struct user_regs_struct`.
#[derive(Debug)]
pub(super) struct Registers {
    words: Vec<u64>,
    stack: u64,
}

impl Registers {
    /// Those of a stopped thread.
    ///
    /// # Errors
    /// `ESRCH` when it is not stopped by this thread.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn of(thread: Pid) -> Result<Self, Errno> {
        let r = ptrace::getregs(thread)?;
        let words = vec![
            r.r15, r.r14, r.r13, r.r12, r.rbp, r.rbx, r.r11, r.r10, r.r9, r.r8, r.rax, r.rcx, r.rdx, r.rsi,
            r.rdi, r.orig_rax, r.rip, r.cs, r.eflags, r.rsp, r.ss, r.fs_base, r.gs_base, r.ds, r.es, r.fs,
            r.gs,
        ];
        Ok(Self { words, stack: r.rsp })
    }

    /// Those of a stopped thread.
    ///
    /// # Errors
    /// `ESRCH` when it is not stopped by this thread.
    #[cfg(target_arch = "aarch64")]
    pub(super) fn of(thread: Pid) -> Result<Self, Errno> {
        let r = ptrace::getregs(thread)?;
        let words = r.regs.into_iter().chain([r.sp, r.pc, r.pstate]).collect();
        Ok(Self { words, stack: r.sp })
    }

    /// The stack pointer.
    pub(super) fn stack(&self) -> u64 {
        self.stack
    }
}

/// Writes a core dump of these threads, of which a debugger counts the first as 1, with this memory.
///
/// # Errors
/// Those of writing; `E2BIG` for more pieces than a core dump can have.
///
/// # Source
/// elf(5); `struct elf_prstatus` of `sys/procfs.h`.
pub(super) fn write(
    to: &mut impl Write,
    threads: &[Thread],
    auxiliary: &[u8],
    pieces: &[Piece],
) -> io::Result<()> {
    let mut notes = Vec::new();
    for thread in threads {
        note(&mut notes, STATUS, &status(thread));
    }
    note(&mut notes, AUXILIARY, auxiliary);
    let headers = pieces.len() + 1;
    // From this number on it would stand elsewhere.
    let count = u16::try_from(headers).ok().filter(|count| *count < u16::MAX).ok_or(Errno::E2BIG)?;
    let mut head = Vec::with_capacity(FILE_HEADER_BYTES + headers * HEADER_BYTES);
    head.extend_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    for half in [CORE, MACHINE] {
        head.extend_from_slice(&half.to_le_bytes());
    }
    head.extend_from_slice(&1_u32.to_le_bytes());
    for word in [0, FILE_HEADER_BYTES as u64, 0] {
        head.extend_from_slice(&word.to_le_bytes());
    }
    head.extend_from_slice(&0_u32.to_le_bytes());
    for half in [FILE_HEADER_BYTES as u16, HEADER_BYTES as u16, count, 0, 0, 0] {
        head.extend_from_slice(&half.to_le_bytes());
    }
    let mut offset = (FILE_HEADER_BYTES + headers * HEADER_BYTES) as u64;
    let contents = [(NOTE, 0, notes.len())].into_iter();
    let contents = contents.chain(pieces.iter().map(|piece| (LOAD, piece.address, piece.bytes.len())));
    for (kind, address, length) in contents {
        let length = length as u64;
        for half in [kind, READABLE] {
            head.extend_from_slice(&half.to_le_bytes());
        }
        for word in [offset, address, 0, length, length, 1] {
            head.extend_from_slice(&u64::to_le_bytes(word));
        }
        offset = offset.saturating_add(length);
    }
    to.write_all(&head)?;
    to.write_all(&notes)?;
    pieces.iter().try_for_each(|piece| to.write_all(&piece.bytes))
}

/// A note of the kernel's, padded to four bytes.
fn note(notes: &mut Vec<u8>, kind: u32, content: &[u8]) {
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
    for word in [NAME_BYTES, length, kind] {
        notes.extend_from_slice(&word.to_le_bytes());
    }
    notes.extend_from_slice(NAME);
    notes.extend_from_slice(content);
    notes.resize(notes.len().next_multiple_of(4), 0);
}

/// `struct elf_prstatus`: of what is before the registers only the number of the thread says something to a debugger.
fn status(thread: &Thread) -> Vec<u8> {
    let mut bytes = vec![0; BEFORE_REGISTERS];
    if let Some(slot) = bytes.get_mut(THREAD_AT..THREAD_AT + 4) {
        slot.copy_from_slice(&thread.tid.to_le_bytes());
    }
    for word in &thread.registers.words {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    // Whether there are floating-point registers, and what fills it up.
    bytes.extend_from_slice(&0_u64.to_le_bytes());
    bytes
}

/// The name of the kernel's notes, with its zero byte, padded.
const NAME: &[u8; 8] = b"CORE\0\0\0\0";
/// Without the padding.
const NAME_BYTES: u32 = 5;
/// `NT_PRSTATUS` and `NT_AUXV`.
const STATUS: u32 = 1;
const AUXILIARY: u32 = 6;
/// `ET_CORE`.
const CORE: u16 = 4;
/// `EM_X86_64`, `EM_AARCH64`.
#[cfg(target_arch = "x86_64")]
pub(super) const MACHINE: u16 = 62;
#[cfg(target_arch = "aarch64")]
pub(super) const MACHINE: u16 = 183;
/// `PT_LOAD`, `PT_NOTE`, `PF_R`.
const LOAD: u32 = 1;
const NOTE: u32 = 4;
const READABLE: u32 = 4;
const FILE_HEADER_BYTES: usize = 64;
const HEADER_BYTES: usize = 56;
/// In `struct elf_prstatus` of machines with 64 bits.
const THREAD_AT: usize = 32;
const BEFORE_REGISTERS: usize = 112;
