//! Which decisions of a request make one record: those about entries of one directory, each asked and answered like the
//! one before.
//!
//! Nothing is left out: such a record has every name in order, what was asked about each, and the policies that permitted it.

use rex_ipc::action::{ActionId, ResourceKind};

use super::json::{Fields, push_number, push_text, push_texts};
use super::record::Decision;

/// Decisions that are held until it is known how many are alike.
#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    operation: String,
    line: u32,
    /// The directory, with a slash behind it.
    directory: String,
    /// What is asked about each name, in order.
    asked: Vec<Asked>,
    /// The policies of each answer, as JSON, one behind the other.
    policies: String,
    /// The names as JSON, with a comma behind each.
    names: String,
    /// Where each name ends.
    ends: Vec<usize>,
    /// The last name as it is.
    last: String,
    /// How many questions about the last name there were.
    answered: usize,
    /// The fields before the names, once there are two of these.
    head: String,
    /// Most bytes that the fields of one record may take.
    room_bytes: usize,
}

/// One of the questions that are asked about each name.
#[derive(Clone, Debug)]
struct Asked {
    action: ActionId,
    kind: ResourceKind,
    /// Where its policies end.
    policies_end: usize,
}

impl Series {
    /// Nothing is held. A record may have so many bytes of fields.
    pub(super) fn new(room_bytes: usize) -> Self {
        Self { room_bytes, ..Self::default() }
    }

