//! What an operator insists on: which measures have to hold before a script byte is sent.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use rex_agreed::Layer;

use crate::measure::State;

/// A set of measures, each with the least state that satisfies it.
///
/// Under `core` a measure may be degraded where an ordinary user can have no more of it; under `strict` and `max`, and
/// for a measure that is asked for by name, it has to be enforced.
///
/// # Examples
/// ```
/// use rex_outside::{Layer, Requirement};
///
/// let requirement: Requirement = "core,+mdwe,-rlimits".parse()?;
/// assert!(requirement.contains(Layer::Mdwe));
/// assert!(!requirement.contains(Layer::Rlimits));
/// # Ok::<(), rex_outside::RequirementError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    floors: BTreeMap<Layer, Floor>,
    ceiling: bool,
}

impl Requirement {
    /// What holds on every supported system.
    pub fn core() -> Self {
        Self::level(&CORE, Floor::Degraded)
    }

    /// `core` without concessions, and what a recent kernel with namespaces and control groups adds.
    pub fn strict() -> Self {
        let mut requirement = Self::level(&CORE, Floor::Enforced);
        requirement.extend(&STRICT);
        requirement
    }

    /// `strict` and core scheduling.
    pub fn max() -> Self {
        let mut requirement = Self::strict();
        requirement.extend(&MAX);
        requirement
    }

    /// Whether `layer` is required.
    pub fn contains(&self, layer: Layer) -> bool {
        self.floors.contains_key(&layer)
    }

    /// Whether the broker has to be held to what the policy could permit, which is no measure of a jail: `+ceiling`.
    pub fn wants_ceiling(&self) -> bool {
        self.ceiling
    }

    /// The measures required, in order.
    pub fn layers(&self) -> impl Iterator<Item = Layer> + '_ {
        self.floors.keys().copied()
    }

    /// Whether `state` is enough for `layer`; true when nothing is required of it.
    pub fn is_met(&self, layer: Layer, state: State) -> bool {
        match self.floors.get(&layer) {
            None => true,
            Some(Floor::Enforced) => state == State::Enforced,
            Some(Floor::Degraded) => matches!(state, State::Enforced | State::Degraded),
        }
    }

    fn level(layers: &[Layer], floor: Floor) -> Self {
        Self { floors: layers.iter().map(|layer| (*layer, floor)).collect(), ceiling: false }
    }

    fn extend(&mut self, layers: &[Layer]) {
        for layer in layers {
            self.floors.insert(*layer, Floor::Enforced);
        }
    }
}

impl Default for Requirement {
    fn default() -> Self {
        Self::core()
    }
}

impl FromStr for Requirement {
    type Err = RequirementError;

    /// Parses `LEVEL`, `LEVEL,+id,-id` or `+id,-id`; without a level the base is `core`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut requirement = Self::core();
        for (position, word) in text.split(',').map(str::trim).enumerate() {
            match (word, word.split_at_checked(1)) {
                ("core", _) if position == 0 => requirement = Self::core(),
                ("strict", _) if position == 0 => requirement = Self::strict(),
                ("max", _) if position == 0 => requirement = Self::max(),
                (_, Some((edit @ ("+" | "-"), CEILING))) => requirement.ceiling = edit == "+",
                (_, Some(("+", id))) => {
                    requirement.floors.insert(layer(id)?, Floor::Enforced);
                }
                (_, Some(("-", id))) => {
                    requirement.floors.remove(&layer(id)?);
                }
                _ => return Err(RequirementError::Word(word.to_owned())),
            }
        }
        Ok(requirement)
    }
}

/// Why a requirement could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequirementError {
    /// Neither a level at the beginning nor an edit.
    Word(String),
    /// No measure has this identifier.
    Unknown(String),
}

impl fmt::Display for RequirementError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => write!(
                formatter,
                "cannot read requirement {word:?}: expected core, strict or max, then +ID or -ID"
            ),
            Self::Unknown(id) => {
                write!(formatter, "cannot require {id:?}: the measures are")?;
                for layer in Layer::all() {
                    write!(formatter, " {layer}")?;
                }
                write!(formatter, " {CEILING}")
            }
        }
    }
}

impl std::error::Error for RequirementError {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Floor {
    Degraded,
    Enforced,
}

fn layer(id: &str) -> Result<Layer, RequirementError> {
    Layer::from_id(id).ok_or_else(|| RequirementError::Unknown(id.to_owned()))
}

/// What the broker is held to, as in `--require +ceiling`.
const CEILING: &str = "ceiling";
const CORE: [Layer; 9] = [
    Layer::Exec,
    Layer::NoNewPrivs,
    Layer::Seccomp,
    Layer::Landlock,
    Layer::Capabilities,
    Layer::Descriptors,
    Layer::Rlimits,
    Layer::Dumpable,
    Layer::DeathSignal,
];
const STRICT: [Layer; 11] = [
    Layer::LandlockScopes,
    Layer::UserNamespace,
    Layer::PidNamespace,
    Layer::NetworkNamespace,
    Layer::Cgroup,
    Layer::Mdwe,
    Layer::Tsc,
    Layer::Speculation,
    Layer::Mseal,
    Layer::Uid,
    Layer::PassRights,
];
const MAX: [Layer; 1] = [Layer::CoreScheduling];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_contains_the_one_before() {
        let (core, strict, max) = (Requirement::core(), Requirement::strict(), Requirement::max());

        assert!(core.layers().all(|layer| strict.contains(layer)));
        assert!(strict.layers().all(|layer| max.contains(layer)));
        assert!(max.contains(Layer::CoreScheduling));
    }

    #[test]
    fn core_takes_a_degraded_measure_and_strict_does_not() {
        let layer = Layer::Capabilities;

        assert!(Requirement::core().is_met(layer, State::Degraded));
        assert!(!Requirement::strict().is_met(layer, State::Degraded));
        assert!(!Requirement::core().is_met(layer, State::Failed));
        assert!(!Requirement::core().is_met(layer, State::Unsupported));
    }

    #[test]
    fn edits_start_from_core_unless_a_level_is_named() {
        let edited: Requirement = "+tsc,-fds".parse().unwrap();
        let strict: Requirement = "strict,-cgroup".parse().unwrap();

        assert!(edited.contains(Layer::Tsc));
        assert!(!edited.contains(Layer::Descriptors));
        assert!(edited.contains(Layer::NoNewPrivs));
        assert!(!strict.contains(Layer::Cgroup));
        assert!(strict.contains(Layer::Mseal));
    }

    #[test]
    fn the_ceiling_is_asked_for_by_name_only() {
        let wants = |text: &str| text.parse::<Requirement>().unwrap().wants_ceiling();

        assert!(wants("+ceiling"));
        assert!(wants("strict,+ceiling,-cgroup"));
        for text in ["core", "strict", "max", "+ceiling,-ceiling"] {
            assert!(!wants(text), "{text}");
        }
        assert_eq!("+ceiling,-ceiling".parse(), Ok(Requirement::core()));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in ["", "none", "core,mdwe", "+mdwe,strict", "+nothing", "+"] {
            assert!(text.parse::<Requirement>().is_err(), "{text:?}");
        }
    }
}
