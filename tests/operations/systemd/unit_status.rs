//! Properties of units.

use rex_ipc::bounded::Text;
use rex_ipc::failure::ErrorKind;
use rex_ipc::systemd::{UnitInterface, UnitStatus};
use rex_tests::session::ALLOW_ALL;

use super::bus::{Calls, manager, properties, session_with};

fn status(unit: &str, interface: UnitInterface, offset_bytes: u32) -> UnitStatus {
    UnitStatus { unit: Text::cut(unit), interface, offset_bytes }
}

#[test]
fn permitted() {
    for (interface, name) in [
        (UnitInterface::Unit, "org.freedesktop.systemd1.Unit"),
        (UnitInterface::Service, "org.freedesktop.systemd1.Service"),
    ] {
        let policy = r#"permit(principal, action == systemd::Action::"status", resource == systemd::Service::"a.service");"#;
        let mut session = session_with(policy, manager(Calls::default()));

        let mut bytes: Vec<u8> = Vec::new();
        loop {
            let part = session.send(status("a.service", interface, bytes.len() as u32)).unwrap();
            bytes.extend(part.bytes.as_slice());
            if part.end {
                break;
            }
        }

        assert_eq!(bytes, properties(name));
        assert_eq!(session.questions()[0], "permit status systemd::Service a.service");
    }
}

#[test]
fn denied() {
    let policy = r#"permit(principal, action == systemd::Action::"status", resource == systemd::Service::"alias.service");"#;
    let mut session = session_with(policy, manager(Calls::default()));

    assert!(session.send(status("a.service", UnitInterface::Unit, 0)).unwrap_err().is_denial());
    assert!(session.send(status("alias.service", UnitInterface::Unit, 0)).unwrap_err().is_denial());
    assert_eq!(
        session.questions(),
        [
            "deny status systemd::Service a.service",
            "permit status systemd::Service alias.service",
            "deny status systemd::Service real.service"
        ]
    );
}

#[test]
fn a_part_needs_its_beginning() {
    let mut session = session_with(ALLOW_ALL, manager(Calls::default()));

    let refused = session.send(status("a.service", UnitInterface::Unit, 5)).unwrap_err();

    assert_eq!(refused.kind(), Some(ErrorKind::InvalidArguments));
}

#[test]
fn a_unit_that_cannot_be_loaded_is_not_there() {
    let mut session = session_with(ALLOW_ALL, manager(Calls::default()));

    let refused = session.send(status("invalid name", UnitInterface::Unit, 0)).unwrap_err();

    assert_eq!(refused.kind(), Some(ErrorKind::NotFound));
}
