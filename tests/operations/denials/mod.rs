//! Each question of each row, answered with no: once with everything permitted, to learn what is asked, and then once for
//! each question with a policy that forbids exactly that.

mod network;
mod scenarios;
mod sites;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::statfs::{PROC_SUPER_MAGIC, statfs};
use rex_broker::policy::{Engine, Mode, Policies, PolicyText};
use rex_ipc::failure::FailureClass;
use rex_tests::peer::Answer;
use rex_tests::records::{Decided, Place};
use rex_tests::session::{ALLOW_ALL, PRINCIPAL, Session};
use rex_tests::tree::{Tree, with_mounts};

use scenarios::{Needs, Scenario};

/// All of them.
fn scenarios() -> impl Iterator<Item = &'static Scenario> {
    scenarios::SCENARIOS.iter().chain(network::SCENARIOS)
}

#[test]
fn each_question_can_be_answered_with_no_and_then_nothing_has_happened() {
    let mut found = BTreeMap::new();
    let mut failures = Vec::new();
    let mut places = BTreeSet::new();
    for scenario in scenarios().filter(|scenario| scenario.is_possible()) {
        let probe = || Probe::of(scenario);
        let probe = match scenario.needs {
            Needs::Mounts => with_mounts(probe),
            Needs::Nothing | Needs::Root => probe(),
        };
        failures.extend(probe.failures);
        places.extend(probe.places);
        found.insert(scenario.name, probe.lines);
    }

    assert!(failures.is_empty(), "{failures:#?}");
    golden(&found);
    if scenarios().all(Scenario::is_possible) {
        sites::all_have_said_no(&places);
    } else {
        rex_tests::skip::skipped(
            "whether each place that asks has said no, because only root can try them all",
        );
    }
}

#[test]
fn no_two_scenarios_have_one_name() {
    let names: BTreeSet<_> = scenarios().map(|scenario| scenario.name).collect();

    assert_eq!(names.len(), scenarios().count());
}

/// What one scenario came to under all its policies.
#[derive(Default)]
struct Probe {
    /// For the golden file.
    lines: Vec<String>,
    failures: Vec<String>,
    places: BTreeSet<Place>,
}

impl Probe {
    fn of(scenario: &Scenario) -> Self {
        let mut probe = Self::default();
        let open = probe.run(scenario, None);
        if open.questions.is_empty() {
            probe.failures.push(format!("{}: nothing was asked", scenario.name));
        }
        let mut asked = Vec::new();
        for question in &open.questions {
            let answer = if question.permitted {
                match asked.contains(&question.about) {
                    true => "again",
                    false => probe.forbid(scenario, question),
                }
            } else {
                "no"
            };
            asked.push(question.about.clone());
            probe.lines.push(format!("  {}: {answer}", question.about.shown()));
        }
        probe.lines.push(format!("  then {}", open.outcome()));
        probe
    }

    /// The same with one question more that is answered with no; says what that changed.
    fn forbid(&mut self, scenario: &Scenario, question: &Asked) -> &'static str {
        let run = self.run(scenario, Some(&question.about));
        let denied: Vec<_> = run.questions.iter().filter(|asked| !asked.permitted).collect();
        let was_asked = run.questions.iter().any(|asked| asked.about == question.about);
        let at = format!("{} without {}", scenario.name, question.about.shown());
        let mut expect = |holds: bool, what: &str| {
            if !holds {
                self.failures.push(format!("{at}: {what}: {:?} {:?}", run.answer, run.questions));
            }
        };
        expect(
            run.questions.iter().all(|asked| asked.about != question.about || !asked.permitted),
            "what is forbidden was permitted",
        );
        match &run.answer.failure {
            Some(failure) if failure.class == FailureClass::Denied => {
                let said = failure.message.as_str();
                let names = |asked: &&Asked| said.contains(&asked.about.action) && said.contains(&asked.path);
                expect(denied.iter().any(names), "the denial names no question that was denied");
                expect(!run.has_changed, "something has changed");
                "denied"
            }
            Some(_) | None if !was_asked => "goes another way",
            // A new object is made without a mode that may not be set; how open it is, is said in the row's own tests.
            None if run.has_changed && question.about.action.contains("chmod") => "made without it",
            // What an answer leaves out is said in the row's own tests; that it was asked and recorded is seen here.
            Some(_) | None => {
                expect(!run.has_changed, "something has changed");
                expect(run.answer.replies != Vec::new() || run.answer.failure.is_some(), "no answer");
                "left out"
            }
        }
    }

    fn run(&mut self, scenario: &Scenario, forbidden: Option<&About>) -> Run {
        let mut session = Session::on_tree(scenarios::tree(), ALLOW_ALL, |_| {});
        let request = (scenario.act)(&mut session);
        let mut policy = format!("{ALLOW_ALL}{}", scenario.base);
        if let Some(About { action, kind, path }) = forbidden {
            let namespace = kind.split("::").next().unwrap_or_default();
            policy.push_str(&format!(
                "forbid(principal, action == {namespace}::Action::\"{action}\", resource == {kind}::\"{path}\");"
            ));
        }
        session.services.deciding.engine = engine(&policy.replace("{root}", &session.text("")));
        session.records.clear();
        session.records.trace_denials();
        let before = fingerprint(session.tree.root());

        let answer = session.batch(vec![request]);

        let answer = answer.unwrap_or_else(|end| panic!("{}: {end:?}", scenario.name));
        let has_changed = fingerprint(session.tree.root()) != before;
        self.places.extend(session.records.places_of_denials());
        let decided = session.records.decided();
        let questions = decided.iter().map(|decided| Asked::of(decided, &session.tree)).collect();
        Run { questions, answer, has_changed }
    }
}

