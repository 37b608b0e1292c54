//! A connection of TLS: the broker has the socket, a worker the keys, and what they pass each other the broker does not read.

use std::io::Read;
use std::net::TcpStream;
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
    /// What the server said and nobody has taken yet, from `taken` on.
    said: Vec<u8>,
    taken: usize,
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
        let mut secure =
            Self { socket, worker, said: Vec::new(), taken: 0, is_established: false, is_end: false };
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
        secure.order(Kind::Say, request, deadline, go_on)?;
        while !secure.is_established {
            secure.carry(deadline, go_on)?;
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
        loop {
            let left = self.said.get(self.taken..).unwrap_or_default();
            if !left.is_empty() {
                let count = left.len().min(space.len());
                if let (Some(space), Some(left)) = (space.get_mut(..count), left.get(..count)) {
                    space.copy_from_slice(left);
                }
                self.taken = self.taken.saturating_add(count);
                return Ok(count);
            }
            if self.is_end {
                return Ok(0);
            }
            self.carry(deadline, go_on)?;
        }
    }

    /// Carries once what has come from the server to the worker.
    fn carry(&mut self, deadline: Instant, go_on: GoOn<'_>) -> Result<(), Failed> {
        if deadline <= Instant::now() {
            return Err(Failed::TimedOut);
        }
        let mut came = vec![0; CARRIED_BYTES];
        let count =
            patiently(&self.socket, PollFlags::POLLIN, deadline, go_on, |mut socket| socket.read(&mut came))?;
        match came.get(..count) {
            None | Some([]) => {
                self.order(Kind::Closed, &[], deadline, go_on)?;
                // Whoever says that more is to come from a connection that is closed would be waited for without an end.
                if self.is_end && self.is_established {
                    Ok(())
                } else {
                    Err(Failed::Refused("the server has closed the connection in the middle"))
                }
            }
            Some(came) => self.order(Kind::Arrived, came, deadline, go_on),
        }
    }

    /// Gives the worker an order, and passes on what it has for the server.
    fn order(&mut self, kind: Kind, body: &[u8], deadline: Instant, go_on: GoOn<'_>) -> Result<(), Failed> {
        self.said.drain(..self.taken);
        self.taken = 0;
        let (mut kind, mut body) = (kind, body);
        loop {
            let (is_established, has_more) = {
                let step = match self.worker.order(kind, body, deadline, go_on)? {
                    (Kind::Step, body) => Step::from_bytes(body),
                    _ => None,
                };
                let step = step.ok_or(Failed::Refused(MISUNDERSTOOD))?;
                // Nobody is heard before it is known who it is, and nothing is read out of less than it takes.
                let is_heard = step.is_established || (step.said.is_empty() && !step.is_end);
                let held = self.said.len().saturating_add(step.said.len());
                if !is_heard || held > MOST_HELD_BYTES {
                    return Err(Failed::Refused(MISUNDERSTOOD));
                }
                self.said.extend_from_slice(step.said);
                self.is_end = step.is_end;
                send(&self.socket, step.to_server, deadline, go_on)?;
                (step.is_established, step.has_more)
            };
            self.is_established |= is_established;
            if !has_more {
                return Ok(());
            }
            (kind, body) = (Kind::More, &[]);
        }
    }
}

/// How much is carried at once; with what a record before it has left, little more comes of it.
const CARRIED_BYTES: usize = 48 * 1024;
/// What the worker may make of it: some records more. Whoever makes more of less is not the one that was started.
const MOST_HELD_BYTES: usize = 4 * CARRIED_BYTES;
