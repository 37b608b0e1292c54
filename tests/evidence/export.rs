//! Is the record in the forms of others what they demand, and does it keep what it tells?

use std::collections::BTreeSet;
use std::fs;
use std::io::{IoSliceMut, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use nix::cmsg_space;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use rex_tests::program;
use rex_tests::runs::Run;
use rex_tests::scratch::Scratch;
use serde_json::{Value, json};

/// A record with every kind of line: those of the page, and those of a run that asks about many kinds of things.
fn log() -> (Scratch, PathBuf, Vec<Value>) {
    let here = Scratch::new();
    for name in ["a", "b", "c", "d", "e", "f", "g", "h", "i"] {
        here.file(name, "text");
    }
    let own = here.path().join("own.jsonl");
    let place = here.path().display();
    let script = format!(
        "for ask in [|| ls(\"{place}\"), || cat(\"{place}/a\"), || rm(\"{place}/b\"), || ps(), || resolve(\"localhost\"), || curl(\"http://127.0.0.1:1/x\"),
            || systemctl_status(\"x.service\"), || uname()] {{ try {{ ask.call() }} catch {{}} }}"
    );
    let ended = Run::of(&script).policy("permit(principal, action, resource);").audit_log(&own).finish();
    assert!(own.exists(), "{}", ended.stderr);
    let page = fs::read_to_string(program::checkout().join("docs/audit.md")).expect("there is a page");
    let examples = page.lines().filter(|line| line.starts_with("{\"run\":"));
    let text = fs::read_to_string(&own).expect("there is a record")
        + &examples.map(|line| format!("{line}\n")).collect::<String>();
    let path = here.path().join("audit.jsonl");
    fs::write(&path, &text).expect("it can be written");
    // Questions of every action, as a policy may have been asked.
    let records: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
    let mut decision =
        records.iter().find(|record| record["event"] == "decision").expect("one was made").clone();
    let mut lines = text;
    let mut seq = 10_000;
    for action in rex_ipc::action::ActionId::ALL {
        for kind in action.resources() {
            seq += 1;
            decision["seq"] = json!(seq);
            decision["action"] = json!(action.uid());
            decision["resource_type"] = json!(kind.type_name());
            decision["resource"] = json!("7");
            decision["context"] = json!({ "port": 443, "address": "192.0.2.1", "command_line": "a b" });
            lines += &format!("{decision}\n");
        }
    }
    fs::write(&path, &lines).expect("it can be written");
    let records = lines.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
    (here, path, records)
}

fn export(words: &[&str], log: &PathBuf) -> Output {
    Command::new(program::path())
        .args(["audit", "export"])
        .args(words)
        .arg(log)
        .output()
        .expect("it can be run")
}

fn events(output: &Output) -> Vec<Value> {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect()
}

#[test]
fn every_record_is_an_event_of_ocsf_and_nothing_of_it_is_lost() {
    let (_here, path, records) = log();

    let events = events(&export(&["--ocsf", "--host", "host-17"], &path));

    let told: BTreeSet<String> = events.iter().map(|event| event["metadata"]["uid"].to_string()).collect();
    let expected: BTreeSet<String> = records
        .iter()
        .map(|record| {
            json!(format!("{}:{}", record["run"].as_str().expect("it has one"), record["seq"])).to_string()
        })
        .collect();
    assert_eq!(told, expected);
    let classes: BTreeSet<u64> = events.iter().filter_map(|event| event["class_uid"].as_u64()).collect();
    assert_eq!(classes, BTreeSet::from([1001, 1007, 1009, 4001, 4002, 4003, 6003]));
    for record in records.iter().filter(|record| record["event"] == "decision") {
        let uid = format!("{}:{}", record["run"].as_str().expect("it has one"), record["seq"]);
        let event = events
            .iter()
            .find(|event| event["metadata"]["uid"] == *uid && event["unmapped"]["action"] == record["action"])
            .expect("it is there");
        let permitted = record["decision"] == "permit";
        assert_eq!(event["action_id"], json!(if permitted { 1 } else { 2 }), "{event}");
        let policies: Vec<&Value> = event["authorizations"]
            .as_array()
            .expect("there are")
            .iter()
            .map(|authorization| &authorization["policy"]["uid"])
            .collect();
        assert_eq!(json!(policies), record["policies"]);
        for (name, value) in record.as_object().expect("it is an object") {
            let has_place = [
                "run",
                "seq",
                "time",
                "event",
                "principal",
                "outcome",
                "failure",
                "resource",
                "decision",
                "policies",
                "policy",
            ];
            assert!(
                has_place.contains(&name.as_str()) || event["unmapped"][name] == *value,
                "{name}: {event}"
            );
        }
    }
    // On whose behalf, in words that OCSF has.
    let event =
        events.iter().find(|event| event["unmapped"]["delegation"].is_object() && event["class_uid"] == 1001);
    let event = event.expect("the page has one");
    assert_eq!(event["actor"]["user"]["name"], "alice@corp.example");
    assert_eq!(event["actor"]["app_name"], "spiffe://corp.example/agent/billing");
    assert_eq!(
        event["actor"]["session"],
        json!({ "uid": "01JD4N2V9Q", "issuer": "https://idp.corp.example" })
    );
    assert_eq!(event["time"], 1_741_503_900_001_u64);
}

/// `.ci/full evidence` installs the schema that others have made of it; without that nobody is asked.
#[test]
fn others_have_the_same_schema_and_find_what_is_wrong() {
    let Ok(python) = std::env::var("REX_OCSF_PYTHON") else {
        rex_tests::skip::skipped("nobody has said where the schema of OCSF is");
        return;
    };
    let (_here, path, _) = log();
    let events = events(&export(&["--ocsf"], &path));
    let validated = |events: &[Value]| {
        let mut child = Command::new(&python)
            .arg(program::checkout().join("tests/evidence/ocsf/validate.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it can be run");
        let text: String = events.iter().map(|event| format!("{event}\n")).collect();
        // One that has refused reads no further.
        drop(child.stdin.take().expect("it is piped").write_all(text.as_bytes()));
        let output = child.wait_with_output().expect("it ends");
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };

    assert_eq!(validated(&events), format!("accepted: {}\n", events.len()));
    for (field, value) in [
        ("time", json!("now")),
        ("time", Value::Null),
        ("invented", json!(1)),
        ("severity_id", json!(1000)),
        ("device", json!({ "type_id": "server" })),
        ("type_uid", json!(1)),
    ] {
        let mut wrong = events.iter().find(|event| event["class_uid"] == 1001).expect("there is one").clone();
        wrong[field] = value;
        assert!(validated(&[wrong]).starts_with("refused: "), "{field}");
    }
}

/// A journal that only listens.
fn listen(here: &Scratch) -> (UnixDatagram, PathBuf) {
    let path = here.path().join("socket");
    let socket = UnixDatagram::bind(&path).expect("it can be bound");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("it has a time");
    (socket, path)
}

#[test]
fn every_record_is_a_message_of_the_journal() {
    let (here, path, records) = log();
    let (socket, listening) = listen(&here);
    let few = here.path().join("few.jsonl");
    // As many as wait in a socket that nobody reads meanwhile.
    let text: String = records.iter().take(5).map(|record| format!("{record}\n")).collect();
    fs::write(&few, text).expect("it can be written");

    let ended = export(&["--journald", "--socket", listening.to_str().expect("it is text")], &few);

    assert_eq!(ended.status.code(), Some(0), "{path:?} {}", String::from_utf8_lossy(&ended.stderr));
    for record in records.iter().take(5) {
        let mut buffer = vec![0; 1 << 20];
        let length = socket.recv(&mut buffer).expect("it comes");
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let line = text.lines().find_map(|line| line.strip_prefix("REX_JSON=")).expect("it has the record");
        assert_eq!(serde_json::from_str::<Value>(line).expect("it is JSON"), *record);
        assert!(text.contains("SYSLOG_IDENTIFIER=rex-broker\n"), "{text}");
    }
    let gone = export(&["--journald", "--socket", "/nonexistent/socket"], &few);
    assert_eq!(gone.status.code(), Some(73));
}

/// As journald takes what a datagram has no room for: a file that nobody can change any more.
#[test]
fn a_long_record_reaches_the_journal_as_a_sealed_file() {
    let here = Scratch::new();
    let (socket, listening) = listen(&here);
    let record =
        json!({ "run": "r", "seq": 1, "time": "t", "event": "decision", "context": "x".repeat(600_000) });
    let path = here.path().join("audit.jsonl");
    fs::write(&path, format!("{record}\n")).expect("it can be written");

    let ended = export(&["--journald", "--socket", listening.to_str().expect("it is text")], &path);

    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
    let mut space = cmsg_space!([RawFd; 1]);
    let mut buffer = [0; 16];
    let mut pieces = [IoSliceMut::new(&mut buffer)];
    let received =
        recvmsg::<()>(socket.as_raw_fd(), &mut pieces, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC);
    let received = received.expect("it comes");
    assert_eq!(received.bytes, 0);
    let sent = received.cmsgs().expect("they were not cut").find_map(|message| match message {
        ControlMessageOwned::ScmRights(descriptors) => descriptors.first().copied(),
        _ => None,
    });
    let file = fs::File::open(format!("/proc/self/fd/{}", sent.expect("a file comes along")))
        .expect("it can be opened");
    let seals = fcntl(&file, FcntlArg::F_GET_SEALS).expect("it has seals");
    let all =
        SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SEAL;
    assert_eq!(SealFlag::from_bits_truncate(seals), all);
    let text = std::io::read_to_string(file).expect("it is text");
    let line = text.lines().find_map(|line| line.strip_prefix("REX_JSON=")).expect("it has the record");
    assert_eq!(serde_json::from_str::<Value>(line).expect("it is JSON"), record);
}
