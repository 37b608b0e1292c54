//! How questions are answered.

use rex_ipc::action::ActionId::{self, *};

use super::super::{Argument, ContextRef, ExecuteContext, ProcessRef};
use super::*;

const EVERYTHING: &str = "permit(principal, action, resource);";

#[test]
fn nothing_is_permitted_without_a_permit() {
    for text in ["", "// nothing\n", "forbid(principal, action, resource);"] {
        assert!(!may_read(text, "/etc/passwd"), "{text}");
    }
    assert!(may_read(EVERYTHING, "/etc/passwd"));
}

#[test]
fn a_forbid_overrides_a_permit_and_is_named() {
    let text = "@id(\"all\") permit(principal, action, resource);\n@id(\"no keys\") forbid(principal, action, resource in file_system::Dir::\"/keys\");";

    let open = ask(text, FileSystemRead, ResourceRef::File("/srv/a"));
    let closed = ask(text, FileSystemRead, ResourceRef::File("/keys/a"));

    assert_eq!((open.permitted, open.determining), (true, vec!["all".to_owned()]));
    assert_eq!(
        (closed.permitted, closed.determining, closed.failed),
        (false, vec!["no keys".to_owned()], false)
    );
}

#[test]
fn a_forbid_that_fails_denies_and_says_so() {
    let forbid = "forbid(principal, action, resource) when { resource.no_such == \"x\" };";
    let verdict = ask(&format!("{EVERYTHING}\n{forbid}"), FileSystemRead, ResourceRef::File("/a"));

    assert!(!verdict.permitted);
    assert!(verdict.failed);
    assert_eq!(verdict.determining, ["policy1"]);
    assert_eq!(verdict.errors.len(), 1);
}

#[test]
fn a_forbid_that_fails_outside_its_head_does_not_matter() {
    let forbid = "forbid(principal, action == file_system::Action::\"write\", resource) when { resource.no_such == \"x\" };";
    let verdict = ask(&format!("{EVERYTHING}\n{forbid}"), FileSystemRead, ResourceRef::File("/a"));

    assert!(verdict.permitted);
    assert!(verdict.errors.is_empty());
}

#[test]
fn a_permit_that_fails_does_not_apply() {
    let verdict = ask(
        "permit(principal, action, resource) when { resource.no_such == \"x\" };",
        FileSystemRead,
        ResourceRef::File("/a"),
    );

    assert!(!verdict.permitted);
    assert!(!verdict.failed);
    assert!(verdict.determining.is_empty());
    assert_eq!(verdict.errors.len(), 1);
}

#[test]
fn a_directory_means_itself_and_everything_below() {
    let text = "permit(principal, action, resource in file_system::Dir::\"/srv/data\");";

    for path in ["/srv/data/a", "/srv/data/a/b/c"] {
        assert!(may_read(text, path), "{path}");
        assert!(ask(text, FileSystemOpen, ResourceRef::Dir(path)).permitted, "{path}");
    }
    assert!(ask(text, FileSystemOpen, ResourceRef::Dir("/srv/data")).permitted);
    for path in ["/srv", "/srv/data2/a", "/srv/dat", "/", "/srv/other/srv/data/a", "srv/data/a"] {
        assert!(!may_read(text, path), "{path}");
        assert!(!ask(text, FileSystemOpen, ResourceRef::Dir(path)).permitted, "{path}");
    }
    // A file of the directory's own name is another thing.
    assert!(!may_read(text, "/srv/data"));
}

#[test]
fn the_root_directory_means_every_path() {
    let text = "permit(principal, action, resource in file_system::Dir::\"/\");";

    assert!(may_read(text, "/a"));
    assert!(may_read(text, "/a/b"));
    assert!(ask(text, FileSystemOpen, ResourceRef::Dir("/")).permitted);
    assert!(!ask(text, SysinfoList, ResourceRef::Sysinfo).permitted);
}

