//! Which system calls the jail may make: three, with their instruction, their descriptor and their buffers pinned.

mod assembler;
pub mod evaluate;
mod install;
pub mod reference;

use rex_agreed::{MAX_FRAME_BYTES, MIN_FRAME_BYTES, SOCKET_FD};
use seccompiler::sock_filter;

use crate::channel::Pins;
use assembler::{Assembler, Field, Target};

pub use install::{InstallError, install};

/// What happens to a call that no rule allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// The process is killed with SIGSYS and an audit record.
    Kill,
    /// The call waits for the broker, which reads it, records it, and kills; it is never continued.
    Notify,
}

impl Otherwise {
    /// The kernel's action value.
    pub fn action(self) -> u32 {
        match self {
            Self::Kill => libc::SECCOMP_RET_KILL_PROCESS,
            Self::Notify => libc::SECCOMP_RET_USER_NOTIF,
        }
    }
}

/// A filter program with one reason for each instruction.
#[derive(Clone, Debug)]
pub struct Filter {
    /// What the kernel runs for every system call.
    pub instructions: Vec<sock_filter>,
    /// Why each instruction is there, in the same order.
    pub reasons: Vec<&'static str>,
}

/// The filter for a process whose addresses are `pins`.
///
/// The order is from cheap and general to particular; every comparison that fails jumps to the last instruction.
///
/// # Source
/// seccomp(2), `include/uapi/linux/seccomp.h`.
pub fn build(pins: &Pins, otherwise: Otherwise) -> Filter {
    let mut filter = Assembler::new();
    filter.require(Field::Architecture, AUDIT_ARCHITECTURE, "numbers mean something else for 32-bit entries");
    filter.require_wide(
        Field::InstructionPointer,
        pins.instruction_pointer,
        "no other instruction of the image or of injected code may enter the kernel",
    );
    filter.load(Field::Number, "which call");
    filter.jump_if_equal(
        libc::SYS_exit_group as u32,
        Target::Allow,
        "exit_group: the only way the jail ends by itself",
    );
    filter.jump_if_equal(libc::SYS_read as u32, Target::Read, "read: how frames arrive");
    filter.require_loaded(libc::SYS_write as u32, "write: how frames leave; every other number dies here");
    filter.require_wide(
        Field::Argument(1),
        pins.outbound,
        "write: only from the outbound buffer, so that no other memory can be sent by mistake",
    );
    filter.jump(Target::Common, "the rest holds for both");
    filter.label(Target::Read);
    filter.require_wide(
        Field::Argument(1),
        pins.inbound,
        "read: only into the inbound buffer, so that the kernel cannot be made to overwrite memory",
    );
    filter.label(Target::Common);
    filter.require_wide(
        Field::Argument(0),
        SOCKET_FD as u64,
        "the socket is the only descriptor, all 64 bits of it",
    );
    filter.require_high_word_zero(Field::Argument(2), "a length beyond 32 bits is never meant");
    filter.load(Field::Argument(2), "the length");
    filter.require_at_least(
        MIN_FRAME_BYTES as u32,
        "an empty datagram would read as end-of-file at the broker",
    );
    filter.require_at_most(MAX_FRAME_BYTES as u32, "a frame is never longer than its buffer");
    filter.finish(otherwise.action())
}

#[cfg(target_arch = "x86_64")]
pub(crate) const AUDIT_ARCHITECTURE: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
pub(crate) const AUDIT_ARCHITECTURE: u32 = 0xC000_00B7;

#[cfg(test)]
mod tests {
    use super::evaluate::{CallData, evaluate, evaluate_visiting};
    use super::reference::allows;
    use super::*;

    const PINS: Pins =
        Pins { instruction_pointer: 0x7f12_3456_789a, inbound: 0x5555_0001_0000, outbound: 0x5555_0002_0000 };

    fn read() -> CallData {
        CallData {
            number: libc::SYS_read as i32,
            architecture: AUDIT_ARCHITECTURE,
            instruction_pointer: PINS.instruction_pointer,
            arguments: [SOCKET_FD as u64, PINS.inbound, 65_536, 0, 0, 0],
        }
    }

