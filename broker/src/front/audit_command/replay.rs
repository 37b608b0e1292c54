//! Every question on record, decided anew: by the policy that it was decided by, or by another one.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Value, json};

use super::arguments::ReplayArguments;
use super::read::{Decision, Records, Starts, contradiction, decisions, name, text};
use super::recorded::{Asked, ELSEWHERE, is_of, session};
use super::statements::Statements;
use super::{NO, Output, complain};
use crate::policy::{Engine, Question, Verdict, entity};
use crate::result::Exit;
use crate::terminal::{printable_json, printable_line};

pub(super) fn run(arguments: &ReplayArguments) -> u8 {
    replay(arguments).unwrap_or_else(|reason| {
        complain(&reason);
        Exit::InputMissing.code(false)
    })
}

fn replay(arguments: &ReplayArguments) -> Result<u8, String> {
    let statements = Statements::new(arguments.sources.blobs.as_deref(), &arguments.policy)?;
    let mut records = Records::open(&arguments.log)?;
    let mut replay = Replay {
        statements,
        by_another: !arguments.policy.is_empty(),
        json: arguments.json,
        runs: HashMap::new(),
        count: Count::default(),
        output: Output::new(),
    };
    let mut starts = Starts::default();
    while let Some(record) = records.next()? {
        starts.note(&record);
        if text(&record, "event") == "start" {
            // Of two runs of one name the second one begins anew, whatever that means.
            if replay.runs.remove(text(&record, "run")).is_some() {
                replay.doubt(&record, "its run has begun before");
            }
        }
        if let Some(reason) = contradiction(&record) {
            replay.doubt(&record, reason);
            continue;
        }
        let start = starts.of(&record);
        for decision in decisions(&record) {
            replay.count.decisions = replay.count.decisions.saturating_add(1);
            replay.decide(&decision, start);
        }
        if text(&record, "event") == "end" {
            replay.runs.remove(text(&record, "run"));
        }
    }
    replay.count.unreadable = records.unreadable;
    Ok(replay.conclude())
}

struct Replay {
    statements: Statements,
    by_another: bool,
    json: bool,
    /// What decides for each run that goes on.
    runs: HashMap<String, Result<Run, String>>,
    count: Count,
    output: Output,
}

struct Run {
    engine: Engine,
    /// The ids of what links have made.
    linked: BTreeSet<String>,
    /// Those of them that were taken away while the run went on.
    gone: BTreeSet<String>,
}

#[derive(Default)]
struct Count {
    decisions: u64,
    /// Decided as it is recorded.
    same: u64,
    /// Decided otherwise, or in contradiction to another record.
    otherwise: u64,
    /// Closed by the broker itself.
    built_in: u64,
    /// As recorded, if a grant was taken away before.
    taken_away: u64,
    /// Not decided anew.
    undecided: u64,
    /// Lines that are no records.
    unreadable: u64,
}

impl Replay {
    fn decide(&mut self, decision: &Decision<'_>, start: Option<&Value>) {
        let Some(start) = start else {
            return self.undecided(decision, "the start of its run is missing, or the run has ended before");
        };
        if !is_of(decision.record, start) {
            return self.doubt(decision.record, "it contradicts the start of its run");
        }
        let asked = match Asked::of(decision) {
            Ok(asked) => asked,
            Err(reason) if reason == ELSEWHERE => return self.undecided(decision, ELSEWHERE),
            Err(reason) => return self.doubt(decision.record, &reason),
        };
        let run = text(decision.record, "run").to_owned();
        let mut known = self.runs.remove(&run).unwrap_or_else(|| self.begin(start));
        match &mut known {
            Ok(known) => asked.with(|question| self.compare(decision, question, known)),
            Err(reason) => self.undecided(decision, reason),
        }
        if self.runs.len() >= MOST_ENGINES {
            // What has lost a grant is remembered, so that one that comes back is found; the others are made again.
            self.runs.retain(|_, run| run.as_ref().is_ok_and(|run| !run.gone.is_empty()));
        }
        self.runs.insert(run, known);
    }

    fn begin(&mut self, start: &Value) -> Result<Run, String> {
        let policies =
            if self.by_another { self.statements.given(start) } else { self.statements.of(start) }?;
        let linked: BTreeSet<String> = {
            let links: BTreeSet<&str> = policies.links().collect();
            let ids = policies.places().map(|(id, _)| id);
            ids.filter(|id| id.rsplit_once('#').is_some_and(|(_, link)| links.contains(link)))
                .map(str::to_owned)
                .collect()
        };
        // Nothing that was decided before is to help: what is shown is that the policy says so.
        let engine =
            Engine::new(policies, text(start, "principal")).with_session(&session(start)).with_cache(false);
        Ok(Run { engine, linked, gone: BTreeSet::new() })
    }

