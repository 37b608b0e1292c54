//! Which lines there are, in which order, and when they are written.

use rex_ipc::control::RequestNumber;

use super::*;

#[test]
fn a_decision_says_who_what_and_why() {
    let (mut journal, memory) = journal();
    let policies = ["read-logs".to_owned()];

    journal.request(RequestNumber { frame: 12, index: 2 });
    journal.before(&Decision { policies: &policies, ..decision("/var/log/x") }).unwrap();
    journal.commit().unwrap();

    let line = memory.writes.lock().unwrap().concat();
    let (before, after) = line.split_once("\"time\":\"").unwrap();
    let (_, after) = after.split_once('"').unwrap();
    assert_eq!(before, "{\"run\":\"4f1d\",\"seq\":0,");
    assert_eq!(
        after,
        ",\"event\":\"decision\",\"principal\":\"root\",\"policy\":\"0123456789abcdef\",\"frame\":12,\"index\":2,\
         \"operation\":\"open_file\",\"claimed_line\":3,\"action\":\"file_system::Action::\\\"read\\\"\",\
         \"resource_type\":\"file_system::File\",\"resource\":\"/var/log/x\",\"decision\":\"permit\",\
         \"policies\":[\"read-logs\"]}\n"
    );
}

#[test]
fn records_of_a_frame_go_out_in_one_write() {
    let (mut journal, memory) = journal();

    for resource in ["/a", "/b", "/c"] {
        journal.before(&decision(resource)).unwrap();
    }
    assert!(memory.writes.lock().unwrap().is_empty());
    journal.commit().unwrap();
    journal.commit().unwrap();

    assert_eq!(memory.writes.lock().unwrap().len(), 1);
    assert_eq!(memory.records().len(), 3);
}

#[test]
fn a_permitted_effect_is_on_file_before_it_happens() {
    let (mut journal, memory) = journal();

    journal.before(&decision("/a")).unwrap();
    journal.before(&effect(ActionId::FileSystemDelete)).unwrap();

    assert_eq!(memory.events(), ["decision", "decision"]);
}

// A move asks `move`, `create` and, at last, `open`; then it happens.
#[test]
fn what_is_asked_after_a_permitted_effect_is_on_file_as_well() {
    let (mut journal, memory) = journal();
    journal.request(RequestNumber { frame: 1, index: 0 });

    journal.before(&effect(ActionId::FileSystemMove)).unwrap();
    journal.before(&decision("/a")).unwrap();
    let before = memory.events();
    journal.after(&outcome("move_file")).unwrap();
    journal.request(RequestNumber { frame: 2, index: 0 });
    journal.before(&decision("/b")).unwrap();
    let next = memory.events();
    journal.commit().unwrap();

    assert_eq!(before, ["decision", "decision"]);
    assert_eq!(next, before, "the next request has changed nothing yet");
    assert_eq!(memory.events(), ["decision", "decision", "outcome", "decision"]);
}

#[test]
fn sequence_numbers_have_no_gaps() {
    let (mut journal, memory) = journal();

    for round in 0..5 {
        journal.before(&decision("/a")).unwrap();
        journal.before(&decision("/b")).unwrap();
        journal.after(&outcome("stat")).unwrap();
        if round % 2 == 0 {
            journal.commit().unwrap();
        }
    }
    journal.note(&end()).unwrap();

    for (position, record) in memory.records().iter().enumerate() {
        assert_eq!(record["seq"], position);
    }
}

#[test]
fn an_outcome_stands_in_the_record_of_its_decision() {
    let (mut journal, memory) = journal();

    journal.before(&decision("/a")).unwrap();
    journal.after(&Outcome { bytes: 10, ..outcome("open_file") }).unwrap();
    journal.commit().unwrap();

    let records = memory.records();
    assert_eq!(memory.events(), ["decision"]);
    assert_eq!((&records[0]["outcome"], &records[0]["bytes"]), (&"done".into(), &10.into()));
}

#[test]
fn the_outcome_of_an_effect_has_a_record_of_its_own() {
    let (mut journal, memory) = journal();

    journal.before(&effect(ActionId::FileSystemDelete)).unwrap();
    assert_eq!(memory.events(), ["decision"]);
    journal.after(&outcome("delete")).unwrap();
    journal.commit().unwrap();

    assert_eq!(memory.events(), ["decision", "outcome"]);
}