/// What one run came to.
struct Run {
    questions: Vec<Asked>,
    answer: Answer,
    has_changed: bool,
}

impl Run {
    fn outcome(&self) -> String {
        match &self.answer.failure {
            None => "done".to_owned(),
            Some(failure) => failure.kind.name().to_owned(),
        }
    }
}

/// A question and its answer.
#[derive(Debug)]
struct Asked {
    about: About,
    /// As it is called on this machine.
    path: String,
    permitted: bool,
}

/// A question, with `{root}` in the place of the tree, so that it is the same in every run.
#[derive(Clone, Debug, PartialEq, Eq)]
struct About {
    action: String,
    kind: &'static str,
    path: String,
}

impl Asked {
    fn of(decided: &Decided, tree: &Tree) -> Self {
        let root = tree.text("");
        let path = match decided.resource.strip_prefix(&root) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{{root}}{rest}"),
            _ => decided.resource.clone(),
        };
        let (action, kind) = (decided.action.name().to_owned(), decided.kind.type_name());
        Self {
            about: About { action, kind, path },
            path: decided.resource.clone(),
            permitted: decided.permitted,
        }
    }
}

impl About {
    fn shown(&self) -> String {
        let kind = self.kind.trim_start_matches("file_system::");
        // Where the tree itself lies is not the same everywhere.
        let path = match self.path.strip_prefix("{root}") {
            Some(rest) => format!("~{rest}"),
            None if !self.kind.starts_with("file_system::") => self.path.clone(),
            None => "above ~".to_owned(),
        };
        format!("{} {kind} {path}", self.action)
    }
}

fn engine(policy: &str) -> Engine {
    let loaded = Policies::load(&[PolicyText { name: "test", text: policy }], Mode::Standard);
    let policies = loaded.unwrap_or_else(|errors| panic!("{policy}: {:?}", errors.findings())).policies;
    Engine::new(policies, PRINCIPAL)
}

/// Everything that could have been changed in a tree: two equal ones mean that nobody has done anything to it.
pub(crate) fn fingerprint(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut prints = BTreeMap::new();
    let mut left = vec![root.to_owned()];
    while let Some(path) = left.pop() {
        let Ok(status) = path.symlink_metadata() else { continue };
        // What stands in /proc is nobody's to change, and endless to read.
        if status.is_dir() && !statfs(&path).is_ok_and(|on| on.filesystem_type() == PROC_SUPER_MAGIC) {
            left.extend(fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
        }
        let content = if status.is_file() { fs::read(&path).unwrap_or_default() } else { Vec::new() };
        let target = fs::read_link(&path).ok();
        let print = format!(
            "{:o} {} {}:{} {} links, modified {}.{}, changed {}.{}, {target:?} {content:?}",
            status.mode(),
            status.ino(),
            status.uid(),
            status.gid(),
            status.nlink(),
            status.mtime(),
            status.mtime_nsec(),
            status.ctime(),
            status.ctime_nsec(),
        );
        prints.insert(path, print);
    }
    prints
}

/// Compares with the golden file what could be tried here, or writes it.
fn golden(found: &BTreeMap<&str, Vec<String>>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("operations/denials/questions.golden");
    let text: String = found.iter().map(|(name, lines)| format!("{name}\n{}\n", lines.join("\n"))).collect();
    if std::env::var_os("REX_GOLDEN").is_some_and(|value| value == "write") {
        fs::write(path, format!("{HEADER}{text}")).unwrap();
        return;
    }
    let kept = fs::read_to_string(path).unwrap();
    let mut expected: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut last = "";
    for line in kept.lines().filter(|line| !line.starts_with('#')) {
        if !line.starts_with(' ') {
            last = line;
        }
        expected.entry(last).or_default().extend(line.starts_with(' ').then_some(line));
    }
    for (name, lines) in found {
        let expected = expected.get(name).map(|lines| lines.join("\n")).unwrap_or_default();
        assert_eq!(lines.join("\n"), expected, "{name}; REX_GOLDEN=write, as root, writes the file anew");
    }
    let scenarios: BTreeSet<&str> = scenarios().map(|scenario| scenario.name).collect();
    let left: Vec<_> = expected.keys().filter(|name| !scenarios.contains(**name)).collect();
    assert!(left.is_empty(), "no scenario any more: {left:?}");
}

const HEADER: &str = "\
# What each scenario asks, in this order, and what becomes of it when exactly that is forbidden: `denied`, with the tree as
# it was; `left out`, with an answer that has less in it; `goes another way`, without asking it. `again` was asked before,
# `no` is forbidden by the scenario itself. Read the difference before writing it anew: a question less is a hole.
";
