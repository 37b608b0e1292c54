//! One jail served: handshake, script, calls, output, end. The first wrong byte ends it.

use std::collections::VecDeque;
use std::fmt;
use std::os::fd::AsFd;
use std::time::Instant;

use rex_ipc::batch::{Call, ReplyWriter};
use rex_ipc::bounded::{Bytes, Text};
use rex_ipc::codec;
use rex_ipc::control::{
    self, Arguments, EngineLimit, Fatal, Hello, LoadBegin, OutputBegin, Piece, Place, Purpose, Ready, Remark,
    RequestNumber, ScriptEnd,
};
use rex_ipc::failure::{Failure, FailureClass};
use rex_ipc::frame::{Header, Kind};
use rex_ipc::interface::{FINGERPRINT, Request};
use rex_ipc::limits::{HEADER_BYTES, MAX_BODY_BYTES, MAX_FRAME_BYTES};
use rex_ipc::state::{State, Tracker};
use rex_outside::socket::{Link, LinkError, RECEIVE_BYTES, Received, Wait};

use crate::audit::Outcome;
use crate::gate::error::{Error, LimitReached, NotRecorded};
use crate::gate::limits::{VALUE_SIZE, VARIABLES, engine_limits};
use crate::ops::{self, explain};
use crate::run::services::Services;
use crate::watch::wait::{Event, Waiter};

/// How a run ended, as far as the broker knows by itself or was told by the jail.
#[derive(Debug)]
pub enum RunEnd {
    /// The script ended and said so. The text is its output or the message of its error.
    Script {
        /// What the jail says.
        end: ScriptEnd,
        /// Output or error message.
        text: String,
        /// What the broker answered to the request that ended the script.
        class: Option<FailureClass>,
    },
    /// The jail says that it cannot go on.
    Fatal(Fatal),
    /// The jail broke the protocol.
    Violation(String),
    /// The jail is gone, without a word.
    JailGone,
    /// The jail waits in a system call that it does not have.
    ForbiddenCall,
    /// A limit of the run was reached.
    Limit(LimitReached),
    /// Somebody sent a signal.
    Signal(i32),
    /// The time of the run is over.
    Deadline,
    /// The record cannot be written.
    Audit(NotRecorded),
    /// The events of the run cannot be written.
    Output(String),
    /// The broker itself failed.
    Internal(String),
}

impl fmt::Display for RunEnd {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Script { .. } => out.write_str("the script ended"),
            Self::Fatal(fatal) => write!(out, "{}", fatal.message),
            Self::Violation(text) | Self::Output(text) | Self::Internal(text) => out.write_str(text),
            Self::ForbiddenCall => out.write_str("the jail called the kernel for what it may not"),
            Self::JailGone => out.write_str("the jail ended before it was ready"),
            Self::Limit(limit) => write!(out, "limit reached: {} of {}", limit.name, limit.value),
            Self::Signal(number) => write!(out, "the broker got signal {number}"),
            Self::Deadline => out.write_str("the time of the run is over"),
            Self::Audit(error) => write!(out, "{error}"),
        }
    }
}

/// The conversation with one jail.
pub struct Session<'j> {
    link: &'j Link,
    tracker: Tracker,
    sent: u32,
    output: Vec<u8>,
    failures: VecDeque<(RequestNumber, FailureClass)>,
    /// The line of the script that last asked for something, as the jail claims.
    pub line: u32,
    /// Where in the script its error is, as the jail claims.
    pub place: Option<Place>,
    /// What the script is sent for; set before it is sent.
    pub purpose: Purpose,
    /// What is doubtful in a script that was only compiled, as the jail claims.
    pub remarks: Vec<Remark>,
}

impl<'j> Session<'j> {
    /// A conversation over this socket, after [`send_hello`].
    pub fn new(link: &'j Link) -> Self {
        Self {
            link,
            tracker: Tracker::new(),
            sent: 1,
            output: Vec::new(),
            failures: VecDeque::new(),
            line: 0,
            place: None,
            purpose: Purpose::Run,
            remarks: Vec::new(),
        }
    }

    /// How far the run is.
    pub fn state(&self) -> State {
        self.tracker.state()
    }

    /// Waits for the jail to say that it is locked down; gives its own report.
    pub fn await_ready(&mut self, waiter: &mut Waiter) -> Result<Vec<u8>, RunEnd> {
        let mut buffer = new_buffer();
        let (header, length) = self.receive(waiter, &mut buffer)?;
        let body = body(&buffer, length);
        match header.kind {
            Kind::Ready => {
                let ready: Ready = decode(body)?;
                if ready.fingerprint != FINGERPRINT {
                    return Err(RunEnd::Violation("the jail was built for another interface table".into()));
                }
                Ok(ready.report.into_vec())
            }
            _ => Err(RunEnd::Fatal(decode(body)?)),
        }
    }

