//! How a script's function asks the broker: numbers for handles, batches of requests, and closes that travel along.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use rex_ipc::batch::{CallWriter, ReplyReader};
use rex_ipc::codec::CodecError;
use rex_ipc::control::{EngineLimits, Hello, RequestNumber};
use rex_ipc::file_system::{AbandonWrite, Close};
use rex_ipc::frame::Kind;
use rex_ipc::handle::{AnyId, DirId, FileId, WriterId};
use rex_ipc::interface::Operation;
use rex_ipc::limits::MAX_BATCH;
use rex_ipc::runtime::LogLevel;
use rhai::{Dynamic, NativeCallContext};

use crate::error::{Exited, Fallible, OutOfOperations, Termination, message_of, request_behind, text_error};
use crate::link::Frames;

pub use crate::error::Failed;

/// The one conversation with the broker, shared by all functions of the engine.
#[derive(Clone)]
pub struct Session(Rc<Shared>);

struct Shared {
    frames: RefCell<Frames>,
    next_handle: Cell<u32>,
    closing: Rc<CloseQueue>,
    limits: EngineLimits,
    log_threshold: LogLevel,
    rex_compat: bool,
    operations_left: Cell<u64>,
    stopped: RefCell<Option<Dynamic>>,
    passed_over: Cell<u64>,
    refused: Cell<u64>,
    first_refused: RefCell<Option<Refusal>>,
    is_inside: Cell<bool>,
    last_line: Cell<u32>,
    told: RefCell<Option<(String, RequestNumber)>>,
    texts: Cell<Option<TextOfObject>>,
}

/// Gives the text of an object of the SDK, and nothing for any other value.
pub type TextOfObject = fn(&Dynamic) -> Option<String>;

/// What nothing refers to any more; the requests that give it back lead the next frame.
#[derive(Default)]
pub struct CloseQueue(RefCell<Vec<Unneeded>>);

impl CloseQueue {
    /// Adds something.
    pub fn push(&self, unneeded: Unneeded) {
        self.0.borrow_mut().push(unneeded);
    }
}

/// An entry that a walk passed over, because the system refused it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The line of the script.
    pub line: u32,
    /// What the script has called there.
    pub function: String,
    /// Which entry, and why.
    pub reason: String,
}

/// Something of the broker's that is to be given back.
#[derive(Clone, Copy, Debug)]
pub enum Unneeded {
    /// An open file, directory or link.
    Handle(AnyId),
    /// New content that is not to be put in its place.
    Writer(WriterId),
}

impl Session {
    /// A conversation in which nothing has been asked yet.
    pub fn new(frames: Frames, hello: &Hello) -> Self {
        let &Hello { limits, log_threshold, rex_compat, .. } = hello;
        Self(Rc::new(Shared {
            frames: RefCell::new(frames),
            next_handle: Cell::new(1),
            closing: Rc::default(),
            limits,
            log_threshold,
            rex_compat,
            operations_left: Cell::new(if limits.operations == 0 { u64::MAX } else { limits.operations }),
            stopped: RefCell::default(),
            passed_over: Cell::new(0),
            refused: Cell::new(0),
            first_refused: RefCell::default(),
            is_inside: Cell::new(false),
            last_line: Cell::new(0),
            told: RefCell::default(),
            texts: Cell::default(),
        }))
    }

    /// The session that the engine of this call was built with.
    pub fn of(context: &NativeCallContext) -> Self {
        context
            .tag()
            .and_then(|tag| tag.read_lock::<Session>())
            .map(|session| Session::clone(&session))
            .expect("the engine carries its session as tag")
    }

    /// What the interpreter may use.
    pub fn limits(&self) -> &EngineLimits {
        &self.0.limits
    }

    /// Log lines below this level are not sent.
    pub fn log_threshold(&self) -> LogLevel {
        self.0.log_threshold
    }

    /// Whether what a caller of Rex may rely on is as it is there.
    pub fn is_rex_compat(&self) -> bool {
        self.0.rex_compat
    }

    /// Counts an operation of the engine; gives the token with which the script is to be stopped, if it is.
    ///
    /// The engine's own count starts afresh in every closure that a library function calls, and an error that comes
    /// out of such a closure can be caught. This count does not, and what it stops stays stopped.
    pub fn count_operation(&self) -> Option<Dynamic> {
        match self.0.operations_left.get().checked_sub(1) {
            Some(left) => {
                self.0.operations_left.set(left);
                None
            }
            None => {
                self.0.stopped.borrow_mut().get_or_insert_with(|| Dynamic::from(OutOfOperations));
                self.stop_token()
            }
        }
    }

