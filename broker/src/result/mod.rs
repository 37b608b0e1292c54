//! The result document: what the caller learns of a run, field by field as Rex has it, with additions at its end.

mod denials;
mod diagnose;
mod document;
mod ending;
mod exit;
mod format;
mod logs;
mod metrics;
mod moment;
mod person;
mod recorder;
mod reserved;
pub mod stream;
#[cfg(test)]
mod tests;
mod write;

pub use denials::DenialObject;
pub use diagnose::{Advise, Unknown, diagnose, doubt};
pub use document::{
    AlarmObject, Document, ErrorObject, JailObject, LimitObject, Status, WorkerObject, values,
};
pub use ending::{Crash, Ending, ErrorClass, ErrorType, NotStarted, termination_text};
pub use exit::Exit;
pub use format::Format;
pub use logs::{Attributes, LogObject};
pub use metrics::{Measured, MetricObject};
pub use recorder::{Recorder, Refusal, Settings};
pub use write::{Form, write};
