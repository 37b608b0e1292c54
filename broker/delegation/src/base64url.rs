//! Base64url without padding (RFC 7515, appendix C), in the one spelling that each sequence of bytes has.

/// Reads text; nothing for a text with padding, white space, a letter of another alphabet, or bits that mean nothing.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let letters = text.as_bytes();
    let mut bytes = Vec::with_capacity(letters.len() / 4 * 3 + 2);
    for group in letters.chunks(4) {
        let mut bits = 0_u32;
        for letter in group {
            bits = bits << 6 | value(*letter)?;
        }
        // Of the six bits of each letter, those beyond the last whole byte are zero in the one spelling.
        let (bits, whole) = match group.len() {
            4 => (bits, 3),
            3 if bits & 0b11 == 0 => (bits << 6, 2),
            2 if bits & 0b1111 == 0 => (bits << 12, 1),
            _ => return None,
        };
        let [_, decoded @ ..] = bits.to_be_bytes();
        bytes.extend(decoded.iter().take(whole));
    }
    Some(bytes)
}

fn value(letter: u8) -> Option<u32> {
    let value = match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    };
    Some(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 4648, section 10, without padding; RFC 7515, appendix C.
    #[test]
    fn the_vectors_of_the_standards_hold() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("Zg", b"f"),
            ("Zm8", b"fo"),
            ("Zm9v", b"foo"),
            ("Zm9vYg", b"foob"),
            ("Zm9vYmE", b"fooba"),
            ("Zm9vYmFy", b"foobar"),
            ("A-z_4ME", &[3, 236, 255, 224, 193]),
        ] {
            assert_eq!(decode(text).as_deref(), Some(bytes), "{text}");
        }
    }

    #[test]
    fn every_other_spelling_is_refused() {
        for text in
            ["Zg==", "Zg=", "Z", "Zm9vY", "Zh", "Zm9", "Zm+v", "Zm/v", "Zm9v\n", " Zm9v", "Zm 9v", "Zmé"]
        {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }
}
