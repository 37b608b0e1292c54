//! The lines of a record file, in order, up to the last line feed, and what of a line becomes a leaf.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use crate::error::Error;
use crate::hash::{hex, sha256};

/// A longer line is a leaf by its digest; the line itself lies beside the tiles, see [`blob_path`].
pub const MOST_LINE_BYTES: usize = 60_000;

/// A line that is longer than this is refused: no record is, and it would have to be held in memory.
pub const MOST_READ_BYTES: usize = 16 << 20;

/// A record file that is read from its beginning.
pub struct Records {
    reader: BufReader<File>,
    path: PathBuf,
    /// How many lines were given.
    pub count: u64,
    /// Where the next one begins, in bytes from the start of the file.
    pub offset: u64,
}

impl Records {
    /// Opens a record file. Links are not followed.
    ///
    /// # Errors
    /// When it cannot be opened, or is no regular file.
    pub fn open(path: &Path) -> Result<Records, Error> {
        let shown = path.display();
        let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits();
        let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
        let file = opened.map_err(|error| Error::system(format!("open {shown}"), error))?;
        let metadata = file.metadata().map_err(|error| Error::system(format!("stat {shown}"), error))?;
        if !metadata.is_file() {
            return Err(Error::refused(format!("{shown} is no regular file, so it cannot be read twice")));
        }
        Ok(Records {
            reader: BufReader::with_capacity(1 << 20, file),
            path: path.to_owned(),
            count: 0,
            offset: 0,
        })
    }

    /// Puts the next whole line into `line`, without its line feed. False at the end, and before a line that does not end.
    ///
    /// # Errors
    /// When the file cannot be read, the line is longer than [`MOST_READ_BYTES`], or it has the form of what stands for a
    /// longer line.
    pub fn next(&mut self, line: &mut Vec<u8>) -> Result<bool, Error> {
        line.clear();
        let what = || format!("read {}", self.path.display());
        let read = self.reader.by_ref().take(MOST_READ_BYTES as u64 + 1).read_until(b'\n', line);
        let read = read.map_err(|error| Error::system(what(), error))?;
        if line.pop_if(|byte| *byte == b'\n').is_some() {
            // Its leaf would be that of the line which it names, and nobody could tell the two apart.
            if stands_for(line).is_some() {
                let place = self.place();
                return Err(Error::refused(format!(
                    "{place} has the form of a digest that stands for a longer line, which no record has"
                )));
            }
            self.count += 1;
            self.offset += read as u64;
            return Ok(true);
        }
        if read > MOST_READ_BYTES {
            let place = self.place();
            return Err(Error::refused(format!(
                "{place} is longer than {MOST_READ_BYTES} bytes, which no record is"
            )));
        }
        // What has no end yet is read again when it has one.
        let back = if read > 0 { self.reader.seek(SeekFrom::Start(self.offset)).map(drop) } else { Ok(()) };
        back.map_err(|error| Error::system(what(), error))?;
        Ok(false)
    }

    /// Whether the file still has its name and all that was read of it.
    ///
    /// # Errors
    /// When it has become shorter, or the system does not say.
    pub fn has_its_name(&self) -> Result<bool, Error> {
        let shown = self.path.display();
        let held = self.reader.get_ref().metadata();
        let held = held.map_err(|error| Error::system(format!("stat {shown}"), error))?;
        if held.len() < self.offset {
            return Err(Error::contradiction(format!(
                "{shown} was cut to {} bytes; {} were sealed",
                held.len(),
                self.offset
            )));
        }
        let named = std::fs::symlink_metadata(&self.path);
        Ok(named.is_ok_and(|named| (named.dev(), named.ino()) == (held.dev(), held.ino())))
    }

    /// Where the next line is: file, line and offset, for messages.
    pub fn place(&self) -> String {
        format!("{}: line {} (byte {})", self.path.display(), self.count + 1, self.offset)
    }

    /// Brings the file to the disk, so that nothing is signed that could be lost.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn sync(&self) -> Result<(), Error> {
        let synced = self.reader.get_ref().sync_data();
        synced.map_err(|error| Error::system(format!("sync {}", self.path.display()), error))
    }
}

/// The leaf of a line: the line, or what stands for one that is longer than [`MOST_LINE_BYTES`].
pub fn entry(line: &[u8]) -> Cow<'_, [u8]> {
    if line.len() <= MOST_LINE_BYTES {
        return Cow::Borrowed(line);
    }
    let digest = hex(&sha256(line));
    Cow::Owned(format!("{STANDS_FOR}{digest}\",\"bytes\":{}}}", line.len()).into_bytes())
}

/// The digest in an entry that stands for a longer line; `None` for every other entry.
pub fn stands_for(entry: &[u8]) -> Option<String> {
    let rest = entry.strip_prefix(STANDS_FOR.as_bytes())?;
    let digest = rest.get(..64).and_then(|digest| std::str::from_utf8(digest).ok())?;
    digest.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| digest.to_owned())
}

/// Where the line of a leaf lies that only its digest stands for among the entries.
pub fn blob_path(index: u64) -> String {
    format!("blobs/{index}")
}

const STANDS_FOR: &str = "{\"long_line_sha256\":\"";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_a_leaf_by_its_digest() {
        let line = vec![b'x'; MOST_LINE_BYTES + 1];

        assert_eq!(entry(&line[1..]), &line[1..]);
        assert_eq!(stands_for(&line[1..]), None);
        let digest = stands_for(&entry(&line)).unwrap();
        assert_eq!(digest, hex(&sha256(&line)));
        assert!(entry(&line).ends_with(b"\",\"bytes\":60001}"));
    }

    /// Its leaf would be that of the long line itself, so that the one could be put in the other's place.
    #[test]
    fn a_line_of_the_form_that_stands_for_a_longer_one_is_no_record() {
        let long = vec![b'x'; MOST_LINE_BYTES + 1];
        let directory = std::env::temp_dir().join(format!("rex-evidence-records-{}", std::process::id()));
        let mut line = Vec::new();
        for (content, is_record) in [(entry(&long).into_owned(), false), (long.clone(), true)] {
            std::fs::write(&directory, [content.as_slice(), b"\n"].concat()).unwrap();
            let read = Records::open(&directory).unwrap().next(&mut line);
            assert_eq!(read.is_ok(), is_record, "{:?}", read.err());
        }
        std::fs::remove_file(&directory).unwrap();
    }
}
