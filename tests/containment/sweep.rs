//! Every system call number by every entry, and every pinned word with one bit changed.

use std::os::fd::{AsFd, OwnedFd};

use nix::libc;
use nix::sys::socket::{AddressFamily, Shutdown, SockFlag, SockType, shutdown, socketpair};
use rex_acts::probe::{Entry, Fate, Probe, pins, probe};
use rex_agreed::{MAX_FRAME_BYTES, SOCKET_FD};
use rex_inside::filter::{self, Filter, Otherwise};

#[test]
fn the_three_calls_survive_as_they_are_pinned() {
    let stage = Stage::new();

    assert_eq!(stage.filtered(&stage.read()), Fate::Returned);
    assert_eq!(stage.filtered(&stage.write()), Fate::Refused(libc::EPIPE));
    assert_eq!(stage.filtered(&exit()), Fate::Ended(7));
}

// The arguments are those of an allowed read, so that nothing but the number is wrong.
#[test]
fn every_other_native_number_is_death() {
    let stage = Stage::new();
    let mut survivors = Vec::new();

    for number in 0..1024 {
        let fate = stage.filtered(&Probe { number, ..stage.read() });
        if fate != KILLED {
            survivors.push((number, fate));
        }
    }

    assert_eq!(survivors, stage.expected_survivors());
}

// x32 numbers come with the architecture of native ones; only the comparison of the number stops them.
#[cfg(target_arch = "x86_64")]
#[test]
fn every_x32_number_is_death() {
    let stage = Stage::new();

    for number in (0..1024).map(|number| number | 0x4000_0000) {
        assert_eq!(stage.filtered(&Probe { number, ..stage.read() }), KILLED, "{number:#x}");
    }
}

// Read and exit are numbers 3 and 1 there; the arguments are cut to 32 bits.
#[cfg(target_arch = "x86_64")]
#[test]
fn every_32_bit_number_is_death() {
    let stage = Stage::new();
    let control = Probe { entry: Entry::Interrupt, number: 20, arguments: [0; 3] };
    if stage.unfiltered(&control) != Fate::Returned {
        rex_tests::skip::skipped("this kernel runs no 32-bit calls");
        return;
    }

    for number in 0..512 {
        let attempt = Probe { entry: Entry::Interrupt, number, ..stage.read() };
        assert_eq!(stage.filtered(&attempt), KILLED, "{number}");
    }
}

#[test]
fn every_pinned_word_with_a_bit_changed_is_death() {
    let stage = Stage::new();
    let mut probes = 0;

    for base in [stage.read(), stage.write()] {
        for index in 0..2 {
            for bit in 0..64 {
                let mut changed = base;
                changed.arguments[index] ^= 1 << bit;
                stage.dies_only_filtered(&changed);
                probes += 1;
            }
        }
        // The lengths just outside, the largest, and every bit beyond what a frame can need.
        let far = (17..64).map(|bit| base.arguments[2] | 1 << bit);
        for length in [0, 1, 15, MAX_FRAME_BYTES as u64 + 1, u64::MAX].into_iter().chain(far) {
            let mut changed = base;
            changed.arguments[2] = length;
            stage.dies_only_filtered(&changed);
            probes += 1;
        }
        for bit in 0..64 {
            let changed = Probe { number: base.number ^ (1 << bit), ..base };
            let is_cut_off = bit >= 32 && (changed.number as u32) == (base.number as u32);
            // seccomp(2): the number is an int; the upper half of the register never reaches anybody.
            if is_cut_off || is_allowed_number(changed.number) {
                continue;
            }
            assert_eq!(stage.filtered(&changed), KILLED, "{changed:x?}");
            probes += 1;
        }
    }

    assert!(probes > 400, "{probes}");
}

#[test]
fn the_buffers_are_not_interchangeable() {
    let stage = Stage::new();
    let pins = pins();
    let mut read = stage.read();
    let mut write = stage.write();

    read.arguments[1] = pins.outbound;
    write.arguments[1] = pins.inbound;

    stage.dies_only_filtered(&read);
    stage.dies_only_filtered(&write);
}

