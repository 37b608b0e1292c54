//! Whole runs against servers that never come to an end: each ends within its limit, with a document, and the broker stays small.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use rex_tests::authority::{Authority, Leaf, TlsServer};
use rex_tests::runs::{Ended, Run};

/// What the broker may have resident, whatever a server sends; an unoptimized one has more of itself.
const BROKER_KIB: u64 = if cfg!(debug_assertions) { 72 * 1024 } else { 64 * 1024 };

/// A server of HTTP on 127.0.0.1 that does this with every connection, once it was asked for something.
fn server(serve: fn(&mut TcpStream, u16) -> std::io::Result<()>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let _request = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).count();
                // Whoever has asked goes away in the end.
                let _gone = serve(&mut stream, port);
            });
        }
    });
    port
}

/// Runs it, and asserts what holds for every server.
fn survived(name: &str, script: &str, options: &[&str], codes: &[i32]) -> Ended {
    let (ended, peak) = Run::of(script).options(options.iter().copied()).finish_and_measure();
    let code = ended.code();
    assert!(
        code.is_some_and(|code| codes.contains(&code)),
        "{name}: {code:?} {} {}",
        ended.stderr,
        ended.text()
    );
    assert!(ended.document()["jail"]["end"].is_string(), "{name}: there is a document");
    assert!(peak < BROKER_KIB, "{name}: the broker had {peak} KiB");
    ended
}

fn fetched(port: u16) -> String {
    format!("curl(\"http://127.0.0.1:{port}/\").text.len()")
}

#[test]
fn headers_without_an_end() {
    let port = server(|stream, _| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
        loop {
            stream.write_all(&b"x-more: and more\r\n".repeat(1000))?;
        }
    });

    let ended = survived("headers", &fetched(port), &[], &[1]);

    assert!(
        ended.message().contains("too many headers") || ended.message().contains("head"),
        "{}",
        ended.message()
    );
}

#[test]
fn one_line_without_an_end() {
    let port = server(|stream, _| {
        loop {
            stream.write_all(&[b'x'; 65_536])?;
        }
    });

    survived("line", &fetched(port), &[], &[1]);
}

#[test]
fn a_body_of_ten_gigabytes() {
    let whole = server(|stream, _| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10737418240\r\n\r\n")?;
        loop {
            stream.write_all(&[b'x'; 65_536])?;
        }
    });
    let chunked = server(|stream, _| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
        let chunk = [b"10000\r\n".as_slice(), &[b'x'; 65_536], b"\r\n"].concat();
        loop {
            stream.write_all(&chunk)?;
        }
    });
    let until_close = server(|stream, _| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        loop {
            stream.write_all(&[b'x'; 65_536])?;
        }
    });

    // A text has a limit, and so has what a run may read.
    for (name, port) in [("length", whole), ("chunks", chunked), ("close", until_close)] {
        survived(name, &fetched(port), &[], &[75]);
        survived(name, &fetched(port), &["--max-read-bytes", "1000000"], &[75]);
    }
}

#[test]
fn a_byte_a_second() {
    let port = server(|stream, _| {
        for byte in b"HTTP/1.1 200 OK\r\ncontent-length: 600\r\n\r\n".iter().chain(&[b'x'; 600]) {
            stream.write_all(&[*byte])?;
            thread::sleep(Duration::from_secs(1));
        }
        Ok(())
    });

    survived("drip", &fetched(port), &["--timeout", "2"], &[124]);
}

#[test]
fn a_circle_of_redirects() {
    let port = server(|stream, port| {
        let answer =
            format!("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{port}/\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes())
    });

    let ended = survived("circle", &fetched(port), &[], &[1]);

    assert!(ended.message().contains("redirect"), "{}", ended.message());
}

// What goes through a worker is bounded by what a run may read and by its time, too.
#[test]
fn floods_over_tls() {
    let authority = Authority::new();
    let leaf = authority.issue(&Leaf::default());
    let store = authority.certificate().to_str().unwrap().to_owned();
    for (how, codes) in [("flood", [75]), ("headers", [1])] {
        let server = TlsServer::serving(how, &leaf);
        let script = format!("curl(\"{}\").text.len()", server.url("localhost", "/"));

        survived(how, &script, &["--ca-file", &store], &codes);
    }
    let slow = TlsServer::serving("drip", &leaf);
    let script = format!("curl(\"{}\").text.len()", slow.url("localhost", "/"));
    survived("drip over TLS", &script, &["--ca-file", &store, "--timeout", "3"], &[124]);
}

// Variables of other programs send nothing elsewhere: whoever sets them is not the operator.
#[test]
fn variables_of_proxies_lead_nowhere() {
    let there = server(|stream, _| stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nthere"));
    let proxy = server(|stream, _| stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nproxy"));
    let address = format!("http://127.0.0.1:{proxy}");
    let mut run = Run::of(&format!("curl(\"http://127.0.0.1:{there}/\").text"));
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        run = run.variable(name, &address);
    }

    assert_eq!(run.finish().document()["output"], "there");
}

#[test]
fn the_operators_proxy_is_the_way_of_every_request() {
    let proxy = server(|stream, _| stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nproxy"));
    let address = format!("http://127.0.0.1:{proxy}");
    let fetch = || Run::of("curl(\"http://nobody.example/\").text");

    assert_eq!(fetch().options(["--proxy", &address]).finish().document()["output"], "proxy");
    assert_eq!(fetch().variable("REX_BROKER_PROXY", &address).finish().document()["output"], "proxy");
    let wrong = fetch().variable("REX_BROKER_PROXY", "socks5://127.0.0.1:1").finish();
    assert_eq!(wrong.code(), Some(78), "{}", wrong.text());
    assert!(wrong.message().contains("a proxy is named as http://HOST:PORT"), "{}", wrong.message());
    let wrong = fetch().options(["--proxy", "https://127.0.0.1:1"]).finish();
    assert_eq!(wrong.code(), Some(64), "{}", wrong.stderr);
}
