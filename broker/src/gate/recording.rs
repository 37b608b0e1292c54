//! Where decisions go before anything follows from them.

use super::act::Act;
use super::error::Error;
use crate::policy::Question;
use crate::policy::explain::{Lacking, Need};

/// A decision to be recorded.
pub struct Decision<'a> {
    /// What was asked.
    pub question: &'a Question<'a>,
    /// What was answered.
    pub permitted: bool,
    /// The policies that decided.
    pub determining: &'a [String],
    /// What went wrong in evaluation.
    pub errors: &'a [String],
    /// The line of the script, as the jail claims.
    pub line: u32,
    /// Whether the act leaves the host other than it was.
    pub effect: bool,
    /// What it does, where action and resource do not say it.
    pub act: Option<Act<'a>>,
}

/// Keeps decisions for those who come later, and denials for the caller.
pub trait Recording {
    /// Records a decision; one that permits an effect is written when this returns. Says whether the result has no
    /// other denial like it.
    ///
    /// # Errors
    /// `Audit` when it cannot be recorded, and `Limit` when the run has used its share of the record.
    fn decision(&mut self, decision: &Decision<'_>) -> Result<bool, Error>;

    /// Explains the denial that was recorded last.
    fn explain(&mut self, lacking: Lacking);

    /// Adds a permission to that explanation.
    fn explain_more(&mut self, need: Need, grant: Option<String>);
}
