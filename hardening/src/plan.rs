//! What shall be done to a jail: which steps, how much memory, and for tests, which step shall fail.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::layer::Layer;
use crate::requirement::Requirement;

/// Which confinement steps are taken, and the sizes they need.
///
/// The command line can only make [`Plan::for_requirement`]; leaving a step out and making one fail is for tests, which
/// prove that the other layers hold and that no script is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    layers: u64,
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
        requirement.layers().fold(Self::full(), Self::with)
    }

    /// The same plan with `layer`.
    #[must_use]
    pub fn with(mut self, layer: Layer) -> Self {
        self.layers |= bit(layer);
        self
    }

    /// The same plan without `layer`, to prove that another layer stops what this one would have stopped.
    #[must_use]
    pub fn without(mut self, layer: Layer) -> Self {
        self.layers &= !bit(layer);
        self
    }

    /// The same plan with one step made to fail, to prove that a failure is noticed.
    #[must_use]
    pub fn failing(mut self, measure: Layer, errno: i32) -> Self {
        self.fault = Some(FaultInjection { measure, errno });
        self
    }

    /// Whether `layer` is part of the plan.
    pub fn wants(&self, layer: Layer) -> bool {
        self.layers & bit(layer) != 0
    }

    /// The errno with which `layer` shall fail instead of being done.
    pub fn fault(&self, layer: Layer) -> Option<i32> {
        self.fault.filter(|fault| fault.measure == layer).map(|fault| fault.errno)
    }

    /// The part that the jail carries out by itself.
    pub fn prepare_plan(&self) -> PreparePlan {
        let mut prepare = PreparePlan {
            layers: 0,
            forensics: self.forensics,
            fault: self.fault.filter(|fault| in_jail(fault.measure).is_some()),
        };
        for (index, layer) in IN_JAIL.iter().enumerate() {
            if self.wants(*layer) {
                prepare.layers |= 1 << index;
            }
        }
        prepare
    }
}

/// A step that is made to fail instead of being done; for tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultInjection {
    /// The step.
    #[serde(with = "layer_number")]
    pub measure: Layer,
    /// The errno that it reports; 1 to 255.
    pub errno: i32,
}

/// The steps of the jail, as they travel in the first frame.
///
/// As bits: 0 to 13 the steps, 14 forensics, 16 to 23 the number of the step that shall fail plus one, 24 to 31 its errno.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreparePlan {
    layers: u16,
    /// Whether forbidden calls are shown to the broker.
    pub forensics: bool,
    fault: Option<FaultInjection>,
}

impl PreparePlan {
    /// Reads the bits; unknown ones are ignored, because broker and jail are built together.
    pub fn from_bits(bits: u32) -> Self {
        let measure = ((bits >> 16) as u8).checked_sub(1).and_then(Layer::from_number);
        Self {
            layers: bits as u16 & LAYER_BITS,
            forensics: bits & FORENSICS_BIT != 0,
            fault: measure.map(|measure| FaultInjection { measure, errno: (bits >> 24) as i32 }),
        }
    }

    /// The bits, as [`PreparePlan::from_bits`] reads them.
    pub fn to_bits(&self) -> u32 {
        let mut bits = u32::from(self.layers);
        if self.forensics {
            bits |= FORENSICS_BIT;
        }
        if let Some(fault) = self.fault {
            bits |= (u32::from(fault.measure.number()) + 1) << 16;
            bits |= (fault.errno as u32 & 0xff) << 24;
        }
        bits
    }

    /// Whether `layer` is asked for; false for a step that is not the jail's.
    pub fn wants(&self, layer: Layer) -> bool {
        in_jail(layer).is_some_and(|index| self.layers & (1 << index) != 0)
    }

    /// The errno with which `layer` shall fail instead of being done.
    pub fn fault(&self, layer: Layer) -> Option<i32> {
        self.fault.filter(|fault| fault.measure == layer).map(|fault| fault.errno)
    }
}

fn bit(layer: Layer) -> u64 {
    1 << layer.number()
}

fn in_jail(layer: Layer) -> Option<usize> {
    IN_JAIL.iter().position(|candidate| *candidate == layer)
}

/// The steps the jail takes by itself, in the order of their bits.
const IN_JAIL: [Layer; 14] = [
    Layer::Dumpable,
    Layer::Speculation,
    Layer::CoreScheduling,
    Layer::Rseq,
    Layer::Signals,
    Layer::Vdso,
    Layer::Tsc,
    Layer::Mdwe,
    Layer::Mseal,
    Layer::Descriptors,
    Layer::Rlimits,
    Layer::Threads,
    Layer::Seccomp,
    Layer::Landlock,
];
const LAYER_BITS: u16 = (1 << IN_JAIL.len()) - 1;
const FORENSICS_BIT: u32 = 1 << 14;
/// Not in [`Plan::full`]: half a millisecond for one, a writable hierarchy for the other.
const ON_REQUEST: [Layer; 2] = [Layer::NetworkNamespace, Layer::Cgroup];

/// Layers travel as their number.
mod layer_number {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::layer::Layer;

    pub(super) fn serialize<S: Serializer>(layer: &Layer, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(layer.number())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Layer, D::Error> {
        let number = u8::deserialize(deserializer)?;
        Layer::from_number(number).ok_or_else(|| D::Error::custom("no step has this number"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_survive_the_journey() {
        let mut plans = vec![Plan::full().prepare_plan()];
        for layer in IN_JAIL {
            plans.push(Plan::full().without(layer).prepare_plan());
            plans.push(Plan::full().failing(layer, libc::EPERM).prepare_plan());
        }

        for plan in plans {
            assert_eq!(PreparePlan::from_bits(plan.to_bits()), plan);
        }
    }

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
