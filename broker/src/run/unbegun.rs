//! What is answered for a run of which nothing was begun: its words make no sense, its configuration is refused, or its
//! caller left it too little.

use std::time::Instant;

use crate::result::{Ending, Measured, NotStarted};
use crate::run::conclude::{Beginning, PATIENCE};
use crate::run::image::Image;
use crate::run::request::{Environment, RunRequest};
use crate::watch::shared::Shared;

/// Answers for a run that configuration refuses; gives the exit status.
pub fn refuse(options: &RunRequest, environment: Environment, image: Image<'_>, reason: &str) -> u8 {
    answer(options, environment, image, NotStarted::Refused(reason.to_owned()))
}

/// Answers with a document for words that make no sense, which standard error has been told already; gives the exit status.
pub fn misunderstood(options: &RunRequest, environment: Environment, image: Image<'_>, reason: &str) -> u8 {
    let reason = reason.trim_end().trim_start_matches("error: ");
    answer(options, environment, image, NotStarted::Words(reason.to_owned()))
}

/// Answers for a run to which its caller has left too little; gives the exit status.
pub fn unfit(options: &RunRequest, environment: Environment, image: Image<'_>, reason: &str) -> u8 {
    answer(options, environment, image, not_established(reason))
}

pub(super) fn answer(
    options: &RunRequest,
    environment: Environment,
    image: Image<'_>,
    reason: NotStarted,
) -> u8 {
    let beginning = Beginning {
        options: options.clone(),
        log_threshold: environment.log_threshold,
        image_sha256: image.sha256.to_owned(),
        started: Instant::now(),
        account: Shared::new(None),
        entry: Shared::new(None),
    };
    let document = beginning.recorder().finish(Ending::NotStarted(reason), &Measured::default());
    beginning.write(&document, &[], PATIENCE)
}

pub(super) fn not_established(reason: &str) -> NotStarted {
    NotStarted::Jail(format!("jail could not be established: {reason}"))
}
