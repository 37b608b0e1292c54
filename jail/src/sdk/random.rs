//! Random text, from the kernel's generator behind the broker.

use rex_ipc::limits::MAX_RANDOM_BYTES;
use rex_ipc::runtime::{RandomBytes, RandomCount};
use rhai::{INT, NativeCallContext};

use crate::error::{Fallible, TooLarge, too_large};
use crate::registry::{Entry, NOTHING, Registrar};
use crate::session::Session;
use crate::text::string_limit;
use crate::value;

/// Registers the one function.
pub fn register(registrar: &mut Registrar<'_>) {
    registrar.function(
        Entry {
            module: "global",
            name: "random_alphanumeric",
            signature: "(length: i64)",
            returns: "String",
            actions: NOTHING,
            doc: "So many random letters and digits; 16 for a negative length.",
        },
        alphanumeric,
    );
}

fn alphanumeric(context: NativeCallContext, length: INT) -> Fallible<String> {
    let session = Session::of(&context);
    let length = usize::try_from(length).unwrap_or(DEFAULT_LENGTH);
    if length > string_limit(&session) {
        return Err(too_large(TooLarge::Text));
    }
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let missing = length.saturating_sub(text.len());
        let bytes = randomness(&session, value::line(&context), missing)?;
        text.extend(bytes.iter().filter_map(|&byte| character(byte)).take(missing));
    }
    Ok(text)
}

/// A little more than needed, because some bytes are thrown away.
fn randomness(session: &Session, line: u32, wanted: usize) -> Fallible<Vec<u8>> {
    let count = wanted.saturating_add(wanted / 16).saturating_add(8).min(MAX_RANDOM_BYTES);
    let count = u32::try_from(count).ok().and_then(RandomCount::new).expect("within the limit of one reply");
    Ok(session.ask(line, RandomBytes { count })?.bytes.into_vec())
}

/// The character for a byte, each equally likely; none for the last few bytes, which would favour some.
fn character(byte: u8) -> Option<char> {
    let whole_rounds = u8::MAX - (u8::MAX % ALPHABET_LENGTH);
    if byte >= whole_rounds {
        return None;
    }
    ALPHABET.get(usize::from(byte % ALPHABET_LENGTH)).map(|&letter| char::from(letter))
}

const DEFAULT_LENGTH: usize = 16;
const ALPHABET: &[u8; ALPHABET_LENGTH as usize] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const ALPHABET_LENGTH: u8 = 62;

#[cfg(test)]
mod tests {
    use rex_ipc::control::{EngineLimit, ScriptEnd};

    use super::character;
    use crate::testing::Bench;

    #[test]
    fn every_character_stands_for_the_same_number_of_bytes() {
        let mut counts = std::collections::BTreeMap::new();
        for byte in 0..=u8::MAX {
            *counts.entry(character(byte)).or_insert(0) += 1;
        }

        assert_eq!(counts.remove(&None), Some(8));
        assert_eq!(counts.len(), 62);
        assert!(counts.values().all(|&count| count == 4));
    }

    #[test]
    fn lengths_are_exact_and_a_negative_one_means_sixteen() {
        assert_eq!(
            Bench::new().output("[0, 1, 5000, -1].map(|n| random_alphanumeric(n).len())"),
            "[0, 1, 5000, 16]"
        );
    }

    #[test]
    fn a_length_beyond_the_limit_asks_for_nothing() {
        let bench = Bench::new();

        let ended = bench.run("random_alphanumeric(9223372036854775807)");

        assert_eq!(ended.outcome.end, ScriptEnd::Limit(EngineLimit::DataSize));
        assert!(bench.asked().is_empty());
    }
}