    /// The posture was verified from outside.
    pub fn verified(&mut self) {
        self.tracker.advance(State::Verified);
    }

    /// Sends script and arguments; the last frame is the order to run.
    pub fn load(
        &mut self,
        services: &mut Services,
        script: &str,
        arguments: &Arguments,
    ) -> Result<(), RunEnd> {
        debug_assert_eq!(self.tracker.state(), State::Verified);
        let arguments =
            codec::encode_large(arguments).map_err(|error| RunEnd::Internal(error.to_string()))?;
        let length =
            |bytes: usize| u32::try_from(bytes).map_err(|_| RunEnd::Internal("script too long".into()));
        let begin = LoadBegin {
            script_bytes: length(script.len())?,
            arguments_bytes: length(arguments.len())?,
            purpose: self.purpose,
        };
        self.tracker.advance(State::Loaded);
        self.send_control(&mut services.pace.waiter, Kind::LoadBegin, &begin)?;
        for piece in script.as_bytes().chunks(PIECE_BYTES).chain(arguments.chunks(PIECE_BYTES)) {
            let piece = Piece { bytes: Bytes::new(piece.to_vec()).unwrap_or_default() };
            self.send_control(&mut services.pace.waiter, Kind::LoadChunk, &piece)?;
        }
        self.expect_silence()?;
        // From here on the jail may send: it runs as soon as it has this frame.
        self.tracker.advance(State::Running);
        self.send(&mut services.pace.waiter, Kind::LoadEnd, 0, &mut [0; HEADER_BYTES])
    }

    /// Demands that the jail has said nothing since it was ready, but perhaps that it cannot go on.
    fn expect_silence(&mut self) -> Result<(), RunEnd> {
        let mut buffer = new_buffer();
        match self.link.receive(&mut buffer, Wait::No) {
            Ok(Received::Nothing) => Ok(()),
            Ok(Received::Frame(length)) => {
                self.accept(&buffer, length)?;
                Err(RunEnd::Fatal(decode(body(&buffer, length))?))
            }
            Ok(Received::Closed) => Err(RunEnd::JailGone),
            Err(error) => Err(link_end(&error)),
        }
    }

    /// Serves the script until it ends, one way or the other.
    pub fn serve(&mut self, services: &mut Services) -> RunEnd {
        let mut buffer = new_buffer();
        let mut reply = vec![0; MAX_FRAME_BYTES];
        loop {
            match self.serve_frame(services, &mut buffer, &mut reply) {
                Ok(None) => {}
                Ok(Some(end)) | Err(end) => return end,
            }
        }
    }

    fn serve_frame(
        &mut self,
        services: &mut Services,
        buffer: &mut [u8; RECEIVE_BYTES],
        reply: &mut [u8],
    ) -> Result<Option<RunEnd>, RunEnd> {
        let (header, length) = self.receive(&mut services.pace.waiter, buffer)?;
        let body = body(buffer, length);
        match header.kind {
            Kind::Call if self.purpose == Purpose::Check => {
                return Err(RunEnd::Violation("the jail made a call although nothing is to be run".into()));
            }
            Kind::Call => {
                let call = Call::decode(body).map_err(|error| RunEnd::Violation(error.to_string()))?;
                let used = self.answer(services, header.sequence, call, &mut reply[HEADER_BYTES..])?;
                services.progress.note(services.metered.usage());
                self.release(services, Kind::Reply, used, reply, buffer)?;
            }
            Kind::OutputBegin => {
                let begin: OutputBegin = decode(body)?;
                let limit = services.metered.limits().max_output_bytes;
                if begin.total_bytes > limit {
                    return Err(RunEnd::Limit(LimitReached { name: "max-output", value: limit }));
                }
                self.tracker.output_begins(begin.total_bytes, limit).map_err(violation)?;
                self.release(services, Kind::Ack, 0, reply, buffer)?;
            }
            Kind::OutputChunk => {
                let piece: Piece = decode(body)?;
                self.tracker.output_piece(piece.bytes.as_slice().len()).map_err(violation)?;
                self.output.extend_from_slice(piece.bytes.as_slice());
                self.release(services, Kind::Ack, 0, reply, buffer)?;
            }
            Kind::OutputEnd => {
                expect_empty(body)?;
                self.tracker.output_ends().map_err(violation)?;
                self.release(services, Kind::Ack, 0, reply, buffer)?;
            }
            Kind::Result => {
                let outcome: control::Outcome = decode(body)?;
                return Ok(Some(self.script_end(services, outcome)?));
            }
            _ => return Ok(Some(RunEnd::Fatal(decode(body)?))),
        }
        Ok(None)
    }

