//! The broker's side of a run, whole but for the jail, whose place a test takes.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Instant;

use nix::sys::socket::{ControlMessage, MsgFlags, Shutdown, recvmsg, send, sendmsg, shutdown};
use rex_broker::audit::Journal;
use rex_broker::gate::deciding::Deciding;
use rex_broker::gate::forbidden::Forbidden;
use rex_broker::gate::limits::Limits;
use rex_broker::host::Host;
use rex_broker::policy::{Engine, Mode, Policies, PolicyText};
use rex_broker::result::{Recorder, Settings};
use rex_broker::run::services::Services;
use rex_broker::run::session::{RunEnd, Session};
use rex_broker::watch::wait::Waiter;
use rex_ipc::batch::Call;
use rex_ipc::codec;
use rex_ipc::control::Arguments;
use rex_ipc::frame::{Header, Kind};
use rex_ipc::interface::Request;
use rex_ipc::limits::{HEADER_BYTES, MAX_FRAME_BYTES};
use rex_ipc::runtime::LogLevel;
use rex_outside::Link;
use serde::Serialize;

/// A policy that permits everything.
pub const ALLOW_ALL: &str = "permit(principal, action, resource);";

/// The broker's services for one run under `policy`, without a record.
pub fn services(policy: &str) -> Services {
    let limits = Limits::default();
    let source = PolicyText { name: "test", text: policy };
    let policies = Policies::load(&[source], Mode::Standard).expect("the test's policy is valid").policies;
    let recorder = Recorder::new(Settings {
        compat: false,
        bare: false,
        started: Instant::now(),
        log_threshold: LogLevel::Info,
        max_log_lines: limits.max_log_lines,
        max_signals: limits.max_signals,
        max_signal_bytes: limits.max_signal_bytes,
    });
    let mut services = Services::new(
        Host::open(limits.max_open_handles).expect("/ and /proc can be opened"),
        Deciding::new(Engine::new(policies, "tester"), Forbidden::new(), "tester".to_owned()),
        limits,
        Waiter::new().expect("signals can be taken over"),
        Box::new(Journal::nowhere()),
        recorder,
    );
    // No process has this number, so nothing is hidden for it.
    services.hide_process(u32::MAX);
    services
}

/// Serves whoever is at the other end of `link` as a jail that runs its script.
pub fn serve(link: &Link, services: &mut Services) -> RunEnd {
    serve_after(link, services, || {})
}

/// The same, and `speak` is called once the jail may speak.
pub fn serve_after(link: &Link, services: &mut Services, speak: impl FnOnce()) -> RunEnd {
    let mut session = Session::new(link);
    session.verified();
    if let Err(end) = session.load(services, "", &Arguments::default()) {
        return end;
    }
    speak();
    session.serve(services)
}

/// Serves a jail from its start on; `order` is what it is sent in the place of a script.
pub fn run(link: &Link, services: &mut Services, order: &str) -> RunEnd {
    let mut session = Session::new(link);
    if let Err(end) = session.await_ready(&mut services.pace.waiter) {
        return end;
    }
    session.verified();
    match session.load(services, order, &Arguments::default()) {
        Ok(()) => session.serve(services),
        Err(end) => end,
    }
}

/// The other end of the socket.
#[derive(Debug)]
pub struct Peer {
    socket: OwnedFd,
    sequence: u32,
}

impl Peer {
    /// Speaks on this end, from the first frame on.
    pub fn new(socket: OwnedFd) -> Self {
        Self { socket, sequence: 0 }
    }

    /// Reads what a jail is sent before it runs.
    pub fn take_load(&mut self) {
        while self.receive().is_some_and(|(kind, _)| kind != Kind::LoadEnd) {}
    }

    /// Sends requests and gives the body of the reply; nothing when the broker is gone.
    pub fn call(&mut self, requests: Vec<Request>) -> Option<Vec<u8>> {
        let frame = self.call_frame(requests);
        self.send_raw(&frame);
        self.receive().map(|(_, body)| body)
    }

    /// A call as it would be sent next.
    pub fn call_frame(&mut self, requests: Vec<Request>) -> Vec<u8> {
        let mut frame = vec![0; MAX_FRAME_BYTES];
        let call = Call { line: 1, requests };
        let body_bytes = call.encode(&mut frame[HEADER_BYTES..]).expect("the requests fit a frame");
        self.close_frame(Kind::Call, body_bytes, frame)
    }

    /// A frame with this body as it would be sent next.
    pub fn frame<T: Serialize>(&mut self, kind: Kind, body: &T) -> Vec<u8> {
        let mut frame = vec![0; MAX_FRAME_BYTES];
        let body_bytes = codec::encode(body, &mut frame[HEADER_BYTES..]).expect("the body fits a frame");
        self.close_frame(kind, body_bytes, frame)
    }

    /// A frame with these bytes as its body.
    pub fn frame_of_bytes(&mut self, kind: Kind, body: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; MAX_FRAME_BYTES];
        frame[HEADER_BYTES..HEADER_BYTES + body.len()].copy_from_slice(body);
        self.close_frame(kind, body.len(), frame)
    }

    /// Sends a datagram as it is.
    pub fn send_raw(&self, datagram: &[u8]) {
        // A broker that is gone is noticed by the next receive.
        let _ = send(self.socket.as_raw_fd(), datagram, MsgFlags::MSG_NOSIGNAL);
    }

    /// Sends a datagram with a descriptor.
    pub fn send_with_descriptor(&self, datagram: &[u8]) {
        let fds = [self.socket.as_raw_fd()];
        let message = [ControlMessage::ScmRights(&fds)];
        let parts = [IoSlice::new(datagram)];
        let _ = sendmsg::<()>(self.socket.as_raw_fd(), &parts, &message, MsgFlags::MSG_NOSIGNAL, None);
    }

    /// Waits for a frame; nothing when the broker is gone.
    pub fn receive(&self) -> Option<(Kind, Vec<u8>)> {
        let mut buffer = vec![0; MAX_FRAME_BYTES];
        let mut parts = [IoSliceMut::new(&mut buffer)];
        let bytes = recvmsg::<()>(self.socket.as_raw_fd(), &mut parts, None, MsgFlags::empty()).ok()?.bytes;
        let (header, body) = Header::split(buffer.get(..bytes)?).ok()?;
        Some((header.kind, body.to_vec()))
    }

    /// Says nothing more.
    pub fn hang_up(&self) {
        let _ = shutdown(self.socket.as_fd().as_raw_fd(), Shutdown::Write);
    }

    fn close_frame(&mut self, kind: Kind, body_bytes: usize, mut frame: Vec<u8>) -> Vec<u8> {
        let length =
            Header::finish(kind, self.sequence, body_bytes, &mut frame).expect("the body fits a frame");
        self.sequence = self.sequence.wrapping_add(1);
        frame.truncate(length);
        frame
    }
}
