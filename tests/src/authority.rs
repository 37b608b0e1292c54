//! An authority of the test's own, certificates that it gives out, and servers of another implementation that have them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::session::Session;
use crate::tree::Tree;

/// An authority, whose files lie in a tree of its own.
pub struct Authority {
    tree: Tree,
}

/// What a certificate says.
pub struct Leaf<'a> {
    /// `DNS:` and a name, or `IP:` and an address.
    pub name: &'a str,
    /// Since when and until when, as two digits for the year, month, day, hour, minute and second.
    pub valid: (&'a str, &'a str),
    /// Further extensions, a line for each.
    pub extensions: &'a str,
}

impl Default for Leaf<'_> {
    fn default() -> Self {
        Self {
            name: "DNS:localhost",
            valid: ("200101000000Z", "491231000000Z"),
            extensions: "extendedKeyUsage=serverAuth",
        }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// A new one, in which nobody believes.
    pub fn new() -> Self {
        let authority = Self { tree: Tree::new() };
        let settings = "[ca]\ndefault_ca=d\n[d]\ndatabase=index\nnew_certs_dir=.\nserial=serial\ndefault_md=sha256\n\
                        policy=p\nunique_subject=no\n[p]\ncommonName=optional\n[req]\ndistinguished_name=n\n[n]\n\
                        [authority]\nbasicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign\n";
        fs::write(authority.path("settings"), settings).unwrap();
        fs::write(authority.path("index"), "").unwrap();
        fs::write(authority.path("serial"), "01\n").unwrap();
        authority.key("ca");
        // Two of one name would be taken for each other until a signature is looked at.
        let number = ISSUED.fetch_add(1, Ordering::Relaxed);
        authority.openssl(&format!(
            "req -x509 -new -key ca.key -subj /CN=authority-{number} -days 365 -config settings -extensions authority \
             -out ca.pem"
        ));
        authority
    }

    /// The file with its certificate.
    pub fn certificate(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// Gives out a certificate; gives the files of it and its key.
    pub fn issue(&self, leaf: &Leaf<'_>) -> (PathBuf, PathBuf) {
        self.key("leaf");
        self.openssl("req -new -key leaf.key -subj /CN=server -config settings -out leaf.csr");
        let extensions = format!("subjectAltName={}\n{}\n", leaf.name, leaf.extensions);
        fs::write(self.path("extensions"), extensions).unwrap();
        self.openssl(&format!(
            "ca -config settings -batch -notext -in leaf.csr -out leaf.pem -cert ca.pem -keyfile ca.key \
             -startdate {} -enddate {} -extfile extensions",
            leaf.valid.0, leaf.valid.1
        ));
        (self.path("leaf.pem"), self.path("leaf.key"))
    }

    /// A certificate that nobody has given out.
    pub fn issue_to_itself(&self, name: &str) -> (PathBuf, PathBuf) {
        self.key("own");
        self.openssl(&format!(
            "req -x509 -new -key own.key -subj /CN=server -days 365 -config settings -addext subjectAltName={name} \
             -addext basicConstraints=CA:false -out own.pem"
        ));
        (self.path("own.pem"), self.path("own.key"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.tree.path(name)
    }

    fn key(&self, name: &str) {
        self.openssl(&format!("ecparam -name prime256v1 -genkey -noout -out {name}.key"));
    }

    fn openssl(&self, words: &str) {
        let output = Command::new("openssl")
            .args(words.split_ascii_whitespace())
            .current_dir(self.path(""))
            .output()
            .expect("openssl, from Debian's package of that name, can be run");
        assert!(output.status.success(), "openssl {words}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// A server of TLS that Python's `ssl` makes, which is OpenSSL.
pub struct TlsServer {
    child: Child,
    /// Where on 127.0.0.1 it listens.
    pub port: u16,
}

impl TlsServer {
    /// One that serves in this way; see `tls_server.py`.
    pub fn serving(how: &str, (chain, key): &(PathBuf, PathBuf)) -> Self {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tls_server.py");
        let mut child = Command::new("python3")
            .args([program, how])
            .args([chain, key])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("python3 can be run");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().expect("the server says its port");
        Self { child, port }
    }

    /// A URL at it, by this name.
    pub fn url(&self, host: &str, path: &str) -> String {
        format!("https://{host}:{}{path}", self.port)
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        let _over = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A session that believes this authority and nobody else.
pub fn believing(mut session: Session, authority: &Authority) -> Session {
    session.services.host.network.ca_file = Some(authority.certificate());
    session
}

static ISSUED: AtomicU32 = AtomicU32::new(0);
