//! Decisions that are told together, and those that are not.

use rex_ipc::control::RequestNumber;

use super::*;

/// A decision as one line says it, whether or not the line says more.
type Told = (String, String, String, String, Vec<String>);

/// What makes another decision of one.
type Change = fn(Decision<'_>) -> Decision<'_>;

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(text).collect()
}

/// Every decision in the records, as `docs/audit.md` has a reader put them together.
fn told(records: &[Value]) -> Vec<Told> {
    let mut all = Vec::new();
    for record in records {
        match record["event"].as_str().unwrap() {
            "decision" => all.push((
                text(&record["action"]),
                text(&record["resource_type"]),
                text(&record["resource"]),
                text(&record["decision"]),
                texts(&record["policies"]),
            )),
            "decisions" => {
                let (names, asked) = (texts(&record["names"]), record["asked"].as_array().unwrap());
                assert_eq!(record["count"], names.len() * asked.len());
                for name in names {
                    all.extend(asked.iter().map(|asked| {
                        let resource = text(&record["directory"]) + &name;
                        (
                            text(&asked["action"]),
                            text(&asked["resource_type"]),
                            resource,
                            text(&record["decision"]),
                            texts(&asked["policies"]),
                        )
                    }));
                }
            }
            _ => {}
        }
    }
    all
}

fn as_told(decision: &Decision<'_>) -> Told {
    (
        decision.action.uid().to_owned(),
        decision.resource_kind.type_name().to_owned(),
        decision.resource.to_owned(),
        if decision.permitted { "permit" } else { "deny" }.to_owned(),
        decision.policies.to_vec(),
    )
}

fn look(action: ActionId, resource: &str) -> Decision<'_> {
    Decision { operation: "list_details", action, ..decision(resource) }
}

/// Opened and described, as a walk does it.
fn described<'a>(names: &'a [String], policies: &'a [String]) -> Vec<Decision<'a>> {
    let actions = [ActionId::FileSystemOpen, ActionId::FileSystemStat];
    let both = |name| actions.map(|action| Decision { policies, ..look(action, name) });
    names.iter().flat_map(|name| both(name.as_str())).collect()
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("/srv/entry-{number:04}")).collect()
}

