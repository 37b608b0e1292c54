//! Comparisons that are decided before anything is asked: found in every position and every form, and nowhere else.

use std::fs;
use std::path::{Path, PathBuf};

use rex_broker::policy::{Finding, Mode, Policies, PolicyText, Severity};
use serde_json::Value;

fn load(text: &str, mode: Mode) -> (bool, Vec<Finding>) {
    match Policies::load(&[PolicyText { name: "a.cedar", text }], mode) {
        Ok(loaded) => (true, loaded.warnings),
        Err(errors) => (false, errors.findings().to_vec()),
    }
}

/// What is found of this kind: everything else that may be wrong with a policy is left out.
fn impossible(findings: &[Finding]) -> Vec<&Finding> {
    let words = ["ever named", "ever matches", "is ever `", "is never in", "true of", "there is only one"];
    findings.iter().filter(|finding| words.iter().any(|word| finding.message.contains(word))).collect()
}

// systemd.unit(5): "valid unit names consist of a "unit name prefix", and a suffix specifying the unit type which begins with a dot".
#[test]
fn a_name_that_no_unit_can_have_is_warned_about() {
    let warnings = |name: &str| {
        let text = format!(
            "permit(principal, action == systemd::Action::\"restart\", resource == systemd::Service::\"{name}\");"
        );
        let (accepted, findings) = load(&text, Mode::Standard);
        assert!(accepted, "{name}: {findings:?}");
        findings
    };

    for (name, hint) in [
        ("nginx", "write `systemd::Service::\"nginx.service\"`"),
        ("nginx.conf", "nginx.conf.service"),
        ("getty@", "getty@.service"),
        ("getty@.service", "getty@NAME.service"),
        (".service", "list-units"),
        ("a b.service", "list-units"),
        ("x/y.service", "list-units"),
    ] {
        let findings = warnings(name);
        assert_eq!(findings.len(), 1, "{name}: {findings:?}");
        assert_eq!((findings[0].severity, findings[0].line), (Severity::Warning, 1), "{name}");
        assert!(findings[0].message.contains(&format!("no unit is named `{name}`")), "{findings:?}");
        assert!(findings[0].hint.as_deref().unwrap_or_default().contains(hint), "{name}: {findings:?}");
    }
    for name in
        ["nginx.service", "getty@tty1.service", "dev-sda1.device", "-.mount", "a:b_c.timer", "user-0.slice"]
    {
        assert_eq!(warnings(name), [], "{name}");
    }
}

const FILE: &str = "resource is file_system::File";

/// Texts that no path has.
const WRONG: [&str; 12] = [
    "/x/key/",
    "/x//key",
    "//x",
    "/",
    "/x/./key",
    "/x/../key",
    "x/key",
    "./x",
    "",
    "~/key",
    "/..",
    "/x/key//",
];

/// Texts that a path can have, near to the others.
const RIGHT: [&str; 10] =
    ["/x/key", "/", "/.x", "/..x", "/x/...", "/~", "/x/~key", "/x y", "/x/key.", "/\u{10fff6}"];

/// Where a comparison may stand, and whether the whole can be true without it.
const PLACES: [&str; 12] = [
    "when { @ }",
    "when { (resource.path like \"/a/*\") && @ }",
    "when { @ || resource.path == \"/a\" }",
    "when { resource.path == \"/a\" || (resource.path == \"/b\" || @) }",
    "when { if @ then true else resource.path == \"/a\" }",
    "when { if resource.path == \"/a\" then @ else false }",
    "when { !(resource.path == \"/a\" && @) }",
    "when { !(!(@)) }",
    "unless { !(@) }",
    "unless { @ }",
    "unless { resource.path == \"/a\" && @ }",
    "when { true } unless { false } when { resource.path == \"/a\" || @ }",
];

/// How a path is compared with a text.
fn comparisons(text: &str) -> Vec<String> {
    vec![
        format!("resource.path == \"{text}\""),
        format!("\"{text}\" == resource.path"),
        format!("resource.path != \"{text}\""),
        format!("resource[\"path\"] == \"{text}\""),
        format!("!(resource.path == \"{text}\")"),
        format!("[\"/a\", \"{text}\"].contains(resource.path)"),
        format!("![\"{text}\"].contains(resource.path)"),
        format!("[resource.path].contains(\"{text}\")"),
        format!("[\"{text}\"].containsAny([resource.path])"),
        format!("[resource.path].containsAll([\"{text}\"])"),
        format!("[resource.path] == [\"{text}\"]"),
        format!("resource.path like \"{text}\""),
        format!("!(resource.path like \"{text}\")"),
        format!("resource.path == (if resource.path == \"/a\" then \"{text}\" else \"/b\")"),
        format!("(if resource.path == \"/a\" then resource.path else resource.path) == \"{text}\""),
    ]
}

