//! The jail's end of the socket: two fixed buffers, and the only instruction that can enter the kernel after lockdown.

use std::cell::UnsafeCell;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use rex_agreed::{MAX_FRAME_BYTES, MIN_FRAME_BYTES, SOCKET_FD};

/// The jail's end of the socket to the broker; works the same before and after the lockdown.
///
/// There is one per process, because the filter pins the two buffers by address.
///
/// # Examples
/// ```no_run
/// use rex_inside::channel::Channel;
///
/// let mut channel = Channel::take().expect("nobody took the channel before");
/// channel.out()[..16].copy_from_slice(&[0; 16]);
/// let reply = channel.exchange(16)?;
/// assert!(reply.len() >= 16);
/// # Ok::<(), rex_inside::channel::ChannelError>(())
/// ```
#[derive(Debug)]
pub struct Channel {
    /// Length of the frame in the inbound buffer; 0 before the first.
    received: usize,
}

impl Channel {
    /// The channel, to the first caller only.
    pub fn take() -> Option<Self> {
        if TAKEN.swap(true, Ordering::AcqRel) {
            return None;
        }
        Some(Self { received: 0 })
    }

    /// The buffer from which [`Channel::send`] sends; [`MAX_FRAME_BYTES`] long.
    pub fn out(&mut self) -> &mut [u8] {
        self.split().0
    }

    /// The frame received last; empty before the first.
    pub fn inbound(&self) -> &[u8] {
        // JUSTIFICATION: the filter pins a static buffer, and a static that the kernel writes needs a cell.
        // SAFETY: only `receive` has the kernel write here, and it takes the channel exclusively.
        let buffer: &[u8; MAX_FRAME_BYTES] = unsafe { &*INBOUND.0.get() };
        &buffer[..self.received]
    }

    /// Both buffers at once: what will be sent, and what was received last.
    pub fn split(&mut self) -> (&mut [u8], &[u8]) {
        // JUSTIFICATION: the filter pins a static buffer, and a static that is written needs a cell.
        // SAFETY: the one channel is borrowed exclusively. The arena writes here too, when memory is exhausted, and
        // then ends the process without returning, so nobody who holds this borrow runs again.
        let out: &mut [u8; MAX_FRAME_BYTES] = unsafe { &mut *OUTBOUND.0.get() };
        (out, self.inbound())
    }

    /// Sends the first `length` bytes of [`Channel::out`] as one frame.
    ///
    /// # Errors
    /// [`ChannelError::Length`] when `length` is not in 16..=65536; [`ChannelError::Closed`] when the broker is gone.
    pub fn send(&mut self, length: usize) -> Result<(), ChannelError> {
        send_outbound(length)
    }

    /// Waits for one frame of the broker.
    ///
    /// # Errors
    /// [`ChannelError::Closed`] at end-of-file, on any error, and when the frame is shorter than its header.
    pub fn receive(&mut self) -> Result<&[u8], ChannelError> {
        self.received = 0;
        let count = pinned(libc::SYS_read as usize, SOCKET_FD as usize, inbound_address(), MAX_FRAME_BYTES);
        match usize::try_from(count) {
            Ok(count) if (MIN_FRAME_BYTES..=MAX_FRAME_BYTES).contains(&count) => {
                self.received = count;
                Ok(self.inbound())
            }
            _ => Err(ChannelError::Closed),
        }
    }

    /// Sends one frame and waits for its answer.
    ///
    /// # Errors
    /// Those of [`Channel::send`] and [`Channel::receive`].
    pub fn exchange(&mut self, length: usize) -> Result<&[u8], ChannelError> {
        self.send(length)?;
        self.receive()
    }

    /// Ends the process through the instruction that the filter allows.
    pub fn exit(code: i32) -> ! {
        pinned(libc::SYS_exit_group as usize, code as usize, 0, 0);
        // Not reached, unless a filter refuses the call; then an illegal instruction ends the process.
        trap()
    }
}

/// Why nothing was sent or received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelError {
    /// A frame of this many bytes cannot be sent.
    Length(usize),
    /// The broker has closed the socket, or the kernel refused.
    Closed,
}

