//! How a policy tests for what is not always there: the forms that the validator follows, and the one that is offered.

use rex_broker::policy::{Finding, Mode, Policies, PolicyText};

fn findings(text: &str) -> Result<Vec<Finding>, Vec<Finding>> {
    match Policies::load(&[PolicyText { name: "a.cedar", text }], Mode::Strict) {
        Ok(loaded) => Ok(loaded.warnings),
        Err(errors) => Err(errors.findings().to_vec()),
    }
}

fn policy(condition: &str) -> String {
    format!("forbid(principal, action == file_system::Action::\"execute\", resource) {condition};")
}

const ONE: &str = "context.namespace.target_process_id == 1";
const TAG: &str = "context.arguments.getTag(\"-v\") == \"x\"";

/// Each with `has` for the test and `is` for the use.
const ACCEPTED: [&str; 8] = [
    "when { has && is }",
    "when { (has && is) || !(has) }",
    "when { !(has) || (has && is) }",
    "when { if has then is else true }",
    "when { !(has && is) }",
    "unless { has && is }",
    "when { has && (is || resource.path == \"/a\") }",
    "when { has } when { is }",
];

const REFUSED: [&str; 7] = [
    "when { is }",
    "when { is && has }",
    "when { !(has) || is }",
    "when { !(!(has) || !(is)) }",
    "when { has || is }",
    "unless { !(has) } when { is }",
    "when { (resource.path == \"/a\" || has) && is }",
];

fn filled(form: &str) -> [String; 2] {
    let fill = |has: &str, is: &str| policy(&form.replace("has", "@").replace("is", is).replace('@', has));
    [fill("context has namespace", ONE), fill("context.arguments.hasTag(\"-v\")", TAG)]
}

// docs/policy.md has this table.
#[test]
fn the_documented_forms_are_accepted_and_refused() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/policy.md")).unwrap();
    for (forms, is_accepted) in [(&ACCEPTED[..], true), (&REFUSED[..], false)] {
        for form in forms {
            for text in filled(form) {
                assert_eq!(findings(&text).is_ok(), is_accepted, "{text}: {:?}", findings(&text));
            }
            let row = format!(
                "| `{}` | {} |",
                form.replace("||", "\\|\\|"),
                if is_accepted { "accepted" } else { "refused" }
            );
            assert!(page.contains(&row), "docs/policy.md lacks {row}");
        }
    }
}

#[test]
fn what_is_offered_is_accepted_in_its_place() {
    let mut offered = 0;
    for form in REFUSED {
        for mut text in filled(form) {
            // Several places may lack the test; each remedy is applied as it stands.
            for _ in 0..4 {
                let Err(found) = findings(&text) else { break };
                let hint = found[0].hint.clone().unwrap_or_default();
                let (_, rest) = hint.split_once("write `").unwrap_or_else(|| panic!("{text}: {found:?}"));
                let (with, rest) = rest.split_once("` in place of `").unwrap();
                let what = rest.trim_end_matches('`');
                assert!(text.contains(what), "{text}: {hint}");
                text = text.replacen(what, with, 1);
                offered += 1;
            }
            assert!(findings(&text).is_ok(), "{text}: {:?}", findings(&text));
        }
    }
    assert!(offered >= 12);
}