    /// Performs the requests of a call in their order, up to the first that fails.
    fn answer(
        &mut self,
        services: &mut Services,
        frame: u32,
        call: Call,
        space: &mut [u8],
    ) -> Result<usize, RunEnd> {
        self.line = call.line;
        services.metered.count_call().map_err(|limit| self.end_of(services, limit.into()))?;
        services.host.handles.begin_batch();
        let mut replies = ReplyWriter::new(space);
        let mut requests = call.requests.into_iter();
        for index in 0.. {
            let Some(request) = requests.next() else { break };
            let number = RequestNumber { frame, index: u8::try_from(index).unwrap_or(u8::MAX) };
            services.begin(number, &request).map_err(|error| self.end_of(services, error))?;
            services.tell_work(Some((services.kept.operation(), call.line)));
            let begun = Begun::new(&request, services);
            let kept = services.deciding.explaining.enabled.then(|| request.clone());
            // Scripts of Rex compare its texts.
            let object = if services.deciding.rex_compat {
                None
            } else {
                ops::naming::object(&services.host.handles, &request)
            };
            let result = ops::dispatch(request, services.parts(), call.line, &mut replies);
            let result = result.map_err(|error| error.about(object.as_deref()));
            begun.record(services, result.as_ref().err()).map_err(|error| self.end_of(services, error))?;
            let Err(error) = result else { continue };
            let Some(failure) = error.to_failure() else { return Err(self.end_of(services, error)) };
            if let (Error::Denied(_), Some(denied)) = (&error, &kept) {
                explain::of_rest(
                    &mut services.deciding,
                    &mut services.kept,
                    &services.host.handles,
                    denied,
                    requests.as_slice(),
                );
            }
            services.host.handles.close_batch();
            self.remember(number, &failure);
            let failure = shortened(failure, MAX_BODY_BYTES.saturating_sub(replies.used()));
            return replies.finish(Some(&failure)).map_err(|error| RunEnd::Internal(error.to_string()));
        }
        services.host.handles.end_batch();
        replies.finish(None).map_err(|error| RunEnd::Internal(error.to_string()))
    }

    /// Sends an answer, after everything that led to it has been recorded.
    fn release(
        &mut self,
        services: &mut Services,
        kind: Kind,
        body_bytes: usize,
        frame: &mut [u8],
        buffer: &mut [u8; RECEIVE_BYTES],
    ) -> Result<(), RunEnd> {
        services.kept.commit().map_err(|error| self.end_of(services, error))?;
        services.tell_work(None);
        // Lock-step: a jail that has sent more before it was answered is not ours.
        match self.link.receive(buffer, Wait::No) {
            Ok(Received::Nothing) => {}
            Ok(Received::Frame(_)) => {
                return Err(RunEnd::Violation(
                    "a second frame was sent before the first was answered".into(),
                ));
            }
            Ok(Received::Closed) => return Err(RunEnd::JailGone),
            Err(error) => return Err(link_end(&error)),
        }
        self.send(&mut services.pace.waiter, kind, body_bytes, frame)
    }

    fn remember(&mut self, number: RequestNumber, failure: &Failure) {
        if self.failures.len() == REMEMBERED_FAILURES {
            self.failures.pop_front();
        }
        self.failures.push_back((number, failure.class));
    }

    fn script_end(&mut self, services: &Services, outcome: control::Outcome) -> Result<RunEnd, RunEnd> {
        let text = String::from_utf8(std::mem::take(&mut self.output))
            .map_err(|_| RunEnd::Violation("the output is not UTF-8".into()))?;
        self.place = outcome.place;
        if self.purpose == Purpose::Check {
            self.remarks = outcome.remarks.into_vec();
        }
        if let ScriptEnd::Limit(limit) = outcome.end {
            let engine = engine_limits(services.metered.limits());
            let (name, value) = match limit {
                EngineLimit::Operations => ("max-operations", engine.operations),
                EngineLimit::DataSize => (VALUE_SIZE, engine.string_bytes),
                EngineLimit::Variables => (VARIABLES, engine.variables),
            };
            return Ok(RunEnd::Limit(LimitReached { name, value }));
        }
        // The jail names the request; what was answered to it is known here. A request that was never failed gives
        // no class, so nothing but our own denial counts as one.
        let class = outcome.ended_by.and_then(|number| {
            self.failures.iter().rev().find(|(failed, _)| *failed == number).map(|(_, class)| *class)
        });
        Ok(RunEnd::Script { end: outcome.end, text, class })
    }

