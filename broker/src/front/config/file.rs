//! One configuration file: whose it is, and what it says at which line.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Origin};
use super::layers::Value;
use super::setting::{Kind, Setting};
use crate::front::cli::Unit;
use crate::host::believed::{Believed, Opened};

/// Whose a file has to be, so that nobody else decides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owners<'a>(pub(super) &'a [u32]);

impl Owners<'_> {
    /// Opens what nobody else could have put there.
    fn open(self, path: &Path) -> io::Result<Opened> {
        Believed::of(self.0).open(path)
    }
}

/// The settings of the file, in its order; nothing when there is no such file.
pub(super) fn read(
    path: &Path,
    owners: Owners<'_>,
    settings: &[Setting],
) -> Result<Option<Vec<(usize, Value)>>, ConfigError> {
    let Some(text) = text_of(path, owners)? else { return Ok(None) };
    let at = |line| Origin::File { path: path.to_owned(), line };
    let table = DeTable::parse(&text).map_err(|error| {
        let line = error.span().map_or(0, |span| line_of(&text, span.start));
        ConfigError::new(&at(line), error.message().to_owned())
    })?;
    let mut entries = Vec::new();
    let entry =
        |table: Option<&str>, name: &Spanned<toml::de::DeString<'_>>, value: &Spanned<DeValue<'_>>| {
            let origin = at(line_of(&text, name.span().start));
            let place =
                find(settings, table, name.get_ref()).map_err(|reason| ConfigError::new(&origin, reason))?;
            let setting = settings.get(place).ok_or_else(|| ConfigError::new(&origin, "no such setting"))?;
            let texts = texts_of(setting.kind, value.get_ref())
                .map_err(|reason| ConfigError::new(&origin, format!("`{}` {reason}", setting.key())))?;
            Ok(texts.into_iter().map(|text| (place, Value::new(text, &origin))).collect::<Vec<_>>())
        };
    for (name, value) in table.get_ref() {
        match value.get_ref() {
            DeValue::Table(inner) => {
                let known = settings.iter().any(|setting| setting.table == Some(name.get_ref().as_ref()));
                if !known {
                    let origin = at(line_of(&text, name.span().start));
                    return Err(ConfigError::new(&origin, format!("there is no table `{}`", name.get_ref())));
                }
                for (inner_name, inner_value) in inner {
                    entries.extend(entry(Some(name.get_ref()), inner_name, inner_value)?);
                }
            }
            _ => entries.extend(entry(None, name, value)?),
        }
    }
    // Messages about several keys come in the order of the file, whatever the order of the table is.
    entries.sort_by_key(|(_, value)| value.line());
    Ok(Some(entries))
}

