//! What one policy says otherwise than another: shown by requests made of what both name, and by the decisions of a record.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use rex_ipc::action::{ActionId, ResourceKind};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Asked, DiffArguments, ExplainArguments, complain, print, read, show, texts};
use crate::front::audit_command::read::{Records, Starts, decisions, text};
use crate::front::audit_command::recorded;
use crate::policy::explain::reasons;
use crate::policy::{Engine, Examples, Mode, Policies, PolicyText, Question, ResourceRef, entity};
use crate::result::Exit;
use crate::terminal::{printable_json, printable_line};

pub(super) fn run(arguments: &DiffArguments) -> Exit {
    let sides = [&arguments.old, &arguments.new];
    let read: Vec<_> = match sides.iter().map(|path| read(std::slice::from_ref(*path))).collect() {
        Ok(read) => read,
        Err(unread) => return unread.exit,
    };
    let texts: Vec<Vec<PolicyText<'_>>> = read.iter().map(|sources| texts(sources)).collect();
    let [old, new] = texts.as_slice() else { return Exit::Internal };
    let mut pair = Pair { old, new, mode: arguments.policy_mode, engines: BTreeMap::new() };
    let compared = match &arguments.over {
        None => by_examples(&mut pair, arguments.principal.as_deref()),
        Some(log) => by_record(&mut pair, log),
    };
    let (asked, skipped, changes) = match compared {
        Ok(compared) => compared,
        Err(Failed::Refused) => return Exit::InputInvalid,
        Err(Failed::TooMany) => {
            complain(&format!(
                "these policies name more than {MOST_QUESTIONS} questions: compare parts of them"
            ));
            return Exit::InputInvalid;
        }
        Err(Failed::Unread(reason)) => {
            complain(&reason);
            return Exit::InputMissing;
        }
    };
    let written = if arguments.json {
        let whole = json!({ "asked": asked, "not_asked": skipped, "changes": changes });
        // Texts and numbers always have a JSON form.
        print(
            &(printable_json(&serde_json::to_string_pretty(&whole).unwrap_or_default()).into_owned() + "\n"),
        )
    } else {
        print(&shown(asked, skipped, &changes))
    };
    match written {
        Exit::Done if !changes.is_empty() => Exit::ScriptFailed,
        written => written,
    }
}

/// Both policies, as they decide for each user.
struct Pair<'a> {
    old: &'a [PolicyText<'a>],
    new: &'a [PolicyText<'a>],
    mode: Mode,
    engines: BTreeMap<String, [Engine; 2]>,
}

enum Failed {
    /// What was found has been shown.
    Refused,
    TooMany,
    Unread(String),
}

/// How many questions were put, how many could not be, and what came out otherwise.
type Compared = Result<(u64, u64, Vec<Change>), Failed>;

/// A question to which the answers differ.
#[derive(Serialize)]
struct Change {
    /// `permitted` or `denied`, by the new policy.
    now: &'static str,
    principal: String,
    action: String,
    resource_type: String,
    resource: String,
    /// What a policy sees of a process.
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Value>,
    /// Why the old one decided as it did.
    was_by: Vec<String>,
    /// Why the new one does.
    is_by: Vec<String>,
    /// How many decisions of the record it stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    decisions: Option<u64>,
}

impl Pair<'_> {
    fn loaded(&self) -> Result<[Policies; 2], Failed> {
        let load = |texts: &[PolicyText<'_>]| {
            Policies::load(texts, self.mode).map(|loaded| loaded.policies).map_err(|errors| {
                show(&errors.of_weight(), texts);
                Failed::Refused
            })
        };
        Ok([load(self.old)?, load(self.new)?])
    }

    /// What both answer, where it is not the same.
    fn compare(&mut self, principal: &str, question: &Question<'_>) -> Result<Option<Change>, Failed> {
        if !self.engines.contains_key(principal) {
            let engines = self.loaded()?.map(|policies| Engine::new(policies, principal).with_cache(false));
            self.engines.insert(principal.to_owned(), engines);
        }
        let Some([old, new]) = self.engines.get_mut(principal) else { return Err(Failed::Refused) };
        let (was, is) = (old.decide(question), new.decide(question));
        if was.permitted == is.permitted {
            return Ok(None);
        }
        Ok(Some(Change {
            now: if is.permitted { "permitted" } else { "denied" },
            principal: principal.to_owned(),
            action: question.action.uid().to_owned(),
            resource_type: question.resource.kind().type_name().to_owned(),
            resource: question.resource.id().into_owned(),
            process: of_process(question),
            context: question.context.to_json(),
            was_by: reasons(&was, old.policies()),
            is_by: reasons(&is, new.policies()),
            decisions: None,
        }))
    }
}

