//! Policies that are broken, and what becomes of each.

use rex_ipc::action::ActionId;

use super::super::Severity;
use super::*;

/// A broken policy, what the first error says, and what the hint offers.
const REFUSED: &[(&str, &str, &str)] = &[
    // Syntax.
    ("permit(principal, action, resource)", "unexpected end of input", ""),
    ("permit(principal, action resource);", "unexpected token `resource`", ""),
    ("permit(principal, action);", "missing the `resource` variable", ""),
    ("allow(principal, action, resource);", "invalid policy effect", ""),
    ("permit(principal, action, resource) when { resource.path = \"/a\" };", "not a valid operator", "=="),
    ("permit(principal, action, resource) when { path like \"/a\" };", "invalid variable", ""),
    ("permit(principal, action, resource) if { true };", "", ""),
    ("permit(principal, action, resource) when { };", "cannot be empty", ""),
    ("permit(principal, action, resource) when { \"unclosed };", "", ""),
    // Names.
    (
        "forbid(principal, action == file_system::Action::\"raed\", resource);",
        "no action",
        "`file_system::Action::\"read\"`",
    ),
    ("forbid(principal, action == Action::\"read\", resource);", "no action", ""),
    ("forbid(principal, action in file_system::Action::\"SafeIo\", resource);", "no action", "SafeIO"),
    (
        "forbid(principal, action, resource in filesystem::Dir::\"/a\");",
        "no entity type",
        "`file_system::Dir`",
    ),
    ("forbid(principal, action, resource is network::URL);", "no entity type", "`network::url`"),
    ("forbid(principal == user::\"root\", action, resource);", "no entity type", "`User`"),
    (
        "forbid(principal, action, resource is file_system::File) when { resource.pth like \"/a*\" };",
        "no attribute `pth`",
        "`path`",
    ),
    (
        "forbid(principal, action, resource) when { resource.nonsense == \"x\" };",
        "no attribute `nonsense`",
        "",
    ),
    (
        "forbid(principal, action == file_system::Action::\"move\", resource) when { context.destination.pth == \"/a\" };",
        "no attribute `destination.pth`",
        "`path`",
    ),
    (
        "forbid(principal, action == file_system::Action::\"move\", resource) when { context.dest.path == \"/a\" };",
        "no attribute `dest`",
        "",
    ),
    (
        "forbid(principal, action == file_system::Action::\"read\", resource) when { context.xattr.name == \"a\" };",
        "no attribute `xattr`",
        "",
    ),
    ("forbid(principal, action, resource) when { principal.name == \"root\" };", "no attribute `name`", ""),
    // Heads and conditions that match nothing.
    (
        "forbid(principal, action == network::Action::\"GET\", resource is file_system::File);",
        "can never apply",
        "`network::url`",
    ),
    (
        "forbid(principal, action == file_system::Action::\"write\", resource is file_system::Dir);",
        "can never apply",
        "`file_system::File`",
    ),
    (
        "forbid(principal, action == file_system::Action::\"unmount\", resource in file_system::File::\"/a\");",
        "can never apply",
        "`file_system::Dir`",
    ),
    ("forbid(principal, action, resource) when { false };", "can never apply", ""),
    (
        "forbid(principal, action == file_system::Action::\"read\", resource) when { resource is network::url };",
        "can never apply",
        "",
    ),
    (
        "forbid(principal, action, resource in file_system::Dir::\"/etc/\");",
        "no path is ever named",
        "`/etc`",
    ),
    (
        "forbid(principal, action, resource in file_system::Dir::\"etc\");",
        "no path is ever named",
        "absolute",
    ),
    ("forbid(principal, action, resource == file_system::File::\"/a/../b\");", "no path is ever named", ""),
    (
        "forbid(principal, action, resource) when { resource in file_system::Dir::\"//etc\" };",
        "no path is ever named",
        "`/etc`",
    ),
    (
        "forbid(principal, action == file_system::Action::\"read\", resource) when { [file_system::Dir::\"/a\", file_system::File::\"/b\"].contains(resource) && resource.pth == \"c\" };",
        "no attribute `pth`",
        "`path`",
    ),
    (
        "forbid(principal, action in [file_system::Action::\"read\", sysinfo::Action::\"list\"], resource) when { resource.pth == \"c\" };",
        "no attribute `pth`",
        "`path`",
    ),
    // Templates.
    ("forbid(principal == ?principal, action, resource);", "template", "?principal"),
    ("forbid(principal, action, resource in ?resource);", "template", ""),
    // Constants and types.
    ("forbid(principal, action, resource) when { 9223372036854775807 + 1 == 0 };", "always fails", ""),
    ("forbid(principal, action, resource) when { ip(\"300.1.1.1\").isLoopback() };", "", ""),
    ("forbid(principal, action, resource is file_system::File) when { resource.path == 3 };", "", ""),
    ("forbid(principal, action, resource is file_system::File) when { resource.path < \"b\" };", "", ""),
    (
        "forbid(principal, action, resource is file_system::File) when { resource.path.contains(\"b\") };",
        "",
        "",
    ),
    ("forbid(principal, action, resource) when { \"yes\" };", "", ""),
    ("forbid(principal, action, resource) when { resource.getTag(\"a\") == \"b\" };", "", ""),
];

