//! Verifying: does a directory hold every record that its checkpoint was signed for, each as it was?

use std::path::PathBuf;

use crate::checkpoint::{self, Checkpoint};
use crate::cosignature::cosigned_at;
use crate::directory::Directory;
use crate::error::Error;
use crate::growth::Growth;
use crate::hash::{Hash, hex, leaf, sha256};
use crate::key::VerifierKey;
use crate::note::{self, Note};
use crate::query::TileReader;
use crate::records::{self, Records};
use crate::tile::{FULL, Tile};

/// What a verifier knows besides the directory.
pub struct Knowledge {
    /// The public key of the log, which came by another way than the log.
    pub key: VerifierKey,
    /// Checkpoints of the log that were kept elsewhere, each with a name for messages.
    pub older: Vec<(String, Note)>,
    /// Witnesses that have to have signed the checkpoint.
    pub witnesses: Vec<VerifierKey>,
    /// The record file itself, when it is to be compared, too.
    pub log: Option<PathBuf>,
}

/// What was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The checkpoint that everything was held against.
    pub checkpoint: Checkpoint,
    /// The first leaf whose record is there; of those before it only the hashes are, as the holder of the key has said.
    pub first_entry: u64,
    /// When each witness has signed, in seconds since 1970.
    pub cosigned: Vec<(String, u64)>,
    /// How many whole lines of the record file are not sealed yet.
    pub unsealed: Option<u64>,
}

/// Reads the whole directory and holds it against the checkpoint, and that against what the verifier knows.
///
/// # Errors
/// When a record, tile or signature is not what it has to be, or is missing; when the log does not go on from a checkpoint
/// that was kept; when something cannot be read.
pub fn verify(directory: &Directory, known: &Knowledge) -> Result<Verified, Error> {
    let Some(bytes) = directory.read(checkpoint::FILE, note::MOST_BYTES)? else {
        return Err(Error::contradiction(format!("{} is missing", directory.shown(checkpoint::FILE))));
    };
    let note = Note::parse(&bytes)?;
    let checkpoint = Checkpoint::verified(&note, &known.key)?;
    let cosigned = known.witnesses.iter().map(|witness| {
        let at = cosigned_at(&note, witness);
        let missing =
            || Error::contradiction(format!("the checkpoint is not signed by the witness {witness}"));
        Ok((witness.name().to_owned(), at.ok_or_else(missing)?))
    });
    let cosigned = cosigned.collect::<Result<_, Error>>()?;
    let older = older(known, &checkpoint)?;
    let first_entry = crate::query::first_entry(directory, &known.key, checkpoint.size)?;
    let mut walk = Walk {
        tiles: TileReader::new(directory, checkpoint.size),
        growth: Growth::default(),
        log: known.log.as_deref().map(Records::open).transpose()?,
        older,
        first_entry,
    };
    walk.compare_older()?;
    for index in 0..checkpoint.size.div_ceil(FULL) {
        walk.bundle(index)?;
    }
    let Walk { tiles, growth, log, .. } = walk;
    growth.partial_tiles(&mut |tile, hashes| {
        if tile.level > 0 { compare(&tiles, tile, hashes) } else { Ok(()) }
    })?;
    if growth.root() != checkpoint.root {
        let why = format!(
            "the root over the {} records is {}, but {} was signed",
            checkpoint.size,
            hex(&growth.root()),
            hex(&checkpoint.root)
        );
        return Err(Error::contradiction(why));
    }
    let unsealed = log.map(count_the_rest).transpose()?;
    Ok(Verified { checkpoint, first_entry, cosigned, unsealed })
}

