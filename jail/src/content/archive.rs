//! The entries of a tar archive, one after the other, as they come in.
//!
//! The fields are those of the `tar` package, and the walk is our own: that package's reader holds names and extension
//! headers of any length in memory, splits the latter where a name has a newline, and knows one of the four forms of
//! sparse files.

use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::Instant;
use rex_ipc::name;
use rhai::EvalAltResult;
use tar::{EntryType, GnuExtSparseHeader, GnuSparseHeader, Header};

use super::pieces::{ByteReader, cut_short};
use super::records::{Records, decimal};
use super::sparse::{Layout, MOST_SPANS, Part, Span};
use crate::error::{Fallible, io_error};
use crate::text::Pieces;

/// An archive that is read from its start to its end.
pub struct ArchiveReader<S> {
    source: ByteReader<S>,
    /// What of the present entry has not been taken from the archive, without the padding.
    stored_left: u64,
    padding: u64,
    layout: Layout,
    /// What was said of all entries that follow.
    global: Records,
}

/// An entry of an archive.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// The name as it stands there.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: MemberKind,
    /// The name of what a link leads to, as it stands there.
    pub link: Vec<u8>,
    /// The mode, if it is a number.
    pub mode: Option<u32>,
    /// The last modification, if it is a number.
    pub modified: Option<Instant>,
    /// The user's name and number.
    pub user: Owner,
    /// The group's name and number.
    pub group: Owner,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberKind {
    /// A file with content.
    File,
    /// A directory.
    Directory,
    /// Another name of a file that stands before it.
    HardLink,
    /// Something that is not extracted, and why.
    Skipped(&'static str),
}

/// A user or group as an archive names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// The name; nothing when there is none.
    pub name: Option<Vec<u8>>,
    /// The number; nothing when it is none that a system has.
    pub number: Option<u32>,
}

impl<S: Pieces> ArchiveReader<S> {
    /// An archive of which nothing was read.
    pub fn new(source: S) -> Self {
        let (source, layout, global) = (ByteReader::new(source), Layout::plain(0), Records::default());
        Self { source, stored_left: 0, padding: 0, layout, global }
    }

    /// The next entry, past what was not read of the present one; nothing at the end.
    ///
    /// # Errors
    /// `IoError` for what is no archive, or is cut short; those of the content.
    pub fn next_member(&mut self) -> Fallible<Option<Member>> {
        let mut said = self.global.clone();
        let (mut long_name, mut long_link) = (None, None);
        let mut problem = None;
        loop {
            self.source.skip(self.stored_left.saturating_add(self.padding))?;
            (self.stored_left, self.padding, self.layout) = (0, 0, Layout::plain(0));
            let Some(header) = self.header()? else { return Ok(None) };
            let size = size_of(&header)?;
            self.announce(size);
            match header.entry_type() {
                EntryType::GNULongName => match self.record()? {
                    Some(bytes) => long_name = Some(until_nul(&bytes).to_vec()),
                    None => problem = Some("its name is too long"),
                },
                EntryType::GNULongLink => match self.record()? {
                    Some(bytes) => long_link = Some(until_nul(&bytes).to_vec()),
                    None => problem = Some("the name of what it links to is too long"),
                },
                EntryType::XHeader => match self.record()?.map(|bytes| said.clone().with(&bytes)) {
                    Some(Ok(records)) => said = records,
                    Some(Err(reason)) => problem = Some(reason),
                    None => problem = Some("its extension header is too long"),
                },
                EntryType::XGlobalHeader => {
                    match self.record()?.map(|bytes| self.global.clone().with(&bytes)) {
                        Some(Ok(records)) => {
                            self.global = records.for_all();
                            said = self.global.clone();
                        }
                        Some(Err(reason)) => problem = Some(reason),
                        None => problem = Some("its extension header is too long"),
                    }
                }
                // The GNU tar manual, "Archive Label": a name for the archive, and no entry.
                other if other.as_byte() == VOLUME_LABEL => {
                    said = self.global.clone();
                    (long_name, long_link, problem) = (None, None, None);
                }
                _ => {
                    let said = Records { link: said.link.clone().or(long_link), ..said };
                    return self.member(&header, size, said, long_name, problem).map(Some);
                }
            }
        }
    }

