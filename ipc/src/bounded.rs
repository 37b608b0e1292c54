//! Texts, byte strings and lists that refuse to be larger than their type says.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeSeq, Serializer};

/// A number within bounds, from a text in which it may be without: `Name("u8" u8), least..most, get -> usize, reason`.
macro_rules! number {
    ($(#[$doc:meta])* $name:ident($text:literal $number:ty), $least:literal..$most:expr, $get:ident -> $given:ty, $wrong:literal) => {
        $(#[$doc])*
        #[derive(serde::Serialize, serde::Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
        #[serde(try_from = $text, into = $text)]
        pub struct $name($number);

        impl $name {
            const LEAST: $number = $least;

            /// The largest.
            pub const MAX: Self = Self($most as $number);

            /// The number, or nothing when it is out of bounds.
            pub const fn new(number: $number) -> Option<Self> {
                if number.wrapping_sub(Self::LEAST) <= Self::MAX.0 - Self::LEAST { Some(Self(number)) } else { None }
            }

            /// The number.
            pub const fn $get(self) -> $given {
                self.0 as $given
            }
        }

        impl TryFrom<$number> for $name {
            type Error = &'static str;

            fn try_from(number: $number) -> Result<Self, Self::Error> {
                Self::new(number).ok_or($wrong)
            }
        }

        impl From<$name> for $number {
            fn from(number: $name) -> $number {
                number.0
            }
        }
    };
}

pub(crate) use number;

/// A UTF-8 text of at most `MAX` bytes.
#[derive(
    serde::Serialize, serde::Deserialize, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
#[serde(try_from = "String")]
pub struct Text<const MAX: usize>(String);

impl<const MAX: usize> Text<MAX> {
    /// The text, or nothing when it is too long.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        (text.len() <= MAX).then_some(Self(text))
    }

    /// The text, cut at the last character boundary that fits.
    pub fn cut(text: &str) -> Self {
        Self(text.get(..text.floor_char_boundary(MAX)).unwrap_or_default().into())
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, given away.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl<const MAX: usize> TryFrom<String> for Text<MAX> {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(text).ok_or("a text longer than its type")
    }
}

/// At most `MAX` bytes, encoded as one run and not element by element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes<const MAX: usize>(Vec<u8>);

impl<const MAX: usize> Bytes<MAX> {
    /// The bytes, or nothing when there are too many.
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() <= MAX).then_some(Self(bytes))
    }

    /// The bytes themselves.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, given away.
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

impl<const MAX: usize> Serialize for Bytes<MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Bytes<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bound<const MAX: usize>;

        impl<const MAX: usize> Visitor<'_> for Bound<MAX> {
            type Value = Bytes<MAX>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "at most {MAX} bytes")
            }

            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Self::Value, E> {
                Bytes::new(bytes).ok_or_else(|| E::custom("more bytes than its type has"))
            }
        }

        deserializer.deserialize_byte_buf(Bound)
    }
}

/// At most `MAX` values.
#[derive(Clone, Debug, PartialEq)]
pub struct List<T, const MAX: usize>(Vec<T>);

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MAX: usize> List<T, MAX> {
    /// The values, or nothing when there are too many.
    pub fn new(values: Vec<T>) -> Option<Self> {
        (values.len() <= MAX).then_some(Self(values))
    }

    /// The values themselves.
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }

    /// The values, given away.
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T: Serialize, const MAX: usize> Serialize for List<T, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(Some(self.0.len()))?;
        for value in &self.0 {
            sequence.serialize_element(value)?;
        }
        sequence.end()
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for List<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bound<T, const MAX: usize>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Bound<T, MAX> {
            type Value = List<T, MAX>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "at most {MAX} values")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
                // The count is the sender's claim: memory is taken as values arrive, each of which costs at least
                // one byte of the frame, and never ahead of them.
                let mut values = Vec::new();
                while let Some(value) = sequence.next_element()? {
                    if values.len() >= MAX {
                        return Err(de::Error::invalid_length(MAX.saturating_add(1), &self));
                    }
                    values.push(value);
                }
                Ok(List(values))
            }
        }

        deserializer.deserialize_seq(Bound(PhantomData))
    }
}
