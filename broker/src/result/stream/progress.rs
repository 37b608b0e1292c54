//! How far a long run is, in one line of a terminal that is gone when something else is written.

use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::gate::usage::Usage;

/// The line; copies show the same one. Without a terminal there is none.
#[derive(Clone, Default)]
pub struct Progress(Option<Arc<Mutex<Line>>>);

struct Line {
    terminal: Box<dyn Terminal>,
    started: Instant,
    usage: Usage,
    is_shown: bool,
}

/// A terminal that may be stopped, as with Ctrl-S: then the line is left out.
pub trait Terminal: Write + Send {
    /// Whether something could be written at once.
    fn has_room(&self) -> bool;
}

impl<F: std::os::fd::AsFd + Send> Terminal for crate::watch::outlet::Outlet<F> {
    fn has_room(&self) -> bool {
        Self::has_room(self)
    }
}

impl Progress {
    /// A line on this terminal, for a run that began then.
    pub fn on(terminal: Box<dyn Terminal>, started: Instant) -> Self {
        let line = Line { terminal, started, usage: Usage::default(), is_shown: false };
        Self(Some(Arc::new(Mutex::new(line))))
    }

    /// Takes note of what the run has used, to be shown at the next [`Progress::show`].
    pub fn note(&self, usage: impl FnOnce() -> Usage) {
        self.with(|line| line.usage = usage());
    }

    /// Shows the line, once a run takes long enough for somebody to wonder.
    pub fn show(&self) {
        self.with(|line| {
            let elapsed = line.started.elapsed();
            if elapsed >= PATIENCE {
                let text = text(elapsed, &line.usage);
                line.write(&format!("\r{CLEAR}{text}"));
                line.is_shown = true;
            }
        });
    }

    /// Takes the line away, so that something else can be written.
    pub fn hide(&self) {
        self.with(|line| {
            if std::mem::take(&mut line.is_shown) {
                line.write(&format!("\r{CLEAR}"));
            }
        });
    }

    /// Whether there is a terminal to show it on.
    pub fn is_visible(&self) -> bool {
        self.0.is_some()
    }

    fn with(&self, act: impl FnOnce(&mut Line)) {
        if let Some(line) = &self.0
            && let Ok(mut line) = line.try_lock()
        {
            act(&mut line);
        }
    }
}

impl Line {
    /// What cannot be shown is left out: a run does not fail because nobody watches it.
    fn write(&mut self, text: &str) {
        if self.terminal.has_room() {
            drop(self.terminal.write_all(text.as_bytes()));
        }
    }
}

fn text(elapsed: Duration, usage: &Usage) -> String {
    let calls = if usage.calls == 1 { "call" } else { "calls" };
    let mib = usage.read_bytes as f64 / (1024.0 * 1024.0);
    format!("running for {} s, {} {calls}, {mib:.1} MiB read", elapsed.as_secs(), usage.calls)
}

impl fmt::Debug for Progress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Progress({})", self.is_visible())
    }
}

/// ECMA-48: erase to the end of the line.
const CLEAR: &str = "\u{1b}[K";
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the line is brought up to date.
pub const TICK: Duration = Duration::from_millis(500);
