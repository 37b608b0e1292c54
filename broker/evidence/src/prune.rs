//! Pruning: the entries at the beginning of a log go, their hashes stay, and with them every proof.

use crate::directory::Directory;
use crate::error::Error;
use crate::key::SigningKey;
use crate::note::Note;
use crate::query::{PRUNED, TileReader, first_entry, pruned_text};
use crate::records::{blob_path, stands_for};
use crate::tile::{FULL, Tile};

/// Removes the full bundles of entries before a leaf. What is gone is signed before anything goes, so that nobody else can
/// remove entries unseen. Gives the first leaf whose entry is there.
///
/// The record file is another matter: while it holds these lines, they are not gone.
///
/// # Errors
/// When nothing is sealed, or less than is to be pruned; when something cannot be read, written or removed.
pub fn prune(directory: &Directory, key: &SigningKey, before: u64) -> Result<u64, Error> {
    let Some(checkpoint) = crate::seal::current(directory, key)? else {
        return Err(Error::refused("nothing is sealed yet"));
    };
    if before > checkpoint.size {
        return Err(Error::refused(format!("only {} records are sealed", checkpoint.size)));
    }
    let gone = first_entry(directory, key.verifier(), checkpoint.size)?;
    // tlog-tiles: a bundle may go when its end index is at most the minimum index.
    let first = gone.max(before - before % FULL);
    let note = Note::sign(pruned_text(&checkpoint.origin, first), key);
    directory.write(PRUNED, note.to_string().as_bytes())?;
    directory.sync()?;
    let tiles = TileReader::new(directory, checkpoint.size);
    for index in 0..first / FULL {
        let tile = Tile { level: 0, index, width: FULL };
        let long = tiles.read_entries(tile).unwrap_or_default().into_iter().zip(index * FULL..);
        for (_, number) in long.filter(|(entry, _)| stands_for(entry).is_some()) {
            directory.remove(&blob_path(number))?;
        }
        directory.remove(&tile.entries_path())?;
    }
    Ok(first)
}
