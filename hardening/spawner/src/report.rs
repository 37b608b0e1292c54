//! What a keeper says of its program: each step, and the end.

/// What is done to a program before it is executed, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Step {
    /// The keeper is forked, into the namespaces of the program.
    Namespaces = 1,
    /// The keeper builds the root that the program sees.
    Root,
    /// The number of processes is bounded.
    Processes,
    /// The program is forked.
    Fork,
    /// It leads a session of its own.
    Session,
    /// It has descriptors 0 to 2, and 3 for a script, and no other.
    Descriptors,
    /// Its working directory is `/`, and its umask 077.
    Surroundings,
    /// Its resources are limited.
    Limits,
    /// It has a session keyring of its own.
    Keyring,
    /// No set-user-id program and no file capability gives it anything.
    NoNewPrivileges,
    /// Capabilities are taken out of its bounding set.
    Bounding,
    /// User 0 means nothing to the kernel, for good.
    Securebits,
    /// It is in no other group.
    Groups,
    /// It gets its group.
    Group,
    /// It gets its user.
    User,
    /// It has the capabilities that were asked for, and no other.
    Capabilities,
    /// It enters its Landlock domain.
    Landlock,
    /// Its system calls are filtered.
    Filter,
    /// It is executed.
    Execute,
}

impl Step {
    /// The steps, in their order.
    pub const ALL: [Self; 19] = [
        Self::Namespaces,
        Self::Root,
        Self::Processes,
        Self::Fork,
        Self::Session,
        Self::Descriptors,
        Self::Surroundings,
        Self::Limits,
        Self::Keyring,
        Self::NoNewPrivileges,
        Self::Bounding,
        Self::Securebits,
        Self::Groups,
        Self::Group,
        Self::User,
        Self::Capabilities,
        Self::Landlock,
        Self::Filter,
        Self::Execute,
    ];

    /// As it is told.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Namespaces => "namespaces",
            Self::Root => "root",
            Self::Processes => "processes",
            Self::Fork => "fork",
            Self::Session => "session",
            Self::Descriptors => "descriptors",
            Self::Surroundings => "surroundings",
            Self::Limits => "limits",
            Self::Keyring => "keyring",
            Self::NoNewPrivileges => "no_new_privileges",
            Self::Bounding => "bounding_set",
            Self::Securebits => "securebits",
            Self::Groups => "groups",
            Self::Group => "group",
            Self::User => "user",
            Self::Capabilities => "capabilities",
            Self::Landlock => "landlock",
            Self::Filter => "filter",
            Self::Execute => "execute",
        }
    }

    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|step| *step as u8 == number)
    }
}

/// One line of a report; [`EVENT_BYTES`] on the pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A step was taken.
    Taken(Step),
    /// A step failed with this errno; there is no program.
    Failed(Step, i32),
    /// The program has exited with this code, and nothing of it is left.
    Exited(i32),
    /// The program was ended by this signal, and nothing of it is left.
    Signaled(i32),
}

/// The bytes of an event.
pub const EVENT_BYTES: usize = 6;

impl Event {
    /// As it goes over the pipe.
    pub fn to_bytes(self) -> [u8; EVENT_BYTES] {
        let (kind, step, value) = match self {
            Self::Taken(step) => (0, step as u8, 0),
            Self::Failed(step, errno) => (1, step as u8, errno),
            Self::Exited(code) => (2, 0, code),
            Self::Signaled(signal) => (3, 0, signal),
        };
        let [a, b, c, d] = value.to_le_bytes();
        [kind, step, a, b, c, d]
    }

    /// What these bytes say; nothing when that is nothing.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let [kind, step, a, b, c, d] = *bytes else { return None };
        let value = i32::from_le_bytes([a, b, c, d]);
        match kind {
            0 => Some(Self::Taken(Step::from_number(step)?)),
            1 => Some(Self::Failed(Step::from_number(step)?, value)),
            2 => Some(Self::Exited(value)),
            3 => Some(Self::Signaled(value)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_arrives_as_it_was_told() {
        let taken = Step::ALL.map(Event::Taken);
        let failed = Step::ALL.map(|step| Event::Failed(step, libc::EPERM));
        let ends = [Event::Exited(255), Event::Signaled(9)];

        for event in taken.into_iter().chain(failed).chain(ends) {
            assert_eq!(Event::from_bytes(&event.to_bytes()), Some(event));
        }
        assert_eq!(Event::from_bytes(&[0, 0, 0, 0, 0, 0]), None);
        assert_eq!(Event::from_bytes(&[9, 1, 0, 0, 0, 0]), None);
        assert_eq!(Event::from_bytes(b""), None);
    }
}
