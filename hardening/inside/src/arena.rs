//! The jail's memory: one region, mapped before the lockdown, after which nothing can be mapped any more.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rex_agreed::MIN_FRAME_BYTES;
use talc::{OomHandler, Span, Talc, Talck};

use crate::channel::{self, ChannelError};

/// The longest frame that [`set_exhaustion_frame`] takes, in bytes.
pub const MAX_EXHAUSTION_FRAME_BYTES: usize = 512;
/// How the jail exits when its memory is exhausted.
pub const EXHAUSTED_EXIT_CODE: i32 = 70;

/// A global allocator over one fixed region.
///
/// Until [`Arena::init`] it serves from 256 KiB of static memory, because the start-up code allocates before `main` can
/// know the size. After it, a request that cannot be served does not return: the frame of [`set_exhaustion_frame`] is
/// sent and the process exits with [`EXHAUSTED_EXIT_CODE`].
///
/// # Examples
/// ```
/// use rex_inside::arena::Arena;
///
/// #[global_allocator]
/// static ARENA: Arena = Arena::new();
///
/// ARENA.init(64 * 1024 * 1024)?;
/// assert_eq!(vec![1_u8; 1 << 20].len(), 1 << 20);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Arena {
    heap: Talck<spin::Mutex<()>, EarlyRegion>,
}

impl Arena {
    /// An arena that has only its early region.
    pub const fn new() -> Self {
        Self { heap: Talc::new(EarlyRegion).lock() }
    }

