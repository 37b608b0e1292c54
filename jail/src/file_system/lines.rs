//! Which lines of a file are meant, counted from its start or from its end.

use std::collections::VecDeque;

use rex_ipc::failure::ErrorKind;
use rhai::Array;

use super::options::ReadLinesOptions;
use crate::error::{Fallible, TooLarge, io_error, too_large};
use crate::session::Session;
use crate::text::{LineStream, Pieces, TextArray, array_limit, string_limit};

/// The lines that the options mean.
///
/// A count takes so many lines from `start` on, or from the first. A count less than 0 takes so many lines that end
/// with `start`, or with the last. Without a count, everything from `start` on.
///
/// # Errors
/// `InvalidArguments` when neither is set; the broker's failures; `IoError` for what is no text; the limits on values.
pub fn select<S: Pieces>(
    session: &Session,
    lines: &mut LineStream<S>,
    options: &ReadLinesOptions,
) -> Fallible<Array> {
    match (options.count, options.start) {
        (None, None) => {
            Err(io_error(ErrorKind::InvalidArguments, "Invalid arguments: No read line mode specified"))
        }
        (Some(count), start) if count < 0 => last(session, lines, count.unsigned_abs(), start),
        (count, start) => {
            let count = count.map_or(u64::MAX, |count| count.unsigned_abs());
            first(session, lines, count, start.unwrap_or(1))
        }
    }
}

fn first<S: Pieces>(session: &Session, lines: &mut LineStream<S>, count: u64, start: u64) -> Fallible<Array> {
    let mut selected = TextArray::new(session);
    let end = start.saturating_add(count);
    let mut number = 1_u64;
    while number < end {
        let Some(line) = lines.next_text()? else { break };
        if number >= start {
            selected.push(line)?;
        }
        number = number.saturating_add(1);
    }
    Ok(selected.into_array())
}

/// Only the lines that may still be among the last are kept, so the file may be of any size.
fn last<S: Pieces>(
    session: &Session,
    lines: &mut LineStream<S>,
    count: u64,
    end: Option<u64>,
) -> Fallible<Array> {
    let wanted = usize::try_from(count).unwrap_or(usize::MAX);
    let (most, most_bytes) = (array_limit(session), string_limit(session));
    let mut ring: VecDeque<Vec<u8>> = VecDeque::new();
    let mut bytes = 0_usize;
    let mut number = 0_u64;
    while end.is_none_or(|end| number < end) {
        let Some(line) = lines.next_bytes()? else { break };
        number = number.saturating_add(1);
        if ring.len() == wanted {
            let dropped = ring.pop_front().unwrap_or_default();
            bytes = bytes.saturating_sub(dropped.len());
        }
        bytes = bytes.saturating_add(line.len());
        if ring.len() >= most {
            return Err(too_large(TooLarge::Array));
        }
        if bytes > most_bytes {
            return Err(too_large(TooLarge::Text));
        }
        ring.push_back(line.to_vec());
    }
    let mut selected = TextArray::new(session);
    let before = number.saturating_sub(ring.len() as u64);
    for (line, number) in ring.iter().zip(before.saturating_add(1)..) {
        selected.push(lines.decoding().line(Some(number), line)?)?;
    }
    Ok(selected.into_array())
}
