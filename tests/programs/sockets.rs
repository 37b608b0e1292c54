//! Sockets that an operator has named for programs: these can be connected to, and no others.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;

use rex_tests::runs::{Ended, Run};
use rex_tests::tree::is_root;

use crate::{execute, opened, real};

/// Asks at each socket, and says what came of it; at last it tries a socket of the network.
const CLIENT: &str = r#"
import errno, socket, sys
def told(act):
    try:
        return act()
    except OSError as error:
        return errno.errorcode[error.errno]
def ask(path):
    client = socket.socket(socket.AF_UNIX)
    client.connect(path)
    client.sendall(b'?')
    return client.recv(64).decode()
def network():
    socket.socket(socket.AF_INET)
    return 'network'
def bound(path):
    socket.socket(socket.AF_UNIX).bind(path + '-own')
    return 'bound'
print(*[told(lambda: ask(path)) for path in sys.argv[1:]], told(network), told(lambda: bound(sys.argv[1])))
"#;

/// A server at this path, which answers everybody.
fn serve(path: &Path, answer: &'static str) {
    let listener = UnixListener::bind(path).expect("a socket can be made");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("it is a connection");
            if matches!(stream.read(&mut [0; 1]), Ok(1)) {
                let _heard = stream.write_all(answer.as_bytes());
            }
        }
    });
}

/// A program that asks at both sockets, of which these are named.
fn asked(named: &[&str], how: &str) -> Ended {
    let python = real("/usr/bin/python3");
    let run = Run::of("");
    let place = run.scratch.path().to_owned();
    let path = |name: &str| place.join(name).to_str().expect("it is text").to_owned();
    serve(&place.join("one"), "first");
    serve(&place.join("two"), "second");
    fs::write(place.join("no-socket"), "").unwrap();
    std::os::unix::fs::symlink("two", place.join("link")).unwrap();
    let script = format!(
        "{}let result = program.execute(ExecuteOptions().args([\"-I\", [\"-c\", {}], \"{}\", \"{}\"]).build());\n\
         `${{result.stdout}}${{result.stderr}}`",
        opened(&python),
        serde_json::Value::from(CLIENT),
        path("one"),
        path("two"),
    );
    run.scratch.file("script.rhai", script);
    let run = run.policy(&execute(&python)).options(["--children", how]);
    match named {
        [] => run,
        named => {
            let named: Vec<String> = named.iter().map(|name| path(name)).collect();
            run.options(["--child-socket", &named.join(":")])
        }
    }
    .finish()
}

fn output(ended: &Ended) -> String {
    let document = ended.document();
    document["output"].as_str().unwrap_or_else(|| panic!("{document}\n{}", ended.stderr)).to_owned()
}

#[test]
fn a_named_socket_is_reached_and_its_neighbour_is_not() {
    if !is_root() {
        return;
    }
    assert_eq!(output(&asked(&[], "confined")), "EACCES EACCES EACCES EACCES\n");
    assert_eq!(output(&asked(&["one"], "confined")), "first ENOENT EPERM EROFS\n");
    assert_eq!(output(&asked(&["two"], "confined")), "ENOENT second EPERM EROFS\n");
    assert_eq!(output(&asked(&["one", "two"], "confined")), "first second EPERM EROFS\n");
    assert_eq!(output(&asked(&[], "unconfined")), "first second network bound\n");
}

#[test]
fn a_socket_that_cannot_be_given_alone_is_not_left_out_in_silence() {
    if !is_root() {
        return;
    }
    for (named, how, why) in [
        ("no-socket", "confined", "no-socket cannot be given"),
        ("not-there", "confined", "not-there cannot be given"),
        ("one", "approximate", "`--children confined` gives it"),
    ] {
        let ended = asked(&[named], how);
        assert_eq!(ended.document()["status"], "ERROR", "{named}");
        assert!(ended.message().contains(why), "{named}: {}", ended.message());
    }
    // A link that an earlier script may have made leads nowhere.
    let ended = asked(&["link"], "confined");
    assert!(ended.message().contains("link cannot be given"), "{}", ended.message());
    // Without a name there is nothing that could not be given.
    assert_eq!(output(&asked(&[], "approximate")), "EACCES EACCES EACCES EACCES\n");
}

#[test]
fn a_name_that_is_none_ends_the_start() {
    for wrong in ["run/a", "/run/../a", "/run/a:"] {
        let ended = Run::of("1").options(["--child-socket", wrong]).finish();
        assert_eq!(ended.code(), Some(64), "{wrong}: {}", ended.stderr);
    }
}

// Whoever may change names would else connect a program to whatever service there is.
#[test]
fn what_is_put_in_the_place_of_a_named_socket_is_not_the_one_that_was_named() {
    if !is_root() {
        return;
    }
    let (python, run) = (real("/usr/bin/python3"), Run::of(""));
    let place = run.scratch.path().to_owned();
    let path = |name: &str| place.join(name).to_str().expect("it is text").to_owned();
    serve(&place.join("one"), "first");
    serve(&place.join("two"), "second");
    let script = format!(
        "fn is_there(path) {{ try {{ cat(path); return true; }} catch {{ return false; }} }}\n\
         {}while !is_there(\"{}\") {{ sleep(1); }}\n\
         let result = program.execute(ExecuteOptions().args([\"-I\", [\"-c\", {}], \"{}\"]).build());\n\
         `${{result.stdout}}${{result.stderr}}`",
        opened(&python),
        path("go"),
        serde_json::Value::from(CLIENT),
        path("one"),
    );
    run.scratch.file("script.rhai", script);
    let policy = format!(
        "{}permit(principal, action in [file_system::Action::\"open\", file_system::Action::\"read\"], resource in file_system::Dir::\"{}\");\n",
        execute(&python),
        place.display()
    );
    let log = place.join("audit.jsonl");

    let started = run.policy(&policy).options(["--child-socket", &path("one")]).start();
    started.wait_for_text(&log, "\"event\":\"start\"");
    // The script runs, so that the socket has been looked up.
    started.wait_for_text(&log, &python);
    fs::rename(place.join("one"), place.join("old")).unwrap();
    fs::rename(place.join("two"), place.join("one")).unwrap();
    fs::write(place.join("go"), "").unwrap();

    assert_eq!(output(&started.wait()), "first EPERM EROFS\n");
}
