//! What is asked of a sealed log: a record, the last ones, a proof for one, a proof that the log only grew.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::checkpoint::{self, Checkpoint};
use crate::directory::Directory;
use crate::error::Error;
use crate::hash::{Hash, perfect};
use crate::key::VerifierKey;
use crate::note::{self, Note};
use crate::proof::Proof;
use crate::tile::{self, FULL, MOST_ENTRY_BYTES, Tile};
use crate::tree::{Subtrees, is_consistent, prove_consistency, prove_inclusion};

/// Reads tiles and entries of a tree of a certain size. What it gives is believed only by what is computed from it.
pub struct TileReader<'a> {
    directory: &'a Directory,
    size: u64,
    kept: RefCell<HashMap<Tile, Vec<Hash>>>,
}

impl<'a> TileReader<'a> {
    /// For the tree of `size` leaves in a directory.
    pub fn new(directory: &'a Directory, size: u64) -> Self {
        TileReader { directory, size, kept: RefCell::default() }
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Where it reads.
    pub fn directory(&self) -> &Directory {
        self.directory
    }

    /// The hashes of a tile. Where a partial tile is gone, they are cut out of the full one.
    ///
    /// # Errors
    /// When there is no such tile, it cannot be read, or is too short.
    pub fn read(&self, tile: Tile) -> Result<Vec<Hash>, Error> {
        let wrong =
            |path: &str| Error::contradiction(format!("{} has another length", self.directory.shown(path)));
        let most = FULL as usize * 32;
        if let Some(bytes) = self.directory.read(&tile.path(), most)? {
            return tile::hashes(&bytes, tile.width).ok_or_else(|| wrong(&tile.path()));
        }
        let full = Tile { width: FULL, ..tile };
        let Some(bytes) = self.directory.read(&full.path(), most)? else {
            return Err(Error::contradiction(format!("{} is missing", self.directory.shown(&tile.path()))));
        };
        let mut hashes = tile::hashes(&bytes, FULL).ok_or_else(|| wrong(&full.path()))?;
        hashes.truncate(tile.width as usize);
        Ok(hashes)
    }

    /// The entries of a tile of level 0; cut out of the full bundle where the partial one is gone.
    ///
    /// # Errors
    /// When there is no such bundle, it cannot be read, or has another number of entries.
    pub fn read_entries(&self, tile: Tile) -> Result<Vec<Vec<u8>>, Error> {
        let most = FULL as usize * (MOST_ENTRY_BYTES + 2);
        let full = Tile { width: FULL, ..tile };
        for bundle in [tile, full] {
            let path = bundle.entries_path();
            let Some(bytes) = self.directory.read(&path, most)? else { continue };
            let wrong = || Error::contradiction(format!("{} is damaged", self.directory.shown(&path)));
            let entries = tile::entries(&bytes, bundle.width).ok_or_else(wrong)?;
            return Ok(entries.into_iter().take(tile.width as usize).map(<[u8]>::to_vec).collect());
        }
        Err(Error::contradiction(format!("{} is missing", self.directory.shown(&tile.entries_path()))))
    }

    /// One record, as its entry has it.
    ///
    /// # Errors
    /// When the tree has no such leaf, or its bundle cannot be read.
    pub fn record(&self, index: u64) -> Result<Vec<u8>, Error> {
        let tile = Tile::holding(0, index, self.size);
        let none = || {
            Error::refused(format!("there is no record {index}: {} are sealed, counted from 0", self.size))
        };
        let entries = self.read_entries(tile.ok_or_else(none)?)?;
        Ok(entries
            .into_iter()
            .nth((index % FULL) as usize)
            .expect("the bundle has as many entries as the tile"))
    }
}

impl Subtrees for TileReader<'_> {
    fn subtree(&mut self, height: u32, index: u64) -> Result<Hash, Error> {
        let (level, within) = (height / 8, height % 8);
        let first = index << within;
        let tile = Tile::holding(level, first, self.size).expect("a proof asks for what the tree has");
        if !self.kept.borrow().contains_key(&tile) {
            let hashes = self.read(tile)?;
            self.kept.borrow_mut().insert(tile, hashes);
        }
        let kept = self.kept.borrow();
        let start = (first % FULL) as usize;
        let hashes =
            kept[&tile].get(start..start + (1 << within)).expect("a perfect subtree lies in one tile");
        Ok(perfect(hashes))
    }
}