    /// The token with which the script is to be stopped, if it is.
    pub fn stop_token(&self) -> Option<Dynamic> {
        self.0.stopped.borrow().as_ref().map(Dynamic::clone)
    }

    /// Has the script stopped at its next operation, whatever it catches until then.
    fn stop(&self, token: Dynamic) {
        self.0.stopped.replace(Some(token));
        self.0.operations_left.set(0);
    }

    /// Has the script end with this value, also where the error that says so is caught by a function of the language that
    /// has called a closure.
    pub fn exit(&self, value: Dynamic) {
        self.stop(Dynamic::from(Exited(value)));
    }

    /// The line of the script from which something was last asked; 0 before that.
    pub fn last_line(&self) -> u32 {
        self.0.last_line.get()
    }

    /// Says how objects read as text.
    pub fn set_texts(&self, texts: TextOfObject) {
        self.0.texts.set(Some(texts));
    }

    /// The text of an object, where it is not the name of its type.
    pub fn text_of_object(&self, value: &Dynamic) -> Option<String> {
        self.0.texts.get()?(value)
    }

    /// Remembers which request a text goes back to that is all that a script is told of a failure.
    pub fn note_told(&self, text: &str, request: Option<RequestNumber>) {
        self.0.told.replace(request.map(|request| (text.to_owned(), request)));
    }

    /// What a function gives that tells of its errors as texts: of an error of the SDK the message alone. Which request it
    /// goes back to is remembered; what cannot be caught stays as it is.
    ///
    /// # Errors
    /// A text, for an error of the SDK.
    pub fn as_text<T>(&self, result: Fallible<T>) -> Fallible<T> {
        result.map_err(|error| match message_of(&error) {
            Some(message) => {
                self.note_told(&message, request_behind(&error));
                text_error(message)
            }
            None => error,
        })
    }

    /// The request that an error with this text goes back to, if it was the last that was told so.
    pub fn request_told(&self, text: &str) -> Option<RequestNumber> {
        self.0.told.borrow().as_ref().filter(|(told, _)| told == text).map(|(_, request)| *request)
    }

    /// How many entries the last walk of a tree passed over.
    pub fn passed_over(&self) -> u64 {
        self.0.passed_over.get()
    }

    /// Says how many entries a walk passed over, once it has ended.
    pub fn set_passed_over(&self, entries: u64) {
        self.0.passed_over.set(entries);
    }

    /// Counts an entry of a walk that the system refused. The first is remembered.
    pub fn note_refused(&self, first: impl FnOnce() -> Refusal) {
        if self.0.refused.replace(self.0.refused.get().saturating_add(1)) == 0 {
            self.0.first_refused.replace(Some(first()));
        }
    }

    /// How many entries of walks the system has refused in this run, and the first of them. They are not given again.
    pub fn take_refused(&self) -> Option<(u64, Refusal)> {
        let first = self.0.first_refused.take()?;
        Some((self.0.refused.take(), first))
    }

    /// Whether the script is within a network namespace.
    pub fn is_inside(&self) -> bool {
        self.0.is_inside.get()
    }

    /// Says that a network namespace was entered or left.
    pub fn set_inside(&self, is_inside: bool) {
        self.0.is_inside.set(is_inside);
    }

