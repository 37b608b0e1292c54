//! The name of the host.

use rex_ipc::sysinfo::HostName;
use rex_tests::session::Session;

use super::LIST;

#[test]
fn permitted() {
    let mut session = Session::with_policy(LIST);

    let name = session.send(HostName {}).unwrap().name;

    assert_eq!(name.as_str(), std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim());
    assert_eq!(session.questions(), ["permit list sysinfo::Sysinfo host"]);
}

#[test]
fn denied() {
    let mut session = Session::with_policy("");

    assert!(session.send(HostName {}).unwrap_err().is_denial());
}