fn keep(journal: &mut Journal, decisions: &[Decision<'_>]) {
    for decision in decisions {
        journal.before(decision).unwrap();
    }
    journal.after(&outcome("list_details")).unwrap();
    journal.commit().unwrap();
}

#[test]
fn entries_that_are_answered_alike_make_one_record() {
    let (mut journal, memory) = journal();
    let (names, policies) = (names(50), ["read-srv".to_owned()]);
    let decisions = described(&names, &policies);
    journal.request(RequestNumber { frame: 4, index: 1 });

    keep(&mut journal, &decisions);

    assert_eq!(memory.events(), ["decisions"]);
    let record = &memory.records()[0];
    assert_eq!((&record["directory"], &record["count"]), (&"/srv/".into(), &100.into()));
    assert_eq!((&record["frame"], &record["outcome"]), (&4.into(), &"done".into()));
    assert_eq!(told(&memory.records()), decisions.iter().map(as_told).collect::<Vec<_>>());
}

#[test]
fn few_have_a_record_each() {
    for count in [1, 7, 8] {
        let (mut journal, memory) = journal();
        let names = names(count);

        keep(&mut journal, &described(&names, &[]));

        let expected = if count < 8 { 2 * count } else { 1 };
        assert_eq!(memory.records().len(), expected, "{count}");
    }
}

#[test]
fn what_differs_in_anything_begins_anew_and_nothing_is_lost() {
    let names = names(40);
    let policies = ["p".to_owned()];
    let strange: [(&str, Change); 7] = [
        ("a denial", |it| Decision { permitted: false, ..it }),
        ("an error", |it| Decision { errors: Box::leak(Box::new(["e".to_owned()])), ..it }),
        ("an act", |it| Decision { effect: true, ..it }),
        ("a context", |it| Decision { context: Some(&Value::Null), ..it }),
        ("another line", |it| Decision { claimed_line: 9, ..it }),
        ("another type", |it| Decision { resource_kind: ResourceKind::Dir, ..it }),
        ("another action", |it| Decision { action: ActionId::FileSystemRead, ..it }),
    ];
    for (what, change) in strange {
        for at in [40, 41] {
            let (mut journal, memory) = journal();
            let mut decisions = described(&names, &policies);
            decisions[at] = change(decisions[at].clone());

            keep(&mut journal, &decisions);

            let expected: Vec<Told> = decisions.iter().map(as_told).collect();
            assert_eq!(told(&memory.records()), expected, "{what} at {at}");
            assert!(memory.records().len() > 2, "{what} at {at}");
            if what == "an act" {
                // What follows may be what the act waits for.
                assert!(
                    memory.records().iter().skip(1).all(|record| record["event"] != "decisions"),
                    "{what}"
                );
                continue;
            }
            let own = memory.records().iter().filter(|record| record["event"] == "decision").count();
            assert!((1..=4).contains(&own), "{what} at {at}: {own}");
        }
    }
}

/// A small generator of numbers, so that every run sees the same decisions.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

#[test]
fn whatever_is_asked_is_told_in_its_order() {
    let directories = ["/", "/srv/", "/srv/\u{1b}[2J/"];
    let policies: [&[String]; 3] = [&[], &["p".to_owned()], &["p".to_owned(), "q\"".to_owned()]];
    let actions = [ActionId::FileSystemOpen, ActionId::FileSystemStat, ActionId::FileSystemRead];
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut together = 0;
    for round in 0..300 {
        let (mut journal, memory) = journal();
        let mut resources = Vec::new();
        let (mut directory, mut asked) = (directories[0], 1);
        for number in 0..60 {
            if dice.roll(12) == 0 {
                (directory, asked) = (directories[dice.roll(3)], 1 + dice.roll(3));
            }
            let name =
                format!("{directory}{}\u{202e}\n{}", "x".repeat(dice.roll(40)), number / (1 + dice.roll(2)));
            resources.push((name, if dice.roll(20) == 0 { 1 + dice.roll(3) } else { asked }, dice.roll(40)));
        }
        let mut decisions = Vec::new();
        for (name, count, odd) in &resources {
            for (place, action) in actions.iter().enumerate().take(*count) {
                let ids = policies[if *odd == 1 { place } else { 1 }];
                decisions.push(Decision { policies: ids, permitted: *odd != 2, ..look(*action, name) });
            }
        }

        for part in decisions.chunks(97) {
            journal.request(RequestNumber { frame: round, index: 0 });
            keep(&mut journal, part);
        }

        assert_eq!(told(&memory.records()), decisions.iter().map(as_told).collect::<Vec<_>>());
        together += memory.events().iter().filter(|event| *event == "decisions").count();
    }
    assert!(together > 300, "{together}");
}

#[test]
fn no_record_of_several_is_longer_than_a_pipe_takes() {
    let memory = Memory::default();
    let principal = "a-user-with-a-long-name".repeat(4);
    let identity = Identity { run: &"f".repeat(32), principal: &principal, ..IDENTITY };
    let mut journal = Journal::new(memory.clone(), identity, PLENTY, AuditSync::Run);
    let names: Vec<String> =
        (0..600).map(|number| format!("/srv/{}\n{number}", "y".repeat(number % 200))).collect();
    let failed = Outcome {
        chunk_of: Some(u64::MAX),
        failure: Some("UnsupportedOperationOrSomeSuch"),
        errno: Some(u16::MAX),
        bytes: u64::MAX,
        duration_us: u64::MAX,
        ..outcome("list_details")
    };
    journal.request(RequestNumber { frame: u32::MAX, index: u8::MAX });

    for decision in described(&names, &["p".to_owned()]) {
        journal.before(&decision).unwrap();
        if decision.resource == names[300] {
            journal.after(&failed).unwrap();
        }
    }
    journal.commit().unwrap();

    let text = memory.writes.lock().unwrap().concat();
    let longest = text.lines().map(|line| line.len() + 1).max().unwrap();
    assert!((3_600..=4_096).contains(&longest), "{longest}");
    assert!(memory.events().iter().filter(|event| *event == "decisions").count() > 10);
}

#[test]
fn the_same_listing_again_is_counted() {
    let (mut journal, memory) = journal();
    let names = names(30);

    for frame in 0..3 {
        journal.request(RequestNumber { frame, index: 0 });
        keep(&mut journal, &described(&names, &[]));
    }
    journal.request(RequestNumber { frame: 3, index: 0 });
    keep(&mut journal, &described(&names[1..], &[]));
    journal.note(&end()).unwrap();

    assert_eq!(memory.events(), ["decisions", "repeat", "decisions", "end"]);
    assert_eq!((&memory.records()[1]["count"], &memory.records()[3]["decisions"]), (&2.into(), &238.into()));
}

// A watchdog that ends the run, or a request that ends without an outcome.
#[test]
fn what_is_held_is_on_file_when_the_run_ends() {
    let (mut journal, memory) = journal();
    let names = names(20);

    for decision in described(&names, &[]).iter().take(35) {
        journal.before(decision).unwrap();
    }
    assert!(memory.records().is_empty());
    journal.note(&end()).unwrap();

    assert_eq!(memory.events(), ["decisions", "decision", "end"]);
    assert_eq!(told(&memory.records()).len(), 35);
}

#[test]
fn what_is_held_is_on_file_before_an_act() {
    let (mut journal, memory) = journal();
    let names = names(20);

    for decision in described(&names, &[]) {
        journal.before(&decision).unwrap();
    }
    journal.before(&effect(ActionId::FileSystemDelete)).unwrap();

    assert_eq!(memory.events(), ["decisions", "decision"]);
}

#[test]
fn what_is_held_counts_as_the_records_that_it_would_be() {
    for (records, expected) in [(1, 1), (7, 7), (40, 4)] {
        let memory = Memory::default();
        let limits = JournalLimits { records, bytes: 1 << 20 };
        let mut journal = Journal::new(memory.clone(), IDENTITY, limits, AuditSync::Run);
        let names = names(800);

        let refused =
            names.iter().find_map(|name| journal.before(&look(ActionId::FileSystemStat, name)).err());
        journal.note(&end()).unwrap();

        assert_eq!(matches!(refused, Some(AuditError::Limit { .. })), records < 8, "{records}");
        assert_eq!(memory.records().len() - 1, expected, "{records}");
    }
}
