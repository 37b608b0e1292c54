//! What is mounted, told of real mounts: with a space in the place, and two at one place.

use std::process::Command;

use nix::unistd::geteuid;
use rex_tests::skip::skipped;

use super::people::{USUAL, place, run, text};

// mount(8): what is mounted at a place hides what was there; the table of mounts has both.
#[test]
fn a_mount_at_a_place_with_a_space_and_one_above_it_are_told_with_the_size_of_what_is_seen() {
    if !geteuid().is_root() {
        skipped("only root can mount a file system");
        return;
    }
    let scratch =
        place(r#"df().filter(|f| f.mounted_on.ends_with("/a b")).map(|f| [f.fs_device, f.kb_blocks])"#);
    let mounted = "mkdir 'a b' && mount -t tmpfs -o size=1m lower 'a b' && mount -t tmpfs -o size=2m upper 'a b' && exec \"$@\"";
    let command = run(&scratch, &USUAL);
    let mut behind = Command::new("unshare");
    behind.args(["--mount", "sh", "-c", mounted, "sh"]).arg(command.get_program()).args(command.get_args());
    behind.current_dir(scratch.path()).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");

    let output = behind.output().expect("unshare can be run");

    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).trim_end(), r#"[["lower", 2048], ["upper", 2048]]"#);
}