/// The files of a directory whose names end in `.toml`, in the order of their names.
pub(super) fn list(directory: &Path, owners: Owners<'_>) -> Result<Vec<PathBuf>, ConfigError> {
    let refused =
        |reason: String| ConfigError::new(&Origin::File { path: directory.to_owned(), line: 0 }, reason);
    let opened = match owners.open(directory) {
        Ok(opened) => opened,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(refused(in_words("listed", &error))),
    };
    judge(&opened.metadata, owners).map_err(refused)?;
    let mut files = Vec::new();
    let listed = |error: nix::Error| refused(format!("cannot be listed: {error}"));
    for entry in Dir::from_fd(opened.file.into()).map_err(listed)?.iter() {
        let path = directory.join(OsStr::from_bytes(entry.map_err(listed)?.file_name().to_bytes()));
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Refuses a directory in which others could exchange the files. One that is missing is no danger.
pub(super) fn trusted_directory(directory: &Path, owners: Owners<'_>) -> Result<(), ConfigError> {
    let origin = Origin::File { path: directory.to_owned(), line: 0 };
    match owners.open(directory) {
        Ok(opened) => judge(&opened.metadata, owners).map_err(|reason| ConfigError::new(&origin, reason)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(ConfigError::new(&origin, in_words("looked at", &error))),
    }
}

fn text_of(path: &Path, owners: Owners<'_>) -> Result<Option<String>, ConfigError> {
    let refused = |reason: String| ConfigError::new(&Origin::File { path: path.to_owned(), line: 0 }, reason);
    let Opened { file, metadata, .. } = match owners.open(path) {
        Ok(opened) => opened,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(refused(in_words("opened", &error))),
    };
    if !metadata.is_file() {
        return Err(refused("is not a regular file".to_owned()));
    }
    judge(&metadata, owners).map_err(refused)?;
    let bytes = bounded(file).map_err(|error| refused(format!("cannot be read: {error}")))?;
    if bytes.len() > MAX_BYTES {
        return Err(refused(format!("is larger than {MAX_BYTES} bytes")));
    }
    String::from_utf8(bytes).map(Some).map_err(|_| refused("is not UTF-8".to_owned()))
}

/// What the system says is told as such; a refusal of ours speaks for itself.
fn in_words(what: &str, error: &io::Error) -> String {
    if error.raw_os_error().is_some() { format!("cannot be {what}: {error}") } else { error.to_string() }
}

fn bounded(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn judge(metadata: &Metadata, Owners(owners): Owners<'_>) -> Result<(), String> {
    if !owners.contains(&metadata.uid()) {
        let whose = match owners {
            [0] => "root".to_owned(),
            owners => {
                let ids: Vec<String> = owners.iter().map(u32::to_string).collect();
                format!("user {}", ids.join(" or "))
            }
        };
        Err(format!("belongs to user {} and has to belong to {whose}", metadata.uid()))
    } else if metadata.mode() & 0o022 != 0 {
        Err("others may write to it; take that away with chmod go-w".to_owned())
    } else {
        Ok(())
    }
}

fn find(settings: &[Setting], table: Option<&str>, name: &str) -> Result<usize, String> {
    if let Some(place) = settings.iter().position(|own| own.name == name && own.table == table) {
        return Ok(place);
    }
    if let Some(elsewhere) = settings.iter().find(|own| own.name == name) {
        return Err(format!("there is no setting `{name}` here; it is `{}`", elsewhere.key()));
    }
    let names = settings.iter().filter(|own| own.table == table).map(|own| own.name.clone());
    Err(format!("there is no setting `{name}`{}", did_you_mean(name, names)))
}

/// A hint at the nearest of these names, if one is near.
pub(super) fn did_you_mean(name: &str, names: impl Iterator<Item = String>) -> String {
    let near = names.map(|own| (strsim::damerau_levenshtein(name, &own), own)).min();
    match near {
        Some((distance, own)) if distance <= 2 + name.len() / 6 => format!("; did you mean `{own}`?"),
        _ => String::new(),
    }
}

/// The value as it would stand on the command line; of a list, each.
fn texts_of(kind: Kind, value: &DeValue<'_>) -> Result<Vec<String>, String> {
    match (kind, value) {
        (Kind::Number(_), DeValue::Integer(number)) if number.radix() == 10 => {
            Ok(vec![number.as_str().replace('_', "")])
        }
        // A limit that has numbers for single operations is written as on the command line.
        (Kind::Number(_), DeValue::String(text)) if text.contains('=') => Ok(vec![text.to_string()]),
        (Kind::Number(Unit::Count), _) => Err("wants a decimal number".to_owned()),
        // With units it is a text; whether it makes sense is looked at with every other value.
        (Kind::Number(_), DeValue::String(text)) => Ok(vec![text.to_string()]),
        (Kind::Number(Unit::Seconds), _) => {
            Err("wants a decimal number, or a duration in quotes such as \"5m\"".to_owned())
        }
        (Kind::Number(_), _) => Err("wants a decimal number, or a size in quotes such as \"64M\"".to_owned()),
        (Kind::Truth, DeValue::Boolean(truth)) => Ok(vec![truth.to_string()]),
        (Kind::Truth, _) => Err("wants true or false".to_owned()),
        (Kind::Forbids, DeValue::Array(values)) => {
            let path = |value: &Spanned<DeValue<'_>>| match value.get_ref() {
                DeValue::String(path) => Ok(path.to_string()),
                _ => Err("wants a list of paths".to_owned()),
            };
            values.iter().map(path).collect()
        }
        (Kind::Forbids, _) => Err("wants a list of paths".to_owned()),
        (_, DeValue::String(text)) => Ok(vec![text.to_string()]),
        (_, _) => Err("wants a text in quotes".to_owned()),
    }
}

fn line_of(text: &str, byte: usize) -> usize {
    1 + text.as_bytes().iter().take(byte).filter(|byte| **byte == b'\n').count()
}

const MAX_BYTES: usize = 1024 * 1024;
