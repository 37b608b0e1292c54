//! What shall be done to a jail: which steps, how much memory, and for tests, which step shall fail.

use std::ops::Range;

use rex_agreed::{FaultInjection, Layer, PreparePlan};

use crate::requirement::Requirement;

/// Which confinement steps are taken, and the sizes they need.
///
/// The command line can only make [`Plan::for_requirement`]; leaving a step out and making one fail is for tests, which
/// prove that the other layers hold and that no script is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    layers: u64,
    /// Those that somebody insists on, so that what is costly to look at is looked at.
    required: u64,
    fault: Option<FaultInjection>,
    /// Size of the jail's memory, a multiple of 4096.
    pub arena_bytes: u64,
    /// How far the stack may grow.
    pub stack_bytes: u64,
    /// Processor time after which the kernel kills the jail.
    pub cpu_seconds: u64,
    /// Whether a forbidden call is shown to the broker before the jail is killed; needs `CAP_SYS_PTRACE`.
    pub forensics: bool,
    /// User ids for jails of a broker that is root; nobody else may use them.
    pub uids: Range<u32>,
}

impl Plan {
    /// Every step but the network namespace and the control group, which cost time and are added by [`Plan::with`].
    pub fn full() -> Self {
        let layers =
            Layer::all().filter(|layer| !ON_REQUEST.contains(layer)).fold(0, |set, layer| set | bit(layer));
        Self {
            layers,
            required: 0,
            fault: None,
            arena_bytes: 256 << 20,
            stack_bytes: 16 << 20,
            cpu_seconds: 3600,
            forensics: false,
            uids: 2_000_000_000..2_000_065_536,
        }
    }

    /// Every step that is cheap, and every step that is required.
    pub fn for_requirement(requirement: &Requirement) -> Self {
        requirement.layers().fold(Self::full(), |plan, layer| {
            let required = plan.required | bit(layer);
            Self { required, ..plan.with(layer) }
        })
    }

    /// This plan with `layer`.
    #[must_use]
    pub fn with(mut self, layer: Layer) -> Self {
        self.layers |= bit(layer);
        self
    }

    /// This plan without `layer`, to prove that another layer stops what this one would have stopped.
    #[must_use]
    pub fn without(mut self, layer: Layer) -> Self {
        self.layers &= !bit(layer);
        self
    }

    /// This plan with one step made to fail, to prove that a failure is noticed.
    #[must_use]
    pub fn failing(mut self, measure: Layer, errno: i32) -> Self {
        self.fault = Some(FaultInjection { measure, errno });
        self
    }

    /// Whether `layer` is part of the plan.
    pub fn wants(&self, layer: Layer) -> bool {
        self.layers & bit(layer) != 0
    }

    /// Whether the plan was made for a requirement that has `layer`.
    pub fn requires(&self, layer: Layer) -> bool {
        self.required & bit(layer) != 0
    }

    /// The errno with which `layer` shall fail instead of being done.
    pub fn fault(&self, layer: Layer) -> Option<i32> {
        self.fault.filter(|fault| fault.measure == layer).map(|fault| fault.errno)
    }

    /// The part that the jail carries out by itself.
    pub fn prepare_plan(&self) -> PreparePlan {
        PreparePlan::new(|layer| self.wants(layer), self.forensics, self.fault)
    }
}

fn bit(layer: Layer) -> u64 {
    1 << layer.number()
}

/// Not in [`Plan::full`]: half a millisecond for one, a writable hierarchy for the other.
const ON_REQUEST: [Layer; 2] = [Layer::NetworkNamespace, Layer::Cgroup];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requirement_brings_its_costly_steps_along() {
        let core = Plan::for_requirement(&Requirement::core());
        let strict = Plan::for_requirement(&Requirement::strict());

        assert!(!core.wants(Layer::NetworkNamespace));
        assert!(strict.wants(Layer::NetworkNamespace));
        assert!(strict.wants(Layer::Cgroup));
    }

    #[test]
    fn the_jail_is_told_what_was_left_out() {
        let plan = Plan::full().without(Layer::Mdwe).prepare_plan();

        assert!(!plan.wants(Layer::Mdwe));
        assert!(plan.wants(Layer::Tsc));
        assert!(!plan.wants(Layer::Keyring));
    }
}
