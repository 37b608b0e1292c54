//! The variables of the environment that are settings.

use std::ffi::OsString;

use super::error::{ConfigError, Origin};
use super::layers::Value;
use super::setting::{Kind, Setting, VARIABLES};

/// The settings among the variables. A name that begins like a setting and is none is refused: it may be a limit that
/// somebody believes in.
pub(super) fn read(
    variables: impl Iterator<Item = (OsString, OsString)>,
    settings: &[Setting],
) -> Result<Vec<(usize, Value)>, ConfigError> {
    let mut values = Vec::new();
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with(VARIABLES)) else { continue };
        // How much the program says of itself is no setting of a run.
        if name == LOG {
            continue;
        }
        let origin = Origin::Variable(name.to_owned());
        let Some(place) = settings.iter().position(|setting| setting.variable() == name) else {
            let names = settings.iter().map(Setting::variable);
            let hint = super::file::did_you_mean(name, names);
            return Err(ConfigError::new(&origin, format!("there is no such setting{hint}")));
        };
        let text = value.into_string().map_err(|_| ConfigError::new(&origin, "the value is not UTF-8"))?;
        let texts = match settings.get(place).map(|setting| setting.kind) {
            // As in PATH.
            Some(Kind::Forbids) => text.split(':').map(str::to_owned).collect(),
            _ => vec![text],
        };
        values.extend(texts.into_iter().map(|text| (place, Value::new(text, &origin))));
    }
    // The order of the environment is nobody's decision.
    values.sort_by_key(|(place, _)| *place);
    Ok(values)
}

const LOG: &str = "REX_BROKER_LOG";
