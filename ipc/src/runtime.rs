//! The requests that need no permission, because they disclose nothing about the host's data.

use serde::{Deserialize, Serialize};

use crate::bounded::{Bytes, List, Text, number};
use crate::file_system::Instant;
use crate::limits::{MAX_DIMENSIONS, MAX_LOG_BYTES, MAX_RANDOM_BYTES, MAX_SIGNAL_TEXT_BYTES, MAX_SLEEP_MS};

/// Asks for the time.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Now {}

/// The time, twice.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Clocks {
    /// Time of day.
    pub realtime: Instant,
    /// Nanoseconds since some point before the run; never goes back.
    pub monotonic_ns: u64,
}

/// Waits.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Sleep {
    /// How long.
    pub duration: SleepMs,
}

number! {
    /// A duration of 0 to [`MAX_SLEEP_MS`] milliseconds.
    SleepMs("u32" u32), 0..MAX_SLEEP_MS, milliseconds -> u32, "sleep too long"
}

/// Asks for random bytes from the kernel's generator.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct RandomBytes {
    /// How many; more than [`MAX_RANDOM_BYTES`] are refused.
    pub count: RandomCount,
}

number! {
    /// How many random bytes: 0 to [`MAX_RANDOM_BYTES`].
    RandomCount("u32" u32), 0..MAX_RANDOM_BYTES, get -> usize, "too many random bytes"
}

/// Random bytes.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Randomness {
    /// As many as asked for.
    pub bytes: Bytes<MAX_RANDOM_BYTES>,
}

/// A line for the log of the run.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Log {
    /// How severe.
    pub level: LogLevel,
    /// The line of the script that asked, as the jail claims; 0 when unknown.
    pub line: u32,
    /// The text; the jail cuts it.
    pub message: Text<MAX_LOG_BYTES>,
    /// Whether the jail cut the text.
    pub cut: bool,
    /// The script function that logged, when it was not the script itself.
    pub function: Option<Text<64>>,
}

/// How severe a log line is, the least severe first.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// TRACE.
    Trace,
    /// DEBUG.
    Debug,
    /// INFO.
    Info,
    /// WARN.
    Warn,
    /// ERROR.
    Error,
}

impl LogLevel {
    /// The name in the result document.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

/// An alarm that the script raises.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Alarm {
    /// Its type.
    pub alarm_type: Text<MAX_SIGNAL_TEXT_BYTES>,
    /// Its details.
    pub details: Option<Text<MAX_SIGNAL_TEXT_BYTES>>,
}

/// A metric that the script publishes.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Metric {
    /// Its name; a later metric of the same name replaces it.
    pub name: Text<MAX_SIGNAL_TEXT_BYTES>,
    /// Its value, as the bits of an f64, so that every value has one form.
    pub value_bits: u64,
    /// Its unit.
    pub unit: MetricUnit,
    /// Its dimensions.
    pub dimensions: List<Dimension, MAX_DIMENSIONS>,
}

/// One dimension of a metric.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Dimension {
    /// Key.
    pub key: Text<1024>,
    /// Value.
    pub value: Text<1024>,
}

/// The unit of a metric.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricUnit {
    /// None.
    Undefined,
    /// A number of things.
    Count,
    /// Nanoseconds.
    Time,
    /// Mebibytes.
    Megabytes,
    /// Per cent.
    Percent,
}

impl MetricUnit {
    /// The name in the result document.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Undefined => "UNDEFINED",
            Self::Count => "COUNT",
            Self::Time => "TIME",
            Self::Megabytes => "MEGABYTES",
            Self::Percent => "PERCENT",
        }
    }
}
