//! What is known of services, under the names that scripts know.

use rex_ipc::systemd::UnitVerb;
use rhai::{Dynamic, ImmutableString, NativeCallContext};

use crate::process::service::{ServiceInfo, State};
use crate::process::units::SystemctlManager;
use crate::registry::{Entry, NOTHING, Registrar};

/// Registers the manager of services, what it tells, and the states of services.
pub fn register(registrar: &mut Registrar<'_>) {
    register_manager(registrar);
    register_info(registrar);
    registrar.type_name::<State>("State");
    let entry = |name, signature, returns, doc| Entry {
        module: "State",
        name,
        signature,
        returns,
        actions: NOTHING,
        doc,
    };
    for (state, name, _) in State::ALL {
        registrar.constant(entry(name, "constant", "State", "A state of a service."), Dynamic::from(state));
    }
    let (one, both) = ("(State)", "(State, State)");
    registrar
        .function(entry("==", both, "bool", "Whether both are the same state."), |a: State, b: State| a == b);
    registrar
        .function(entry("!=", both, "bool", "Whether they are different states."), |a: State, b: State| {
            a != b
        });
    registrar.function(entry("to_string", one, "String", "What systemd calls the state."), State::as_text);
    registrar
        .function(entry("is_active", one, "bool", "Whether a service in it is there."), State::is_active);
    registrar
        .function(entry("get$is_active", one, "bool", "Whether a service in it is there."), State::is_active);
}

fn register_manager(registrar: &mut Registrar<'_>) {
    registrar.type_name::<SystemctlManager>("SystemctlManager");
    let entry = |name, signature, returns, actions, doc| Entry {
        module: "SystemctlManager",
        name,
        signature,
        returns,
        actions,
        doc,
    };
    registrar.function(
        entry("SystemctlManager", "()", "SystemctlManager", NOTHING, "The manager of services."),
        SystemctlManager::default,
    );
    registrar.function(
        entry(
            "wait",
            "(SystemctlManager, bool)",
            "SystemctlManager",
            NOTHING,
            "The manager that waits until what is asked for is done.",
        ),
        |manager: SystemctlManager, waits: bool| manager.waiting(waits),
    );
    let of_unit = "(SystemctlManager, service: String)";
    for (name, actions, doc, verb) in [
        ("start", "systemd::Action::\"start\" Service(<service>)", "Starts a unit.", UnitVerb::Start),
        ("stop", "systemd::Action::\"stop\" Service(<service>)", "Stops a unit.", UnitVerb::Stop),
        ("restart", RESTART, "Restarts a unit, or starts it.", UnitVerb::Restart),
        ("try_restart", RESTART, "Restarts a unit if it runs.", UnitVerb::TryRestart),
    ] {
        registrar.function(
            entry(name, of_unit, "()", actions, doc),
            move |context: NativeCallContext, manager: SystemctlManager, unit: &str| {
                manager.act(&context, unit, verb)
            },
        );
    }
    registrar.function(
        entry(
            "daemon_reload",
            "(SystemctlManager)",
            "()",
            "systemd::Action::\"daemon_reload\" Systemd",
            "Has the manager read its unit files again.",
        ),
        |context: NativeCallContext, _manager: SystemctlManager| SystemctlManager::reload(&context),
    );
    registrar.function(
        entry(
            "status",
            of_unit,
            "ServiceInfo",
            "systemd::Action::\"status\" Service(<service>)",
            "What is known of a unit.",
        ),
        |context: NativeCallContext, _manager: SystemctlManager, unit: &str| {
            SystemctlManager::status(&context, unit)
        },
    );
}

const RESTART: &str = "systemd::Action::\"restart\" Service(<service>)";

fn register_info(registrar: &mut Registrar<'_>) {
    registrar.type_name::<ServiceInfo>("rust_safe_process_mgmt::systemctl::ServiceInfo");
    let entry = |name, returns, doc| Entry {
        module: "ServiceInfo",
        name,
        signature: "(ServiceInfo)",
        returns,
        actions: NOTHING,
        doc,
    };
    type Field = fn(&ServiceInfo) -> &ImmutableString;
    let texts: [(&str, &str, Field); 7] = [
        ("get$name", "The name by which it was asked for.", |info| &info.name),
        ("get$description", "What it is for.", |info| &info.description),
        ("get$load_state", "Whether its unit file was read.", |info| &info.load_state),
        ("get$load_path", "Where its unit file is.", |info| &info.load_path),
        ("get$unit_file_state", "Whether it is started with the host.", |info| &info.unit_file_state),
        ("get$unit_file_preset", "Whether the vendor has it started with the host.", |info| {
            &info.unit_file_preset
        }),
        ("get$sub_state", "Its state as this type of unit has it.", |info| &info.sub_state),
    ];
    for (name, doc, field) in texts {
        registrar.function(entry(name, "String", doc), move |info: &mut ServiceInfo| field(info).clone());
    }
    registrar.function(entry("get$active_state", "State", "Its state."), |info: &mut ServiceInfo| {
        info.active_state
    });
    registrar.function(
        entry("get$main_pid", "i64 | ()", "The number of its main process, when it is active."),
        |info: &mut ServiceInfo| info.main_pid(),
    );
    registrar.function(
        entry("get$tasks", "u64 | ()", "How many tasks it has, when it is active."),
        |info: &mut ServiceInfo| info.tasks(),
    );
    registrar.function(
        entry("get$memory", "u64 | ()", "Its memory in bytes, when it is active."),
        |info: &mut ServiceInfo| info.memory(),
    );
    registrar.function(
        entry("get$need_daemon_reload", "bool", "Whether its unit file has changed since it was read."),
        |info: &mut ServiceInfo| info.need_daemon_reload,
    );
    registrar.function(entry("to_string", "String", "The fields as JSON."), |info: &mut ServiceInfo| {
        info.as_text()
    });
    registrar
        .function(entry("to_map", "Map", "The fields as a map."), |info: &mut ServiceInfo| info.to_map());
}

