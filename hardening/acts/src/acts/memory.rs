//! Executable memory, sealed memory, much memory.

use libc::{
    MAP_ANONYMOUS, MAP_FIXED, MAP_NORESERVE, MAP_PRIVATE, PROT_EXEC, PROT_NONE, PROT_READ, PROT_WRITE,
};

use super::{Act, Class, act, root_act};
use crate::call::{Errno, address, call, number, succeeds};

pub(super) const ACTS: &[Act] = &[
    act("map_executable", Class::Memory, |_| map(0, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, 0).map(drop)),
    act("make_executable", Class::Memory, |_| {
        let page = map(0, PAGE, PROT_READ | PROT_WRITE, 0)?;
        protect(page, PROT_READ | PROT_EXEC)
    }),
    act("make_program_writable", Class::Memory, |_| {
        let code = PAD_CODE as fn() as usize & !(PAGE - 1);
        protect(code, PROT_READ | PROT_WRITE | PROT_EXEC)
    }),
    act("make_data_executable", Class::Memory, |_| protect(pad(), PROT_READ | PROT_EXEC)),
    act("unmap_program", Class::Memory, |_| succeeds(libc::SYS_munmap, &[address(pad()), address(PAGE)])),
    act("map_over_program", Class::Memory, |_| map(pad(), PAGE, PROT_NONE, MAP_FIXED).map(drop)),
    act("move_program", Class::Memory, |_| {
        let flags = number(libc::MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
        let size = address(PAGE);
        succeeds(libc::SYS_mremap, &[address(pad()), size, size, flags, number(0)])
    }),
    act("map_a_terabyte", Class::Memory, |_| map(0, 1 << 40, PROT_NONE, MAP_NORESERVE).map(drop)),
    root_act("map_address_zero", Class::Memory, |_| map(0, PAGE, PROT_READ, MAP_FIXED).map(drop)),
    act("make_readable_executable", Class::Memory, |_| {
        succeeds(libc::SYS_personality, &[number(libc::READ_IMPLIES_EXEC)])?;
        map(0, PAGE, PROT_READ | PROT_WRITE, 0).map(drop)
    }),
    act("lock_memory", Class::Memory, |_| {
        let page = map(0, PAGE, PROT_READ | PROT_WRITE, 0)?;
        succeeds(libc::SYS_mlock, &[address(page), address(PAGE)])
    }),
];

fn map(at: usize, bytes: usize, rights: i32, flags: i32) -> Result<usize, Errno> {
    let flags = number(MAP_PRIVATE | MAP_ANONYMOUS | flags);
    call(libc::SYS_mmap, &[address(at), address(bytes), number(rights), flags, number(-1), number(0)])
}

fn protect(page: usize, rights: i32) -> Result<(), Errno> {
    succeeds(libc::SYS_mprotect, &[address(page), address(PAGE), number(rights)])
}

fn pad() -> usize {
    (&raw const PAD.0) as usize
}

/// A page of the program that nobody uses, so that it may be lost.
#[repr(C, align(4096))]
struct Pad([u8; PAGE]);

static PAD: Pad = Pad([1; PAGE]);
const PAD_CODE: fn() = || {};
const PAGE: usize = 4096;
const MREMAP_DONTUNMAP: i32 = 4;
