//! The last steps of a run: the closing record, the document, standard output, the exit status.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};
use std::{fmt, thread};

use rex_ipc::runtime::LogLevel;

use crate::audit::{self, Outcome, Record, Sink};
use crate::gate::limits::TIME;
use crate::policy::PolicyText;
use crate::result::{self, Document, Ending, Exit, Form, Measured, Recorder, Settings};
use crate::run::register::Entry;
use crate::run::request::RunRequest;
use crate::terminal::unwritten;
use crate::watch::outlet::Outlet;
use crate::watch::shared::Shared;
use crate::watch::wait::Event;
use crate::watch::watchdog::{Abandoned, Work};

/// What a run has to tell: its caller, and those who come later.
#[derive(Clone)]
pub(crate) struct Account {
    /// For the result.
    pub(crate) recorder: Shared<Recorder>,
    /// For the record.
    pub(crate) audit: Shared<Box<dyn Sink>>,
    /// The result, while the closing record is being written.
    pub(crate) document: Shared<Option<Document>>,
}

impl fmt::Debug for Account {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Account")
    }
}

/// What is known of a run before anything was done for it.
#[derive(Clone, Debug)]
pub(crate) struct Beginning {
    pub(crate) options: RunRequest,
    pub(crate) log_threshold: LogLevel,
    pub(crate) image_sha256: String,
    /// When the program was started.
    pub(crate) started: Instant,
    /// What the watchdog has to tell, once the script is started.
    pub(crate) account: Shared<Option<Account>>,
    /// Where the run is listed, from then on.
    pub(crate) entry: Shared<Option<Entry>>,
}

impl Beginning {
    /// A recorder that has only what is known from the start.
    pub(crate) fn recorder(&self) -> Recorder {
        let limits = &self.options.limits;
        let mut recorder = Recorder::new(Settings {
            compat: self.options.compat,
            bare: self.options.bare,
            started: self.started,
            log_threshold: self.log_threshold,
            max_log_lines: limits.max_log_lines,
            max_signals: limits.max_signals,
            max_signal_bytes: limits.max_signal_bytes,
        });
        recorder.jail.require = Some(self.required().to_owned());
        recorder.jail.policy_mode = self.options.policy_mode.name();
        recorder.jail.image_sha256 = Some(self.image_sha256.clone());
        recorder.dry_run = self.options.dry_run;
        recorder
    }

    /// The requirement as the operator wrote it.
    pub(crate) fn required(&self) -> &str {
        self.options.require.as_deref().unwrap_or("core")
    }

    /// When the time of the run is over.
    pub(crate) fn deadline(&self) -> Instant {
        self.started + self.options.limits.timeout()
    }

    /// Makes the document and writes the closing record, without which there is no success.
    pub(crate) fn document(&self, account: &Account, ending: Ending, measured: &Measured) -> Document {
        let started = !matches!(ending, Ending::NotStarted(_));
        let document = account.recorder.lock().take().finish(ending, measured);
        if !started {
            return document;
        }
        let record = self.closing_record(&document);
        // Where the watchdog finds it, should the record not come to its end.
        *account.document.lock() = Some(document);
        let written = account.audit.lock().note(&record);
        let Some(mut document) = account.document.lock().take() else {
            // The watchdog has it, and is about to end the process.
            loop {
                thread::park();
            }
        };
        if let Err(error) = written {
            document.audit_failed(&error.to_string(), self.options.compat);
        }
        document
    }

