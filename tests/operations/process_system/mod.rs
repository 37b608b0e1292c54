//! Rows about processes, each with real ones.

mod begin_trace;
mod enter_namespaces;
mod find_real_path;
mod leave_namespaces;
mod list_open_files;
mod list_processes;
mod recycled;
mod signal_process;

use std::process::{Child, Command, Stdio};

/// A process that waits, and is ended with the test.
struct Victim(Child);

impl Victim {
    fn start() -> Self {
        // Whoever runs the tests may ignore signals, as nohup(1) does; what they start would ignore them as well.
        let child = Command::new("env")
            .args(["--default-signal", "sleep", "1000"])
            .stdin(Stdio::null())
            .spawn()
            .expect("env(1) and sleep(1) can be started");
        let victim = Self(child);
        // The name is that of the program only once it has been executed.
        while std::fs::read_to_string(format!("/proc/{}/comm", victim.pid()))
            .is_ok_and(|name| name != "sleep\n")
        {
            std::thread::yield_now();
        }
        victim
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _status = self.0.wait();
    }
}

/// A policy that permits these actions on this process alone.
fn only(actions: &[&str], pid: u32) -> String {
    let permit = |action: &&str| {
        format!(
            "permit(principal, action == process_system::Action::\"{action}\", resource == process_system::Process::\"{pid}\");\n"
        )
    };
    actions.iter().map(permit).collect()
}
