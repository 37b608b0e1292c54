//! What is mounted at a place is taken away.

use std::fs;
use std::path::Path;

use nix::libc::{EBUSY, EINVAL, ELOOP, ENOENT};
use rex_ipc::bounded::Text;
use rex_ipc::sysinfo::Unmount;
use rex_tests::session::{ALLOW_ALL, Session};
use rex_tests::tree::{is_root, mount_new, text_of, with_mounts};

fn unmount(path: impl AsRef<Path>) -> Unmount {
    Unmount { path: Text::cut(&text_of(path.as_ref())) }
}

/// What this thread sees mounted at exactly this place, the last mount last.
fn mounts_at(path: &Path) -> usize {
    let table = fs::read_to_string("/proc/thread-self/mounts").unwrap();
    table.lines().filter(|line| line.split(' ').nth(1) == path.to_str()).count()
}

/// Runs a test with a session and a directory of its tree at which something is mounted.
fn with_mounted(policy: &str, name: &str, test: impl FnOnce(Session, std::path::PathBuf) + Send) {
    if !is_root() {
        return;
    }
    with_mounts(|| {
        let session = Session::with_policy(policy);
        let at = session.tree.dir(name);
        mount_new("tmpfs", &at);
        test(session, at);
    });
}

#[test]
fn permitted() {
    with_mounted(ALLOW_ALL, "m", |mut session, at| {
        mount_new("tmpfs", &at);
        fs::write(at.join("last"), "").unwrap();

        session.send(unmount(&at)).unwrap();

        assert!(!at.join("last").exists());
        assert_eq!(mounts_at(&at), 1, "one of them, and not all");
        assert_eq!(session.questions(), ["permit unmount Dir ~/m"]);
        session.send(unmount(&at)).unwrap();
        assert_eq!(session.send(unmount(&at)).unwrap_err().errno(), Some(EINVAL as u16));
        assert_eq!(mounts_at(&at), 0);
    });
}

#[test]
fn denied() {
    let policy = r#"permit(principal, action, resource);
                    forbid(principal, action == file_system::Action::"unmount", resource);"#;
    let mut session = Session::with_policy(policy);
    assert!(session.send(unmount("/nowhere/at/all")).unwrap_err().is_denial());
    assert_eq!(session.questions(), ["deny unmount Dir /nowhere/at/all"]);
    with_mounted(policy, "m", |mut session, at| {
        assert!(session.send(unmount(&at)).unwrap_err().is_denial());

        assert_eq!(mounts_at(&at), 1);
    });
}

#[test]
fn no_link_leads_to_another_mount_and_what_is_none_is_told() {
    with_mounted(ALLOW_ALL, "d/m", |mut session, at| {
        session.tree.link(at.to_str().unwrap(), "last");
        session.tree.link(at.parent().unwrap().to_str().unwrap(), "way");
        session.tree.dir("plain");
        let mut told = |name: &str| {
            let path = session.tree.path(name);
            session.send(unmount(path)).unwrap_err().errno()
        };

        assert_eq!(told("last"), Some(EINVAL as u16));
        assert_eq!(told("way/m"), Some(ELOOP as u16));
        assert_eq!(told("plain"), Some(EINVAL as u16));
        assert_eq!(told("missing"), Some(ENOENT as u16));
        assert_eq!(mounts_at(&at), 1);
    });
}

#[test]
fn what_is_in_use_stays() {
    with_mounted(ALLOW_ALL, "m", |mut session, at| {
        let held = fs::File::create(at.join("f")).unwrap();

        assert_eq!(session.send(unmount(&at)).unwrap_err().errno(), Some(EBUSY as u16));

        drop(held);
        session.send(unmount(&at)).unwrap();
    });
}

#[test]
fn what_the_run_needs_stays_mounted_whatever_the_policy_says() {
    with_mounted(ALLOW_ALL, "m", |mut session, at| {
        fs::create_dir(at.join("log")).unwrap();
        let log = at.join("log/audit");
        fs::write(&log, "").unwrap();
        let reason = rex_broker::gate::forbidden::AUDIT_LOG;
        session.services.deciding.forbidden.add_file(&log, reason).unwrap();

        for path in [at.as_path(), Path::new("/proc"), Path::new("/")] {
            assert!(session.send(unmount(path)).unwrap_err().is_denial(), "{}", path.display());
        }

        assert_eq!((mounts_at(&at), mounts_at(Path::new("/proc"))), (1, 1));
        // A control: beside it there is nothing that would stop it.
        let other = session.tree.dir("other");
        mount_new("tmpfs", &other);
        session.send(unmount(&other)).unwrap();
    });
}
