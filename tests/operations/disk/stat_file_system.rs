//! How full a file system is.

use rex_ipc::bounded::Text;
use rex_ipc::sysinfo::{FileSystemStatus, StatFileSystem};
use rex_tests::session::{ALLOW_ALL, Session};

fn stat(path: &str) -> StatFileSystem {
    StatFileSystem { mount_point: Text::cut(path) }
}

#[test]
fn permitted() {
    let mut session = Session::with_policy(ALLOW_ALL);

    let status = session.send(stat("/")).unwrap();

    let known = nix::sys::statvfs::statvfs("/").unwrap();
    let FileSystemStatus::Known { fragment_bytes, blocks, inodes, .. } = status else { panic!("{status:?}") };
    assert_eq!((fragment_bytes, blocks, inodes), (known.fragment_size(), known.blocks(), known.files()));
    assert_eq!(session.questions(), ["permit stat Dir /", "permit read File /proc/mounts"]);
}

#[test]
fn denied() {
    let mut session =
        Session::with_policy(r#"permit(principal, action == file_system::Action::"read", resource);"#);
    assert!(session.send(stat("/")).unwrap_err().is_denial());
    assert_eq!(session.questions(), ["deny stat Dir /"]);

    let mut session =
        Session::with_policy(r#"permit(principal, action == file_system::Action::"stat", resource);"#);
    assert!(session.send(stat("/")).unwrap_err().is_denial());
    assert_eq!(session.questions(), ["permit stat Dir /", "deny read File /proc/mounts"]);
}

#[test]
fn no_link_leads_to_another_file_system() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.link("/proc", "l");
    let (link, missing) = (session.text("l"), session.text("missing"));

    assert_eq!(session.send(stat(&link)).unwrap_err().errno(), Some(nix::libc::ELOOP as u16));
    assert_eq!(session.send(stat(&missing)).unwrap_err().errno(), Some(nix::libc::ENOENT as u16));
}
