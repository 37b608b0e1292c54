//! What `config show` prints: every setting with its value, and who gave it.

use std::io::{self, Write};

use clap::Args;
use serde_json::{Map, Value as Json, json};

use super::effective::Effective;
use super::error::{ConfigError, Origin};
use super::layers::{Layers, Value, shown};
use super::places::Places;
use super::setting::{Kind, Setting};
use crate::audit::{self, AuditTarget};
use crate::result::Exit;
use crate::terminal::{is_dangerous, printable_line, unwritten};

/// What `config show` tells.
#[derive(Args, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShowArguments {
    /// Say of each value where it comes from, and which files there are
    #[arg(long)]
    pub origin: bool,
    /// As JSON, always with origins
    #[arg(long)]
    pub json: bool,
}

/// Prints what is configured; gives the exit status.
pub fn show(arguments: ShowArguments) -> u8 {
    let read = Layers::read(&Places::usual(), std::env::vars_os());
    let written = match read.and_then(|layers| Ok((layers.with_flags(&[], &[])?, layers))) {
        Err(error) => return refused(&error),
        Ok((effective, layers)) => {
            let mut stdout = io::stdout().lock();
            let written = if arguments.json {
                as_json(&effective, &layers, &mut stdout)
            } else {
                as_toml(&effective, &layers, arguments.origin, &mut stdout)
            };
            written.and_then(|()| stdout.flush())
        }
    };
    match written {
        Ok(()) => Exit::Done.code(false),
        Err(error) => {
            unwritten("the configuration", &error);
            Exit::OutputNotWritten.code(false)
        }
    }
}

fn refused(error: &ConfigError) -> u8 {
    crate::complain!("error: {}", printable_line(&error.to_string()));
    Exit::Refused.code(false)
}

/// A file that says the same; read back, it gives the same values.
pub(super) fn as_toml(
    effective: &Effective,
    layers: &Layers,
    with_origin: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    if with_origin {
        for path in layers.files() {
            writeln!(out, "# read: {}", printable_line(&path.to_string_lossy()))?;
        }
        for path in &layers.absent {
            writeln!(out, "# not there: {}", printable_line(&path.to_string_lossy()))?;
        }
    }
    let mut table = None;
    for (setting, chosen) in effective.each() {
        if setting.table != table {
            table = setting.table;
            writeln!(out, "\n[{}]", setting.table.unwrap_or_default())?;
        }
        let is_unset = chosen.values.iter().all(|value| value.text.is_empty());
        let mark = if is_unset && setting.kind != Kind::Forbids { "# " } else { "" };
        let value = match (setting.name.as_str(), is_unset) {
            // Commented out, so that the file that this is does not settle what is not settled.
            ("audit-log", true) => quoted(&record(effective)),
            _ => toml_value(setting, &chosen.values),
        };
        write!(out, "{mark}{} = {value}", setting.name)?;
        if with_origin {
            let origins: Vec<String> = chosen.values.iter().map(|value| value.origin.to_string()).collect();
            let origins = if origins.is_empty() { Origin::Default.to_string() } else { origins.join(", ") };
            write!(out, "  # {origins}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// The place of the record that is in force, as it is written on the command line; empty when there is none to be had.
fn record(effective: &Effective) -> String {
    let target = effective.audit_log().unwrap_or(AuditTarget::Usual);
    match &target {
        AuditTarget::Usual => {
            audit::places(&target).next().map(|path| path.display().to_string()).unwrap_or_default()
        }
        AuditTarget::Path(path) => path.display().to_string(),
        AuditTarget::Descriptor(number) => format!("fd:{number}"),
        AuditTarget::Nowhere => "none".to_owned(),
    }
}

fn toml_value(setting: &Setting, values: &[Value]) -> String {
    let last = values.last().map(|value| shown(&value.text)).unwrap_or_default();
    match setting.kind {
        Kind::Number(_) if last.parse::<u64>().is_err() => quoted(&last),
        Kind::Number(_) | Kind::Truth => last,
        Kind::Forbids => {
            let paths: Vec<String> = values.iter().map(|value| quoted(&shown(&value.text))).collect();
            format!("[{}]", paths.join(", "))
        }
        _ => quoted(&last),
    }
}

/// A basic string of TOML, in which nothing stands that a terminal would obey.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            _ if is_dangerous(character) => quoted.push_str(&format!("\\U{:08X}", u32::from(character))),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

fn as_json(effective: &Effective, layers: &Layers, out: &mut impl Write) -> io::Result<()> {
    let mut settings = Map::new();
    for (setting, chosen) in effective.each() {
        let value = |value: &Value| json!({"value": shown(&value.text), "origin": value.origin.to_string()});
        let entry = match setting.kind {
            Kind::Forbids => Json::Array(chosen.values.iter().map(value).collect()),
            _ => chosen.values.last().map_or(Json::Null, value),
        };
        settings.insert(setting.key(), entry);
    }
    let paths = |paths: &[std::path::PathBuf]| -> Vec<String> {
        paths.iter().map(|path| path.display().to_string()).collect()
    };
    let document = json!({
        "settings": settings,
        "record": record(effective),
        "read": paths(layers.files()),
        "absent": paths(&layers.absent),
    });
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}
