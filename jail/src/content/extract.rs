//! Unpacking a compressed archive below a directory: each entry for itself, under the policy's eye.

use std::collections::BTreeMap;

use rex_ipc::bounded::Text;
use rex_ipc::control::RequestNumber;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{Attributes, MakeDir, NameOrNumber, PathText, Permissions};
use rex_ipc::name;
use rhai::{EvalAltResult, NativeCallContext};

use super::archive::{ArchiveReader, Member, MemberKind, Owner, path_below};
use super::gzip::Inflater;
use super::hard_links::{HardLink, HardLinks};
use super::options::ExtractArchiveOptions;
use crate::error::{Fallible, io_error_from, kind_of, message_of, request_behind};
use crate::file_system::dir::DirHandle;
use crate::file_system::file::FileHandle;
use crate::log;
use crate::session::Session;
use crate::text::{ByteStream, Redaction};
use crate::value;
use crate::writer::Writer;

/// Makes the files and directories of an archive below a directory.
///
/// An entry that cannot be made is told in the log, and the others go on; at the end that is an error, unless the options
/// or Rex's manner have it otherwise. Symbolic links, devices and FIFOs are not made, and no set-user-ID, set-group-ID or
/// sticky bit is set. A hard link becomes a file with the content of the one it leads to.
///
/// # Errors
/// The broker's failures for the archive itself; `IoError` for what is no archive, or is damaged: what stands before
/// the damage has been made by then. The first reason why an entry was not made; `UnsupportedOperationError` for a
/// reason of our own.
pub fn extract(
    context: &NativeCallContext,
    archive: &FileHandle,
    to: &DirHandle,
    options: &ExtractArchiveOptions,
) -> Fallible<()> {
    let mut extraction = Extraction {
        context,
        archive,
        to,
        options,
        directories: Directories::default(),
        links: HardLinks::default(),
        warnings: 0,
        first: None,
    };
    let reader = extraction.reader()?;
    extraction.run(reader)
}

/// An archive that is read, and what compresses it.
type Reader = ArchiveReader<Inflater<ByteStream>>;

struct Extraction<'c> {
    context: &'c NativeCallContext<'c>,
    archive: &'c FileHandle,
    to: &'c DirHandle,
    options: &'c ExtractArchiveOptions,
    directories: Directories,
    links: HardLinks,
    warnings: u64,
    first: Option<LeftOut>,
}

/// The first entry that was not made, and why.
struct LeftOut {
    kind: ErrorKind,
    message: String,
    request: Option<RequestNumber>,
}

/// Directories that are made after all files, so that what they are like does not keep files from being made in them.
#[derive(Default)]
struct Directories {
    by_path: BTreeMap<String, Attributes>,
    bytes: usize,
}

/// Why an entry was not made.
pub(super) enum Refusal {
    /// The jail knows better than to ask for it.
    Jail(&'static str),
    /// The broker said no.
    Broker(Box<EvalAltResult>),
}

impl From<Box<EvalAltResult>> for Refusal {
    fn from(error: Box<EvalAltResult>) -> Self {
        Self::Broker(error)
    }
}

impl Extraction<'_> {
    /// The archive from its start. Asks whether it may be read.
    fn reader(&self) -> Fallible<Reader> {
        let (object, path) = (self.archive.object(), self.archive.path());
        let stream = ByteStream::of_file(self.context, object, path, 0, Redaction::Refused)?;
        Ok(ArchiveReader::new(Inflater::new(stream)))
    }

    fn run(&mut self, mut archive: Reader) -> Fallible<()> {
        let mut outcome = self.members(&mut archive);
        // After damage, what stands before it is complete; after the end of the run there is nobody left to ask.
        let is_over =
            |outcome: &Fallible<()>| outcome.as_ref().is_err_and(|error| message_of(error).is_none());
        if is_over(&outcome) {
            return outcome;
        }
        let linked = self.make_links();
        if is_over(&linked) {
            return linked;
        }
        outcome = outcome.and(linked);
        self.make_directories()?;
        if let Some(more @ 1..) = self.warnings.checked_sub(MOST_WARNINGS) {
            self.warn(&format!("{more} more entries were not extracted"))?;
        }
        outcome.and_then(|()| self.nothing_was_left_out())
    }

    fn nothing_was_left_out(&mut self) -> Fallible<()> {
        let as_in_rex = self.options.best_effort || Session::of(self.context).is_rex_compat();
        let Some(LeftOut { kind, message, request }) = self.first.take().filter(|_| !as_in_rex) else {
            return Ok(());
        };
        let message = match self.warnings.saturating_sub(1) {
            0 => message,
            others => format!("{message}; {others} more were not extracted either"),
        };
        Err(io_error_from(kind, message, request))
    }

