//! Network namespaces are left.

use rex_ipc::failure::ErrorKind;
use rex_ipc::process_system::LeaveNamespaces;
use rex_tests::session::{ALLOW_ALL, Session};
use rex_tests::tree::is_root;

use super::Victim;
use super::enter_namespaces::of_process;

#[test]
fn permitted() {
    if !is_root() {
        return;
    }
    let victim = Victim::start();
    let mut session = Session::with_policy(ALLOW_ALL);
    session.send(of_process(victim.pid())).unwrap();
    session.questions();

    session.send(LeaveNamespaces {}).unwrap();

    assert!(session.questions().is_empty(), "nothing is asked");
    assert!(session.services.host.network.inside.is_none());
}

#[test]
fn refused() {
    let mut session = Session::with_policy(ALLOW_ALL);

    let refused = session.send(LeaveNamespaces {}).unwrap_err();

    assert_eq!(refused.kind(), Some(ErrorKind::UnsupportedOperationError), "there is nothing to leave");
}
