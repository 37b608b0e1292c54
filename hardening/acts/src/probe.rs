//! One system call in a process of its own under the real filter: does it survive?

use std::ffi::c_long;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use rex_agreed::SOCKET_FD;
use rex_inside::filter::{self, Filter, Otherwise};

/// How the kernel is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// By the one instruction that the filter allows.
    Pinned,
    /// By the same instruction at another address.
    Elsewhere,
    /// By the C library.
    Library,
    /// By the interrupt that 32-bit programs use.
    #[cfg(target_arch = "x86_64")]
    Interrupt,
}

/// One call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// How the kernel is entered.
    pub entry: Entry,
    /// The number of the call, with all its bits.
    pub number: u64,
    /// Its first three arguments.
    pub arguments: [u64; 3],
}

/// What became of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The kernel killed it with this signal.
    Killed(i32),
    /// The call came back with success.
    Returned,
    /// The call came back with this errno.
    Refused(i32),
    /// The process ended by the call itself, with this code.
    Ended(i32),
    /// There was no probe, because the filter could not be installed.
    Unfiltered,
}

/// Forks a process that installs `filter`, has `socket` as its descriptor 3, and makes one call.
///
/// Without a filter the call is made all the same: that is the control, and only for harmless ones.
///
/// # Errors
/// Those of clone(2) and wait4(2).
pub fn probe(filter: Option<&Filter>, socket: BorrowedFd<'_>, probe: &Probe) -> io::Result<Fate> {
    let socket = socket.as_raw_fd();
    // JUSTIFICATION: std has no fork.
    // SAFETY: a plain fork; the child makes system calls only, allocates nothing, and never returns.
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => victim(filter, socket, probe),
        pid => wait(pid as i32, probe.number as c_long == libc::SYS_exit_group),
    }
}

/// The addresses that the filter pins in this process.
pub fn pins() -> rex_inside::channel::Pins {
    rex_inside::channel::Pins::here()
}

fn victim(filter: Option<&Filter>, socket: i32, probe: &Probe) -> ! {
    let no_core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // JUSTIFICATION: two thousand victims must not leave two thousand core files.
    // SAFETY: the kernel reads one structure of that type.
    unsafe { libc::syscall(libc::SYS_setrlimit, libc::RLIMIT_CORE, &raw const no_core) };
    if socket != SOCKET_FD {
        // JUSTIFICATION: the filter pins the number of the descriptor.
        // SAFETY: takes integers only; the child owns no descriptor in the sense of the language.
        unsafe { libc::syscall(libc::SYS_dup3, socket, SOCKET_FD, 0) };
    }
    // JUSTIFICATION: a control that hits another descriptor must not write into the output of the test.
    // SAFETY: takes integers only; the child owns no descriptor in the sense of the language.
    unsafe { libc::syscall(libc::SYS_close_range, 0, SOCKET_FD - 1, 0) };
    // JUSTIFICATION: an ordinary user may install a filter only after this.
    // SAFETY: takes integers only.
    unsafe { libc::syscall(libc::SYS_prctl, libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    if let Some(filter) = filter
        && filter::install(filter, Otherwise::Kill).is_err()
    {
        exit(UNFILTERED);
    }
    let status = enter(probe);
    match status {
        -4095..0 => exit((-status).min(HIGHEST_ERRNO) as u64),
        _ => exit(RETURNED),
    }
}

/// Makes the call and gives what the kernel leaves in the register for the answer.
fn enter(probe: &Probe) -> i64 {
    let [first, second, third] = probe.arguments;
    match probe.entry {
        Entry::Pinned => {
            // JUSTIFICATION: only this instruction passes the filter.
            // SAFETY: the arguments are chosen by the test so that the call, if it is made, harms nobody.
            unsafe { rex_pinned_syscall(probe.number, first, second, third) }
        }
        Entry::Library => {
            // JUSTIFICATION: the C library's instruction is one the filter must refuse.
            // SAFETY: as above.
            let status = unsafe { libc::syscall(probe.number as c_long, first, second, third) };
            match status {
                -1 => -i64::from(io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)),
                status => status,
            }
        }
        Entry::Elsewhere => enter_here(probe),
        #[cfg(target_arch = "x86_64")]
        Entry::Interrupt => interrupt(probe),
    }
}

#[cfg(target_arch = "x86_64")]
fn enter_here(probe: &Probe) -> i64 {
    let [first, second, third] = probe.arguments;
    let status: i64;
    // JUSTIFICATION: an instruction at an address that is not the pinned one.
    // SAFETY: the arguments are chosen by the test so that the call, if it is made, harms nobody.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") probe.number => status,
            in("rdi") first,
            in("rsi") second,
            in("rdx") third,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        )
    }
    status
}