    /// The next part of the present entry's content, at most so long; nothing at its end.
    ///
    /// # Errors
    /// `IoError` for an archive that is cut short; those of the content.
    pub fn next_content(&mut self, most: usize) -> Fallible<Option<Vec<u8>>> {
        let mut content = Vec::new();
        while let Some(part) = self.layout.next(most.saturating_sub(content.len())) {
            let filled = content.len();
            match part {
                Part::Zeros(count) => content.resize(filled.saturating_add(count), 0),
                Part::Stored(count) => {
                    content.resize(filled.saturating_add(count), 0);
                    let room = content.get_mut(filled..).unwrap_or_default();
                    if self.source.fill(room)? < count {
                        return Err(cut_short());
                    }
                    self.stored_left = self.stored_left.saturating_sub(count as u64);
                }
            }
        }
        Ok(if content.is_empty() { None } else { Some(content) })
    }

    /// The next block as a header; nothing at a block of zeros, which ends an archive, or when there is none.
    fn header(&mut self) -> Fallible<Option<Header>> {
        let mut header = Header::new_old();
        match self.source.fill(header.as_mut_bytes())? {
            0 => return Ok(None),
            BLOCK_BYTES => {}
            _ => return Err(cut_short()),
        }
        if header.as_bytes().iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        // POSIX.1-2024, pax, "ustar Interchange Format": the sum of all bytes, with spaces where it stands itself.
        let sum = header.as_bytes().iter().enumerate().fold(0_u32, |sum, (index, &byte)| {
            let byte = if (148..156).contains(&index) { b' ' } else { byte };
            sum.saturating_add(byte.into())
        });
        match header.cksum() {
            Ok(claimed) if claimed == sum => Ok(Some(header)),
            _ => Err(malformed("archive header checksum mismatch")),
        }
    }

    fn announce(&mut self, size: u64) {
        self.stored_left = size;
        self.padding = size.next_multiple_of_block().saturating_sub(size);
    }

    /// All content of an entry that says something of the next one; nothing when it is longer than such a thing may be.
    fn record(&mut self) -> Fallible<Option<Vec<u8>>> {
        match usize::try_from(self.stored_left) {
            Ok(size) if size <= MOST_RECORD_BYTES => self.take(size).map(Some),
            _ => Ok(None),
        }
    }

    fn take(&mut self, count: usize) -> Fallible<Vec<u8>> {
        let mut bytes = vec![0; count];
        if self.source.fill(&mut bytes)? < count {
            return Err(cut_short());
        }
        self.stored_left = self.stored_left.saturating_sub(count as u64);
        Ok(bytes)
    }

