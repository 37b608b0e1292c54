//! What a wrong or doubtful policy tells its author: file, line, column and a hint.

use rex_tests::runs::Run;

#[test]
fn a_misspelt_action_is_refused_with_its_place_and_a_suggestion() {
    let policy = "permit(\n    principal,\n    action == file_system::Action::\"raed\",\n    resource\n);\n";

    let ended = Run::of("1").policy(policy).finish();

    assert_eq!(ended.code(), Some(65));
    assert!(ended.message().contains("policy.cedar:3:"), "{}", ended.message());
    assert!(ended.message().contains("read"), "{}", ended.message());
}

#[test]
fn a_misspelt_attribute_is_refused_with_its_place() {
    let policy = "permit(principal, action, resource);\nforbid(principal, action, resource is file_system::File)\nwhen { resource.pth like \"/etc/*\" };\n";

    let ended = Run::of("1").policy(policy).finish();

    assert_eq!(ended.code(), Some(65));
    assert!(ended.message().contains("policy.cedar:3:"), "{}", ended.message());
    assert!(ended.message().contains("path"), "{}", ended.message());
}

#[test]
fn what_does_not_parse_is_refused_with_its_place() {
    let ended = Run::of("1").policy("permit(principal,\n  action resource);").finish();

    assert_eq!(ended.code(), Some(65));
    assert!(ended.message().contains("policy.cedar:2:10"), "{}", ended.message());
}

#[test]
fn a_warning_goes_to_standard_error_and_the_script_runs() {
    let policy = "permit(principal, action, resource);\nforbid(principal, action, resource) when { resource.path like \"/etc/*\" };\n";

    let ended = Run::of("42").policy(policy).options(["-o", "human"]).finish();
    let strict = Run::of("42").policy(policy).options(["--policy-mode", "strict"]).finish();
    let rex = Run::of("42").policy(policy).options(["--rex-compat", "-o", "human"]).finish();

    assert_eq!((ended.code(), ended.text()), (Some(0), "42\n"));
    assert!(ended.stderr.contains("policy.cedar:2:"), "{}", ended.stderr);
    assert_eq!(strict.code(), Some(65));
    assert_eq!((rex.code(), rex.text()), (Some(0), "42\n"));
    assert!(rex.stderr.is_empty(), "{}", rex.stderr);
}

// Rex: a forbid whose condition errors is skipped. Here it denies.
#[test]
fn a_forbid_that_cannot_be_evaluated_denies() {
    let policy = "permit(principal, action, resource);\nforbid(principal, action, resource) when { resource.no_such_attribute == \"x\" };\n";

    let ended = Run::of("cat(\"/etc/hostname\")").policy(policy).options(["--policy-mode", "rex"]).finish();

    assert_eq!(ended.code(), Some(77), "{}", ended.text());
    assert_eq!(ended.document()["error"]["error_type"], "ACCESS_DENIED_EXCEPTION");
}