/// The number of a process says nothing; what policies look at does.
fn of_process(question: &Question<'_>) -> Option<Value> {
    let ResourceRef::Process(process) = question.resource else { return None };
    Some(json!({ "name": process.name, "username": process.username, "command": process.command }))
}

fn by_examples(pair: &mut Pair<'_>, principal: Option<&str>) -> Compared {
    let [old, new] = pair.loaded()?;
    let mut examples = old.examples();
    examples.extend(new.examples());
    let users = match principal {
        Some(principal) => BTreeSet::from([principal.to_owned()]),
        // And one whom no policy names.
        None => examples.users.iter().cloned().chain([unnamed(&examples.users)]).collect(),
    };
    let questions = questions(&examples);
    if questions.len().saturating_mul(users.len()) > MOST_QUESTIONS {
        return Err(Failed::TooMany);
    }
    let mut changes = Vec::new();
    let mut asked: u64 = 0;
    for user in &users {
        for question in &questions {
            asked = asked.saturating_add(1);
            changes.extend(question.with(|question| pair.compare(user, question))?);
        }
    }
    Ok((asked, 0, changes))
}

fn unnamed(users: &BTreeSet<String>) -> String {
    let mut name = "somebody".to_owned();
    while users.contains(&name) {
        name.push_str("-else");
    }
    name
}

/// Every action with everything that it can be about, in each of the contexts that the policies may tell apart.
fn questions(examples: &Examples) -> Vec<Asked> {
    let mut questions = Vec::new();
    for action in ActionId::ALL {
        for kind in action.resources() {
            let named: Vec<(String, Option<String>)> = match kind {
                ResourceKind::Sysinfo | ResourceKind::Systemd | ResourceKind::Sysctl => {
                    vec![("host".to_owned(), None)]
                }
                ResourceKind::Process => processes(&examples.words),
                kind => {
                    let named = examples.resources.iter().filter(|(other, _)| other == kind);
                    named.map(|(_, id)| (id.clone(), None)).collect()
                }
            };
            for (id, process) in named {
                for context in contexts(*action, examples) {
                    let written = ExplainArguments {
                        policy: Vec::new(),
                        action: action.uid().to_owned(),
                        resource: Some(entity(kind.type_name(), &id)),
                        resource_type: None,
                        principal: None,
                        context,
                        process: process.clone(),
                        policy_mode: Mode::Standard,
                        json: false,
                    };
                    // A word that is no name of that type makes no question.
                    questions.extend(Asked::parse(&written));
                    if questions.len() > MOST_QUESTIONS {
                        return questions;
                    }
                }
            }
        }
    }
    questions
}

/// A process of which nothing is known to the policies, and one for each word that may be its name, its owner or its command line.
fn processes(words: &BTreeSet<String>) -> Vec<(String, Option<String>)> {
    let of = |name: &str, username: &str, command: &str| {
        let told = json!({ "name": name, "username": username, "command": command, "exe": command });
        ("4000".to_owned(), Some(told.to_string()))
    };
    let mut processes = vec![of("x", "x", "x")];
    for word in words {
        processes.extend([
            of(word, "x", "x"),
            of("x", word, "x"),
            of("x", "x", word),
            of(word, "root", word),
        ]);
    }
    processes
}

