//! May each frame come only when it is due, and only once where once is all?

use rex_ipc::frame::{Header, Kind, Sender};
use rex_ipc::limits::MAX_OUTPUT_BYTES;
use rex_ipc::state::{ProtocolError, State, Tracker};

fn header(kind: Kind, sequence: u32) -> Header {
    Header { kind, sequence, body_bytes: 0 }
}

/// A tracker in this state that has seen nothing.
fn tracker_in(state: State) -> Tracker {
    let mut tracker = Tracker::new();
    tracker.advance(state);
    tracker
}

/// What the first frame of a jail meets, by state. Written by hand, as a second opinion on `State::permits`.
fn expected(state: State, kind: Kind) -> Result<(), ProtocolError> {
    use Kind::{Call, Fatal, OutputBegin, OutputChunk, OutputEnd, Ready, Result};
    use ProtocolError::{OutOfOrder, OutOfState, WrongSender};

    match (state, kind) {
        (_, kind) if kind.sender() == Sender::Broker => Err(WrongSender),
        (State::Spawned, Ready | Fatal) => Ok(()),
        (State::Loaded, Fatal) => Ok(()),
        (State::Running, Call | OutputBegin | Fatal) => Ok(()),
        // Permitted in the state, but not before the transfer has begun or ended.
        (State::Running, OutputChunk | OutputEnd | Result) => Err(OutOfOrder),
        _ => Err(OutOfState),
    }
}

#[test]
fn each_state_meets_each_kind_as_documented() {
    for &state in State::ALL {
        for &kind in Kind::ALL {
            let answer = tracker_in(state).accept(&header(kind, 0));

            assert_eq!(answer, expected(state, kind), "{} in {}", kind.name(), state.name());
        }
    }
}

#[test]
fn sequence_numbers_have_no_gaps_and_no_repetition() {
    for wrong in [0, 2, 3, u32::MAX] {
        let mut tracker = tracker_in(State::Running);
        tracker.accept(&header(Kind::Call, 0)).unwrap();

        assert_eq!(tracker.accept(&header(Kind::Call, wrong)), Err(ProtocolError::OutOfSequence));
    }
}

#[test]
fn a_refused_frame_is_not_counted() {
    let mut tracker = tracker_in(State::Running);

    assert!(tracker.accept(&header(Kind::Call, 1)).is_err());
    assert!(tracker.accept(&header(Kind::Reply, 0)).is_err());

    assert_eq!(tracker.accept(&header(Kind::Call, 0)), Ok(()));
}

#[test]
fn ready_comes_once() {
    let mut tracker = Tracker::new();
    tracker.accept(&header(Kind::Ready, 0)).unwrap();

    assert_eq!(tracker.accept(&header(Kind::Ready, 1)), Err(ProtocolError::OutOfOrder));
    assert_eq!(tracker.accept(&header(Kind::Fatal, 1)), Ok(()));
}

#[test]
fn nothing_comes_after_the_last_frame() {
    for &kind in Kind::ALL {
        let mut tracker = tracker_in(State::Running);
        tracker.accept(&header(Kind::Fatal, 0)).unwrap();

        assert_eq!(tracker.state(), State::Finished);
        assert!(tracker.accept(&header(kind, 1)).is_err());
    }
}

#[test]
fn a_state_is_never_taken_back() {
    for &from in State::ALL {
        for &to in State::ALL {
            let mut tracker = tracker_in(from);

            tracker.advance(to);

            assert_eq!(tracker.state() as u8, (from as u8).max(to as u8));
        }
    }
}

#[test]
fn output_comes_as_announced_and_then_the_result() {
    let mut tracker = tracker_in(State::Running);
    tracker.accept(&header(Kind::OutputBegin, 0)).unwrap();
    tracker.output_begins(5, 100).unwrap();
    tracker.accept(&header(Kind::OutputChunk, 1)).unwrap();
    tracker.output_piece(3).unwrap();
    tracker.accept(&header(Kind::OutputChunk, 2)).unwrap();
    tracker.output_piece(2).unwrap();
    tracker.accept(&header(Kind::OutputEnd, 3)).unwrap();
    tracker.output_ends().unwrap();

    assert_eq!(tracker.accept(&header(Kind::OutputBegin, 4)), Err(ProtocolError::OutOfOrder));
    assert_eq!(tracker.accept(&header(Kind::OutputChunk, 4)), Err(ProtocolError::OutOfOrder));
    assert_eq!(tracker.accept(&header(Kind::OutputEnd, 4)), Err(ProtocolError::OutOfOrder));
    assert_eq!(tracker.accept(&header(Kind::Call, 4)), Err(ProtocolError::OutOfOrder));
    assert_eq!(tracker.accept(&header(Kind::Result, 4)), Ok(()));
    assert_eq!(tracker.state(), State::Finished);
}

#[test]
fn no_call_and_no_result_within_the_output() {
    let mut tracker = tracker_in(State::Running);
    tracker.accept(&header(Kind::OutputBegin, 0)).unwrap();
    tracker.output_begins(5, 100).unwrap();

    for kind in [Kind::Call, Kind::Result, Kind::OutputBegin] {
        assert_eq!(tracker.accept(&header(kind, 1)), Err(ProtocolError::OutOfOrder));
    }
}

#[test]
fn output_is_neither_longer_nor_shorter_than_announced() {
    let begun = |total: u64| {
        let mut tracker = tracker_in(State::Running);
        tracker.accept(&header(Kind::OutputBegin, 0)).unwrap();
        tracker.output_begins(total, u64::MAX).unwrap();
        tracker
    };

    assert_eq!(begun(5).output_piece(6), Err(ProtocolError::OutputLength));
    assert_eq!(begun(5).output_piece(usize::MAX), Err(ProtocolError::OutputLength));
    assert_eq!(begun(5).output_piece(0), Err(ProtocolError::OutputLength));
    assert_eq!(begun(0).output_piece(1), Err(ProtocolError::OutputLength));
    assert_eq!(begun(5).output_ends(), Err(ProtocolError::OutputLength));
    assert_eq!(begun(0).output_ends(), Ok(()));
}

#[test]
fn output_stays_within_both_limits() {
    let mut tracker = tracker_in(State::Running);

    assert_eq!(tracker.output_begins(101, 100), Err(ProtocolError::OutputLength));
    assert_eq!(
        tracker.output_begins(MAX_OUTPUT_BYTES as u64 + 1, u64::MAX),
        Err(ProtocolError::OutputLength)
    );
    assert_eq!(tracker.output_piece(1), Err(ProtocolError::OutOfOrder));
    assert_eq!(tracker.output_begins(MAX_OUTPUT_BYTES as u64, u64::MAX), Ok(()));
}

// docs/wire.md has the states by these names.
#[test]
fn states_are_called_as_the_wire_document_has_them() {
    let names: Vec<_> = State::ALL.iter().map(|state| state.name()).collect();

    assert_eq!(names, ["Spawned", "Verified", "Loaded", "Running", "Finished"]);
}
