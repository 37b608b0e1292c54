//! Who asked for something, on whose behalf, what for, and by which rule it was decided.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::arguments::{Decided, WhyArguments};
use super::read::{Decision, Records, Starts, decisions, name, text, texts};
use super::statements::Statements;
use super::{NO, Output, complain};
use crate::policy::{Policies, entity};
use crate::result::Exit;
use crate::terminal::{printable_json, printable_line};

pub(super) fn run(arguments: &WhyArguments) -> u8 {
    let wanted = match Wanted::of(arguments) {
        Ok(wanted) => wanted,
        Err(reason) => {
            complain(&reason);
            return Exit::Usage.code(false);
        }
    };
    match tell(arguments, &wanted) {
        Ok(status) => status,
        Err((exit, reason)) => {
            complain(&reason);
            exit.code(false)
        }
    }
}

fn tell(arguments: &WhyArguments, wanted: &Wanted<'_>) -> Result<u8, (Exit, String)> {
    let missing = |reason| (Exit::InputMissing, reason);
    let mut statements =
        Statements::new(arguments.sources.blobs.as_deref(), &arguments.policy).map_err(missing)?;
    let mut records = Records::open(&arguments.log).map_err(missing)?;
    let (mut starts, mut told) = (Starts::default(), Told::default());
    let mut policies: HashMap<String, Policies> = HashMap::new();
    while let Some(record) = records.next().map_err(missing)? {
        if text(&record, "event") == "start" {
            starts.note(&record);
            continue;
        }
        if text(&record, "event") == "outcome" {
            told.outcome(&record);
        }
        for decision in decisions(&record).filter(|decision| wanted.is(decision)) {
            let start = starts.of(&record);
            let run = text(&record, "run");
            if let Some(start) = start
                && statements.is_somewhere()
                && !policies.contains_key(run)
            {
                let loaded = statements
                    .of(start)
                    .map_err(|reason| (Exit::InputInvalid, format!("{}: {reason}", name(&record))))?;
                policies.insert(run.to_owned(), loaded);
            }
            told.add(account(&decision, start, policies.get(run)), &decision);
        }
        if text(&record, "event") == "end" {
            policies.remove(text(&record, "run"));
        }
        starts.note(&record);
    }
    if records.unreadable > 0 {
        tracing::warn!("{} lines are no records", records.unreadable);
    }
    let mut output = Output::new();
    for account in &told.accounts {
        let text = if arguments.json {
            format!("{}\n", printable_json(&account.to_string()))
        } else {
            in_words(account)
        };
        if !output.say(&text) {
            break;
        }
    }
    Ok(output.conclude(if told.accounts.is_empty() { NO } else { 0 }))
}

/// Which decisions are asked about.
struct Wanted<'a> {
    record: Option<(&'a str, u64)>,
    arguments: &'a WhyArguments,
}

impl<'a> Wanted<'a> {
    fn of(arguments: &'a WhyArguments) -> Result<Self, String> {
        let record = arguments.record.as_deref().map(|written| {
            let wrong = || format!("`{written}` is no record: it is written RUN:SEQ");
            let (run, seq) = written.split_once(':').ok_or_else(wrong)?;
            let seq = seq.parse().map_err(|_| wrong())?;
            if run.is_empty() { Err(wrong()) } else { Ok((run, seq)) }
        });
        Ok(Self { record: record.transpose()?, arguments })
    }

    fn is(&self, decision: &Decision<'_>) -> bool {
        let Decision { record, .. } = decision;
        let WhyArguments { principal, agent, purpose, ticket, resource, action, rule, .. } = self.arguments;
        let delegation = &record["delegation"];
        let equals =
            |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        let is_record = self.record.is_none_or(|(run, seq)| {
            text(record, "run").starts_with(run) && record["seq"].as_u64() == Some(seq)
        });
        is_record
            && equals(principal, text(record, "principal"))
            && agent.as_deref().is_none_or(|agent| texts(&delegation["act"]).first() == Some(&agent))
            && purpose.as_deref().is_none_or(|purpose| is_within(text(delegation, "purpose"), purpose))
            && equals(ticket, text(delegation, "ticket"))
            && resource.as_deref().is_none_or(|resource| match resource.strip_suffix('/') {
                Some("") => decision.resource.starts_with('/'),
                Some(directory) => is_within(&decision.resource, directory),
                None => decision.resource == resource,
            })
            && action.as_deref().is_none_or(|action| is_called(decision.action, action))
            && (!self.arguments.shadow || record.get("shadow").is_some())
            && rule.as_deref().is_none_or(|rule| decision.policies.contains(&rule))
            && match self.arguments.decision {
                None => true,
                Some(Decided::Permit) => decision.permitted,
                Some(Decided::Deny) => !decision.permitted,
            }
    }
}