#[test]
fn broken_policies_are_refused_with_place_and_reason() {
    for (text, message, hint) in REFUSED {
        let text = format!("permit(principal, action, resource);\n  {text}");
        let errors = refused(&text, Mode::Standard);
        let first = errors.findings().iter().find(|finding| finding.severity == Severity::Error).unwrap();

        assert!(first.message.contains(message), "{text}\n{errors}");
        assert!(first.hint.as_deref().unwrap_or("").contains(hint), "{text}\n{errors}");
        assert_eq!(first.line, 2, "{text}\n{errors}");
        assert!(first.column > 2, "{text}\n{errors}");
    }
}

#[test]
fn what_rex_accepts_loads_in_its_mode_and_denies_or_never_matches() {
    for (text, ..) in REFUSED.iter().skip(9) {
        let warnings = accepted(&format!("permit(principal, action, resource);\n{text}"), Mode::Rex);

        assert!(!warnings.is_empty(), "{text}");
        assert!(warnings.iter().all(|warning| warning.severity == Severity::Warning), "{text}");
    }
}

/// A forbid whose author expected it to hold, beside a broad permit: it is refused at load, and where the operator
/// loads it nevertheless, an error in it denies.
#[test]
fn a_forbid_that_cannot_be_evaluated_denies_in_every_mode() {
    for clause in [
        "resource.pth == \"/a\"",
        "9223372036854775807 + 1 == 0",
        "ip(\"x\").isLoopback()",
        "resource.path < \"b\"",
        "\"yes\"",
        "context.no.such",
    ] {
        let text = format!(
            "permit(principal, action, resource);\nforbid(principal, action, resource) when {{ {clause} }};"
        );

        refused(&text, Mode::Standard);
        assert!(!may_read(&text, "/a"), "{clause}");
    }
}

#[test]
fn an_attribute_of_only_some_types_is_a_warning_with_its_guard() {
    let text = "forbid(principal, action, resource)\nwhen { resource.path like \"/etc/*\" };";

    let warnings = accepted(text, Mode::Standard);

    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_eq!((warnings[0].line, warnings[0].column, warnings[0].length), (2, 8, 13));
    assert_eq!(
        warnings[0].hint.as_deref(),
        Some("guard it: `(resource is file_system::File || resource is file_system::Dir) && …`")
    );
    refused(text, Mode::Strict);
    let guarded = "forbid(principal, action, resource)\nwhen { (resource is file_system::File || resource is file_system::Dir) && resource.path like \"/etc/*\" };";
    assert_eq!(accepted(guarded, Mode::Strict), []);
}

#[test]
fn a_context_of_only_some_actions_is_a_warning_with_its_guard() {
    let text =
        "permit(principal, action, resource is file_system::File) when { context.xattr.name == \"user.a\" };";

    let warnings = accepted(text, Mode::Standard);

    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_eq!(warnings[0].hint.as_deref(), Some("guard it: `context has xattr && …`"));
    let guarded = "permit(principal, action, resource is file_system::File) when { context has xattr && context.xattr.name == \"user.a\" };";
    assert_eq!(accepted(guarded, Mode::Strict), []);
}

#[test]
fn doubtful_policies_are_warned_about() {
    let doubtful = [
        "permit(principal == User::\"{{username}}\", action, resource);",
        "permit(principal, action, resource == file_system::File::\"/var/log/*\");",
        "permit(principal, action == file_system::Action::\"execute\", resource) when { context.namespace.target_process_id == 1 };",
        "permit(principal, action == file_system::Action::\"execute\", resource) when { context.arguments.getTag(\"-v\") == \"true\" };",
        "permit(principal, action, resource is file_system::File) when { resource.path like \"/\u{0440}ath/a*\" };",
    ];
    for text in doubtful {
        assert!(!accepted(text, Mode::Standard).is_empty(), "{text}");
        refused(text, Mode::Strict);
    }
}

