//! Keys as signed notes spell them: c2sp.org/signed-note, with Ed25519 for logs and for witnesses.

use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::base64;
use crate::error::Error;
use crate::hash::{hex, sha256};

/// What a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Notes, as a log does.
    Log = 1,
    /// Cosignatures with a time, as a witness does.
    Witness = 4,
}

/// A public key with the name of its holder: what a verifier has to be given, and by another way than the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    kind: Kind,
    public: [u8; 32],
}

/// A private key of a log.
pub struct SigningKey {
    seed: [u8; 32],
    pair: Ed25519KeyPair,
    verifier: VerifierKey,
}

impl VerifierKey {
    /// A key that has been named, and found to be one that cannot be forged for.
    ///
    /// # Errors
    /// When the name cannot stand in a note, or the key is a point of small order or has another spelling.
    pub fn new(name: &str, kind: Kind, public: [u8; 32]) -> Result<VerifierKey, Error> {
        check_name(name)?;
        if is_weak(&public) {
            return Err(Error::refused(format!("the public key of {name} is one that anybody can sign for")));
        }
        Ok(VerifierKey { name: name.to_owned(), kind, public })
    }

    /// Reads `NAME+ID+KEY`. A line feed at the end is left out.
    ///
    /// # Errors
    /// When it is anything else, or the id is not that of name and key.
    pub fn parse(text: &str) -> Result<VerifierKey, Error> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let wrong = |why: &str| Error::refused(format!("{text:?} is no verifier key: {why}"));
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong("it has the form NAME+ID+KEY"));
        };
        let key = base64::decode(key).ok_or_else(|| wrong("the key is not in base64"))?;
        let (kind, public) = match key.split_first() {
            Some((1, public)) => (Kind::Log, public),
            Some((4, public)) => (Kind::Witness, public),
            _ => return Err(wrong("only Ed25519 is known, for logs (01) and witnesses (04)")),
        };
        let public = public.try_into().map_err(|_| wrong("a key of Ed25519 has 32 bytes"))?;
        let key = VerifierKey::new(name, kind, public)?;
        if hex(&key.id()) != id {
            return Err(wrong("the id is not that of name and key"));
        }
        Ok(key)
    }

    /// The name of the holder.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the key signs.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The first bytes of the digest of name and key, by which a signature says whose it is.
    pub fn id(&self) -> [u8; 4] {
        let mut text = self.name.as_bytes().to_vec();
        text.extend([b'\n', self.kind as u8]);
        text.extend(self.public);
        let [a, b, c, d, ..] = sha256(&text);
        [a, b, c, d]
    }

    /// Whether `signature` is this key's for `message`.
    pub fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.public).verify(message, signature).is_ok()
    }
}

/// `NAME+ID+KEY`.
impl std::fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}+{}+{}", self.name, hex(&self.id()), typed(self.kind, &self.public))
    }
}

impl SigningKey {
    /// A new key, out of the kernel's randomness.
    ///
    /// # Errors
    /// When the name cannot stand in a note, or the kernel gives no randomness.
    pub fn generate(name: &str, kind: Kind) -> Result<SigningKey, Error> {
        let mut seed = [0; 32];
        let no_randomness = |_| Error::refused("the kernel gives no randomness for a key");
        SystemRandom::new().fill(&mut seed).map_err(no_randomness)?;
        SigningKey::from_seed(name, kind, seed)
    }

    /// The key that a seed of 32 random bytes makes.
    ///
    /// # Errors
    /// When the name cannot stand in a note.
    pub fn from_seed(name: &str, kind: Kind, seed: [u8; 32]) -> Result<SigningKey, Error> {
        let no_key = |_| Error::refused("these bytes are no seed of a key");
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(no_key)?;
        let public = pair.public_key().as_ref().try_into().expect("a key of Ed25519 has 32 bytes");
        Ok(SigningKey { seed, pair, verifier: VerifierKey::new(name, kind, public)? })
    }