    fn members(&mut self, archive: &mut Reader) -> Fallible<()> {
        let mut number = 0_u64;
        while let Some(member) = archive.next_member()? {
            let outcome = match member.kind {
                MemberKind::Skipped(reason) => Err(Refusal::Jail(reason)),
                MemberKind::Directory => self.begin_directory(&member)?,
                MemberKind::File => self.file(archive, &member)?,
                MemberKind::HardLink => self.remember_link(&member, number),
            };
            self.settle(&name::to_text(&member.name), outcome)?;
            if self.directories.bytes > MOST_DIRECTORY_BYTES {
                self.make_directories()?;
            }
            number = number.saturating_add(1);
        }
        Ok(())
    }

    /// Has a hard link wait until the content of what it leads to comes by again.
    fn remember_link(&mut self, member: &Member, number: u64) -> Result<(), Refusal> {
        if Session::of(self.context).is_rex_compat() {
            return Err(Refusal::Jail("it is a hard link"));
        }
        let (text, path) = wire_path(&member.name).map_err(Refusal::Jail)?;
        let target = path_below(&member.link).map_err(Refusal::Jail)?;
        if text.is_empty() || target.is_empty() {
            return Err(Refusal::Jail("its name is empty"));
        }
        let attributes = self.attributes(member)?;
        self.links.push(HardLink { text, path, target, number, attributes }).map_err(Refusal::Jail)
    }

    /// Makes the hard links: the archive is read once more, and what they lead to is given to each of them.
    fn make_links(&mut self) -> Fallible<()> {
        let mut links = std::mem::take(&mut self.links);
        links.resolve();
        while !links.is_empty() {
            let mut archive = self.reader()?;
            let mut made = Vec::new();
            let outcome = self.make_some_links(&mut archive, &links, &mut made);
            // Damage was told in the first round, and what stands before it is there again.
            if outcome.as_ref().is_err_and(|error| message_of(error).is_none()) {
                return outcome;
            }
            if made.is_empty() {
                break;
            }
            for (text, outcome) in links.settled(made) {
                self.settle(&text, outcome)?;
            }
        }
        for text in links.into_texts() {
            self.settle(
                &text,
                Err(Refusal::Jail("no file that it links to stands before it in the archive")),
            )?;
        }
        Ok(())
    }

    /// Gives the content of each file to the links that wait for it, as many at a time as may be open.
    fn make_some_links(
        &self,
        archive: &mut Reader,
        links: &HardLinks,
        made: &mut Vec<(usize, Result<(), Refusal>)>,
    ) -> Fallible<()> {
        let mut number = 0_u64;
        while number < links.last_number()
            && let Some(member) = archive.next_member()?
        {
            let text = path_below(&member.name).unwrap_or_default();
            let mut receivers = Vec::new();
            if member.kind == MemberKind::File {
                for index in links.waiting_for(&text, number, MOST_RECEIVERS) {
                    // Of several files with one name, the last one before the link is meant.
                    made.retain(|(earlier, _)| *earlier != index);
                    let path = links.path(index);
                    receivers.push((
                        index,
                        Writer::begin_file(self.context, self.to.id(), path).map_err(Refusal::from),
                    ));
                }
            }
            if !receivers.is_empty() {
                while let Some(part) = archive.next_content(PART_BYTES)? {
                    for (_, writer) in &mut receivers {
                        if let Ok(open) = writer
                            && let Err(error) = open.write(&part)
                        {
                            *writer = Err(error.into());
                        }
                    }
                }
            }
            for (index, writer) in receivers {
                let finish =
                    |writer: Writer| writer.finish_with(links.attributes(index)).map_err(Refusal::from);
                made.push((index, writer.and_then(finish)));
            }
            number = number.saturating_add(1);
        }
        Ok(())
    }