#[test]
fn the_same_calls_from_another_instruction_are_death() {
    let stage = Stage::new();

    for base in [stage.read(), stage.write()] {
        for entry in [Entry::Elsewhere, Entry::Library] {
            stage.dies_only_filtered(&Probe { entry, ..base });
        }
    }
    for entry in [Entry::Elsewhere, Entry::Library] {
        assert_eq!(stage.filtered(&Probe { entry, ..exit() }), KILLED);
        assert_eq!(stage.unfiltered(&Probe { entry, ..exit() }), Fate::Ended(7));
    }
}

/// The real filter for this process, and a socket whose other end is gone.
struct Stage {
    filter: Filter,
    socket: OwnedFd,
}

impl Stage {
    fn new() -> Self {
        let (socket, other) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
        // Reading gives the end of the file at once, so that no victim waits.
        let _ = shutdown(std::os::fd::AsRawFd::as_raw_fd(&other), Shutdown::Both);
        Self { filter: filter::build(&pins(), Otherwise::Kill), socket }
    }

    fn read(&self) -> Probe {
        let arguments = [SOCKET_FD as u64, pins().inbound, MAX_FRAME_BYTES as u64];
        Probe { entry: Entry::Pinned, number: libc::SYS_read as u64, arguments }
    }

    fn write(&self) -> Probe {
        let arguments = [SOCKET_FD as u64, pins().outbound, 16];
        Probe { entry: Entry::Pinned, number: libc::SYS_write as u64, arguments }
    }

    fn filtered(&self, call: &Probe) -> Fate {
        probe(Some(&self.filter), self.socket.as_fd(), call).unwrap()
    }

    fn unfiltered(&self, call: &Probe) -> Fate {
        probe(None, self.socket.as_fd(), call).unwrap()
    }

    /// The call is death, and nothing but the filter makes it so.
    fn dies_only_filtered(&self, call: &Probe) {
        assert_eq!(self.filtered(call), KILLED, "{call:x?}");
        assert!(!matches!(self.unfiltered(call), Fate::Killed(libc::SIGSYS)), "{call:x?}");
    }

    /// Which numbers do not kill, when they come with the arguments of a read.
    fn expected_survivors(&self) -> Vec<(u64, Fate)> {
        let mut survivors = vec![(libc::SYS_read as u64, Fate::Returned)];
        // exit_group: the code is the descriptor's number.
        survivors.push((libc::SYS_exit_group as u64, Fate::Ended(SOCKET_FD)));
        // Two numbers that the kernel answers before it asks any filter, because they belong to its own return probes
        // (`kernel/seccomp.c`); from where they come they are refused.
        for number in RETURN_PROBES {
            let unfiltered = self.unfiltered(&Probe { number, ..self.read() });
            let filtered = self.filtered(&Probe { number, ..self.read() });
            if filtered != KILLED {
                assert_eq!(filtered, unfiltered);
                assert!(
                    matches!(filtered, Fate::Killed(libc::SIGILL) | Fate::Refused(libc::ENXIO)),
                    "{filtered:?}"
                );
                survivors.push((number, filtered));
            }
        }
        survivors.sort_by_key(|(number, _)| *number);
        survivors
    }
}

fn exit() -> Probe {
    Probe { entry: Entry::Pinned, number: libc::SYS_exit_group as u64, arguments: [7, 0, 0] }
}

fn is_allowed_number(number: u64) -> bool {
    let allowed = [libc::SYS_read, libc::SYS_write, libc::SYS_exit_group];
    allowed.iter().any(|allowed| *allowed as u32 == number as u32)
}

const KILLED: Fate = Fate::Killed(libc::SIGSYS);

#[cfg(target_arch = "x86_64")]
const RETURN_PROBES: [u64; 2] = [335, 336];
#[cfg(not(target_arch = "x86_64"))]
const RETURN_PROBES: [u64; 0] = [];
