//! Why one act is permitted or denied, told to a person or to a program.

use serde::Serialize;

use super::{Asked, ExplainArguments, complain, print, read, show, texts};
use crate::host::principal;
use crate::policy::explain::{Explanation, Ground, Nearest, explain};
use crate::policy::{Engine, Finding, Mode, Policies, entity};
use crate::result::Exit;
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
    /// The explanations about whatever else the resource may be.
    also: Vec<Answer<'a>>,
}

impl<'a> Answer<'a> {
    fn of(asked: &'a Asked, principal: &'a str, explanation: &'a Explanation) -> Self {
        let verdict = &explanation.verdict;
        Self {
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
            lines.extend(nearest.failed.iter().map(|failed| {
                let what = match &failed.error {
                    Some(error) => format!("cannot be evaluated ({error})"),
                    None => "is not true".to_owned(),
                };
                format!("  {}: {} {what}: {}", failed.place, failed.part.word(), failed.text)
            }));
        }
        if let Some(grant) = self.grant {
            lines.push("to permit exactly this, add:".to_owned());
            lines.push(format!("  {grant}"));
        }
        lines.extend(self.also.iter().map(Answer::in_short));
        lines.iter().map(|line| printable_line(line).into_owned() + "\n").collect()
    }

    /// One line, for what was probably not meant.
    fn in_short(&self) -> String {
        let last = self.resource_type.rsplit("::").next().unwrap_or(self.resource_type);
        let ids: Vec<String> = self.grounds.iter().map(|ground| format!("`{}`", ground.id)).collect();
        let by = if ids.is_empty() { String::new() } else { format!(" by {}", ids.join(", ")) };
        format!("as a {}: {}{by} (--resource-type {last} tells more)", self.resource_type, self.decision)
    }
}
