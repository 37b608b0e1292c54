//! Delegation tokens: no bytes are believed that the issuer has not signed, and what is read is bounded.

use std::sync::OnceLock;

use rex_delegation::{Delegation, Expected, Keys, verify};
use serde_json::Value;

/// Takes the bytes for a token, for the claims of one, and for keys.
pub fn delegation_tokens(bytes: &[u8]) {
    let Issued { keys, tokens } = issued();
    let text = String::from_utf8_lossy(bytes);
    for uid in [0, 1000] {
        let expected = Expected {
            issuer: "https://idp.example",
            audience: "rex-broker:host-17",
            keys,
            now_seconds: 1_796_000_000,
            uid,
        };
        if let Ok(delegation) = verify(&text, &expected) {
            let own = text.strip_suffix('\n').unwrap_or(&text);
            assert!(tokens.iter().any(|token| token == own), "nobody has signed {text:?}");
            assert!(delegation.uid.is_none_or(|its| its == uid) && delegation.expires > expected.now_seconds);
        }
    }
    if let Ok(delegation) = Delegation::read(bytes) {
        let Delegation { subject, actors, purpose, ticket, groups, tags, id, .. } = &delegation;
        let names = [subject, id].into_iter().chain(purpose).chain(ticket).chain(groups);
        let names =
            names.chain(actors.iter().flat_map(|actor| [&actor.subject].into_iter().chain(&actor.model)));
        for name in names.chain(tags.iter().flat_map(|(name, value)| [name, value])) {
            assert!((1..=255).contains(&name.len()) && !name.contains(char::is_control), "{name:?}");
        }
        assert!(actors.len() <= 8 && groups.len() <= 64 && tags.len() <= 64);
        assert_eq!(Delegation::read(bytes), Ok(delegation.clone()));
        let restricted = Delegation { script_sha256: Some("0".repeat(64)), ..delegation };
        assert!(restricted.covers(&"1".repeat(64)).is_err());
    }
    drop(Keys::parse(&text));
}

struct Issued {
    keys: Keys,
    tokens: Vec<String>,
}

/// Everything that the issuer has ever signed.
fn issued() -> &'static Issued {
    static ISSUED: OnceLock<Issued> = OnceLock::new();
    ISSUED.get_or_init(|| {
        let made: Value = serde_json::from_str(MADE).expect("it is JSON");
        let tokens = made["tokens"].as_object().expect("there are tokens").values();
        Issued {
            keys: Keys::parse(&made["jwks"].to_string()).expect("there is a key"),
            tokens: tokens.filter_map(|made| made["token"].as_str().map(str::to_owned)).collect(),
        }
    })
}

const MADE: &str = include_str!("../../../broker/delegation/tests/peer/tokens.json");
