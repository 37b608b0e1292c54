//! Unpacking a compressed archive below a directory: each entry for itself, under the policy's eye.

use std::collections::BTreeMap;

use rex_ipc::bounded::Text;
use rex_ipc::file_system::{Attributes, MakeDir, NameOrNumber, PathText, Permissions};
use rex_ipc::name;
use rhai::{EvalAltResult, NativeCallContext};

use super::archive::{ArchiveReader, Member, MemberKind, Owner, path_below};
use super::gzip::Inflater;
use super::options::ExtractArchiveOptions;
use crate::error::{Fallible, message_of};
use crate::file_system::dir::DirHandle;
use crate::file_system::file::FileHandle;
use crate::sdk::log;
use crate::session::Session;
use crate::text::{ByteStream, Pieces, Redaction};
use crate::value;
use crate::writer::Writer;

/// Makes the files and directories of an archive below a directory.
///
/// An entry that cannot be made is told in the log, and the others go on. Links, devices and FIFOs are not made, and no
/// set-user-ID, set-group-ID or sticky bit is set.
///
/// # Errors
/// The broker's failures for the archive itself; `IoError` for what is no archive, or is damaged: what stands before
/// the damage has been made by then.
pub fn extract(
    context: &NativeCallContext,
    archive: &FileHandle,
    to: &DirHandle,
    options: &ExtractArchiveOptions,
) -> Fallible<()> {
    let stream = ByteStream::of_file(context, archive.object(), 0, Redaction::Refused)?;
    let mut extraction =
        Extraction { context, to, options, directories: Directories::default(), warnings: 0 };
    extraction.run(&mut ArchiveReader::new(Inflater::new(stream)))
}

struct Extraction<'c> {
    context: &'c NativeCallContext<'c>,
    to: &'c DirHandle,
    options: &'c ExtractArchiveOptions,
    directories: Directories,
    warnings: u64,
}

/// Directories that are made after all files, so that what they are like does not keep files from being made in them.
#[derive(Default)]
struct Directories {
    by_path: BTreeMap<String, Attributes>,
    bytes: usize,
}

/// Why an entry was not made.
enum Refusal {
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
    fn run<S: Pieces>(&mut self, archive: &mut ArchiveReader<S>) -> Fallible<()> {
        let outcome = self.members(archive);
        // After damage, what stands before it is complete; after the end of the run there is nobody left to ask.
        if outcome.as_ref().is_err_and(|error| message_of(error).is_none()) {
            return outcome;
        }
        self.make_directories()?;
        if let Some(more @ 1..) = self.warnings.checked_sub(MOST_WARNINGS) {
            self.warn(&format!("{more} more entries were not extracted"))?;
        }
        outcome
    }

    fn members<S: Pieces>(&mut self, archive: &mut ArchiveReader<S>) -> Fallible<()> {
        while let Some(member) = archive.next_member()? {
            let outcome = match member.kind {
                MemberKind::Skipped(reason) => Err(Refusal::Jail(reason)),
                MemberKind::Directory => self.remember(&member),
                MemberKind::File => self.file(archive, &member)?,
            };
            self.settle(&name::to_text(&member.name), outcome)?;
            if self.directories.bytes > MOST_DIRECTORY_BYTES {
                self.make_directories()?;
            }
        }
        Ok(())
    }

