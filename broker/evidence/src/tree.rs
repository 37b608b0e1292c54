//! Proofs that a record is in a tree, and that a tree only grew: RFC 6962, section 2.1, and RFC 9162 for checking them.

use crate::error::Error;
use crate::hash::{Hash, node};

/// Gives the roots of perfect subtrees, wherever they are kept.
pub trait Subtrees {
    /// The root over the `2^height` leaves that begin at leaf `index * 2^height`.
    ///
    /// # Errors
    /// When it cannot be read.
    fn subtree(&mut self, height: u32, index: u64) -> Result<Hash, Error>;
}

/// The hashes that lead from leaf `index` to the root of the tree with `size` leaves, from the leaf upwards.
///
/// # Errors
/// When `index` is not below `size`, or a hash cannot be read.
pub fn prove_inclusion(tree: &mut dyn Subtrees, index: u64, size: u64) -> Result<Vec<Hash>, Error> {
    if index >= size {
        return Err(Error::refused(format!("leaf {index} is not in a tree of {size}")));
    }
    let (mut start, mut end) = (0, size);
    let mut from_the_root = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            from_the_root.push(range(tree, middle, end)?);
            end = middle;
        } else {
            from_the_root.push(range(tree, start, middle)?);
            start = middle;
        }
    }
    from_the_root.reverse();
    Ok(from_the_root)
}

/// The hashes that show that the tree with `new` leaves begins with the one with `old`. Empty when they are the same, or
/// the old one is empty.
///
/// # Errors
/// When `old` is more than `new`, or a hash cannot be read.
pub fn prove_consistency(tree: &mut dyn Subtrees, old: u64, new: u64) -> Result<Vec<Hash>, Error> {
    if old > new {
        return Err(Error::refused(format!("a tree of {new} does not begin with one of {old}")));
    }
    if old == 0 || old == new {
        return Ok(Vec::new());
    }
    let (mut start, mut end) = (0, new);
    let mut from_the_root = Vec::new();
    while end != old {
        let middle = start + split(end - start);
        if old <= middle {
            from_the_root.push(range(tree, middle, end)?);
            end = middle;
        } else {
            from_the_root.push(range(tree, start, middle)?);
            start = middle;
        }
    }
    if start != 0 {
        from_the_root.push(range(tree, start, end)?);
    }
    from_the_root.reverse();
    Ok(from_the_root)
}

/// The root that a proof leads to from a leaf's hash; `None` when it has too many hashes or too few.
pub fn root_by_inclusion(leaf: Hash, index: u64, size: u64, proof: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let (mut at, mut last) = (index, size - 1);
    let mut root = leaf;
    for hash in proof {
        if last == 0 {
            return None;
        }
        if at & 1 == 1 || at == last {
            root = node(hash, &root);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            root = node(&root, hash);
        }
        at >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(root)
}

/// Whether the tree with root `new_root` begins with the one with root `old_root`, as a proof says.
pub fn is_consistent(old: u64, old_root: &Hash, new: u64, new_root: &Hash, proof: &[Hash]) -> bool {
    if old > new {
        return false;
    }
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    if old == 0 {
        return proof.is_empty() && *old_root == crate::hash::empty();
    }
    let mut hashes = proof.iter();
    let (mut at, mut last) = (old - 1, new - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    let first = if at == 0 { Some(old_root) } else { hashes.next() };
    let Some(&first) = first else { return false };
    let (mut of_old, mut of_new) = (first, first);
    for hash in hashes {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            of_old = node(hash, &of_old);
            of_new = node(hash, &of_new);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            of_new = node(&of_new, hash);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && of_old == *old_root && of_new == *new_root
}

/// The root over the leaves from `start` to before `end`, where `start` begins a perfect tree that is at least that large.
///
/// # Errors
/// When a hash cannot be read.
pub fn range(tree: &mut dyn Subtrees, start: u64, end: u64) -> Result<Hash, Error> {
    let mut peaks = Vec::new();
    let mut at = start;
    while at < end {
        let height = (end - at).ilog2();
        peaks.push(tree.subtree(height, at >> height)?);
        at += 1 << height;
    }
    Ok(crate::hash::root(&peaks))
}

/// The largest power of two below `size`, which is at least two.
fn split(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::{leaf, peaks, perfect, root};

    struct Leaves(Vec<Hash>);

    impl Subtrees for Leaves {
        fn subtree(&mut self, height: u32, index: u64) -> Result<Hash, Error> {
            let start = (index << height) as usize;
            Ok(perfect(&self.0[start..start + (1 << height)]))
        }
    }

    fn leaves(count: u8) -> Leaves {
        Leaves((0..count).map(|number| leaf(&[number])).collect())
    }

    fn root_of(tree: &Leaves, size: u64) -> Hash {
        root(&peaks(&tree.0[..size as usize]))
    }

    #[test]
    fn every_leaf_of_every_tree_is_proved_and_no_other() {
        let mut tree = leaves(70);

        for size in 1..=70 {
            for index in 0..size {
                let proof = prove_inclusion(&mut tree, index, size).unwrap();
                let hash = tree.0[index as usize];
                assert_eq!(root_by_inclusion(hash, index, size, &proof), Some(root_of(&tree, size)));

                let other = tree.0[((index + 1) % 70) as usize];
                assert_ne!(root_by_inclusion(other, index, size, &proof), Some(root_of(&tree, size)));
                let mut longer = proof.clone();
                longer.push(hash);
                assert_eq!(root_by_inclusion(hash, index, size, &longer), None);
                if let Some((_, shorter)) = proof.split_last() {
                    assert_eq!(root_by_inclusion(hash, index, size, shorter), None);
                }
            }
        }
    }

    #[test]
    fn every_tree_is_proved_to_begin_with_each_smaller_one_and_with_no_other() {
        let mut tree = leaves(70);

        for new in 0..=70 {
            for old in 0..=new {
                let proof = prove_consistency(&mut tree, old, new).unwrap();
                let (old_root, new_root) = (root_of(&tree, old), root_of(&tree, new));
                assert!(is_consistent(old, &old_root, new, &new_root, &proof), "{old} to {new}");
                let other = leaf(b"another");
                assert!(!is_consistent(old, &other, new, &new_root, &proof), "{old} to {new}");
                assert!(!is_consistent(old, &old_root, new, &other, &proof) || old == 0, "{old} to {new}");
                for at in 0..proof.len() {
                    let mut changed = proof.clone();
                    changed[at] = other;
                    assert!(!is_consistent(old, &old_root, new, &new_root, &changed), "{old} to {new}");
                    changed.remove(at);
                    assert!(!is_consistent(old, &old_root, new, &new_root, &changed), "{old} to {new}");
                }
            }
        }
    }
}