/// The checkpoints that were kept, the smallest first, none of which may be larger than the present one.
fn older(known: &Knowledge, checkpoint: &Checkpoint) -> Result<Vec<(String, Checkpoint)>, Error> {
    let mut older = Vec::new();
    for (name, note) in &known.older {
        let kept = Checkpoint::verified(note, &known.key);
        let kept = kept.map_err(|error| Error::contradiction(format!("{name}: {error}")))?;
        if kept.size > checkpoint.size {
            let why =
                format!("{name} has {} records, the log only {}: it was cut", kept.size, checkpoint.size);
            return Err(Error::contradiction(why));
        }
        older.push((name.clone(), kept));
    }
    older.sort_by_key(|(_, kept)| kept.size);
    Ok(older)
}

struct Walk<'a> {
    tiles: TileReader<'a>,
    growth: Growth,
    log: Option<Records>,
    older: Vec<(String, Checkpoint)>,
    first_entry: u64,
}

impl Walk<'_> {
    /// One bundle of entries, and the tile with their hashes.
    fn bundle(&mut self, index: u64) -> Result<(), Error> {
        let size = self.tiles.size();
        let tile = Tile::holding(0, index * FULL, size).expect("the bundle is one of the tree");
        let hashes = self.tiles.read(tile)?;
        let end = index * FULL + tile.width;
        if end > self.first_entry {
            let entries = self.tiles.read_entries(tile)?;
            for (at, entry) in entries.iter().enumerate() {
                let number = index * FULL + at as u64;
                if leaf(entry) != hashes[at] {
                    let path = tile.entries_path();
                    return Err(Error::contradiction(format!(
                        "record {number} in {path} is not the one of its hash"
                    )));
                }
                self.blob(number, entry)?;
            }
        }
        let mut line = Vec::new();
        for hash in hashes {
            if let Some(log) = &mut self.log {
                let place = log.place();
                if !log.next(&mut line)? {
                    let count = log.count;
                    let why =
                        format!("{size} records are sealed, and the record file has {count}: it was cut");
                    return Err(Error::contradiction(why));
                }
                if leaf(&records::entry(&line)) != hash {
                    return Err(Error::contradiction(format!("{place} is not what was sealed")));
                }
            }
            let tiles = &self.tiles;
            // That of level 0 is the one that the hashes come from.
            self.growth.push(hash, &mut |tile, hashes| {
                if tile.level > 0 { compare(tiles, tile, hashes) } else { Ok(()) }
            })?;
            self.compare_older()?;
        }
        Ok(())
    }

    /// The line that an entry stands for.
    fn blob(&self, number: u64, entry: &[u8]) -> Result<(), Error> {
        let Some(digest) = records::stands_for(entry) else { return Ok(()) };
        let path = records::blob_path(number);
        let line = self.tiles.directory().read(&path, records::MOST_READ_BYTES)?;
        match line {
            Some(line) if hex(&sha256(&line)) == digest => Ok(()),
            Some(_) => Err(Error::contradiction(format!("{path} is not the line of its digest"))),
            None => Err(Error::contradiction(format!("{path} is missing"))),
        }
    }

    /// Whether the tree was at this size what a checkpoint says that was kept.
    fn compare_older(&self) -> Result<(), Error> {
        for (name, kept) in self.older.iter().filter(|(_, kept)| kept.size == self.growth.size()) {
            if kept.root != self.growth.root() {
                let why = format!(
                    "the first {} records are not those of {name}: the log was rewritten, or forked",
                    kept.size
                );
                return Err(Error::contradiction(why));
            }
        }
        Ok(())
    }
}

fn compare(tiles: &TileReader<'_>, tile: Tile, hashes: &[Hash]) -> Result<(), Error> {
    if tiles.read(tile)? != hashes {
        let path = tile.path();
        let (first, last) = (tile.index, tile.width);
        let why = format!(
            "{path} does not go with the tiles below it ({last} hashes from tile {first} of its level)"
        );
        return Err(Error::contradiction(why));
    }
    Ok(())
}

fn count_the_rest(mut log: Records) -> Result<u64, Error> {
    let sealed = log.count;
    let mut line = Vec::new();
    while log.next(&mut line)? {}
    Ok(log.count - sealed)
}
