//! Runs that fetch over TLS: whom they believe, and that nothing of them is left.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rex_tests::authority::{Authority, Leaf, TlsServer};

use super::people::{USUAL, document, finish, place, run, text};

#[test]
fn a_private_authority_is_believed_where_the_operator_says_so_and_nowhere_else() {
    let authority = Authority::new();
    let server = TlsServer::serving("answer", &authority.issue(&Leaf::default()));
    let scratch = place(&format!("curl(\"{}\").text", server.url("localhost", "/a")));
    let store = authority.certificate().to_str().unwrap().to_owned();

    let believed = finish(&scratch, &["--ca-file", &store]);
    assert_eq!(believed.status.code(), Some(0), "{}", text(&believed.stderr));
    assert!(text(&believed.stdout).starts_with("TLSv1.3 localhost http/1.1\nGET /a HTTP/1.1\r\n"));
    let configured = run(&scratch, &USUAL).env("REX_BROKER_CA_FILE", &store).output().unwrap();
    assert_eq!(configured.status.code(), Some(0), "{}", text(&configured.stderr));

    // Variables of other programs are nobody's word here.
    let other = run(&scratch, &USUAL).env("SSL_CERT_FILE", &store).output().unwrap();
    assert_ne!(other.status.code(), Some(0));
    let said = text(&other.stderr);
    let reasons = ["was issued by nobody who is believed", "this system has no store of authorities"];
    assert!(reasons.iter().any(|reason| said.contains(reason)), "{said}");
}

#[test]
fn a_store_that_is_none_is_refused_by_name_before_the_script_runs() {
    let scratch = place("info(\"ran\"); 1");
    scratch.file("words.pem", "no certificate\n");
    std::fs::create_dir(scratch.path().join("deeper")).expect("a directory can be made");
    for (name, reason) in [
        ("none.pem", "No such file or directory"),
        ("words.pem", "there is no certificate in it"),
        ("deeper", "it is no regular file"),
    ] {
        let store = scratch.path().join(name);
        let store = store.to_str().expect("it is text");
        for words in [&["--ca-file", store] as &[&str], &["--ca-file", store, "--dry-run"]] {
            let output = finish(&scratch, words);

            let said = text(&output.stderr);
            assert_eq!((output.status.code(), text(&output.stdout)), (Some(78), ""), "{said}");
            let begin = format!("error: configuration refused: the store of authorities {store} (ca-file): ");
            assert!(said.starts_with(&begin) && said.contains(reason), "{said}");
            assert!(!said.contains("ran"), "{said}");
        }
    }
}

/// Each measure of a posture, with its state.
fn states(posture: &serde_json::Value) -> Vec<(String, String)> {
    let measures = posture.as_array().expect("a posture is a list");
    let text = |value: &serde_json::Value| value.as_str().expect("it is a text").to_owned();
    measures.iter().map(|measure| (text(&measure["id"]), text(&measure["state"]))).collect()
}

#[test]
fn the_result_says_how_a_worker_was_confined_and_nothing_of_one_that_was_not_started() {
    let authority = Authority::new();
    let server = TlsServer::serving("answer", &authority.issue(&Leaf::default()));
    let store = authority.certificate().to_str().unwrap().to_owned();
    let once = format!("curl(\"{}\").text", server.url("localhost", "/a"));
    let ran = |script: &str| {
        let output = finish(&place(script), &["--json", "--ca-file", &store]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
        document(&output)["jail"].clone()
    };

    let jail = ran(&format!("{once}; {once}"));

    let worker = &jail["worker"];
    assert_eq!(worker["started"], 2, "one for each connection");
    assert_eq!(worker["image_sha256"].as_str(), Some(rex_broker::run::image::WORKER.sha256));
    assert_ne!(worker["image_sha256"], jail["image_sha256"]);
    let (of_jail, of_worker) = (states(&jail["posture"]), states(&worker["posture"]));
    assert_eq!(of_worker.len(), of_jail.len(), "the whole of it");
    let filter = of_worker.iter().find(|(id, _)| id == "seccomp3").expect("the filter is told");
    assert_eq!(filter.1, "enforced");
    if nix::unistd::geteuid().is_root() {
        assert_eq!(of_worker, of_jail, "it is confined as the jail is");
    }
    assert_eq!(ran("1")["worker"], serde_json::Value::Null, "none was started");
}

// What is demanded of the jail is demanded of the worker: a document where both have it, an error that names it where not.
#[test]
fn a_worker_has_what_is_required_of_the_jail() {
    let authority = Authority::new();
    let server = TlsServer::serving("answer", &authority.issue(&Leaf::default()));
    let store = authority.certificate().to_str().unwrap().to_owned();
    let scratch = place(&format!("curl(\"{}\").text", server.url("localhost", "/a")));

    let output = finish(&scratch, &["--json", "--ca-file", &store, "--require", "core,+netns"]);

    let document = document(&output);
    if output.status.code() == Some(71) {
        rex_tests::skip::skipped("network namespaces cannot be had here");
        return;
    }
    let worker = states(&document["jail"]["worker"]["posture"]);
    let network = worker.iter().find(|(id, _)| id == "netns").expect("it is told");
    match output.status.code() {
        Some(0) => assert_eq!(network.1, "enforced", "{document}"),
        _ => {
            assert_ne!(network.1, "enforced", "{document}");
            let message = document["error"]["message"].as_str().unwrap_or_default();
            assert!(message.contains("could not be confined: missing: netns"), "{message}");
        }
    }
}

/// The children of a process.
fn children(pid: u32) -> Vec<String> {
    let output = Command::new("ps").args(["--ppid", &pid.to_string(), "-o", "pid="]).output().unwrap();
    text(&output.stdout).split_whitespace().map(str::to_owned).collect()
}

// Whatever is killed first: neither jail nor worker outlives its broker.
#[test]
fn no_worker_outlives_its_broker() {
    let authority = Authority::new();
    let server = TlsServer::serving("drip", &authority.issue(&Leaf::default()));
    let scratch = place(&format!("curl(\"{}\").text", server.url("localhost", "/")));
    let store = authority.certificate().to_str().unwrap().to_owned();
    let mut broker = run(&scratch, &[&USUAL[..], &["--ca-file", &store]].concat()).spawn().unwrap();
    let began = Instant::now();
    let all = loop {
        let found = children(broker.id());
        if found.len() == 3 {
            break found;
        }
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "jail, worker and what starts programs do not run: {found:?}"
        );
        std::thread::sleep(Duration::from_millis(20));
    };

    broker.kill().unwrap();
    broker.wait().unwrap();

    let killed = Instant::now();
    while all.iter().any(|pid| Path::new("/proc").join(pid).join("exe").exists()) {
        assert!(killed.elapsed() < Duration::from_secs(5), "{all:?} live on");
        std::thread::sleep(Duration::from_millis(20));
    }
}