    /// Makes a file. A failure of the archive is one of the whole call; one of the broker is the entry's.
    fn file<S: Pieces>(
        &self,
        archive: &mut ArchiveReader<S>,
        member: &Member,
    ) -> Fallible<Result<(), Refusal>> {
        let path = match wire_path(&member.name) {
            Ok((_, path)) if path.as_str() != HERE => path,
            Ok(_) => return Ok(Err(Refusal::Jail("its name is empty"))),
            Err(reason) => return Ok(Err(Refusal::Jail(reason))),
        };
        let attributes = self.attributes(member);
        let mut file = match Writer::begin_file(self.context, self.to, path) {
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

    fn remember(&mut self, member: &Member) -> Result<(), Refusal> {
        let (text, _) = wire_path(&member.name).map_err(Refusal::Jail)?;
        let attributes = self.attributes(member);
        let bytes = text.len().saturating_add(DIRECTORY_BYTES);
        if self.directories.by_path.insert(text, attributes).is_none() {
            self.directories.bytes = self.directories.bytes.saturating_add(bytes);
        }
        Ok(())
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

    fn attributes(&self, member: &Member) -> Attributes {
        let (user, group) = match self.options.preserve_ownership {
            true => (identity(&member.user), identity(&member.group)),
            false => (None, None),
        };
        // An archive is not to bring a program that runs as somebody else, whoever packed it.
        let mode = member.mode.and_then(|mode| u16::try_from(mode & 0o777).ok()).and_then(Permissions::new);
        Attributes {
            mode: mode.filter(|_| self.options.preserve_permissions),
            user,
            group,
            modified: member.modified.filter(|_| self.options.preserve_timestamps),
        }
    }

    /// Tells what became of an entry, when it was not made; a failure that ends the run is passed on.
    fn settle(&mut self, name: &str, outcome: Result<(), Refusal>) -> Fallible<()> {
        let reason = match outcome {
            Ok(()) => return Ok(()),
            Err(Refusal::Broker(error)) => match message_of(&error) {
                Some(message) => message,
                None => return Err(error),
            },
            Err(Refusal::Jail(reason)) => reason.to_owned(),
        };
        self.warnings = self.warnings.saturating_add(1);
        if self.warnings > MOST_WARNINGS {
            return Ok(());
        }
        self.warn(&format!("{} was not extracted: {reason}", name.escape_debug()))
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

fn identity(owner: &Owner) -> Option<NameOrNumber> {
    let by_name = owner.name.as_deref().and_then(|name| Text::new(name::to_text(name)));
    by_name.map(NameOrNumber::Name).or(owner.number.map(NameOrNumber::Number))
}

/// The path of the directory that an archive is extracted to.
const HERE: &str = ".";

const TOO_LONG: &str = "its name is too long";

/// As much of a file as is held.
const PART_BYTES: usize = 32 * 1024;

/// Memory for directories that wait. Beyond it they are made at once, which costs them only the exactness of their times.
const MOST_DIRECTORY_BYTES: usize = 8 * 1024 * 1024;

/// What a waiting directory takes beside its name.
const DIRECTORY_BYTES: usize = 256;

/// Entries that are told one by one, so that an archive of links does not fill the log.
const MOST_WARNINGS: u64 = 1000;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use tar::{Builder, EntryType, Header};

    use crate::testing::{Bench, Node};

    const EXTRACT: &str = r#"
        let d = DirConfig().path("/d").build().open(OpenDirOptions().build());
        let t = DirConfig().path("/t").build().open(OpenDirOptions().build());
        let archive = d.open_file("a.tgz", OpenFileOptions().read(true).build());
    "#;

    fn archive(fill: impl FnOnce(&mut Builder<Vec<u8>>)) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        fill(&mut builder);
        gzip(&builder.into_inner().unwrap())
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    /// Adds an entry under a name that the builder would refuse.
    fn add(builder: &mut Builder<Vec<u8>>, name: &[u8], kind: EntryType, mode: u32, content: &[u8]) {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_mtime(1_000_000_000);
        header.set_uid(7);
        header.set_gid(8);
        header.set_username("packer").unwrap();
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append(&header, content).unwrap();
    }

    fn bench(archive: impl AsRef<[u8]>) -> Bench {
        Bench::new().file("/d/a.tgz", archive).dir("/t")
    }

    fn extracted(bench: &Bench, options: &str) {
        assert_eq!(
            bench.output(&format!(
                "{EXTRACT} archive.extract_archive(t, ExtractArchiveOptions(){options}.build())"
            )),
            ""
        );
    }

    #[test]
    fn files_come_first_and_directories_after_them_from_the_bottom() {
        let content = archive(|builder| {
            add(builder, b"a/", EntryType::Directory, 0o700, b"");
            add(builder, b"a/b/", EntryType::Directory, 0o555, b"");
            add(builder, b"./a/b/f", EntryType::Regular, 0o640, b"content");
            add(builder, b"empty", EntryType::Regular, 0o600, b"");
        });
        let bench = bench(content);

        extracted(&bench, "");

        assert_eq!((bench.content("/t/a/b/f"), bench.content("/t/empty")), ("content".into(), "".into()));
        let mode = |path: &str| bench.traits(path).mode.map(|mode| mode & 0o7777);
        assert_eq!((mode("/t/a"), mode("/t/a/b"), mode("/t/a/b/f")), (Some(0o700), Some(0o555), Some(0o640)));
        assert_eq!(bench.traits("/t/a/b/f").modified.map(|time| time.seconds), Some(1_000_000_000));
        assert_eq!(bench.traits("/t/a/b/f").owner, None);
        let made: Vec<String> = bench
            .world
            .borrow()
            .calls
            .iter()
            .flat_map(|call| call.requests.clone())
            .filter_map(|request| match request {
                rex_ipc::interface::Request::MakeDir(make) => Some(make.path.into_string()),
                rex_ipc::interface::Request::BeginFile(begin) => Some(begin.path.into_string()),
                _ => None,
            })
            .collect();
        assert_eq!(made, ["a/b/f", "empty", "a/b", "a"]);
        assert_eq!(bench.log(), Vec::<String>::new());
    }

    #[test]
    fn what_is_kept_is_chosen() {
        let content = archive(|builder| add(builder, b"f", EntryType::Regular, 0o4755, b"x"));

        let plain = bench(&content);
        extracted(&plain, ".preserve_permissions(false).preserve_timestamps(false)");
        let owned = bench(&content);
        extracted(&owned, ".preserve_ownership(true)");

        let traits = plain.traits("/t/f");
        assert_eq!((traits.mode, traits.owner, traits.modified), (None, None, None));
        // A set-user-ID bit of an archive is never set.
        let traits = owned.traits("/t/f");
        assert_eq!(traits.mode.map(|mode| mode & 0o7777), Some(0o755));
        assert_eq!((traits.owner.as_deref(), traits.group.as_deref()), (Some("packer"), Some("8")));
    }

    #[test]
    fn nothing_is_made_outside_and_no_link_or_device() {
        let content = archive(|builder| {
            for name in [&b"../out"[..], b"a/../../out", b"/abs", b"..", b".", b""] {
                add(builder, name, EntryType::Regular, 0o644, b"x");
            }
            add(builder, b"../dir/", EntryType::Directory, 0o755, b"");
            for kind in
                [EntryType::Symlink, EntryType::Link, EntryType::Char, EntryType::Fifo, EntryType::new(b'V')]
            {
                add(builder, b"special", kind, 0o644, b"");
            }
            add(builder, b"good", EntryType::Regular, 0o644, b"x");
        });
        let bench = bench(content);

        extracted(&bench, "");

        let world = bench.world.borrow();
        let made: Vec<&String> = world.nodes.keys().filter(|path| !path.starts_with("/d")).collect();
        assert_eq!(made, ["/", "/t", "/t/good"]);
        let reasons: Vec<&str> =
            world.logs.iter().map(|log| log.message.as_str().rsplit(": ").next().unwrap()).collect();
        assert_eq!(
            reasons,
            [
                "its name leads out of the directory",
                "its name leads out of the directory",
                "its name is absolute",
                "its name leads out of the directory",
                "its name is empty",
                "its name is empty",
                "its name leads out of the directory",
                "it is a symbolic link",
                "it is a hard link",
                "it is a device",
                "it is a FIFO",
                "it is of a type that is not known",
            ]
        );
    }

    #[test]
    fn one_entry_s_failure_does_not_stop_the_others() {
        let content = archive(|builder| {
            add(builder, b"denied", EntryType::Regular, 0o644, &vec![b'x'; 200_000]);
            add(builder, b"full", EntryType::Regular, 0o644, b"full disk");
            add(builder, b"good", EntryType::Regular, 0o644, b"x");
        });
        let bench = bench(content).denying("create", "/t/denied");

        extracted(&bench, "");

        assert!(bench.has("/t/good") && !bench.has("/t/denied") && !bench.has("/t/full"));
        let log = bench.log();
        assert!(log[0].contains("denied was not extracted: Permission denied: "), "{log:?}");
        assert!(log[1].contains("full was not extracted: No space left on device"), "{log:?}");
        // What was begun and not finished was given back.
        let asked = bench.asked().concat();
        assert_eq!(asked.iter().filter(|name| **name == "abandon_write").count(), 1);
    }

    #[test]
    fn large_files_come_in_pieces() {
        let noise: Vec<u8> =
            (0..300_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let content = archive(|builder| add(builder, b"big", EntryType::Regular, 0o644, &noise));
        let bench = bench(content).chunks_of(777);

        extracted(&bench, "");

        let world = bench.world.borrow();
        assert!(matches!(&world.nodes["/t/big"], Node::File(found) if *found == noise));
    }

    #[test]
    fn any_name_is_kept_and_long_ones_too() {
        let long = format!("{}/f", "long/".repeat(60));
        let content = archive(|builder| {
            add(builder, b"\xff\xfe", EntryType::Regular, 0o644, b"bytes");
            let mut header = Header::new_gnu();
            header.set_size(4);
            builder.append_data(&mut header, &long, &b"long"[..]).unwrap();
            let records = [("path", &b"new\nline"[..]), ("mtime", b"5.5")];
            builder.append_pax_extensions(records).unwrap();
            add(builder, b"ignored", EntryType::Regular, 0o644, b"pax");
        });
        let bench = bench(content);

        extracted(&bench, "");

        assert_eq!(bench.content("/t/\u{10FFFF}\u{10FFFE}"), "bytes");
        assert_eq!(bench.content(&format!("/t/{}", long.replace("//", "/"))), "long");
        assert_eq!(bench.content("/t/new\nline"), "pax");
        let modified = bench.traits("/t/new\nline").modified.unwrap();
        assert_eq!((modified.seconds, modified.nanoseconds), (5, 500_000_000));
    }

    #[test]
    fn what_is_no_archive_fails_and_what_is_cut_short_fails_at_the_cut() {
        let whole = archive(|builder| {
            add(builder, b"dir/", EntryType::Directory, 0o755, b"");
            add(builder, b"first", EntryType::Regular, 0o644, b"1");
            add(builder, b"second", EntryType::Regular, 0o644, &[0; 3000]);
        });
        let mut plain = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(whole.as_slice()), &mut plain).unwrap();
        let script = format!("{EXTRACT} archive.extract_archive(t, ExtractArchiveOptions().build())");

        for (content, reason) in [
            (b"not an archive".to_vec(), "IoError: invalid gzip header"),
            (plain.clone(), "IoError: invalid gzip header"),
            (gzip(b"text that is no archive, although it is compressed"), "IoError: unexpected end of file"),
            (gzip(&[b'x'; 1024]), "IoError: archive header checksum mismatch"),
            (gzip(&plain[..2500]), "IoError: unexpected end of file"),
        ] {
            let is_cut = content == gzip(&plain[..2500]);
            let bench = bench(content);
            let failure = bench.failure(&script);
            assert!(failure.contains(reason), "{failure}");
            assert_eq!((bench.has("/t/first"), bench.has("/t/dir")), (is_cut, is_cut));
            assert!(!bench.has("/t/second"));
        }
    }

    #[test]
    fn an_archive_of_nothing_makes_nothing() {
        for content in [gzip(b""), archive(|_| {})] {
            let bench = bench(content);

            extracted(&bench, "");

            assert!(bench.log().is_empty());
        }
    }

    #[test]
    fn an_archive_of_links_does_not_fill_the_log() {
        let content = archive(|builder| {
            for _ in 0..1_100 {
                add(builder, b"l", EntryType::Symlink, 0o777, b"");
            }
        });
        let mut bench = bench(content);
        bench.limits.operations = 0;

        extracted(&bench, "");

        let log = bench.log();
        assert_eq!(log.len(), 1_001);
        assert!(log[1_000].contains("100 more entries were not extracted"), "{}", log[1_000]);
    }

    #[test]
    fn the_question_is_asked_before_anything_is_made() {
        let content = archive(|builder| add(builder, b"f", EntryType::Regular, 0o644, b"x"));
        let bench = bench(content).denying("read", "/d/a.tgz");

        assert!(
            bench
                .failure(&format!("{EXTRACT} archive.extract_archive(t, ExtractArchiveOptions().build())"))
                .contains("PermissionDenied")
        );
        assert!(!bench.has("/t/f"));
    }
    #[test]
    fn more_directories_than_can_wait_are_made_before_the_end() {
        let content = archive(|builder| {
            for number in 0..24_500 {
                let name = format!("{number:0>98}/");
                add(builder, name.as_bytes(), EntryType::Directory, 0o755, b"");
            }
            add(builder, b"last", EntryType::Regular, 0o644, b"x");
        });
        let mut bench = bench(content);
        bench.limits.operations = 0;

        extracted(&bench, "");

        let asked = bench.asked().concat();
        let place = |name: &str| asked.iter().position(|asked| *asked == name);
        assert!(place("make_dir") < place("begin_file"));
        assert_eq!(asked.iter().filter(|name| **name == "make_dir").count(), 24_500);
    }
}
