//! Runs that fetch over TLS: whom they believe, and that nothing of them is left.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rex_tests::authority::{Authority, Leaf, TlsServer};

use super::people::{USUAL, finish, place, run, text};

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
