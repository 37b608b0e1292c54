//! Which policies no function of this build ever asks about: what they permit or forbid does not happen yet.

use rex_ipc::action::ActionId;
use rex_ipc::interface::ROWS;

use super::PolicyText;
use super::finding::{Finding, Severity, Source};
use super::policies::{Policies, Rule};

/// A warning for each policy whose head names only actions that nothing asks about.
pub fn unasked(policies: &Policies, texts: &[PolicyText<'_>]) -> Vec<Finding> {
    policies.rules.iter().filter_map(|rule| finding(rule, texts)).collect()
}

/// Whether any operation may ask about it.
fn is_asked(action: ActionId) -> bool {
    ROWS.iter().any(|row| row.needs.contains(&action))
}

fn finding(rule: &Rule, texts: &[PolicyText<'_>]) -> Option<Finding> {
    let named: Vec<ActionId> =
        ActionId::ALL.iter().filter(|action| rule.scope.names_action(**action)).copied().collect();
    let first = named.first()?;
    if named.iter().any(|action| is_asked(*action)) {
        return None;
    }
    let text = texts.iter().find(|text| text.name == rule.place.file)?;
    let message = match named.as_slice() {
        [only] => format!("no function of this build asks about {}", only.uid()),
        _ => format!("no function of this build asks about {} or the others that this names", first.uid()),
    };
    let mut finding = Source::new(text.name, text.text).finding(Severity::Warning, (0, 0), message);
    (finding.line, finding.column) = (rule.place.line, rule.place.column);
    finding.hint = Some(
        "it takes effect with a version that has such functions; until then scripts cannot do that at all"
            .to_owned(),
    );
    finding.policy_id = Some(rule.id.clone());
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::super::Mode;
    use super::*;

    fn found(text: &str) -> Vec<Finding> {
        let texts = [PolicyText { name: "a.cedar", text }];
        let loaded = Policies::load(&texts, Mode::Standard).unwrap_or_else(|errors| panic!("{errors}"));
        unasked(&loaded.policies, &texts)
    }

    #[test]
    fn a_policy_is_told_of_when_nothing_asks_for_any_of_its_actions() {
        for action in ActionId::ALL {
            let findings =
                found(&format!("@id(\"x\") permit(principal, action == {}, resource);", action.uid()));

            assert_eq!(findings.is_empty(), is_asked(*action), "{action:?}: {findings:?}");
            assert!(findings.iter().all(|finding| finding.message.contains(action.uid())), "{findings:?}");
        }
    }

    #[test]
    fn a_policy_that_says_something_of_what_is_asked_is_not() {
        let all: Vec<&str> = ActionId::ALL.iter().map(|action| action.uid()).collect();

        assert!(found("permit(principal, action, resource);").is_empty());
        assert!(found(&format!("permit(principal, action in [{}], resource);", all.join(", "))).is_empty());
    }
}
