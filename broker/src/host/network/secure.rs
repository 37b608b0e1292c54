//! A connection of TLS: the broker has the socket, a worker the keys, and what they pass each other the broker does not read.

use std::io::Read;
use std::net::TcpStream;
use std::ops::Range;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use nix::poll::PollFlags;
use rex_outside::errand::{Kind, MAX_BODY_BYTES, Server, Step};

use super::object::GoOn;
use super::patience::{Failed, patiently, send};
use super::worker::{MISUNDERSTOOD, Worker};
use crate::policy::url::{Host, Url};

/// A connection whose server was verified.
#[derive(Debug)]
pub(super) struct Secure {
    socket: TcpStream,
    worker: Worker,
    /// Where in the worker's last answer stands what the server said and nobody has taken yet.
    said: Range<usize>,
    /// Whether the worker has more of it.
    has_more: bool,
    /// How much the worker has made of what was last carried to it, in bytes.
    made: usize,
    is_established: bool,
    is_end: bool,
}

impl Secure {
    /// Has the worker verify the server, and sends the request when it is the one that the URL names.
    pub(super) fn begin(
        socket: TcpStream,
        worker: Worker,
        url: &Url,
        anchors: &[u8],
        request: &[u8],
        deadline: Instant,
        go_on: GoOn<'_>,
    ) -> Result<Self, Failed> {
        let (said, has_more, made, is_established, is_end) = (0..0, false, 0, false, false);
        let mut secure = Self { socket, worker, said, has_more, made, is_established, is_end };
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = match &url.host {
            Host::Name(name) => name.clone(),
            Host::Address(address) => address.to_string(),
        };
        let server = Server { unix_seconds: since.as_secs(), name };
        secure.worker.tell(Kind::Server, &server.to_bytes(), deadline, go_on)?;
        for part in anchors.chunks(MAX_BODY_BYTES) {
            secure.worker.tell(Kind::Anchors, part, deadline, go_on)?;
        }
        let room = secure.worker.room().get_mut(..request.len());
        room.ok_or(Failed::Refused("the request is too long"))?.copy_from_slice(request);
        secure.order(Kind::Say, request.len(), deadline, go_on)?;
        while !secure.is_established {
            secure.go_on(deadline, go_on)?;
        }
        Ok(secure)
    }

    /// Waits for what the server says next; gives the number of its bytes, 0 at the end.
    pub(super) fn read(
        &mut self,
        space: &mut [u8],
        deadline: Instant,
        go_on: GoOn<'_>,
    ) -> Result<usize, Failed> {
        while self.said.is_empty() {
            if self.is_end {
                return Ok(0);
            }
            self.go_on(deadline, go_on)?;
        }
        let count = self.said.len().min(space.len());
        let end = self.said.start.saturating_add(count);
        if let Some(space) = space.get_mut(..count) {
            space.copy_from_slice(self.worker.answered(self.said.start..end));
        }
        self.said.start = end;
        Ok(count)
    }

    /// Has the worker tell what it has left, or carries to it once what has come from the server. Nothing of its last answer may
    /// be left.
    fn go_on(&mut self, deadline: Instant, go_on: GoOn<'_>) -> Result<(), Failed> {
        if deadline <= Instant::now() {
            return Err(Failed::TimedOut);
        }
        if self.has_more {
            return self.order(Kind::More, 0, deadline, go_on);
        }
        self.made = 0;
        let Self { socket, worker, .. } = self;
        let space = worker.room().get_mut(..CARRIED_BYTES).unwrap_or_default();
        match patiently(socket, PollFlags::POLLIN, deadline, go_on, |mut socket| socket.read(space))? {
            0 => {
                self.order(Kind::Closed, 0, deadline, go_on)?;
                // Whoever says that more is to come from a connection that is closed would be waited for without an end.
                if self.is_end && self.is_established {
                    Ok(())
                } else {
                    Err(Failed::Refused("the server has closed the connection in the middle"))
                }
            }
            count => self.order(Kind::Arrived, count, deadline, go_on),
        }
    }

    /// Gives the worker an order whose body stands in its room, and passes on what it has for the server.
    fn order(
        &mut self,
        kind: Kind,
        body_bytes: usize,
        deadline: Instant,
        go_on: GoOn<'_>,
    ) -> Result<(), Failed> {
        let (body, step) = match self.worker.order_of(kind, body_bytes, deadline, go_on)? {
            (Kind::Step, body) => (body, Step::from_bytes(body)),
            (_, body) => (body, None),
        };
        let step = step.ok_or(Failed::Refused(MISUNDERSTOOD))?;
        // Nobody is heard before it is known who it is, nothing is read out of less than it takes, and who has more says some.
        let is_heard = step.is_established || (step.said.is_empty() && !step.is_end);
        let is_nothing = step.has_more && step.said.is_empty() && step.to_server.is_empty();
        self.made = self.made.saturating_add(step.said.len());
        if !is_heard || is_nothing || self.made > MOST_MADE_BYTES {
            return Err(Failed::Refused(MISUNDERSTOOD));
        }
        self.said = body.len().saturating_sub(step.said.len())..body.len();
        self.is_established |= step.is_established;
        self.has_more = step.has_more;
        self.is_end = step.is_end;
        send(&self.socket, step.to_server, deadline, go_on)
    }
}

/// How much is carried at once; with what a record before it has left, little more comes of it.
const CARRIED_BYTES: usize = 48 * 1024;
/// What the worker may make of it: some records more. Whoever makes more of less is not the one that was started.
const MOST_MADE_BYTES: usize = 4 * CARRIED_BYTES;