    fn member(
        &mut self,
        header: &Header,
        size: u64,
        said: Records,
        long_name: Option<Vec<u8>>,
        problem: Option<&'static str>,
    ) -> Fallible<Member> {
        let entry_type = header.entry_type();
        // As GNU tar reads them: a hard link has no content, whatever it claims.
        let stored = if entry_type == EntryType::Link { 0 } else { said.size_bytes.unwrap_or(size) };
        self.announce(stored);
        let name = said.holes.name.clone().or(said.path.clone()).or(long_name);
        let name = name.unwrap_or_else(|| header.path_bytes().into_owned());
        let mut kind = match entry_type {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse if name.ends_with(b"/") => {
                MemberKind::Directory
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => MemberKind::File,
            EntryType::Directory => MemberKind::Directory,
            EntryType::Link => MemberKind::HardLink,
            EntryType::Symlink => MemberKind::Skipped("it is a symbolic link"),
            EntryType::Char | EntryType::Block => MemberKind::Skipped("it is a device"),
            EntryType::Fifo => MemberKind::Skipped("it is a FIFO"),
            // The GNU tar manual, "Dumpdir": a directory, whose content is a list of names.
            other if other.as_byte() == DUMP_DIRECTORY => MemberKind::Directory,
            other if other.as_byte() == OTHER_VOLUME => {
                MemberKind::Skipped("it is the rest of a file in another archive")
            }
            _ => MemberKind::Skipped("it is of a type that is not known"),
        };
        if entry_type == EntryType::GNUSparse || kind == MemberKind::File {
            match self.layout_of(header, &said, stored)? {
                Some(layout) => self.layout = layout,
                None => kind = MemberKind::Skipped("its map of holes is malformed"),
            }
        }
        if let Some(problem) = problem {
            kind = MemberKind::Skipped(problem);
        }
        if kind != MemberKind::File {
            self.layout = Layout::plain(0);
        }
        let fields = header.as_old();
        let modified = number_in(&fields.mtime).and_then(|seconds| i64::try_from(seconds).ok());
        let modified = modified.map(|seconds| Instant { seconds, nanoseconds: 0 });
        let number = |said: Option<u64>, own: &[u8]| {
            said.map(i128::from).or_else(|| number_in(own)).and_then(|number| u32::try_from(number).ok())
        };
        let own_link = || header.link_name_bytes().unwrap_or_default().into_owned();
        let own_name = |bytes: Option<&[u8]>| bytes.filter(|bytes| !bytes.is_empty()).map(<[u8]>::to_vec);
        Ok(Member {
            name,
            kind,
            link: said.link.unwrap_or_else(own_link),
            mode: number_in(&fields.mode).and_then(|mode| u32::try_from(mode).ok()),
            modified: said.modified.or(modified),
            user: Owner {
                name: said.user.or(own_name(header.username_bytes())),
                number: number(said.uid, &fields.uid),
            },
            group: Owner {
                name: said.group.or(own_name(header.groupname_bytes())),
                number: number(said.gid, &fields.gid),
            },
        })
    }

    /// Where the content of a file stands, in whichever form it is said; nothing when that makes no sense.
    fn layout_of(&mut self, header: &Header, said: &Records, stored: u64) -> Fallible<Option<Layout>> {
        if header.entry_type() == EntryType::GNUSparse {
            return self.old_layout(header, stored);
        }
        let holes = &said.holes;
        match (holes.version, &holes.spans, holes.real_size_bytes) {
            (Some((1, 0)), _, Some(real_size)) => {
                let Some(spans) = self.spans_before_content()? else { return Ok(None) };
                Ok(Layout::sparse(spans, real_size, self.stored_left))
            }
            (None | Some((0, _)), Some(spans), Some(real_size)) => {
                Ok(Layout::sparse(spans.clone(), real_size, stored))
            }
            (None, None, None) => Ok(Some(Layout::plain(stored))),
            _ => Ok(None),
        }
    }

    /// The layout of the oldest form, which has its map in the header and in blocks behind it.
    fn old_layout(&mut self, header: &Header, stored: u64) -> Fallible<Option<Layout>> {
        let Some(gnu) = header.as_gnu() else { return Ok(None) };
        let mut spans = known(&gnu.sparse);
        let mut extended = gnu.is_extended();
        while extended {
            let mut block = GnuExtSparseHeader::new();
            if self.source.fill(block.as_mut_bytes())? < BLOCK_BYTES {
                return Err(cut_short());
            }
            // Read to the last one even when they make no sense, because the content stands behind them.
            extended = block.is_extended();
            spans = spans.zip(known(block.sparse())).map(|(spans, more)| [spans, more].concat());
            spans = spans.filter(|spans| spans.len() <= MOST_SPANS);
        }
        Ok(spans.zip(gnu.real_size().ok()).and_then(|(spans, size)| Layout::sparse(spans, size, stored)))
    }

    /// The map that stands before the content: how many parts, then offset and length of each, a number a line, filled up
    /// to a whole block.
    fn spans_before_content(&mut self) -> Fallible<Option<Vec<Span>>> {
        let mut numbers = Numbers { block: Vec::new(), at: 0 };
        let Some(count) = numbers.next(self)? else { return Ok(None) };
        let mut spans = Vec::new();
        for _ in 0..count {
            if spans.len() >= MOST_SPANS {
                return Ok(None);
            }
            let (Some(offset), Some(length)) = (numbers.next(self)?, numbers.next(self)?) else {
                return Ok(None);
            };
            spans.push(Span { offset, length });
        }
        Ok(Some(spans))
    }
}

/// Numbers, a line each, out of whole blocks.
struct Numbers {
    block: Vec<u8>,
    at: usize,
}

impl Numbers {
    fn next<S: Pieces>(&mut self, archive: &mut ArchiveReader<S>) -> Fallible<Option<u64>> {
        let mut digits = Vec::new();
        while digits.len() < 20 {
            let Some(&byte) = self.block.get(self.at) else {
                if archive.stored_left < BLOCK_BYTES as u64 {
                    return Ok(None);
                }
                self.block = archive.take(BLOCK_BYTES)?;
                self.at = 0;
                continue;
            };
            self.at = self.at.saturating_add(1);
            if byte == b'\n' {
                return Ok(decimal(&digits));
            }
            digits.push(byte);
        }
        Ok(None)
    }
}

/// The path below the directory that an archive is extracted to, in the form of [`rex_ipc::name`], empty for that
/// directory itself; or why the name leads nowhere below it.
///
/// # Errors
/// What is wrong with the name.
pub fn path_below(name: &[u8]) -> Result<String, &'static str> {
    if name.contains(&0) {
        return Err("its name contains NUL");
    }
    if name.starts_with(b"/") {
        return Err("its name is absolute");
    }
    let mut parts = Vec::new();
    for part in name.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return Err("its name leads out of the directory"),
            part => parts.push(part),
        }
    }
    Ok(name::to_text(&parts.join(&b'/')))
}

