//! Which frames the jail may send when, and which only once.

use core::fmt;

use crate::frame::{Header, Kind, Sender};
use crate::limits::MAX_OUTPUT_BYTES;

/// How far a run is, as the broker sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// The jail is starting; it may say that it is ready, or that it cannot.
    Spawned,
    /// The posture was verified from outside; the jail has nothing to say.
    Verified,
    /// The script was sent; the jail has nothing to say until it is told to run.
    Loaded,
    /// The script runs.
    Running,
    /// The last frame was received; the jail has nothing to say.
    Finished,
}

impl State {
    /// Every state, in order.
    pub const ALL: &'static [State] =
        &[State::Spawned, State::Verified, State::Loaded, State::Running, State::Finished];

    /// The kinds that the jail may send in this state.
    pub const fn permits(self) -> &'static [Kind] {
        match self {
            Self::Spawned => &[Kind::Ready, Kind::Fatal],
            Self::Verified | Self::Finished => &[],
            Self::Loaded => &[Kind::Fatal],
            Self::Running => &[
                Kind::Call,
                Kind::OutputBegin,
                Kind::OutputChunk,
                Kind::OutputEnd,
                Kind::Result,
                Kind::Fatal,
            ],
        }
    }

    /// The name as the wire document has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spawned => "Spawned",
            Self::Verified => "Verified",
            Self::Loaded => "Loaded",
            Self::Running => "Running",
            Self::Finished => "Finished",
        }
    }
}

/// Why a frame was refused although it was well formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// A kind that only the broker sends.
    WrongSender,
    /// A kind that this state does not permit.
    OutOfState,
    /// A sequence number that is not the next one.
    OutOfSequence,
    /// A once-only kind for the second time, or a piece outside of its transfer.
    OutOfOrder,
    /// More output than announced, or less, or more than is allowed.
    OutputLength,
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::WrongSender => "frame is of a kind that only the broker sends",
            Self::OutOfState => "frame is not permitted in this state",
            Self::OutOfSequence => "frame has the wrong sequence number",
            Self::OutOfOrder => "frame came a second time or outside of its transfer",
            Self::OutputLength => "output is longer or shorter than announced, or too long",
        })
    }
}

/// Where the transfer of the output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    NotBegun,
    Expecting { rest_bytes: u64 },
    Done,
}

/// Follows the frames of one jail and refuses the first that is out of place.
#[derive(Clone, Debug)]
pub struct Tracker {
    state: State,
    next_sequence: u32,
    ready: bool,
    output: Output,
}

impl Default for Tracker {
    fn default() -> Self {
        Self::new()
    }
}

impl Tracker {
    /// A jail that was just started.
    pub const fn new() -> Self {
        Self { state: State::Spawned, next_sequence: 0, ready: false, output: Output::NotBegun }
    }

    /// How far the run is.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Moves on; only forwards.
    pub fn advance(&mut self, to: State) {
        if to as u8 > self.state as u8 {
            self.state = to;
        }
    }

    /// Whether this frame may come now; counts it if so.
    ///
    /// # Errors
    /// [`ProtocolError`], which ends the run.
    pub fn accept(&mut self, header: &Header) -> Result<(), ProtocolError> {
        if header.kind.sender() != Sender::Jail {
            return Err(ProtocolError::WrongSender);
        }
        if !self.state.permits().contains(&header.kind) {
            return Err(ProtocolError::OutOfState);
        }
        if header.sequence != self.next_sequence {
            return Err(ProtocolError::OutOfSequence);
        }
        match (header.kind, self.output) {
            (Kind::OutputBegin, Output::NotBegun)
            | (Kind::OutputChunk | Kind::OutputEnd, Output::Expecting { .. })
            | (Kind::Result, Output::Done)
            | (Kind::Call, Output::NotBegun)
            | (Kind::Fatal, _) => {}
            (Kind::Ready, _) if !self.ready => self.ready = true,
            _ => return Err(ProtocolError::OutOfOrder),
        }
        self.next_sequence = self.next_sequence.checked_add(1).ok_or(ProtocolError::OutOfSequence)?;
        if matches!(header.kind, Kind::Result | Kind::Fatal) {
            self.state = State::Finished;
        }
        Ok(())
    }

    /// Takes the announced length of the output, within `limit_bytes`.
    ///
    /// # Errors
    /// `OutputLength` when it is longer than that.
    pub fn output_begins(&mut self, total_bytes: u64, limit_bytes: u64) -> Result<(), ProtocolError> {
        if total_bytes > limit_bytes.min(MAX_OUTPUT_BYTES as u64) {
            return Err(ProtocolError::OutputLength);
        }
        self.output = Output::Expecting { rest_bytes: total_bytes };
        Ok(())
    }

    /// Counts a piece of the output.
    ///
    /// # Errors
    /// `OutOfOrder` when no output was announced; `OutputLength` for an empty piece, or one too much.
    pub fn output_piece(&mut self, bytes: usize) -> Result<(), ProtocolError> {
        let Output::Expecting { rest_bytes } = self.output else { return Err(ProtocolError::OutOfOrder) };
        let bytes = u64::try_from(bytes).map_err(|_| ProtocolError::OutputLength)?;
        if bytes == 0 {
            return Err(ProtocolError::OutputLength);
        }
        let rest_bytes = rest_bytes.checked_sub(bytes).ok_or(ProtocolError::OutputLength)?;
        self.output = Output::Expecting { rest_bytes };
        Ok(())
    }

    /// Demands that everything announced has come.
    ///
    /// # Errors
    /// `OutputLength` when something is missing.
    pub fn output_ends(&mut self) -> Result<(), ProtocolError> {
        if self.output != (Output::Expecting { rest_bytes: 0 }) {
            return Err(ProtocolError::OutputLength);
        }
        self.output = Output::Done;
        Ok(())
    }
}