#[test]
fn a_run_that_has_used_its_share_stops_and_still_says_how_it_ended() {
    let memory = Memory::default();
    let limits = JournalLimits { records: 3, bytes: 1 << 20 };
    let mut journal = Journal::new(memory.clone(), IDENTITY, limits, AuditSync::Run);
    let names: Vec<String> = (0..10).map(|number| format!("/{number}")).collect();

    let refused = names.iter().find_map(|name| journal.before(&decision(name)).err()).unwrap();
    journal.note(&Record::Limit(Limit { name: "max-audit-records", value: 3, claimed_line: 1 })).unwrap();
    journal.note(&end()).unwrap();

    assert!(matches!(refused, AuditError::Limit { name: "max-audit-records", value: 3 }), "{refused}");
    assert_eq!(memory.events(), ["decision", "decision", "decision", "limit", "end"]);
}

#[test]
fn a_share_may_be_used_up_by_few_large_records() {
    let limits = JournalLimits { records: 1000, bytes: 100_000 };
    let mut journal = Journal::new(Memory::default(), IDENTITY, limits, AuditSync::Run);
    let names: Vec<String> = (0..10).map(|number| format!("/{number}{}", "x".repeat(16_000))).collect();

    let refused = names.iter().find_map(|name| journal.before(&decision(name)).err());

    assert!(matches!(refused, Some(AuditError::Limit { name: "max-audit-bytes", .. })), "{refused:?}");
}

#[test]
fn a_long_frame_is_written_before_it_fills_the_memory() {
    let (mut journal, memory) = journal();
    let names: Vec<String> = (0..100).map(|number| format!("/{number}{}", "x".repeat(4000))).collect();

    for name in &names {
        journal.before(&decision(name)).unwrap();
    }

    assert!(memory.writes.lock().unwrap().len() > 3);
    assert!(memory.writes.lock().unwrap().iter().all(|write| write.ends_with('\n')));
}

#[test]
fn hostile_names_make_one_line_each_and_stay_apart() {
    let names =
        ["/a\n{\"run\":", "/a\\n", "/\u{1b}[2J", "/\u{10FF0A}", "/\u{9b}", "/\"", "/\u{202e}x", "/a\0"];

    for permitted in [true, false] {
        let (mut journal, memory) = journal();
        for name in names {
            journal.before(&Decision { permitted, ..decision(name) }).unwrap();
        }
        journal.commit().unwrap();

        let recorded: Vec<Value> = if permitted {
            let together = &memory.records()[0]["names"];
            let names = together.as_array().unwrap().iter();
            names.map(|name| format!("/{}", name.as_str().unwrap()).into()).collect()
        } else {
            memory.records().iter().map(|record| record["resource"].clone()).collect()
        };
        assert_eq!(recorded, names);
        let text = memory.writes.lock().unwrap().concat();
        assert_eq!(text.lines().count(), if permitted { 1 } else { names.len() });
        assert!(!text.contains(['\u{1b}', '\u{9b}', '\u{202e}', '\0']));
    }
}

#[test]
fn records_are_forced_to_disk_as_often_as_asked() {
    for (sync, expected) in [(AuditSync::Run, 1), (AuditSync::Record, 3)] {
        let memory = Memory::default();
        let mut journal = Journal::new(memory.clone(), IDENTITY, PLENTY, sync);

        journal.before(&effect(ActionId::FileSystemDelete)).unwrap();
        journal.before(&decision("/a")).unwrap();
        journal.commit().unwrap();
        journal.note(&end()).unwrap();

        assert_eq!(*memory.syncs.lock().unwrap(), expected, "{sync:?}");
    }
}

#[test]
fn a_journal_for_nowhere_takes_everything_and_keeps_nothing() {
    let mut journal = Journal::nowhere();

    for _ in 0..10 {
        journal.before(&effect(ActionId::FileSystemDelete)).unwrap();
        journal.after(&outcome("delete")).unwrap();
    }
    journal.commit().unwrap();

    assert!(journal.note(&end()).is_ok());
}

#[test]
fn run_identifiers_differ() {
    let (first, second) = (run_id().unwrap(), run_id().unwrap());

    assert_eq!(first.len(), 32);
    assert_ne!(first, second);
}