#[test]
fn a_text_that_no_path_has_is_found_wherever_it_stands() {
    let mut found = 0;
    for text in WRONG.iter().filter(|text| **text != "/") {
        for (position, comparison) in comparisons(text).iter().enumerate() {
            let place = PLACES[(position + text.len()) % PLACES.len()];
            let effect = ["permit", "forbid"][position % 2];
            let policy = format!("\n{effect}(principal, action, {FILE}) {};", place.replace('@', comparison));
            let (accepted, findings) = load(&policy, Mode::Standard);
            let own = impossible(&findings);
            assert!(!accepted, "{policy}");
            assert_eq!(own.len(), 1, "{policy}: {findings:?}");
            assert_eq!((own[0].severity, own[0].line), (Severity::Error, 2), "{policy}");
            assert!(own[0].column > 40 && own[0].length > 1, "{policy}: {own:?}");
            assert!(own[0].hint.as_deref().is_some_and(|hint| hint.contains('/')), "{policy}: {own:?}");
            found += 1;
        }
        let policy = format!("forbid(principal, action, {FILE}) when {{ resource.path == \"{text}\" }};");
        assert!(!load(&policy, Mode::Strict).0, "{policy}");
        let (accepted, findings) = load(&policy, Mode::Rex);
        assert!(accepted && impossible(&findings).len() == 1, "{policy}");
    }
    assert!(found > 150);
}

#[test]
fn a_text_that_a_path_can_have_is_not() {
    for text in RIGHT {
        for (position, comparison) in comparisons(text).iter().enumerate() {
            let place = PLACES[(position + text.len()) % PLACES.len()];
            let policy = format!("forbid(principal, action, {FILE}) {};", place.replace('@', comparison));

            let findings = load(&policy, Mode::Standard).1;

            assert!(impossible(&findings).is_empty(), "{policy}: {findings:?}");
        }
    }
}

#[test]
fn the_same_holds_of_the_place_that_something_is_moved_to() {
    let head = "forbid(principal, action == file_system::Action::\"move\", resource) when";
    for (clause, is_wrong) in [
        ("context.destination.path == \"/x/\"", true),
        ("context.destination.path like \"/x//*\"", true),
        ("context.destination.parent_path == \"/x/\"", true),
        ("context.destination.parent_path like \"*/\"", false),
        ("context.destination.parent_path == \"/\"", false),
        ("context.destination.name == \"a/b\"", true),
        ("context.destination.name like \"*/b\"", true),
        ("context.destination.name == \"..\"", true),
        ("context.destination.name == \".bashrc\"", false),
        ("context.destination.name like \"..*\"", false),
        ("[\"/x/\"].contains(context.destination.path)", true),
        ("[resource.path, context.destination.path].contains(\"/x/\")", true),
        ("[context.destination.name, context.destination.path].contains(\"/x\")", false),
        ("context.destination == {path: \"/x/\", name: \"x\", parent_path: \"/\"}", true),
        ("context.destination == {path: \"/x\", name: \"x\", parent_path: \"/\"}", false),
        ("context has destination && !(context.destination.path == \"/x/\")", true),
    ] {
        let (accepted, findings) = load(&format!("{head} {{ {clause} }};"), Mode::Standard);

        assert_eq!(!impossible(&findings).is_empty(), is_wrong, "{clause}: {findings:?}");
        assert_eq!(accepted, !is_wrong, "{clause}: {findings:?}");
    }
}

