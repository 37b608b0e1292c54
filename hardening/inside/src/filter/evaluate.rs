//! What a filter answers for a given call, computed without the kernel, so that tests can ask about calls nobody makes.

use std::fmt;

use seccompiler::sock_filter;

/// `struct seccomp_data`: what the kernel shows a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallData {
    /// The system call's number.
    pub number: i32,
    /// `AUDIT_ARCH_*` of the way the call was entered.
    pub architecture: u32,
    /// The address after the entering instruction.
    pub instruction_pointer: u64,
    /// The six arguments.
    pub arguments: [u64; 6],
}

impl CallData {
    /// The 32-bit word at `offset`, or nothing beyond the structure's 64 bytes.
    fn word(&self, offset: u32) -> Option<u32> {
        let halves = |wide: u64| if offset.is_multiple_of(8) { wide as u32 } else { (wide >> 32) as u32 };
        if !offset.is_multiple_of(4) {
            return None;
        }
        match offset {
            0 => Some(self.number as u32),
            4 => Some(self.architecture),
            8 | 12 => Some(halves(self.instruction_pointer)),
            16..64 => {
                let index = (offset as usize - 16) / 8;
                self.arguments.get(index).copied().map(halves)
            }
            _ => None,
        }
    }
}

/// Why a program gives no answer; the kernel would refuse to load it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvaluateError {
    /// The program runs past its last instruction.
    OutOfProgram(usize),
    /// A load from outside the call's data.
    OutOfData(u32),
    /// An instruction that our filters do not use.
    Unknown(u16),
}

impl fmt::Display for EvaluateError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfProgram(index) => write!(formatter, "cannot run instruction {index}: past the end"),
            Self::OutOfData(offset) => write!(formatter, "cannot load the word at {offset}"),
            Self::Unknown(code) => write!(formatter, "cannot run instruction code {code:#x}"),
        }
    }
}

impl std::error::Error for EvaluateError {}

/// The action value of `program` for `call`.
///
/// # Errors
/// [`EvaluateError`] when the program is not one of ours.
pub fn evaluate(program: &[sock_filter], call: &CallData) -> Result<u32, EvaluateError> {
    evaluate_visiting(program, call, |_| {})
}

/// As [`evaluate`], and tells `visit` the index of every instruction that runs.
///
/// # Errors
/// [`EvaluateError`] when the program is not one of ours.
pub fn evaluate_visiting(
    program: &[sock_filter],
    call: &CallData,
    mut visit: impl FnMut(usize),
) -> Result<u32, EvaluateError> {
    let mut accumulator = 0_u32;
    let mut index = 0_usize;
    loop {
        let instruction = program.get(index).ok_or(EvaluateError::OutOfProgram(index))?;
        visit(index);
        let operand = instruction.k;
        let holds = match u32::from(instruction.code) {
            LOAD => {
                accumulator = call.word(operand).ok_or(EvaluateError::OutOfData(operand))?;
                index += 1;
                continue;
            }
            RETURN => return Ok(operand),
            JUMP_EQUAL => accumulator == operand,
            JUMP_AT_LEAST => accumulator >= operand,
            JUMP_ABOVE => accumulator > operand,
            _ => return Err(EvaluateError::Unknown(instruction.code)),
        };
        let leap = if holds { instruction.jt } else { instruction.jf };
        index += 1 + usize::from(leap);
    }
}

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
const JUMP_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const JUMP_AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const JUMP_ABOVE: u32 = libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K;

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: CallData = CallData {
        number: 1,
        architecture: 2,
        instruction_pointer: 0x0000_0004_0000_0003,
        arguments: [0x0000_0006_0000_0005, 0, 0, 0, 0, 0x0000_0010_0000_000f],
    };

    #[test]
    fn words_lie_where_the_kernel_puts_them() {
        let words: Vec<_> = (0..6).map(|index| CALL.word(index * 4)).collect();

        assert_eq!(words, (1..=6).map(Some).collect::<Vec<_>>());
        assert_eq!(CALL.word(56), Some(0xf));
        assert_eq!(CALL.word(60), Some(0x10));
        assert_eq!(CALL.word(64), None);
        assert_eq!(CALL.word(2), None);
    }

    #[test]
    fn a_program_without_an_end_is_an_error() {
        assert_eq!(evaluate(&[], &CALL), Err(EvaluateError::OutOfProgram(0)));
    }
}
