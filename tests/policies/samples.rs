//! Policies that people have written for Rex: all of them load in its mode.

use std::fs;
use std::path::{Path, PathBuf};

use rex_broker::policy::{ContextRef, Engine, Mode, Policies, PolicyText, ProcessRef, Question, ResourceRef};
use rex_ipc::action::ActionId;
use serde_json::Value;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|own| own == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn every_policy_of_the_conformance_cases_loads_in_rexs_mode() {
    let cases = files(&folder("conformance/cases"), "json");
    assert!(cases.len() > 100, "only {} cases were found", cases.len());
    let mut refused = Vec::new();

    for path in &cases {
        let case: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let name = path.display().to_string();
        let text = case["policy"].as_str().unwrap();
        let text = text.replace("${DIR}", "/tmp/case").replace("${PORT}", "8080").replace("${VICTIM}", "42");
        if Policies::load(&[PolicyText { name: &name, text: &text }], Mode::Rex).is_err() {
            refused.push((name, case["expect"]["error_type"].clone()));
        }
    }

    // Only what a case says does not parse is refused.
    assert!(refused.iter().all(|(_, error)| error == "INTERNAL_EXCEPTION"), "{refused:?}");
}

#[test]
fn the_sample_policies_load_in_rexs_mode_and_decide_as_described() {
    let may_read = |name: &str, path: &str| {
        let text = fs::read_to_string(folder("policies/samples").join(name)).unwrap();
        let loaded = Policies::load(&[PolicyText { name, text: &text }], Mode::Rex).unwrap();
        let question = Question::new(ActionId::FileSystemRead, ResourceRef::File(path));
        Engine::new(loaded.policies, "root").decide(&question).permitted
    };

    assert_eq!(files(&folder("policies/samples"), "cedar").len(), 6);
    assert!(!may_read("nothing.cedar", "/tmp/rexdemo/logs/app.log"));
    assert!(may_read("read-logs.cedar", "/tmp/rexdemo/logs/app.log"));
    assert!(!may_read("read-logs.cedar", "/tmp/rexdemo/logs/other.log"));
    assert!(may_read("tree.cedar", "/tmp/rexdemo/logs/other.log"));
    assert!(!may_read("tree.cedar", "/tmp/rexdemo2"));
    assert!(may_read("all.cedar", "/etc/shadow"));
    assert!(!may_read("other-user.cedar", "/tmp/rexdemo/logs/app.log"));
    // Rex skips the forbid; here it denies.
    assert!(!may_read("broken-forbid.cedar", "/tmp/rexdemo/logs/app.log"));
}

#[test]
fn every_policy_that_is_shipped_passes_the_strictest_mode() {
    let shipped = files(&folder("../policies/examples"), "cedar");
    assert!(shipped.len() >= 6);

    for path in shipped {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.display().to_string();
        let loaded = Policies::load(&[PolicyText { name: &name, text: &text }], Mode::Strict);
        assert!(loaded.is_ok(), "{}", loaded.unwrap_err());
    }
}

#[test]
fn who_is_on_call_may_do_what_is_written_and_nothing_else() {
    let may = |user: &str, action, resource| {
        let text = fs::read_to_string(folder("../policies/examples/on-call.cedar")).unwrap();
        let loaded = Policies::load(&[PolicyText { name: "on-call", text: &text }], Mode::Strict).unwrap();
        Engine::new(loaded.policies, user).decide(&Question::new(action, resource)).permitted
    };
    let process = |uid, exe| {
        ResourceRef::Process(ProcessRef {
            pid: 7,
            name: "app",
            username: "app",
            command: "app",
            uid,
            start_time: 1,
            exe,
        })
    };
    let (restart, kill) = (ActionId::SystemdRestart, ActionId::ProcessKill);

    assert!(may("root", restart, ResourceRef::Service("nginx.service")));
    assert!(!may("root", restart, ResourceRef::Service("sshd.service")));
    assert!(!may("root", ActionId::SystemdStop, ResourceRef::Service("nginx.service")));
    assert!(!may("guest", restart, ResourceRef::Service("nginx.service")));
    assert!(may("guest", ActionId::SystemdStatus, ResourceRef::Service("sshd.service")));
    assert!(may("root", kill, process(1500, Some("/opt/app/bin/app"))));
    // Whoever only calls itself so, or whose program nobody knows, is left alone.
    assert!(!may("root", kill, process(1501, Some("/opt/app/bin/app"))));
    assert!(!may("root", kill, process(1500, Some("/tmp/app"))));
    assert!(!may("root", kill, process(1500, None)));
}

#[test]
fn a_monitoring_job_reads_and_changes_nothing() {
    let text = fs::read_to_string(folder("../policies/examples/monitor.cedar")).unwrap();
    let loaded = Policies::load(&[PolicyText { name: "monitor", text: &text }], Mode::Strict).unwrap();
    let mut engine = Engine::new(loaded.policies, "monitor");
    let mut may = |action, resource| engine.decide(&Question::new(action, resource)).permitted;

    assert!(may(ActionId::FileSystemRead, ResourceRef::File("/proc/meminfo")));
    assert!(may(ActionId::SysinfoList, ResourceRef::Sysinfo));
    assert!(may(ActionId::FileSystemStat, ResourceRef::Dir("/srv")));
    assert!(!may(ActionId::FileSystemRead, ResourceRef::File("/proc/1/environ")));
    assert!(!may(ActionId::FileSystemRead, ResourceRef::File("/etc/shadow")));
    assert!(!may(ActionId::FileSystemWrite, ResourceRef::File("/proc/meminfo")));
    assert!(!may(ActionId::SystemdRestart, ResourceRef::Service("nginx.service")));
}

#[test]
fn a_client_of_one_host_fetches_its_pages_and_no_others() {
    let text = fs::read_to_string(folder("../policies/examples/http-client.cedar")).unwrap();
    let loaded = Policies::load(&[PolicyText { name: "http-client", text: &text }], Mode::Strict).unwrap();
    let mut engine = Engine::new(loaded.policies, "client");
    let mut may = |url: &str, scheme, host, port, hop, address: Option<&str>| {
        let address = address.map(|address| address.parse().unwrap());
        let context = ContextRef::Get { host, port, scheme, hop, address };
        let question = Question { action: ActionId::NetworkGet, resource: ResourceRef::Url(url), context };
        engine.decide(&question).permitted
    };
    let (page, host) = ("https://api.example.com/v1/a", "api.example.com");

    assert!(may(page, "https", host, 443, 0, None));
    assert!(may(page, "https", host, 443, 2, Some("192.0.2.7")));
    assert!(!may(page, "https", host, 443, 0, Some("198.51.100.7")));
    assert!(!may(page, "https", host, 443, 0, Some("127.0.0.1")));
    assert!(!may("https://api.example.com/v2/a", "https", host, 443, 0, None));
    assert!(!may("http://api.example.com/v1/a", "http", host, 80, 0, None));
    assert!(!may("https://api.example.com:8443/v1/a", "https", host, 8443, 0, None));
    assert!(!may("https://other.example.com/v1/a", "https", "other.example.com", 443, 1, None));
}