/// The parts that are stored, up to the first empty place; nothing when a number is none.
fn known(headers: &[GnuSparseHeader]) -> Option<Vec<Span>> {
    let present = headers.iter().take_while(|header| !header.is_empty());
    present
        .map(|header| Some(Span { offset: header.offset().ok()?, length: header.length().ok()? }))
        .collect()
}

/// How much of the archive belongs to an entry. One without a length, as a label has it, has no content.
fn size_of(header: &Header) -> Fallible<u64> {
    let field = &header.as_old().size;
    if field.iter().all(|byte| matches!(byte, 0 | b' ')) {
        return Ok(0);
    }
    let size = number_in(field).and_then(|size| u64::try_from(size).ok());
    size.ok_or_else(|| {
        let name = name::to_text(&header.path_bytes());
        malformed(&format!("the size of {} is not a number", name.escape_debug()))
    })
}

/// The number in a field of a header; nothing when it has none.
///
/// # Source
/// POSIX.1-2024, pax, "ustar Interchange Format": octal digits, with spaces around them or NUL behind. The GNU tar manual,
/// "Extensions to the ustar format": the highest bit of the first byte says that the others are a number of two's
/// complement, the highest byte first.
fn number_in(field: &[u8]) -> Option<i128> {
    let (&first, rest) = field.split_first()?;
    if first & 0x80 != 0 {
        // Sign-extended from seven bits. A field has twelve bytes at most.
        let high = i128::from(((first << 1) as i8) >> 1);
        return Some(rest.iter().fold(high, |number, &byte| (number << 8) | i128::from(byte)));
    }
    let blank = |byte: &u8| matches!(byte, 0 | b' ');
    let start = field.iter().position(|byte| !blank(byte))?;
    let digits = field.get(start..)?.split(blank).next()?;
    let (negative, digits) = digits.strip_prefix(b"-").map_or((false, digits), |digits| (true, digits));
    if digits.is_empty() || !digits.iter().all(|byte| (b'0'..=b'7').contains(byte)) {
        return None;
    }
    let number = digits.iter().fold(0_i128, |number, digit| (number << 3) | i128::from(digit & 7));
    Some(if negative { number.saturating_neg() } else { number })
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}

fn malformed(reason: &str) -> Box<EvalAltResult> {
    io_error(ErrorKind::IoError, reason)
}

/// Lengths in blocks, where the last one may be the largest that there is.
trait Blocks {
    fn next_multiple_of_block(self) -> u64;
}

impl Blocks for u64 {
    fn next_multiple_of_block(self) -> u64 {
        self.checked_next_multiple_of(BLOCK_BYTES as u64).unwrap_or(u64::MAX)
    }
}

const BLOCK_BYTES: usize = 512;

/// The type of a name for the whole archive.
const VOLUME_LABEL: u8 = b'V';
/// The type of a directory in an incremental dump.
const DUMP_DIRECTORY: u8 = b'D';
/// The type of what did not fit the archive before.
const OTHER_VOLUME: u8 = b'M';

/// The longest name or extension header: a path has 4096 bytes and an extended attribute 65,536.
const MOST_RECORD_BYTES: usize = 1024 * 1024;

#[cfg(test)]
mod tests;