impl fmt::Display for ChannelError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(length) => write!(
                formatter,
                "cannot send a frame of {length} bytes: the length must be in {MIN_FRAME_BYTES}..={MAX_FRAME_BYTES}"
            ),
            Self::Closed => write!(formatter, "cannot reach the broker: the socket is closed"),
        }
    }
}

impl std::error::Error for ChannelError {}

/// Sends `frame` with its sequence number (bytes 4..8, little endian) set to the next one, and ends the process.
///
/// For the moment in which nothing can be allocated: it uses no memory but the outbound buffer.
pub(crate) fn send_last_frame(frame: &[u8], code: i32) -> ! {
    if (MIN_FRAME_BYTES..=MAX_FRAME_BYTES).contains(&frame.len()) {
        let sequence = NEXT_SEQUENCE.load(Ordering::Relaxed).to_le_bytes();
        for (offset, byte) in frame.iter().enumerate() {
            let byte = match offset {
                4..8 => sequence[offset - 4],
                _ => *byte,
            };
            let target = (outbound_address() + offset) as *mut u8;
            // JUSTIFICATION: the filter lets only this buffer be sent, and its owner may be in the middle of using it.
            // SAFETY: `offset` is below the buffer's size, and the owner does not run again: the process ends below.
            unsafe { target.write_volatile(byte) };
        }
        // If the broker is gone there is nobody to tell; the exit code still says it.
        let _ = send_outbound(frame.len());
    }
    Channel::exit(code)
}

/// What the filter pins, taken from the running program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pins {
    /// Address of the instruction after the only one that may enter the kernel.
    pub instruction_pointer: u64,
    /// Address of the buffer that may be read into.
    pub inbound: u64,
    /// Address of the buffer that may be written from.
    pub outbound: u64,
}

impl Pins {
    /// The addresses of this process.
    pub fn here() -> Self {
        Self {
            instruction_pointer: (&raw const rex_pinned_return) as u64,
            inbound: inbound_address() as u64,
            outbound: outbound_address() as u64,
        }
    }
}

fn send_outbound(length: usize) -> Result<(), ChannelError> {
    if !(MIN_FRAME_BYTES..=MAX_FRAME_BYTES).contains(&length) {
        return Err(ChannelError::Length(length));
    }
    let count = pinned(libc::SYS_write as usize, SOCKET_FD as usize, outbound_address(), length);
    if usize::try_from(count) != Ok(length) {
        return Err(ChannelError::Closed);
    }
    // JUSTIFICATION: the number lies in the buffer that was just sent.
    // SAFETY: reads four bytes at an aligned offset inside a page-aligned static buffer, of which no byte is uninitialized.
    let sent = unsafe { ((outbound_address() + 4) as *const u32).read_volatile() };
    NEXT_SEQUENCE.store(u32::from_le(sent).wrapping_add(1), Ordering::Relaxed);
    Ok(())
}

fn inbound_address() -> usize {
    INBOUND.0.get() as usize
}

fn outbound_address() -> usize {
    OUTBOUND.0.get() as usize
}

/// Enters the kernel at the pinned instruction.
///
/// Private, and called with three numbers: `read` into the inbound buffer, `write` from the outbound one, `exit_group`.
fn pinned(number: usize, first: usize, second: usize, third: usize) -> isize {
    // JUSTIFICATION: the filter allows one address to enter the kernel from, so the C library's calls cannot be used.
    // SAFETY: the three callers pass a static buffer with its size, or integers; the callee keeps the C convention.
    unsafe { rex_pinned_syscall(number, first, second, third) }
}

/// Ends the process with SIGILL; abort(3) would need system calls that the filter refuses.
fn trap() -> ! {
    #[cfg(target_arch = "x86_64")]
    // JUSTIFICATION: the language has no stable way to raise an illegal instruction.
    // SAFETY: does not return and touches no memory.
    unsafe {
        std::arch::asm!("ud2", options(noreturn, nomem, nostack))
    }
    #[cfg(target_arch = "aarch64")]
    // JUSTIFICATION: the language has no stable way to raise an illegal instruction.
    // SAFETY: does not return and touches no memory.
    unsafe {
        std::arch::asm!("udf #0", options(noreturn, nomem, nostack))
    }
}

