//! Sealing: the lines of a record file become leaves, tiles and entries are written, and then the checkpoint is signed.

use std::path::Path;

use crate::checkpoint::{self, Checkpoint};
use crate::directory::Directory;
use crate::error::Error;
use crate::growth::Growth;
use crate::hash::{Hash, empty, leaf};
use crate::key::SigningKey;
use crate::note::{self, Note};
use crate::query::TileReader;
use crate::records::{self, Records};
use crate::tile::{self, FULL, Tile};

/// What sealing has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// How many leaves were sealed before.
    pub before: u64,
    /// What is sealed now; `None` while there is no record.
    pub checkpoint: Option<Checkpoint>,
}

/// Seals a record file up to its last line feed. What was sealed before is read again, and has to be what it was.
///
/// Tiles and entries are on the disk before the checkpoint names them, so a crash at any moment leaves the last
/// checkpoint with everything that it stands for; the next call goes on from there.
///
/// # Errors
/// When something that was sealed is not as it was, in the file or among the tiles; the first leaf that differs is named.
/// When a file cannot be read or written, or the checkpoint is not this key's.
pub fn seal(log: &Path, directory: &Directory, key: &SigningKey) -> Result<Sealed, Error> {
    Sealer::begin(log, directory, key)?.advance(directory, key)
}

/// A file that is sealed again and again, without reading each time what was sealed before.
pub struct Sealer {
    records: Records,
    growth: Growth,
    /// The entries behind the last full bundle.
    bundle: Vec<u8>,
    sealed: u64,
}

impl Sealer {
    /// Reads what was sealed so far, and holds it against tiles and checkpoint.
    ///
    /// # Errors
    /// Those of [`seal`].
    pub fn begin(log: &Path, directory: &Directory, key: &SigningKey) -> Result<Sealer, Error> {
        let old = current(directory, key)?;
        let size = old.as_ref().map_or(0, |old| old.size);
        let root = old.map_or_else(empty, |old| old.root);
        let mut sealer = Sealer {
            records: Records::open(log)?,
            growth: Growth::default(),
            bundle: Vec::new(),
            sealed: size,
        };
        let mut comparison = Comparison { tiles: TileReader::new(directory, size), leaf: None, tile: None };
        let mut line = Vec::new();
        while sealer.growth.size() < size && comparison.leaf.is_none() {
            if !sealer.records.next(&mut line)? {
                break;
            }
            sealer.take(&line, &mut |tile, hashes, _| comparison.look(tile, hashes))?;
        }
        let is_whole = sealer.growth.size() == size;
        sealer.growth.partial_tiles(&mut |tile, hashes| {
            if is_whole || tile.level == 0 { comparison.look(tile, hashes) } else { Ok(()) }
        })?;
        if !is_whole && comparison.leaf.is_none() {
            let count = sealer.records.count;
            let why = format!(
                "{size} records are sealed, and {} has only {count} of them: it was cut",
                log.display()
            );
            return Err(Error::contradiction(why));
        }
        comparison.conclude(is_whole && sealer.growth.root() == root, log)?;
        Ok(sealer)
    }

    /// Whether the file still has its name. When it has not, it was rotated, and what is in it is sealed to the end.
    ///
    /// # Errors
    /// When it has become shorter than what was sealed.
    pub fn has_its_name(&self) -> Result<bool, Error> {
        self.records.has_its_name()
    }

    /// Seals the lines that have come since.
    ///
    /// # Errors
    /// Those of [`seal`].
    pub fn advance(&mut self, directory: &Directory, key: &SigningKey) -> Result<Sealed, Error> {
        let before = self.sealed;
        let mut line = Vec::new();
        while self.records.next(&mut line)? {
            if line.len() > records::MOST_LINE_BYTES {
                directory.write(&records::blob_path(self.growth.size()), &line)?;
            }
            self.take(&line, &mut |tile, hashes, bundle| write(directory, tile, hashes, bundle))?;
        }
        let size = self.growth.size();
        if size == before {
            return Ok(Sealed { before, checkpoint: current(directory, key)? });
        }
        let bundle = &self.bundle;
        self.growth.partial_tiles(&mut |tile, hashes| write(directory, tile, hashes, bundle))?;
        self.records.sync()?;
        directory.sync()?;
        let origin = key.verifier().name().to_owned();
        let checkpoint = Checkpoint { origin, size, root: self.growth.root() };
        directory.write(checkpoint::FILE, checkpoint.sign(key).to_string().as_bytes())?;
        directory.sync()?;
        self.sealed = size;
        remove_partial_tiles(directory, before, size)?;
        Ok(Sealed { before, checkpoint: Some(checkpoint) })
    }

