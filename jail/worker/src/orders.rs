//! The conversation of a worker: one answer to each order, in the order in which they make sense.

use rex_agreed::errand::{Cause, Kind, Question, Resolved, Server, Step};
use rustls::crypto::CryptoProvider;

use crate::names;
use crate::tls::{Beginning, Connection};

/// Where the conversation is.
#[derive(Debug)]
pub struct Worker {
    provider: Option<CryptoProvider>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing has been ordered.
    Idle,
    /// The server is known, and perhaps some of the anchors.
    Beginning(Beginning),
    /// TLS is spoken.
    Connected(Box<Connection>),
    /// It is known what a name server was asked.
    Asked(Question),
    /// All is done, or nothing can be.
    Over,
}

impl Worker {
    /// A worker that has been given its cryptography.
    pub fn new(provider: CryptoProvider) -> Self {
        Self { provider: Some(provider), state: State::Idle }
    }

    /// Carries out an order: writes the body of the answer, and gives its kind and length. After `Failed` nothing is answered but
    /// that again.
    pub fn obey(&mut self, order: Kind, body: &[u8], answer: &mut [u8]) -> (Kind, usize) {
        match self.carried_out(order, body) {
            Ok(Done::Taken) => (Kind::Taken, 0),
            Ok(Done::Resolved(resolved)) => {
                let bytes = resolved.to_bytes();
                let length = bytes.len().min(answer.len());
                answer[..length].copy_from_slice(&bytes[..length]);
                (Kind::Addresses, length)
            }
            Ok(Done::Spoken) => match &mut self.state {
                State::Connected(connection) => (Kind::Step, connection.tell(answer)),
                _ => self.failed(Cause::Setup, answer),
            },
            Err(cause) => self.failed(cause, answer),
        }
    }

    fn failed(&mut self, cause: Cause, answer: &mut [u8]) -> (Kind, usize) {
        // An alert tells the server why; it is a courtesy that nobody waits for, and whoever is refused needs no other word.
        self.state = State::Over;
        answer[0] = cause as u8;
        (Kind::Failed, 1)
    }

    fn carried_out(&mut self, order: Kind, body: &[u8]) -> Result<Done, Cause> {
        let state = std::mem::replace(&mut self.state, State::Over);
        let (state, done) = match (order, state) {
            (Kind::Server, State::Idle) => {
                let server = Server::from_bytes(body).ok_or(Cause::Setup)?;
                (State::Beginning(Beginning::new(server)), Done::Taken)
            }
            (Kind::Anchors, State::Beginning(mut beginning)) => {
                beginning.add(body)?;
                (State::Beginning(beginning), Done::Taken)
            }
            (Kind::Say, State::Beginning(beginning)) => {
                let provider = self.provider.take().ok_or(Cause::Setup)?;
                (State::Connected(Box::new(beginning.connect(provider, body)?)), Done::Spoken)
            }
            (Kind::Arrived, State::Connected(mut connection)) => {
                connection.arrived(body)?;
                (State::Connected(connection), Done::Spoken)
            }
            (Kind::Closed, State::Connected(mut connection)) => {
                connection.closed()?;
                (State::Connected(connection), Done::Spoken)
            }
            (Kind::More, State::Connected(connection)) => (State::Connected(connection), Done::Spoken),
            (Kind::Question, State::Idle) => {
                (State::Asked(Question::from_bytes(body).ok_or(Cause::Setup)?), Done::Taken)
            }
            (Kind::Message, State::Asked(question)) => {
                (State::Idle, Done::Resolved(names::read(&question, body)))
            }
            _ => return Err(Cause::Setup),
        };
        self.state = state;
        Ok(done)
    }
}

/// What there is to answer.
enum Done {
    Taken,
    Spoken,
    Resolved(Resolved),
}

/// The least room that an answer has to have.
pub const LEAST_ANSWER_BYTES: usize = Step::OVERHEAD_BYTES;