    /// Makes a file. A failure of the archive is one of the whole call; one of the broker is the entry's.
    fn file(&self, archive: &mut Reader, member: &Member) -> Fallible<Result<(), Refusal>> {
        let path = match wire_path(&member.name) {
            Ok((_, path)) if path.as_str() != HERE => path,
            Ok(_) => return Ok(Err(Refusal::Jail("its name is empty"))),
            Err(reason) => return Ok(Err(Refusal::Jail(reason))),
        };
        let attributes = match self.attributes(member) {
            Ok(attributes) => attributes,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let mut file = match Writer::begin_file(self.context, self.to.id(), path) {
            Ok(file) => file,
            Err(error) => return Ok(Err(error.into())),
        };
        while let Some(part) = archive.next_content(PART_BYTES)? {
            if let Err(error) = file.write(&part) {
                return Ok(Err(error.into()));
            }
        }
        Ok(file.finish_with(attributes).map_err(Refusal::from))
    }

    /// Makes a directory, open to nobody to whom it is closed in the end, before anything is put into it; what it is to
    /// be like comes when all is in it. A failure is told then.
    fn begin_directory(&mut self, member: &Member) -> Fallible<Result<(), Refusal>> {
        let early = match self.remember(member) {
            Ok(early) => early,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if let Some((path, mode)) = early {
            let mode = Permissions::new(mode.bits() | 0o700);
            let attributes = Attributes { mode, ..Attributes::default() };
            let request = MakeDir { dir: self.to.id(), path, attributes };
            match Session::of(self.context).ask(value::line(self.context), request) {
                Err(failed) if failed.is_final() => return Err(failed.into()),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(Ok(()))
    }

    /// Has a directory wait for the end; gives its path and mode, if it is to have one.
    fn remember(&mut self, member: &Member) -> Result<Option<(PathText, Permissions)>, Refusal> {
        let (text, path) = wire_path(&member.name).map_err(Refusal::Jail)?;
        let attributes = self.attributes(member)?;
        let early = attributes.mode.filter(|_| !text.is_empty()).map(|mode| (path, mode));
        let bytes = text.len().saturating_add(DIRECTORY_BYTES);
        if self.directories.by_path.insert(text, attributes).is_none() {
            self.directories.bytes = self.directories.bytes.saturating_add(bytes);
        }
        Ok(early)
    }

    /// Makes the directories, those below before those above: a change below one would change its time.
    fn make_directories(&mut self) -> Fallible<()> {
        let directories = std::mem::take(&mut self.directories);
        for (text, attributes) in directories.by_path.into_iter().rev() {
            let path = Text::new(if text.is_empty() { HERE } else { &text });
            let outcome = match path {
                Some(path) => {
                    let request = MakeDir { dir: self.to.id(), path, attributes };
                    let made = Session::of(self.context).ask(value::line(self.context), request);
                    made.map_err(|failed| Refusal::Broker(failed.into()))
                }
                None => Err(Refusal::Jail(TOO_LONG)),
            };
            self.settle(&text, outcome)?;
        }
        Ok(())
    }

    fn attributes(&self, member: &Member) -> Result<Attributes, Refusal> {
        let (user, group) = match self.options.preserve_ownership {
            true => (Some(identity(&member.user)?), Some(identity(&member.group)?)),
            false => (None, None),
        };
        // An archive is not to bring a program that runs as somebody else, whoever packed it.
        let mode = member.mode.and_then(|mode| u16::try_from(mode & 0o777).ok()).and_then(Permissions::new);
        Ok(Attributes {
            mode: mode.filter(|_| self.options.preserve_permissions),
            user,
            group,
            modified: member.modified.filter(|_| self.options.preserve_timestamps),
        })
    }

    /// Tells what became of an entry, when it was not made; a failure that ends the run is passed on.
    fn settle(&mut self, name: &str, outcome: Result<(), Refusal>) -> Fallible<()> {
        let (kind, reason, request) = match outcome {
            Ok(()) => return Ok(()),
            Err(Refusal::Broker(error)) => match message_of(&error) {
                Some(message) => (kind_of(&error), message, request_behind(&error)),
                None => return Err(error),
            },
            Err(Refusal::Jail(reason)) => (ErrorKind::UnsupportedOperationError, reason.to_owned(), None),
        };
        let name = if name.is_empty() { HERE } else { name };
        let message = format!("{} was not extracted: {reason}", name.escape_debug());
        self.warnings = self.warnings.saturating_add(1);
        let outcome = if self.warnings > MOST_WARNINGS { Ok(()) } else { self.warn(&message) };
        self.first.get_or_insert(LeftOut { kind, message, request });
        outcome
    }

    fn warn(&self, text: &str) -> Fallible<()> {
        log::warn(&Session::of(self.context), value::line(self.context), "extract_archive", text)
    }
}

/// The path that a name means, as text and for the wire.
fn wire_path(name: &[u8]) -> Result<(String, PathText), &'static str> {
    let text = path_below(name)?;
    let path = Text::new(if text.is_empty() { HERE } else { &text }).ok_or(TOO_LONG)?;
    Ok((text, path))
}

/// An owner that is to be kept, and cannot be said, is not left to be somebody else.
fn identity(owner: &Owner) -> Result<NameOrNumber, Refusal> {
    let by_name = owner.name.as_deref().and_then(|name| Text::new(name::to_text(name)));
    let said = by_name.map(NameOrNumber::Name).or(owner.number.map(NameOrNumber::Number));
    said.ok_or(Refusal::Jail("its owner is nobody that a system has"))
}

/// The path of the directory that an archive is extracted to.
const HERE: &str = ".";

const TOO_LONG: &str = "its name is too long";

/// Links that are given the same content at once: each has a file of its own open.
const MOST_RECEIVERS: usize = 8;

/// As much of a file as is held.
const PART_BYTES: usize = 32 * 1024;

/// Memory for directories that wait. Beyond it they are made at once, which costs them only the exactness of their times.
const MOST_DIRECTORY_BYTES: usize = 8 * 1024 * 1024;

/// What a waiting directory takes beside its name.
const DIRECTORY_BYTES: usize = 256;

/// Entries that are told one by one, so that an archive of links does not fill the log.
const MOST_WARNINGS: u64 = 1000;

#[cfg(test)]
mod tests;
