//! What the jail says of the steps that it took by itself.

use crate::layer::Layer;

/// The errno of each step that the jail took by itself, small enough for one frame.
///
/// A jail that has not yet seen a script says this, so it is as trustworthy as the image. What can also be seen from
/// outside is looked at there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
