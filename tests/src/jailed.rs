//! A hostile jail under the real confinement, and the broker's side of the conversation with it, spoken by hand.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::OnceLock;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rex_ipc::bounded::Bytes;
use rex_ipc::codec;
use rex_ipc::control::{EngineLimits, Fatal, FatalCause, Hello, LoadBegin, Piece, Purpose, Ready};
use rex_ipc::frame::{Header, Kind};
use rex_ipc::interface::FINGERPRINT;
use rex_ipc::limits::{HEADER_BYTES, MAX_FRAME_BYTES};
use rex_ipc::runtime::LogLevel;
use rex_outside::errand::{self, Prepare};
use rex_outside::socket::{RECEIVE_BYTES, Received, Wait};
use rex_outside::{Jail, JailExit, Layer, Plan, Posture, SealedImage, SelfReport, spawn, verify};
use serde::Serialize;

/// The hostile jail's program.
pub const PROGRAM: &[u8] = include_bytes!(env!("REX_HOSTILE_IMAGE"));

/// The same as it is executed.
pub fn image() -> &'static SealedImage {
    static IMAGE: OnceLock<SealedImage> = OnceLock::new();

    IMAGE.get_or_init(|| SealedImage::new(PROGRAM).expect("programs in memory are allowed here"))
}

/// A plan with every layer and little memory, so that many jails fit side by side.
pub fn full_plan() -> Plan {
    let mut plan = Plan::full();
    plan.arena_bytes = 16 << 20;
    plan.stack_bytes = 1 << 20;
    plan.cpu_seconds = 60;
    plan
}

/// What the program can do where nothing confines it: a plan without any layer but the new session, which takes no right.
pub fn unconfined_plan() -> Plan {
    Layer::all().fold(full_plan(), Plan::without).with(Layer::Session)
}

/// A hostile jail that was started.
#[derive(Debug)]
pub struct Jailed {
    /// The process.
    pub jail: Jail,
    plan: Plan,
    sent: u32,
}

/// What a jail did in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It ended in order, with this as its output.
    Said(String),
    /// It said that it cannot go on.
    Fatal(FatalCause),
    /// It exited without a word.
    Exited(i32),
    /// A signal ended it.
    Killed(i32),
    /// It sent something that is no frame.
    Broke(String),
}

impl Jailed {
    /// Starts a hostile jail under `plan` and tells it what to apply by itself.
    pub fn start(plan: &Plan) -> Self {
        let jail = spawn(image(), plan).expect("a jail can be spawned");
        let mut jailed = Self { jail, plan: plan.clone(), sent: 0 };
        jailed.greet(1);
        jailed
    }

    /// Starts one that was confined from outside by `plan`, and is told of another.
    pub fn start_told(plan: &Plan, told: &Plan) -> Self {
        let jail = spawn(image(), plan).expect("a jail can be spawned");
        let mut jailed = Self { jail, plan: told.clone(), sent: 0 };
        jailed.greet(1);
        jailed
    }

    /// Starts one that claims `layer` in one of several ways; see `tests/hostile/src/lies.rs`.
    pub fn start_lying(plan: &Plan, layer: Layer, way: u8) -> Self {
        let jail = spawn(image(), plan).expect("a jail can be spawned");
        let mut jailed = Self { jail, plan: plan.clone(), sent: 0 };
        jailed.greet(lie(layer, way));
        jailed
    }

    /// Starts one that becomes another program, which then does as it is told.
    ///
    /// The other program has to be this one, at [`rex_acts::lies::OTHER_PROGRAM`] in the working directory.
    pub fn start_exchanged(plan: &Plan) -> Self {
        let jail = spawn(image(), plan).expect("a jail can be spawned");
        let mut jailed = Self { jail, plan: plan.clone(), sent: 0 };
        jailed.greet(lie(Layer::Exec, 0));
        // The first frame is gone with the program that read it.
        jailed.greet(1);
        jailed
    }

    fn greet(&mut self, operations: u64) {
        let mut hello = hello(&self.plan);
        hello.limits.operations = operations;
        self.send(Kind::Hello, &hello);
    }