    fn end_of(&self, services: &Services, error: Error) -> RunEnd {
        match error {
            Error::Limit(limit) => RunEnd::Limit(limit),
            Error::Violation(text) => RunEnd::Violation(text),
            Error::Audit(error) => RunEnd::Audit(error),
            Error::Output(reason) => RunEnd::Output(reason),
            Error::Interrupted => match services.pace.interruption.event() {
                Some(Event::Signal(number)) => RunEnd::Signal(number),
                Some(Event::Deadline) => deadline_end(&services.pace.waiter),
                Some(Event::ForbiddenCall) => RunEnd::ForbiddenCall,
                Some(Event::Limit(limit)) => RunEnd::Limit(limit),
                _ => RunEnd::JailGone,
            },
            Error::Denied(_) | Error::Failed { .. } => RunEnd::Internal("a failure was not answered".into()),
        }
    }

    /// Waits for the next frame and checks it against header rules and state.
    fn receive(
        &mut self,
        waiter: &mut Waiter,
        buffer: &mut [u8; RECEIVE_BYTES],
    ) -> Result<(Header, usize), RunEnd> {
        loop {
            let event =
                waiter.readable(self.link.as_fd()).map_err(|error| RunEnd::Internal(error.to_string()))?;
            match event {
                Event::Readable => {}
                Event::Signal(number) => return Err(RunEnd::Signal(number)),
                Event::Deadline => return Err(deadline_end(waiter)),
                Event::JailEnded => return Err(RunEnd::JailGone),
                Event::ForbiddenCall => return Err(RunEnd::ForbiddenCall),
                Event::Limit(limit) => return Err(RunEnd::Limit(limit)),
                Event::Writable | Event::Elapsed => continue,
            }
            if event != Event::Readable {
                continue;
            }
            let length = match self.link.receive(buffer, Wait::No) {
                Ok(Received::Frame(length)) => length,
                Ok(Received::Nothing) => continue,
                Ok(Received::Closed) => return Err(RunEnd::JailGone),
                Err(error) => return Err(link_end(&error)),
            };
            return Ok((self.accept(buffer, length)?, length));
        }
    }

    /// Checks a datagram against header rules and state.
    fn accept(&mut self, buffer: &[u8; RECEIVE_BYTES], length: usize) -> Result<Header, RunEnd> {
        let datagram = buffer.get(..length).unwrap_or_default();
        let (header, _) = Header::split(datagram).map_err(|error| RunEnd::Violation(error.to_string()))?;
        self.tracker.accept(&header).map_err(violation)?;
        Ok(header)
    }

    fn send_control<T: serde::Serialize>(
        &mut self,
        waiter: &mut Waiter,
        kind: Kind,
        body: &T,
    ) -> Result<(), RunEnd> {
        let mut frame = vec![0; MAX_FRAME_BYTES];
        let used = codec::encode(body, &mut frame[HEADER_BYTES..])
            .map_err(|error| RunEnd::Internal(error.to_string()))?;
        self.send(waiter, kind, used, &mut frame)
    }

    fn send(
        &mut self,
        waiter: &mut Waiter,
        kind: Kind,
        body_bytes: usize,
        frame: &mut [u8],
    ) -> Result<(), RunEnd> {
        let length = Header::finish(kind, self.sent, body_bytes, frame)
            .ok_or_else(|| RunEnd::Internal("an answer does not fit a frame".into()))?;
        self.sent = self.sent.checked_add(1).ok_or_else(|| RunEnd::Internal("too many frames".into()))?;
        loop {
            match self.link.send(frame.get(..length).unwrap_or_default()) {
                Ok(()) => return Ok(()),
                Err(LinkError::Full) => {}
                Err(error) => return Err(link_end(&error)),
            }
            let event =
                waiter.writable(self.link.as_fd()).map_err(|error| RunEnd::Internal(error.to_string()))?;
            match event {
                Event::Signal(number) => return Err(RunEnd::Signal(number)),
                Event::Deadline => return Err(deadline_end(waiter)),
                Event::JailEnded => return Err(RunEnd::JailGone),
                Event::ForbiddenCall => return Err(RunEnd::ForbiddenCall),
                Event::Limit(limit) => return Err(RunEnd::Limit(limit)),
                Event::Readable | Event::Writable | Event::Elapsed => {}
            }
        }
    }
}

/// The end of the run's time, which SIGTERM may have brought nearer.
fn deadline_end(waiter: &Waiter) -> RunEnd {
    waiter.terminated().map_or(RunEnd::Deadline, RunEnd::Signal)
}

