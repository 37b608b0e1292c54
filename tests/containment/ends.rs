//! Every way in which a jail can end, told apart by the document and the exit status.

use rex_acts::Targets;
use rex_ipc::frame::Kind;
use rex_ipc::limits::{HEADER_BYTES, MAX_FRAME_BYTES};
use rex_outside::Link;
use rex_tests::bench::Peer;
use rex_tests::malformed::{self, Malformed, Numbers, WAYS};

use crate::broker::Run;

#[test]
fn an_order_that_is_carried_out_ends_in_order() {
    let ran = Run::of("reach").run();

    assert_eq!((ran.end(), ran.code, ran.output()), ("finished", Some(0), "reached"), "{ran:?}");
}

#[test]
fn the_ends_of_a_jail_are_told_apart() {
    let act =
        format!("act open_file {}", Targets { directory: "/tmp".to_owned(), ..Targets::default() }.to_text());
    let cases: [(&str, &[&str], &str, bool); 7] = [
        ("exhaust", &["--memory", "16"], "arena", true),
        ("panic", &[], "panic", true),
        ("overflow", &[], "memory_fault", false),
        (&act, &[], "violation", false),
        // Shorter than a body, so that only the broker can say that it is no frame.
        ("frame 00112233445566778899aabbccddeeff", &[], "violation", false),
        ("frame", &[], "violation", false),
        ("unknown", &[], "finished", true),
    ];

    for (order, options, end, claimed) in cases {
        let ran = Run::of(order).option(options).run();
        let document = &ran.document;

        assert_eq!(ran.end(), end, "{order}: {ran:?}");
        assert_eq!(document["jail"]["end_claimed_by_jail"], claimed, "{order}: {document}");
        let is_success = document["status"] == "SUCCESS";
        assert_eq!(is_success, end == "finished", "{order}: {document}");
        assert_eq!(ran.code == Some(0), is_success, "{order}: {:?} {}", ran.code, ran.diagnostics);
    }
}

// What the interpreter says of its panic is held by `jail/panics`; here it goes all the way to the caller.
#[test]
fn a_panic_is_told_in_the_document_with_its_own_status() {
    let ran = Run::of("panic").run();

    let text = "Script terminated: the interpreter panicked: a panic was ordered (main.rs:1); the script was in line 1";
    assert_eq!(ran.code, Some(70), "{ran:?}");
    assert_eq!(ran.document["status"], "ERROR");
    assert_eq!(ran.document["error"]["message"], text);
    let rex = Run::of("panic").option(&["--rex-compat"]).run();
    assert_eq!(rex.code, Some(1), "{rex:?}");
    assert_eq!(rex.document["error"]["message"], text);
}

// From a real jail through the whole broker: each is refused for its own reason, which the document gives.
#[test]
fn a_hundred_malformed_frames_end_a_hundred_runs() {
    let mut numbers = Numbers::new(0x6672_616d_6573);
    let mut runs = 0;

    for way in (0..WAYS).cycle() {
        let mut peer = Peer::new(Link::pair().unwrap().1);
        // The first frame of a jail is that it is ready.
        peer.frame_of_bytes(Kind::Ready, &[]);
        let wrong = malformed::malformed(way, &mut peer, &mut numbers);
        let Some(order) = order(&wrong) else { continue };
        let ran = Run::of(&order).run();
        let detail = ran.document["jail"]["detail"].as_str().unwrap_or_default();
        assert_eq!(ran.end(), "violation", "{}: {ran:?}", wrong.how);
        assert!(detail.contains(wrong.reason), "{}: {detail}", wrong.how);
        runs += 1;
        if runs == 100 {
            break;
        }
    }
}

/// What makes a jail send this; nothing when its filter would kill it before, or when the answer would come between.
fn order(wrong: &Malformed) -> Option<String> {
    let [datagram] = wrong.datagrams.as_slice() else { return None };
    if wrong.with_descriptor || !(HEADER_BYTES..=MAX_FRAME_BYTES).contains(&datagram.len()) {
        return None;
    }
    let hexadecimal: String = datagram.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(format!("frame {hexadecimal}"))
}

#[test]
fn a_jail_that_spins_ends_at_the_deadline() {
    let ran = Run::of("spin").option(&["--timeout", "1"]).run();

    assert_eq!(ran.code, Some(124), "{ran:?}");
    assert_eq!(ran.document["status"], "ERROR");
}

// The jail says nothing more and waits, which costs nobody anything but time.
#[test]
fn a_jail_that_waits_ends_at_the_deadline() {
    let ran = Run::of("wait").option(&["--timeout", "1"]).run();

    assert_eq!(ran.code, Some(124), "{ran:?}");
}
