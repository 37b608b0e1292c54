//! How frames reach the broker: the confined channel, or whatever a test puts in its place.

use rex_inside::channel::{Channel, ChannelError};
use rex_ipc::frame::{Header, Kind};
use rex_ipc::limits::HEADER_BYTES;

/// The way to the broker. One frame is outstanding at a time.
///
/// There are no errors to handle: without a broker there is nothing left to do, so an implementation ends the process.
pub trait Link {
    /// Room for the next frame, header included.
    fn out(&mut self) -> &mut [u8];

    /// Sends the first `frame_bytes` of [`Link::out`].
    fn send(&mut self, frame_bytes: usize);

    /// Waits for a frame of the broker.
    fn receive(&mut self) -> &[u8];
}

impl Link for Channel {
    fn out(&mut self) -> &mut [u8] {
        Channel::out(self)
    }

    fn send(&mut self, frame_bytes: usize) {
        if Channel::send(self, frame_bytes).is_err() {
            Channel::exit(BROKER_GONE);
        }
    }

    fn receive(&mut self) -> &[u8] {
        match Channel::receive(self) {
            Ok(frame) => frame,
            Err(ChannelError::Closed | ChannelError::Length(_)) => Channel::exit(BROKER_GONE),
        }
    }
}

/// Exit code of a jail that found nobody at the other end; nobody is left to read it.
const BROKER_GONE: i32 = 1;

/// A link with the jail's side of the frame sequence.
pub struct Frames {
    link: Box<dyn Link>,
    next_sequence: u32,
}

impl Frames {
    /// The frames of a jail that has sent none.
    pub fn new(link: Box<dyn Link>) -> Self {
        Self { link, next_sequence: 0 }
    }

    /// The sequence number of the next frame.
    pub fn next_sequence(&self) -> u32 {
        self.next_sequence
    }

    /// Room for the body of the next frame.
    pub fn body(&mut self) -> &mut [u8] {
        self.link.out().get_mut(HEADER_BYTES..).expect("a link has room for a whole frame")
    }

    /// Sends the frame whose body was written to [`Frames::body`].
    pub fn send(&mut self, kind: Kind, body_bytes: usize) {
        let frame_bytes = Header::finish(kind, self.next_sequence, body_bytes, self.link.out())
            .expect("a body was written within the room for it");
        // A wrapped number is refused by the broker; a run of four thousand million frames has met other limits before.
        self.next_sequence = self.next_sequence.wrapping_add(1);
        self.link.send(frame_bytes);
    }

    /// Waits for a frame and gives its body; only the kind that is due now is understood.
    pub fn receive(&mut self, expected: Kind) -> &[u8] {
        let (header, body) = Header::split(self.link.receive()).expect("the broker sends well-formed frames");
        assert!(
            header.kind == expected,
            "the broker sent {} instead of {}",
            header.kind.name(),
            expected.name()
        );
        body
    }

    /// Waits for one of two kinds.
    pub fn receive_either(&mut self, first: Kind, second: Kind) -> (Kind, &[u8]) {
        let (header, body) = Header::split(self.link.receive()).expect("the broker sends well-formed frames");
        assert!(header.kind == first || header.kind == second, "the broker sent {}", header.kind.name());
        (header.kind, body)
    }
}
