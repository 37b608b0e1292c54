//! Tokens that PyJWT has made are read as what was put into them, byte for byte the ones that are kept.

use std::path::PathBuf;
use std::process::Command;

use rex_delegation::Keys;
use serde_json::Value;

use super::believed;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/peer")
}

fn kept() -> Value {
    let text = std::fs::read_to_string(folder().join("tokens.json")).expect("they are kept");
    serde_json::from_str(&text).expect("it is JSON")
}

#[test]
fn t1_tokens_of_another_library_say_what_was_put_into_them() {
    let kept = kept();
    let keys = Keys::parse(&kept["jwks"].to_string()).unwrap();
    let tokens = kept["tokens"].as_object().unwrap();
    let claims_of = |name: &str| &tokens[name]["claims"];
    let of = |name: &str| believed(tokens[name]["token"].as_str().unwrap(), &keys);

    let full = of("full").unwrap();
    assert_eq!(full.subject, claims_of("full")["sub"].as_str().unwrap());
    assert_eq!(full.actors[0].subject, claims_of("full")["act"]["sub"].as_str().unwrap());
    assert_eq!(full.purpose.as_deref(), claims_of("full")["purpose"].as_str());
    assert_eq!(full.ticket.as_deref(), claims_of("full")["ticket"].as_str());
    assert_eq!(full.uid.map(u64::from), claims_of("full")["cnf"]["uid"].as_u64());
    assert_eq!(Some(full.expires), claims_of("full")["exp"].as_u64());
    let least = of("least").unwrap();
    assert_eq!((least.actors.len(), least.purpose, least.uid), (0, None, None));
    for name in
        ["none", "hs256_with_the_public_key", "es256", "rs256", "other_key", "plain_jwt", "detached_crit"]
    {
        assert!(of(name).is_err(), "{name}");
    }
}

/// `.ci/full evidence` installs the library and says where it is; without that it is not asked.
#[test]
fn t1_another_library_still_makes_the_tokens_that_are_kept() {
    let Ok(python) = std::env::var("REX_DELEGATION_PYTHON") else {
        eprintln!("SKIPPED: PyJWT, because .ci/full evidence has not said where it is");
        return;
    };
    let made = Command::new(python).arg(folder().join("make_tokens.py")).output().expect("there is Python");

    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let made: Value = serde_json::from_slice(&made.stdout).expect("it writes JSON");
    assert_eq!(made, kept());
}