    /// Starts one and waits until it is ready to be loaded.
    pub fn ready(plan: &Plan) -> Self {
        let mut jailed = Self::start(plan);
        jailed.await_ready().expect("the jail locks itself down");
        jailed
    }

    /// Waits until the jail says that it is locked down.
    ///
    /// # Errors
    /// What it did instead.
    pub fn await_ready(&mut self) -> Result<SelfReport, End> {
        let mut buffer = Box::new([0; RECEIVE_BYTES]);
        let length = self.frame(&mut buffer)?;
        let (header, body) =
            Header::split(&buffer[..length]).map_err(|error| End::Broke(error.to_string()))?;
        if header.kind != Kind::Ready {
            return Err(End::Broke(header.kind.name().to_owned()));
        }
        let ready: Ready = codec::decode_exactly(body).map_err(|error| End::Broke(error.to_string()))?;
        SelfReport::from_bytes(ready.report.as_slice()).ok_or_else(|| End::Broke("no report".to_owned()))
    }

    /// Waits until the jail is ready, and looks at it from outside.
    ///
    /// # Errors
    /// What it did instead of becoming ready.
    pub fn posture(&mut self) -> Result<Posture, End> {
        let report = self.await_ready()?;
        Ok(verify(&self.jail, &report, &self.plan))
    }

    /// Sends an order in the place of a script.
    pub fn order(&mut self, order: &str) {
        let length = u32::try_from(order.len()).expect("orders are short");
        self.begin_order(length);
        let bytes = Bytes::new(order.as_bytes().to_vec()).expect("orders fit a frame");
        self.send(Kind::LoadChunk, &Piece { bytes });
        self.send_empty(Kind::LoadEnd);
    }

    /// Announces an order of this length and sends nothing of it.
    pub fn begin_order(&mut self, script_bytes: u32) {
        self.send(Kind::LoadBegin, &LoadBegin { script_bytes, arguments_bytes: 0, purpose: Purpose::Run });
    }

    /// Serves the jail until it has ended, and says how.
    pub fn end(&mut self) -> End {
        let mut buffer = Box::new([0; RECEIVE_BYTES]);
        let mut said = Vec::new();
        loop {
            let length = match self.frame(&mut buffer) {
                Ok(length) => length,
                Err(end) => return end,
            };
            let (header, body) = match Header::split(&buffer[..length]) {
                Ok(frame) => frame,
                Err(error) => return End::Broke(error.to_string()),
            };
            match header.kind {
                Kind::OutputBegin | Kind::OutputEnd => {}
                Kind::OutputChunk => match codec::decode_exactly::<Piece>(body) {
                    Ok(piece) => said.extend_from_slice(piece.bytes.as_slice()),
                    Err(error) => return End::Broke(error.to_string()),
                },
                Kind::Result => return End::Said(String::from_utf8_lossy(&said).into_owned()),
                Kind::Fatal => {
                    return match codec::decode_exactly::<Fatal>(body) {
                        Ok(fatal) => End::Fatal(fatal.cause),
                        Err(error) => End::Broke(error.to_string()),
                    };
                }
                _ => return End::Broke(header.kind.name().to_owned()),
            }
            self.send_empty(Kind::Ack);
        }
    }

    /// Waits for the end of the process.
    pub fn exit(&mut self) -> JailExit {
        assert!(wait_for(&[self.jail.pidfd()]), "the jail does not end");
        self.jail.wait().expect("a child can be waited for")
    }

    /// Waits for one datagram, or for what the jail did instead.
    fn frame(&mut self, buffer: &mut [u8; RECEIVE_BYTES]) -> Result<usize, End> {
        assert!(
            wait_for(&[self.jail.socket.as_fd(), self.jail.pidfd()]),
            "the jail neither says anything nor ends"
        );
        // A jail that is gone may have said something before, so the socket is asked first.
        match self.jail.socket.receive(buffer, Wait::No) {
            Ok(Received::Frame(length)) => Ok(length),
            Ok(Received::Closed | Received::Nothing) => Err(match self.exit() {
                JailExit::Exited(code) => End::Exited(code),
                JailExit::Signaled(signal) => End::Killed(signal),
            }),
            Err(error) => Err(End::Broke(error.to_string())),
        }
    }

