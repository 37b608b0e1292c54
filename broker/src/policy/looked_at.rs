//! What statements look at beside action, resource and context as they are recorded: recorded where one does, and nowhere else.

use std::collections::BTreeSet;

use cedar_policy_core::ast::{BinaryOp, Expr, ExprKind, Literal};
use serde_json::{Map, Value, json};

use super::question::{ContextRef, ExecuteContext, ProcessRef, Question, ResourceRef};

/// Which facts the statements of a policy set look at: too many rather than too few.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LooksAt {
    /// Name, owner, command line and the rest of a process.
    process: bool,
    /// The tags whose values are read.
    tags: Tags,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Tags {
    /// Only these.
    Named(BTreeSet<String>),
    /// A name is computed, so that it may be any.
    All,
}

impl Default for Tags {
    fn default() -> Self {
        Self::Named(BTreeSet::new())
    }
}

impl Tags {
    fn contain(&self, name: &str) -> bool {
        match self {
            Self::Named(names) => names.contains(name),
            Self::All => true,
        }
    }
}

impl LooksAt {
    pub(super) fn of<'a>(conditions: impl Iterator<Item = &'a Expr>) -> Self {
        let mut looks = Self::default();
        for part in conditions.flat_map(Expr::subexpressions) {
            match part.expr_kind() {
                ExprKind::GetAttr { attr, .. } | ExprKind::HasAttr { attr, .. } => {
                    looks.process |= OF_PROCESSES.contains(&attr.as_str());
                }
                ExprKind::ExtHasAttr { attrs, .. } => {
                    looks.process |= attrs.iter().any(|attr| OF_PROCESSES.contains(&attr.as_str()));
                }
                ExprKind::BinaryApp { op: BinaryOp::GetTag, arg2, .. } => match arg2.expr_kind() {
                    ExprKind::Lit(Literal::String(name)) => {
                        if let Tags::Named(names) = &mut looks.tags {
                            names.insert(name.to_string());
                        }
                    }
                    _ => looks.tags = Tags::All,
                },
                _ => {}
            }
        }
        looks
    }

    /// What of this question stands in the record beside action, resource and context; nothing when no statement looks at more.
    pub fn facts(&self, question: &Question<'_>) -> Option<Value> {
        match (&question.resource, &question.context) {
            (ResourceRef::Process(process), _) if self.process => Some(json!({ "process": told(process) })),
            (_, ContextRef::Execute(execute)) => self.values(execute),
            (_, ContextRef::Program(program)) => program.with(|execute| self.values(execute)),
            _ => None,
        }
    }

    /// The values of variables that are read, and what is asked about where a tag has several values.
    fn values(&self, execute: &ExecuteContext<'_>) -> Option<Value> {
        let read = |pairs: &[(&str, &str)]| -> Map<String, Value> {
            let read = pairs.iter().filter(|(name, _)| self.tags.contain(name));
            read.map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
        };
        let values = read(execute.environment);
        let chosen: Map<String, Value> =
            execute.chosen.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let mut facts = Map::new();
        if !values.is_empty() {
            facts.insert("environment".to_owned(), Value::Object(values));
        }
        if !chosen.is_empty() {
            facts.insert("chosen".to_owned(), Value::Object(chosen));
        }
        (!facts.is_empty()).then_some(Value::Object(facts))
    }
}

fn told(process: &ProcessRef<'_>) -> Value {
    let mut told = json!({
        "name": process.name,
        "username": process.username,
        "command": process.command,
        "uid": process.uid,
        "start_time": process.start_time,
    });
    if let Some(exe) = process.exe {
        told["exe"] = json!(exe);
    }
    told
}

/// The attributes of `process_system::Process` but its number, which is what the record calls it by.
const OF_PROCESSES: [&str; 6] = ["name", "username", "command", "uid", "start_time", "exe"];

#[cfg(test)]
mod tests {
    use rex_ipc::action::ActionId;

    use super::*;
    use crate::policy::{Mode, Policies, PolicyText, Program};

    fn looks(text: &str) -> LooksAt {
        let sources = [PolicyText { name: "p", text }];
        Policies::load(&sources, Mode::Rex).expect("it parses").policies.looks_at()
    }

    fn facts(policy: &str, question: &Question<'_>) -> Option<Value> {
        looks(policy).facts(question)
    }

    #[test]
    fn a_process_is_told_of_where_a_statement_looks_at_it() {
        let process = ProcessRef {
            pid: 7,
            name: "sshd",
            username: "root",
            command: "sshd -D",
            uid: 0,
            start_time: 9,
            exe: None,
        };
        let question = Question::new(ActionId::ProcessKill, ResourceRef::Process(process));
        for reads in
            ["resource.name == \"a\"", "resource has exe && resource.exe == \"b\"", "resource.uid == 0"]
        {
            let told = facts(&format!("permit(principal, action, resource) when {{ {reads} }};"), &question);
            assert_eq!(told.expect(reads)["process"]["command"], "sshd -D");
        }
        for silent in ["principal == User::\"root\"", "resource.pid == \"7\"", "resource in Dir::\"/\""] {
            assert_eq!(
                facts(&format!("permit(principal, action, resource) when {{ {silent} }};"), &question),
                None
            );
        }
    }

    #[test]
    fn of_variables_only_the_values_are_told_that_a_statement_reads() {
        let program = Program {
            environment: vec![
                ("PATH".to_owned(), "/bin".to_owned()),
                ("TOKEN".to_owned(), "secret".to_owned()),
            ],
            ..Program::default()
        };
        let question = Question {
            context: ContextRef::Program(&program),
            ..Question::new(ActionId::FileSystemExecute, ResourceRef::File("/bin/a"))
        };
        let told = |condition: &str| {
            facts(&format!("permit(principal, action, resource) when {{ {condition} }};"), &question)
        };

        assert_eq!(told("context.environment.hasTag(\"TOKEN\")"), None);
        assert_eq!(
            told("context.environment.getTag(\"PATH\") == \"/bin\""),
            Some(json!({ "environment": { "PATH": "/bin" } }))
        );
        let computed =
            told("context.environment.getTag(context.user.username) == \"x\"").expect("any may be read");
        assert_eq!(computed["environment"]["TOKEN"], "secret");
    }
}
