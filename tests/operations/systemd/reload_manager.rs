//! Having the manager read its unit files again.

use rex_ipc::systemd::ReloadManager;

use super::bus::{Calls, manager, session_with};

#[test]
fn permitted() {
    let calls = Calls::default();
    let policy = r#"permit(principal, action == systemd::Action::"daemon_reload", resource);"#;
    let mut session = session_with(policy, manager(calls.clone()));

    session.send(ReloadManager {}).unwrap();

    assert_eq!(calls.lock().unwrap().last().unwrap(), "Reload");
    assert_eq!(session.questions(), ["permit daemon_reload systemd::Systemd host"]);
}

#[test]
fn denied() {
    let calls = Calls::default();
    let policy = r#"permit(principal, action == systemd::Action::"restart", resource);"#;
    let mut session = session_with(policy, manager(calls.clone()));

    assert!(session.send(ReloadManager {}).unwrap_err().is_denial());
    assert!(calls.lock().unwrap().is_empty(), "nobody has asked the bus");
}
