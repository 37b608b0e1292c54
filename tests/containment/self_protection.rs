//! What the broker does to itself before it reads anything that it did not write.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::posture::{Copy, ORDINARY};
use crate::surroundings::{is_root, skipped_in_a_container};

// prctl(2): no program started from here gains rights; nobody of the same user attaches or reads its memory; and
// getrlimit(2): no core file, which would hold scripts, policy and whatever was read.
#[test]
fn a_serving_broker_is_closed_to_others_of_its_user_leaves_no_core_and_gains_no_rights() {
    if skipped_in_a_container() {
        return;
    }
    let program = Copy::new();
    let files = Files::new();
    let mut broker = Running(
        program
            .as_ordinary_user()
            .args(["broker", "nothing", "0", "--jail", "-s"])
            .arg(files.0.join("script"))
            .arg("-p")
            .arg(files.0.join("policy"))
            .args(["--audit-log", "none", "-o", "json"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let other = Running(start_other());

    // The control: a process of the same user that does nothing of the kind.
    let control = Seen::of(other.0.id());
    let owner = if is_root() { ORDINARY } else { nix::unistd::geteuid().as_raw() };
    assert_eq!(control.owner, owner);
    // The last of the three steps; a jail may be ready before it.
    let seen = broker.wait_for(|seen| seen.jailed && seen.no_new_privs == "1");

    assert_eq!(seen.core_limits, ["0", "0"], "{seen:?}");
    // proc(5): the entries of a process that is not dumpable belong to root.
    assert_eq!(seen.owner, 0, "{seen:?}, and of another process {control:?}");
    assert!(matches!(broker.0.try_wait(), Ok(None)), "the broker was not serving any more");
}

/// A process of the user of the broker that protects nothing.
fn start_other() -> Child {
    use std::os::unix::process::CommandExt;

    let mut command = Command::new("sleep");
    command.arg("3600").current_dir("/").stdin(Stdio::null());
    if is_root() {
        command.uid(ORDINARY).gid(ORDINARY);
    }
    command.spawn().unwrap()
}

/// What `/proc` says of a process.
#[derive(Debug)]
struct Seen {
    no_new_privs: String,
    core_limits: [String; 2],
    owner: u32,
    /// Whether it has a child that has the jail's filter.
    jailed: bool,
}

impl Seen {
    fn of(pid: u32) -> Self {
        let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let (status, limits) = (read("status"), read("limits"));
        let core =
            limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap_or_default();
        let mut words = core.split_whitespace().map(str::to_owned);
        let mut word = || words.next().unwrap_or_default();
        Self {
            no_new_privs: field(&status, "NoNewPrivs:"),
            core_limits: [word(), word()],
            owner: fs::metadata(format!("/proc/{pid}/status")).map_or(u32::MAX, |file| file.uid()),
            jailed: children_of(pid).any(|child| {
                let status = fs::read_to_string(format!("/proc/{child}/status")).unwrap_or_default();
                field(&status, "Seccomp:") == "2"
            }),
        }
    }
}

fn field(status: &str, name: &str) -> String {
    status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned()
}

/// proc(5), `/proc/PID/task/TID/children` is not in every kernel; the parent of each process is.
fn children_of(parent: u32) -> impl Iterator<Item = String> {
    fs::read_dir("/proc").unwrap().flatten().filter_map(move |entry| {
        let pid = entry.file_name().into_string().ok()?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        (field(&status, "PPid:") == parent.to_string()).then_some(pid)
    })
}

/// A process that ends with the test.
struct Running(Child);

impl Running {
    fn wait_for(&mut self, wanted: impl Fn(&Seen) -> bool) -> Seen {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let seen = Seen::of(self.0.id());
            if wanted(&seen) {
                return seen;
            }
            assert!(Instant::now() < deadline, "{seen:?} {:?}", self.0.try_wait());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Script and policy, where everybody may read them.
struct Files(PathBuf);

impl Files {
    fn new() -> Self {
        let directory = std::env::temp_dir().join(format!("rex-protected-{}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
        for (name, text) in [("script", "spin"), ("policy", "permit(principal, action, resource);\n")] {
            fs::write(directory.join(name), text).unwrap();
            fs::set_permissions(directory.join(name), fs::Permissions::from_mode(0o644)).unwrap();
        }
        Self(directory)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