/// The checkpoint of a directory with the note that it came in.
///
/// # Errors
/// When there is none, it cannot be read, or is not this key's.
pub fn checkpoint(directory: &Directory, key: &VerifierKey) -> Result<(Note, Checkpoint), Error> {
    let Some(bytes) = directory.read(checkpoint::FILE, note::MOST_BYTES)? else {
        return Err(Error::contradiction(format!("{} is missing", directory.shown(checkpoint::FILE))));
    };
    let note = Note::parse(&bytes)?;
    let checkpoint = Checkpoint::verified(&note, key)?;
    Ok((note, checkpoint))
}

/// The proof that record `index` is in the log, with the record.
///
/// # Errors
/// When there is no such record, or the tiles do not lead to the root that was signed.
pub fn prove(directory: &Directory, key: &VerifierKey, index: u64) -> Result<Proof, Error> {
    let (note, checkpoint) = checkpoint(directory, key)?;
    let mut tiles = TileReader::new(directory, checkpoint.size);
    let record = tiles.record(index)?;
    let hashes = prove_inclusion(&mut tiles, index, checkpoint.size)?;
    let proof = Proof { record: Some(record.clone()), index, hashes, checkpoint: note };
    let wrong = |_| {
        Error::contradiction(format!("record {index} and the tiles do not lead to the root that was signed"))
    };
    proof.check(&record, key).map_err(wrong)?;
    Ok(proof)
}

/// The hashes that show that the log of the `new` checkpoint goes on from the `old` one. Both are verified.
///
/// # Errors
/// When one of them is not this key's, the new one is smaller, or the log does not go on from the old one.
pub fn consistency(
    directory: &Directory,
    key: &VerifierKey,
    old: &Note,
    new: &Note,
) -> Result<Vec<Hash>, Error> {
    let (old, new) = (Checkpoint::verified(old, key)?, Checkpoint::verified(new, key)?);
    if old.size > new.size {
        let why =
            format!("the newer checkpoint has {} records, the older {}: the log was cut", new.size, old.size);
        return Err(Error::contradiction(why));
    }
    let mut tiles = TileReader::new(directory, new.size);
    let proof = prove_consistency(&mut tiles, old.size, new.size)?;
    if !is_consistent(old.size, &old.root, new.size, &new.root, &proof) {
        let why = format!("the log with {} records does not go on from the one with {}", new.size, old.size);
        return Err(Error::contradiction(why));
    }
    Ok(proof)
}

/// The name of the note in which the holder of the key says which entries are gone for good.
pub const PRUNED: &str = "pruned";

/// The first leaf whose record has to be there: 0, unless the holder of the key has said otherwise.
///
/// # Errors
/// When the note that says so is not this key's, or is about more than there is.
pub fn first_entry(directory: &Directory, key: &VerifierKey, size: u64) -> Result<u64, Error> {
    let Some(bytes) = directory.read(PRUNED, note::MOST_BYTES)? else { return Ok(0) };
    let note = Note::parse(&bytes)?;
    let first = pruned_text_of(&note.text, key.name());
    match first {
        Some(first) if note.is_signed_by(key) && first <= size => Ok(first),
        _ => Err(Error::contradiction(format!(
            "{} is not signed by {key}, or is damaged",
            directory.shown(PRUNED)
        ))),
    }
}

/// The text by which the holder of a key says that the entries before a leaf are gone.
pub fn pruned_text(origin: &str, first: u64) -> String {
    format!("rex-audit pruned/v1\n{origin}\n{first}\n")
}

fn pruned_text_of(text: &str, origin: &str) -> Option<u64> {
    let number = text.strip_prefix("rex-audit pruned/v1\n")?.strip_prefix(origin)?.strip_prefix('\n')?;
    checkpoint::decimal(number.strip_suffix('\n')?)
}
