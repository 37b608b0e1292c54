//! A proof that one record is in a log, complete in one file: c2sp.org/tlog-proof@v1.

use crate::base64;
use crate::checkpoint::{Checkpoint, decimal};
use crate::error::Error;
use crate::hash::{Hash, leaf};
use crate::key::VerifierKey;
use crate::note::Note;
use crate::tree::root_by_inclusion;

/// A proof as it was read, of which nothing has been checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The record, so that the proof says by itself what it is about. Nothing but the hashes makes it believable.
    pub record: Option<Vec<u8>>,
    /// Which leaf it is, counted from 0.
    pub index: u64,
    /// From the leaf's sibling up to the root's child.
    pub hashes: Vec<Hash>,
    /// The checkpoint with its signatures.
    pub checkpoint: Note,
}

/// The longest proof that is read.
pub const MOST_BYTES: usize = 1 << 20;

impl Proof {
    /// Reads a proof in its one spelling.
    ///
    /// # Errors
    /// When it has another form.
    pub fn parse(bytes: &[u8]) -> Result<Proof, Error> {
        let wrong = |why: &str| Error::contradiction(format!("this is no proof: {why}"));
        let text = std::str::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8"))?;
        let text =
            text.strip_prefix(FIRST_LINE).ok_or_else(|| wrong("it begins with c2sp.org/tlog-proof@v1"))?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or_else(|| wrong("it has no checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        let record = match lines.next_if(|line| line.starts_with("extra ")) {
            None => None,
            Some(line) => {
                let record = base64::decode(&line["extra ".len()..]);
                Some(record.ok_or_else(|| wrong("the extra data is not in base64"))?)
            }
        };
        let index = lines.next().and_then(|line| line.strip_prefix("index ")).and_then(decimal);
        let index = index.ok_or_else(|| wrong("it does not say which leaf it is about"))?;
        let hashes: Option<Vec<Hash>> = lines.map(|line| base64::decode(line)?.try_into().ok()).collect();
        let hashes = hashes.ok_or_else(|| wrong("a line is no hash"))?;
        // A tree of 2^64 leaves is 64 levels deep.
        if hashes.len() > 64 {
            return Err(wrong("it has more hashes than any tree has levels"));
        }
        Ok(Proof { record, index, hashes, checkpoint: Note::parse(checkpoint.as_bytes())? })
    }

    /// Whether `record` is in the log of this key, at the place that the proof says. Gives the checkpoint.
    ///
    /// # Errors
    /// When it is not shown to be.
    pub fn check(&self, record: &[u8], key: &VerifierKey) -> Result<Checkpoint, Error> {
        let checkpoint = Checkpoint::verified(&self.checkpoint, key)?;
        let root = root_by_inclusion(leaf(record), self.index, checkpoint.size, &self.hashes);
        if root != Some(checkpoint.root) {
            let place = format!("leaf {} of {}", self.index, checkpoint.size);
            return Err(Error::contradiction(format!("the proof does not show that the record is {place}")));
        }
        Ok(checkpoint)
    }
}

/// The proof as it is written to a file.
impl std::fmt::Display for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(FIRST_LINE)?;
        if let Some(record) = &self.record {
            writeln!(f, "extra {}", base64::encode(record))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.hashes.iter().try_for_each(|hash| writeln!(f, "{}", base64::encode(hash)))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::node;
    use crate::key::{Kind, SigningKey};

    fn proof() -> (Proof, SigningKey) {
        let key = SigningKey::generate("example.org/audit", Kind::Log).unwrap();
        let root = node(&leaf(b"zero"), &leaf(b"one"));
        let checkpoint = Checkpoint { origin: "example.org/audit".to_owned(), size: 2, root }.sign(&key);
        (Proof { record: Some(b"one".to_vec()), index: 1, hashes: vec![leaf(b"zero")], checkpoint }, key)
    }

    #[test]
    fn what_is_written_is_read_back_and_holds() {
        let (proof, key) = proof();

        assert_eq!(Proof::parse(proof.to_string().as_bytes()).unwrap(), proof);
        assert_eq!(proof.check(b"one", key.verifier()).unwrap().size, 2);
    }

    #[test]
    fn another_record_place_or_hash_does_not_hold() {
        let (proof, key) = proof();

        assert!(proof.check(b"two", key.verifier()).is_err());
        assert!(Proof { index: 0, ..proof.clone() }.check(b"one", key.verifier()).is_err());
        assert!(Proof { index: 2, ..proof.clone() }.check(b"one", key.verifier()).is_err());
        assert!(Proof { hashes: vec![], ..proof.clone() }.check(b"one", key.verifier()).is_err());
        assert!(Proof { hashes: vec![leaf(b"one")], ..proof.clone() }.check(b"one", key.verifier()).is_err());
    }

    #[test]
    fn a_proof_with_any_bit_changed_is_refused() {
        let (proof, key) = proof();
        let text = proof.to_string();
        let holds = |bytes: &[u8]| {
            Proof::parse(bytes).is_ok_and(|proof| {
                let record = proof.record.clone().unwrap_or_default();
                proof.check(&record, key.verifier()).is_ok()
            })
        };

        assert!(holds(text.as_bytes()));
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut changed = text.as_bytes().to_vec();
                changed[at] ^= 1 << bit;
                assert!(!holds(&changed), "bit {bit} of byte {at}");
            }
        }
    }
}