// The body is in assembly so that the address after the instruction has a name, and so that there is exactly one.
// A C caller passes (number, first, second, third); the kernel takes the number apart from its three arguments.
#[cfg(target_arch = "x86_64")]
std::arch::global_asm!(
    ".pushsection .text.rex_pinned_syscall, \"ax\", @progbits",
    ".balign 16",
    ".globl rex_pinned_syscall",
    ".hidden rex_pinned_syscall",
    ".type rex_pinned_syscall, @function",
    "rex_pinned_syscall:",
    "mov rax, rdi",
    "mov rdi, rsi",
    "mov rsi, rdx",
    "mov rdx, rcx",
    "syscall",
    ".globl rex_pinned_return",
    ".hidden rex_pinned_return",
    "rex_pinned_return:",
    "ret",
    ".size rex_pinned_syscall, . - rex_pinned_syscall",
    ".popsection",
);

#[cfg(target_arch = "aarch64")]
std::arch::global_asm!(
    ".pushsection .text.rex_pinned_syscall, \"ax\", @progbits",
    ".balign 16",
    ".globl rex_pinned_syscall",
    ".hidden rex_pinned_syscall",
    ".type rex_pinned_syscall, @function",
    "rex_pinned_syscall:",
    "hint #34",
    "mov x8, x0",
    "mov x0, x1",
    "mov x1, x2",
    "mov x2, x3",
    "svc #0",
    ".globl rex_pinned_return",
    ".hidden rex_pinned_return",
    "rex_pinned_return:",
    "ret",
    ".size rex_pinned_syscall, . - rex_pinned_syscall",
    ".popsection",
);

unsafe extern "C" {
    fn rex_pinned_syscall(number: usize, first: usize, second: usize, third: usize) -> isize;
    static rex_pinned_return: u8;
}

static TAKEN: AtomicBool = AtomicBool::new(false);
static NEXT_SEQUENCE: AtomicU32 = AtomicU32::new(0);
static INBOUND: Buffer = Buffer(UnsafeCell::new([0; MAX_FRAME_BYTES]));
static OUTBOUND: Buffer = Buffer(UnsafeCell::new([0; MAX_FRAME_BYTES]));

/// One frame's room, aligned to a page so that a stray pointer arithmetic in one cannot share a page with the other.
#[repr(C, align(4096))]
struct Buffer(UnsafeCell<[u8; MAX_FRAME_BYTES]>);

// JUSTIFICATION: a static needs `Sync`, and the buffers must be static because the filter names their addresses.
// SAFETY: all access goes through the one `Channel`, or through the arena's last frame, after which nothing runs.
unsafe impl Sync for Buffer {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_channel_is_given_away_once() {
        let first = Channel::take();

        assert!(first.is_some());
        assert!(Channel::take().is_none());
    }

    #[test]
    fn lengths_the_filter_would_kill_for_are_refused_before() {
        assert_eq!(send_outbound(0), Err(ChannelError::Length(0)));
        assert_eq!(send_outbound(15), Err(ChannelError::Length(15)));
        assert_eq!(send_outbound(65_537), Err(ChannelError::Length(65_537)));
    }

    #[test]
    fn the_pins_are_distinct_and_the_buffers_page_aligned() {
        let pins = Pins::here();

        assert_ne!(pins.inbound, pins.outbound);
        assert_eq!(pins.inbound % 4096, 0);
        assert_eq!(pins.outbound % 4096, 0);
        assert_ne!(pins.instruction_pointer, 0);
    }

    // The instruction before the pinned address is `syscall` (0f 05) or `svc #0` (d4000001, little endian).
    #[test]
    fn the_pinned_address_follows_the_instruction() {
        let after = &raw const rex_pinned_return;
        #[cfg(target_arch = "x86_64")]
        let expected: &[u8] = &[0x0f, 0x05];
        #[cfg(target_arch = "aarch64")]
        let expected: &[u8] = &[0x01, 0x00, 0x00, 0xd4];

        // JUSTIFICATION: the test looks at machine code.
        // SAFETY: the bytes before the label belong to the same function, whose text is readable.
        let start = unsafe { after.sub(expected.len()) };
        // JUSTIFICATION: the test looks at machine code.
        // SAFETY: as above, and nothing writes to text.
        let bytes = unsafe { std::slice::from_raw_parts(start, expected.len()) };

        assert_eq!(bytes, expected);
    }
}
