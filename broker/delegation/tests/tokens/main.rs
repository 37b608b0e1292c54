//! Which tokens are believed, and which are not: a table of hostile ones, and what an independent library has made.

mod hostile;
mod peer;

use rex_delegation::{Delegation, Expected, Keys, Refused, verify};
use ring::signature::{Ed25519KeyPair, KeyPair};

/// A time at which the tokens of these tests hold.
const NOW: u64 = 1_796_000_000;

const HEADER: &str = r#"{"alg":"EdDSA","typ":"rex-delegation+jwt","kid":"k1"}"#;

/// Signs as an issuer does.
struct Issuer(Ed25519KeyPair);

impl Issuer {
    fn new(seed: u8) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("32 bytes are a seed"))
    }

    fn keys(&self, id: &str) -> Keys {
        let public = encode(self.0.public_key().as_ref());
        Keys::parse(&format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"{id}","x":"{public}"}}]}}"#))
            .expect("it is a key")
    }

    fn token(&self, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", encode(header.as_bytes()), encode(payload.as_bytes()));
        let signature = self.0.sign(signed.as_bytes());
        format!("{signed}.{}", encode(signature.as_ref()))
    }
}

/// Base64url, written apart from the one that is tested.
fn encode(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: Vec<bool> =
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1)).collect();
    bits.chunks(6)
        .map(|group| {
            let value = (0..6).fold(0, |value, at| value << 1 | usize::from(group.get(at) == Some(&true)));
            char::from(LETTERS[value])
        })
        .collect()
}

fn believed(token: &str, keys: &Keys) -> Result<Delegation, Refused> {
    verify(
        token,
        &Expected {
            issuer: "https://idp.example",
            audience: "rex-broker:host-17",
            keys,
            now_seconds: NOW,
            uid: 1000,
        },
    )
}