#[test]
fn a_group_of_actions_is_the_list_of_its_members() {
    let namespaces = ["file_system", "sysinfo", "network", "process_system", "systemd", "sysctl"];
    let groups =
        ["SafeIO", "SysinfoAction", "NetworkAction", "ProcessAction", "SystemdAction", "SysctlAction"];
    for (namespace, group) in namespaces.into_iter().zip(groups) {
        let members: Vec<&str> = ActionId::ALL
            .iter()
            .filter(|action| action.namespace() == namespace)
            .map(|action| action.uid())
            .collect();
        let by_group = format!("permit(principal, action in {namespace}::Action::\"{group}\", resource);");
        let by_list = format!("permit(principal, action in [{}], resource);", members.join(", "));
        let forbid_group =
            format!("{EVERYTHING}\nforbid(principal, action in {namespace}::Action::\"{group}\", resource);");
        let in_clause = format!(
            "permit(principal, action, resource) when {{ action in {namespace}::Action::\"{group}\" }};"
        );

        for action in ActionId::ALL {
            let expected = action.namespace() == namespace;
            for resource in resources(*action) {
                assert_eq!(ask(&by_group, *action, resource).permitted, expected, "{}", action.uid());
                assert_eq!(ask(&by_list, *action, resource).permitted, expected, "{}", action.uid());
                assert_eq!(ask(&in_clause, *action, resource).permitted, expected, "{}", action.uid());
                assert_eq!(ask(&forbid_group, *action, resource).permitted, !expected, "{}", action.uid());
            }
        }
    }
}

/// One resource of each type that the action is asked about.
pub(super) fn resources(action: ActionId) -> Vec<ResourceRef<'static>> {
    let all = [
        ResourceRef::File("/srv/data/a"),
        ResourceRef::Dir("/srv/data"),
        ResourceRef::Sysinfo,
        ResourceRef::Hostname("example.org"),
        ResourceRef::Url("http://example.org/"),
        ResourceRef::Process(ProcessRef {
            pid: 42,
            name: "sshd",
            username: "root",
            command: "/usr/sbin/sshd -D",
            uid: 0,
            start_time: 7,
            exe: Some("/usr/sbin/sshd"),
        }),
        ResourceRef::Service("cron.service"),
        ResourceRef::Systemd,
        ResourceRef::Sysctl,
    ];
    all.into_iter().filter(|resource| action.resources().contains(&resource.kind())).collect()
}

#[test]
fn the_principal_is_the_user_it_was_given_for() {
    assert!(may_read("permit(principal == User::\"root\", action, resource);", "/a"));
    assert!(!may_read("permit(principal == User::\"somebody\", action, resource);", "/a"));
    assert!(may_read("permit(principal is User, action, resource);", "/a"));
    // It is not in the store, but `in` includes equality.
    assert!(may_read("permit(principal in User::\"root\", action, resource);", "/a"));
    assert!(!may_read("permit(principal in User::\"staff\", action, resource);", "/a"));
}

#[test]
fn like_knows_wildcards_and_escapes() {
    let like = |pattern: &str| {
        format!(
            "permit(principal, action, resource is file_system::File) when {{ resource.path like \"{pattern}\" }};"
        )
    };

    assert!(may_read(&like("/var/log/*"), "/var/log/a/b"));
    assert!(!may_read(&like("/var/log/*"), "/var/lo"));
    assert!(may_read(&like("/a\\*b"), "/a*b"));
    assert!(!may_read(&like("/a\\*b"), "/axb"));
    assert!(may_read(&like("/a\\\\*"), "/a\\tail"));
    assert!(!may_read(&like("/a?"), "/ab"));
    assert!(may_read(&like("/*\\u{10ff80}"), "/x\u{10ff80}"));
}

#[test]
fn a_name_may_hold_any_character() {
    let names = [
        "/a\"b",
        "/a\\b",
        "/a\nb",
        "/a\u{0}b",
        "/ä/日本",
        "/x\u{10ff80}y",
        "/a'b",
        "/a*b",
        "/ ",
        "/\u{202e}x",
        "/::\"",
        "/\u{feff}",
    ];
    for name in names {
        let written: String =
            name.chars().map(|character| format!("\\u{{{:x}}}", u32::from(character))).collect();
        let own = format!("permit(principal, action, resource == file_system::File::\"{written}\");");
        let attribute = format!(
            "permit(principal, action, resource is file_system::File) when {{ resource.path == \"{written}\" }};"
        );

        assert!(may_read(&own, name), "{name:?}");
        assert!(may_read(&attribute, name), "{name:?}");
        assert!(!may_read(&own, "/other"), "{name:?}");
        let below = format!("{name}/below");
        assert!(
            may_read(
                &format!("permit(principal, action, resource in file_system::Dir::\"{written}\");"),
                &below
            ),
            "{name:?}"
        );
    }
}

