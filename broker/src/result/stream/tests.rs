//! What programs and people are told, and what happens when they do not listen.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::progress::Terminal;
use super::*;
use crate::gate::usage::Usage;
use crate::result::{Attributes, LogObject};

/// Keeps what is written, and can be stopped or broken.
#[derive(Clone, Default)]
struct Tape {
    written: Arc<Mutex<Vec<u8>>>,
    stopped: Arc<Mutex<Option<Event>>>,
    broken: Arc<AtomicBool>,
}

impl Tape {
    fn text(&self) -> String {
        String::from_utf8(self.written.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Tape {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.broken.load(Ordering::Relaxed) || self.stopped().is_some() {
            return Err(io::Error::other("no reader"));
        }
        self.written.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Tape {
    fn stopped(&self) -> Option<Event> {
        *self.stopped.lock().unwrap()
    }
}

impl Terminal for Tape {
    fn has_room(&self) -> bool {
        !self.broken.load(Ordering::Relaxed)
    }
}

fn log(message: &str) -> LogObject {
    LogObject {
        attributes: Attributes {
            level: "INFO".to_owned(),
            line_number: "3".to_owned(),
            message: message.to_owned(),
            rhai_api_name: None,
            timestamp: "<lt>".to_owned(),
        },
    }
}

#[test]
fn an_event_is_one_line_of_json() {
    let tape = Tape::default();
    let mut stream = Stream::Json(Box::new(tape.clone()));

    stream.log(&log("a\nb")).unwrap();
    stream.alarm(&AlarmObject { alarm_type: "A".to_owned(), alarm_details: None }).unwrap();

    assert_eq!(
        tape.text(),
        "{\"event\":\"log\",\"level\":\"INFO\",\"line_number\":\"3\",\"message\":\"a\\nb\",\"timestamp\":\"<lt>\"}\n\
         {\"event\":\"alarm\",\"alarm_type\":\"A\"}\n"
    );
}

#[test]
fn people_get_log_lines_alone_and_no_escape_sequences() {
    let tape = Tape::default();
    let mut stream = Stream::Text(Box::new(tape.clone()), Progress::default());

    stream.log(&log("a\u{1b}[2Jb")).unwrap();
    stream.alarm(&AlarmObject { alarm_type: "A".to_owned(), alarm_details: None }).unwrap();

    assert_eq!(tape.text(), "[INFO] a\\u{1b}[2Jb\n");
}

#[test]
fn who_does_not_listen_is_told_apart_from_what_interrupts() {
    let tape = Tape::default();
    let mut stream = Stream::Json(Box::new(tape.clone()));

    tape.broken.store(true, Ordering::Relaxed);
    assert_eq!(stream.log(&log("x")), Err(Unheard::Broken("no reader".to_owned())));
    *tape.stopped.lock().unwrap() = Some(Event::Signal(15));
    assert_eq!(stream.log(&log("x")), Err(Unheard::Stopped(Event::Signal(15))));
}

#[test]
fn the_progress_of_a_long_run_makes_way_for_everything_else() {
    let tape = Tape::default();
    let long_ago = Instant::now().checked_sub(Duration::from_secs(61)).unwrap();
    let progress = Progress::on(Box::new(tape.clone()), long_ago);
    let mut stream = Stream::Text(Box::new(tape.clone()), progress.clone());

    let mut usage = Usage::default();
    usage.calls = 2;
    usage.read_bytes = 3 << 19;

    progress.note(|| usage);
    progress.show();
    stream.log(&log("x")).unwrap();
    stream.log(&log("y")).unwrap();

    let expected = "\r\u{1b}[Krunning for 61 s, 2 calls, 1.5 MiB read\r\u{1b}[K[INFO] x\n[INFO] y\n";
    assert_eq!(tape.text(), expected);
}

#[test]
fn a_short_run_shows_no_progress_and_a_stopped_terminal_holds_nothing() {
    let tape = Tape::default();
    Progress::on(Box::new(tape.clone()), Instant::now()).show();
    assert_eq!(tape.text(), "");

    let long_ago = Instant::now().checked_sub(Duration::from_secs(61)).unwrap();
    tape.broken.store(true, Ordering::Relaxed);
    Progress::on(Box::new(tape.clone()), long_ago).show();
    assert_eq!(tape.text(), "");
}