    /// The frames, for what is sent around the run of the script.
    pub fn frames(&self) -> std::cell::RefMut<'_, Frames> {
        self.0.frames.borrow_mut()
    }

    /// The frames, unless one is being exchanged.
    pub fn try_frames(&self) -> Option<std::cell::RefMut<'_, Frames>> {
        self.0.frames.try_borrow_mut().ok()
    }

    /// Where dropped handles go.
    pub(crate) fn closing(&self) -> Rc<CloseQueue> {
        Rc::clone(&self.0.closing)
    }

    /// A number for a directory that is about to be opened.
    pub fn new_dir(&self) -> DirId {
        DirId(self.new_number())
    }

    /// A number for a file or link that is about to be opened.
    pub fn new_file(&self) -> FileId {
        FileId(self.new_number())
    }

    /// A number for new content that is about to be written.
    pub fn new_writer(&self) -> WriterId {
        WriterId(self.new_number())
    }

    fn new_number(&self) -> u32 {
        let number = self.0.next_handle.get();
        self.0.next_handle.set(number.checked_add(1).expect("a run opens fewer than 2^32 handles"));
        number
    }

    /// Sends these requests in one frame and gives their replies, or the first failure.
    ///
    /// When a request fails, the broker has closed what the ones before it opened.
    ///
    /// # Errors
    /// The failure of the first request that the broker did not do.
    pub fn perform<B: Batch>(&self, line: u32, batch: &B) -> Result<B::Replies, Failed> {
        self.0.last_line.set(line);
        let mut frames = self.0.frames.borrow_mut();
        let closes = self.take_closes(batch.count());
        let frame = frames.next_sequence();
        let body_bytes =
            write_call(line, &closes, batch, frames.body()).expect("bounded requests fit a frame");
        frames.send(Kind::Call, body_bytes);
        let outcome = read_reply(frames.receive(Kind::Reply), frame, closes.len(), batch)
            .expect("the broker's replies are those of the table");
        outcome.map_err(|failed| {
            if failed.is_final() {
                self.stop(Dynamic::from(Termination::from(&failed)));
            }
            if self.is_rex_compat() { failed } else { failed.with_advice() }
        })
    }

    /// Sends one request and gives its reply.
    ///
    /// # Errors
    /// The broker's failure.
    pub fn ask<O: Operation>(&self, line: u32, request: O) -> Result<O::Reply, Failed> {
        self.perform(line, &(request,)).map(|(reply,)| reply)
    }

    fn take_closes(&self, requests: usize) -> Vec<Unneeded> {
        let mut queue = self.0.closing.0.borrow_mut();
        let count = queue.len().min(MAX_BATCH.saturating_sub(requests));
        queue.drain(..count).collect()
    }
}

/// Requests that are sent together.
pub trait Batch {
    /// Their replies.
    type Replies;