#[test]
fn attributes_are_those_of_the_schema() {
    let process = ResourceRef::Process(ProcessRef {
        pid: 7,
        name: "n",
        username: "u",
        command: "c d",
        uid: 9,
        start_time: 11,
        exe: Some("/e"),
    });
    let clauses = [
        (FileSystemRead, ResourceRef::File("/p"), "resource.path == \"/p\""),
        (FileSystemOpen, ResourceRef::Dir("/p"), "resource.path == \"/p\""),
        (SysinfoResolveHostname, ResourceRef::Hostname("h"), "resource.hostname == \"h\""),
        (NetworkGet, ResourceRef::Url("http://x/"), "resource.url == \"http://x/\""),
        (
            ProcessKill,
            process,
            "resource.pid == \"7\" && resource.name == \"n\" && resource.username == \"u\" && resource.command == \"c d\" && resource.uid == 9 && resource.start_time == 11 && resource has exe && resource.exe == \"/e\" && resource == process_system::Process::\"7\"",
        ),
        (SystemdStart, ResourceRef::Service("s"), "resource.name == \"s\""),
    ];
    for (action, resource, clause) in clauses {
        let text = format!(
            "permit(principal, action == {}, resource is {}) when {{ {clause} }};",
            action.uid(),
            resource.kind().type_name()
        );

        load(&text, Mode::Strict).unwrap();
        assert!(ask(&text, action, resource).permitted, "{clause}");
    }
}

fn ask_with(text: &str, action: ActionId, path: &str, context: ContextRef<'_>) -> Verdict {
    let policies = load(text, Mode::Strict).unwrap().policies;
    (*Engine::new(policies, "root").decide(&Question { action, resource: ResourceRef::File(path), context }))
        .clone()
}

#[test]
fn contexts_are_those_of_the_schema() {
    let xattr = "permit(principal, action == file_system::Action::\"set_x_attr\", resource) when { context.xattr.name like \"user.*\" };";
    let moving = "permit(principal, action == file_system::Action::\"move\", resource) when { context.destination.path == \"/b/c\" && context.destination.name == \"c\" && context.destination.parent_path == \"/b\" };";

    assert!(ask_with(xattr, FileSystemSetXAttr, "/a", ContextRef::XAttr { name: "user.x" }).permitted);
    assert!(!ask_with(xattr, FileSystemSetXAttr, "/a", ContextRef::XAttr { name: "security.x" }).permitted);
    assert!(
        ask_with(
            moving,
            FileSystemMove,
            "/a",
            ContextRef::Move { path: "/b/c", name: "c", parent_path: "/b" }
        )
        .permitted
    );
    assert!(
        !ask_with(
            moving,
            FileSystemMove,
            "/a",
            ContextRef::Move { path: "/b/d", name: "d", parent_path: "/b" }
        )
        .permitted
    );
}

#[test]
fn a_program_is_judged_with_its_arguments_and_environment() {
    let clauses = [
        "context.arguments.keys == [\"--config\"]",
        "context.arguments.flags.contains(\"-v\")",
        "context.arguments.positional_values == [\"file\"]",
        "context.arguments.hasTag(\"--config\") && context.arguments.getTag(\"--config\") == \"/safe\"",
        "context.arguments.hasTag(\"$ARG0\") && context.arguments.getTag(\"$ARG0\") == \"-v\"",
        "context.arguments.hasTag(\"$ARG1\") && context.arguments.getTag(\"$ARG1\") == \"file\"",
        "context.arguments.hasTag(\"-v\") && context.arguments.getTag(\"-v\") == \"true\"",
        "context.environment.names == [\"PATH\"]",
        "context.environment.hasTag(\"PATH\") && context.environment.getTag(\"PATH\") == \"/bin\"",
        "context.user.username == \"nobody\" && context.user.uid == 65534",
        "context.group.groupname == \"nogroup\" && context.group.gid == 65533",
        "context has namespace && context.namespace.target_process_id == 9",
    ];
    let execute = ExecuteContext {
        program: "x",
        chosen: &[],
        capabilities: &[],
        arguments: &[Argument::Pair("--config", Some("/safe")), Argument::Bare("-v"), Argument::Bare("file")],
        environment: &[("PATH", "/bin")],
        username: "nobody",
        uid: 65534,
        groupname: "nogroup",
        gid: 65533,
        target_process_id: Some(9),
    };
    for clause in clauses {
        let text = format!(
            "permit(principal, action == file_system::Action::\"execute\", resource) when {{ {clause} }};"
        );
        assert!(
            ask_with(&text, FileSystemExecute, "/bin/x", ContextRef::Execute(&execute)).permitted,
            "{clause}"
        );
        let text = format!(
            "permit(principal, action == file_system::Action::\"execute\", resource) unless {{ {clause} }};"
        );
        assert!(
            !ask_with(&text, FileSystemExecute, "/bin/x", ContextRef::Execute(&execute)).permitted,
            "{clause}"
        );
    }
}

