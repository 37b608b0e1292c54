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
    /// Somebody has stopped the run, as an operator.
    Stopped,
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

    /// Every end that has a number of its own, in the order of the numbers. One signal stands for all of them.
    pub fn each() -> impl Iterator<Item = Self> {
        [
            Self::Done,
            Self::ScriptFailed,
            Self::Usage,
            Self::InputInvalid,
            Self::InputMissing,
            Self::Internal,
            Self::JailNotEstablished,
            Self::OutputNotWritten,
            Self::AuditNotWritten,
            Self::LimitReached,
            Self::Stopped,
            Self::Denied,
            Self::Refused,
            Self::Deadline,
            Self::Signal(SIGTERM),
        ]
        .into_iter()
    }

    /// The number as people write it, with `128+n` for signals.
    pub fn status_text(self) -> String {
        match self {
            Self::Signal(_) => "128+n".to_owned(),
            other => other.code(false).to_string(),
        }
    }

    /// What the number says to a caller, for manual pages.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "What was asked for is done; a script ran to its end.",
            Self::ScriptFailed | Self::ReservedName => {
                "The script failed, or the system refused a call that the policy permits."
            }
            Self::Usage => "The command line makes no sense.",
            Self::ScriptInvalid | Self::InputInvalid => "Script, policy or arguments are not valid.",
            Self::InputMissing => "An input file is missing or cannot be read.",
            Self::Internal => {
                "A fault of this program, or a jail that did what only a faulty or captured one does."
            }
            Self::JailNotEstablished => {
                "A protection that is required is not in force, or no jail can be made."
            }
            Self::OutputNotWritten => "Standard output cannot be written.",
            Self::AuditNotWritten => "The record of decisions cannot be written.",
            Self::LimitReached => "A limit was reached.",
            Self::Stopped => "An operator has stopped the run.",
            Self::Denied => "The policy denied a request, and the script ended by it.",
            Self::Refused => "The configuration, or what it asks for, is refused on this host.",
            Self::Deadline => "The time of the run was over.",
            Self::Signal(_) => "Signal n ended the run, such as 143 for SIGTERM.",
        }
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
            Self::Stopped => 76,
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
            | Self::Stopped
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
const SIGTERM: u8 = 15;
const SIGXCPU: u8 = 24;
const SIGVTALRM: u8 = 26;
const SIGPROF: u8 = 27;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_told_once_and_in_order() {
        let numbers: Vec<u8> = Exit::each().map(|exit| exit.code(false)).collect();

        assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    }

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
            (Exit::Stopped, 76, 0),
            (Exit::Denied, 77, 0),
            (Exit::Refused, 78, 1),
            (Exit::Deadline, 124, 0),
            (Exit::Signal(15), 143, 0),
            (Exit::Signal(2), 130, 0),
            (Exit::Signal(SIGALRM), 142, 142),
            (Exit::Signal(SIGXCPU), 152, 152),
        ];

        for (exit, standard, compat) in table {
            let is_told = Exit::each().any(|told| told.code(false) == standard);
            assert!(is_told || matches!(exit, Exit::Signal(_)), "{exit:?}");
            assert_eq!((exit.code(false), exit.code(true)), (standard, compat), "{exit:?}");
        }
    }
}
