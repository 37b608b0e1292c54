//! Takes back the addresses that the C library gave the kernel for this thread.

use std::ffi::c_uint;

use rex_agreed::calls::{Errno, errno};

use crate::calls;

/// Unregisters the restartable sequence area and forgets the list of robust futexes.
///
/// Through both the kernel reads memory that a script may one day control, at a moment of its own choice.
///
/// # Source
/// rseq(2) in the kernel's documentation, set_robust_list(2); `__rseq_offset` since glibc 2.35.
pub(super) fn forget() -> Result<(), Errno> {
    calls::clear_robust_list()?;
    let Some(area) = area() else {
        return Ok(());
    };
    // The length has to be the one that was registered, which glibc does not tell in all versions.
    let mut outcome = Err(libc::EINVAL);
    for length in REGISTERED_LENGTHS {
        outcome = unregister(area, length);
        if outcome != Err(libc::EINVAL) {
            break;
        }
    }
    match outcome {
        // Nothing is registered: an older kernel, or a library that was told not to.
        Err(libc::EINVAL | libc::ENOSYS) if !is_registered() => Ok(()),
        outcome => outcome,
    }
}

fn unregister(area: usize, length: u32) -> Result<(), Errno> {
    const UNREGISTER: c_uint = 1;

    // JUSTIFICATION: no crate wraps rseq.
    // SAFETY: the kernel resets a few words of the area it knows already, and refuses any other address.
    let status = unsafe { libc::syscall(libc::SYS_rseq, area, length, UNREGISTER, SIGNATURE) };
    errno(status).map(drop)
}

/// The C library says so by a non-negative processor number in the area.
fn is_registered() -> bool {
    let Some(area) = area() else {
        return false;
    };
    // JUSTIFICATION: the area belongs to the C library's thread block, which has no type here.
    // SAFETY: `cpu_id` is the second word of the area, which is aligned and lives as long as the thread.
    let processor = unsafe { ((area + 4) as *const i32).read_volatile() };
    processor >= 0
}

/// Where the area of this thread lies; nothing when the C library has none.
fn area() -> Option<usize> {
    let (symbol, thread_pointer) = addresses();
    if symbol == 0 {
        return None;
    }
    // JUSTIFICATION: the offset is a variable of the C library.
    // SAFETY: the symbol is `const ptrdiff_t __rseq_offset`, and it was found.
    let offset = unsafe { (symbol as *const isize).read() };
    Some(thread_pointer.wrapping_add_signed(offset))
}

/// The address of `__rseq_offset`, 0 where the C library has no such symbol, and the thread pointer.
#[cfg(target_arch = "x86_64")]
fn addresses() -> (usize, usize) {
    let symbol: usize;
    // JUSTIFICATION: the language has no weak symbols, and musl and older glibc do not have this one.
    // SAFETY: reads one entry of the global offset table.
    unsafe {
        std::arch::asm!(
            ".weak __rseq_offset",
            "mov {}, qword ptr [rip + __rseq_offset@GOTPCREL]",
            out(reg) symbol,
            options(nostack, readonly, preserves_flags),
        )
    };
    let thread_pointer: usize;
    // JUSTIFICATION: the thread pointer is in no variable.
    // SAFETY: the first word of the thread block is its own address, by the x86-64 ABI.
    unsafe {
        std::arch::asm!(
            "mov {}, qword ptr fs:[0]",
            out(reg) thread_pointer,
            options(nostack, readonly, preserves_flags),
        )
    };
    (symbol, thread_pointer)
}

/// The address of `__rseq_offset`, 0 where the C library has no such symbol, and the thread pointer.
#[cfg(target_arch = "aarch64")]
fn addresses() -> (usize, usize) {
    let symbol: usize;
    // JUSTIFICATION: the language has no weak symbols, and musl and older glibc do not have this one.
    // SAFETY: reads one entry of the global offset table.
    unsafe {
        std::arch::asm!(
            ".weak __rseq_offset",
            "adrp {symbol}, :got:__rseq_offset",
            "ldr {symbol}, [{symbol}, :got_lo12:__rseq_offset]",
            symbol = out(reg) symbol,
            options(nostack, readonly, preserves_flags),
        )
    };
    let thread_pointer: usize;
    // JUSTIFICATION: the thread pointer is in no variable.
    // SAFETY: reads a register.
    unsafe {
        std::arch::asm!(
            "mrs {}, tpidr_el0",
            out(reg) thread_pointer,
            options(nostack, nomem, preserves_flags),
        )
    };
    (symbol, thread_pointer)
}

/// The original structure, and the sizes that newer libraries register.
const REGISTERED_LENGTHS: [u32; 5] = [32, 33, 40, 48, 64];

#[cfg(target_arch = "x86_64")]
const SIGNATURE: u32 = 0x5305_3053;
#[cfg(target_arch = "aarch64")]
const SIGNATURE: u32 = 0xd428_bc00;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_can_be_taken_back_from_the_kernel() {
        let outcome = std::thread::spawn(|| (forget(), is_registered())).join().unwrap();

        assert_eq!(outcome, (Ok(()), false));
    }
}
