//! Messages come in, answers go out; whatever a message is, the next one is served, and at the end nothing is left running.

use std::io::{self, BufRead};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::in_flight::NotNow;
use crate::lines::{self, Line};
use crate::message::{self, Fault, Id, Message, Request};
use crate::output::Output;
use crate::protocol::{Asked, Era, Protocol, SUBSCRIPTION, finished};
use crate::tools::{Answer, Call, Operator, Tool};

/// Serves until the client is gone, and then ends every run.
pub(crate) fn serve(operator: &Arc<Operator>, mut stream: impl BufRead, output: &Arc<Output>) {
    let mut server =
        Server { operator: Arc::clone(operator), output: Arc::clone(output), protocol: Protocol::default() };
    // A stream that cannot be read is one that has ended; so is a client that leaves unread what it is told.
    while let Ok(Some(line)) = lines::next(&mut stream, MOST_MESSAGE_BYTES) {
        let handled = match line {
            Line::TooLong => {
                output.send_at_once(&message::misunderstood(None, &Fault::too_long(MOST_MESSAGE_BYTES)))
            }
            Line::Whole(line) if line.iter().all(u8::is_ascii_whitespace) => Ok(()),
            Line::Whole(line) => server.handle(&line),
        };
        if handled.is_err() {
            break;
        }
    }
    operator.in_flight.end(END_WITHIN);
    output.drain(READ_WITHIN);
}

struct Server {
    operator: Arc<Operator>,
    output: Arc<Output>,
    protocol: Protocol,
}

impl Server {
    fn handle(&mut self, line: &[u8]) -> io::Result<()> {
        match message::read(line) {
            Ok(Message::Request(request)) => self.request(request),
            Ok(Message::Notification { method, params }) => {
                self.notified(&method, params);
                Ok(())
            }
            Ok(Message::Answer) => Ok(()),
            Err((id, fault)) => self.output.send_at_once(&message::misunderstood(id.as_ref(), &fault)),
        }
    }

    /// Whatever is wrong with a notification, nothing is said.
    fn notified(&self, method: &str, mut params: Map<String, Value>) {
        if method == "notifications/cancelled"
            && let Some(id) = params.remove("requestId").and_then(Id::of)
        {
            self.operator.in_flight.cancel(&id);
        }
    }

    fn request(&mut self, request: Request) -> io::Result<()> {
        let id = request.id.clone();
        if self.operator.in_flight.has(&id) {
            return self.output.send_at_once(&message::answer(&id, Err(in_use(&id))));
        }
        match self.protocol.ask(request) {
            Err(fault) => self.output.send_at_once(&message::answer(&id, Err(fault))),
            Ok((era, Asked::Nothing(result))) => {
                self.output.send_at_once(&message::answer(&id, Ok(finished(era, result))))
            }
            Ok((era, Asked::Changes)) => self.changes(&id, era),
            Ok((era, Asked::Tool { tool, arguments, progress })) => {
                self.call(id, era, tool, arguments, progress)
            }
        }
    }

    /// Nothing that could be subscribed to changes while this process lives, so the subscription is over at once.
    fn changes(&self, id: &Id, era: Era) -> io::Result<()> {
        let meta = json!({ SUBSCRIPTION: id.value() });
        let params = json!({ "_meta": meta, "notifications": {} });
        self.output
            .send_at_once(&message::notification("notifications/subscriptions/acknowledged", &params))?;
        self.output.send_at_once(&message::answer(id, Ok(finished(era, json!({ "_meta": meta })))))
    }

    fn call(
        &self,
        id: Id,
        era: Era,
        tool: &'static Tool,
        arguments: Map<String, Value>,
        token: Option<Value>,
    ) -> io::Result<()> {
        let reply = move |answer: Answer| finished(era, answer.result());
        if !tool.starts_a_process {
            let call = Call { id: &id, arguments: &arguments, served: &self.operator, progress: &|_| () };
            return self.output.send_at_once(&message::answer(&id, Ok(reply(tool.call(&call)))));
        }
        match self.operator.in_flight.begin(&id, tool.name) {
            Ok(()) => {}
            Err(NotNow::InUse) => return self.output.send_at_once(&message::answer(&id, Err(in_use(&id)))),
            Err(NotNow::Busy(most)) => {
                let told =
                    format!("busy: {most} calls are being served; try again when one of them has ended");
                return self.output.send_at_once(&message::answer(&id, Ok(reply(Answer::failed(told)))));
            }
        }
        let (operator, output) = (Arc::clone(&self.operator), Arc::clone(&self.output));
        let name = id.clone();
        let work = move || {
            let told =
                Progress { id: &id, token, operator: &operator, output: &output, sent: AtomicU64::new(0) };
            let began = Instant::now();
            let call = Call {
                id: &id,
                arguments: &arguments,
                served: &operator,
                progress: &|message| told.tell(began, message),
            };
            let result = catch_unwind(AssertUnwindSafe(|| tool.call(&call)))
                .map(reply)
                .map_err(|_| Fault::internal("this server has made a mistake"));
            if operator.in_flight.finish(&id) {
                // Who has the answer finds the place free.
                output.send_after(&message::answer(&id, result), || operator.in_flight.release());
            } else {
                operator.in_flight.release();
            }
        };
        // The run belongs to this thread, and ends with it whatever happens to it.
        if thread::Builder::new().name(tool.name.to_owned()).spawn(work).is_err() {
            self.operator.in_flight.finish(&name);
            self.operator.in_flight.release();
            let told = Fault::internal("there is no thread for another call");
            return self.output.send_at_once(&message::answer(&name, Err(told)));
        }
        Ok(())
    }
}

fn in_use(id: &Id) -> Fault {
    Fault::request(format!("the request {id} has no answer yet, and another one cannot have its name"))
}

/// Tells the client how far a call is, if it wants to know.
struct Progress<'a> {
    id: &'a Id,
    token: Option<Value>,
    operator: &'a Operator,
    output: &'a Output,
    /// When it was told last: milliseconds since the call began, and one.
    sent: AtomicU64,
}

impl Progress<'_> {
    /// Says that something has happened, but not more often than [`PROGRESS_MS`] allow: what lies between is not told, because
    /// the answer has all of it. What is told as progress are the milliseconds, which only grow.
    fn tell(&self, began: Instant, message: &str) {
        let Some(token) = &self.token else { return };
        let now = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1);
        let last = self.sent.load(Ordering::Relaxed);
        if (last > 0 && now.saturating_sub(last) < PROGRESS_MS) || !self.operator.in_flight.is_wanted(self.id)
        {
            return;
        }
        self.sent.store(now, Ordering::Relaxed);
        let end = message.floor_char_boundary(MOST_PROGRESS_BYTES);
        // One line, so that whatever a script has put into it stands behind what says whose it is.
        let message = message.get(..end).unwrap_or_default().replace(char::is_control, " ");
        let params = json!({ "progressToken": token, "progress": now, "message": message });
        // Where there is no room for it, the client learns of it by the answer.
        let _ = self.output.send_at_once(&message::notification("notifications/progress", &params));
    }
}

/// A script of the greatest length has room in it, unless nearly all of it has to be escaped.
const MOST_MESSAGE_BYTES: usize = 64 * 1024 * 1024;

const PROGRESS_MS: u64 = 100;
const MOST_PROGRESS_BYTES: usize = 512;

/// What was said before the client closed its end is for it to read, if it still does.
const READ_WITHIN: Duration = Duration::from_secs(2);

/// Longer than it takes until a broker that does not end by itself is killed.
pub(crate) const END_WITHIN: Duration = Duration::from_secs(5);
