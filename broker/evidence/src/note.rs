//! Signed notes: a text, an empty line, and lines with signatures; c2sp.org/signed-note.

use crate::base64;
use crate::error::Error;
use crate::key::{SigningKey, VerifierKey, check_name};

/// A text with the signatures below it, of which none has been looked at yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What is signed, with the line feed at its end.
    pub text: String,
    /// The signatures, in the order in which they stand.
    pub signatures: Vec<Signature>,
}

/// One line of a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Whose it is said to be.
    pub name: String,
    /// The id of the key.
    pub id: [u8; 4],
    /// The signature's own bytes.
    pub bytes: Vec<u8>,
}

/// The longest note that is read.
pub const MOST_BYTES: usize = 1 << 20;

impl Note {
    /// Reads a note in its one spelling.
    ///
    /// # Errors
    /// When it is not UTF-8, has control characters, no signatures, more than a hundred, or lines of another form.
    pub fn parse(bytes: &[u8]) -> Result<Note, Error> {
        let wrong = |why: &str| Error::contradiction(format!("this is no signed note: {why}"));
        let text = std::str::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8"))?;
        if text.len() > MOST_BYTES {
            return Err(wrong("it is too long"));
        }
        if text.contains(|c: char| c < ' ' && c != '\n') {
            return Err(wrong("it has control characters"));
        }
        let Some(end) = text.rfind("\n\n") else { return Err(wrong("it has no signatures")) };
        let (text, signatures) = (&text[..=end], &text[end + 2..]);
        let Some(signatures) = signatures.strip_suffix('\n') else {
            return Err(wrong("the last line does not end"));
        };
        let signatures: Option<Vec<Signature>> = signatures.split('\n').map(Signature::parse).collect();
        let signatures = signatures.ok_or_else(|| wrong("a line below the text is no signature"))?;
        if signatures.len() > 100 {
            return Err(wrong("it has more than a hundred signatures"));
        }
        Ok(Note { text: text.to_owned(), signatures })
    }

    /// A note with one signature.
    ///
    /// # Panics
    /// When the text does not end with a line feed.
    pub fn sign(text: String, key: &SigningKey) -> Note {
        assert!(text.ends_with('\n'), "the text of a note ends with a line feed");
        let bytes = key.sign(text.as_bytes());
        let signature = Signature { name: key.verifier().name().to_owned(), id: key.verifier().id(), bytes };
        Note { text, signatures: vec![signature] }
    }

    /// The only signature of a key: `None` when there is none, or more than one, of which one might be for something else.
    pub fn signature_of(&self, key: &VerifierKey) -> Option<&Signature> {
        let mut of_the_key =
            self.signatures.iter().filter(|line| line.name == key.name() && line.id == key.id());
        let signature = of_the_key.next()?;
        of_the_key.next().is_none().then_some(signature)
    }

    /// Whether `key` has signed the text.
    pub fn is_signed_by(&self, key: &VerifierKey) -> bool {
        self.signature_of(key).is_some_and(|line| key.has_signed(self.text.as_bytes(), &line.bytes))
    }
}

/// The note as it is written to a file.
impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

impl Signature {
    /// Reads one line without its line feed; `None` when it has another form.
    pub fn parse(line: &str) -> Option<Signature> {
        let (name, bytes) = line.strip_prefix("— ")?.split_once(' ')?;
        check_name(name).ok()?;
        let bytes = base64::decode(bytes)?;
        let (id, bytes) = bytes.split_first_chunk::<4>()?;
        (!bytes.is_empty()).then(|| Signature { name: name.to_owned(), id: *id, bytes: bytes.to_vec() })
    }
}

/// The line without its line feed.
impl std::fmt::Display for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = [self.id.as_slice(), &self.bytes].concat();
        write!(f, "— {} {}", self.name, base64::encode(&bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example in the documentation of Go's package `note`.
    const PUBLISHED: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\n\
        — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const SECRET: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";

    #[test]
    fn the_published_note_is_believed_and_made_again() {
        let note = Note::parse(PUBLISHED.as_bytes()).unwrap();

        assert!(note.is_signed_by(&VerifierKey::parse(PETER).unwrap()));
        let made = Note::sign(note.text.clone(), &SigningKey::parse(SECRET).unwrap());
        assert_eq!(made.to_string(), PUBLISHED);
    }

    #[test]
    fn a_note_with_any_byte_changed_is_not_believed() {
        let key = VerifierKey::parse(PETER).unwrap();

        for at in 0..PUBLISHED.len() {
            for bit in 0..8 {
                let mut changed = PUBLISHED.as_bytes().to_vec();
                changed[at] ^= 1 << bit;
                let is_believed = Note::parse(&changed).is_ok_and(|note| note.is_signed_by(&key));
                assert!(!is_believed, "bit {bit} of byte {at}");
            }
        }
        for end in 0..PUBLISHED.len() {
            assert!(Note::parse(&PUBLISHED.as_bytes()[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn two_signatures_of_one_key_are_none() {
        let line = PUBLISHED.lines().last().unwrap();
        let twice = format!("{PUBLISHED}{line}\n");

        assert!(!Note::parse(twice.as_bytes()).unwrap().is_signed_by(&VerifierKey::parse(PETER).unwrap()));
    }

    #[test]
    fn other_spellings_are_refused() {
        for changed in [
            PUBLISHED.replace("— ", "- "),
            PUBLISHED.replace("AM=", "AM"),
            PUBLISHED.replace("AM=\n", "AM=\r\n"),
            PUBLISHED.replace("AM=\n", "AM=\n\n"),
            PUBLISHED.replace("PeterNeumann x08", "PeterNeumann  x08"),
            format!("{PUBLISHED}{}", "— a AAAAAAA=\n".repeat(101)),
        ] {
            assert!(Note::parse(changed.as_bytes()).is_err(), "{changed}");
        }
    }
}
