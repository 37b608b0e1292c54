//! What a confinement step achieved, in a form that people and programs can read.

use rex_agreed::Layer;
use serde::{Deserialize, Serialize};

/// How much of a measure is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// All of it, and the evidence says how that is known.
    Enforced,
    /// As much as this caller can have on this system, or all of it with weaker evidence.
    Degraded,
    /// This kernel or processor does not have it.
    Unsupported,
    /// It should have worked and did not, or it was switched off.
    Failed,
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Measure {
    /// The stable identifier.
    pub id: &'static str,
    /// Whether the plan asked for it.
    pub wanted: bool,
    /// How much of it is in force.
    pub state: State,
    /// How that is known.
    pub evidence: String,
    /// The first kernel that has it.
    pub kernel_min: &'static str,
    /// What an operator can do; empty when nothing needs to be done.
    pub hint: &'static str,
    #[serde(skip)]
    layer: Layer,
}

impl Measure {
    /// A line about `layer`.
    pub fn new(layer: Layer, state: State, evidence: impl Into<String>) -> Self {
        Self {
            id: layer.id(),
            wanted: true,
            state,
            evidence: evidence.into(),
            kernel_min: layer.kernel_min(),
            hint: match state {
                State::Enforced => "",
                _ => layer.hint(),
            },
            layer,
        }
    }

    /// The line for a step that the plan leaves out.
    pub fn unwanted(layer: Layer) -> Self {
        Self { wanted: false, ..Self::new(layer, State::Failed, "not part of the plan") }
    }

    /// The line for a step that ended with this errno; 0 is success.
    pub fn from_errno(layer: Layer, errno: i32, evidence: &str) -> Self {
        if errno == 0 {
            return Self::new(layer, State::Enforced, evidence);
        }
        let state = match errno {
            libc::ENOSYS | libc::EOPNOTSUPP | libc::ENOPROTOOPT | libc::ENODEV | libc::ENXIO => {
                State::Unsupported
            }
            _ => State::Failed,
        };
        let error = std::io::Error::from_raw_os_error(errno);
        Self::new(layer, state, error.to_string())
    }

    /// The step this line is about.
    pub fn layer(&self) -> Layer {
        self.layer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_kernel_feature_is_unsupported_and_a_refusal_a_failure() {
        let absent = Measure::from_errno(Layer::Mseal, libc::ENOSYS, "");
        let refused = Measure::from_errno(Layer::Mseal, libc::EPERM, "");

        assert_eq!(absent.state, State::Unsupported);
        assert_eq!(refused.state, State::Failed);
        assert!(!refused.hint.is_empty());
    }
}