#[test]
fn ordinary_policies_pass_the_strict_mode() {
    let ordinary = [
        "",
        "permit(principal, action, resource);",
        "permit(principal == User::\"root\", action in [file_system::Action::\"open\", file_system::Action::\"read\"], resource in file_system::Dir::\"/var/log\");",
        "permit(principal, action in file_system::Action::\"SafeIO\", resource) unless { resource in file_system::Dir::\"/etc\" };",
        "permit(principal, action, resource) when { resource in [file_system::Dir::\"/a\", file_system::Dir::\"/b\"] };",
        "permit(principal, action, resource) when { resource == file_system::File::\"/a\" };",
        "permit(principal, action == network::Action::\"GET\", resource) when { resource.url like \"https://example.org/*\" };",
        "permit(principal, action == file_system::Action::\"execute\", resource == file_system::File::\"/bin/ls\") when { context.arguments.flags.isEmpty() };",
        "permit(principal, action in [file_system::Action::\"read\", sysinfo::Action::\"list\"], resource) when { resource is file_system::File };",
        "permit(principal, action, resource) when { resource in [file_system::Dir::\"/a\", file_system::File::\"/b\"] };",
        "permit(principal, action == file_system::Action::\"move\", resource) when { [file_system::Dir::\"/a\", file_system::File::\"/b\"].contains(resource) && context.destination.name == \"c\" };",
        "forbid(principal, action, resource) when { [file_system::File::\"/a\", file_system::File::\"/b\"].contains(resource) };",
    ];
    for text in ordinary {
        assert_eq!(accepted(text, Mode::Strict), [], "{text}");
    }
}

#[test]
fn cedars_own_reason_is_kept_for_texts_that_do_not_parse() {
    let errors = refused("permit(principal, action resource);", Mode::Rex);
    assert_eq!(errors.cedar_reason(), Some("unexpected token `resource`"));

    let errors = refused("forbid(principal, action, resource) when { false };", Mode::Standard);
    assert_eq!(errors.cedar_reason(), None);
}

#[test]
fn places_are_right_far_into_a_long_text() {
    let good = "permit(principal, action, resource in file_system::Dir::\"/é\"); // ;\n".repeat(10_000);
    let names = format!("{good}\n permit(principal, action == Action::\"x\", resource);");
    let syntax = format!("{good}\n permit(principal, action resource);\n{good}");

    for text in [names, syntax] {
        let errors = refused(&text, Mode::Standard);
        let [only] = errors.findings() else { panic!("{errors}") };
        assert_eq!((only.line, only.column), (10_002, if text.len() > good.len() + 100 { 27 } else { 30 }));
    }
    assert_eq!(
        load(&good, Mode::Strict).unwrap().policies.places().last().map(|(id, place)| (id, place.line)),
        Some(("policy9999", 10_000))
    );
}

#[test]
fn nothing_but_mistakes_is_refused_in_good_time() {
    for mistake in [
        ";",
        "permit;",
        "permit();",
        "@",
        "permit(principal,action,resource) when {a};",
        "forbid(principal == x, action, resource);",
    ] {
        let errors = refused(&mistake.repeat(40_000), Mode::Rex);

        assert!(errors.findings().len() <= 100, "{mistake}");
    }
}

#[test]
fn findings_stand_in_the_order_of_the_text() {
    let text = "permit(principal, action == Action::\"x\", resource is Y);\nforbid(principal, action, resource) when { resource.zzz == 1 || resource.aaa == 2 };";

    let errors = refused(text, Mode::Standard);

    let places: Vec<(usize, usize)> =
        errors.findings().iter().map(|finding| (finding.line, finding.column)).collect();
    let mut sorted = places.clone();
    sorted.sort_unstable();
    assert_eq!(places, sorted);
    assert_eq!(places.len(), 4, "{errors}");
}

#[test]
fn every_shipped_policy_is_clean() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    let mut seen = 0;
    for folder in [folder.clone(), folder.join("examples")] {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "cedar") {
                let text = std::fs::read_to_string(&path).unwrap();
                let loaded =
                    load(&text, Mode::Strict).unwrap_or_else(|errors| panic!("{}\n{errors}", path.display()));
                assert!(!loaded.policies.is_empty());
                seen += 1;
            }
        }
    }
    assert!(seen >= 3);
}

#[test]
fn the_table_holds_what_was_promised() {
    assert!(REFUSED.len() >= 30);
    assert!(ActionId::ALL.len() > 30);
}
