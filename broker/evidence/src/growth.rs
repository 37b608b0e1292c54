//! A tree that grows leaf by leaf and gives each tile when it is full; all that it holds are the tiles that are not.

use crate::error::Error;
use crate::hash::{Hash, peaks, perfect, root};
use crate::tile::{FULL, Tile};

/// The right edge of a tree.
#[derive(Clone, Debug, Default)]
pub struct Growth {
    levels: Vec<Level>,
    size: u64,
}

#[derive(Clone, Debug, Default)]
struct Level {
    hashes: Vec<Hash>,
    full_tiles: u64,
}

/// What is done with a tile and the hashes in it.
pub type OnTile<'a> = dyn FnMut(Tile, &[Hash]) -> Result<(), Error> + 'a;

impl Growth {
    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf by its hash, and gives the tiles that are full with it, the lowest first.
    ///
    /// # Errors
    /// Those of `on_tile`.
    pub fn push(&mut self, leaf: Hash, on_tile: &mut OnTile<'_>) -> Result<(), Error> {
        self.size += 1;
        let mut hash = leaf;
        for number in 0.. {
            if self.levels.len() == number {
                self.levels.push(Level::default());
            }
            let level = &mut self.levels[number];
            level.hashes.push(hash);
            if level.hashes.len() < FULL as usize {
                break;
            }
            on_tile(Tile { level: number as u32, index: level.full_tiles, width: FULL }, &level.hashes)?;
            hash = perfect(&level.hashes);
            level.hashes.clear();
            level.full_tiles += 1;
        }
        Ok(())
    }

    /// Gives the tiles that are not full, the lowest first.
    ///
    /// # Errors
    /// Those of `on_tile`.
    pub fn partial_tiles(&self, on_tile: &mut OnTile<'_>) -> Result<(), Error> {
        for (number, level) in self.levels.iter().enumerate().filter(|(_, level)| !level.hashes.is_empty()) {
            let width = level.hashes.len() as u64;
            on_tile(Tile { level: number as u32, index: level.full_tiles, width }, &level.hashes)?;
        }
        Ok(())
    }

    /// The root over all leaves.
    pub fn root(&self) -> Hash {
        let peaks: Vec<Hash> = self.levels.iter().rev().flat_map(|level| peaks(&level.hashes)).collect();
        root(&peaks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::leaf;

    #[test]
    fn root_and_tiles_are_those_of_the_whole_tree() {
        let leaves: Vec<Hash> = (0..70_000_u32).map(|number| leaf(&number.to_be_bytes())).collect();
        let mut growth = Growth::default();
        let mut seen = Vec::new();

        for (number, hash) in leaves.iter().enumerate() {
            if [0, 1, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537].contains(&number) {
                assert_eq!(growth.root(), root(&peaks(&leaves[..number])), "{number}");
            }
            growth
                .push(*hash, &mut |tile, hashes| {
                    assert_eq!(hashes.len() as u64, tile.width);
                    seen.push(tile);
                    Ok(())
                })
                .unwrap();
        }
        growth
            .partial_tiles(&mut |tile, _| {
                seen.push(tile);
                Ok(())
            })
            .unwrap();

        assert_eq!(growth.root(), root(&peaks(&leaves)));
        // tlog-tiles: "a tree of size 70,000 will be represented by 273 full level 0 tiles, one partial level 0 tile of
        // width 112, one full level 1 tile, one partial level 1 tile of width 17, and one partial level 2 tile of width 1."
        let count =
            |level, width| seen.iter().filter(|tile| (tile.level, tile.width) == (level, width)).count();
        assert_eq!(
            [count(0, 256), count(0, 112), count(1, 256), count(1, 17), count(2, 1)],
            [273, 1, 1, 1, 1]
        );
        assert_eq!(seen.len(), 277);
        assert!(seen.iter().all(|tile| Tile::holding(tile.level, tile.index * 256, 70_000) == Some(*tile)));
    }
}
