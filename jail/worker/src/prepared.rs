//! What has to be random, made while it still can be: keys for one exchange in each group, and bytes for what else asks.
//!
//! After the lockdown nobody can ask the kernel for random bytes. A connection needs few, and it is the only one: each key is
//! given away once, and whoever asks for more gets an error, which ends the connection.

use std::hash::RandomState;
use std::sync::Mutex;

use rustls::crypto::{
    ActiveKeyExchange, CryptoProvider, GetRandomFailed, SecureRandom, SupportedKxGroup, ring,
};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::{Error, NamedGroup};

/// The cryptography of one connection. To be called before the lockdown; it is never given back.
///
/// # Errors
/// When the kernel gives no random bytes.
pub fn provider() -> Result<CryptoProvider, Error> {
    // The keys of hash tables are drawn once for a thread, by the first that wants any.
    let _drawn = RandomState::new();
    let usual = ring::default_provider();
    let mut groups: Vec<&'static dyn SupportedKxGroup> = Vec::new();
    for group in &usual.kx_groups {
        let key = group.start()?;
        groups.push(Box::leak(Box::new(Group { name: group.name(), key: Mutex::new(Some(key)) })));
    }
    let mut bytes = vec![0; RANDOM_BYTES];
    usual.secure_random.fill(&mut bytes)?;
    let random: &'static dyn SecureRandom = Box::leak(Box::new(Random { left: Mutex::new(bytes) }));
    Ok(CryptoProvider { kx_groups: groups, secure_random: random, ..usual })
}

/// A group with the one key that there is in it.
struct Group {
    name: NamedGroup,
    key: Mutex<Option<Box<dyn ActiveKeyExchange>>>,
}

impl SupportedKxGroup for Group {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let key = self.key.lock().ok().and_then(|mut key| key.take());
        key.ok_or(Error::FailedToGetRandomBytes)
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        self.name
    }
}

impl core::fmt::Debug for Group {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.name.fmt(formatter)
    }
}

/// Random bytes, of which each is given away once.
struct Random {
    left: Mutex<Vec<u8>>,
}

impl SecureRandom for Random {
    fn fill(&self, space: &mut [u8]) -> Result<(), GetRandomFailed> {
        let mut left = self.left.lock().map_err(|_| GetRandomFailed)?;
        let rest = left.len().checked_sub(space.len()).ok_or(GetRandomFailed)?;
        space.copy_from_slice(left.get(rest..).ok_or(GetRandomFailed)?);
        left.truncate(rest);
        Ok(())
    }
}

impl core::fmt::Debug for Random {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str("Random")
    }
}

/// A greeting takes 66 of them, and there are at most two.
const RANDOM_BYTES: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_and_each_byte_is_given_away_once() {
        let provider = provider().unwrap();
        assert_eq!(provider.kx_groups.len(), 3);
        for group in &provider.kx_groups {
            assert!(group.start().is_ok());
            assert!(group.start().is_err(), "{group:?}");
        }
        let (mut first, mut second) = ([0; 200], [0; 200]);
        provider.secure_random.fill(&mut first).unwrap();
        provider.secure_random.fill(&mut second).unwrap();
        assert_ne!(first, second);
        assert!(provider.secure_random.fill(&mut first).is_err());
    }
}
