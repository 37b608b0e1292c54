//! Namespaces and mounts.

use super::{Act, Class, act, root_act};
use crate::call::{Errno, number, output, succeeds, text};
use crate::targets::Targets;

pub(super) const ACTS: &[Act] = &[
    act("new_user_namespace", Class::Namespace, |_| unshare(libc::CLONE_NEWUSER)),
    root_act("new_mount_namespace", Class::Namespace, |_| unshare(libc::CLONE_NEWNS)),
    root_act("new_network_namespace", Class::Namespace, |_| unshare(libc::CLONE_NEWNET)),
    root_act("new_pid_namespace", Class::Namespace, |_| unshare(libc::CLONE_NEWPID)),
    root_act("join_brokers_namespace", Class::Namespace, |targets| {
        let path = format!("/proc/{}/ns/uts\0", targets.broker);
        let path = std::ffi::CStr::from_bytes_with_nul(path.as_bytes()).unwrap_or_default();
        let namespace = super::file::open(path, libc::O_RDONLY)?;
        succeeds(libc::SYS_setns, &[number(namespace), number(0)])
    }),
    root_act("mount", Class::Namespace, mount),
    root_act("mount_by_descriptor", Class::Namespace, |_| {
        succeeds(libc::SYS_fsopen, &[text(c"tmpfs"), number(0)])
    }),
    root_act("clone_mounts", Class::Namespace, |_| {
        const OPEN_TREE_CLONE: i32 = 1;
        let flags = number(OPEN_TREE_CLONE);
        succeeds(libc::SYS_open_tree, &[number(libc::AT_FDCWD), text(c"/"), flags])
    }),
    root_act("change_root", Class::Namespace, |targets| {
        succeeds(libc::SYS_chroot, &[text(&targets.path("mount"))])
    }),
    root_act("set_host_name", Class::Namespace, |_| {
        // The name that it has already.
        let mut names = [[0_u8; 65]; 6];
        succeeds(libc::SYS_uname, &[output(&mut names)])?;
        let bytes = names[1].iter().take_while(|byte| **byte != 0).count() as i64;
        let name = names[1];
        succeeds(libc::SYS_sethostname, &[crate::call::input(&name), number(bytes)])
    }),
];

fn unshare(flag: i32) -> Result<(), Errno> {
    succeeds(libc::SYS_unshare, &[number(flag)])
}

fn mount(targets: &Targets) -> Result<(), Errno> {
    let place = targets.path("mount");
    let tmpfs = c"tmpfs";
    let none = number(0);
    succeeds(libc::SYS_mount, &[text(tmpfs), text(&place), text(tmpfs), none, none])?;
    succeeds(libc::SYS_umount2, &[text(&place), number(libc::MNT_DETACH)])
}
