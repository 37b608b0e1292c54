//! Which of two values of a setting is the looser one, and whether a value is one at all.

use rex_ipc::interface::ROWS;
use rex_outside::{Layer, Requirement, State};

use super::setting::{Kind, Setting, limits};
use crate::audit::AuditTarget;
use crate::front::cli::{per_operation, sockets};
use crate::policy::url::Url;

impl Setting {
    /// Whether the text is a value of this setting.
    ///
    /// # Errors
    /// Why it is none.
    pub(super) fn check(&self, value: &str) -> Result<(), String> {
        match self.kind {
            Kind::Number(_) => limits([(self.name.as_str(), value)].into_iter()).map(drop),
            Kind::Steps(words) | Kind::Word(words) if words.contains(&value) => Ok(()),
            Kind::Steps(words) | Kind::Word(words) => {
                Err(format!("`{value}` is none of {}", words.join(", ")))
            }
            Kind::Requirement => requirement(value).map(drop),
            Kind::AuditLog => match AuditTarget::parse(value.as_ref())? {
                AuditTarget::Path(path) if !path.is_absolute() => {
                    Err("the path is not absolute, and configuration knows no working directory".to_owned())
                }
                _ => Ok(()),
            },
            Kind::Believed if value.is_empty() || value.contains(char::is_control) => {
                Err("it is empty, or has a control character".to_owned())
            }
            Kind::Believed => Ok(()),
            Kind::File | Kind::BelievedFile | Kind::Forbids if value.starts_with('/') => Ok(()),
            Kind::File | Kind::BelievedFile | Kind::Forbids => {
                Err("the path is not absolute, and configuration knows no working directory".to_owned())
            }
            Kind::Sockets => sockets(value).map(drop),
            Kind::Proxy => Url::parse_proxy(value).map(drop).map_err(str::to_owned),
            Kind::Truth if matches!(value, "true" | "false") => Ok(()),
            Kind::Truth => Err(format!("`{value}` is neither true nor false")),
        }
    }

    /// Whether `new` gives up something that `old` protects. What cannot be compared counts as looser.
    pub(super) fn is_looser(&self, new: &str, old: &str) -> bool {
        if new == old {
            return false;
        }
        match self.kind {
            Kind::Number(unit) => match (unit.parse(new), unit.parse(old)) {
                (Ok(new), Ok(old)) => new > old,
                // A limit may also have numbers for single operations.
                _ => match (per_operation::parse(new, unit), per_operation::parse(old, unit)) {
                    (Ok(new), Ok(old)) => (0..ROWS.len()).any(|row| new.of(row) > old.of(row)),
                    _ => true,
                },
            },
            Kind::Steps(words) => {
                let step = |value: &str| words.iter().position(|word| *word == value);
                step(new) < step(old)
            }
            Kind::Requirement => match (requirement(new), requirement(old)) {
                (Ok(new), Ok(old)) => demands_less(&new, &old),
                _ => true,
            },
            // A record that goes elsewhere is one that whoever relies on the old place does not find.
            Kind::AuditLog => !matches!(old, "" | NOWHERE) || new == NOWHERE,
            // Whoever else is believed, or is not, is not who the old one says.
            Kind::File | Kind::Proxy => !old.is_empty(),
            Kind::Sockets => match (sockets(new), sockets(old)) {
                (Ok(new), Ok(old)) => new.iter().any(|path| !old.contains(path)),
                _ => true,
            },
            Kind::Believed | Kind::BelievedFile => true,
            Kind::Forbids | Kind::Word(_) | Kind::Truth => false,
        }
    }
}

/// An empty text is that nothing was said.
fn requirement(text: &str) -> Result<Requirement, String> {
    text.parse().map_err(|error: rex_outside::RequirementError| error.to_string())
}

/// Whether some state of some protection is enough for `new` and was not for `old`.
fn demands_less(new: &Requirement, old: &Requirement) -> bool {
    const STATES: [State; 4] = [State::Enforced, State::Degraded, State::Unsupported, State::Failed];
    let looser =
        |layer: Layer| STATES.into_iter().any(|state| new.is_met(layer, state) && !old.is_met(layer, state));
    Layer::all().any(looser) || (old.wants_ceiling() && !new.wants_ceiling())
}

const NOWHERE: &str = "none";
