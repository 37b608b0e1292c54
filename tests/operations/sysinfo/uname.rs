//! Names of the kernel.

use rex_ipc::sysinfo::Uname;
use rex_tests::session::Session;

use super::LIST;

#[test]
fn permitted() {
    let mut session = Session::with_policy(LIST);

    let names = session.send(Uname {}).unwrap();

    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert_eq!((names.kernel_name.as_str(), names.release.as_str()), ("Linux", release.trim()));
    assert_eq!(session.questions(), ["permit list sysinfo::Sysinfo host"]);
}

#[test]
fn denied() {
    let mut session = Session::with_policy("");

    assert!(session.send(Uname {}).unwrap_err().is_denial());
    assert_eq!(session.questions(), ["deny list sysinfo::Sysinfo host"]);
}
