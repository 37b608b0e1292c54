//! Is everything that is read met without a panic, whatever it is?

use rex_evidence::checkpoint::Checkpoint;
use rex_evidence::key::{Kind, SigningKey, VerifierKey};
use rex_evidence::note::{Note, Signature};
use rex_evidence::proof::Proof;
use rex_evidence::{base64, records, tile, tree};

/// Marsaglia's xorshift: the same numbers in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.roll() % end as u64) as usize
    }

    /// Random bytes, or a valid text with some bytes exchanged, removed, doubled.
    fn bytes(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        if self.below(4) == 0 {
            let length = self.below(300);
            return (0..length).map(|_| self.roll() as u8).collect();
        }
        let mut bytes = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len().max(1)).min(bytes.len());
            match self.below(5) {
                0 if at < bytes.len() => bytes[at] = self.roll() as u8,
                1 if at < bytes.len() => drop(bytes.remove(at)),
                2 => bytes.insert(at, *b"\n +=\0-0A\xe2".get(self.below(9)).unwrap()),
                3 => bytes.truncate(at),
                _ => {
                    let (start, end) = (self.below(bytes.len() + 1), self.below(bytes.len() + 1));
                    let piece = bytes[start.min(end)..start.max(end)].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
        bytes
    }
}

#[test]
fn no_bytes_make_a_parser_panic_and_what_is_read_is_written_the_same() {
    let key = SigningKey::from_seed("example.org/audit", Kind::Log, [3; 32]).unwrap();
    let checkpoint =
        Checkpoint { origin: "example.org/audit".to_owned(), size: 1, root: rex_evidence::hash::leaf(b"r") };
    let note = checkpoint.sign(&key);
    let proof =
        Proof { record: Some(b"r".to_vec()), index: 0, hashes: vec![[5; 32]], checkpoint: note.clone() };
    let mut bundle = Vec::new();
    tile::append_entry(&mut bundle, b"record");
    tile::append_entry(&mut bundle, b"");
    let seeds: Vec<Vec<u8>> = vec![
        note.to_string().into_bytes(),
        proof.to_string().into_bytes(),
        key.verifier().to_string().into_bytes(),
        key.secret_text().into_bytes(),
        checkpoint.text().into_bytes(),
        bundle,
        records::entry(&[b'x'; 60_001]).into_owned(),
    ];
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut read = 0;

    for _ in 0..60_000 {
        let bytes = dice.bytes(&seeds);
        if let Ok(note) = Note::parse(&bytes) {
            assert_eq!(note.to_string().as_bytes(), bytes);
            read += 1;
        }
        if let Ok(proof) = Proof::parse(&bytes) {
            assert_eq!(proof.to_string().as_bytes(), bytes);
            let _ = proof.check(b"r", key.verifier());
            read += 1;
        }
        let width = dice.roll() % 4;
        if let Some(entries) = tile::entries(&bytes, width) {
            let mut again = Vec::new();
            entries.iter().for_each(|entry| tile::append_entry(&mut again, entry));
            assert_eq!(again, bytes);
            read += 1;
        }
        let _ = tile::hashes(&bytes, width);
        let _ = records::stands_for(&bytes);
        let Ok(text) = std::str::from_utf8(&bytes) else { continue };
        if let Ok(key) = VerifierKey::parse(text) {
            assert_eq!(key.to_string(), text.trim_end_matches('\n'));
            read += 1;
        }
        let _ = SigningKey::parse(text);
        let _ = Checkpoint::parse(text);
        let _ = Signature::parse(text);
        if let Some(decoded) = base64::decode(text) {
            assert_eq!(base64::encode(&decoded), text);
        }
    }

    assert!(read > 500, "only {read} of the texts were of any use");
}

#[test]
fn no_numbers_make_a_proof_panic_or_hold_by_chance() {
    let mut dice = Dice(77);
    for _ in 0..20_000 {
        let hashes: Vec<[u8; 32]> = (0..dice.below(70)).map(|_| [dice.roll() as u8; 32]).collect();
        let (a, b) = (dice.roll() >> dice.below(64), dice.roll() >> dice.below(64));
        assert_ne!(tree::root_by_inclusion([1; 32], a, b, &hashes), Some([2; 32]));
        assert!(!tree::is_consistent(a, &[1; 32], b, &[2; 32], &hashes));
    }
    for edge in [0, 1, 2, u64::MAX - 1, u64::MAX] {
        for other in [0, 1, 2, 1 << 63, u64::MAX - 1, u64::MAX] {
            assert_ne!(tree::root_by_inclusion([1; 32], edge, other, &[[3; 32]; 64]), Some([2; 32]));
            assert!(!tree::is_consistent(edge, &[1; 32], other, &[2; 32], &[[3; 32]; 64]));
        }
    }
}
