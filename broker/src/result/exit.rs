//! Which exit status each end of a run has.

/// How the program ends. The numbers follow sysexits(3); `--rex-compat` has Rex's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The script ran to its end.
    Done,
    /// The script failed.
    ScriptFailed,
    /// The script used a reserved name and lost its result; only under `--rex-compat`.
    ReservedName,
    /// The command line is wrong.
    Usage,
    /// The script does not compile.
    ScriptInvalid,
    /// The policy or the arguments are not valid, or an input file is not text or too large.
    InputInvalid,
    /// An input file is missing or cannot be read.
    InputMissing,
    /// A fault of this program, or a jail that did what only a faulty or captured one does.
    Internal,
    /// The jail could not be established.
    JailNotEstablished,
    /// Standard output cannot be written.
    OutputNotWritten,
    /// The audit log cannot be written.
    AuditNotWritten,
    /// A limit of the run was reached.
    LimitReached,
    /// The policy denied something, and the script ended by it.
    Denied,
    /// What was asked for is refused on this host.
    Refused,
    /// The deadline passed.
    Deadline,
    /// Somebody ended the run with this signal.
    Signal(u8),
}

impl Exit {
    /// The number that the caller sees.
    ///
    /// With `compat` it is Rex's: 0 once a script was started, whatever became of it, 2 for the command line, else 1.
    pub const fn code(self, compat: bool) -> u8 {
        if compat { self.rex_code() } else { self.sysexits_code() }
    }

    const fn sysexits_code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::ScriptFailed | Self::ReservedName => 1,
            Self::Usage => 64,
            Self::ScriptInvalid | Self::InputInvalid => 65,
            Self::InputMissing => 66,
            Self::Internal => 70,
            Self::JailNotEstablished => 71,
            Self::OutputNotWritten => 73,
            Self::AuditNotWritten => 74,
            Self::LimitReached => 75,
            Self::Denied => 77,
            Self::Refused => 78,
            Self::Deadline => 124,
            Self::Signal(number) => 128_u8.saturating_add(number),
        }
    }

    const fn rex_code(self) -> u8 {
        match self {
            Self::Done
            | Self::ScriptFailed
            | Self::ScriptInvalid
            | Self::LimitReached
            | Self::Denied
            | Self::Deadline => 0,
            // Rex does not heed them, and dies.
            Self::Signal(number @ (SIGALRM | SIGXCPU | SIGVTALRM | SIGPROF)) => 128_u8.saturating_add(number),
            Self::Signal(_) => 0,
            Self::Usage => 2,
            Self::ReservedName
            | Self::InputInvalid
            | Self::InputMissing
            | Self::Internal
            | Self::JailNotEstablished
            | Self::OutputNotWritten
            | Self::AuditNotWritten
            | Self::Refused => 1,
        }
    }
}

// signal(7): the numbers on x86 and ARM.
const SIGALRM: u8 = 14;
const SIGXCPU: u8 = 24;
const SIGVTALRM: u8 = 26;
const SIGPROF: u8 = 27;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_has_the_documented_number() {
        let table = [
            (Exit::Done, 0, 0),
            (Exit::ScriptFailed, 1, 0),
            (Exit::ReservedName, 1, 1),
            (Exit::Usage, 64, 2),
            (Exit::ScriptInvalid, 65, 0),
            (Exit::InputInvalid, 65, 1),
            (Exit::InputMissing, 66, 1),
            (Exit::Internal, 70, 1),
            (Exit::JailNotEstablished, 71, 1),
            (Exit::OutputNotWritten, 73, 1),
            (Exit::AuditNotWritten, 74, 1),
            (Exit::LimitReached, 75, 0),
            (Exit::Denied, 77, 0),
            (Exit::Refused, 78, 1),
            (Exit::Deadline, 124, 0),
            (Exit::Signal(15), 143, 0),
            (Exit::Signal(2), 130, 0),
            (Exit::Signal(SIGALRM), 142, 142),
            (Exit::Signal(SIGXCPU), 152, 152),
        ];

        for (exit, standard, compat) in table {
            assert_eq!((exit.code(false), exit.code(true)), (standard, compat), "{exit:?}");
        }
    }
}