    fn write() -> CallData {
        CallData {
            number: libc::SYS_write as i32,
            arguments: [SOCKET_FD as u64, PINS.outbound, 16, 0, 0, 0],
            ..read()
        }
    }

    fn exit() -> CallData {
        CallData { number: libc::SYS_exit_group as i32, arguments: [70, 0, 0, 0, 0, 0], ..read() }
    }

    /// Every word of every allowed call, changed in the ways a mistake or an attack would change it.
    fn perturbed() -> Vec<CallData> {
        let mut calls = Vec::new();
        let wide_changes: [fn(u64) -> u64; 9] = [
            |word| word,
            |word| word ^ 1,
            |word| word ^ (1 << 31),
            |word| word ^ (1 << 32),
            |word| word ^ (1 << 63),
            |word| word.wrapping_add(1),
            |word| word.wrapping_sub(1),
            |_| 0,
            |_| u64::MAX,
        ];
        for base in [read(), write(), exit()] {
            for change in wide_changes {
                calls.push(CallData { instruction_pointer: change(base.instruction_pointer), ..base });
                calls.push(CallData { architecture: change(base.architecture.into()) as u32, ..base });
                calls.push(CallData { number: change(base.number as u64) as i32, ..base });
                for index in 0..6 {
                    let mut call = base;
                    call.arguments[index] = change(call.arguments[index]);
                    calls.push(call);
                }
            }
            for number in (0..1024).chain([0x4000_0000, 0x4000_0001, 0x4000_00e7, -1]) {
                calls.push(CallData { number, ..base });
            }
            for buffer in [PINS.inbound, PINS.outbound] {
                for length in [0, 1, 15, 16, 17, 65_535, 65_536, 65_537, 1 << 32, (1 << 32) + 16] {
                    let mut call = base;
                    call.arguments[1] = buffer;
                    call.arguments[2] = length;
                    calls.push(call);
                }
            }
            for architecture in [0x4000_0003, 0x4000_0028, 0xC000_003E, 0xC000_00B7] {
                calls.push(CallData { architecture, ..base });
            }
        }
        calls
    }

    #[test]
    fn the_three_calls_are_allowed() {
        let filter = build(&PINS, Otherwise::Kill);

        for call in [read(), write(), exit()] {
            let action = evaluate(&filter.instructions, &call).unwrap();
            assert_eq!(action, libc::SECCOMP_RET_ALLOW, "{call:?}");
        }
    }

    #[test]
    fn the_program_agrees_with_the_reference_everywhere() {
        for otherwise in [Otherwise::Kill, Otherwise::Notify] {
            let filter = build(&PINS, otherwise);
            for call in perturbed() {
                let expected = match allows(&PINS, &call) {
                    true => libc::SECCOMP_RET_ALLOW,
                    false => otherwise.action(),
                };
                let action = evaluate(&filter.instructions, &call).unwrap();
                assert_eq!(action, expected, "{call:?}");
            }
        }
    }

    #[test]
    fn every_instruction_is_reached() {
        let filter = build(&PINS, Otherwise::Kill);
        let mut reached = vec![false; filter.instructions.len()];

        for call in perturbed() {
            evaluate_visiting(&filter.instructions, &call, |index| reached[index] = true).unwrap();
        }

        assert!(reached.iter().all(|reached| *reached), "{reached:?}");
    }

    #[test]
    fn every_instruction_has_a_reason() {
        let filter = build(&PINS, Otherwise::Kill);

        assert_eq!(filter.instructions.len(), filter.reasons.len());
        assert!(filter.reasons.iter().all(|reason| !reason.is_empty()));
    }

    #[test]
    fn the_two_buffers_are_not_interchangeable() {
        let filter = build(&PINS, Otherwise::Kill);
        let mut swapped = write();
        swapped.arguments[1] = PINS.inbound;

        let action = evaluate(&filter.instructions, &swapped).unwrap();

        assert_eq!(action, libc::SECCOMP_RET_KILL_PROCESS);
    }
}
