//! Names and contents of files.

use std::ffi::CStr;

use libc::{AT_FDCWD, O_CREAT, O_DIRECTORY, O_RDONLY, O_RDWR, O_WRONLY};

use super::{Act, Class, act, root_act};
use crate::call::{Errno, call, length, number, output, succeeds, text};
use crate::targets::Targets;

pub(super) const ACTS: &[Act] = &[
    act("open_file", Class::File, |targets| open(&targets.path("secret"), O_RDONLY).map(drop)),
    act("create_file", Class::File, |targets| {
        open(&targets.path("new"), O_WRONLY | O_CREAT | libc::O_EXCL).map(drop)
    }),
    root_act("open_shadow", Class::File, |_| open(c"/etc/shadow", O_RDONLY).map(drop)),
    act("open_own_memory", Class::File, |_| open(c"/proc/self/mem", O_RDWR).map(drop)),
    root_act("open_processes_memory", Class::File, |targets| {
        let path = format!("/proc/{}/mem\0", targets.broker);
        open(CStr::from_bytes_with_nul(path.as_bytes()).unwrap_or_default(), O_RDWR).map(drop)
    }),
    act("open_device", Class::File, |_| open(c"/dev/null", O_RDWR).map(drop)),
    act("list_directory", Class::File, list_directory),
    act("stat_file", Class::File, |targets| {
        let mut stat = [0_u64; 32];
        succeeds(libc::SYS_newfstatat, &[cwd(), text(&targets.path("secret")), output(&mut stat), number(0)])
    }),
    act("read_link", Class::File, |targets| {
        let mut link = [0_u8; 64];
        let room = length(&link);
        succeeds(libc::SYS_readlinkat, &[cwd(), text(&targets.path("link")), output(&mut link), room])
    }),
    act("ask_for_access", Class::File, |targets| {
        succeeds(libc::SYS_faccessat, &[cwd(), text(&targets.path("secret")), number(libc::R_OK)])
    }),
    act("make_directory", Class::File, |targets| {
        succeeds(libc::SYS_mkdirat, &[cwd(), text(&targets.path("new")), number(0o700)])
    }),
    act("make_fifo", Class::File, |targets| {
        let mode = libc::S_IFIFO | 0o600;
        succeeds(libc::SYS_mknodat, &[cwd(), text(&targets.path("new")), number(mode), number(0)])
    }),
    root_act("make_device", Class::File, |targets| {
        let mode = libc::S_IFCHR | 0o600;
        succeeds(libc::SYS_mknodat, &[cwd(), text(&targets.path("new")), number(mode), number(0x103)])
    }),
    act("make_symlink", Class::File, |targets| {
        succeeds(libc::SYS_symlinkat, &[text(c"/etc/shadow"), cwd(), text(&targets.path("new"))])
    }),
    act("make_hard_link", Class::File, |targets| {
        let (from, to) = (targets.path("secret"), targets.path("new"));
        succeeds(libc::SYS_linkat, &[cwd(), text(&from), cwd(), text(&to), number(0)])
    }),
    act("rename_file", Class::File, |targets| {
        let (from, to) = (targets.path("secret"), targets.path("new"));
        succeeds(libc::SYS_renameat2, &[cwd(), text(&from), cwd(), text(&to), number(0)])
    }),
    act("remove_file", Class::File, |targets| {
        succeeds(libc::SYS_unlinkat, &[cwd(), text(&targets.path("secret")), number(0)])
    }),
    act("truncate_file", Class::File, |targets| {
        succeeds(libc::SYS_truncate, &[text(&targets.path("secret")), number(0)])
    }),
    act("change_mode", Class::File, |targets| {
        succeeds(libc::SYS_fchmodat, &[cwd(), text(&targets.path("secret")), number(0o4777)])
    }),
    act("change_owner", Class::File, |targets| {
        let keep = number(-1);
        succeeds(libc::SYS_fchownat, &[cwd(), text(&targets.path("secret")), keep, keep, number(0)])
    }),
    act("set_times", Class::File, |targets| {
        let now = number(0);
        succeeds(libc::SYS_utimensat, &[cwd(), text(&targets.path("secret")), now, number(0)])
    }),
    act("list_attributes", Class::File, |targets| {
        let mut names = [0_u8; 256];
        let room = length(&names);
        succeeds(libc::SYS_listxattr, &[text(&targets.path("secret")), output(&mut names), room])
    }),
    act("change_directory", Class::File, |targets| succeeds(libc::SYS_chdir, &[text(&targets.path(""))])),
    act("stat_file_system", Class::File, |targets| {
        let mut statfs = [0_u64; 32];
        succeeds(libc::SYS_statfs, &[text(&targets.path("secret")), output(&mut statfs)])
    }),
    act("name_to_handle", Class::File, |targets| name_to_handle(targets).map(drop)),
    root_act("open_by_handle", Class::File, |targets| {
        let mut handle = name_to_handle(targets)?;
        let mount = open(&targets.path(""), O_RDONLY | O_DIRECTORY)?;
        succeeds(libc::SYS_open_by_handle_at, &[number(mount), output(&mut handle), number(O_RDONLY)])
    }),
    act("watch_file", Class::File, |targets| {
        let watcher = call(libc::SYS_inotify_init1, &[number(0)])?;
        let watcher = number(watcher as i64);
        succeeds(libc::SYS_inotify_add_watch, &[watcher, text(&targets.path("secret")), number(2)])
    }),
];

fn cwd() -> crate::call::Word<'static> {
    number(AT_FDCWD)
}

pub(super) fn open(path: &CStr, flags: libc::c_int) -> Result<i32, Errno> {
    let flags = number(flags | libc::O_CLOEXEC);
    call(libc::SYS_openat, &[cwd(), text(path), flags, number(0o600)]).map(|fd| fd as i32)
}

fn list_directory(targets: &Targets) -> Result<(), Errno> {
    let directory = open(&targets.path(""), O_RDONLY | O_DIRECTORY)?;
    let mut entries = [0_u64; 128];
    let room = length(&entries);
    succeeds(libc::SYS_getdents64, &[number(directory), output(&mut entries), room])
}

/// `struct file_handle` with 128 bytes of room: length, type, bytes.
fn name_to_handle(targets: &Targets) -> Result<[u32; 34], Errno> {
    let mut handle = [0_u32; 34];
    handle[0] = 128;
    let mut mount_id = 0_u32;
    succeeds(
        libc::SYS_name_to_handle_at,
        &[cwd(), text(&targets.path("secret")), output(&mut handle), output(&mut mount_id), number(0)],
    )?;
    // The test wants a handle that was really written, so an empty one is no success.
    if handle[0] == 0 { Err(libc::EIO) } else { Ok(handle) }
}
