//! A jail that breaks the protocol, in every way and at every time, ends its run and nothing else.

use std::process::Command;

use rex_broker::run::session::{RunEnd, Session};
use rex_ipc::bounded::List;
use rex_ipc::control::{Arguments, Outcome, Purpose, ScriptEnd};
use rex_ipc::file_system::{
    Close, CreateDir, DirPlace, ListEntries, OpenDir, OpenFile, OpenMode, ReadChunk, Spelled, Stat,
};
use rex_ipc::frame::Kind;
use rex_ipc::handle::{AnyId, DirId, FileId};
use rex_ipc::interface::Request;
use rex_ipc::runtime::Now;
use rex_outside::Link;
use rex_tests::bench::{ALLOW_ALL, Peer, serve, services};

#[test]
fn ten_thousand_malformed_frames_leave_nothing_behind() {
    let output = Command::new(env!("CARGO_BIN_EXE_rex-understudy"))
        .args(["malformed", "10000", "100"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text.lines();
    let numbers: Vec<u64> = lines.next().unwrap().split(' ').map(|word| word.parse().unwrap()).collect();
    let failures: Vec<_> = lines.collect();

    assert!(failures.is_empty(), "{} of them: {:#?}", failures.len(), failures.first());
    assert_eq!(numbers[0], numbers[1], "descriptors");
    assert!(numbers[3] <= numbers[2] + 4096, "resident KiB: {} before, {} after", numbers[2], numbers[3]);
}

// The control: what is sent in order is answered, and the run ends in order.
#[test]
fn an_honest_peer_is_served() {
    let end = talk(|peer| {
        peer.take_load();
        assert!(peer.call(vec![open_dir(1), stat(1), close(1)]).is_some());
        assert!(peer.call(vec![open_dir(2), open_file(3, 2), read(3)]).is_some());
        for frame in [peer.frame_of_bytes(Kind::OutputBegin, &[0]), peer.frame_of_bytes(Kind::OutputEnd, &[])]
        {
            peer.send_raw(&frame);
            assert!(matches!(peer.receive(), Some((Kind::Ack, _))));
        }
        let result = peer.frame(
            Kind::Result,
            &Outcome { end: ScriptEnd::Value, ended_by: None, place: None, remarks: List::default() },
        );
        peer.send_raw(&result);
    });

    assert!(matches!(end, RunEnd::Script { end: ScriptEnd::Value, .. }), "{end:?}");
}

#[test]
fn a_handle_that_is_not_open_ends_the_run() {
    let forged: [(&str, Vec<Request>); 8] = [
        ("never opened", vec![stat(7)]),
        ("closed before", vec![open_dir(8), close(8), stat(8)]),
        ("closed twice", vec![open_dir(8), close(8), close(8)]),
        ("a directory taken for a file", vec![open_dir(8), read(8)]),
        ("a number used again", vec![open_dir(8), close(8), open_dir(8)]),
        ("a number below the last", vec![open_dir(8), open_dir(7)]),
        ("listed without being open", vec![list(9)]),
        ("a file in no directory", vec![open_file(11, 10)]),
    ];

    for (how, requests) in forged {
        let end = talk(|peer| {
            peer.take_load();
            assert_eq!(peer.call(requests), None, "{how}");
        });
        assert!(matches!(end, RunEnd::Violation(_)), "{how}: {end:?}");
    }
}

// A handle of an earlier frame that a failed batch has closed is stale, whatever the jail believes.
#[test]
fn a_handle_of_a_batch_that_failed_is_not_open() {
    let end = talk(|peer| {
        peer.take_load();
        let absent =
            OpenDir { id: DirId(2), at: path("/does/not/exist"), follow: false, create: CreateDir::No };
        assert!(peer.call(vec![open_dir(1), Request::OpenDir(absent)]).is_some());
        assert_eq!(peer.call(vec![stat(1)]), None);
    });

    assert!(matches!(end, RunEnd::Violation(_)), "{end:?}");
}

#[test]
fn a_frame_after_the_end_is_not_read() {
    let (link, socket) = Link::pair().unwrap();
    let mut peer = Peer::new(socket);
    let mut services = services(ALLOW_ALL);
    let frames = ["gone", "gone again"].map(|text| {
        let (cause, message) = (rex_ipc::control::FatalCause::Panic, rex_ipc::bounded::Text::cut(text));
        peer.frame(Kind::Fatal, &rex_ipc::control::Fatal { cause, message })
    });
    let mut session = Session::new(&link);
    session.verified();
    session.load(&mut services, "", &Arguments::default()).unwrap();
    for frame in frames {
        peer.send_raw(&frame);
    }

    let first = session.serve(&mut services);
    let second = session.serve(&mut services);

    assert!(matches!(&first, RunEnd::Fatal(fatal) if fatal.message.as_str() == "gone"), "{first:?}");
    assert!(matches!(second, RunEnd::Violation(_)), "{second:?}");
}

#[test]
fn an_empty_datagram_is_the_end_and_no_frame() {
    let end = talk(|peer| {
        peer.take_load();
        peer.send_raw(&[]);
    });

    assert!(matches!(end, RunEnd::JailGone), "{end:?}");
}

#[test]
fn a_jail_that_speaks_before_it_is_asked_ends_the_run() {
    for kind in [Kind::Call, Kind::OutputBegin, Kind::Result] {
        let (link, socket) = Link::pair().unwrap();
        let mut peer = Peer::new(socket);
        let frame = peer.frame_of_bytes(kind, &[]);
        peer.send_raw(&frame);

        let end = Session::new(&link).await_ready(&mut services(ALLOW_ALL).pace.waiter);

        assert!(matches!(end, Err(RunEnd::Violation(_))), "{}: {end:?}", kind.name());
    }
}

// The states Verified and Loaded permit nothing: a jail has no reason to speak before it was told to run.
#[test]
fn a_call_before_the_script_was_sent_ends_the_run() {
    let (link, socket) = Link::pair().unwrap();
    let mut peer = Peer::new(socket);
    let early = peer.call_frame(vec![Request::Now(Now {})]);
    peer.send_raw(&early);
    peer.hang_up();

    let end = serve(&link, &mut services(ALLOW_ALL));

    assert!(matches!(end, RunEnd::Violation(_)), "{end:?}");
}

// With --dry-run nothing is to be executed, so whatever a jail asks for then, it is not the script that asks.
#[test]
fn a_call_of_a_jail_that_is_only_to_check_ends_the_run() {
    let calls: [fn() -> Request; 3] = [|| Request::Now(Now {}), || open_dir(1), || close(1)];
    for purpose in [Purpose::Check, Purpose::Run] {
        for call in calls {
            let (link, socket) = Link::pair().unwrap();
            let end = std::thread::scope(|scope| {
                let speaker = scope.spawn(move || {
                    let mut peer = Peer::new(socket);
                    peer.take_load();
                    let answer = peer.call(vec![call()]);
                    peer.hang_up();
                    answer
                });
                let mut services = services(ALLOW_ALL);
                let mut session = Session::new(&link);
                session.purpose = purpose;
                session.verified();
                session.load(&mut services, "", &Arguments::default()).unwrap();
                let end = session.serve(&mut services);
                drop(link);
                (end, speaker.join().unwrap())
            });

            let is_check = purpose == Purpose::Check;
            let (end, answer) = end;
            match is_check {
                true => {
                    assert!(matches!(end, RunEnd::Violation(_)), "{:?}: {end:?}", call());
                    assert_eq!(answer, None, "{:?} was answered", call());
                }
                // The control; what is closed here was never open.
                false => assert_eq!(answer.is_some(), !matches!(call(), Request::Close(_)), "{:?}", call()),
            }
        }
    }
}

#[test]
fn ready_a_second_time_ends_the_run() {
    let (link, socket) = Link::pair().unwrap();
    let mut peer = Peer::new(socket);
    let ready =
        rex_ipc::control::Ready { fingerprint: rex_ipc::interface::FINGERPRINT, report: Default::default() };
    for _ in 0..2 {
        let frame = peer.frame(Kind::Ready, &ready);
        peer.send_raw(&frame);
    }
    let mut services = services(ALLOW_ALL);
    let mut session = Session::new(&link);

    session.await_ready(&mut services.pace.waiter).unwrap();
    let second = session.await_ready(&mut services.pace.waiter);

    assert!(matches!(second, Err(RunEnd::Violation(_))), "{second:?}");
}

#[test]
fn a_jail_built_for_another_table_ends_the_run() {
    let (link, socket) = Link::pair().unwrap();
    let mut peer = Peer::new(socket);
    let ready = rex_ipc::control::Ready { fingerprint: 1, report: Default::default() };
    let frame = peer.frame(Kind::Ready, &ready);
    peer.send_raw(&frame);

    let end = Session::new(&link).await_ready(&mut services(ALLOW_ALL).pace.waiter);

    assert!(matches!(end, Err(RunEnd::Violation(_))), "{end:?}");
}

#[test]
fn more_or_less_output_than_announced_ends_the_run() {
    let pieces: [(&str, &[&[u8]]); 3] =
        [("more", &[&[2, 65, 65]]), ("less", &[]), ("an empty piece", &[&[0]])];

    for (how, pieces) in pieces {
        let end = talk(|peer| {
            peer.take_load();
            let mut frames = vec![peer.frame_of_bytes(Kind::OutputBegin, &[1])];
            frames.extend(pieces.iter().map(|piece| peer.frame_of_bytes(Kind::OutputChunk, piece)));
            frames.push(peer.frame_of_bytes(Kind::OutputEnd, &[]));
            for frame in frames {
                peer.send_raw(&frame);
                if peer.receive().is_none() {
                    break;
                }
            }
        });
        assert!(matches!(end, RunEnd::Violation(_)), "{how}: {end:?}");
    }
}

/// Serves a peer that runs in a thread of its own.
fn talk(speak: impl FnOnce(&mut Peer) + Send) -> RunEnd {
    let (link, socket) = Link::pair().unwrap();
    std::thread::scope(|scope| {
        let speaker = scope.spawn(move || {
            let mut peer = Peer::new(socket);
            speak(&mut peer);
            peer.hang_up();
        });
        let end = serve(&link, &mut services(ALLOW_ALL));
        // The peer waits for an answer that will not come.
        drop(link);
        if let Err(panic) = speaker.join() {
            std::panic::resume_unwind(panic);
        }
        end
    })
}

fn path(path: &str) -> DirPlace {
    DirPlace::Path(rex_ipc::bounded::Text::new(path).unwrap())
}

fn open_dir(id: u32) -> Request {
    Request::OpenDir(OpenDir { id: DirId(id), at: path("/proc"), follow: false, create: CreateDir::No })
}

fn open_file(id: u32, dir: u32) -> Request {
    Request::OpenFile(OpenFile {
        id: FileId(id),
        dir: DirId(dir),
        name: Spelled::from(rex_ipc::bounded::Text::new("uptime").unwrap()),
        mode: OpenMode::Read,
        follow: false,
    })
}

fn read(file: u32) -> Request {
    Request::ReadChunk(ReadChunk {
        file: FileId(file),
        offset_bytes: 0,
        length: rex_ipc::file_system::ChunkLength::MAX,
        redacted: false,
    })
}

fn stat(dir: u32) -> Request {
    Request::Stat(Stat { handle: AnyId::Dir(DirId(dir)) })
}

fn list(dir: u32) -> Request {
    Request::ListEntries(ListEntries { dir: DirId(dir), restart: true })
}

fn close(dir: u32) -> Request {
    Request::Close(Close { handle: AnyId::Dir(DirId(dir)) })
}
