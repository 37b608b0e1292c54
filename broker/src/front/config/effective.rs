//! What holds in the end, as values of their types.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::ValueEnum;

use super::error::{ConfigError, Origin};
use super::layers::{Chosen, shown};
use super::setting::{Setting, limits};
use crate::audit::AuditTarget;
use crate::front::cli::sockets;
use crate::gate::limits::Limits;
use crate::policy::url::Url;

/// What holds in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    settings: Vec<Setting>,
    chosen: Vec<Chosen>,
}

impl Effective {
    pub(super) fn new(settings: Vec<Setting>, chosen: Vec<Chosen>) -> Self {
        Self { settings, chosen }
    }

    /// The value of a setting, if it has one that is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.last(name)?.0.to_str().filter(|text| !text.is_empty())
    }

    /// The limits of a run.
    ///
    /// # Errors
    /// When a value is no limit; every one was looked at when it was read.
    pub fn limits(&self) -> Result<Limits, ConfigError> {
        let values = self.each().filter(|(setting, _)| setting.table == Some("limits"));
        let texts: Vec<(&str, String)> = values
            .filter_map(|(setting, chosen)| Some((setting.name.as_str(), shown(&chosen.values.last()?.text))))
            .collect();
        limits(texts.iter().map(|(name, text)| (*name, text.as_str())))
            .map_err(|reason| ConfigError::new(&Origin::Default, reason))
    }

    /// The value of a setting that is one of several words.
    ///
    /// # Errors
    /// When it is none of them.
    pub fn choice<T: ValueEnum>(&self, name: &str) -> Result<T, ConfigError> {
        let (text, origin) = self.last(name).unwrap_or((OsStr::new(""), &Origin::Default));
        T::from_str(&shown(text), true).map_err(|reason| ConfigError::new(origin, reason))
    }

    /// Where the record goes.
    ///
    /// # Errors
    /// When it is no such place.
    pub fn audit_log(&self) -> Result<AuditTarget, ConfigError> {
        match self.last("audit-log") {
            Some((text, origin)) if !text.is_empty() => {
                AuditTarget::parse(text).map_err(|reason| ConfigError::new(origin, reason))
            }
            _ => Ok(AuditTarget::Usual),
        }
    }

    /// The proxy for requests, if there is one.
    ///
    /// # Errors
    /// When it is none; every value was looked at when it was read.
    pub fn proxy(&self) -> Result<Option<Url>, ConfigError> {
        let Some((text, origin)) = self.last("proxy").filter(|(text, _)| !text.is_empty()) else {
            return Ok(None);
        };
        let proxy = Url::parse_proxy(&shown(text));
        proxy.map(Some).map_err(|reason| ConfigError::new(origin, reason.to_owned()))
    }

    /// The sockets that programs may connect to.
    ///
    /// # Errors
    /// When one is none; every value was looked at when it was read.
    pub fn sockets(&self) -> Result<Vec<PathBuf>, ConfigError> {
        let (text, origin) = self.last("child-socket").unwrap_or((OsStr::new(""), &Origin::Default));
        sockets(&shown(text)).map_err(|reason| ConfigError::new(origin, reason))
    }

    /// The policies that only forbid.
    pub fn forbids(&self) -> impl Iterator<Item = &OsStr> {
        let lists = self.each().filter(|(setting, _)| setting.name == "forbid");
        lists.flat_map(|(_, chosen)| chosen.values.iter().map(|value| value.text.as_os_str()))
    }

    pub(super) fn each(&self) -> impl Iterator<Item = (&Setting, &Chosen)> {
        self.settings.iter().zip(&self.chosen)
    }

    fn last(&self, name: &str) -> Option<(&OsStr, &Origin)> {
        let (_, chosen) = self.each().find(|(setting, _)| setting.name == name)?;
        chosen.values.last().map(|value| (value.text.as_os_str(), &value.origin))
    }
}
