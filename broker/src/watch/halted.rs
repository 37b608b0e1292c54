//! Whether somebody has ended the run from outside: one byte of a file that is open anyway.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// The byte of a run that goes on.
pub const GOES_ON: u8 = b'-';
/// The byte of a run that has been stopped.
pub const STOPPED: u8 = b'!';

/// The first byte of the entry that a run has in the register. Copies look at the same one.
#[derive(Clone, Debug)]
pub struct Word(Arc<File>);

impl Word {
    /// The word at the beginning of this file.
    pub fn of(file: Arc<File>) -> Self {
        Self(file)
    }

    /// Whether the run has been stopped. One pread(2); what cannot be read, or is no word, has been stopped.
    pub fn is_set(&self) -> bool {
        let mut byte = [0];
        !matches!(self.0.read_at(&mut byte, 0), Ok(1) if byte == [GOES_ON])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_byte_lets_a_run_go_on() {
        let file = Arc::new(File::from(
            nix::sys::memfd::memfd_create(c"word", nix::sys::memfd::MFdFlags::MFD_CLOEXEC).unwrap(),
        ));
        let word = Word::of(Arc::clone(&file));
        assert!(word.is_set(), "an empty file is no permission to go on");
        for (byte, is_set) in [(GOES_ON, false), (STOPPED, true), (0, true), (GOES_ON, false)] {
            file.write_at(&[byte], 0).unwrap();
            assert_eq!(word.is_set(), is_set, "{byte}");
        }
        file.set_len(0).unwrap();
        assert!(word.is_set(), "nobody lets it go on by cutting it off");
    }
}
