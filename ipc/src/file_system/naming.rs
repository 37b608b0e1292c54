//! What a script may call an entry of a directory, and what it calls it.

use serde::{Deserialize, Serialize};

use super::PathText;
use crate::name;

/// The name of an entry: one component of a path, in the form of [`crate::name`].
///
/// Its bytes are not empty, neither `.` nor `..`, and none of them is a slash or zero; nothing else decodes.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(try_from = "PathText")]
pub struct NameText(PathText);

impl NameText {
    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl TryFrom<PathText> for NameText {
    type Error = &'static str;

    fn try_from(text: PathText) -> Result<Self, Self::Error> {
        match text.into() {
            Spelled::Entry(name) => Ok(name),
            Spelled::Refused(_) => Err("not the name of an entry"),
        }
    }
}

/// A text that is the name of no entry.
#[derive(Serialize, Clone, Debug, PartialEq)]
pub struct NotAName(PathText);

impl NotAName {
    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// What a script gave as the name of an entry: on the wire a text, of which whoever reads it knows what it is.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(from = "PathText", untagged)]
pub enum Spelled {
    /// A name.
    Entry(NameText),
    /// What is none. The policy is asked about what it spells, and then it is refused.
    Refused(NotAName),
}

impl Spelled {
    /// The text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Entry(name) => name.as_str(),
            Self::Refused(text) => text.as_str(),
        }
    }
}

impl From<PathText> for Spelled {
    fn from(text: PathText) -> Self {
        // An escape may spell an ordinary character, a slash or a dot among them.
        let bytes = name::to_bytes(text.as_str());
        let wrong =
            matches!(&*bytes, b"" | b"." | b"..") || bytes.iter().any(|byte| matches!(byte, b'/' | 0));
        if wrong { Self::Refused(NotAName(text)) } else { Self::Entry(NameText(text)) }
    }
}