    /// Writes the requests, in order.
    ///
    /// # Errors
    /// Those of the codec.
    fn write(&self, writer: &mut CallWriter<'_>) -> Result<(), CodecError>;

    /// Reads as many replies as there are requests.
    ///
    /// # Errors
    /// Those of the codec.
    fn read(&self, reader: &mut ReplyReader<'_>) -> Result<Self::Replies, CodecError>;

    /// Reads past the replies of the first `count` requests.
    ///
    /// # Errors
    /// Those of the codec.
    fn skip(&self, count: usize, reader: &mut ReplyReader<'_>) -> Result<(), CodecError>;

    /// How many requests there are.
    fn count(&self) -> usize;
}

/// Implements [`Batch`] for tuples of requests. The numbers count the fields, which a macro cannot do itself.
macro_rules! batches {
    ($($count:literal: $($operation:ident $index:tt),+;)+) => {
        $(impl<$($operation: Operation),+> Batch for ($($operation,)+) {
            type Replies = ($($operation::Reply,)+);

            fn write(&self, writer: &mut CallWriter<'_>) -> Result<(), CodecError> {
                $(writer.push(&self.$index)?;)+
                Ok(())
            }

            fn read(&self, reader: &mut ReplyReader<'_>) -> Result<Self::Replies, CodecError> {
                Ok(($(reader.take::<$operation::Reply>()?,)+))
            }

            fn skip(&self, count: usize, reader: &mut ReplyReader<'_>) -> Result<(), CodecError> {
                $(if count > $index {
                    reader.take::<$operation::Reply>()?;
                })+
                Ok(())
            }

            fn count(&self) -> usize {
                $count
            }
        })+
    };
}

batches! {
    1: A 0;
    2: A 0, B 1;
    3: A 0, B 1, C 2;
    4: A 0, B 1, C 2, D 3;
    5: A 0, B 1, C 2, D 3, E 4;
}

/// One batch and then another, in one frame.
pub struct Then<A, B>(pub A, pub B);

impl<A: Batch, B: Batch> Batch for Then<A, B> {
    type Replies = (A::Replies, B::Replies);

    fn write(&self, writer: &mut CallWriter<'_>) -> Result<(), CodecError> {
        self.0.write(writer)?;
        self.1.write(writer)
    }

    fn read(&self, reader: &mut ReplyReader<'_>) -> Result<Self::Replies, CodecError> {
        Ok((self.0.read(reader)?, self.1.read(reader)?))
    }

    fn skip(&self, count: usize, reader: &mut ReplyReader<'_>) -> Result<(), CodecError> {
        match count.checked_sub(self.0.count()) {
            // The first batch completed, so all its replies are there.
            Some(of_second) => {
                self.0.skip(self.0.count(), reader)?;
                self.1.skip(of_second, reader)
            }
            None => self.0.skip(count, reader),
        }
    }

    fn count(&self) -> usize {
        self.0.count().saturating_add(self.1.count())
    }
}

fn write_call<B: Batch>(
    line: u32,
    closes: &[Unneeded],
    batch: &B,
    body: &mut [u8],
) -> Result<usize, CodecError> {
    let mut writer = CallWriter::new(line, body)?;
    for &unneeded in closes {
        match unneeded {
            Unneeded::Handle(handle) => writer.push(&Close { handle })?,
            Unneeded::Writer(writer_id) => writer.push(&AbandonWrite { writer: writer_id })?,
        }
    }
    batch.write(&mut writer)?;
    writer.finish()
}

fn read_reply<B: Batch>(
    body: &[u8],
    frame: u32,
    closes: usize,
    batch: &B,
) -> Result<Result<B::Replies, Failed>, CodecError> {
    let mut reader = ReplyReader::new(body)?;
    let completed = reader.completed();
    // A close cannot fail, so the broker gets at least to the first request of the batch.
    let index = completed.checked_sub(closes).ok_or(CodecError::Malformed)?;
    for _ in 0..closes {
        reader.take::<()>()?;
    }
    if index == batch.count() {
        let replies = batch.read(&mut reader)?;
        return match reader.failure()? {
            None => Ok(Ok(replies)),
            Some(_) => Err(CodecError::Malformed),
        };
    }
    batch.skip(index, &mut reader)?;
    let failure = reader.failure()?.ok_or(CodecError::Malformed)?;
    let number = RequestNumber { frame, index: u8::try_from(completed).map_err(|_| CodecError::Malformed)? };
    Ok(Err(Failed { failure, number, index }))
}

#[cfg(test)]
mod tests {
    use crate::testing::{Bench, stop_after};

    #[test]
    fn closes_lead_the_next_frame_and_are_counted_before_a_failure() {
        let bench = Bench::new().file("/d/a", "").denying("read", "/d/b").file("/d/b", "");

        let ended = bench.run(r#"cat("/d/a"); cat("/d/b")"#);

        let request = ended.outcome.ended_by.unwrap();
        assert_eq!((request.frame, request.index), (1, 4));
        assert_eq!(bench.asked()[1], ["close", "close", "open_dir", "open_file", "read_chunk"]);
    }

    #[test]
    fn what_a_failed_batch_had_opened_is_not_closed_again() {
        let bench = Bench::new().file("/d/b", "").denying("read", "/d/b");

        bench.output(r#"for i in 0..3 { try { cat("/d/b") } catch (e) { } } info("x");"#);

        assert!(bench.asked().iter().flatten().all(|name| *name != "close"));
    }

    #[test]
    fn many_closes_are_spread_over_frames() {
        let bench = Bench::new().dir("/d");

        bench.output(
            r#"let all = [];
               for i in 0..40 { all.push(DirConfig().path("/d").build().open(OpenDirOptions().build())) }
               all = 0;
               for i in 0..4 { info("x") }"#,
        );

        assert!(bench.world.borrow().opened.is_empty());
        assert!(bench.asked().iter().all(|frame| frame.len() <= 16));
    }

    #[test]
    fn each_call_claims_the_line_it_was_made_from() {
        let bench = Bench::new().file("/d/a", "");

        bench.output("cat(\"/d/a\");\n\nfn f() {\n cat(\"/d/a\")\n}\nf();");

        let lines: Vec<u32> = bench.world.borrow().calls.iter().map(|call| call.line).collect();
        assert_eq!(lines, [1, 4]);
    }

    #[test]
    fn a_limit_of_the_run_ends_the_script_whatever_it_catches() {
        for script in [
            r#"loop { try { info("x") } catch (e) { } }"#,
            r#"try { [1].map(|x| { loop { info("x") } }) } catch (e) { } 1"#,
        ] {
            let ended = stop_after(&Bench::new(), 3, script);

            assert!(ended.text.starts_with("Script terminated: too many lines"), "{}", ended.text);
            assert_eq!(ended.outcome.ended_by.map(|request| request.frame), Some(3));
        }
    }
}
