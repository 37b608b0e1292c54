//! One jail served: handshake, script, calls, output, end. The first wrong byte ends it.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::time::Instant;

use rex_ipc::batch::{Call, ReplyWriter};
use rex_ipc::bounded::{Bytes, Text};
use rex_ipc::codec;
use rex_ipc::control::{
    self, Arguments, Hello, LoadBegin, OutputBegin, Piece, Place, Purpose, Ready, Remark, RequestNumber,
    ScriptEnd,
};
use rex_ipc::failure::{Failure, FailureClass};
use rex_ipc::frame::{Header, Kind};
use rex_ipc::interface::FINGERPRINT;
use rex_ipc::limits::{HEADER_BYTES, MAX_BODY_BYTES, MAX_FRAME_BYTES};
use rex_ipc::state::{State, Tracker};
use rex_outside::socket::{Link, LinkError, RECEIVE_BYTES, Received, Wait};

use super::outcome::Begun;
use super::run_end::{self, link_end};
use crate::gate::error::{Error, LimitReached};
use crate::ops;
use crate::run::services::Services;
use crate::watch::wait::Waiter;

pub use super::run_end::RunEnd;

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

    /// Waits for the jail to say that it is locked down; gives its own report.
    ///
    /// # Errors
    /// `Fatal` when the jail says that it cannot go on, `JailGone` when it is gone, `Violation` when it breaks the
    /// protocol or was built for another interface table; else what ends the run meanwhile, such as a signal, the
    /// deadline or a limit.
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
    ///
    /// # Errors
    /// `Internal` when script or arguments do not fit; `JailGone`, `Fatal` or `Violation` when the jail is gone or says
    /// anything; else what ends the run meanwhile, such as a signal, the deadline or a limit.
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
        let Some(length) = self.hear(&mut buffer, Wait::No)? else { return Ok(()) };
        self.accept(&buffer, length)?;
        Err(RunEnd::Fatal(decode(body(&buffer, length))?))
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
        let (answer, used) = match header.kind {
            Kind::Call if self.purpose == Purpose::Check => {
                return Err(RunEnd::Violation("the jail made a call although nothing is to be run".into()));
            }
            Kind::Call => {
                let call = Call::decode(body).map_err(|error| RunEnd::Violation(error.to_string()))?;
                let used = self.answer(services, header.sequence, call, &mut reply[HEADER_BYTES..])?;
                services.progress.note(|| services.metered.usage());
                (Kind::Reply, used)
            }
            Kind::OutputBegin => {
                let begin: OutputBegin = decode(body)?;
                let limit = services.metered.limits().max_output_bytes;
                if begin.total_bytes > limit {
                    return Err(RunEnd::Limit(LimitReached { name: "max-output", value: limit }));
                }
                self.tracker.output_begins(begin.total_bytes, limit).map_err(violation)?;
                (Kind::Ack, 0)
            }
            Kind::OutputChunk => {
                let piece: Piece = decode(body)?;
                self.tracker.output_piece(piece.bytes.as_slice().len()).map_err(violation)?;
                self.output.extend_from_slice(piece.bytes.as_slice());
                (Kind::Ack, 0)
            }
            Kind::OutputEnd => {
                decode::<()>(body)?;
                self.tracker.output_ends().map_err(violation)?;
                (Kind::Ack, 0)
            }
            Kind::Result => {
                let outcome: control::Outcome = decode(body)?;
                return Ok(Some(self.script_end(services, outcome)?));
            }
            _ => return Ok(Some(RunEnd::Fatal(decode(body)?))),
        };
        self.release(services, answer, used, reply, buffer).map(|()| None)
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
        services.metered.count_call().map_err(|limit| run_end::of(services, limit.into()))?;
        services.host.handles.begin_batch();
        let mut replies = ReplyWriter::new(space);
        let mut requests = call.requests.into_iter();
        for index in 0.. {
            let Some(request) = requests.next() else { break };
            let number = RequestNumber { frame, index: u8::try_from(index).unwrap_or(u8::MAX) };
            services.begin(number, &request).map_err(|error| run_end::of(services, error))?;
            let begun = Begun::new(&request, services);
            services.tell_work(Some(begun.work(call.line)));
            let kept = services.deciding.explaining.enabled.then(|| request.clone());
            let object = services.object_of(&request);
            let result = ops::dispatch(request, services.parts(), call.line, &mut replies);
            let result = result.map_err(|error| error.about(object.as_deref()));
            begun.record(services, result.as_ref().err()).map_err(|error| run_end::of(services, error))?;
            let Err(error) = result else { continue };
            let Some(failure) = error.to_failure() else { return Err(run_end::of(services, error)) };
            if let (Error::Denied(_), Some(denied)) = (&error, &kept) {
                services.explain_rest(denied, requests.as_slice());
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
        services.kept.commit().map_err(|error| run_end::of(services, error))?;
        services.tell_work(None);
        // Lock-step: a jail that has sent more before it was answered is not ours.
        if self.hear(buffer, Wait::No)?.is_some() {
            return Err(RunEnd::Violation("a second frame was sent before the first was answered".into()));
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
            return Ok(run_end::by_engine(limit, services.metered.limits()));
        }
        // The jail names the request; what was answered to it is known here. A request that was never failed gives
        // no class, so nothing but our own denial counts as one.
        let class = outcome.ended_by.and_then(|number| {
            self.failures.iter().rev().find(|(failed, _)| *failed == number).map(|(_, class)| *class)
        });
        Ok(RunEnd::Script { end: outcome.end, text, class })
    }

    /// Waits for the next frame and checks it against header rules and state.
    fn receive(
        &mut self,
        waiter: &mut Waiter,
        buffer: &mut [u8; RECEIVE_BYTES],
    ) -> Result<(Header, usize), RunEnd> {
        loop {
            while !run_end::goes_on(waiter.readable(self.link.as_fd()), waiter)? {}
            let Some(length) = self.hear(buffer, Wait::Briefly)? else { continue };
            waiter.asked(Instant::now());
            return Ok((self.accept(buffer, length)?, length));
        }
    }

    /// Takes a datagram, if one is there or comes in the time that may be waited.
    fn hear(&self, buffer: &mut [u8; RECEIVE_BYTES], wait: Wait) -> Result<Option<usize>, RunEnd> {
        match self.link.receive(buffer, wait) {
            Ok(Received::Frame(length)) => Ok(Some(length)),
            Ok(Received::Nothing) => Ok(None),
            Ok(Received::Closed) => Err(RunEnd::JailGone),
            Err(error) => Err(link_end(&error)),
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
            run_end::goes_on(waiter.writable(self.link.as_fd()), waiter)?;
        }
    }
}

