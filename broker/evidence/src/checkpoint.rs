//! Checkpoints: how many records a log has, and the root over them, signed; c2sp.org/tlog-checkpoint.

use crate::base64;
use crate::error::Error;
use crate::hash::Hash;
use crate::key::{Kind, SigningKey, VerifierKey};
use crate::note::Note;

/// The name of the file of the checkpoint in a log's directory.
pub const FILE: &str = "checkpoint";

/// What a log says of itself at one moment, believed only as far as the note that it came with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The name of the log, which is also that of its key.
    pub origin: String,
    /// How many leaves there are.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

impl Checkpoint {
    /// Signs it.
    pub fn sign(&self, key: &SigningKey) -> Note {
        Note::sign(self.text(), key)
    }

    /// The text that is signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, base64::encode(&self.root))
    }

    /// Reads the text of a note that somebody has verified. Lines behind the third are left out, as the specification asks.
    ///
    /// # Errors
    /// When it has another form.
    pub fn parse(text: &str) -> Result<Checkpoint, Error> {
        let wrong = |why: &str| Error::contradiction(format!("this is no checkpoint: {why}"));
        let text = text.strip_suffix('\n').ok_or_else(|| wrong("the last line does not end"))?;
        let lines: Vec<&str> = text.split('\n').collect();
        let [origin, size, root, more @ ..] = lines.as_slice() else {
            return Err(wrong("it has three lines at least"));
        };
        if origin.is_empty() || more.iter().any(|line| line.is_empty()) {
            return Err(wrong("it has an empty line"));
        }
        let size = decimal(size).ok_or_else(|| wrong("the second line is the number of leaves"))?;
        let root = base64::decode(root).and_then(|root| root.try_into().ok());
        let root = root.ok_or_else(|| wrong("the third line is the root, 32 bytes in base64"))?;
        Ok(Checkpoint { origin: (*origin).to_owned(), size, root })
    }

    /// Reads a checkpoint that has to be signed by a log's key, and to be that log's.
    ///
    /// # Errors
    /// When it is no checkpoint, another log's, or not signed by the key.
    pub fn verified(note: &Note, key: &VerifierKey) -> Result<Checkpoint, Error> {
        if key.kind() != Kind::Log {
            return Err(Error::refused(format!("{key} is the key of a witness, and not of a log")));
        }
        if !note.is_signed_by(key) {
            return Err(Error::contradiction(format!("the checkpoint is not signed by {key}")));
        }
        let checkpoint = Checkpoint::parse(&note.text)?;
        if checkpoint.origin != key.name() {
            let origin = &checkpoint.origin;
            return Err(Error::contradiction(format!(
                "the checkpoint is that of {origin}, not of {}",
                key.name()
            )));
        }
        Ok(checkpoint)
    }
}

/// A number without sign, leading zeros and white space.
pub fn decimal(text: &str) -> Option<u64> {
    let is_plain = text == "0" || (!text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()));
    text.parse().ok().filter(|_| is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        Checkpoint { origin: "example.org/audit".to_owned(), size: 5, root: [7; 32] }
    }

    #[test]
    fn what_is_signed_is_read_back() {
        let key = SigningKey::generate("example.org/audit", Kind::Log).unwrap();

        let note = checkpoint().sign(&key);

        assert_eq!(Checkpoint::verified(&note, key.verifier()).unwrap(), checkpoint());
    }

    #[test]
    fn a_checkpoint_of_another_log_or_key_is_refused() {
        let key = SigningKey::generate("example.org/other", Kind::Log).unwrap();
        let witness = SigningKey::generate("example.org/audit", Kind::Witness).unwrap();

        let note = checkpoint().sign(&key);
        let by_a_witness = checkpoint().sign(&witness);

        assert!(Checkpoint::verified(&note, key.verifier()).is_err());
        assert!(Checkpoint::verified(&by_a_witness, witness.verifier()).is_err());
        let namesake = SigningKey::generate("example.org/other", Kind::Log).unwrap();
        assert!(Checkpoint::verified(&note, namesake.verifier()).is_err());
    }

    #[test]
    fn other_spellings_are_refused() {
        let text = checkpoint().text();
        for changed in [
            text.replace("\n5\n", "\n05\n"),
            text.replace("\n5\n", "\n+5\n"),
            text.replace("\n5\n", "\n-5\n"),
            text.replace("\n5\n", "\n18446744073709551616\n"),
            text.replace("\n5\n", "\n\n"),
            text.replace("=\n", "\n"),
            text.replace("example.org/audit", ""),
            format!("{text}\n"),
            text.trim_end().to_owned(),
            String::new(),
        ] {
            assert!(Checkpoint::parse(&changed).is_err(), "{changed:?}");
        }
        assert_eq!(Checkpoint::parse(&format!("{text}more\n")).unwrap(), checkpoint());
    }
}
