//! The log of the run: five levels, sent line by line.

use rex_ipc::bounded::Text;
use rex_ipc::runtime::{Log, LogLevel};
use rhai::{Engine, NativeCallContext};

use crate::error::Fallible;
use crate::registry::{Entry, NOTHING, Registrar};
use crate::session::Session;
use crate::value;

/// Registers the functions that take one text.
pub fn register(registrar: &mut Registrar<'_>) {
    registrar.function(
        line("error", "Writes a line of level ERROR to the log."),
        |context: NativeCallContext, text: &str| write(&context, LogLevel::Error, text),
    );
    registrar.function(
        line("warn", "Writes a line of level WARN to the log."),
        |context: NativeCallContext, text: &str| write(&context, LogLevel::Warn, text),
    );
    registrar.function(
        line("info", "Writes a line of level INFO to the log."),
        |context: NativeCallContext, text: &str| write(&context, LogLevel::Info, text),
    );
    registrar.function(
        line("trace", "Writes a line of level TRACE to the log."),
        |context: NativeCallContext, text: &str| write(&context, LogLevel::Trace, text),
    );
}

/// Sends what `debug` is given to the log.
pub fn take_over_debug(engine: &mut Engine, session: &Session) {
    let session = session.clone();
    engine.on_debug(move |text, _, position| {
        let line = position.line().and_then(|line| u32::try_from(line).ok()).unwrap_or(0);
        // The engine gives no way to fail here, and the broker fails no log line but by ending the run.
        let _ = send(&session, line, LogLevel::Debug, text.trim_matches('"'));
    });
}

fn line(name: &'static str, doc: &'static str) -> Entry {
    Entry { module: "global", name, signature: "(text: String)", returns: "()", actions: NOTHING, doc }
}

fn write(context: &NativeCallContext, level: LogLevel, text: &str) -> Fallible<()> {
    send(&Session::of(context), value::line(context), level, text)
}

fn send(session: &Session, line: u32, level: LogLevel, text: &str) -> Fallible<()> {
    if level < session.log_threshold() {
        return Ok(());
    }
    let message = Text::cut(text);
    let cut = message.as_str().len() < text.len();
    Ok(session.ask(line, Log { level, line, message, cut, function: None })?)
}
