//! A name server of another implementation, for as long as a test needs it.

use std::net::{TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::tree::Tree;

/// A dnsmasq on 127.0.0.1, over UDP and TCP on one port, that knows nothing but what it was told. Ended when it is dropped.
pub struct NameServer {
    child: Child,
    tree: Tree,
    /// Where it listens.
    pub port: u16,
}

impl NameServer {
    /// One that knows this, in the words of its configuration file.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn with(zone: &str) -> Self {
        let began = Instant::now();
        loop {
            let mut server = Self::at(free_port(), zone);
            while server.child.try_wait().expect("a child can be waited for").is_none() {
                if server.answers() {
                    return server;
                }
                assert!(began.elapsed() < Duration::from_secs(30), "{}", server.log());
                thread::sleep(Duration::from_millis(20));
            }
            // Somebody else was quicker to take the port.
            assert!(began.elapsed() < Duration::from_secs(30), "{}", server.log());
        }
    }

    fn at(port: u16, zone: &str) -> Self {
        let tree = Tree::new();
        std::fs::write(tree.path("zone"), zone).expect("a file can be written");
        let log = std::fs::File::create(tree.path("log")).expect("a file can be made");
        let child = Command::new("/usr/sbin/dnsmasq")
            .args(["--no-daemon", "--no-resolv", "--no-hosts", "--log-queries=extra", "--bind-interfaces"])
            .args(["--listen-address=127.0.0.1", "--pid-file", &format!("--port={port}")])
            .arg(format!("--conf-file={}", tree.path("zone").display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("dnsmasq, from Debian's package dnsmasq-base, can be run");
        Self { child, tree, port }
    }

    /// Whether it answers a query about the root.
    fn answers(&self) -> bool {
        let ask = || -> std::io::Result<usize> {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            socket.connect(("127.0.0.1", self.port))?;
            socket.set_read_timeout(Some(Duration::from_millis(200)))?;
            socket.send(&[0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1])?;
            socket.recv(&mut [0; 512])
        };
        ask().is_ok_and(|count| count >= 12)
    }

    /// What it has said so far of who asked it what.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.tree.path("log")).unwrap_or_default()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        let _over = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A port that nobody had a moment ago, over either protocol.
fn free_port() -> u16 {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").expect("there is a loopback interface");
        let port = udp.local_addr().expect("it is bound").port();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
