//! Kernel parameters.

use rex_ipc::bounded::Text;
use rex_ipc::sysinfo::WriteParameter;
use rex_tests::session::{ALLOW_ALL, Session};

/// A parameter of the test's own: it exists as long as somebody is in this network namespace and is not the host's.
const PARAMETER: &str = "kernel/hung_task_warnings";

fn write(path: &str, value: &str) -> WriteParameter {
    WriteParameter { path: Text::cut(path), value: Text::cut(value) }
}

#[test]
fn permitted() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let path = format!("/proc/sys/{PARAMETER}");
    let Ok(value) = std::fs::read_to_string(&path) else { return };

    // The value that it has: what is tried is the way, and the host stays as it is.
    let written = session.send(write(PARAMETER, value.trim()));

    if nix::unistd::geteuid().is_root() {
        written.unwrap();
    } else {
        assert_eq!(written.unwrap_err().errno(), Some(nix::libc::EACCES as u16));
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), value);
    assert_eq!(
        session.questions(),
        [
            "permit open Dir /proc/sys/kernel".to_owned(),
            format!("permit open File /proc/sys/{PARAMETER}"),
            format!("permit write File /proc/sys/{PARAMETER}"),
        ]
    );
}

#[test]
fn denied() {
    let open = r#"permit(principal, action == file_system::Action::"open", resource);"#;
    let mut session = Session::with_policy(open);

    assert!(session.send(write(PARAMETER, "1")).unwrap_err().is_denial());
    assert_eq!(session.questions().last(), Some(&format!("deny write File /proc/sys/{PARAMETER}")));
}

#[test]
fn nothing_but_parameters_is_written() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("f", "old");
    let outside = session.text("f");
    let up = format!("../..{outside}");

    for path in ["", "/", ".", "kernel/", "kernel", "no/such/parameter", up.as_str(), "kernel/\0x"] {
        assert!(session.send(write(path, "new")).is_err(), "{path:?}");
    }
    assert!(session.send(write(PARAMETER, "1\0")).is_err());
    assert_eq!(std::fs::read_to_string(outside).unwrap(), "old");
}
