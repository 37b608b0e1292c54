//! The forms in which a result is written.

/// The form of the result on standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One line of JSON.
    #[default]
    Json,
    /// JSON on many lines.
    PrettyJson,
    /// Text for people.
    Human,
    /// Events as lines of JSON, and the result as the last line. Rex does not have it.
    Ndjson,
}
