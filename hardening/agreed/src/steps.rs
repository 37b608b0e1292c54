//! The steps that the jail takes by itself, as the broker orders them in the first frame.

use crate::layer::Layer;

/// A step that is made to fail instead of being done; for tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultInjection {
    /// The step.
    pub measure: Layer,
    /// The errno that it reports; 1 to 255.
    pub errno: i32,
}

/// The steps of the jail, as they travel in the first frame.
///
/// As bits: 0 to 13 the steps, 14 forensics, 16 to 23 the number of the step that shall fail plus one, 24 to 31 its errno.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreparePlan {
    layers: u16,
    /// Whether forbidden calls are shown to the broker.
    pub forensics: bool,
    fault: Option<FaultInjection>,
}

impl PreparePlan {
    /// The steps of the jail among those that `wants` is true for; a fault in a step that is not the jail's is left out.
    pub fn new(wants: impl Fn(Layer) -> bool, forensics: bool, fault: Option<FaultInjection>) -> Self {
        let wanted = IN_JAIL.iter().enumerate().filter(|(_, layer)| wants(**layer));
        Self {
            layers: wanted.fold(0, |layers, (index, _)| layers | 1 << index),
            forensics,
            fault: fault.filter(|fault| in_jail(fault.measure).is_some()),
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_survive_the_journey() {
        let mut plans =
            vec![PreparePlan::new(|_| true, false, None), PreparePlan::new(|_| false, true, None)];
        for layer in IN_JAIL {
            plans.push(PreparePlan::new(|wanted| wanted != layer, false, None));
            let fault = FaultInjection { measure: layer, errno: libc::EPERM };
            plans.push(PreparePlan::new(|_| true, false, Some(fault)));
        }

        for plan in plans {
            assert_eq!(PreparePlan::from_bits(plan.to_bits()), plan);
        }
    }

    #[test]
    fn the_jail_is_told_nothing_of_steps_that_are_not_its_own() {
        let fault = FaultInjection { measure: Layer::Keyring, errno: libc::EPERM };

        let plan = PreparePlan::new(|_| true, false, Some(fault));

        assert!(!plan.wants(Layer::Keyring));
        assert_eq!(plan.fault(Layer::Keyring), None);
    }
}
