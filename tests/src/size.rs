//! How long the long tests are: as the gate needs them, or as the environment says.

/// The number in this variable of the environment, or else the usual one. `.ci/full` sets them.
///
/// # Panics
/// When what is in the variable is no number: a test that was to be longer must not be shorter.
pub fn of(variable: &str, usual: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => {
            text.replace('_', "").parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}"))
        }
        Err(_) => usual,
    }
}
