//! Attempts that need no system call: what the processor itself would tell or do.

/// Reads the time stamp counter; SIGSEGV where that is switched off.
#[cfg(target_arch = "x86_64")]
pub fn read_time_stamp() -> u64 {
    // JUSTIFICATION: the instruction is an intrinsic.
    // SAFETY: every x86-64 processor has it, and it touches no memory.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Whether the kernel's code still lies in the address space: reads one byte of it. SIGSEGV where it is gone.
pub fn read_vdso() -> u8 {
    // JUSTIFICATION: std does not show the auxiliary vector.
    // SAFETY: takes an integer and reads what the kernel left at the start of the process.
    let base = unsafe { libc::getauxval(libc::AT_SYSINFO_EHDR) };
    // JUSTIFICATION: the test wants the fault.
    // SAFETY: the kernel says that its code begins here; if it was unmapped the process ends, which is the purpose.
    unsafe { (base as *const u8).read_volatile() }
}

/// Calls a data page as if it were code; SIGSEGV everywhere.
pub fn run_data() {
    static DATA: [u8; 16] = [0xc3; 16];

    let address = std::hint::black_box(&raw const DATA);
    // JUSTIFICATION: the test wants the fault.
    // SAFETY: a function pointer is as wide as an address; what it points to returns at once, if it runs at all.
    let function: extern "C" fn() = unsafe { std::mem::transmute(address) };
    function();
}

/// Calls itself until the stack ends; SIGSEGV at the guard page.
pub fn overflow_stack(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 512]);
    if frame[0] == u64::MAX {
        return 0;
    }
    overflow_stack(depth + 1) + frame[(depth % 512) as usize]
}
