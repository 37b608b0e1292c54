//! What a confinement step achieved, in a form that people and programs can read.

use serde::{Deserialize, Serialize};

use crate::layer::Layer;
use crate::requirement::Requirement;

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

/// Everything that is known about a jail's confinement, checked from outside before the script is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Posture {
    /// One line per step, in the order of [`Layer::all`].
    pub measures: Vec<Measure>,
    /// The digest of the jail's program, in hexadecimal; filled in by whoever made the image.
    pub image_sha256: String,
    /// The jail's process id.
    pub pid: i32,
}

impl Posture {
    /// The measures that `requirement` asks for and that are not sufficiently in force; empty means the script may be sent.
    pub fn missing(&self, requirement: &Requirement) -> Vec<&Measure> {
        self.measures.iter().filter(|measure| !requirement.is_met(measure.layer, measure.state)).collect()
    }

    /// The line about `layer`.
    pub fn measure(&self, layer: Layer) -> Option<&Measure> {
        self.measures.iter().find(|measure| measure.layer == layer)
    }
}

/// The errno of each step that the jail took by itself, small enough for one frame.
///
/// A jail that has not yet seen a script says this, so it is as trustworthy as the image. What can also be seen from
/// outside is looked at there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelfReport {
    /// Step number and errno; 0 is success, [`SelfReport::SKIPPED`] that the plan left it out.
    pub steps: Vec<(u8, u16)>,
}

impl SelfReport {
    /// Stands for a step that was not asked for.
    pub const SKIPPED: u16 = u16::MAX;

    /// Adds one step.
    pub fn record(&mut self, layer: Layer, outcome: Result<(), i32>) {
        let errno = match outcome {
            Ok(()) => 0,
            Err(errno) => u16::try_from(errno).unwrap_or(libc::EIO as u16),
        };
        self.steps.push((layer.number(), errno));
    }

    /// Notes a step that was not asked for.
    pub fn skip(&mut self, layer: Layer) {
        self.steps.push((layer.number(), Self::SKIPPED));
    }

    /// The report for a frame: three bytes a step, its number and its errno in little endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.steps
            .iter()
            .flat_map(|(number, errno)| {
                let [low, high] = errno.to_le_bytes();
                [*number, low, high]
            })
            .collect()
    }

    /// Reads what [`SelfReport::to_bytes`] wrote; nothing when the length is not that of a report.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if !bytes.len().is_multiple_of(3) || bytes.len() > 3 * 256 {
            return None;
        }
        let steps =
            bytes.chunks_exact(3).map(|step| (step[0], u16::from_le_bytes([step[1], step[2]]))).collect();
        Some(Self { steps })
    }

    /// What the jail says about `layer`: the worst errno, or nothing when it did not speak of it.
    pub fn outcome(&self, layer: Layer) -> Option<u16> {
        self.steps.iter().filter(|(number, _)| *number == layer.number()).map(|(_, errno)| *errno).max()
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

    #[test]
    fn a_posture_without_a_required_line_satisfies_nothing_less_than_its_lines() {
        let posture = Posture {
            measures: vec![Measure::unwanted(Layer::Seccomp)],
            image_sha256: String::new(),
            pid: 1,
        };

        let missing = posture.missing(&Requirement::core());

        assert_eq!(missing.len(), 1);
    }

    #[test]
    fn the_worst_errno_of_a_step_counts() {
        let mut report = SelfReport::default();
        report.record(Layer::Rseq, Ok(()));
        report.record(Layer::Rseq, Err(libc::EINVAL));

        assert_eq!(report.outcome(Layer::Rseq), Some(libc::EINVAL as u16));
        assert_eq!(report.outcome(Layer::Tsc), None);
        assert_eq!(SelfReport::from_bytes(&report.to_bytes()), Some(report));
        assert_eq!(SelfReport::from_bytes(&[0, 0]), None);
    }
}
