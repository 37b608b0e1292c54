//! The options of compressing, of searching compressed text, and of unpacking archives.

use rhai::{INT, ImmutableString};

use crate::error::{Fallible, text_error};
use crate::file_system::options::Builder;
use crate::value::setter_number;

/// How content is compressed.
#[derive(Clone, Debug)]
pub struct CompressGzipOptions {
    /// From 1, which is fast, to 9, which is small.
    pub level: u32,
}

impl Default for CompressGzipOptions {
    fn default() -> Self {
        Self { level: 6 }
    }
}

impl Builder<CompressGzipOptions> {
    /// Sets the level.
    ///
    /// # Errors
    /// A text, for a number less than 0.
    pub fn level(&mut self, level: INT) -> Fallible<()> {
        self.0.level = setter_number("level", level)?;
        Ok(())
    }

    /// The finished options.
    ///
    /// # Errors
    /// A text, for a level that there is not.
    pub fn build(&mut self) -> Fallible<CompressGzipOptions> {
        match self.0.level {
            1..=9 => Ok(self.0.clone()),
            other => Err(text_error(format!(
                "Validation error: Compression level must be between 1 and 9, got {other}"
            ))),
        }
    }
}

/// Which lines of compressed text are found.
#[derive(Clone, Debug, Default)]
pub struct SearchGzipOptions {
    /// Lines that match this are not.
    pub exclude_pattern: Option<ImmutableString>,
    /// The pattern matches either letter case; the excluding one does not.
    pub case_insensitive: bool,
    /// At most so many: the first ones, or the last ones when it is less than 0; all when it is 0.
    pub max_results: INT,
}

/// What of an archive's entries is kept beyond their content.
#[derive(Clone, Debug)]
pub struct ExtractArchiveOptions {
    /// The permission bits.
    pub preserve_permissions: bool,
    /// User and group.
    pub preserve_ownership: bool,
    /// The time of the last modification.
    pub preserve_timestamps: bool,
    /// Whether entries that cannot be made are told in the log only, as in Rex.
    pub best_effort: bool,
}

impl Default for ExtractArchiveOptions {
    fn default() -> Self {
        Self {
            preserve_permissions: true,
            preserve_ownership: false,
            preserve_timestamps: true,
            best_effort: false,
        }
    }
}
