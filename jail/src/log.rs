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
        let _ = send(&session, line, LogLevel::Debug, None, text.trim_matches('"'));
    });
}

/// Writes a line of level INFO, as the function that a script calls does.
pub(crate) fn info(context: &NativeCallContext, text: &str) -> Fallible<()> {
    write(context, LogLevel::Info, text)
}

/// Writes a line of level WARN in the name of a function of the SDK that goes on after it.
pub(crate) fn warn(session: &Session, line: u32, function: &str, text: &str) -> Fallible<()> {
    send(session, line, LogLevel::Warn, Some(function), text)
}

fn line(name: &'static str, doc: &'static str) -> Entry {
    Entry { module: "global", name, signature: "(text: String)", returns: "()", actions: NOTHING, doc }
}

fn write(context: &NativeCallContext, level: LogLevel, text: &str) -> Fallible<()> {
    send(&Session::of(context), value::line(context), level, None, text)
}

fn send(session: &Session, line: u32, level: LogLevel, function: Option<&str>, text: &str) -> Fallible<()> {
    if level < session.log_threshold() {
        return Ok(());
    }
    let message = Text::cut(text);
    let cut = message.as_str().len() < text.len();
    Ok(session.ask(line, Log { level, line, message, cut, function: function.map(Text::cut) })?)
}

#[cfg(test)]
mod tests {
    use rex_ipc::runtime::LogLevel;

    use crate::testing::Bench;

    #[test]
    fn lines_carry_level_text_and_place() {
        let bench = Bench::new();

        bench.output("trace(\"t\");\ndebug(\"d\"); debug(5);\ndebug([1, \"x\"]); error(\"e\");");

        let world = bench.world.borrow();
        let logs: Vec<_> = world.logs.iter().map(|log| (log.level, log.line, log.message.as_str())).collect();
        assert_eq!(
            logs,
            [
                (LogLevel::Trace, 1, "t"),
                (LogLevel::Debug, 2, "d"),
                (LogLevel::Debug, 2, "5"),
                (LogLevel::Debug, 3, "[1, \"x\"]"),
                (LogLevel::Error, 3, "e"),
            ]
        );
    }

    #[test]
    fn lines_below_the_threshold_are_not_sent() {
        let mut bench = Bench::new();
        bench.log_threshold = LogLevel::Warn;

        bench.output(r#"info("i"); debug(1); warn("w");"#);

        assert_eq!(bench.asked(), [["log"]]);
    }

    #[test]
    fn a_long_line_is_cut_at_a_character() {
        let bench = Bench::new();

        bench.output(r#"let t = ""; t.pad(3000, 'ü'); info(t);"#);

        let world = bench.world.borrow();
        assert!(world.logs[0].cut);
        assert_eq!(world.logs[0].message.as_str().len(), 4096);
    }
}