    /// Reads `PRIVATE+KEY+NAME+ID+SEED`. No error shows any of it.
    ///
    /// # Errors
    /// When it is anything else, or the id is not that of name and key.
    pub fn parse(text: &str) -> Result<SigningKey, Error> {
        let wrong = |why: &str| Error::refused(format!("this is no signing key: {why}"));
        let text = text.strip_suffix('\n').unwrap_or(text);
        let rest = text.strip_prefix(PRIVATE).ok_or_else(|| wrong("it begins with PRIVATE+KEY+"))?;
        let mut parts = rest.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong("it has the form PRIVATE+KEY+NAME+ID+SEED"));
        };
        let key = base64::decode(key).ok_or_else(|| wrong("the seed is not in base64"))?;
        let (kind, seed) = match key.split_first() {
            Some((1, seed)) => (Kind::Log, seed),
            Some((4, seed)) => (Kind::Witness, seed),
            _ => return Err(wrong("only Ed25519 is known, for logs (01) and witnesses (04)")),
        };
        let seed = seed.try_into().map_err(|_| wrong("a seed has 32 bytes"))?;
        let key = SigningKey::from_seed(name, kind, seed)?;
        if hex(&key.verifier.id()) != id {
            return Err(wrong("the id is not that of name and key"));
        }
        Ok(key)
    }

    /// The text that [`SigningKey::parse`] reads, with a line feed. It is a secret.
    pub fn secret_text(&self) -> String {
        let VerifierKey { name, kind, .. } = &self.verifier;
        format!("{PRIVATE}{name}+{}+{}\n", hex(&self.verifier.id()), typed(*kind, &self.seed))
    }

    /// The public half.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Signs bytes.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

/// Whether a name can stand in a note: not empty, at most 255 bytes, no white space, no control characters, no `+`.
///
/// # Errors
/// When it cannot.
pub fn check_name(name: &str) -> Result<(), Error> {
    let is_odd = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    if name.is_empty() || name.len() > 255 || name.contains(is_odd) {
        let allowed = "1 to 255 bytes without white space, control characters and plus signs";
        return Err(Error::refused(format!("{name:?} is no name of a log: {allowed}")));
    }
    Ok(())
}

const PRIVATE: &str = "PRIVATE+KEY+";

fn typed(kind: Kind, key: &[u8; 32]) -> String {
    let mut bytes = vec![kind as u8];
    bytes.extend(key);
    base64::encode(&bytes)
}

/// Whether a key has another spelling than its own, or is one of the points under which signatures can be made by anybody.
fn is_weak(public: &[u8; 32]) -> bool {
    let mut ordinate = *public;
    ordinate[31] &= 0x7f;
    let backwards = |bytes: &[u8; 32]| {
        let mut bytes = *bytes;
        bytes.reverse();
        bytes
    };
    let mut prime = [0xff; 32];
    (prime[0], prime[31]) = (0xed, 0x7f);
    backwards(&ordinate) >= backwards(&prime) || SMALL_ORDER.iter().any(|point| hex(&ordinate) == *point)
}

/// The ordinates of the eight points of small order of edwards25519.
const SMALL_ORDER: [&str; 5] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
];

#[cfg(test)]
mod tests {
    use super::*;

    // signed-note: the verifier key of its example, and Go's documentation of the package `note`.
    const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    #[test]
    fn the_published_keys_are_read_and_written() {
        assert_eq!(VerifierKey::parse(PETER).unwrap().to_string(), PETER);

        let secret = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz\n";
        let key = SigningKey::parse(secret).unwrap();
        assert_eq!(key.verifier().to_string(), PETER);
        assert_eq!(key.secret_text(), secret);
    }

    #[test]
    fn what_one_key_has_signed_no_other_has() {
        let (one, other) = (
            SigningKey::generate("one", Kind::Log).unwrap(),
            SigningKey::generate("one", Kind::Log).unwrap(),
        );

        let signature = one.sign(b"text");

        assert!(one.verifier().has_signed(b"text", &signature));
        assert!(!one.verifier().has_signed(b"texts", &signature));
        assert!(!other.verifier().has_signed(b"text", &signature));
        assert!(!one.verifier().has_signed(b"text", &signature[1..]));
    }

    #[test]
    fn other_texts_are_no_keys() {
        for text in [
            "",
            "PeterNeumann",
            "PeterNeumann+c74f20a3",
            "PeterNeumann+c74f20a3+",
            "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "PeterNeumann+c74f20a3+AhPc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW ",
        ] {
            assert!(VerifierKey::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_key_that_anybody_can_sign_for_is_refused() {
        for sign in [0, 0x80] {
            for point in SMALL_ORDER {
                let mut public = [0; 32];
                for (at, byte) in public.iter_mut().enumerate() {
                    *byte = u8::from_str_radix(&point[2 * at..2 * at + 2], 16).unwrap();
                }
                public[31] |= sign;
                assert!(VerifierKey::new("log", Kind::Log, public).is_err(), "{point}");
            }
            assert!(VerifierKey::new("log", Kind::Log, [0xff; 32]).is_err());
        }
    }
}
