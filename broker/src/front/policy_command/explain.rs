//! Why one act is permitted or denied, told to a person or to a program.

use serde::Serialize;

use super::{Asked, ExplainArguments, complain, print, read, show, texts};
use crate::host::principal;
use crate::policy::explain::{Explanation, FailedPart, Ground, Nearest, explain};
use crate::policy::{Engine, Finding, Mode, Policies, entity};
use crate::result::Exit;
use crate::run::input::PolicySource;
use crate::terminal::printable_line;

pub(super) fn run(arguments: &ExplainArguments) -> Exit {
    let asked = match Asked::parse(arguments) {
        Ok(asked) => asked,
        Err(reason) => {
            complain(&reason.to_string());
            return unexplained(arguments, Exit::Usage, &reason.to_string(), &[]);
        }
    };
    let sources = match read(&arguments.policy) {
        Ok(sources) => sources,
        Err(unread) => return unexplained(arguments, unread.exit, &unread.message, &[unread.finding()]),
    };
    sources.iter().flat_map(PolicySource::doubts).for_each(|doubt| tracing::warn!("{doubt}"));
    let texts = texts(&sources);
    let loaded = match Policies::load(&texts, arguments.policy_mode) {
        Ok(loaded) => loaded,
        Err(errors) => {
            show(&errors.of_weight(), &texts);
            return unexplained(arguments, Exit::InputInvalid, "the policies are refused", errors.findings());
        }
    };
    show(&loaded.warnings, &texts);
    let principal = asked.principal.clone().unwrap_or_else(|| {
        let uid = nix::unistd::geteuid().as_raw();
        if arguments.policy_mode == Mode::Rex { principal::of_rex(uid) } else { principal::of(uid) }
    });
    let mut engine = Engine::new(loaded.policies, &principal);
    let mut about = |asked: &Asked| asked.with(|question| explain(&mut engine, question));
    let explanation = about(&asked);
    let other = asked.other().map(|other| (about(&other), other));
    let mut answer = Answer::of(&asked, &principal, &explanation);
    if let Some((explanation, other)) = &other {
        let mut other = Answer::of(other, &principal, explanation);
        // What is permitted comes first: who asks whether something is denied must not be told so because it is another thing.
        if other.is_permitted() && !answer.is_permitted() {
            std::mem::swap(&mut answer, &mut other);
        }
        answer.also.push(other);
    }
    let written = if arguments.json {
        // Texts and numbers always have a JSON form.
        print(&(serde_json::to_string_pretty(&answer).unwrap_or_default() + "\n"))
    } else {
        print(&answer.to_text())
    };
    match written {
        Exit::Done if !answer.is_permitted() => Exit::Denied,
        written => written,
    }
}

/// The end of a question without an answer; for a program that reads the answer, a document that says why there is none.
fn unexplained(arguments: &ExplainArguments, exit: Exit, error: &str, findings: &[Finding]) -> Exit {
    if !arguments.json {
        return exit;
    }
    let document = serde_json::json!({ "error": error, "findings": findings });
    match print(&format!("{document:#}\n")) {
        Exit::Done => exit,
        unwritten => unwritten,
    }
}

/// The explanation as it is printed. Every field is always there, and null where there is nothing.
#[derive(Serialize)]
struct Answer<'a> {
    decision: &'static str,
    principal: &'a str,
    action: &'static str,
    resource_type: &'static str,
    resource: &'a str,
    /// Whether the denial rests on nothing but a forbid that could not be evaluated.
    could_not_be_evaluated: bool,
    grounds: &'a [Ground],
    errors: &'a [String],
    nearest: Option<&'a Nearest>,
    grant: Option<&'a str>,
    /// What the nearest permit looks at and was not given with the question.
    not_given: Vec<&'static str>,
    /// The explanations about whatever else the resource may be.
    also: Vec<Answer<'a>>,
    /// Attributes that were not given, each with the option that gives it.
    #[serde(skip)]
    lacking: Vec<(&'static str, &'static str)>,
}