    fn compare(&mut self, decision: &Decision<'_>, question: &Question<'_>, run: &mut Run) {
        let policies = run.engine.policies();
        if let [only] = decision.policies.as_slice()
            && only.starts_with(BUILT_IN)
            && !decision.permitted
            && policies.place(only).is_none()
        {
            self.count.built_in = self.count.built_in.saturating_add(1);
            return;
        }
        let facts = &decision.record["facts"];
        if policies.looks_at().facts(question).is_some_and(|needed| !contains(facts, &needed)) {
            return self.undecided(decision, "the record lacks what the policy looks at");
        }
        let verdict = run.engine.decide(question);
        let recorded: BTreeSet<&str> = decision.policies.iter().copied().collect();
        let decided: BTreeSet<&str> = verdict.determining.iter().map(String::as_str).collect();
        let came_back = recorded.iter().any(|id| run.gone.contains(*id));
        // Statements of another policy have names of their own.
        let is_by_the_same = self.by_another || recorded == decided;
        if verdict.permitted == decision.permitted && is_by_the_same && !came_back {
            self.count.same = self.count.same.saturating_add(1);
            return;
        }
        // What links have made permits only, so that without some of them the rest of the answer stays.
        let missing: BTreeSet<&str> = decided.difference(&recorded).copied().collect();
        let is_narrower = !self.by_another
            && verdict.permitted
            && !came_back
            && !missing.is_empty()
            && missing.iter().all(|id| run.linked.contains(*id))
            && recorded.is_subset(&decided)
            && decision.permitted != recorded.is_empty();
        if is_narrower {
            run.gone.extend(missing.into_iter().map(str::to_owned));
            self.count.taken_away = self.count.taken_away.saturating_add(1);
            return;
        }
        self.differs(decision, &verdict);
    }

    fn differs(&mut self, decision: &Decision<'_>, verdict: &Verdict) {
        self.count.otherwise = self.count.otherwise.saturating_add(1);
        let text = if self.json {
            json_line(&json!({
                "record": name(decision.record),
                "action": decision.action,
                "resource_type": decision.resource_type,
                "resource": decision.resource,
                "recorded": { "decision": word(decision.permitted), "policies": decision.policies },
                "replayed": {
                    "decision": word(verdict.permitted),
                    "policies": verdict.determining,
                    "errors": verdict.errors,
                },
            }))
        } else {
            let by = |policies: Vec<&str>| {
                if policies.is_empty() { "no permit".to_owned() } else { policies.join(", ") }
            };
            format!(
                "{}  {} ({}) -> {} ({})  {} on {}\n",
                name(decision.record),
                word(decision.permitted),
                by(decision.policies.clone()),
                word(verdict.permitted),
                by(verdict.determining.iter().map(String::as_str).collect()),
                decision.action,
                entity(decision.resource_type, &decision.resource),
            )
        };
        self.line(&text);
    }

    /// A record that cannot be true beside the others.
    fn doubt(&mut self, record: &Value, reason: &str) {
        self.count.otherwise = self.count.otherwise.saturating_add(1);
        self.remark(record, "contradiction", reason);
    }

    fn undecided(&mut self, decision: &Decision<'_>, reason: &str) {
        self.count.undecided = self.count.undecided.saturating_add(1);
        self.remark(decision.record, "undecided", reason);
    }

    fn remark(&mut self, record: &Value, kind: &str, reason: &str) {
        let record = name(record);
        let text = if self.json {
            json_line(&json!({ "record": record, kind: reason }))
        } else {
            format!("{record}  {kind}: {reason}\n")
        };
        self.line(&text);
    }

    fn line(&mut self, text: &str) {
        let text =
            if self.json { text.to_owned() } else { printable_line(text.trim_end()).into_owned() + "\n" };
        self.output.say(&text);
    }

    fn conclude(mut self) -> u8 {
        let Count { decisions, same, otherwise, built_in, taken_away, undecided, unreadable } = self.count;
        let text = if self.json {
            json_line(&json!({
                "decisions": decisions,
                "same": same,
                "otherwise": otherwise,
                "built_in": built_in,
                "taken_away": taken_away,
                "undecided": undecided,
                "unreadable_lines": unreadable,
            }))
        } else {
            format!(
                "{decisions} decisions: {same} as recorded, {otherwise} otherwise, {built_in} built in, {taken_away} after \
                 a grant was taken away, {undecided} not decided anew; {unreadable} lines are no records\n"
            )
        };
        self.output.say(&text);
        // Something that holds no decision and cannot be read is no record that everything is right with.
        let is_no_record = decisions == 0 && unreadable > 0;
        self.output.conclude(match (otherwise, undecided) {
            (0, 0) if !is_no_record => Exit::Done.code(false),
            (0, _) => Exit::InputInvalid.code(false),
            _ => NO,
        })
    }
}

/// Whether everything of the second is in the first.
fn contains(whole: &Value, part: &Value) -> bool {
    match part {
        Value::Object(fields) => {
            fields.iter().all(|(name, value)| whole.get(name).is_some_and(|found| contains(found, value)))
        }
        part => whole == part,
    }
}

fn json_line(value: &Value) -> String {
    format!("{}\n", printable_json(&value.to_string()))
}

fn word(permitted: bool) -> &'static str {
    if permitted { "permit" } else { "deny" }
}

/// What the reasons of the broker itself begin with.
const BUILT_IN: &str = "built-in: ";
/// A record with more runs that never ended, such as one that somebody has made up, does not take more memory.
const MOST_ENGINES: usize = 256;