/// As JSON, what else a policy may look at in such an act.
fn contexts(action: ActionId, examples: &Examples) -> Vec<Option<String>> {
    let user = json!({ "username": "root", "uid": 0 });
    let group = json!({ "groupname": "root", "gid": 0 });
    let execute = |arguments: &[&str]| {
        json!({ "arguments": arguments, "environment": {}, "user": user, "group": group }).to_string()
    };
    let contexts: Vec<String> = match action {
        ActionId::FileSystemSetXAttr => {
            let names = examples.words.iter().map(String::as_str).chain(["user.x"]);
            names.map(|name| json!({ "xattr": { "name": name } }).to_string()).collect()
        }
        ActionId::FileSystemMove => {
            let files = examples.resources.iter().filter(|(kind, _)| *kind == ResourceKind::File);
            let places = files.map(|(_, path)| path.as_str()).chain(["/x"]);
            places.map(|path| json!({ "destination": { "path": path } }).to_string()).collect()
        }
        ActionId::NetworkConnect => [22, 80, 443, 8080]
            .iter()
            .flat_map(|port| {
                ["tcp", "udp"].map(|protocol| json!({ "port": port, "protocol": protocol }).to_string())
            })
            .collect(),
        ActionId::FileSystemExecute => {
            let lines = examples.words.iter().map(|words| words.split(' ').collect::<Vec<_>>());
            let mut contexts: Vec<String> = lines.map(|line| execute(&line)).collect();
            // A command line begins with the program.
            let lines = examples.words.iter().filter_map(|words| words.split_once(' '));
            contexts.extend(lines.map(|(_, rest)| execute(&rest.split(' ').collect::<Vec<_>>())));
            contexts.push(execute(&[]));
            contexts
        }
        _ => return vec![None],
    };
    contexts.into_iter().map(Some).collect()
}

fn by_record(pair: &mut Pair<'_>, log: &std::path::Path) -> Compared {
    let mut records = Records::open(log).map_err(Failed::Unread)?;
    let mut starts = Starts::default();
    let (mut asked, mut skipped) = (0_u64, 0_u64);
    let mut changes: BTreeMap<String, Change> = BTreeMap::new();
    // Both are loaded even where the record asks nothing, so that what is refused is told.
    pair.loaded()?;
    while let Some(record) = records.next().map_err(Failed::Unread)? {
        starts.note(&record);
        for decision in decisions(&record) {
            let known = starts.of(&record).and_then(|start| {
                // What somebody else has vouched for is not in the engines here.
                if start.get("delegation").is_some_and(|delegation| !delegation.is_null()) {
                    return None;
                }
                recorded::Asked::of(&decision).ok().map(|asked| (text(start, "principal").to_owned(), asked))
            });
            let Some((principal, question)) = known else {
                skipped = skipped.saturating_add(1);
                continue;
            };
            asked = asked.saturating_add(1);
            if let Some(change) = question.with(|question| pair.compare(&principal, question))? {
                let context = change.context.as_ref().map(Value::to_string).unwrap_or_default();
                let key =
                    [&*change.principal, &change.action, &change.resource_type, &change.resource, &context]
                        .join("\0");
                let change = changes.entry(key).or_insert(change);
                change.decisions = Some(change.decisions.unwrap_or(0).saturating_add(1));
            }
        }
    }
    Ok((asked, skipped.saturating_add(records.unreadable), changes.into_values().collect()))
}

/// A line for each change, and one for all.
fn shown(asked: u64, skipped: u64, changes: &[Change]) -> String {
    let mut text = String::new();
    for change in changes {
        let by = |reasons: &[String]| reasons.join("; ");
        let sign = if change.now == "permitted" { '+' } else { '-' };
        let context = change.context.as_ref().map(|context| format!(" with {context}")).unwrap_or_default();
        let process = change.process.as_ref().map(|process| format!(" {process}")).unwrap_or_default();
        let times = change.decisions.map(|count| format!(" ({count} on record)")).unwrap_or_default();
        let line = format!(
            "{sign} {}: {} on {} for {}{process}{context}{times}: was {}; is {}",
            change.now,
            change.action,
            entity(&change.resource_type, &change.resource),
            entity("User", &change.principal),
            by(&change.was_by),
            by(&change.is_by),
        );
        text.push_str(&printable_line(&line));
        text.push('\n');
    }
    let questions = if asked == 1 { "question" } else { "questions" };
    // Writing to a string does not fail.
    let _ = write!(text, "{asked} {questions}, {} answered otherwise", changes.len());
    let _ = if skipped > 0 { writeln!(text, "; {skipped} could not be put") } else { writeln!(text) };
    text
}

/// So many are put within seconds.
const MOST_QUESTIONS: usize = 1_000_000;
