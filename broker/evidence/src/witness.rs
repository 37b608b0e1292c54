//! What a log sends to a witness, and what it does with the answer: c2sp.org/tlog-witness.

use std::fmt::Write;

use crate::base64;
use crate::checkpoint;
use crate::cosignature::cosigned_at;
use crate::directory::Directory;
use crate::error::Error;
use crate::key::VerifierKey;
use crate::note::Signature;
use crate::query::{self, TileReader};
use crate::tree::prove_consistency;

/// The body of an `add-checkpoint` request to a witness that knows the log up to `old` records.
///
/// # Errors
/// When the checkpoint is not this key's, has fewer records, or a tile cannot be read.
pub fn request(directory: &Directory, key: &VerifierKey, old: u64) -> Result<String, Error> {
    let (note, checkpoint) = query::checkpoint(directory, key)?;
    let mut tiles = TileReader::new(directory, checkpoint.size);
    let mut body = format!("old {old}\n");
    for hash in prove_consistency(&mut tiles, old, checkpoint.size)? {
        let _ = writeln!(body, "{}", base64::encode(&hash));
    }
    let _ = write!(body, "\n{note}");
    Ok(body)
}

/// Puts the line of a witness below the checkpoint, in place of an older one of its. Gives when it has signed.
///
/// # Errors
/// When no line is this witness's, for this checkpoint; when the directory cannot be written to.
pub fn take(
    directory: &Directory,
    key: &VerifierKey,
    witness: &VerifierKey,
    lines: &[u8],
) -> Result<u64, Error> {
    let (mut note, _) = query::checkpoint(directory, key)?;
    let is_of_it = |line: &Signature| line.name == witness.name() && line.id == witness.id();
    let lines = String::from_utf8_lossy(lines);
    note.signatures.retain(|line| !is_of_it(line));
    note.signatures.extend(lines.lines().filter_map(Signature::parse).filter(is_of_it));
    let Some(seconds) = cosigned_at(&note, witness) else {
        let why = format!("there is no line in which {witness} has signed the present checkpoint");
        return Err(Error::contradiction(why));
    };
    directory.write(checkpoint::FILE, note.to_string().as_bytes())?;
    directory.sync()?;
    Ok(seconds)
}
