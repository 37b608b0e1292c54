//! Hashes of leaves and nodes, as RFC 6962 has them, and the root of a tree that grows.

use ring::digest::{Context, SHA256};

/// SHA-256 of a leaf or node.
pub type Hash = [u8; 32];

/// The hash of one record: SHA-256 over a zero byte and its bytes.
pub fn leaf(record: &[u8]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(&[0]);
    context.update(record);
    finish(context)
}

/// The hash of two subtrees side by side: SHA-256 over a byte 1 and both.
pub fn node(left: &Hash, right: &Hash) -> Hash {
    let mut joined = [1; 65];
    joined[1..33].copy_from_slice(left);
    joined[33..].copy_from_slice(right);
    sha256(&joined)
}

/// The hash of an empty tree: SHA-256 of nothing.
pub fn empty() -> Hash {
    sha256(&[])
}

/// SHA-256 of bytes.
pub fn sha256(bytes: &[u8]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(bytes);
    finish(context)
}

/// Bytes in lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The root over a number of hashes that is a power of two.
///
/// # Panics
/// When `hashes` is empty or its length is no power of two.
pub fn perfect(hashes: &[Hash]) -> Hash {
    assert!(hashes.len().is_power_of_two(), "a perfect tree has a power of two leaves");
    if let [only] = hashes {
        return *only;
    }
    let mut level: Vec<Hash> = hashes.chunks_exact(2).map(|pair| node(&pair[0], &pair[1])).collect();
    while level.len() > 1 {
        for at in 0..level.len() / 2 {
            level[at] = node(&level[2 * at], &level[2 * at + 1]);
        }
        level.truncate(level.len() / 2);
    }
    level[0]
}

/// The roots of the perfect trees that `hashes` are made of, from the left and so from the largest.
pub fn peaks(mut hashes: &[Hash]) -> Vec<Hash> {
    let mut roots = Vec::new();
    while !hashes.is_empty() {
        let (tree, rest) = hashes.split_at(1 << hashes.len().ilog2());
        roots.push(perfect(tree));
        hashes = rest;
    }
    roots
}

/// The root over peaks, which stand from the left to the right; of no peaks that of the empty tree.
pub fn root(peaks: &[Hash]) -> Hash {
    let mut from_the_right = peaks.iter().rev().copied();
    match from_the_right.next() {
        None => empty(),
        Some(last) => from_the_right.fold(last, |right, left| node(&left, &right)),
    }
}

fn finish(context: Context) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    // The Merkle tree of certificate-transparency's own test vectors.
    #[test]
    fn the_published_roots_come_out() {
        let leaves: [&[u8]; 8] = [
            &[],
            &[0],
            &[0x10],
            &[0x20, 0x21],
            &[0x30, 0x31],
            &[0x40, 0x41, 0x42, 0x43],
            &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
            &[0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f],
        ];
        let roots = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let hashes: Vec<Hash> = leaves.iter().map(|record| leaf(record)).collect();

        for (size, expected) in roots.iter().enumerate() {
            assert_eq!(hex(&root(&peaks(&hashes[..size]))), *expected, "{size} leaves");
        }
    }
}
