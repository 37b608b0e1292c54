//! Removes the kernel's code from the address space, and makes what is left unchangeable.

use std::ffi::{c_int, c_void};

use crate::arena;
use crate::raw::{self, Errno, errno};

/// Unmaps the vDSO and the data pages below it: clocks the jail must not have, and instructions it does not need.
///
/// # Source
/// vdso(7), getauxval(3).
pub(super) fn unmap_vdso() -> Result<(), Errno> {
    let base = auxiliary(libc::AT_SYSINFO_EHDR);
    if base == 0 {
        return Ok(());
    }
    let code_pages = pages_mapped(base, 1).ok_or(libc::E2BIG)?;
    unmap(base, code_pages * PAGE_BYTES)?;
    // The data pages end where the code began. A longer run would contain something else, which stays.
    let data_pages = pages_mapped(base - PAGE_BYTES, -1).ok_or(libc::E2BIG)?;
    if data_pages > 0 {
        unmap(base - data_pages * PAGE_BYTES, data_pages * PAGE_BYTES)?;
    }
    Ok(())
}

/// Seals the segments of the program and the arena with its guard pages.
///
/// Their content stays as writable as it is; only their place and their rights are fixed.
///
/// # Source
/// mseal(2).
pub(super) fn seal() -> Result<(), Errno> {
    let mut segments = Segments { ranges: [(0, 0); MAX_SEGMENTS], count: 0 };
    // JUSTIFICATION: only the C library knows where it has put the program.
    // SAFETY: the callback gets the pointer to `segments`, which outlives the call and is used by nobody else meanwhile.
    unsafe { libc::dl_iterate_phdr(Some(collect), (&raw mut segments).cast()) };
    if segments.count == 0 {
        return Err(libc::ENOENT);
    }
    for (start, length) in &segments.ranges[..segments.count] {
        raw::mseal(*start, *length)?;
    }
    match arena::region_with_guards() {
        Some((start, length)) => raw::mseal(start, length),
        None => Ok(()),
    }
}

/// Where the loadable segments of the program lie; fixed in size because it is filled from a callback.
struct Segments {
    ranges: [(usize, usize); MAX_SEGMENTS],
    count: usize,
}

/// Notes the segments of the first object, which is the program; a static one has no other.
extern "C" fn collect(object: *mut libc::dl_phdr_info, _: usize, segments: *mut c_void) -> c_int {
    // JUSTIFICATION: the interface of dl_iterate_phdr(3) is made of pointers.
    // SAFETY: the C library passes a valid object for the time of the call.
    let object = unsafe { &*object };
    // JUSTIFICATION: the interface of dl_iterate_phdr(3) is made of pointers.
    // SAFETY: this is the pointer that `seal` passed, to a structure that nobody else uses meanwhile.
    let segments = unsafe { &mut *segments.cast::<Segments>() };
    // JUSTIFICATION: the interface of dl_iterate_phdr(3) is made of pointers.
    // SAFETY: the C library says where the headers are and how many.
    let headers = unsafe { std::slice::from_raw_parts(object.dlpi_phdr, usize::from(object.dlpi_phnum)) };
    for header in headers.iter().filter(|header| header.p_type == libc::PT_LOAD) {
        let start = object.dlpi_addr as usize + header.p_vaddr as usize;
        let end = start + header.p_memsz as usize;
        let first = start & !(PAGE_BYTES - 1);
        let last = end.next_multiple_of(PAGE_BYTES);
        if let Some(slot) = segments.ranges.get_mut(segments.count) {
            *slot = (first, last - first);
            segments.count += 1;
        }
    }
    1
}

/// How many pages are mapped in a row from `address` on, in the given direction; nothing when more than a vDSO has.
fn pages_mapped(address: usize, direction: isize) -> Option<usize> {
    let mut count = 0;
    let mut page = address;
    while is_mapped(page) {
        count += 1;
        if count > MAX_VDSO_PAGES {
            return None;
        }
        page = page.wrapping_add_signed(direction * PAGE_BYTES as isize);
    }
    Some(count)
}

fn is_mapped(page: usize) -> bool {
    // JUSTIFICATION: the address belongs to no object of the language.
    // SAFETY: an asynchronous sync of one page touches no memory; an unmapped page is an error, not a fault.
    let status = unsafe { libc::msync(page as *mut c_void, PAGE_BYTES, libc::MS_ASYNC) };
    status == 0
}

fn unmap(start: usize, length: usize) -> Result<(), Errno> {
    // JUSTIFICATION: the pages belong to no object of the language.
    // SAFETY: they lie in the run of at most 16 pages around the address that the kernel names as its vDSO. Only clock
    // functions of the C library call into it, and the jail has no clock.
    let status = unsafe { libc::munmap(start as *mut c_void, length) };
    errno(status.into()).map(drop)
}

fn auxiliary(kind: libc::c_ulong) -> usize {
    // JUSTIFICATION: std does not show the auxiliary vector.
    // SAFETY: takes an integer and reads what the kernel left at the start of the process.
    let value = unsafe { libc::getauxval(kind) };
    value as usize
}

const PAGE_BYTES: usize = 4096;
/// Two pages of code and six of data on 6.18; a little more for kernels to come.
const MAX_VDSO_PAGES: usize = 16;
const MAX_SEGMENTS: usize = 16;