    /// Directory and name of a decision that may be told together with others: it permits a look at an entry, and there is
    /// no more to say of it than that. A denial never is.
    pub(super) fn place<'a>(decision: &Decision<'a>) -> Option<(&'a str, &'a str)> {
        let is_look = decision.permitted
            && !decision.effect
            && !decision.is_piece
            && decision.errors.is_empty()
            && decision.context.is_none()
            && decision.facts.is_none()
            && decision.shadow.is_none()
            && decision.act.is_none()
            && matches!(decision.resource_kind, ResourceKind::File | ResourceKind::Dir);
        if is_look { split(decision.resource) } else { None }
    }

    /// Takes a decision about this place, and writes those that it does not continue.
    pub(super) fn hold(
        &mut self,
        decision: &Decision<'_>,
        (directory, name): (&str, &str),
        out: &mut String,
    ) {
        let is_other = self.operation != decision.operation
            || self.line != decision.claimed_line
            || self.directory != directory;
        if self.ends.is_empty() || is_other {
            self.close(out);
            self.begin(decision, directory, name);
        } else if self.last == name {
            self.ask_more(decision, out);
        } else {
            self.next(decision, directory, name, out);
        }
    }

    /// How many records it would be.
    pub(super) fn records(&self) -> u64 {
        let (complete, begun) = self.counts();
        let whole = if complete < LEAST_NAMES { complete * self.asked.len() } else { 1 };
        (whole + begun) as u64
    }

    /// Writes what is held, a line for each record.
    pub(super) fn close(&mut self, out: &mut String) {
        if self.ends.is_empty() {
            return;
        }
        let (complete, begun) = self.counts();
        if complete < LEAST_NAMES {
            (0..complete).for_each(|name| self.write_each(name, self.asked.len(), out));
        } else {
            self.write_together(complete, out);
        }
        if begun > 0 {
            self.write_each(complete, begun, out);
        }
        self.ends.clear();
    }

    /// Drops what is held.
    pub(super) fn clear(&mut self) {
        self.ends.clear();
    }

    /// How many names have all their answers, and how many answers the one behind them has.
    fn counts(&self) -> (usize, usize) {
        if self.answered == self.asked.len() {
            (self.ends.len(), 0)
        } else {
            (self.ends.len().saturating_sub(1), self.answered)
        }
    }

    /// Another question about the last name.
    fn ask_more(&mut self, decision: &Decision<'_>, out: &mut String) {
        if self.ends.len() > 1 {
            if self.continues(decision, self.answered) {
                self.answered += 1;
                return;
            }
            self.keep_last(out);
        }
        if self.asked.len() == MOST_QUESTIONS {
            self.close(out);
            let (directory, name) = (std::mem::take(&mut self.directory), std::mem::take(&mut self.last));
            self.begin(decision, &directory, &name);
        } else {
            self.ask(decision);
        }
    }

    /// The first question about another name.
    fn next(&mut self, decision: &Decision<'_>, directory: &str, name: &str, out: &mut String) {
        if self.answered < self.asked.len() {
            self.keep_last(out);
        }
        if self.continues(decision, 0) {
            let before = self.names.len();
            self.add_name(name);
            if self.head.is_empty() {
                self.head = self.write_head();
            }
            if self.head.len() + self.names.len() + BEHIND_NAMES_BYTES <= self.room_bytes {
                return;
            }
            self.names.truncate(before);
            self.ends.pop();
            self.answered = self.asked.len();
        }
        self.close(out);
        self.begin(decision, directory, name);
    }

    fn begin(&mut self, decision: &Decision<'_>, directory: &str, name: &str) {
        self.operation.clear();
        self.operation.push_str(decision.operation);
        self.line = decision.claimed_line;
        self.directory.clear();
        self.directory.push_str(directory);
        self.asked.clear();
        self.policies.clear();
        self.names.clear();
        self.ends.clear();
        self.add_name(name);
        self.answered = 0;
        self.ask(decision);
    }

    /// One question more about each name, while there is only one.
    fn ask(&mut self, decision: &Decision<'_>) {
        push_texts(&mut self.policies, decision.policies);
        let policies_end = self.policies.len();
        self.asked.push(Asked { action: decision.action, kind: decision.resource_kind, policies_end });
        self.answered = self.asked.len();
        self.head.clear();
    }

    fn add_name(&mut self, name: &str) {
        push_text(&mut self.names, name);
        self.names.push(',');
        self.ends.push(self.names.len());
        self.last.clear();
        self.last.push_str(name);
        self.answered = 1;
    }

    /// Whether the decision is the one that is expected at this place.
    fn continues(&mut self, decision: &Decision<'_>, place: usize) -> bool {
        let Some(asked) = self.asked.get(place) else { return false };
        if asked.action != decision.action || asked.kind != decision.resource_kind {
            return false;
        }
        let end = self.policies.len();
        push_texts(&mut self.policies, decision.policies);
        let is_same = self.policies.get(end..) == Some(self.policies_of(place));
        self.policies.truncate(end);
        is_same
    }

    /// Writes all names but the last, which goes on by itself with the answers that it has.
    fn keep_last(&mut self, out: &mut String) {
        let (start, answered) = (self.start_of(self.ends.len().saturating_sub(1)), self.answered);
        let last = self.names.split_off(start);
        self.ends.pop();
        self.answered = self.asked.len();
        self.close(out);
        self.asked.truncate(answered);
        self.policies.truncate(self.asked.last().map_or(0, |asked| asked.policies_end));
        self.names = last;
        self.ends.push(self.names.len());
        self.answered = answered;
        self.head.clear();
    }

    fn start_of(&self, name: usize) -> usize {
        name.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0)
    }

    fn policies_of(&self, place: usize) -> &str {
        let end = |place: usize| self.asked.get(place).map(|asked| asked.policies_end);
        let start = place.checked_sub(1).and_then(end).unwrap_or(0);
        end(place).and_then(|end| self.policies.get(start..end)).unwrap_or_default()
    }

    /// A line for each of the first questions about a name, as for any decision.
    fn write_each(&self, name: usize, questions: usize, out: &mut String) {
        let name = self.ends.get(name).and_then(|end| self.names.get(self.start_of(name) + 1..end - 1));
        for (place, asked) in self.asked.iter().take(questions).enumerate() {
            let mut fields = Fields(out);
            fields.text("operation", &self.operation);
            fields.number("claimed_line", self.line.into());
            asked.write(&mut fields);
            fields.text("resource", &self.directory);
            // Directory and name are escaped character by character, so that the two are one text.
            fields.0.pop();
            fields.0.push_str(name.unwrap_or_default());
            fields.text("decision", "permit");
            fields.name("policies");
            fields.0.push_str(self.policies_of(place));
            fields.0.push('\n');
        }
    }

    /// One line for the first names.
    fn write_together(&self, names: usize, out: &mut String) {
        let end = self.start_of(names);
        let names_text = self.names.get(..end.saturating_sub(1)).unwrap_or_default();
        out.push_str(&self.head);
        out.push_str(names_text);
        out.push_str("],\"count\":");
        push_number(out, (names * self.asked.len()) as u64);
        out.push(TOGETHER);
        out.push('\n');
    }

    /// The fields before the names, and the beginning of those.
    fn write_head(&self) -> String {
        let mut head = String::new();
        let mut fields = Fields(&mut head);
        fields.text("operation", &self.operation);
        fields.number("claimed_line", self.line.into());
        fields.text("directory", &self.directory);
        fields.name("asked");
        fields.0.push('[');
        for (place, asked) in self.asked.iter().enumerate() {
            if place > 0 {
                fields.0.push(',');
            }
            fields.0.push('{');
            asked.write(&mut fields);
            fields.name("policies");
            fields.0.push_str(self.policies_of(place));
            fields.0.push('}');
        }
        fields.0.push(']');
        fields.text("decision", "permit");
        fields.name("names");
        fields.0.push('[');
        head
    }
}

impl Asked {
    fn write(&self, fields: &mut Fields<'_>) {
        fields.text("action", self.action.uid());
        fields.text("resource_type", self.kind.type_name());
    }
}

/// The fields of a line, and whether they are those of decisions that are told together.
pub(super) fn read(line: &str) -> (&str, bool) {
    // Any other line ends with a bracket.
    line.strip_suffix(TOGETHER).map_or((line, false), |fields| (fields, true))
}

/// A path up to its last slash and with it, and the name behind that.
fn split(path: &str) -> Option<(&str, &str)> {
    let (directory, name) = path.split_at(path.rfind('/')? + 1);
    (!name.is_empty()).then_some((directory, name))
}

/// Stands behind the fields of decisions that are told together.
const TOGETHER: char = '*';
/// With fewer names there is nothing to be saved, and a line for each is easier to read.
const LEAST_NAMES: usize = 8;
/// Questions about one name; no operation has as many that only look.
const MOST_QUESTIONS: usize = 8;
/// The bracket behind the names, and how many decisions there are.
const BEHIND_NAMES_BYTES: usize = 40;
