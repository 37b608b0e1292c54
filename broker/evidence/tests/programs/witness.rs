//! Does a witness make a cut log and a fork visible to somebody who has kept nothing?

use std::collections::HashMap;
use std::fs;

use rex_evidence::checkpoint::Checkpoint;
use rex_evidence::cosignature::cosign;
use rex_evidence::hash::{Hash, empty};
use rex_evidence::key::{Kind, SigningKey, VerifierKey};
use rex_evidence::note::Note;
use rex_evidence::{base64, tree};

use crate::place::Place;

/// What c2sp.org/tlog-witness says of `add-checkpoint`, without HTTP: the status, and the line when it is 200.
struct Witness {
    key: SigningKey,
    log: VerifierKey,
    known: HashMap<String, (u64, Hash)>,
}

impl Witness {
    fn add_checkpoint(&mut self, body: &str) -> (u16, String) {
        let Some((head, note)) = body.split_once("\n\n") else { return (400, String::new()) };
        let mut lines = head.lines();
        let old = lines.next().and_then(|line| line.strip_prefix("old ")?.parse().ok());
        let Some(old): Option<u64> = old else { return (400, String::new()) };
        let proof: Option<Vec<Hash>> = lines.map(|line| base64::decode(line)?.try_into().ok()).collect();
        let (Some(proof), Ok(note)) = (proof, Note::parse(note.as_bytes())) else {
            return (400, String::new());
        };
        let Ok(new) = Checkpoint::verified(&note, &self.log) else { return (403, String::new()) };
        let known = self.known.get(&new.origin).copied().unwrap_or((0, empty()));
        if old > new.size {
            return (400, String::new());
        }
        if known.0 != old {
            return (409, known.0.to_string());
        }
        if !tree::is_consistent(old, &known.1, new.size, &new.root, &proof) {
            return (422, String::new());
        }
        self.known.insert(new.origin.clone(), (new.size, new.root));
        (200, format!("{}\n", cosign(&note, &self.key, 1_796_000_000).unwrap()))
    }
}

fn request(place: &Place, old: &str) -> String {
    let ran = place.run("rex-audit", &["request", "log", old, "--vkey-file", "log.vkey"]);
    assert_eq!(ran.status, 0, "{}", ran.errors);
    ran.output
}

fn taken(place: &Place, witness: &str, line: &str) -> i32 {
    fs::write(place.path("answer"), line).unwrap();
    let arguments = ["witnessed", "log", "answer", "--vkey-file", "log.vkey", "--witness", witness];
    place.run("rex-audit", &arguments).status
}

#[test]
fn t12_a_witness_signs_a_log_that_goes_on_and_no_cut_or_forked_one() {
    let place = Place::new();
    place.init();
    let key = fs::read_to_string(place.path("log.vkey")).unwrap();
    let mut witness = Witness {
        key: SigningKey::generate("witness.example", Kind::Witness).unwrap(),
        log: VerifierKey::parse(&key).unwrap(),
        known: HashMap::new(),
    };
    let public = witness.key.verifier().to_string();
    place.sealed(300);
    let (status, line) = witness.add_checkpoint(&request(&place, "0"));
    assert_eq!((status, taken(&place, &public, &line)), (200, 0));
    assert_eq!(place.verify(&["--witness", &public]).status, 0);
    let of_300 = place.copy();
    place.sealed(600);

    // Not witnessed yet, and the answer to another checkpoint is none to this one.
    assert_eq!(place.verify(&["--witness", &public]).status, 1);
    assert_eq!(taken(&place, &public, &line), 1);
    let (status, line) = witness.add_checkpoint(&request(&place, "300"));
    assert_eq!((status, taken(&place, &public, &line)), (200, 0));
    assert_eq!(place.verify(&["--witness", &public]).status, 0);
    // Sealing when there is nothing new leaves it.
    assert_eq!(place.seal().status, 0);
    assert_eq!(place.verify(&["--witness", &public]).status, 0);

    // Whoever cuts the log and seals other records gets no signature for them, whatever they say.
    of_300.records(300);
    let text = fs::read_to_string(of_300.path("audit.jsonl")).unwrap();
    fs::write(of_300.path("audit.jsonl"), text + &"{\"forged\":1}\n".repeat(400)).unwrap();
    assert_eq!(of_300.seal().status, 0);
    assert_eq!(of_300.verify(&[]).status, 0);
    assert_eq!(witness.add_checkpoint(&request(&of_300, "300")), (409, "600".to_owned()));
    assert_eq!(witness.add_checkpoint(&request(&of_300, "600")).0, 422);
    assert_eq!(of_300.verify(&["--witness", &public]).status, 1);

    // What it has signed last is what others hold a log against: there the old, signed checkpoint is found to be cut.
    let latest = place.path("log/checkpoint").display().to_string();
    let cut = of_300.verify(&["--older", &latest]);
    assert_eq!(cut.status, 1);
    assert!(cut.errors.contains("rewritten, or forked"), "{}", cut.errors);
}
