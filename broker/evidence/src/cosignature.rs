//! What a witness says under a checkpoint: that it has seen the log only grow, and when; c2sp.org/tlog-cosignature.

use crate::error::Error;
use crate::key::{Kind, SigningKey, VerifierKey};
use crate::note::{Note, Signature};

/// The line of a witness under a note, which it has found to go on from what it knew before.
///
/// # Errors
/// When the key is not that of a witness.
pub fn cosign(note: &Note, key: &SigningKey, seconds: u64) -> Result<Signature, Error> {
    if key.verifier().kind() != Kind::Witness {
        return Err(Error::refused(format!("{} is not the key of a witness", key.verifier())));
    }
    let mut bytes = seconds.to_be_bytes().to_vec();
    bytes.extend(key.sign(&message(&note.text, seconds)));
    Ok(Signature { name: key.verifier().name().to_owned(), id: key.verifier().id(), bytes })
}

/// When a witness has signed a note, in seconds since 1970; `None` when it has not.
pub fn cosigned_at(note: &Note, key: &VerifierKey) -> Option<u64> {
    let signature = note.signature_of(key).filter(|_| key.kind() == Kind::Witness)?;
    let (seconds, bytes) = signature.bytes.split_first_chunk::<8>()?;
    let seconds = u64::from_be_bytes(*seconds);
    key.has_signed(&message(&note.text, seconds), bytes).then_some(seconds)
}

fn message(text: &str, seconds: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {seconds}\n{text}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_witness_of_this_note_at_this_time_is_believed() {
        let witness = SigningKey::generate("witness.example", Kind::Witness).unwrap();
        let log = SigningKey::generate("witness.example", Kind::Log).unwrap();
        let mut note = Note::sign("log\n1\nroot\n".to_owned(), &log);

        let line = cosign(&note, &witness, 1_700_000_000).unwrap();
        note.signatures.push(line.clone());

        assert_eq!(cosigned_at(&note, witness.verifier()), Some(1_700_000_000));
        assert_eq!(cosigned_at(&note, log.verifier()), None);
        assert!(cosign(&note, &log, 1).is_err());
        let other = Note { text: "log\n2\nroot\n".to_owned(), ..note.clone() };
        assert_eq!(cosigned_at(&other, witness.verifier()), None);
        note.signatures[1].bytes[7] ^= 1;
        assert_eq!(cosigned_at(&note, witness.verifier()), None);
    }
}
