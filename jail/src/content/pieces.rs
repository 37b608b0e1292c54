//! Content by amount and by place, where it comes in pieces of any size.

use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{Chunk, ChunkLength, ReadChunk};
use rex_ipc::handle::FileId;
use rhai::{EvalAltResult, NativeCallContext};

use crate::error::{Fallible, io_error};
use crate::file_system::file::FileHandle;
use crate::session::Session;
use crate::text::Pieces;
use crate::value;

/// Content that is taken in amounts which do not depend on its pieces. It never holds more than one piece and a prefix.
pub struct ByteReader<S> {
    pieces: S,
    piece: Vec<u8>,
    at: usize,
}

impl<S: Pieces> ByteReader<S> {
    /// Content of which nothing has been taken.
    pub fn new(pieces: S) -> Self {
        Self { pieces, piece: Vec::new(), at: 0 }
    }

    /// What can be taken at once; nothing only at the end.
    ///
    /// # Errors
    /// Those of the content.
    pub fn available(&mut self) -> Fallible<&[u8]> {
        while self.at >= self.piece.len() {
            let Some(piece) = self.pieces.next_piece()? else { return Ok(&[]) };
            self.piece = piece;
            self.at = 0;
        }
        Ok(self.present())
    }

    /// Takes so many bytes of what is available.
    pub fn consume(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes).min(self.piece.len());
    }

    /// Whether what comes next begins with these bytes, which are not taken.
    ///
    /// # Errors
    /// Those of the content.
    pub fn starts_with(&mut self, prefix: &[u8]) -> Fallible<bool> {
        while self.present().len() < prefix.len() {
            let Some(more) = self.pieces.next_piece()? else { return Ok(false) };
            self.piece = [self.present(), &more].concat();
            self.at = 0;
        }
        Ok(self.present().starts_with(prefix))
    }

    /// Takes the zeros that come next.
    ///
    /// # Errors
    /// Those of the content.
    pub fn skip_zeros(&mut self) -> Fallible<()> {
        loop {
            let available = self.available()?;
            let zeros = available.iter().take_while(|&&byte| byte == 0).count();
            let is_over = zeros == 0 || zeros < available.len();
            self.consume(zeros);
            if is_over {
                return Ok(());
            }
        }
    }

    /// Takes as much as there is room for; less only at the end. Gives how much.
    ///
    /// # Errors
    /// Those of the content.
    pub fn fill(&mut self, room: &mut [u8]) -> Fallible<usize> {
        let mut filled = 0_usize;
        while let Some(rest) = room.get_mut(filled..)
            && !rest.is_empty()
        {
            let available = self.available()?;
            let count = available.len().min(rest.len());
            if count == 0 {
                break;
            }
            rest.iter_mut().zip(available).for_each(|(to, from)| *to = *from);
            self.consume(count);
            filled = filled.saturating_add(count);
        }
        Ok(filled)
    }

    /// Takes so many bytes and forgets them.
    ///
    /// # Errors
    /// `IoError` when there are fewer; those of the content.
    pub fn skip(&mut self, bytes: u64) -> Fallible<()> {
        let mut left = bytes;
        while left > 0 {
            let available = self.available()?.len();
            if available == 0 {
                return Err(cut_short());
            }
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(available);
            self.consume(count);
            left = left.saturating_sub(count as u64);
        }
        Ok(())
    }

    fn present(&self) -> &[u8] {
        self.piece.get(self.at..).unwrap_or_default()
    }
}

/// Content that is read here and there.
pub trait ReadAt {
    /// So many bytes from this place; fewer when the content ends before.
    ///
    /// # Errors
    /// Those of the content.
    fn read_at(&mut self, offset_bytes: u64, length: usize) -> Fallible<Vec<u8>>;
}

/// An open file that is read here and there. It must be one whose whole content may be read.
pub struct Places {
    session: Session,
    line: u32,
    file: FileId,
}

impl Places {
    /// The places of this file.
    pub fn of(context: &NativeCallContext, file: &FileHandle) -> Self {
        Self { session: Session::of(context), line: value::line(context), file: file.id() }
    }

    /// How long the file is now, found by reading at its end: describing it would ask another question.
    ///
    /// # Errors
    /// The broker's failures.
    pub fn length(&mut self) -> Fallible<u64> {
        let mut low = 0_u64;
        let mut high: Option<u64> = None;
        // Each round halves or doubles a distance, so that there are some 70 for the longest file; one that changes
        // all the time gets some length that it had.
        for _ in 0..256 {
            let chunk = self.chunk(low, ChunkLength::MAX)?;
            let end = low.saturating_add(chunk.bytes.as_slice().len() as u64);
            if chunk.end || end == low {
                return Ok(end);
            }
            let middle = match high {
                Some(high) if high <= end => end,
                Some(high) => end.saturating_add(high.saturating_sub(end) / 2),
                None => end.saturating_mul(2),
            };
            match self.chunk(middle, ONE_BYTE)?.bytes.as_slice() {
                [] => {
                    high = Some(middle);
                    low = end;
                }
                _ => low = middle,
            }
        }
        Ok(low)
    }

    fn chunk(&self, offset_bytes: u64, length: ChunkLength) -> Fallible<Chunk> {
        let request = ReadChunk { file: self.file, offset_bytes, length, redacted: false };
        Ok(self.session.ask(self.line, request)?)
    }
}

impl ReadAt for Places {
    fn read_at(&mut self, offset_bytes: u64, length: usize) -> Fallible<Vec<u8>> {
        let mut bytes: Vec<u8> = Vec::new();
        while bytes.len() < length {
            let missing = u32::try_from(length.saturating_sub(bytes.len())).unwrap_or(u32::MAX);
            let wanted = ChunkLength::new(missing).unwrap_or(ChunkLength::MAX);
            let chunk = self.chunk(offset_bytes.saturating_add(bytes.len() as u64), wanted)?;
            let nothing = chunk.bytes.as_slice().is_empty();
            bytes.extend_from_slice(chunk.bytes.as_slice());
            if chunk.end || nothing {
                break;
            }
        }
        Ok(bytes)
    }
}

const ONE_BYTE: ChunkLength = match ChunkLength::new(1) {
    Some(length) => length,
    None => ChunkLength::MAX,
};

/// What is said of content that ends where more was announced.
pub fn cut_short() -> Box<EvalAltResult> {
    io_error(ErrorKind::IoError, "unexpected end of file")
}