    /// Maps `size_bytes` and serves from them from now on; pages are taken from the host only when touched.
    ///
    /// The region lies between two pages that cannot be accessed. Beyond its first 16 MiB it asks for huge pages, which
    /// cost a script that stays small nothing.
    ///
    /// # Errors
    /// Those of mmap(2), and `EINVAL` when the size is not a positive multiple of the page size or this is the second call.
    pub fn init(&self, size_bytes: usize) -> io::Result<()> {
        if size_bytes == 0 || !size_bytes.is_multiple_of(PAGE_BYTES) {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        if REGION_BYTES.load(Ordering::Acquire) != 0 {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        let base = map_with_guards(size_bytes)?;
        let region = Span::new(base, base.wrapping_add(size_bytes));
        // JUSTIFICATION: handing memory to an allocator is unsafe by nature.
        // SAFETY: the region was mapped just now, readable and writable, and nobody else knows of it.
        let claimed = unsafe { self.heap.lock().claim(region) };
        claimed.map_err(|()| io::Error::from_raw_os_error(libc::ENOMEM))?;
        REGION_START.store(base as usize, Ordering::Release);
        REGION_BYTES.store(size_bytes, Ordering::Release);
        Ok(())
    }

    /// Gives up when the request cannot be served and nobody could handle that.
    fn or_exhausted(memory: *mut u8) -> *mut u8 {
        if memory.is_null() && REGION_BYTES.load(Ordering::Acquire) != 0 {
            exhausted();
        }
        memory
    }
}

impl Default for Arena {
    fn default() -> Self {
        Self::new()
    }
}

// JUSTIFICATION: a global allocator is an unsafe trait by nature.
// SAFETY: every call is passed on to talc under its lock; a null pointer is replaced by not returning.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // JUSTIFICATION: the trait's own contract is passed on.
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`.
        let memory = unsafe { self.heap.alloc(layout) };
        Self::or_exhausted(memory)
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // JUSTIFICATION: the trait's own contract is passed on.
        // SAFETY: the caller keeps the contract of `GlobalAlloc::dealloc`.
        unsafe { self.heap.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // JUSTIFICATION: the trait's own contract is passed on.
        // SAFETY: the caller keeps the contract of `GlobalAlloc::realloc`.
        let memory = unsafe { self.heap.realloc(memory, layout, new_size) };
        Self::or_exhausted(memory)
    }
}

/// Stores the frame that is sent when memory is exhausted; its bytes 4..8 are replaced by the sequence number then due.
///
/// # Errors
/// [`ChannelError::Length`] when the frame is shorter than a header or longer than [`MAX_EXHAUSTION_FRAME_BYTES`].
pub fn set_exhaustion_frame(bytes: &[u8]) -> Result<(), ChannelError> {
    if !(MIN_FRAME_BYTES..=MAX_EXHAUSTION_FRAME_BYTES).contains(&bytes.len()) {
        return Err(ChannelError::Length(bytes.len()));
    }
    let mut frame = EXHAUSTION_FRAME.lock();
    frame.bytes[..bytes.len()].copy_from_slice(bytes);
    frame.length = bytes.len();
    Ok(())
}

/// Where the region lies, for the seal over its guard pages; nothing before [`Arena::init`].
pub(crate) fn region_with_guards() -> Option<(usize, usize)> {
    let bytes = REGION_BYTES.load(Ordering::Acquire);
    if bytes == 0 {
        return None;
    }
    let start = REGION_START.load(Ordering::Acquire);
    Some((start - PAGE_BYTES, bytes + 2 * PAGE_BYTES))
}

/// Says that memory is exhausted, and ends the process without allocating.
fn exhausted() -> ! {
    let frame = EXHAUSTION_FRAME.lock();
    channel::send_last_frame(&frame.bytes[..frame.length], EXHAUSTED_EXIT_CODE)
}

/// Maps `size_bytes` between two inaccessible pages, and gives the address after the first of them.
fn map_with_guards(size_bytes: usize) -> io::Result<*mut u8> {
    let whole =
        size_bytes.checked_add(2 * PAGE_BYTES).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))?;
    // JUSTIFICATION: nix's mmap wants a non-zero type, which only lengthens the same call.
    // SAFETY: asks for new memory at an address of the kernel's choice.
    let start = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            whole,
            libc::PROT_NONE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    let base = start.wrapping_byte_add(PAGE_BYTES);
    // JUSTIFICATION: the guards stay without access, so the inside gets its rights apart from them.
    // SAFETY: the range lies within the mapping made above, which nobody uses yet.
    let status = unsafe { libc::mprotect(base, size_bytes, libc::PROT_READ | libc::PROT_WRITE) };
    if status != 0 {
        return Err(io::Error::last_os_error());
    }
    advise_huge_pages(base, size_bytes);
    populate(base, size_bytes.min(AT_ONCE_BYTES));
    Ok(base.cast())
}

/// Takes the pages that every engine needs with one call instead of a fault for each. Only advice: where it is refused,
/// they come one by one.
fn populate(base: *mut c_void, bytes: usize) {
    // JUSTIFICATION: no safe wrapper takes a raw address.
    // SAFETY: the range lies within our mapping, and the advice changes no content.
    let _ = unsafe { libc::madvise(base, bytes, libc::MADV_POPULATE_WRITE) };
}

/// Small pages for the first 16 MiB, huge ones beyond. Only advice: a kernel without huge pages refuses, and that is fine.
fn advise_huge_pages(base: *mut c_void, size_bytes: usize) {
    let small = size_bytes.min(SMALL_PAGE_BYTES);
    // JUSTIFICATION: no safe wrapper takes a raw address.
    // SAFETY: the range lies within our mapping, and the advice changes no content.
    let _ = unsafe { libc::madvise(base, small, libc::MADV_NOHUGEPAGE) };
    if size_bytes > small {
        let rest = base.wrapping_byte_add(small);
        // JUSTIFICATION: no safe wrapper takes a raw address.
        // SAFETY: the range lies within our mapping, and the advice changes no content.
        let _ = unsafe { libc::madvise(rest, size_bytes - small, libc::MADV_HUGEPAGE) };
    }
}

/// Claims the static early region when the first allocation finds no memory.
struct EarlyRegion;

impl OomHandler for EarlyRegion {
    fn handle_oom(talc: &mut Talc<Self>, _: Layout) -> Result<(), ()> {
        if EARLY_CLAIMED.swap(true, Ordering::AcqRel) {
            return Err(());
        }
        let start: *mut u8 = EARLY.0.get().cast();
        let region = Span::new(start, start.wrapping_add(EARLY_BYTES));
        // JUSTIFICATION: handing memory to an allocator is unsafe by nature.
        // SAFETY: the flag lets one arena claim the static region, once, and nothing else uses it.
        unsafe { talc.claim(region) }.map(drop)
    }
}

struct ExhaustionFrame {
    bytes: [u8; MAX_EXHAUSTION_FRAME_BYTES],
    length: usize,
}

/// Static memory; a cell because the allocator writes to it.
#[repr(C, align(4096))]
struct EarlyMemory(UnsafeCell<[u8; EARLY_BYTES]>);

// JUSTIFICATION: a static needs `Sync`.
// SAFETY: the address is given to one allocator, once, which guards it with its lock.
unsafe impl Sync for EarlyMemory {}

/// What std and the C library allocate before the jail's `main` has read how large the arena shall be.
const EARLY_BYTES: usize = 256 * 1024;
/// Below this, huge pages would make a small script look large.
const SMALL_PAGE_BYTES: usize = 16 * 1024 * 1024;
/// What building the engine and running an empty script touches, and not much more.
const AT_ONCE_BYTES: usize = 512 * 1024;
/// The granularity that sizes must have; 4 KiB pages are a requirement of the supported kernels.
const PAGE_BYTES: usize = 4096;

static EARLY: EarlyMemory = EarlyMemory(UnsafeCell::new([0; EARLY_BYTES]));
static EARLY_CLAIMED: AtomicBool = AtomicBool::new(false);
static REGION_START: AtomicUsize = AtomicUsize::new(0);
static REGION_BYTES: AtomicUsize = AtomicUsize::new(0);
static EXHAUSTION_FRAME: spin::Mutex<ExhaustionFrame> =
    spin::Mutex::new(ExhaustionFrame { bytes: [0; MAX_EXHAUSTION_FRAME_BYTES], length: 0 });

#[cfg(test)]
mod tests {
    use super::*;

    // One test, because the early region and the mapped one exist once per process.
    #[test]
    fn an_arena_serves_early_and_late_requests() {
        let arena = Arena::new();
        let small = Layout::from_size_align(1000, 16).unwrap();
        let large = Layout::from_size_align(8 << 20, 4096).unwrap();

        // JUSTIFICATION: the allocator's interface is unsafe.
        // SAFETY: the layout is not empty.
        let early = unsafe { arena.alloc(small) };
        // JUSTIFICATION: the allocator's interface is unsafe.
        // SAFETY: the layout is not empty.
        let too_large_for_early = unsafe { arena.alloc(large) };
        arena.init(16 << 20).unwrap();
        // JUSTIFICATION: the allocator's interface is unsafe.
        // SAFETY: the layout is not empty.
        let late = unsafe { arena.alloc(large) };
        let (start, bytes) = region_with_guards().unwrap();
        // The first page is a guard.
        let is_there = |pages: usize| (1..=pages).map(|page| is_resident(start + page * PAGE_BYTES));

        assert!(is_there(AT_ONCE_BYTES / PAGE_BYTES).all(|is_there| is_there));
        assert!(is_there(SMALL_PAGE_BYTES / PAGE_BYTES).any(|is_there| !is_there));
        assert!(!early.is_null());
        assert!(too_large_for_early.is_null());
        assert!((start..start + bytes).contains(&(late as usize)));
        assert_eq!(late as usize % 4096, 0);
        assert!(arena.init(4096).is_err());
    }

    /// Whether the page at `address` is in memory.
    fn is_resident(address: usize) -> bool {
        let mut state = 0_u8;
        // JUSTIFICATION: no crate in use wraps mincore.
        // SAFETY: the kernel writes one byte for one page into a variable of one byte.
        let status = unsafe { libc::mincore(address as *mut c_void, PAGE_BYTES, &raw mut state) };
        assert_eq!(status, 0);
        state & 1 == 1
    }

    #[test]
    fn an_exhaustion_frame_has_a_header_and_an_end() {
        assert!(set_exhaustion_frame(&[0; 15]).is_err());
        assert!(set_exhaustion_frame(&[0; MAX_EXHAUSTION_FRAME_BYTES + 1]).is_err());
    }
}