#[test]
fn what_is_in_nothing_but_itself_is_told_of() {
    let user = "write `principal == User::\"wheel\"`";
    let cases = [
        ("forbid(principal in User::\"wheel\", action, resource);", user),
        ("forbid(principal is User in User::\"wheel\", action, resource);", user),
        ("forbid(principal, action, resource) when { principal in User::\"wheel\" };", user),
        ("forbid(principal, action, resource) when { !(principal in User::\"wheel\") };", user),
        ("forbid(principal, action, resource) unless { principal in [User::\"wheel\"] };", user),
        (
            "forbid(principal, action, resource in file_system::File::\"/x\");",
            "`resource in file_system::Dir::\"/x\"`",
        ),
        (
            "forbid(principal, action, resource is file_system::File in file_system::File::\"/x\");",
            "write `resource == file_system::File::\"/x\"`",
        ),
        (
            "forbid(principal, action, resource) when { resource in file_system::File::\"/x\" };",
            "write `resource == file_system::File::\"/x\"`",
        ),
        (
            "forbid(principal, action, resource in network::url::\"https://a.org\");",
            "`resource.url like \"https://a.org/*\"`",
        ),
        (
            "forbid(principal, action, resource in systemd::Service::\"cron.service\");",
            "write `resource == systemd::Service::\"cron.service\"`",
        ),
    ];
    for (text, hint) in cases {
        let (accepted, findings) = load(text, Mode::Standard);
        let own = impossible(&findings);
        assert!(accepted, "{text}: {findings:?}");
        assert_eq!(own.len(), 1, "{text}: {findings:?}");
        assert!(own[0].hint.as_deref().unwrap().contains(hint), "{text}: {own:?}");
        assert!(own[0].column > 7, "{text}: {own:?}");
        assert!(!load(text, Mode::Strict).0, "{text}");
        let (accepted, findings) = load(text, Mode::Rex);
        assert!(accepted && impossible(&findings).len() == 1, "{text}");
    }
}

#[test]
fn lists_directories_and_groups_of_actions_are_what_people_write() {
    for text in [
        "forbid(principal, action, resource) when { principal in [User::\"a\", User::\"b\"] };",
        "forbid(principal, action, resource) when { [User::\"a\"].contains(principal) };",
        "forbid(principal == User::\"wheel\", action, resource);",
        "forbid(principal, action, resource in file_system::Dir::\"/x\");",
        "forbid(principal, action, resource) when { resource in [file_system::Dir::\"/x\", file_system::File::\"/y\"] };",
        "forbid(principal, action, resource) when { action in file_system::Action::\"SafeIO\" };",
        "forbid(principal, action, resource) when { action in [file_system::Action::\"read\"] };",
        "forbid(principal, action, resource == process_system::Process::\"42\");",
        "forbid(principal, action, resource is process_system::Process) when { resource.pid like \"4*\" };",
        "forbid(principal, action, resource) when { resource == systemd::Service::\"x/\" };",
        "forbid(principal, action, resource is systemd::Service) when { resource.name == \"x/\" };",
        "forbid(principal, action, resource is network::url) when { resource.url like \"*//a.org/\" };",
    ] {
        let findings = load(text, Mode::Strict).1;

        assert!(impossible(&findings).is_empty(), "{text}: {findings:?}");
    }
}

#[test]
fn a_wildcard_in_a_text_that_is_compared_is_told_of() {
    for clause in [
        "resource.path == \"/x/*\"",
        "resource.path != \"/x/*\"",
        "[\"/x/*\", \"/y\"].contains(resource.path)",
    ] {
        let text = format!("forbid(principal, action, {FILE}) when {{ {clause} }};");
        let (accepted, findings) = load(&text, Mode::Standard);

        assert!(accepted && findings.len() == 1, "{clause}: {findings:?}");
        assert_eq!(findings[0].hint.as_deref(), Some("to match many, write `like \"/x/*\"`"));
        assert!(!load(&text, Mode::Strict).0);
    }
}

/// Every policy text in a folder and below it: files `*.cedar`, and `policy` of the conformance cases.
fn texts(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if path.is_dir() {
            texts(&path, found);
        } else if extension == "cedar" {
            found.push((path.clone(), fs::read_to_string(&path).unwrap()));
        } else if extension == "json" {
            let case: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            if let Some(text) = case["policy"].as_str() {
                let text = text.replace("${DIR}", "/tmp/case").replace("${VICTIM}", "42");
                found.push((path, text.replace("${PORT}", "8080")));
            }
        }
    }
}

#[test]
fn nothing_is_found_in_policies_that_people_use() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in ["../policies/examples", "../examples", "policies/samples", "conformance/cases"] {
        texts(&own.join(folder), &mut found);
    }
    assert!(found.len() > 100, "{}", found.len());

    let told: Vec<String> = found
        .iter()
        .flat_map(|(path, text)| {
            let findings = load(text, Mode::Rex).1;
            impossible(&findings).iter().map(|own| format!("{}: {own}", path.display())).collect::<Vec<_>>()
        })
        .collect();

    // These cases are about what Rex makes of such names.
    let known = ["policy.spelling", "policy.path_"];
    let new: Vec<&String> =
        told.iter().filter(|line| !known.iter().any(|case| line.contains(case))).collect();
    assert!(new.is_empty(), "{new:#?}");
}
