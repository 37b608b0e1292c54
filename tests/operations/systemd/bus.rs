//! A system bus with a manager of services behind it, or whatever a test puts in its place.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use rex_tests::session::Session;

/// What the manager was called with: the method, and the texts of its arguments.
pub(crate) type Calls = Arc<Mutex<Vec<String>>>;

/// A session whose bus this is; each connection is served by `serve`.
pub(crate) fn session_with(policy: &str, serve: impl Fn(UnixStream) + Send + 'static) -> Session {
    session_of(Session::with_policy(policy), serve)
}

/// The same for a session that was made already.
pub(crate) fn session_of(mut session: Session, serve: impl Fn(UnixStream) + Send + 'static) -> Session {
    static NEXT: AtomicU32 = AtomicU32::new(0);

    let name = format!("rex-tests-bus-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let address = SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
    let listener = UnixListener::bind_addr(&address).unwrap();
    std::thread::spawn(move || listener.incoming().for_each(|stream| serve(stream.unwrap())));
    session.services.host.services.address = Some(format!("unix:abstract={name}").into());
    session
}

/// A manager that knows `alias.service` as `real.service`, has no `missing.service`, and refuses `refused.service`.
pub(crate) fn manager(calls: Calls) -> impl Fn(UnixStream) + Send + 'static {
    move |mut stream| {
        // A caller that goes away in the middle ends its connection, and no test.
        let _ended = converse(&mut stream, &calls);
    }
}

/// Greets the caller as a bus does; gives what reads its messages.
pub(crate) fn greet(stream: &mut UnixStream) -> std::io::Result<BufReader<UnixStream>> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    assert!(line.starts_with("\0AUTH EXTERNAL "), "{line:?}");
    stream.write_all(b"OK 0123456789abcdef0123456789abcdef\r\n")?;
    line.clear();
    reader.read_line(&mut line)?;
    assert_eq!(line, "BEGIN\r\n");
    Ok(reader)
}

fn converse(stream: &mut UnixStream, calls: &Calls) -> std::io::Result<()> {
    let mut reader = greet(stream)?;
    let mut waited_for = false;
    loop {
        let (serial, member, texts) = receive(&mut reader)?;
        calls.lock().unwrap().push(format!("{member} {}", texts.join(" ")).trim_end().to_owned());
        let unit = texts.first().map(String::as_str).unwrap_or_default();
        let answer = match (member.as_str(), unit) {
            ("Hello", _) => reply(serial, "s", &text(":1.7")),
            ("AddMatch" | "Reload", _) => reply(serial, "", &[]),
            ("Subscribe", _) => {
                waited_for = true;
                reply(serial, "", &[])
            }
            ("LoadUnit", "invalid name") => {
                error(serial, "org.freedesktop.DBus.Error.InvalidArgs", "no unit name")
            }
            ("LoadUnit", _) => reply(serial, "o", &text(&format!("/unit/{}", unit.replace('.', "_")))),
            ("Get", _) => {
                let path = calls
                    .lock()
                    .unwrap()
                    .iter()
                    .rev()
                    .find_map(|call| call.strip_prefix("LoadUnit ").map(str::to_owned));
                let own = path.unwrap().replace("alias.", "real.");
                reply(serial, "v", &[b"\x01s\0\0".to_vec(), text(&own)].concat())
            }
            ("GetAll", interface) => reply(serial, "a{sv}", &properties(interface)),
            (_, "missing.service") => error(serial, "org.freedesktop.systemd1.NoSuchUnit", "Unit not found."),
            (_, "refused.service") => error(serial, "org.freedesktop.DBus.Error.AccessDenied", "not today"),
            _ => reply(serial, "o", &text("/job/7")),
        };
        stream.write_all(&answer)?;
        if waited_for && member.ends_with("Unit") && member != "LoadUnit" {
            // Somebody else pretends to be the manager, and another job ends first.
            stream.write_all(&job_removed(":1.9", "/job/7", "forged"))?;
            stream.write_all(&job_removed(":1.0", "/job/6", "done"))?;
            stream.write_all(&job_removed(
                ":1.0",
                "/job/7",
                if unit == "failing.service" { "failed" } else { "done" },
            ))?;
        }
    }
}

/// As many bytes as need several parts, the first of which is the interface.
pub(crate) fn properties(interface: &str) -> Vec<u8> {
    interface.bytes().cycle().take(100_000).collect()
}

/// The serial number, method and text arguments of the next call.
pub(crate) fn receive(reader: &mut impl Read) -> std::io::Result<(u32, String, Vec<String>)> {
    let mut fixed = [0; 16];
    reader.read_exact(&mut fixed)?;
    let number = |at: usize| u32::from_le_bytes(fixed[at..at + 4].try_into().unwrap()) as usize;
    let mut rest = vec![0; number(12).next_multiple_of(8) + number(4)];
    reader.read_exact(&mut rest)?;
    let (fields, body) = rest.split_at(number(12).next_multiple_of(8));
    // The third field is the method: `3 1 s 0 length text`.
    let at = fields.windows(4).position(|bytes| bytes == b"\x03\x01s\0").unwrap() + 4;
    let member = text_at(fields, at).0;
    let mut texts = Vec::new();
    let mut at = 0;
    while at < body.len() {
        let (text, end) = text_at(body, at);
        texts.push(text);
        at = end.next_multiple_of(4);
    }
    Ok((number(8) as u32, member, texts))
}

fn text_at(bytes: &[u8], at: usize) -> (String, usize) {
    let length = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let text = String::from_utf8(bytes[at + 4..at + 4 + length].to_vec()).unwrap();
    (text, at + 5 + length)
}

pub(crate) fn text(text: &str) -> Vec<u8> {
    let mut bytes = (text.len() as u32).to_le_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes.push(0);
    bytes
}

pub(crate) fn reply(to: u32, signature: &str, body: &[u8]) -> Vec<u8> {
    message(2, Some(to), &[(7, b's', ":1.0"), (8, b'g', signature)], body)
}

fn error(to: u32, name: &str, explanation: &str) -> Vec<u8> {
    message(3, Some(to), &[(4, b's', name), (8, b'g', "s")], &text(explanation))
}

fn job_removed(sender: &str, job: &str, result: &str) -> Vec<u8> {
    let mut body = 7_u32.to_le_bytes().to_vec();
    for part in [job, "x.service", result] {
        body.resize(body.len().next_multiple_of(4), 0);
        body.extend(text(part));
    }
    message(4, None, &[(7, b's', sender), (3, b's', "JobRemoved"), (8, b'g', "uoss")], &body)
}

fn message(kind: u8, reply_to: Option<u32>, texts: &[(u8, u8, &str)], body: &[u8]) -> Vec<u8> {
    let mut fields = Vec::new();
    if let Some(to) = reply_to {
        fields.extend(b"\x05\x01u\0");
        fields.extend(to.to_le_bytes());
    }
    for (code, signature, value) in texts.iter().filter(|(_, _, value)| !value.is_empty()) {
        fields.resize(fields.len().next_multiple_of(8), 0);
        fields.extend([*code, 1, *signature, 0]);
        if *signature == b'g' {
            fields.push(value.len() as u8);
            fields.extend(value.as_bytes());
            fields.push(0);
        } else {
            fields.extend(text(value));
        }
    }
    let mut message = vec![b'l', kind, 0, 1];
    for number in [body.len() as u32, 9, fields.len() as u32] {
        message.extend(number.to_le_bytes());
    }
    message.extend(fields);
    message.resize(message.len().next_multiple_of(8), 0);
    message.extend(body);
    message
}
