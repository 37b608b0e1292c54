//! What sealing and verifying cost beside `sha256sum` of the file, and a proof for one record.
//!
//! `.ci/full evidence` measures a million records with the release build; without that a few show that it is measured at all.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::{Duration, Instant};

use crate::place::{Place, record};

/// The program may take so many times as long as `sha256sum`.
const MOST: u32 = 4;
/// A proof may take so long at any size.
const MOST_FOR_A_PROOF: Duration = Duration::from_millis(10);

#[test]
fn speed_of_sealing_verifying_and_proving() {
    let is_full = std::env::var_os("REX_EVIDENCE_SPEED").is_some();
    let sizes: &[u64] = if is_full { &[10_000, 100_000, 1_000_000] } else { &[2_000] };
    for &size in sizes {
        let place = Place::new();
        place.init();
        let mut file = BufWriter::new(File::create(place.path("audit.jsonl")).unwrap());
        (0..size).for_each(|number| file.write_all(record(number).as_bytes()).unwrap());
        file.into_inner().unwrap().sync_all().unwrap();

        let (digest, ran) = time(|| place.run("sha256sum", &["audit.jsonl"]).status);
        assert_eq!(ran, 0);
        let (sealing, ran) = time(|| place.seal().status);
        assert_eq!(ran, 0);
        let (again, ran) = time(|| place.seal().status);
        assert_eq!(ran, 0);
        let (verifying, ran) = time(|| place.verify(&[]).status);
        assert_eq!(ran, 0);
        let number = (size / 3).to_string();
        let prove = || place.run("rex-audit", &["prove", "log", &number, "--vkey-file", "log.vkey"]).status;
        let (proving, ran) = (0..5).map(|_| time(prove)).min().unwrap();
        assert_eq!(ran, 0);

        eprintln!(
            "{size} records: sha256sum {digest:?}, seal {sealing:?}, seal again {again:?}, verify {verifying:?}, prove {proving:?}"
        );
        if is_full && size == 1_000_000 {
            assert!(sealing < digest * MOST, "sealing took {sealing:?}");
            assert!(verifying < digest * MOST, "verifying took {verifying:?}");
        }
        assert!(!is_full || proving < MOST_FOR_A_PROOF, "a proof took {proving:?}");
    }
}

fn time(what: impl Fn() -> i32) -> (Duration, i32) {
    let began = Instant::now();
    let status = what();
    (began.elapsed(), status)
}
