//! Removes the kernel's code from the address space, and makes what is left unchangeable.

use std::ffi::{c_int, c_void};

use rex_agreed::calls::{Errno, errno};

use crate::{arena, calls};

/// Unmaps the vDSO and the data pages below it: clocks the jail must not have, and instructions it does not need.
///
/// # Source
/// vdso(7), getauxval(3), madvise(2): `MADV_COLD` answers `EINVAL` for pages that are the kernel's own.
pub(super) fn unmap_vdso() -> Result<(), Errno> {
    let base = auxiliary(libc::AT_SYSINFO_EHDR);
    if base == 0 {
        return Ok(());
    }
    // A kernel that does not know the advice would call everything its own.
    if is_kernel_data(base) {
        return Err(libc::ENOSYS);
    }
    let data_pages = (1..=MAX_DATA_PAGES).take_while(|page| is_kernel_data(base - page * PAGE_BYTES)).count();
    let data_bytes = data_pages * PAGE_BYTES;
    unmap(base, vdso_bytes(base))?;
    match data_bytes {
        0 => Ok(()),
        _ => unmap(base - data_bytes, data_bytes),
    }
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
        calls::mseal(*start, *length)?;
    }
    match arena::region_with_guards() {
        Some((start, length)) => calls::mseal(start, length),
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

/// How many bytes the vDSO's segment has, in whole pages.
///
/// # Source
/// elf(5): the vDSO is an ELF file whose program headers begin at `e_phoff`, and one of them is loadable.
fn vdso_bytes(base: usize) -> usize {
    let header = base as *const libc::Elf64_Ehdr;
    // JUSTIFICATION: the kernel names the vDSO by its address only.
    // SAFETY: a whole page is mapped there, and it begins with an ELF header.
    let header = unsafe { &*header };
    let first = (base + header.e_phoff as usize) as *const libc::Elf64_Phdr;
    // JUSTIFICATION: the headers lie where the file header says.
    // SAFETY: the kernel's own image is well formed, and its headers lie in its first page.
    let segments = unsafe { std::slice::from_raw_parts(first, usize::from(header.e_phnum)) };
    let end = segments
        .iter()
        .filter(|segment| segment.p_type == libc::PT_LOAD)
        .map(|segment| (segment.p_vaddr + segment.p_memsz) as usize)
        .max()
        .unwrap_or(PAGE_BYTES);
    end.next_multiple_of(PAGE_BYTES)
}

/// Whether the page is one that the kernel shows to programs, such as its clock data.
fn is_kernel_data(page: usize) -> bool {
    // JUSTIFICATION: the address belongs to no object of the language.
    // SAFETY: the advice changes no content; where nothing is mapped it is an error, not a fault.
    let status = unsafe { libc::madvise(page as *mut c_void, PAGE_BYTES, libc::MADV_COLD) };
    errno(status.into()) == Err(libc::EINVAL)
}

fn unmap(start: usize, length: usize) -> Result<(), Errno> {
    // JUSTIFICATION: the pages belong to no object of the language.
    // SAFETY: they are the vDSO, by its own headers, or the kernel's data below it. Only clock functions of the C library
    // use them, and the jail has no clock.
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
/// Six on 6.18; more for kernels to come.
const MAX_DATA_PAGES: usize = 32;
const MAX_SEGMENTS: usize = 16;
