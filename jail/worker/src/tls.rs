//! One connection of TLS, of which the worker holds the keys and the broker the socket.

use std::fmt::Debug;
use std::io::{BufRead, ErrorKind, Write};
use std::sync::Arc;
use std::time::Duration;

use rex_agreed::errand::{Cause, MAX_BODY_BYTES, Server, Step};
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::time_provider::TimeProvider;
use rustls::{CertificateError, ClientConfig, ClientConnection, Error, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

/// What is known of the server before it is spoken to.
#[derive(Debug)]
pub struct Beginning {
    server: Server,
    anchors: Vec<u8>,
}

impl Beginning {
    /// Nobody is believed yet.
    pub fn new(server: Server) -> Self {
        Self { server, anchors: Vec::new() }
    }

    /// Adds a part of the trust anchors.
    ///
    /// # Errors
    /// [`Cause::Setup`] when there are too many.
    pub fn add(&mut self, part: &[u8]) -> Result<(), Cause> {
        if self.anchors.len().saturating_add(part.len()) > MAX_ANCHOR_BYTES {
            return Err(Cause::Setup);
        }
        self.anchors.extend_from_slice(part);
        Ok(())
    }

    /// Begins the connection, with the request that is to be sent once the server is verified.
    ///
    /// # Errors
    /// [`Cause::NoAnchors`]; [`Cause::Setup`] when that is no name of a server.
    pub fn connect(self, provider: CryptoProvider, request: &[u8]) -> Result<Connection, Cause> {
        let mut roots = RootCertStore::empty();
        // What is no certificate counts for nothing, as with every reader of such a file.
        let anchors = CertificateDer::pem_slice_iter(&self.anchors).filter_map(Result::ok);
        roots.add_parsable_certificates(anchors);
        if roots.is_empty() {
            return Err(Cause::NoAnchors);
        }
        let name = ServerName::try_from(self.server.name).map_err(|_| Cause::Setup)?;
        let time = Time(UnixTime::since_unix_epoch(Duration::from_secs(self.server.unix_seconds)));
        let mut config = ClientConfig::builder_with_details(Arc::new(provider), Arc::new(time))
            .with_safe_default_protocol_versions()
            .map_err(|_| Cause::Setup)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let tls = ClientConnection::new(Arc::new(config), name).map_err(|_| Cause::Setup)?;
        let mut connection = Connection {
            tls,
            request: request.to_vec(),
            is_established: false,
            is_end: false,
            to_server: Vec::new(),
            said: Vec::new(),
        };
        connection.collect()?;
        Ok(connection)
    }
}

/// A connection, and what of it has not been told yet.
#[derive(Debug)]
pub struct Connection {
    tls: ClientConnection,
    /// What is to be sent as soon as the server is verified.
    request: Vec<u8>,
    is_established: bool,
    is_end: bool,
    to_server: Vec<u8>,
    said: Vec<u8>,
}

impl Connection {
    /// Takes what came from the server.
    ///
    /// # Errors
    /// Why the connection cannot go on.
    pub fn arrived(&mut self, mut bytes: &[u8]) -> Result<(), Cause> {
        while !bytes.is_empty() && !self.is_end {
            if self.tls.read_tls(&mut bytes).map_err(|_| Cause::NoTls)? == 0 {
                return Err(Cause::NoTls);
            }
            let state = self.tls.process_new_packets().map_err(|error| cause(&error))?;
            self.is_end |= state.peer_has_closed();
            self.collect()?;
        }
        Ok(())
    }

    /// The server has closed the connection. Without a farewell in it, somebody else may have.
    ///
    /// # Errors
    /// [`Cause::CutOff`].
    pub fn closed(&mut self) -> Result<(), Cause> {
        if self.is_end { Ok(()) } else { Err(Cause::CutOff) }
    }

    /// Writes as much of what is to be told as there is room for, and gives its length.
    pub fn tell(&mut self, body: &mut [u8]) -> usize {
        let room = body.len().min(MAX_BODY_BYTES).saturating_sub(Step::OVERHEAD_BYTES);
        let to_server = self.to_server.len().min(room);
        let said = self.said.len().min(room.saturating_sub(to_server));
        let has_more = to_server < self.to_server.len() || said < self.said.len();
        let step = Step {
            is_established: self.is_established,
            has_more,
            is_end: self.is_end && !has_more,
            to_server: self.to_server.get(..to_server).unwrap_or_default(),
            said: self.said.get(..said).unwrap_or_default(),
        };
        let length = step.write(body).unwrap_or(0);
        self.to_server.drain(..to_server);
        self.said.drain(..said);
        length
    }

    /// Takes out of the library what it has for either side.
    fn collect(&mut self) -> Result<(), Cause> {
        if !self.is_established && !self.tls.is_handshaking() {
            self.is_established = true;
            let request = std::mem::take(&mut self.request);
            self.tls.writer().write_all(&request).map_err(|_| Cause::Setup)?;
        }
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.to_server).map_err(|_| Cause::Setup)?;
        }
        loop {
            let mut reader = self.tls.reader();
            match reader.fill_buf() {
                Ok([]) => return Ok(()),
                Ok(part) => {
                    let count = part.len();
                    self.said.extend_from_slice(part);
                    reader.consume(count);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return Err(Cause::CutOff),
            }
        }
    }
}

/// The time that the broker has told.
#[derive(Debug)]
struct Time(UnixTime);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        Some(self.0)
    }
}

/// What an error of the library means for whoever reads of it.
fn cause(error: &Error) -> Cause {
    match error {
        Error::InvalidCertificate(wrong) => match wrong {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Cause::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Cause::NotYetValid,
            CertificateError::Revoked => Cause::Revoked,
            CertificateError::UnknownIssuer => Cause::UnknownIssuer,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Cause::WrongName
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                Cause::WrongPurpose
            }
            CertificateError::BadSignature => Cause::BadSignature,
            CertificateError::Other(other) if is_authority_as_server(&other.0) => Cause::AuthorityAsServer,
            _ => Cause::BadCertificate,
        },
        Error::AlertReceived(_) => Cause::Refused,
        Error::PeerIncompatible(_) => Cause::NothingInCommon,
        Error::NoCertificatesPresented => Cause::BadCertificate,
        _ => Cause::NoTls,
    }
}

/// The library has no name of its own for it.
fn is_authority_as_server(other: &impl Debug) -> bool {
    format!("{other:?}").contains("CaUsedAsEndEntity")
}

/// More than any system believes in.
const MAX_ANCHOR_BYTES: usize = 4 << 20;