#[test]
fn an_argument_that_would_be_hidden_from_the_policy_denies() {
    let twice = [Argument::Pair("--config", Some("/evil")), Argument::Pair("--config", Some("/safe"))];
    let posing = [Argument::Bare("x"), Argument::Pair("$ARG0", Some("y"))];
    for arguments in [twice, posing] {
        let execute = ExecuteContext {
            program: "x",
            chosen: &[],
            capabilities: &[],
            arguments: &arguments,
            environment: &[],
            username: "root",
            uid: 0,
            groupname: "root",
            gid: 0,
            target_process_id: None,
        };
        let verdict = ask_with(EVERYTHING, FileSystemExecute, "/bin/x", ContextRef::Execute(&execute));
        assert!(!verdict.permitted);
        assert!(verdict.failed);
    }
}

#[test]
fn earlier_answers_are_remembered_only_for_equal_questions() {
    let mut engine = engine(
        "permit(principal, action == file_system::Action::\"move\", resource) when { context.destination.name == \"b\" };",
    );
    let mut moving = |name: &str, parent_path: &str| {
        let context = ContextRef::Move { path: "/p", name, parent_path };
        engine
            .decide(&Question { action: FileSystemMove, resource: ResourceRef::File("/a"), context })
            .permitted
    };

    assert!(moving("b", "/c"));
    assert!(!moving("b/", "c"));
    assert!(!moving("", "b/c"));
    assert!(moving("b", "/c"));
}

#[test]
fn the_memory_is_bounded() {
    let mut engine = engine(EVERYTHING);
    for number in 0..10_000 {
        let path = format!("/a/{number}");
        assert!(engine.decide(&Question::new(FileSystemRead, ResourceRef::File(&path))).permitted);
    }
}

#[test]
fn five_hundred_rules_decide_as_one_would() {
    let text: String = (0..500)
        .map(|number| {
            format!("permit(principal, action, resource in file_system::Dir::\"/srv/{number}\");\n")
        })
        .collect();

    assert_eq!(load(&text, Mode::Strict).unwrap().policies.len(), 500);
    assert!(may_read(&text, "/srv/0/x"));
    assert!(may_read(&text, "/srv/499/x/y"));
    assert!(!may_read(&text, "/srv/500/x"));
    assert_eq!(ask(&text, FileSystemRead, ResourceRef::File("/srv/123/x")).determining, ["policy123"]);
}

#[test]
fn ids_run_through_all_sources_and_tell_their_place() {
    let sources = [
        PolicyText {
            name: "a.cedar",
            text: "permit(principal, action, resource);\n@id(\"named\")\npermit(principal, action, resource);",
        },
        PolicyText {
            name: "b.cedar",
            text: "\n\npermit(principal, action, resource);\n@id(\"named\") permit(principal, action, resource);",
        },
    ];

    let loaded = Policies::load(&sources, Mode::Standard).unwrap();

    let places: Vec<(&str, &str, usize)> =
        loaded.policies.places().map(|(id, place)| (id, place.file.as_str(), place.line)).collect();
    assert_eq!(
        places,
        [
            ("policy0", "a.cedar", 1),
            ("named", "a.cedar", 2),
            ("policy2", "b.cedar", 3),
            ("named#3", "b.cedar", 4)
        ]
    );
    assert_eq!(loaded.warnings.len(), 1);
}

#[test]
fn the_digest_is_that_of_the_file() {
    let policies = load("permit(principal, action, resource);", Mode::Standard).unwrap().policies;
    let two = Policies::load(
        &[PolicyText { name: "a", text: "" }, PolicyText { name: "b", text: "" }],
        Mode::Standard,
    )
    .unwrap()
    .policies;
    let empty = load("", Mode::Standard).unwrap().policies;

    assert_eq!(policies.digest(), "bacfa3fab8b34a87fbe68d2b949b8fb62bc093942a84fd9a08543f15a0b63ee2");
    assert_eq!(empty.digest(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_ne!(two.digest(), empty.digest());
}
