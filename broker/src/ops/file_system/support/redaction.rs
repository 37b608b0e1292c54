//! What a script sees of a file that it may read only redacted.
//!
//! The dictionary of permitted line patterns is read under the broker's own authority. Each pattern is matched
//! against the whole line, its literal text taken literally; every line that matches none becomes `[REDACTED]`.
//! All the jail ever receives of such a file is the redacted text, so there is nothing to search behind it.

use std::rc::Rc;

use rex_ipc::action::file_system::RedactedRead;
use rex_ipc::bounded::Bytes;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::Chunk;
use rex_ipc::interface::Needs;

use crate::gate::error::{Error, LimitReached};
use crate::host::dictionary::MAX_REDACTED_BYTES;
use crate::host::file_system::object::File;
use crate::host::file_system::read;
use crate::ops::call::Call;

/// Part of the redacted content of an open file.
///
/// `otherwise` is why the whole content may not be read; it is what the script learns when the redacted one may not
/// be read either.
///
/// # Errors
/// `otherwise` when the redacted content may not be read either, or the file is not open for reading; those of the gate
/// but a denial; `UnsupportedOperationError` for the dictionary itself; `Limit` for too much content; `IoError` for
/// what the system says, and for content that is not UTF-8 when a script of Rex is run.
pub fn read<O>(
    call: &mut Call<'_, O>,
    file: &Rc<File>,
    offset_bytes: u64,
    length: usize,
    otherwise: Error,
) -> Result<Chunk, Error>
where
    O: Needs<RedactedRead>,
{
    let permit = match call.authorize::<RedactedRead, _>(Rc::clone(file)) {
        Ok(permit) => permit,
        Err(Error::Denied(_)) => return Err(otherwise),
        Err(error) => return Err(error),
    };
    if call.forbidden().is_dictionary(file.name.as_str(), Some(file.inode)) {
        let message = "Unsupported Operation error: Trying to redacted_read the redaction dictionary is not supported/allowed";
        return Err(Error::invalid(ErrorKind::UnsupportedOperationError, message));
    }
    if !file.readable {
        return Err(otherwise);
    }
    let known = file.redacted.borrow().clone();
    let content = match known {
        Some(content) => content,
        None => {
            let dictionary = call.host.dictionary()?;
            let redacted = dictionary.redact(&whole(call, &permit)?).ok_or_else(too_long)?;
            let content: Rc<[u8]> = redacted.into_bytes().into();
            call.host.handles.keep_redacted(file, Rc::clone(&content));
            content
        }
    };
    let start = usize::try_from(offset_bytes).unwrap_or(usize::MAX).min(content.len());
    let stop = start.saturating_add(length).min(content.len());
    let bytes = content.get(start..stop).unwrap_or_default().to_vec();
    Ok(Chunk { bytes: Bytes::new(bytes).unwrap_or_default(), end: stop == content.len() })
}

fn whole<O>(
    call: &mut Call<'_, O>,
    permit: &crate::gate::Permit<'_, RedactedRead, Rc<File>>,
) -> Result<Vec<u8>, Error> {
    let mut content = Vec::new();
    loop {
        let mut space = vec![0; 64 * 1024];
        let (count, end) = read::at_for_redaction(permit, content.len() as u64, &mut space)?;
        call.metered.count_read_bytes(count)?;
        content.extend_from_slice(space.get(..count).unwrap_or_default());
        if content.len() > MAX_REDACTED_BYTES {
            return Err(too_long());
        }
        if end {
            break;
        }
    }
    // Rex fails, and so tells that there is such a byte; a caller of it may know.
    if call.is_rex_compat() && std::str::from_utf8(&content).is_err() {
        return Err(Error::invalid(ErrorKind::IoError, "stream did not contain valid UTF-8"));
    }
    Ok(content)
}

fn too_long() -> Error {
    Error::Limit(LimitReached { name: "redacted-file-bytes", value: MAX_REDACTED_BYTES as u64 })
}
