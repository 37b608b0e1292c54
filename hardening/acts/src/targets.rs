//! What the acts aim at: files, processes, keys and sockets that the test has put there.

use std::ffi::CString;

/// What the acts aim at. Travels to the jail as text, in the place of a script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    /// A directory that anybody may change, with a file `secret`, a link `link` and a directory `mount`.
    pub directory: String,
    /// The process that started the jail.
    pub broker: i32,
    /// Another process of the same user, which may be stopped and changed.
    pub neighbour: i32,
    /// Where a word lies in the broker's memory.
    pub address: u64,
    /// A port of 127.0.0.1 on which somebody listens, and part of the name of an abstract socket of the same somebody.
    pub port: u16,
    /// The name of System V objects that exist.
    pub ipc_key: i32,
    /// A key in the user keyring of the broker's user.
    pub key: i32,
}

impl Targets {
    /// One line, which [`Targets::from_text`] reads.
    pub fn to_text(&self) -> String {
        let Self { directory, broker, neighbour, address, port, ipc_key, key } = self;
        format!("{broker} {neighbour} {address} {port} {ipc_key} {key} {directory}")
    }

    /// Reads what [`Targets::to_text`] wrote.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut words = text.splitn(7, ' ');
        Some(Self {
            broker: words.next()?.parse().ok()?,
            neighbour: words.next()?.parse().ok()?,
            address: words.next()?.parse().ok()?,
            port: words.next()?.parse().ok()?,
            ipc_key: words.next()?.parse().ok()?,
            key: words.next()?.parse().ok()?,
            directory: words.next()?.to_owned(),
        })
    }

    /// The abstract name on which somebody listens.
    pub fn abstract_name(&self) -> [u8; ABSTRACT_NAME_BYTES] {
        let mut name = *b"rex-acts-00000";
        let mut left = self.port;
        for digit in name.iter_mut().rev().take(5) {
            *digit = b'0' + (left % 10) as u8;
            left /= 10;
        }
        name
    }

    /// The path of `name` in the directory.
    pub(crate) fn path(&self, name: &str) -> CString {
        CString::new(format!("{}/{name}", self.directory)).unwrap_or_default()
    }
}

/// The length of the abstract name.
pub(crate) const ABSTRACT_NAME_BYTES: usize = 14;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_abstract_name_ends_with_the_port() {
        let named = |port| Targets { port, ..Targets::default() }.abstract_name();

        assert_eq!(&named(65_535), b"rex-acts-65535");
        assert_eq!(&named(80), b"rex-acts-00080");
    }

    #[test]
    fn targets_survive_the_journey() {
        let targets = Targets {
            directory: "/tmp/a b".to_owned(),
            broker: 1,
            neighbour: 2,
            address: u64::MAX,
            port: 4,
            ipc_key: -5,
            key: 6,
        };

        assert_eq!(Targets::from_text(&targets.to_text()), Some(targets));
        assert_eq!(Targets::from_text("1 2 3"), None);
    }
}