/// Whether it is that, or stands behind it and a slash.
fn is_within(found: &str, wanted: &str) -> bool {
    found.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether an action has that name: `file_system::Action::"read"` is also `file_system::read` and `read`.
fn is_called(uid: &str, name: &str) -> bool {
    let parts = uid.split_once("::Action::\"");
    let short = parts.and_then(|(space, rest)| Some((space, rest.strip_suffix('"')?)));
    uid == name || short.is_some_and(|(space, own)| own == name || format!("{space}::{own}") == name)
}

/// What is told, with what came of it afterwards.
#[derive(Default)]
struct Told {
    accounts: Vec<Value>,
    /// Which of them wait for an outcome, by run and request.
    waiting: HashMap<(String, u64, u64), Vec<usize>>,
}

impl Told {
    fn add(&mut self, account: Value, decision: &Decision<'_>) {
        if decision.permitted
            && account["outcome"].is_null()
            && let Some(request) = request(decision.record)
        {
            self.waiting.entry(request).or_default().push(self.accounts.len());
        }
        self.accounts.push(account);
    }

    fn outcome(&mut self, record: &Value) {
        let waiting = request(record).and_then(|request| self.waiting.remove(&request));
        for position in waiting.into_iter().flatten() {
            if let Some(account) = self.accounts.get_mut(position) {
                account["outcome"] = outcome(record);
            }
        }
    }
}

fn request(record: &Value) -> Option<(String, u64, u64)> {
    Some((text(record, "run").to_owned(), record["frame"].as_u64()?, record["index"].as_u64()?))
}

fn outcome(record: &Value) -> Value {
    if record.get("outcome").is_none() {
        return Value::Null;
    }
    let fields = ["outcome", "failure", "errno", "bytes"];
    fields.iter().filter_map(|field| Some(((*field).to_owned(), record.get(*field)?.clone()))).collect()
}

/// Everything that is known about a decision.
fn account(decision: &Decision<'_>, start: Option<&Value>, policies: Option<&Policies>) -> Value {
    let Decision { record, .. } = decision;
    let delegation = &record["delegation"];
    let terms = start.map_or(&Value::Null, |start| &start["delegation_terms"]);
    let rules = decision.policies.iter().map(|id| {
        let place = policies.and_then(|policies| policies.place(id)).map(ToString::to_string);
        let annotations: Map<String, Value> = policies
            .map(|policies| policies.annotations(id))
            .unwrap_or_default()
            .into_iter()
            .map(|(name, value)| (name, json!(value)))
            .collect();
        json!({ "id": id, "place": place, "annotations": annotations })
    });
    json!({
        "run": record["run"],
        "seq": record["seq"],
        "time": record["time"],
        "decision": if decision.permitted { "permit" } else { "deny" },
        "principal": record["principal"],
        "issuer": terms["iss"],
        "uid": start.map_or(&Value::Null, |start| &start["uid"]),
        "agents": delegation["act"],
        "model": delegation["model"],
        "purpose": delegation["purpose"],
        "ticket": delegation["ticket"],
        "delegation": delegation["jti"],
        "action": decision.action,
        "resource_type": decision.resource_type,
        "resource": decision.resource,
        "operation": record["operation"],
        "script_sha256": start.map_or(&Value::Null, |start| &start["script_sha256"]),
        "claimed_line": record["claimed_line"],
        "policy_sha256": start.map_or(&Value::Null, |start| &start["policy_sha256"]),
        "rules": rules.collect::<Vec<_>>(),
        "errors": record["errors"],
        "shadow": record["shadow"],
        "outcome": outcome(record),
    })
}

/// The account as a person reads it.
fn in_words(account: &Value) -> String {
    let of = |name: &str| text(account, name);
    let or_none =
        |name: &str| if of(name).is_empty() { "none was said".to_owned() } else { of(name).to_owned() };
    let permitted = of("decision") == "permit";
    let mut lines = vec![format!("{} {}", of("time"), if permitted { "permitted" } else { "denied" })];
    let mut say = |name: &str, value: String| lines.push(format!("  {name:<8} {value}"));
    let vouched = match (of("issuer"), account["uid"].as_u64()) {
        ("", Some(uid)) => format!(", by the user of the broker (uid {uid}) and without a token"),
        ("", None) => String::new(),
        (issuer, _) => format!(", as {issuer} has signed"),
    };
    say("who", entity("User", of("principal")) + &vouched);
    if let Some((first, behind)) = texts(&account["agents"]).split_first() {
        let model = if of("model").is_empty() { String::new() } else { format!(" on {}", of("model")) };
        let behind: String = behind.iter().map(|agent| format!(", asked by {agent}")).collect();
        say("through", format!("{first}{model}{behind}"));
    }
    say("purpose", or_none("purpose"));
    say("ticket", or_none("ticket"));
    say("what", format!("{} on {}", of("action"), entity(of("resource_type"), of("resource"))));
    let script = if of("script_sha256").is_empty() { "unknown" } else { of("script_sha256") };
    say("by", format!("{}, line {} of the script {script}", of("operation"), account["claimed_line"]));
    let rules = account["rules"].as_array().map(Vec::as_slice).unwrap_or_default();
    if rules.is_empty() {
        say("rule", "none: no permit matches".to_owned());
    }
    for rule in rules {
        let place = rule["place"].as_str().map(|place| format!(" ({place})")).unwrap_or_default();
        say("rule", format!("{}{place}", text(rule, "id")));
        for (name, value) in rule["annotations"].as_object().into_iter().flatten() {
            say("", format!("  {name}: {}", value.as_str().unwrap_or_default()));
        }
    }
    for error in texts(&account["errors"]) {
        say("error", error.to_owned());
    }
    let shadow = &account["shadow"];
    if shadow.is_object() {
        let by = texts(&shadow["policies"]).join(", ");
        let by = if by.is_empty() { "no permit matches".to_owned() } else { by };
        say("shadow", format!("{}: {by}", text(shadow, "decision")));
        for error in texts(&shadow["errors"]) {
            say("", format!("  {error}"));
        }
    }
    let outcome = &account["outcome"];
    if outcome.is_object() {
        let failure = text(outcome, "failure");
        let failure = if failure.is_empty() { String::new() } else { format!(": {failure}") };
        say("became", format!("{}{failure}, {} bytes", text(outcome, "outcome"), outcome["bytes"]));
    }
    say("record", format!("{}:{}", of("run"), account["seq"]));
    lines.iter().map(|line| printable_line(line).into_owned() + "\n").collect()
}
