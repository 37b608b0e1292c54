//! The jail's side of the protocol, and the means to break it.

use rex_agreed::SelfReport;
use rex_inside::channel::Channel;
use rex_ipc::bounded::{Bytes, List, Text};
use rex_ipc::codec;
use rex_ipc::control::{Fatal, FatalCause, Hello, LoadBegin, Outcome, OutputBegin, Piece, Ready, ScriptEnd};
use rex_ipc::frame::{Header, Kind};
use rex_ipc::interface::FINGERPRINT;
use rex_ipc::limits::HEADER_BYTES;
use serde::Serialize;

/// The frames of this jail.
pub(crate) struct Frames {
    channel: Channel,
    next_sequence: u32,
}

impl Frames {
    pub(crate) fn new(channel: Channel) -> Self {
        Self { channel, next_sequence: 0 }
    }

    /// The frame that has been received before anything else.
    pub(crate) fn receive_hello(&mut self) -> Option<Hello> {
        let (header, body) = Header::split(self.channel.inbound()).ok()?;
        if header.kind != Kind::Hello {
            return None;
        }
        codec::decode_exactly(body).ok()
    }

    pub(crate) fn send_ready(&mut self, report: &SelfReport) {
        let report = Bytes::new(report.to_bytes()).unwrap_or_default();
        self.send(Kind::Ready, &Ready { fingerprint: FINGERPRINT, report });
    }

    /// What stands in the place of the script; the arguments are ignored.
    pub(crate) fn receive_order(&mut self) -> Option<String> {
        let mut bytes = Vec::new();
        let mut script_bytes = 0;
        loop {
            let (header, body) = Header::split(self.channel.receive().ok()?).ok()?;
            match header.kind {
                Kind::LoadBegin => {
                    script_bytes = codec::decode_exactly::<LoadBegin>(body).ok()?.script_bytes as usize;
                }
                Kind::LoadChunk => {
                    bytes.extend_from_slice(codec::decode_exactly::<Piece>(body).ok()?.bytes.as_slice());
                }
                Kind::LoadEnd => break,
                _ => return None,
            }
        }
        bytes.truncate(script_bytes);
        String::from_utf8(bytes).ok()
    }

    /// Says something as the script's output and ends the run in order.
    pub(crate) fn finish(&mut self, text: &str) -> Option<()> {
        let piece = Piece { bytes: Bytes::new(text.as_bytes().to_vec())? };
        self.send(Kind::OutputBegin, &OutputBegin { total_bytes: text.len() as u64 });
        self.receive()?;
        self.send(Kind::OutputChunk, &piece);
        self.receive()?;
        self.send_body(Kind::OutputEnd, 0);
        self.receive()?;
        self.send(
            Kind::Result,
            &Outcome { end: ScriptEnd::Value, ended_by: None, place: None, remarks: List::default() },
        );
        Some(())
    }

    /// Sends these bytes as one datagram, as they are.
    pub(crate) fn send_raw(&mut self, datagram: &[u8]) -> bool {
        let Some(space) = self.channel.out().get_mut(..datagram.len()) else { return false };
        space.copy_from_slice(datagram);
        self.channel.send(datagram.len()).is_ok()
    }

    /// Waits for a frame, whatever it is.
    pub(crate) fn receive(&mut self) -> Option<usize> {
        self.channel.receive().ok().map(<[u8]>::len)
    }

    fn send<T: Serialize>(&mut self, kind: Kind, body: &T) {
        let Some(space) = self.channel.out().get_mut(HEADER_BYTES..) else { return };
        if let Ok(body_bytes) = codec::encode(body, space) {
            self.send_body(kind, body_bytes);
        }
    }

    fn send_body(&mut self, kind: Kind, body_bytes: usize) {
        if let Some(length) = Header::finish(kind, self.next_sequence, body_bytes, self.channel.out()) {
            self.next_sequence = self.next_sequence.wrapping_add(1);
            // A broker that is gone is noticed by the next receive.
            let _ = self.channel.send(length);
        }
    }
}

/// The frame with which a jail ends that cannot go on; its sequence number is filled in when it is sent.
pub(crate) fn fatal(cause: FatalCause, message: &str) -> Vec<u8> {
    let mut frame = vec![0; 256];
    let body = Fatal { cause, message: Text::cut(message) };
    let length = frame
        .get_mut(HEADER_BYTES..)
        .and_then(|space| codec::encode(&body, space).ok())
        .and_then(|body_bytes| Header::finish(Kind::Fatal, 0, body_bytes, &mut frame));
    frame.truncate(length.unwrap_or(0));
    frame
}