#[cfg(test)]
mod tests {
    use rhai::{Engine, Scope};

    use super::*;
    use crate::testing::Bench;

    #[test]
    fn states_compare_have_names_and_know_whether_they_are_active() {
        let script = r#"
            let s = State::DEACTIVATING;
            [State::ACTIVE.to_string(), State::FAILED == State::FAILED, State::ACTIVE != State::INACTIVE, State::ACTIVE.is_active,
             State::RELOADING.is_active, State::FAILED.is_active, State::UNKNOWN.to_string(), State::REFRESHING.is_active(),
             is_active(State::MAINTENANCE), `${s}`, "" + State::ACTIVATING, type_of(s), s == 1, s != 1]
        "#;

        let expected = r#"["active", true, true, true, true, false, "unknown", true, false, "deactivating", "activating", "State", false, true]"#;
        assert_eq!(Bench::new().output(script), expected);
        assert_eq!(Bench::new().like_rex().output(script), expected);
        assert!(Bench::new().failure("State::Active").starts_with("Variable not found: State::Active"));
    }

    fn service() -> ServiceInfo {
        ServiceInfo {
            name: "a.service".into(),
            description: "An \"A\"".into(),
            load_state: "loaded".into(),
            load_path: "/etc/a".into(),
            unit_file_state: "enabled".into(),
            unit_file_preset: "disabled".into(),
            active_state: State::Active,
            sub_state: "running".into(),
            main_pid: Some(12),
            tasks: Some(u64::MAX),
            memory: Some(4096),
            documentation: vec!["man:a(8)".into(), "https://a".into()],
            need_daemon_reload: false,
        }
    }

    fn output(info: ServiceInfo, script: &str) -> String {
        let mut engine = Engine::new();
        let mut registrar = Registrar::new(&mut engine);
        register(&mut registrar);
        register_info(&mut registrar);
        registrar.finish();
        let mut scope = Scope::new();
        scope.push("s", info);
        engine.eval_with_scope::<Dynamic>(&mut scope, script).unwrap().to_string()
    }

    #[test]
    fn a_service_has_properties_a_map_and_a_text() {
        let script = "[s.name, s.description, s.load_state, s.load_path, s.unit_file_state, s.unit_file_preset, s.active_state == State::ACTIVE, \
                      s.sub_state, s.main_pid, type_of(s.tasks), s.memory.to_string(), s.need_daemon_reload, type_of(s)]";

        assert_eq!(
            output(service(), script),
            "[\"a.service\", \"An \\\"A\\\"\", \"loaded\", \"/etc/a\", \"enabled\", \"disabled\", true, \"running\", 12, \"u64\", \"4096\", \
             false, \"rust_safe_process_mgmt::systemctl::ServiceInfo\"]"
        );
        assert_eq!(
            output(service(), "s.to_map()"),
            r##"#{"active_state": "active", "description": "An \"A\"", "documentation": ["man:a(8)", "https://a"], "load_path": "/etc/a", "load_state": "loaded", "main_pid": 12, "memory": "4096", "name": "a.service", "need_daemon_reload": false, "sub_state": "running", "tasks": "18446744073709551615", "unit_file_preset": "disabled", "unit_file_state": "enabled"}"##
        );
        assert_eq!(
            output(service(), "s.to_string()"),
            r#"{
  "name": "a.service",
  "description": "An \"A\"",
  "load_state": "loaded",
  "load_path": "/etc/a",
  "unit_file_state": "enabled",
  "unit_file_preset": "disabled",
  "active_state": "active",
  "sub_state": "running",
  "main_pid": 12,
  "tasks": "18446744073709551615",
  "memory": "4096",
  "documentation": [
    "man:a(8)",
    "https://a"
  ],
  "need_daemon_reload": false
}"#
        );
    }

    #[test]
    fn what_is_not_known_of_a_service_is_no_value() {
        let stopped = ServiceInfo {
            active_state: State::Inactive,
            main_pid: None,
            tasks: None,
            memory: None,
            documentation: Vec::new(),
            need_daemon_reload: true,
            ..service()
        };

        assert_eq!(
            output(
                stopped.clone(),
                "let m = s.to_map(); [s.main_pid, s.tasks, s.memory, m.main_pid, m.tasks, m.memory, m.documentation]"
            ),
            "[(), (), (), (), (), (), []]"
        );
        let text = output(stopped, "s.to_string()");
        assert!(text.ends_with("\"sub_state\": \"running\",\n  \"main_pid\": null,\n  \"tasks\": null,\n  \"memory\": null,\n  \"documentation\": [],\n  \"need_daemon_reload\": true\n}"), "{text}");
    }
}
