//! How a file name of any bytes becomes a text and back, without loss and without two names sharing a text.
//!
//! Each byte outside valid UTF-8, and each byte of an encoded U+10FF00–U+10FFFF, becomes the character
//! U+10FF00 + byte. Every other character stands for itself.

use alloc::string::String;
use alloc::vec::Vec;

/// The first of the 256 characters that stand for one byte each.
pub const ESCAPE_BASE: u32 = 0x0010_FF00;

/// The first byte of each of them in UTF-8. Where there is none, a text and its bytes are one.
const FIRST_OF_ESCAPES: u8 = 0xf4;

/// The text for these bytes.
pub fn to_text(bytes: &[u8]) -> String {
    if let (false, Ok(text)) = (bytes.contains(&FIRST_OF_ESCAPES), core::str::from_utf8(bytes)) {
        return text.into();
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if escaped_byte(character).is_some() {
                let mut buffer = [0; 4];
                character.encode_utf8(&mut buffer).bytes().for_each(|byte| text.push(escape(byte)));
            } else {
                text.push(character);
            }
        }
        chunk.invalid().iter().for_each(|&byte| text.push(escape(byte)));
    }
    text
}

/// The bytes for this text; the reverse of [`to_text`].
pub fn to_bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        match escaped_byte(character) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

/// Whether this text is the one that [`to_text`] gives for its bytes.
pub fn is_canonical(text: &str) -> bool {
    text.is_ascii() || to_text(&to_bytes(text)) == text
}

fn escape(byte: u8) -> char {
    char::from_u32(ESCAPE_BASE | u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn escaped_byte(character: char) -> Option<u8> {
    u32::from(character).checked_sub(ESCAPE_BASE).and_then(|byte| u8::try_from(byte).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_string_returns_unchanged() {
        let samples: &[&[u8]] = &[
            b"",
            b"plain",
            b"\xff\xfe",
            b"a\x80b",
            "grün".as_bytes(),
            "\u{10FF41}".as_bytes(),
            b"\xf4\x8f\xbd",
            b"a\xf4\x8f\xbc\x80b\xff",
            "\u{100000}\u{10FEFF}".as_bytes(),
        ];

        for sample in samples {
            assert_eq!(to_bytes(&to_text(sample)), *sample);
        }
    }

    #[test]
    fn no_two_names_share_a_text() {
        // The character that stands for the byte ff, and the byte ff itself.
        let character = "\u{10FFFF}".as_bytes();

        assert_ne!(to_text(character), to_text(b"\xff"));
        assert!(is_canonical(&to_text(character)));
        assert!(is_canonical(&to_text(b"\xff")));
    }
}
