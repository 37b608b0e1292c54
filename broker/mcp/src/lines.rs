//! One message after the other from a stream, none longer than a bound.

use std::io::{self, BufRead};

/// What stands between two line feeds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// The bytes without the line feed.
    Whole(Vec<u8>),
    /// It was longer than the bound. Its bytes are gone, and the next line begins where it should.
    TooLong,
}

/// The next line, or nothing at the end of the stream. What stands at the end without a line feed is no message.
///
/// No more than `most_bytes` are ever held, however long the line is.
///
/// # Errors
/// When the stream cannot be read.
pub(crate) fn next(stream: &mut impl BufRead, most_bytes: usize) -> io::Result<Option<Line>> {
    let mut line = Vec::new();
    let mut is_too_long = false;
    loop {
        let piece = match stream.fill_buf() {
            Ok(piece) => piece,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if piece.is_empty() {
            return Ok(None);
        }
        let end = piece.iter().position(|byte| *byte == b'\n');
        let taken = piece.get(..end.unwrap_or(piece.len())).unwrap_or_default();
        is_too_long |= line.len().saturating_add(taken.len()) > most_bytes;
        if is_too_long {
            line = Vec::new();
        } else {
            line.extend_from_slice(taken);
        }
        let used = end.map_or(piece.len(), |end| end.saturating_add(1));
        stream.consume(used);
        if end.is_some() {
            return Ok(Some(if is_too_long { Line::TooLong } else { Line::Whole(line) }));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    /// The lines of a text that comes in pieces of so many bytes.
    fn lines(text: &str, piece_bytes: usize) -> Vec<Line> {
        let mut stream = BufReader::with_capacity(piece_bytes, text.as_bytes());
        std::iter::from_fn(|| next(&mut stream, 5).unwrap()).collect()
    }

    #[test]
    fn a_line_of_the_bound_is_whole_and_a_longer_one_is_passed_over() {
        let whole = |text: &str| Line::Whole(text.as_bytes().to_vec());

        for piece_bytes in [1, 2, 3, 64] {
            assert_eq!(
                lines("12345\n\n123456\nab\n1234567890123\nc\nrest", piece_bytes),
                [whole("12345"), whole(""), Line::TooLong, whole("ab"), Line::TooLong, whole("c")]
            );
        }
    }
}
