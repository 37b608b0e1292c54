//! What broker and worker say to each other: decoding is total, bounded, and has one form; nobody is verified by bytes alone.

use rex_agreed::errand::{
    Cause, HEADER_BYTES, Kind, MAX_ADDRESSES, MAX_BODY_BYTES, MAX_NAME_BYTES, Prepare, Question, Resolved,
    Server, Step, frame, split,
};
use rex_agreed::{MAX_FRAME_BYTES, SelfReport};
use rex_worker::orders::Worker;
use rustls::crypto::ring;

/// Several datagrams, each with two bytes of length in front. Each is looked at as a broker looks at what a hostile worker says,
/// and given to a worker as an order: as it is where it is a frame, and else in a frame whose kind its first byte chooses.
pub fn worker_errands(bytes: &[u8]) {
    let mut worker = Worker::new(ring::default_provider());
    let mut asked_for_v6 = None;
    let mut is_over = false;
    let mut number = 0_u32;
    let mut rest = bytes;
    while let Some((length, tail)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_le_bytes(*length)).min(tail.len());
        let (datagram, tail) = tail.split_at(length);
        rest = tail;
        let order = match read(datagram, number) {
            Some(order) => order,
            None => {
                let Some((kind, body)) = datagram.split_first() else { continue };
                (KINDS[usize::from(*kind) % KINDS.len()], body)
            }
        };
        let made = frame(order.0, number, order.1).expect("what came in a datagram fits one");
        assert_eq!(split(&made, number), Some(order), "what is written is read");
        if order.0 == Kind::Question {
            asked_for_v6 = Question::from_bytes(order.1).map(|question| question.is_v6);
        }

        let mut space = vec![0; MAX_FRAME_BYTES];
        let (kind, length) = worker.obey(order.0, order.1, &mut space[HEADER_BYTES..]);

        assert!(length <= MAX_BODY_BYTES);
        let body = &space[HEADER_BYTES..HEADER_BYTES + length];
        match kind {
            Kind::Taken => assert!(body.is_empty()),
            Kind::Step => {
                let step = Step::from_bytes(body).expect("a worker tells steps that are some");
                // Whoever made this input has no key, and so cannot have proved anything.
                assert!(!step.is_established, "nobody is verified by bytes alone");
                assert!(step.said.is_empty() && !step.is_end, "nobody is heard who was not verified");
            }
            Kind::Addresses => {
                let is_v6 = asked_for_v6.expect("nothing is answered that was not asked");
                Resolved::from_bytes(body, is_v6).expect("a worker tells addresses that are some");
            }
            Kind::Failed => {
                Cause::from_bytes(body).expect("a worker has no words of its own");
                is_over = true;
            }
            other => panic!("{other:?} is no answer"),
        }
        assert!(!is_over || kind == Kind::Failed, "nothing comes after the end");
        number = number.wrapping_add(1);
    }
}

/// Takes a datagram apart as either side does, with everything that its body could be.
fn read(datagram: &[u8], number: u32) -> Option<(Kind, &[u8])> {
    let frame = split(datagram, number).map(|(kind, body)| {
        assert_eq!(frame(kind, number, body).as_deref(), Some(datagram), "a frame has one form");
        (kind, body)
    });
    bodies(frame.map_or(datagram, |(_, body)| body));
    frame
}

/// Whatever its kind is: a hostile worker chooses that, too.
fn bodies(body: &[u8]) {
    if let Some(prepare) = Prepare::from_bytes(body) {
        assert_eq!(prepare.to_bytes(), body);
    }
    if let Some(server) = Server::from_bytes(body) {
        assert!((1..=MAX_NAME_BYTES).contains(&server.name.len()));
        assert_eq!(server.to_bytes(), body);
    }
    if let Some(question) = Question::from_bytes(body) {
        assert!((1..=MAX_NAME_BYTES).contains(&question.name.len()));
        assert_eq!(question.to_bytes(), body);
    }
    if let Some(step) = Step::from_bytes(body) {
        let mut again = vec![0; body.len()];
        assert_eq!(step.write(&mut again), Some(body.len()));
        assert_eq!(again, body);
    }
    for is_v6 in [false, true] {
        if let Some(resolved) = Resolved::from_bytes(body, is_v6) {
            if let Resolved::Addresses(addresses) = &resolved {
                assert!(addresses.len() <= MAX_ADDRESSES);
                assert!(addresses.iter().all(|address| address.is_ipv6() == is_v6));
            }
            assert_eq!(resolved.to_bytes(), body);
        }
    }
    if let Some(cause) = Cause::from_bytes(body) {
        assert_eq!([cause as u8], body);
        assert!(!cause.text().is_empty());
    }
    if let Some(report) = SelfReport::from_bytes(body) {
        assert_eq!(SelfReport::from_bytes(&report.to_bytes()), Some(report));
    }
}

const KINDS: [Kind; 14] = [
    Kind::Prepare,
    Kind::Server,
    Kind::Anchors,
    Kind::Say,
    Kind::Arrived,
    Kind::Closed,
    Kind::More,
    Kind::Question,
    Kind::Message,
    Kind::Ready,
    Kind::Taken,
    Kind::Step,
    Kind::Failed,
    Kind::Addresses,
];