/// Tells the jail what it has to know before it gives up its rights; the first frame, before there is anything to serve.
///
/// # Errors
/// When the jail is gone, or the run is to end meanwhile.
pub fn send_hello(link: &Link, waiter: &mut Waiter, hello: &Hello) -> Result<(), RunEnd> {
    let mut session = Session { sent: 0, ..Session::new(link) };
    session.send_control(waiter, Kind::Hello, hello)
}

/// A request that is being carried out, for the record of its outcome.
struct Begun {
    operation: &'static str,
    needs_permission: bool,
    chunk_of: Option<u64>,
    at: Instant,
    moved_bytes: u64,
}

impl Begun {
    fn new(request: &Request, services: &Services) -> Self {
        let chunk_of = match request {
            Request::ReadChunk(read) => Some(read.file.0.into()),
            Request::WriteChunk(write) => Some(write.writer.0.into()),
            _ => None,
        };
        Self {
            operation: request.name(),
            needs_permission: request.needs_permission(),
            chunk_of,
            at: Instant::now(),
            moved_bytes: services.metered.usage().moved_bytes(),
        }
    }

    /// Records what became of it. What needs no permission touches nothing that anybody would ask about later.
    fn record(self, services: &mut Services, error: Option<&Error>) -> Result<(), Error> {
        if !self.needs_permission {
            return Ok(());
        }
        let (failure, errno) = match error {
            None => (None, None),
            Some(Error::Denied(_)) => (Some("PermissionDenied"), None),
            Some(Error::Failed { kind, errno, .. }) => {
                (Some(kind.name()), errno.and_then(|errno| u16::try_from(errno).ok()))
            }
            Some(Error::Limit(limit)) => (Some(limit.name), None),
            Some(Error::Violation(_)) => (Some("violation"), None),
            Some(Error::Interrupted) => (Some("interrupted"), None),
            // What could not be written cannot be written now.
            Some(Error::Audit(_)) => return Ok(()),
            Some(Error::Output(_)) => (Some("output"), None),
        };
        services.kept.record_outcome(&Outcome {
            operation: self.operation,
            chunk_of: self.chunk_of,
            failure,
            errno,
            bytes: services.metered.usage().moved_bytes().saturating_sub(self.moved_bytes),
            duration_us: u64::try_from(self.at.elapsed().as_micros()).unwrap_or(u64::MAX),
        })
    }
}

/// The failure with a message that fits behind the replies which are already written.
fn shortened(mut failure: Failure, room_bytes: usize) -> Failure {
    let most = room_bytes.saturating_sub(FAILURE_OVERHEAD_BYTES);
    let text = failure.message.as_str();
    if text.len() > most {
        let end = (0..=most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        failure.message = Text::cut(text.get(..end).unwrap_or_default());
    }
    failure
}

/// What a failure of the socket means: the jail's doing, its death, or ours.
fn link_end(error: &LinkError) -> RunEnd {
    match error {
        LinkError::TooLong(_) | LinkError::Ancillary => RunEnd::Violation(error.to_string()),
        LinkError::Call(_, cause) if cause.kind() == std::io::ErrorKind::BrokenPipe => RunEnd::JailGone,
        LinkError::Call(_, cause) if cause.kind() == std::io::ErrorKind::ConnectionReset => RunEnd::JailGone,
        LinkError::Full | LinkError::Short(_) | LinkError::Call(..) => RunEnd::Internal(error.to_string()),
    }
}

fn new_buffer() -> Box<[u8; RECEIVE_BYTES]> {
    Box::new([0; RECEIVE_BYTES])
}

fn body(buffer: &[u8; RECEIVE_BYTES], length: usize) -> &[u8] {
    buffer.get(HEADER_BYTES..length).unwrap_or_default()
}

fn decode<T: serde::Serialize + serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, RunEnd> {
    codec::decode_exactly(body).map_err(|error| RunEnd::Violation(error.to_string()))
}

fn expect_empty(body: &[u8]) -> Result<(), RunEnd> {
    if body.is_empty() { Ok(()) } else { Err(RunEnd::Violation("bytes follow the value".into())) }
}

fn violation(error: rex_ipc::state::ProtocolError) -> RunEnd {
    RunEnd::Violation(error.to_string())
}

const PIECE_BYTES: usize = MAX_BODY_BYTES - 16;
/// A script that keeps an older error than this and ends with it is not counted as denied by it.
const REMEMBERED_FAILURES: usize = 65_536;
/// Flag, class, kind and length of a failure take no more than this.
const FAILURE_OVERHEAD_BYTES: usize = 32;