#[cfg(target_arch = "aarch64")]
fn enter_here(probe: &Probe) -> i64 {
    let [first, second, third] = probe.arguments;
    let status: i64;
    // JUSTIFICATION: an instruction at an address that is not the pinned one.
    // SAFETY: the arguments are chosen by the test so that the call, if it is made, harms nobody.
    unsafe {
        std::arch::asm!(
            "svc #0",
            in("x8") probe.number,
            inlateout("x0") first => status,
            in("x1") second,
            in("x2") third,
            options(nostack),
        )
    }
    status
}

#[cfg(target_arch = "x86_64")]
fn interrupt(probe: &Probe) -> i64 {
    let [first, second, third] = probe.arguments;
    let status: i64;
    // JUSTIFICATION: the entry of 32-bit programs exists in 64-bit ones too.
    // SAFETY: the arguments are chosen by the test so that the call, if it is made, harms nobody. The first travels in
    // `rbx`, which the compiler reserves, so it is exchanged and given back.
    unsafe {
        std::arch::asm!(
            "xchg {first}, rbx",
            "int 0x80",
            "xchg {first}, rbx",
            first = inlateout(reg) first => _,
            inlateout("eax") probe.number as u32 as u64 => status,
            in("ecx") second as u32 as u64,
            in("edx") third as u32 as u64,
            lateout("r8") _,
            lateout("r9") _,
            lateout("r10") _,
            lateout("r11") _,
            options(nostack),
        )
    }
    i64::from(status as i32)
}

/// By the pinned instruction, because the filter is in force.
fn exit(code: u64) -> ! {
    loop {
        // JUSTIFICATION: exit handlers of the parent must not run, and no other instruction passes the filter.
        // SAFETY: takes an integer and does not return.
        unsafe { rex_pinned_syscall(libc::SYS_exit_group as u64, code, 0, 0) };
    }
}

/// What a call that ends the process leaves behind is its own code, and otherwise what [`victim`] made of the answer.
fn wait(pid: i32, ends: bool) -> io::Result<Fate> {
    let mut status = 0;
    loop {
        // JUSTIFICATION: std can wait only for children that it has started.
        // SAFETY: the kernel writes one integer.
        let waited = unsafe { libc::waitpid(pid, &raw mut status, 0) };
        if waited == pid {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    if libc::WIFSIGNALED(status) {
        return Ok(Fate::Killed(libc::WTERMSIG(status)));
    }
    Ok(match libc::WEXITSTATUS(status) {
        code if code == UNFILTERED as i32 => Fate::Unfiltered,
        code if ends => Fate::Ended(code),
        code if code == RETURNED as i32 => Fate::Returned,
        code @ 1.. if i64::from(code) <= HIGHEST_ERRNO => Fate::Refused(code),
        code => Fate::Ended(code),
    })
}

unsafe extern "C" {
    fn rex_pinned_syscall(number: u64, first: u64, second: u64, third: u64) -> i64;
}

const UNFILTERED: u64 = 240;
const RETURNED: u64 = 241;
/// EHWPOISON is 133; what lies above belongs to the codes.
const HIGHEST_ERRNO: i64 = 200;
