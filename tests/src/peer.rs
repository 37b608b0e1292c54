//! The jail's end of a conversation, spoken by a test.

use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{MsgFlags, recv, send};
use rex_ipc::batch::{Call, ReplyReader};
use rex_ipc::bounded::Bytes;
use rex_ipc::codec::{self, CodecError};
use rex_ipc::control::Ready;
use rex_ipc::failure::Failure;
use rex_ipc::frame::{Header, Kind};
use rex_ipc::interface::{FINGERPRINT, Request};
use rex_ipc::limits::{HEADER_BYTES, MAX_FRAME_BYTES};

/// The jail's end of a conversation.
#[derive(Debug)]
pub struct Peer {
    socket: OwnedFd,
    sequence: u32,
    /// The line of the script that the next calls claim.
    pub line: u32,
}

/// What a call came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The results of the requests that were carried out.
    pub replies: Vec<Reply>,
    /// Why the next one was not.
    pub failure: Option<Failure>,
}

macro_rules! emit_replies {
    ($($group:ident {
        $($number:literal $name:ident: $request:ident -> $reply:ty, needs [$($namespace:ident::$action:ident),*];)+
    })+) => {
        /// The result of any request, under the name of the request.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Reply {
            $($(#[doc = concat!("Of `", stringify!($name), "`.")] $request($reply),)+)+
        }

        impl Reply {
            fn take(number: u16, reader: &mut ReplyReader<'_>) -> Result<Reply, CodecError> {
                match number {
                    $($($number => reader.take::<$reply>().map(Reply::$request),)+)+
                    _ => Err(CodecError::Malformed),
                }
            }
        }
    };
}

use rex_ipc::messages::*;

rex_ipc::interface!(emit_replies);

impl Peer {
    /// Nothing has been said yet.
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self { socket, sequence: 0, line: 1 }
    }

    /// Says that it is ready, and waits until the script has come.
    pub(crate) fn start(&mut self) -> Option<()> {
        let ready = Ready { fingerprint: FINGERPRINT, report: Bytes::default() };
        let mut body = vec![0; MAX_FRAME_BYTES];
        let length = codec::encode(&ready, &mut body).expect("a report of nothing fits");
        self.send(Kind::Ready, body.get(..length)?)?;
        loop {
            let (header, _) = self.receive()?;
            if header.kind == Kind::LoadEnd {
                return Some(());
            }
        }
    }

    /// Makes a call and waits for its answer; nothing when the broker has ended the conversation instead.
    pub fn call(&mut self, requests: Vec<Request>) -> Option<Answer> {
        let numbers: Vec<u16> = requests.iter().map(Request::number).collect();
        let mut body = vec![0; MAX_FRAME_BYTES - HEADER_BYTES];
        let call = Call { line: self.line, requests };
        let length = call.encode(&mut body).expect("the requests of a test fit a frame");
        self.send(Kind::Call, body.get(..length)?)?;
        let (header, body) = self.receive()?;
        assert_eq!(header.kind, Kind::Reply);
        let mut reader = ReplyReader::new(&body).expect("the broker's replies are well formed");
        let replies = numbers
            .iter()
            .take(reader.completed())
            .map(|number| Reply::take(*number, &mut reader).expect("each reply has the form of its row"))
            .collect();
        let failure = reader.failure().expect("the reply ends with what became of the next request");
        Some(Answer { replies, failure })
    }

    /// Sends a frame; nothing when the broker is gone.
    pub fn send(&mut self, kind: Kind, body: &[u8]) -> Option<()> {
        let mut frame = vec![0; HEADER_BYTES + body.len()];
        frame.get_mut(HEADER_BYTES..)?.copy_from_slice(body);
        Header::finish(kind, self.sequence, body.len(), &mut frame).expect("the body fits a frame");
        self.sequence += 1;
        send(self.socket.as_raw_fd(), &frame, MsgFlags::MSG_NOSIGNAL).ok().map(drop)
    }

    /// Waits for a frame; nothing when the broker is gone.
    pub fn receive(&mut self) -> Option<(Header, Vec<u8>)> {
        let mut frame = vec![0; MAX_FRAME_BYTES];
        let length = recv(self.socket.as_raw_fd(), &mut frame, MsgFlags::empty()).ok()?;
        if length == 0 {
            return None;
        }
        let (header, body) =
            Header::split(frame.get(..length)?).expect("the broker's frames are well formed");
        Some((header, body.to_vec()))
    }
}
