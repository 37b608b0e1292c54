//! Random bytes.

use rex_ipc::limits::MAX_RANDOM_BYTES;
use rex_ipc::runtime::{RandomBytes, RandomCount};
use rex_tests::session::Session;

#[test]
fn permitted() {
    let mut session = Session::with_policy("");

    for count in [0, 1, MAX_RANDOM_BYTES as u32] {
        let bytes = session.send(RandomBytes { count: RandomCount::new(count).unwrap() }).unwrap();
        assert_eq!(bytes.bytes.as_slice().len(), count as usize);
    }
    assert!(session.questions().is_empty());
}

#[test]
fn refused() {
    assert!(RandomCount::new(MAX_RANDOM_BYTES as u32 + 1).is_none());
}

#[test]
fn no_two_answers_are_alike() {
    let mut session = Session::with_policy("");
    let request = RandomBytes { count: RandomCount::new(32).unwrap() };

    let first = session.send(request.clone()).unwrap();
    let second = session.send(request).unwrap();

    assert_ne!(first, second);
}