/// Tells the jail what it has to know before it gives up its rights; the first frame, before there is anything to serve.
///
/// # Errors
/// When the jail is gone, or the run is to end meanwhile.
pub fn send_hello(link: &Link, waiter: &mut Waiter, hello: &Hello) -> Result<(), RunEnd> {
    let mut session = Session { sent: 0, ..Session::new(link) };
    session.send_control(waiter, Kind::Hello, hello)
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

fn new_buffer() -> Box<[u8; RECEIVE_BYTES]> {
    Box::new([0; RECEIVE_BYTES])
}

fn body(buffer: &[u8; RECEIVE_BYTES], length: usize) -> &[u8] {
    buffer.get(HEADER_BYTES..length).unwrap_or_default()
}

fn decode<T: serde::Serialize + serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, RunEnd> {
    codec::decode_exactly(body).map_err(|error| RunEnd::Violation(error.to_string()))
}

fn violation(error: rex_ipc::state::ProtocolError) -> RunEnd {
    RunEnd::Violation(error.to_string())
}

const PIECE_BYTES: usize = MAX_BODY_BYTES - 16;
/// A script that keeps an older error than this and ends with it is not counted as denied by it.
const REMEMBERED_FAILURES: usize = 65_536;
/// Flag, class, kind and length of a failure take no more than this.
const FAILURE_OVERHEAD_BYTES: usize = 32;
