//! What a run says while it goes on: events for programs, log lines for people, and how far it is.

mod progress;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, Write};
use std::os::fd::AsFd;

use serde::Serialize;

pub use progress::{Progress, TICK};

use crate::result::{AlarmObject, DenialObject, LogObject, MetricObject};
use crate::terminal::{printable, printable_json};
use crate::watch::outlet::Outlet;
use crate::watch::wait::Event;

/// Where the events of a run go.
#[derive(Default)]
pub enum Stream {
    /// Nowhere; the result has them all.
    #[default]
    Silent,
    /// One JSON object a line.
    Json(Box<dyn Sink>),
    /// Log lines, as text.
    Text(Box<dyn Sink>, Progress),
}

/// An output that can say why nothing can be written to it any more.
pub trait Sink: Write + Send {
    /// What came while nobody read.
    fn stopped(&self) -> Option<Event>;
}

impl<F: AsFd + Send> Sink for Outlet<F> {
    fn stopped(&self) -> Option<Event> {
        self.interruption
    }
}

/// Why an event cannot be told; the run ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unheard {
    /// A signal came, or the time was over, while nobody read.
    Stopped(Event),
    /// The output is broken.
    Broken(String),
}

/// The first event of a run.
#[derive(Serialize, Clone, Copy, Debug)]
pub struct Started<'a> {
    /// The run's identifier in the audit log.
    pub run: &'a str,
    /// SHA-256 of the script.
    pub script_sha256: &'a str,
    /// SHA-256 of the policies.
    pub policy_sha256: &'a str,
    /// SHA-256 of the program in the jail.
    pub image_sha256: &'a str,
}

/// An event with its name.
#[derive(Serialize)]
struct Named<'a, T: Serialize> {
    event: &'static str,
    #[serde(flatten)]
    what: &'a T,
}

/// Writes an event, or the result, as one line.
///
/// # Errors
/// Those of the writer.
pub fn write_line<T: Serialize>(event: &'static str, what: &T, out: &mut dyn Write) -> io::Result<()> {
    let line = serde_json::to_string(&Named { event, what })?;
    // Wherever it goes, because whoever reads it as it comes often has a terminal at the end.
    let mut line = printable_json(&line).into_owned();
    line.push('\n');
    out.write_all(line.as_bytes())
}

impl Stream {
    /// Tells that the script is about to be run.
    ///
    /// # Errors
    /// When nobody can be told.
    pub fn started(&mut self, started: &Started<'_>) -> Result<(), Unheard> {
        self.tell("start", started)
    }

    /// Tells a log line.
    ///
    /// # Errors
    /// When nobody can be told.
    pub fn log(&mut self, log: &LogObject) -> Result<(), Unheard> {
        if let Self::Text(sink, progress) = self {
            progress.hide();
            let attributes = &log.attributes;
            let line = format!("[{}] {}\n", attributes.level, printable(&attributes.message));
            let written = sink.write_all(line.as_bytes());
            return match heard(sink.as_ref(), written) {
                // What is for people may be lost: the record and the result have it.
                Err(Unheard::Broken(_)) => Ok(()),
                heard => heard,
            };
        }
        self.tell("log", &log.attributes)
    }

    /// Tells an alarm.
    ///
    /// # Errors
    /// When nobody can be told.
    pub fn alarm(&mut self, alarm: &AlarmObject) -> Result<(), Unheard> {
        self.tell("alarm", alarm)
    }

    /// Tells a metric.
    ///
    /// # Errors
    /// When nobody can be told.
    pub fn metric(&mut self, metric: &MetricObject) -> Result<(), Unheard> {
        self.tell("metric", metric)
    }

    /// Tells the first denial of a kind.
    ///
    /// # Errors
    /// When nobody can be told.
    pub fn denial(&mut self, denial: &DenialObject) -> Result<(), Unheard> {
        self.tell("denial", denial)
    }

    fn tell(&mut self, event: &'static str, what: &impl Serialize) -> Result<(), Unheard> {
        let Self::Json(sink) = self else { return Ok(()) };
        let written = write_line(event, what, sink.as_mut());
        heard(sink.as_ref(), written)
    }
}

fn heard(sink: &dyn Sink, written: io::Result<()>) -> Result<(), Unheard> {
    written.map_err(|error| match sink.stopped() {
        Some(event) => Unheard::Stopped(event),
        None => Unheard::Broken(error.to_string()),
    })
}

impl fmt::Debug for Stream {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Silent => "Silent",
            Self::Json(_) => "Json",
            Self::Text(..) => "Text",
        })
    }
}
