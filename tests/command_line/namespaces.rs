//! A whole run that goes into the network namespace of another process and comes back.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use rex_tests::runs::{Ended, Run};
use rex_tests::tree::is_root;

/// What runs in a network of its own: it says at which port it listens, and waits.
const SERVER: &str = "
import socket, subprocess, time
subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
server = socket.socket()
server.bind(('127.0.0.1', 0))
server.listen()
print(server.getsockname()[1], flush=True)
time.sleep(1000)
";

struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start() -> Self {
        let mut child = Command::new("unshare")
            .args(["--net", "/usr/bin/python3", "-c", SERVER])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare(1) is needed");
        let mut line = String::new();
        let told = child.stdout.take().expect("it is a pipe");
        BufReader::new(told).read_line(&mut line).expect("it says a line");
        let port = line.trim().parse().expect("it is a port");
        Self { child, port }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

/// A run that tries the port before, within and behind; `within` is what it does there beside.
fn run(server: &Server, namespaces: &str, within: &str, policy: &[String]) -> Ended {
    let (pid, port) = (server.child.id(), server.port);
    let script = format!(
        "fn reach() {{ try {{ connect(\"127.0.0.1\", {port}, TransportProtocol::TCP); return \"reached\"; }} catch (e) {{ return e.kind.to_string(); }} }}\n\
         let program = DirConfig().path(\"/usr/bin\").build().open(OpenDirOptions().build())\
         .open_file(\"true\", OpenFileOptions().read(true).build());\n\
         let options = NamespaceOptions().pid({pid}){namespaces}.build();\n\
         let before = reach();\n\
         let within = ProcessManager().nsenter(options, || {within});\n\
         [before, within, reach()]"
    );
    Run::of(&script).policy(&policy.concat()).finish()
}

fn permit(action: &str, resource: &str) -> String {
    format!("permit(principal, action == {action}, resource == {resource});\n")
}

#[test]
fn a_run_reaches_within_what_it_may_reach_there_and_is_outside_again_afterwards() {
    if !is_root() {
        return;
    }
    let server = Server::start();
    let pid = server.child.id();
    let process = format!("process_system::Process::\"{pid}\"");
    let within = format!("network::url::\"/proc/{pid}/ns/net/127.0.0.1\"");
    let base = [
        permit("file_system::Action::\"open\"", "file_system::Dir::\"/usr/bin\""),
        permit("file_system::Action::\"open\"", "file_system::File::\"/usr/bin/true\""),
        permit("file_system::Action::\"execute\"", "file_system::File::\"/usr/bin/true\""),
        permit("network::Action::\"connect\"", "network::url::\"127.0.0.1\""),
    ];
    let enter = permit("process_system::Action::\"network_namespace\"", &process);
    let connect = permit("network::Action::\"connect\"", &within);
    let all = [&base[..], &[enter.clone(), connect.clone()]].concat();
    let output = |ended: &Ended| match &ended.document()["error"] {
        serde_json::Value::Null => ended.document()["output"].as_str().unwrap_or_default().to_owned(),
        error => error.to_string(),
    };

    let ended = run(&server, ".net(true)", "reach()", &all);
    assert_eq!(output(&ended), "[\"Other\", \"reached\", \"Other\"]", "{}", ended.stderr);
    let records = ended.records();
    let asked: Vec<&str> = records.iter().filter_map(|record| record["operation"].as_str()).collect();
    assert!(asked.contains(&"enter_namespaces"), "{asked:?}");
    // A permit for the host is none for the namespace, and without one for the process nobody goes there.
    let ended = run(&server, ".net(true)", "reach()", &[&base[..], &[enter]].concat());
    assert_eq!(output(&ended), "[\"Other\", \"PermissionDenied\", \"Other\"]");
    let ended = run(&server, ".net(true)", "reach()", &[&base[..], &[connect]].concat());
    assert_eq!(ended.code(), Some(77), "{}", ended.document());

    let program = "{ try { return program.execute(ExecuteOptions().build()).exit_code; } catch (e) { return `${e.message}`; } }";
    let refused = output(&run(&server, ".net(true)", program, &all));
    assert!(refused.contains("namespace"), "{refused}");
    let with_mounts = [&all[..], &[permit("process_system::Action::\"mount_namespace\"", &process)]].concat();
    let refused = output(&run(&server, ".net(true).mount(true)", "reach()", &with_mounts));
    assert!(refused.contains("mount namespace") || refused.contains("in this version"), "{refused}");
}
