//! Keys and notes in files: who may have read them, and what is in them.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::unistd::geteuid;

use super::Failure;
use super::arguments::{Arguments, text};
use crate::error::Error;
use crate::key::{Kind, SigningKey, VerifierKey};
use crate::note::{self, Note};

/// The key that `--vkey` or `--vkey-file` names.
pub(super) fn verifier_key(arguments: &mut Arguments) -> Result<VerifierKey, Failure> {
    match (arguments.once("--vkey")?, arguments.once("--vkey-file")?) {
        (Some(key), None) => Ok(VerifierKey::parse(&text(key)?)?),
        (None, Some(file)) => Ok(key_in(Path::new(&file))?),
        _ => Err(Failure::Usage("one of --vkey and --vkey-file has to be given".to_owned())),
    }
}

/// A key that is given as a text.
pub(super) fn key_of(value: std::ffi::OsString) -> Result<VerifierKey, Failure> {
    Ok(VerifierKey::parse(&text(value)?)?)
}

fn key_in(path: &Path) -> Result<VerifierKey, Error> {
    let content = read(path, 4096)?;
    let content = String::from_utf8(content);
    VerifierKey::parse(&content.map_err(|_| Error::refused(format!("{} is not UTF-8", path.display())))?)
}

/// The note in a file.
pub(super) fn note_in(path: &Path) -> Result<Note, Error> {
    let told = |error: Error| match error {
        Error::Contradiction(why) => Error::Contradiction(format!("{}: {why}", path.display())),
        error => error,
    };
    Note::parse(&read(path, note::MOST_BYTES)?).map_err(told)
}

/// A file of at most `most` bytes.
pub(super) fn read(path: &Path, most: usize) -> Result<Vec<u8>, Error> {
    let what = || format!("read {}", path.display());
    let flags = (OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = file.map_err(|error| Error::system(what(), error))?;
    let mut content = Vec::new();
    let read = file.take(most as u64 + 1).read_to_end(&mut content);
    read.map_err(|error| Error::system(what(), error))?;
    if content.len() > most {
        return Err(Error::refused(format!("{} is longer than {most} bytes", path.display())));
    }
    Ok(content)
}

/// The private key in a file, which nobody but the caller may be able to read.
pub(super) fn signing_key(path: &Path) -> Result<SigningKey, Error> {
    let shown = path.display();
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = file.map_err(|error| Error::system(format!("read the key {shown}"), error))?;
    let metadata = file.metadata().map_err(|error| Error::system(format!("stat {shown}"), error))?;
    let caller = geteuid().as_raw();
    if !metadata.is_file() {
        return Err(Error::refused(format!("the key {shown} is no regular file")));
    }
    if metadata.uid() != caller {
        let owner = metadata.uid();
        return Err(Error::refused(format!(
            "the key {shown} belongs to user {owner}, and this is user {caller}"
        )));
    }
    if metadata.mode() & 0o077 != 0 {
        let mode = metadata.mode() & 0o7777;
        return Err(Error::refused(format!(
            "others have access to the key {shown} (mode {mode:04o}): chmod 600 {shown}"
        )));
    }
    let mut content = String::new();
    let read = file.take(4096).read_to_string(&mut content);
    read.map_err(|error| Error::system(format!("read the key {shown}"), error))?;
    let told = |error: Error| Error::refused(format!("{shown}: {error}"));
    let key = SigningKey::parse(&content).map_err(told)?;
    if key.verifier().kind() != Kind::Log {
        return Err(Error::refused(format!("{shown} is the key of a witness, and not of a log")));
    }
    Ok(key)
}

/// Makes a key in a new file, with mode 0600.
pub(super) fn make_signing_key(path: &Path, name: &str) -> Result<SigningKey, Error> {
    let what = || format!("make the key {}", path.display());
    let key = SigningKey::generate(name, Kind::Log)?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.map_err(|error| Error::system(what(), error))?;
    let written = file.write_all(key.secret_text().as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|error| {
        // Half a key would stand in the way of the next attempt.
        let _ = std::fs::remove_file(path);
        Error::system(what(), error)
    })?;
    Ok(key)
}
