//! A worker that was taken over: it locks itself down as one, and then does what the name of its server says.

use rex_acts::Targets;
use rex_agreed::PreparePlan;
use rex_agreed::errand::{self, HEADER_BYTES, Kind, Prepare, Server, Step};
use rex_inside::channel::Channel;
use rex_inside::lockdown;

/// The number of the next frame is that of the next answer.
struct Worker {
    channel: Channel,
    number: u32,
}

/// Locks down, and obeys the first label of the name of its server.
pub(crate) fn run(channel: Channel, prepare: Prepare) -> i32 {
    let mut worker = Worker { channel, number: 0 };
    let plan = PreparePlan::from_bits(prepare.lockdown_bits);
    let report = lockdown::prepare(&plan).to_bytes();
    if lockdown::seal(&plan).is_err() {
        return 71;
    }
    worker.say(Kind::Ready, &report);
    let Some(lie) = worker.lie() else { return 1 };
    worker.say(Kind::Taken, &[]);
    let lie = lie.as_str();
    // What acts aim at comes where the certificates of authorities would.
    let mut targets = Targets::default();
    while let Some((order, body)) = worker.order() {
        if order == Kind::Anchors {
            targets = body.and_then(|text| Targets::from_text(&text)).unwrap_or(targets);
            worker.say(Kind::Taken, &[]);
        } else {
            worker.do_as(lie, &targets);
        }
    }
    1
}

impl Worker {
    fn do_as(&mut self, lie: &str, targets: &Targets) {
        let step = Step { is_established: false, has_more: false, is_end: false, to_server: &[], said: &[] };
        let much = vec![b'x'; 60_000];
        match lie {
            "junk" => self.raw(&[0xff; 64]),
            "short" => self.raw(&[b'R'; HEADER_BYTES]),
            "number" => {
                self.number = self.number.wrapping_add(1);
                self.say(Kind::Taken, &[]);
            }
            "kind" => self.say(Kind::Addresses, &[0, 127, 0, 0, 1]),
            "order" => self.say(Kind::Prepare, &[0; 12]),
            "cause" => self.say(Kind::Failed, &[200]),
            "step" => self.say(Kind::Step, &[0, 255, 255, 255, 255]),
            "flags" => self.say(Kind::Step, &[255, 0, 0, 0, 0]),
            "early" => self.step(Step { said: b"HTTP/1.1 200 OK\r\n\r\n", ..step }),
            "end" => self.step(Step { is_end: true, ..step }),
            "forever" => self.step(Step { has_more: true, ..step }),
            "flood" => self.step(Step { is_established: true, has_more: true, said: &much, ..step }),
            "forge" => {
                let said = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged";
                self.step(Step { is_established: true, is_end: true, said, ..step });
            }
            "silent" => {}
            "exit" => Channel::exit(7),
            other => match other.strip_prefix("act-").and_then(|number| number.parse().ok()) {
                Some(number) => self.act(number, targets),
                None => Channel::exit(64),
            },
        }
    }

    /// Says what came of it as if a server had said it, which nobody believes before it is known who that is.
    fn act(&mut self, number: usize, targets: &Targets) {
        let said = match rex_acts::all().nth(number).map(|act| (act.attempt)(targets)) {
            Some(Ok(())) => "done".to_owned(),
            Some(Err(errno)) => format!("errno {errno}"),
            None => "unknown act".to_owned(),
        };
        let step = Step { is_established: false, has_more: false, is_end: false, to_server: &[], said: &[] };
        self.step(Step { said: said.as_bytes(), ..step });
    }

    fn lie(&mut self) -> Option<String> {
        let (kind, body) = errand::split(self.channel.receive().ok()?, self.number)?;
        let server = (kind == Kind::Server).then(|| Server::from_bytes(body)).flatten()?;
        server.name.split('.').next().map(str::to_owned)
    }

    fn order(&mut self) -> Option<(Kind, Option<String>)> {
        let frame = self.channel.receive().ok()?;
        // Whatever its number is: this one does not mind.
        let (header, body) = frame.split_at_checked(HEADER_BYTES)?;
        Some(match header[3] == Kind::Anchors as u8 {
            true => (Kind::Anchors, String::from_utf8(body.to_vec()).ok()),
            false => (Kind::Arrived, None),
        })
    }

    fn step(&mut self, step: Step<'_>) {
        let mut body = vec![0; 61_000];
        if let Some(length) = step.write(&mut body) {
            self.say(Kind::Step, &body[..length]);
        }
    }

    fn say(&mut self, kind: Kind, body: &[u8]) {
        if let Some(frame) = errand::frame(kind, self.number, body) {
            self.number = self.number.wrapping_add(1);
            self.raw(&frame);
        }
    }

    fn raw(&mut self, datagram: &[u8]) {
        if let Some(space) = self.channel.out().get_mut(..datagram.len()) {
            space.copy_from_slice(datagram);
            // A broker that is gone is noticed by the next receive.
            let _ = self.channel.send(datagram.len());
        }
    }
}