    fn take(&mut self, line: &[u8], on_tile: &mut OnTileAndBundle<'_>) -> Result<(), Error> {
        let entry = records::entry(line);
        tile::append_entry(&mut self.bundle, &entry);
        let bundle = &self.bundle;
        self.growth.push(leaf(&entry), &mut |tile, hashes| on_tile(tile, hashes, bundle))?;
        if self.growth.size().is_multiple_of(FULL) {
            self.bundle.clear();
        }
        Ok(())
    }
}

type OnTileAndBundle<'a> = dyn FnMut(Tile, &[Hash], &[u8]) -> Result<(), Error> + 'a;

/// The checkpoint in the directory, which has to be this key's; `None` when nothing was sealed yet.
///
/// # Errors
/// When it cannot be read, or is not this key's.
pub fn current(directory: &Directory, key: &SigningKey) -> Result<Option<Checkpoint>, Error> {
    let Some(bytes) = directory.read(checkpoint::FILE, note::MOST_BYTES)? else { return Ok(None) };
    Checkpoint::verified(&Note::parse(&bytes)?, key.verifier()).map(Some)
}

fn write(directory: &Directory, tile: Tile, hashes: &[Hash], bundle: &[u8]) -> Result<(), Error> {
    if tile.level == 0 {
        directory.write(&tile.entries_path(), bundle)?;
    }
    directory.write(&tile.path(), tile::bytes(hashes))
}

/// Removes the partial tiles whose full tile has come; everybody can cut the full one.
fn remove_partial_tiles(directory: &Directory, before: u64, size: u64) -> Result<(), Error> {
    for level in 0..8 {
        let (old, new) = (before >> (8 * level), size >> (8 * level));
        let index = old / FULL;
        if !old.is_multiple_of(FULL) && new / FULL > index {
            let full = Tile { level, index, width: FULL };
            directory.remove_folder(&format!("{}.p", full.path()))?;
            if level == 0 {
                directory.remove_folder(&format!("{}.p", full.entries_path()))?;
            }
        }
    }
    Ok(())
}

/// What was found when the file was held against the tiles.
struct Comparison<'a> {
    tiles: TileReader<'a>,
    /// The first leaf that differs.
    leaf: Option<u64>,
    /// The first tile that is missing, or is not what it was.
    tile: Option<String>,
}

impl Comparison<'_> {
    fn look(&mut self, tile: Tile, hashes: &[Hash]) -> Result<(), Error> {
        if self.leaf.is_some() {
            return Ok(());
        }
        let stored = Tile::holding(tile.level, tile.index * FULL, self.tiles.size());
        let stored = self.tiles.read(stored.expect("only tiles of what is sealed are looked at"));
        let stored = match stored {
            Ok(stored) => stored,
            Err(Error::Contradiction(why)) => {
                self.tile.get_or_insert(why);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        match stored.iter().zip(hashes).position(|(stored, hash)| stored != hash) {
            Some(at) if tile.level == 0 => self.leaf = Some(tile.index * FULL + at as u64),
            Some(_) => {
                self.tile.get_or_insert_with(|| format!("{} was changed", tile.path()));
            }
            None => {}
        }
        Ok(())
    }

    fn conclude(self, has_the_root: bool, log: &Path) -> Result<(), Error> {
        let log = log.display();
        let why = match (self.leaf, self.tile, has_the_root) {
            (None, None, true) => return Ok(()),
            (Some(leaf), _, _) => format!(
                "record {leaf} (line {} of {log}) is the first that is not what its tile was sealed with: the file was \
                 changed, or the tile",
                leaf + 1
            ),
            (None, Some(tile), true) => {
                format!("{log} is what was sealed, but {tile}: restore the tiles from a copy")
            }
            (None, _, false) => {
                format!("{log} and the tiles are not what the checkpoint was signed for: both were changed")
            }
        };
        Err(Error::contradiction(why))
    }
}

#[cfg(test)]
mod tests;
