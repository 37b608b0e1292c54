//! How the values of all origins are put on top of each other.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::effective::Effective;
use super::environment;
use super::error::{ConfigError, Origin};
use super::file::{self, Owners};
use super::places::Places;
use super::setting::{Kind, Setting, settings};

/// A value and who gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    /// As it would stand on the command line.
    pub(super) text: OsString,
    pub(super) origin: Origin,
}

/// A flag of the command line that is a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// Without its dashes.
    pub flag: String,
    /// As written.
    pub value: OsString,
}

/// What holds for one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    /// The value that counts; the last is the only one, but for lists.
    pub(super) values: Vec<Value>,
    /// The value of a file of root's, which no flag may loosen.
    pin: Option<Value>,
}

/// Everything that is configured, before flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layers {
    settings: Vec<Setting>,
    chosen: Vec<Chosen>,
    /// Those that were looked for and are not there.
    pub(super) absent: Vec<PathBuf>,
    files: Vec<PathBuf>,
}

/// How much an origin may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Authority {
    /// Root's: it may loosen, and nobody after it may.
    Pins,
    /// A flag: it may loosen what root has no value for.
    Flag,
    /// It may tighten.
    TightensOnly,
}

impl Value {
    pub(super) fn new(text: impl Into<OsString>, origin: &Origin) -> Self {
        Self { text: text.into(), origin: origin.clone() }
    }

    pub(super) fn line(&self) -> usize {
        if let Origin::File { line, .. } = self.origin { line } else { 0 }
    }
}

impl Layers {
    /// What the program itself says.
    pub fn none() -> Self {
        let settings = settings();
        let chosen = settings.iter().map(Chosen::default_of).collect();
        Self { settings, chosen, absent: Vec::new(), files: Vec::new() }
    }

    /// What files and environment say.
    ///
    /// # Errors
    /// When a file cannot be read, understood or trusted, or when something loosens what it may not.
    pub fn read(
        places: &Places,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let mut layers = Self::none();
        let system_owners = [places.system_owner];
        let system = Owners(&system_owners);
        file::trusted_directory(&places.system, system)?;
        layers.read_file(&places.system.join("config.toml"), system, Authority::Pins)?;
        for path in file::list(&places.system.join("conf.d"), system)? {
            layers.read_file(&path, system, Authority::Pins)?;
        }
        if let Some(path) = &places.user {
            let owners = [nix::unistd::geteuid().as_raw(), 0];
            layers.read_file(path, Owners(&owners), Authority::TightensOnly)?;
        }
        for (place, value) in environment::read(variables, &layers.settings)? {
            layers.apply(place, value, Authority::TightensOnly)?;
        }
        Ok(layers)
    }

    /// The configuration files that were read.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// What holds for a command line: with defaults of its own, where nobody said anything, and its flags.
    ///
    /// # Errors
    /// When a flag loosens what a file of root's has a value for.
    pub fn with_flags(&self, defaults: &[(&str, &str)], flags: &[Given]) -> Result<Effective, ConfigError> {
        let mut layers = self.clone();
        for (name, text) in defaults {
            let place = layers.settings.iter().position(|setting| setting.name == *name);
            if let Some(chosen) = place.and_then(|place| layers.chosen.get_mut(place)) {
                let by_default = chosen.values.iter().all(|value| value.origin == Origin::Default);
                if by_default {
                    chosen.values = vec![Value::new(*text, &Origin::Default)];
                }
            }
        }
        for given in flags {
            let Some(place) = layers.settings.iter().position(|setting| setting.name == given.flag) else {
                continue;
            };
            let origin = Origin::Flag(given.flag.clone());
            layers.apply(place, Value::new(&given.value, &origin), Authority::Flag)?;
        }
        Ok(Effective::new(layers.settings, layers.chosen))
    }

    fn read_file(
        &mut self,
        path: &Path,
        owners: Owners<'_>,
        authority: Authority,
    ) -> Result<(), ConfigError> {
        match file::read(path, owners, &self.settings)? {
            None => self.absent.push(path.to_owned()),
            Some(entries) => {
                self.files.push(path.to_owned());
                for (place, value) in entries {
                    self.apply(place, value, authority)?;
                }
            }
        }
        Ok(())
    }

    fn apply(&mut self, place: usize, value: Value, authority: Authority) -> Result<(), ConfigError> {
        let (Some(setting), Some(chosen)) = (self.settings.get(place), self.chosen.get_mut(place)) else {
            return Ok(());
        };
        // The grammar of the command line has looked at flags, whose paths may be relative and any bytes.
        if authority != Authority::Flag {
            let text = value.text.to_str().unwrap_or_default();
            setting.check(text).map_err(|reason| {
                ConfigError::new(&value.origin, format!("`{}`: {reason}", setting.key()))
            })?;
        }
        if setting.kind == Kind::Forbids {
            chosen.values.push(value);
            return Ok(());
        }
        let bound = match authority {
            Authority::Pins => None,
            Authority::Flag => chosen.pin.as_ref(),
            Authority::TightensOnly => chosen.values.last(),
        };
        if let Some(bound) = bound
            && setting.is_looser(&shown(&value.text), &shown(&bound.text))
        {
            let reason = format!(
                "`{}` may be tightened and not loosened: it is {} ({}); {}",
                setting.key(),
                if bound.text.is_empty() { "unset".to_owned() } else { format!("`{}`", shown(&bound.text)) },
                bound.origin,
                match setting.kind {
                    Kind::Believed | Kind::BelievedFile => ROOT_ALONE,
                    _ if authority == Authority::Flag => ONLY_THERE,
                    _ => WHO_MAY,
                },
            );
            return Err(ConfigError::new(&value.origin, reason));
        }
        if authority == Authority::Pins {
            chosen.pin = Some(value.clone());
        }
        chosen.values = vec![value];
        Ok(())
    }
}

impl Chosen {
    fn default_of(setting: &Setting) -> Self {
        let values = match setting.kind {
            Kind::Forbids => Vec::new(),
            _ => vec![Value::new(setting.default.as_str(), &Origin::Default)],
        };
        Self { values, pin: None }
    }
}

pub(super) fn shown(text: &OsStr) -> String {
    text.to_string_lossy().into_owned()
}

const WHO_MAY: &str = "only a file of root's in /etc/rex-broker, or a flag, may loosen it";
const ROOT_ALONE: &str = "only a file of root's in /etc/rex-broker says whom to believe";
const ONLY_THERE: &str = "it can be changed there alone";