    fn closing_record(&self, document: &Document) -> Record<'static> {
        let (end, claimed) = document.end();
        Record::End(audit::End {
            end,
            end_claimed_by_jail: claimed,
            status: document.status.name(),
            error_type: document.error.as_ref().map(|error| error.error_type.name()),
            exit: document.exit.code(self.options.compat),
            duration_us: u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX),
        })
    }

    /// Writes the document and gives the exit status; what is wrong is shown with its line in `sources`. Once the time of the run is over, standard output may stay unread
    /// for `patience` and no longer.
    pub(crate) fn write(&self, document: &Document, sources: &[PolicyText<'_>], patience: Duration) -> u8 {
        let options = &self.options;
        let form = Form {
            format: options.format,
            verbose: options.verbose,
            compat: options.compat,
            to_terminal: io::stdout().is_terminal(),
            for_person: options.for_person,
            explain_denials: options.explain_denials,
            // Diagnostics go to standard error.
            in_colour: options.color.is_wanted(io::stderr().is_terminal()),
            sources,
        };
        let deadline = self.deadline();
        let outlets = Outlet::new(io::stdout(), deadline, patience)
            .and_then(|stdout| Ok((stdout, Outlet::new(io::stderr(), deadline, patience)?)));
        let (mut stdout, mut stderr) = match outlets {
            Ok(outlets) => outlets,
            // Without descriptors nobody can wait for a reader and for signals at once; the result is told all the same.
            Err(_) => {
                return match result::write(
                    document,
                    &form,
                    &mut io::stdout(),
                    &mut Unminded(&mut io::stderr()),
                ) {
                    Ok(()) => document.exit.code(options.compat),
                    Err(error) => self.unwritten(&error),
                };
            }
        };
        let written = result::write(document, &form, &mut stdout, &mut Unminded(&mut stderr));
        let interruption = stdout.interruption.or(stderr.interruption);
        let written = match interruption {
            Some(_) => written.and(Err(io::ErrorKind::Interrupted.into())),
            None => written,
        };
        match written {
            Ok(()) => document.exit.code(options.compat),
            Err(error) => match interruption {
                Some(Event::Signal(number)) => {
                    self.unwritten(&error);
                    Exit::Signal(u8::try_from(number).unwrap_or(0)).code(options.compat)
                }
                Some(Event::Deadline) => {
                    self.unwritten(&error);
                    Exit::Deadline.code(options.compat)
                }
                _ => self.unwritten(&error),
            },
        }
    }

    /// Says that the result is lost; gives the exit status for that.
    fn unwritten(&self, error: &io::Error) -> u8 {
        // Whatever level of diagnostics is wanted: the status alone says too little. Rex says nothing.
        if !self.options.compat {
            unwritten("the result", error);
        }
        Exit::OutputNotWritten.code(self.options.compat)
    }

    /// Ends, from the watchdog, a run whose broker waits for a call that does not come back.
    pub(crate) fn rescue(self, abandoned: Abandoned) -> u8 {
        let Abandoned { signal, work } = abandoned;
        let account = self.account.lock().take();
        let document = match &account {
            Some(account) => self.rescued(account, signal, work),
            // The script was not started, and nothing is on record.
            None => self.recorder().finish(self.ending(signal, work), &Measured::default()),
        };
        let exit = self.write(&document, &[], PATIENCE_OF_RESCUE);
        drop(self.entry.lock().take());
        exit
    }

    /// The document of a script that was started.
    fn rescued(&self, account: &Account, signal: Option<i32>, work: Option<Work>) -> Document {
        let mut finished = account.document.lock();
        let mut kept = account.recorder.lock();
        let audit = account.audit.lock_within(PATIENCE_WITH_AUDIT);
        let document = match (finished.take(), audit) {
            (Some(mut document), _) => {
                document.audit_failed(STUCK, self.options.compat);
                document
            }
            (None, None) => {
                let failed = Ending::AuditFailed(format!("cannot write audit log: {STUCK}"));
                kept.take().finish(failed, &Measured::default())
            }
            (None, Some(mut audit)) => {
                let noted = self.record(&mut **audit, signal, work);
                let mut document = kept.take().finish(self.ending(signal, work), &Measured::default());
                if let Err(error) = noted.and_then(|()| audit.note(&self.closing_record(&document))) {
                    document.audit_failed(&error.to_string(), self.options.compat);
                }
                // Never given back: should the call come back after all, nothing may follow the closing record.
                std::mem::forget(audit);
                document
            }
        };
        std::mem::forget((finished, kept));
        document
    }

    /// Records that the call was abandoned, and the limit if it was one.
    fn record(
        &self,
        audit: &mut dyn Sink,
        signal: Option<i32>,
        work: Option<Work>,
    ) -> Result<(), audit::AuditError> {
        if let Some(work) = work {
            audit.after(&Outcome {
                operation: work.name,
                chunk_of: None,
                failure: Some("abandoned"),
                errno: None,
                bytes: 0,
                duration_us: u64::try_from(work.since.elapsed().as_micros()).unwrap_or(u64::MAX),
            })?;
        }
        let claimed_line = work.map_or(0, |work| work.line);
        if let Some(order) = self.order() {
            return audit.note(&Record::Stop(order.record(claimed_line)));
        }
        if signal.is_some() {
            return Ok(());
        }
        let limit = audit::Limit { name: TIME, value: self.options.limits.timeout_seconds, claimed_line };
        audit.note(&Record::Limit(limit))
    }

    fn ending(&self, signal: Option<i32>, work: Option<Work>) -> Ending {
        let abandoned = match work {
            Some(Work { name, since, .. }) => {
                format!(
                    "{name} had not come back after {:.1} s and was abandoned",
                    since.elapsed().as_secs_f64()
                )
            }
            None => "the broker did not notice it".to_owned(),
        };
        let line = work.map(|work| work.line).filter(|line| *line > 0);
        if let Some(order) = self.order() {
            return Ending::Stopped(format!("{}; {abandoned}", order.in_words()));
        }
        match signal {
            None => Ending::Deadline {
                seconds: self.options.limits.timeout_seconds,
                line,
                abandoned: Some(abandoned),
            },
            Some(number) => {
                let signal = u8::try_from(number).unwrap_or(0);
                let text = result::termination_text(signal, line.map(|line| (line, 1)), self.options.compat);
                Ending::Terminated { signal, message: format!("{text}; {abandoned}") }
            }
        }
    }
}

const STUCK: &str = "the write does not come back";
/// How long standard output may stay unread after the deadline.
pub(crate) const PATIENCE: Duration = Duration::from_millis(800);
/// How long standard output may stay unread when the watchdog writes, which has waited already: together less than a
/// second.
const PATIENCE_OF_RESCUE: Duration = Duration::from_millis(300);
/// How long the audit log may be held by a write.
const PATIENCE_WITH_AUDIT: Duration = Duration::from_millis(100);

/// What goes to it is for people, and is lost where it cannot be written; the end of a run is the same without it.
struct Unminded<'w, W>(&'w mut W);

impl<W: io::Write> io::Write for Unminded<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Whatever became of it, there is nothing more to be done for it.
        drop(self.0.write_all(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        drop(self.0.flush());
        Ok(())
    }
}
