//! Where tiles and bundles of entries lie, how wide they are, and what is in them: c2sp.org/tlog-tiles.

use crate::hash::Hash;

/// Hashes in a full tile, and entries in a full bundle.
pub const FULL: u64 = 256;

/// The longest entry that a bundle holds.
pub const MOST_ENTRY_BYTES: usize = 65_535;

/// One tile: the hashes of 2^(8 × `level`) leaves each, from the `index * 256`th.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tile {
    /// 0 for the hashes of leaves.
    pub level: u32,
    /// Counts the tiles of a level from 0.
    pub index: u64,
    /// How many hashes it holds, 1 to 256.
    pub width: u64,
}

impl Tile {
    /// The tile of a tree of `size` leaves that holds hash number `hash` of `level`; `None` when the tree has no such hash.
    pub fn holding(level: u32, hash: u64, size: u64) -> Option<Tile> {
        let hashes = size.checked_shr(8 * level).unwrap_or(0);
        let index = hash / FULL;
        (hash < hashes).then(|| Tile { level, index, width: FULL.min(hashes - index * FULL) })
    }

    /// Its path below the log's directory.
    pub fn path(self) -> String {
        path(&self.level.to_string(), self.index, self.width)
    }

    /// The path of the bundle with the entries of a tile of level 0.
    pub fn entries_path(self) -> String {
        path("entries", self.index, self.width)
    }
}

/// `tile/LEVEL/x001/234`, and `.p/WIDTH` behind it when it is not full.
fn path(level: &str, index: u64, width: u64) -> String {
    let mut groups = vec![format!("{:03}", index % 1000)];
    let mut rest = index / 1000;
    while rest > 0 {
        groups.push(format!("x{:03}", rest % 1000));
        rest /= 1000;
    }
    groups.reverse();
    let partial = if width < FULL { format!(".p/{width}") } else { String::new() };
    format!("tile/{level}/{}{partial}", groups.join("/"))
}

/// The hashes of a tile as its file has them.
pub fn bytes(hashes: &[Hash]) -> &[u8] {
    hashes.as_flattened()
}

/// The hashes out of the file of a tile; `None` unless there are `width`.
pub fn hashes(bytes: &[u8], width: u64) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    (rest.is_empty() && hashes.len() as u64 == width).then(|| hashes.to_vec())
}

/// Puts an entry behind those of a bundle: two bytes of length, then the entry.
///
/// # Panics
/// When the entry is longer than [`MOST_ENTRY_BYTES`].
pub fn append_entry(bundle: &mut Vec<u8>, entry: &[u8]) {
    let length = u16::try_from(entry.len()).expect("who makes an entry bounds it");
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
}

/// The entries of a bundle; `None` unless there are `width`, and nothing else.
pub fn entries(mut bundle: &[u8], width: u64) -> Option<Vec<&[u8]>> {
    let mut entries = Vec::new();
    while let Some((length, rest)) = bundle.split_first_chunk::<2>() {
        let (entry, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        entries.push(entry);
        bundle = rest;
    }
    (bundle.is_empty() && entries.len() as u64 == width).then_some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    // tlog-tiles: "For example, level 0 tile 1234067 would be encoded as x001/x234/067."
    #[test]
    fn paths_are_those_of_the_specification() {
        let tile = |level, index, width| Tile { level, index, width };

        assert_eq!(tile(0, 1_234_067, 256).path(), "tile/0/x001/x234/067");
        assert_eq!(tile(1, 0, 1).path(), "tile/1/000.p/1");
        assert_eq!(tile(0, 999, 256).entries_path(), "tile/entries/999");
        assert_eq!(tile(0, 1000, 255).entries_path(), "tile/entries/x001/000.p/255");
    }

    // tlog-tiles: "a tree of size 256 will consist of two tiles: tile/0/000, and tile/1/000.p/1"; of 70,000 the widths are given.
    #[test]
    fn widths_are_those_of_the_specification() {
        let width = |level, hash, size| Tile::holding(level, hash, size).map(|tile| tile.width);

        assert_eq!(width(0, 255, 256), Some(256));
        assert_eq!(width(1, 0, 256), Some(1));
        assert_eq!(width(1, 0, 255), None);
        assert_eq!(width(0, 69_999, 70_000), Some(112));
        assert_eq!(width(1, 272, 70_000), Some(17));
        assert_eq!(width(2, 0, 70_000), Some(1));
        assert_eq!(width(9, 0, u64::MAX), None);
    }

    #[test]
    fn a_bundle_with_anything_more_or_less_is_refused() {
        let mut bundle = Vec::new();
        append_entry(&mut bundle, b"one");
        append_entry(&mut bundle, b"");

        assert_eq!(entries(&bundle, 2), Some(vec![b"one".as_slice(), b""]));
        assert_eq!(entries(&bundle, 1), None);
        assert_eq!(entries(&bundle, 3), None);
        for cut in 1..bundle.len() {
            assert_eq!(entries(&bundle[..cut], 2), None);
        }
        bundle.push(0);
        assert_eq!(entries(&bundle, 2), None);
    }
}
