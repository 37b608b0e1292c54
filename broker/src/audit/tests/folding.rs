//! What is counted instead of written, and what is not.

use rex_ipc::control::RequestNumber;

use super::*;

#[test]
fn identical_requests_fold_into_one_with_a_count() {
    let (mut journal, memory) = journal();

    for frame in 0..4 {
        journal.request(RequestNumber { frame, index: 0 });
        journal.before(&decision("/a")).unwrap();
        journal.after(&outcome("open_file")).unwrap();
        journal.commit().unwrap();
    }
    journal.before(&decision("/b")).unwrap();
    journal.note(&end()).unwrap();

    assert_eq!(memory.events(), ["decision", "repeat", "decision", "end"]);
    assert_eq!((&memory.records()[1]["of"], &memory.records()[1]["count"]), (&0.into(), &3.into()));
    assert_eq!(memory.records()[3]["decisions"], 5);
}

#[test]
fn decisions_that_differ_in_anything_do_not_fold() {
    let (mut journal, memory) = journal();
    let policies = ["p".to_owned()];
    let context = Value::String("x".to_owned());

    for decision in [
        decision("/a"),
        Decision { claimed_line: 4, ..decision("/a") },
        Decision { permitted: false, ..decision("/a") },
        Decision { action: ActionId::FileSystemStat, ..decision("/a") },
        Decision { resource_kind: ResourceKind::Dir, ..decision("/a") },
        Decision { policies: &policies, ..decision("/a") },
        Decision { errors: &policies, ..decision("/a") },
        Decision { context: Some(&context), ..decision("/a") },
        Decision { operation: "stat", ..decision("/a") },
    ] {
        journal.before(&decision).unwrap();
        journal.after(&outcome("open_file")).unwrap();
    }
    journal.commit().unwrap();

    assert_eq!(memory.events(), ["decision"; 9]);
}

#[test]
fn each_effect_is_recorded_by_itself() {
    let (mut journal, memory) = journal();

    for _ in 0..3 {
        journal.before(&effect(ActionId::FileSystemDelete)).unwrap();
    }

    assert_eq!(memory.events(), ["decision"; 3]);
}

// Truncations, copies, allocations and appends ask for `write`, as the pieces of new content do.
#[test]
fn each_effect_is_on_file_before_it_happens_whatever_was_before() {
    for action in ActionId::ALL.iter().copied().filter(|action| crate::gate::changes_host(*action)) {
        let (mut journal, memory) = journal();
        let decisions = || memory.events().iter().filter(|event| *event == "decision").count();

        for frame in 0..3 {
            for index in 0..2 {
                let before = decisions();
                journal.request(RequestNumber { frame, index });
                journal.before(&effect(action)).unwrap();
                assert_eq!(decisions(), before + 1, "{action:?}");
                journal.after(&outcome("truncate")).unwrap();
            }
            journal.commit().unwrap();
        }

        assert!(!memory.events().contains(&"repeat".to_owned()), "{action:?}");
    }
}

#[test]
fn pieces_of_one_file_fold_into_an_opening_and_a_closing_record() {
    let (mut journal, memory) = journal();

    for action in [ActionId::FileSystemRead, ActionId::FileSystemWrite] {
        let is_piece = action == ActionId::FileSystemWrite;
        for frame in 0..4 {
            journal.request(RequestNumber { frame, index: 0 });
            journal.before(&Decision { effect: is_piece, is_piece, ..effect(action) }).unwrap();
            journal.after(&chunk(7)).unwrap();
            journal.commit().unwrap();
        }
    }
    journal.note(&end()).unwrap();

    assert_eq!(memory.events(), ["decision", "repeat", "decision", "outcome", "repeat", "end"]);
    let closing = &memory.records()[1];
    assert_eq!(
        (&closing["of"], &closing["count"], &closing["bytes"], &closing["duration_us"]),
        (&0.into(), &3.into(), &300.into(), &15.into())
    );
    assert_eq!((&memory.records()[5]["bytes"], &memory.records()[5]["decisions"]), (&800.into(), &8.into()));
}

#[test]
fn requests_with_several_decisions_fold_as_a_whole() {
    let (mut journal, memory) = journal();
    let refused = Decision { permitted: false, ..decision("/a") };
    let redacted = Decision { action: ActionId::FileSystemRedactedRead, ..decision("/a") };

    for frame in 0..3 {
        journal.request(RequestNumber { frame, index: 0 });
        journal.before(&refused).unwrap();
        journal.before(&redacted).unwrap();
        journal.after(&chunk(7)).unwrap();
        journal.commit().unwrap();
    }
    journal.request(RequestNumber { frame: 3, index: 0 });
    journal.before(&refused).unwrap();
    journal.before(&decision("/b")).unwrap();
    journal.after(&chunk(7)).unwrap();
    journal.note(&end()).unwrap();

    assert_eq!(memory.events(), ["decision", "decision", "repeat", "decision", "decision", "end"]);
    assert_eq!((&memory.records()[2]["count"], &memory.records()[3]["frame"]), (&2.into(), &3.into()));
    assert_eq!(memory.records()[5]["denials"], 4);
}

#[test]
fn a_denial_that_is_repeated_for_ever_leaves_two_records() {
    let (mut journal, memory) = journal();

    for frame in 0..10_000 {
        journal.request(RequestNumber { frame, index: 0 });
        journal.before(&Decision { permitted: false, ..decision("/a") }).unwrap();
        journal.after(&Outcome { failure: Some("PermissionDenied"), ..outcome("open_file") }).unwrap();
        journal.commit().unwrap();
    }
    journal.note(&end()).unwrap();

    assert_eq!(memory.events(), ["decision", "repeat", "end"]);
    assert_eq!(memory.records()[2]["denials"], 10_000);
}

#[test]
fn what_ends_differently_does_not_fold() {
    let (mut journal, memory) = journal();

    for outcome in [
        chunk(1),
        chunk(2),
        Outcome { failure: Some("IoError"), errno: Some(5), ..chunk(2) },
        Outcome { failure: Some("IoError"), errno: Some(6), ..chunk(2) },
        outcome("read_chunk"),
    ] {
        journal.before(&decision("/a")).unwrap();
        journal.after(&outcome).unwrap();
    }
    journal.commit().unwrap();

    assert_eq!(memory.events(), ["decision"; 5]);
    assert_eq!(memory.records()[2]["errno"], 5);
}

#[test]
fn a_request_that_ends_without_an_outcome_is_recorded_all_the_same() {
    let (mut journal, memory) = journal();

    for frame in 0..3 {
        journal.request(RequestNumber { frame, index: 0 });
        journal.before(&decision("/a")).unwrap();
        if frame == 0 {
            journal.after(&outcome("open_file")).unwrap();
        }
    }
    journal.note(&end()).unwrap();

    assert_eq!(memory.events(), ["decision", "decision", "decision", "end"]);
    assert_eq!(memory.records()[1]["frame"], 1);
}
