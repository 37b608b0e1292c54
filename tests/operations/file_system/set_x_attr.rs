//! SELinux labels of open files.

use std::os::fd::AsFd;

use rex_ipc::bounded::Text;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::SetXAttr;
use rex_ipc::handle::FileId;
use rex_outside::kernel::{fgetxattr, fsetxattr};
use rex_tests::session::{ALLOW_ALL, Session};
use rex_tests::tree::is_root;

fn request(file: FileId, kind: &str) -> SetXAttr {
    SetXAttr {
        file,
        name: Text::new("security.selinux").unwrap(),
        selinux_user: None,
        selinux_role: None,
        selinux_type: Some(Text::new(kind).unwrap()),
        selinux_level: None,
    }
}

/// Gives a file a label, where that can be done without SELinux; says whether it was.
fn label(session: &Session, value: &[u8]) -> bool {
    let file = std::fs::File::open(session.path("a")).unwrap();
    let labelled = fsetxattr(file.as_fd(), c"security.selinux", value, 0).is_ok();
    if !labelled {
        rex_tests::skip::skipped("this system does not let labels be set");
    }
    labelled
}

// spec, 10: "check `set_x_attr File` with context `xattr = { name }`"; "unset parts are kept".
#[test]
fn permitted() {
    if !is_root() {
        return;
    }
    let mut session = Session::with_policy(
        r#"permit(principal, action == file_system::Action::"open", resource);
           permit(principal, action == file_system::Action::"set_x_attr", resource)
           when { context.xattr.name == "security.selinux" };"#,
    );
    session.tree.file("a", "");
    if !label(&session, b"system_u:object_r:etc_t:s0:c1,c2\0") {
        return;
    }
    let root = session.root();
    let file = session.open_file(root, "a").unwrap();
    session.records.clear();

    session.send(request(file, "tmp_t")).unwrap();

    let mut value = [0; 64];
    let held = std::fs::File::open(session.path("a")).unwrap();
    let length = fgetxattr(held.as_fd(), c"security.selinux", &mut value).unwrap();
    assert_eq!(&value[..length], b"system_u:object_r:tmp_t:s0:c1,c2\0");
    assert_eq!(session.questions(), ["permit set_x_attr File ~/a"]);
}

#[test]
fn denied() {
    let mut session = Session::with_policy(
        r#"permit(principal, action == file_system::Action::"open", resource);
           permit(principal, action == file_system::Action::"set_x_attr", resource)
           when { context.xattr.name == "security.selinux" };"#,
    );
    session.tree.file("a", "");
    let root = session.root();
    let file = session.open_file(root, "a").unwrap();
    session.records.clear();

    let other = SetXAttr { name: Text::new("user.x").unwrap(), ..request(file, "tmp_t") };

    assert!(session.send(other).unwrap_err().is_denial());
    assert_eq!(session.questions(), ["deny set_x_attr File ~/a"]);
}

#[test]
fn only_selinux_labels_can_be_set() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "");
    let root = session.root();
    let file = session.open_file(root, "a").unwrap();

    let other = SetXAttr { name: Text::new("user.x").unwrap(), ..request(file, "tmp_t") };
    let failure = session.send(other).unwrap_err().failure();

    assert_eq!(failure.kind, ErrorKind::UnsupportedOperationError);
    let expected = format!(
        "Unsupported Operation error: Extended attribute for 'user.x' is not supported. \
         Only 'security.selinux' is supported.: {}",
        session.text("a")
    );
    assert_eq!(failure.message.as_str(), expected);
}

#[test]
fn parts_of_labels_are_checked_before_the_file_is() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "");
    let root = session.root();
    let file = session.open_file(root, "a").unwrap();

    for (part, text) in [
        ("", "cannot be empty or whitespace-only"),
        (" \t", "cannot be empty or whitespace-only"),
        (" tmp_t", "cannot have leading or trailing whitespace"),
        ("a:b", "cannot contain ':' character as it is the context delimiter"),
        ("a\u{1}b", "cannot contain control characters"),
    ] {
        let failure = session.send(request(file, part)).unwrap_err().failure();
        assert_eq!(failure.kind, ErrorKind::InvalidArguments);
        let expected = format!("Invalid arguments: SELinux type {text}: {}", session.text("a"));
        assert_eq!(failure.message.as_str(), expected);
    }
}

// spec, 10: "Missing attribute → `RustixError` `No data available (os error 61)`."
#[test]
fn a_file_without_a_label_gets_none() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "");
    let root = session.root();
    let file = session.open_file(root, "a").unwrap();

    match session.send(request(file, "tmp_t")) {
        Ok(()) => rex_tests::skip::skipped("every file has a label here"),
        Err(refused) => {
            assert_eq!(refused.errno(), Some(nix::libc::ENODATA as u16));
            assert_eq!(refused.kind(), Some(ErrorKind::RustixError));
        }
    }
}
