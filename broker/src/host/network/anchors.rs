//! The certificates of the authorities that are believed: the operator's file, else the store of this system.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::object::Network;
use super::patience::Failed;
use crate::host::believed::Believed;

/// The text of the store, which is parsed by the worker. Nobody but its owner may have written it.
pub(super) fn read(network: &Network) -> Result<Vec<u8>, Failed> {
    let path = network.ca_file.clone().or_else(of_system);
    let path =
        path.ok_or(Failed::Refused("this system has no store of authorities, and none is configured"))?;
    text_of(&path).map_err(|error| {
        let what = format!("the store of authorities {} cannot be read: {error}", path.display());
        Failed::System(io::Error::other(what))
    })
}

/// Looks whether a file could be the store: nobody else could have written it, it can be read, and there is a certificate in
/// it. What that says is for the worker to read.
pub(super) fn examine(path: &Path) -> io::Result<()> {
    let text = text_of(path)?;
    if text.windows(BEGIN.len()).any(|part| part == BEGIN) {
        return Ok(());
    }
    Err(io::Error::other(
        "there is no certificate in it, which would begin with `-----BEGIN CERTIFICATE-----`",
    ))
}

/// Where this system has its store; nothing where it has none.
pub(super) fn of_system() -> Option<PathBuf> {
    STORES.iter().map(PathBuf::from).find(|path| path.is_file())
}

fn text_of(path: &Path) -> io::Result<Vec<u8>> {
    let believed = Believed::usual();
    let opened = believed.open(path)?;
    if !opened.metadata.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    believed.judge(&opened.metadata)?;
    let mut text = Vec::new();
    opened.file.take(MOST_BYTES + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(io::Error::other(format!("it has more than {MOST_BYTES} bytes")));
    }
    Ok(text)
}

/// Of Debian, Fedora, openSUSE and Alpine.
const STORES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// RFC 7468, section 5.1.
const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
/// As the worker has it.
const MOST_BYTES: u64 = 4 << 20;
