//! A small assembler for the filter: comparisons with names, reasons and jump targets.

use seccompiler::sock_filter;

use super::Filter;

/// A field of `struct seccomp_data`; wide ones have a low and a high word.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field {
    Number,
    Architecture,
    InstructionPointer,
    Argument(u32),
}

impl Field {
    /// Where the field, or its low word, begins; both supported architectures are little endian.
    fn offset(self) -> u32 {
        match self {
            Self::Number => 0,
            Self::Architecture => 4,
            Self::InstructionPointer => 8,
            Self::Argument(index) => 16 + 8 * index,
        }
    }
}

/// Where a jump goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Next,
    Read,
    Common,
    Allow,
    Kill,
}

/// Instructions in the making, with jumps by name.
pub(super) struct Assembler {
    lines: Vec<Line>,
    /// Labels that have been set, with the index of the line that follows.
    labels: Vec<(Target, usize)>,
}

struct Line {
    code: u32,
    operand: u32,
    on_true: Target,
    on_false: Target,
    reason: &'static str,
}

impl Assembler {
    pub(super) fn new() -> Self {
        Self { lines: Vec::new(), labels: Vec::new() }
    }

    /// Loads a field, or the low word of a wide one.
    pub(super) fn load(&mut self, field: Field, reason: &'static str) {
        self.load_offset(field.offset(), reason);
    }

    /// Goes on only if the 32-bit `field` is `value`.
    pub(super) fn require(&mut self, field: Field, value: u32, reason: &'static str) {
        self.load(field, reason);
        self.require_loaded(value, reason);
    }

    /// Goes on only if all 64 bits of `field` are `value`.
    pub(super) fn require_wide(&mut self, field: Field, value: u64, reason: &'static str) {
        self.load(field, reason);
        self.require_loaded(value as u32, reason);
        self.load_offset(field.offset() + 4, reason);
        self.require_loaded((value >> 32) as u32, reason);
    }

    /// Goes on only if the upper 32 bits of `field` are zero.
    pub(super) fn require_high_word_zero(&mut self, field: Field, reason: &'static str) {
        self.load_offset(field.offset() + 4, reason);
        self.require_loaded(0, reason);
    }

    /// Goes on only if the loaded word is `value`.
    pub(super) fn require_loaded(&mut self, value: u32, reason: &'static str) {
        self.compare(libc::BPF_JEQ, value, Target::Next, Target::Kill, reason);
    }

    /// Goes on only if the loaded word is `minimum` or more.
    pub(super) fn require_at_least(&mut self, minimum: u32, reason: &'static str) {
        self.compare(libc::BPF_JGE, minimum, Target::Next, Target::Kill, reason);
    }

    /// Goes on only if the loaded word is `maximum` or less.
    pub(super) fn require_at_most(&mut self, maximum: u32, reason: &'static str) {
        self.compare(libc::BPF_JGT, maximum, Target::Kill, Target::Next, reason);
    }

    /// Jumps to `target` if the loaded word is `value`.
    pub(super) fn jump_if_equal(&mut self, value: u32, target: Target, reason: &'static str) {
        self.compare(libc::BPF_JEQ, value, target, Target::Next, reason);
    }

    /// Jumps to `target`.
    pub(super) fn jump(&mut self, target: Target, reason: &'static str) {
        // A comparison both of whose ways lead to the target, because an unconditional jump keeps its distance elsewhere.
        self.compare(libc::BPF_JEQ, 0, target, target, reason);
    }

    /// Gives the next line a name.
    pub(super) fn label(&mut self, target: Target) {
        self.labels.push((target, self.lines.len()));
    }

    /// Adds the two endings and resolves the jumps.
    pub(super) fn finish(mut self, otherwise: u32) -> Filter {
        self.label(Target::Allow);
        self.end(libc::SECCOMP_RET_ALLOW, "all that was required holds");
        self.label(Target::Kill);
        self.end(otherwise, "anything else is an attack or a bug");

        let instructions = self
            .lines
            .iter()
            .enumerate()
            .map(|(index, line)| sock_filter {
                code: u16::try_from(line.code).expect("BPF codes have 16 bits"),
                jt: self.distance(index, line.on_true),
                jf: self.distance(index, line.on_false),
                k: line.operand,
            })
            .collect();
        let reasons = self.lines.iter().map(|line| line.reason).collect();
        Filter { instructions, reasons }
    }

    fn load_offset(&mut self, offset: u32, reason: &'static str) {
        self.push(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset, Target::Next, Target::Next, reason);
    }

    fn compare(
        &mut self,
        comparison: u32,
        value: u32,
        on_true: Target,
        on_false: Target,
        reason: &'static str,
    ) {
        let code = libc::BPF_JMP | comparison | libc::BPF_K;
        self.push(code, value, on_true, on_false, reason);
    }

    fn end(&mut self, action: u32, reason: &'static str) {
        let code = libc::BPF_RET | libc::BPF_K;
        self.push(code, action, Target::Next, Target::Next, reason);
    }

    fn push(&mut self, code: u32, operand: u32, on_true: Target, on_false: Target, reason: &'static str) {
        self.lines.push(Line { code, operand, on_true, on_false, reason });
    }

    /// How many instructions a jump from `index` to `target` leaps over.
    fn distance(&self, index: usize, target: Target) -> u8 {
        if target == Target::Next {
            return 0;
        }
        let (_, destination) =
            self.labels.iter().find(|(label, _)| *label == target).expect("every target that is used is set");
        let leap = destination.checked_sub(index + 1).expect("BPF jumps go forward only");
        u8::try_from(leap).expect("the program is shorter than a jump reaches")
    }
}
