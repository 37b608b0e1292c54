//! Servers of the test's own, and what is asked of them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use rex_ipc::bounded::Text;
use rex_ipc::network::{BeginGet, Hop, ReadResponse};
use rex_tests::session::{Refused, Session};

/// A server of HTTP on 127.0.0.1.
pub(crate) struct Server {
    pub(crate) port: u16,
    /// The request of each connection, as it came.
    pub(crate) requests: Receiver<String>,
}

impl Server {
    /// Answers every request with what `serve` does to the connection.
    pub(crate) fn with(
        serve: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, requests) = channel();
        let serve = std::sync::Arc::new(serve);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, sender, serve) = (stream.unwrap(), sender.clone(), serve.clone());
                thread::spawn(move || {
                    let request = request_of(&mut stream);
                    // The test may be over before its server is.
                    let _gone = sender.send(request);
                    let _ended = serve(&mut stream);
                });
            }
        });
        Self { port, requests }
    }

    /// Answers every request so.
    pub(crate) fn answering(answer: impl AsRef<[u8]>) -> Self {
        let answer = answer.as_ref().to_vec();
        Self::with(move |stream| stream.write_all(&answer))
    }

    pub(crate) fn url(&self, host: &str, path: &str) -> String {
        format!("http://{host}:{}{path}", self.port)
    }

    /// How many have connected and said something.
    pub(crate) fn asked(&self) -> usize {
        self.requests.try_iter().count()
    }
}

fn request_of(stream: &mut TcpStream) -> String {
    let (mut request, mut byte) = (Vec::new(), [0]);
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
        request.extend(byte);
    }
    String::from_utf8(request).unwrap()
}

pub(crate) const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

pub(crate) fn get(url: &str) -> BeginGet {
    redirected(url, 0)
}

pub(crate) fn redirected(url: &str, hop: u8) -> BeginGet {
    BeginGet { url: Text::new(url).unwrap(), hop: Hop::new(hop).unwrap() }
}

/// Everything that the server of the open exchange sends.
pub(crate) fn whole(session: &mut Session) -> Result<Vec<u8>, Refused> {
    let mut bytes = Vec::new();
    loop {
        let part = session.send(ReadResponse {})?;
        bytes.extend(part.bytes.as_slice());
        if part.end {
            return Ok(bytes);
        }
    }
}

/// A session whose `/etc/hosts` and `/etc/resolv.conf` have this in them.
pub(crate) fn session_with(mut session: Session, hosts: &str, resolver: &str) -> Session {
    for (name, text) in [("hosts", hosts), ("resolv.conf", resolver)] {
        std::fs::write(session.path(name), text).unwrap();
    }
    session.services.host.network.hosts = session.path("hosts");
    session.services.host.network.resolver = session.path("resolv.conf");
    session
}

/// A name server on 127.0.0.1, over UDP and TCP on one port; what `answer` makes of a query goes back.
pub(crate) fn name_server(answer: fn(&[u8], bool) -> Vec<Vec<u8>>) -> u16 {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = udp.local_addr().unwrap().port();
        let Ok(tcp) = TcpListener::bind(("127.0.0.1", port)) else { continue };
        thread::spawn(move || {
            let mut space = [0; 4096];
            while let Ok((count, from)) = udp.recv_from(&mut space) {
                for message in answer(&space[..count], false) {
                    udp.send_to(&message, from).unwrap();
                }
            }
        });
        thread::spawn(move || {
            for stream in tcp.incoming() {
                let mut stream = stream.unwrap();
                let mut length = [0; 2];
                if stream.read_exact(&mut length).is_err() {
                    continue;
                }
                let mut query = vec![0; u16::from_be_bytes(length).into()];
                stream.read_exact(&mut query).unwrap();
                for message in answer(&query, true) {
                    let _gone = stream.write_all(&message);
                }
            }
        });
        return port;
    }
}