    fn send<T: Serialize>(&mut self, kind: Kind, body: &T) {
        let mut frame = vec![0; MAX_FRAME_BYTES];
        let body_bytes = codec::encode(body, &mut frame[HEADER_BYTES..]).expect("the body fits a frame");
        self.send_frame(kind, body_bytes, &mut frame);
    }

    fn send_empty(&mut self, kind: Kind) {
        self.send_frame(kind, 0, &mut [0; HEADER_BYTES]);
    }

    /// A jail that is gone is noticed by whoever waits for it next.
    fn send_frame(&mut self, kind: Kind, body_bytes: usize, frame: &mut [u8]) {
        let length = Header::finish(kind, self.sent, body_bytes, frame).expect("the body fits a frame");
        self.sent += 1;
        let _ = self.jail.socket.send(&frame[..length]);
    }
}

/// A hostile worker that was started, and locked itself down.
#[derive(Debug)]
pub struct Hired {
    jailed: Jailed,
    received: u32,
}

impl Hired {
    /// Starts one and waits until it is ready for orders.
    ///
    /// # Panics
    /// When it does not say that it is.
    pub fn ready(plan: &Plan) -> Self {
        let jail = spawn(image(), plan).expect("a worker can be spawned");
        let mut hired = Self { jailed: Jailed { jail, plan: plan.clone(), sent: 0 }, received: 0 };
        let prepare = Prepare { lockdown_bits: plan.prepare_plan().to_bits(), arena_bytes: plan.arena_bytes };
        let (kind, report) =
            hired.order(errand::Kind::Prepare, &prepare.to_bytes()).expect("the worker locks itself down");
        assert!(kind == errand::Kind::Ready && SelfReport::from_bytes(&report).is_some(), "{kind:?}");
        hired
    }

    /// Gives an order, and waits for the answer.
    ///
    /// # Errors
    /// What it did instead.
    pub fn order(&mut self, kind: errand::Kind, body: &[u8]) -> Result<(errand::Kind, Vec<u8>), End> {
        let frame = errand::frame(kind, self.jailed.sent, body).expect("orders are short");
        self.jailed.sent += 1;
        // A worker that is gone is noticed by whoever waits for it next.
        let _ = self.jailed.jail.socket.send(&frame);
        let mut buffer = Box::new([0; RECEIVE_BYTES]);
        let length = self.jailed.frame(&mut buffer)?;
        let answer = errand::split(&buffer[..length], self.received);
        self.received += 1;
        let (kind, body) = answer.ok_or_else(|| End::Broke("no frame of a worker".to_owned()))?;
        Ok((kind, body.to_vec()))
    }
}

/// Waits until one of `fds` is readable or closed; false after thirty seconds.
pub fn wait_for(fds: &[BorrowedFd<'_>]) -> bool {
    let mut polled: Vec<_> = fds.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
    loop {
        match poll(&mut polled, PollTimeout::from(30_000_u16)) {
            Ok(ready) => return ready > 0,
            Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => panic!("cannot wait: {errno}"),
        }
    }
}

/// The limit on operations that has a hostile jail claim `layer` without taking the step, in one of several ways.
pub fn lie(layer: Layer, way: u8) -> u64 {
    let [first, second, third, fourth, fifth, sixth] = *b"\0a lie";
    u64::from_le_bytes([layer.number(), way, first, second, third, fourth, fifth, sixth])
}

fn hello(plan: &Plan) -> Hello {
    Hello {
        fingerprint: FINGERPRINT,
        lockdown_bits: plan.prepare_plan().to_bits(),
        arena_bytes: plan.arena_bytes,
        log_threshold: LogLevel::Info,
        limits: EngineLimits {
            operations: 1,
            call_levels: 1,
            expression_depth: 1,
            function_expression_depth: 1,
            string_bytes: 1,
            array_elements: 1,
            map_entries: 1,
            variables: 1,
            functions: 1,
        },
        rex_compat: false,
    }
}
