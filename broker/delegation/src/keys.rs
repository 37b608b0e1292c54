//! The public keys of an issuer: a JWK Set (RFC 7517) of Ed25519 keys (RFC 8037).

use std::{error, fmt};

use ring::signature::{ED25519, UnparsedPublicKey};

use crate::base64url;
use crate::json::Json;

/// The public keys of an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys(Vec<Key>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    id: Option<String>,
    public: [u8; PUBLIC_BYTES],
}

/// What is wrong with a key file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFault(String);

impl fmt::Display for KeyFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl error::Error for KeyFault {}

impl Keys {
    /// Reads `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"…","x":"…"}]}`.
    ///
    /// # Errors
    /// When it is anything else: a key that is not understood may be the one that somebody counts on, and a private key does
    /// not belong here.
    pub fn parse(text: &str) -> Result<Self, KeyFault> {
        let fault = |why: &str| KeyFault(why.to_owned());
        let set = Json::read(text.as_bytes()).map_err(KeyFault)?;
        let list = set
            .get("keys")
            .and_then(Json::list)
            .ok_or_else(|| fault("it is no JWK Set: it has no list `keys`"))?;
        let mut keys: Vec<Key> = Vec::new();
        for (number, jwk) in list.iter().enumerate() {
            let key = Key::read(jwk).map_err(|why| KeyFault(format!("key {}: {why}", number + 1)))?;
            if keys.iter().any(|other| other.public == key.public || (key.id.is_some() && other.id == key.id))
            {
                return Err(KeyFault(format!("key {}: it is there already", number + 1)));
            }
            keys.push(key);
        }
        match keys.len() {
            0 => Err(fault("there is no key in it")),
            1..=MAX_KEYS => Ok(Self(keys)),
            _ => Err(KeyFault(format!("there are more than {MAX_KEYS} keys in it"))),
        }
    }

    /// Whether there is a key of this id.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.0.iter().any(|key| key.id.as_deref() == Some(id))
    }

    /// Whether one of the keys, or only the one of this id, has signed the message.
    pub(crate) fn have_signed(&self, id: Option<&str>, message: &[u8], signature: &[u8]) -> bool {
        let candidates = self.0.iter().filter(|key| id.is_none() || key.id.as_deref() == id);
        candidates
            .into_iter()
            .any(|key| UnparsedPublicKey::new(&ED25519, key.public).verify(message, signature).is_ok())
    }
}

impl Key {
    fn read(jwk: &Json) -> Result<Self, String> {
        let members = jwk.members().ok_or("it is no object")?;
        let text = |name: &str| match jwk.get(name) {
            None => Ok(None),
            Some(value) => value.text().map(Some).ok_or_else(|| format!("`{name}` is no text")),
        };
        if members.iter().any(|(name, _)| name == "d") {
            return Err("it is a private key, which belongs to the issuer alone".to_owned());
        }
        if text("kty")? != Some("OKP") || text("crv")? != Some("Ed25519") {
            return Err(
                "only keys of Ed25519 are known: `kty` is \"OKP\" and `crv` is \"Ed25519\"".to_owned()
            );
        }
        if text("use")?.is_some_and(|use_| use_ != "sig") {
            return Err("its `use` is not \"sig\"".to_owned());
        }
        if text("alg")?.is_some_and(|alg| !matches!(alg, "EdDSA" | "Ed25519")) {
            return Err("its `alg` is not \"EdDSA\"".to_owned());
        }
        let public = text("x")?.and_then(base64url::decode).and_then(|bytes| bytes.try_into().ok());
        let public = public.ok_or("its `x` is not 32 bytes in base64url")?;
        Ok(Self { id: text("kid")?.map(str::to_owned), public })
    }
}

const PUBLIC_BYTES: usize = 32;
/// While one takes the place of another there are two; each is tried when a token names none.
const MAX_KEYS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 8037, appendix A.2.
    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn set(key: &str) -> Result<Keys, KeyFault> {
        Keys::parse(&format!("{{\"keys\":[{key}]}}"))
    }

    #[test]
    fn the_key_of_the_standard_has_signed_its_example() {
        let keys = set(&format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}"}}"#)).unwrap();
        let signature = base64url::decode(
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        );

        let message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        assert!(keys.have_signed(None, message, &signature.unwrap()));
    }

    #[test]
    fn what_is_no_public_key_of_ed25519_is_refused() {
        for (key, why) in [
            (r#"{"kty":"OKP","crv":"Ed25519"}"#.to_owned(), "32 bytes"),
            (format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}","d":"{X}"}}"#), "private"),
            (format!(r#"{{"kty":"OKP","crv":"Ed448","x":"{X}"}}"#), "Ed25519"),
            (format!(r#"{{"kty":"oct","k":"{X}"}}"#), "Ed25519"),
            (format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}="}}"#), "32 bytes"),
            (format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}","use":"enc"}}"#), "use"),
            (format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}","alg":"HS256"}}"#), "alg"),
            (format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}","x":"{X}"}}"#), "twice"),
            (format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}","kid":1}}"#), "kid"),
            (
                format!(
                    r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}"}},{{"kty":"OKP","crv":"Ed25519","x":"{X}"}}"#
                ),
                "already",
            ),
            (String::new(), "no key"),
            ("1".to_owned(), "no object"),
        ] {
            let fault = set(&key).unwrap_err().to_string();
            assert!(fault.contains(why), "{key}: {fault}");
        }
        assert!(Keys::parse("[]").unwrap_err().to_string().contains("no list"));
        assert!(Keys::parse("").is_err());
    }
}