impl<'a> Answer<'a> {
    fn of(asked: &'a Asked, principal: &'a str, explanation: &'a Explanation) -> Self {
        let verdict = &explanation.verdict;
        let lacking = asked.not_given();
        let looks_at = |name: &str| {
            explanation
                .nearest
                .iter()
                .flat_map(|nearest| &nearest.failed)
                .any(|failed| reads(&failed.text, name))
        };
        Self {
            not_given: lacking.iter().map(|(name, _)| *name).filter(|name| looks_at(name)).collect(),
            lacking,
            decision: if verdict.permitted { "permitted" } else { "denied" },
            principal,
            action: asked.action.uid(),
            resource_type: asked.kind.type_name(),
            resource: &asked.resource,
            could_not_be_evaluated: verdict.failed,
            grounds: &explanation.grounds,
            errors: &verdict.errors,
            nearest: explanation.nearest.as_ref(),
            grant: explanation.grant.as_deref(),
            also: Vec::new(),
        }
    }

    fn is_permitted(&self) -> bool {
        self.decision == "permitted"
    }

    fn to_text(&self) -> String {
        let mut lines = vec![format!(
            "{}: {}, {}, {}",
            self.decision,
            entity("User", self.principal),
            self.action,
            entity(self.resource_type, self.resource)
        )];
        let word = match (self.decision, self.could_not_be_evaluated) {
            ("permitted", _) => "permitted by",
            (_, true) => "denied, because it could not be evaluated, by",
            (_, false) => "forbidden by",
        };
        lines.extend(self.grounds.iter().map(|ground| match &ground.place {
            Some(place) => format!("{word} `{}` ({place})", ground.id),
            None => format!("{word} `{}`", ground.id),
        }));
        lines.extend(self.errors.iter().map(|error| format!("evaluation failed: {error}")));
        if self.decision == "denied" && self.grounds.is_empty() && !self.could_not_be_evaluated {
            lines.push("no permit matches".to_owned());
        }
        if let Some(nearest) = self.nearest {
            lines.push(format!("nearest permit: `{}` ({})", nearest.id, nearest.place));
            lines.extend(nearest.failed.iter().map(|failed| self.failed(failed)));
        }
        if let Some(grant) = self.grant {
            lines.push("to permit exactly this, add:".to_owned());
            lines.push(format!("  {grant}"));
        }
        lines.extend(self.also.iter().map(Answer::in_short));
        lines.iter().map(|line| printable_line(line).into_owned() + "\n").collect()
    }

    /// A part of the nearest permit, and why it does not hold. What nobody gave is not for the policy to blame.
    fn failed(&self, failed: &FailedPart) -> String {
        let missing = self.lacking.iter().find(|(name, _)| reads(&failed.text, name));
        let what = match (missing, &failed.error) {
            (Some((name, option)), _) => format!("looks at {name}, which is not given ({option} gives it)"),
            (None, Some(error)) => format!("cannot be evaluated ({error})"),
            (None, None) => "is not true".to_owned(),
        };
        format!("  {}: {} {what}: {}", failed.place, failed.part.word(), failed.text)
    }

    /// One line, for what was probably not meant.
    fn in_short(&self) -> String {
        let last = self.resource_type.rsplit("::").next().unwrap_or(self.resource_type);
        let ids: Vec<String> = self.grounds.iter().map(|ground| format!("`{}`", ground.id)).collect();
        let by = if ids.is_empty() { String::new() } else { format!(" by {}", ids.join(", ")) };
        format!("as a {}: {}{by} (--resource-type {last} tells more)", self.resource_type, self.decision)
    }
}

/// Whether the text of a clause looks at an attribute, written as `resource.exe`, `resource["exe"]` or `resource has exe`.
fn reads(text: &str, attribute: &str) -> bool {
    let Some((owner, name)) = attribute.split_once('.') else { return false };
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let spellings = [attribute.to_owned(), format!("{owner} has {name}"), format!("{owner}[\"{name}\"]")];
    spellings.iter().any(|spelling| {
        text.match_indices(spelling.as_str()).any(|(at, _)| {
            let before = text.get(..at).unwrap_or_default();
            let behind = text.get(at.saturating_add(spelling.len())..).unwrap_or_default();
            !before.ends_with(is_part) && !behind.starts_with(is_part)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clause_is_known_to_look_at_an_attribute_by_its_name() {
        for text in [
            "resource.exe == \"/usr/sbin/sshd\"",
            "resource has exe && resource.name == \"sshd\"",
            "!(resource[\"exe\"] == \"/x\")",
        ] {
            assert!(reads(text, "resource.exe"), "{text}");
        }
        for text in ["resource.executable == \"x\"", "my_resource.exe", "resource.name == \"exe\""] {
            assert!(!reads(text, "resource.exe"), "{text}");
        }
    }
}
