//! How much of a reply's frame the answer to a request may take, known before anything is done for it.

use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{CreateDir, OpenDir};
use rex_ipc::interface::Request;
use rex_ipc::limits::{
    MAX_ADDRESSES, MAX_COMMAND_BYTES, MAX_DNS_ANSWER_BYTES, MAX_HOST_ADDRESSES, MAX_HOST_TEXT_BYTES,
    MAX_IDENTITY_BYTES, MAX_KERNEL_MESSAGE_BYTES, MAX_KERNEL_NAME_BYTES, MAX_NAME_TEXT_BYTES,
    MAX_PATH_TEXT_BYTES, MAX_PROCESS_NAME_BYTES, MAX_REPLY_BYTES, MAX_URL_BYTES,
};

use super::inside;
use crate::gate::error::Error;
use crate::host::Host;

/// The most bytes that the answer has, or the fewest with which it still says something where it takes what is left.
pub fn needed_by(request: &Request) -> usize {
    match request {
        Request::RandomBytes(random) => random.count.get() + LENGTH_BYTES,
        // A chunk may be smaller than asked for, but one of no bytes would look like the end of the file.
        Request::ReadChunk(_) | Request::ReadEnd(_) => LEAST_CHUNK_BYTES,
        // A page may have fewer entries than there is room for, but not none.
        Request::ListEntries(_) => MAX_NAME_TEXT_BYTES + PLAIN_BYTES,
        Request::ListDetails(_) => MAX_NAME_TEXT_BYTES + METADATA_BYTES,
        // Each has room for one process, or one part of a table, at the least.
        Request::ListProcesses(_) => {
            MAX_COMMAND_BYTES + MAX_PROCESS_NAME_BYTES + MAX_IDENTITY_BYTES + 2 * PLAIN_BYTES
        }
        Request::ListOpenFiles(_) => {
            MAX_COMMAND_BYTES
                + MAX_PROCESS_NAME_BYTES
                + MAX_IDENTITY_BYTES
                + MAX_PATH_TEXT_BYTES
                + 2 * PLAIN_BYTES
        }
        Request::SignalProcess(_) => MAX_COMMAND_BYTES + MAX_PROCESS_NAME_BYTES + LENGTH_BYTES,
        Request::FindRealPath(_) => MAX_PATH_TEXT_BYTES + LENGTH_BYTES,
        Request::ReadSource(_) | Request::UnitStatus(_) => LEAST_CHUNK_BYTES,
        Request::BeginGet(_) => MAX_URL_BYTES + LENGTH_BYTES,
        Request::ReadResponse(_) => LEAST_CHUNK_BYTES,
        // Half of it for each of two streams.
        Request::ReadProgram(_) => 2 * LEAST_CHUNK_BYTES,
        Request::KnownAddresses(_) => MAX_HOST_ADDRESSES * ADDRESS_BYTES + PLAIN_BYTES,
        Request::QueryName(_) => MAX_DNS_ANSWER_BYTES + MAX_HOST_TEXT_BYTES + PLAIN_BYTES,
        Request::ReadKernelLog(_) => MAX_KERNEL_MESSAGE_BYTES + PLAIN_BYTES,
        Request::ListInterfaces(_) => MAX_ADDRESSES * ADDRESS_BYTES + MAX_KERNEL_NAME_BYTES + PLAIN_BYTES,
        Request::Uname(_) => 5 * (MAX_KERNEL_NAME_BYTES + LENGTH_BYTES),
        Request::HostName(_) => MAX_KERNEL_NAME_BYTES + LENGTH_BYTES,
        // What makes nothing may find out afterwards that its answer has no room: nothing is left behind of it.
        Request::OpenDir(OpenDir { create: CreateDir::No | CreateDir::AskOnly, .. }) => 0,
        Request::OpenFile(open) if !open.mode.asks_create() => 0,
        // The real path, which is known only when links have been followed.
        Request::OpenDir(_)
        | Request::OpenFile(_)
        | Request::OpenTarget(_)
        | Request::MoveFile(_)
        | Request::MoveDir(_)
        | Request::ReadLink(_) => MAX_PATH_TEXT_BYTES + LENGTH_BYTES,
        // A few numbers at most: what `MAX_REPLY_BYTES` leaves of the frame has room for sixteen of these.
        _ => 0,
    }
}

/// Whether a request can be carried out at all: its answer has room, and it belongs to where the script is.
///
/// # Errors
/// `Other` where there is no room; `UnsupportedOperationError` for what would be done in another network namespace.
pub fn is_possible(request: &Request, room_bytes: usize, host: &Host) -> Result<(), Error> {
    if needed_by(request) > room_bytes {
        return Err(too_little());
    }
    if host.network.inside.is_some() { inside::is_served(request) } else { Ok(()) }
}

/// What a request is told for which no room is left behind the answers to those before it in its call.
pub fn too_little() -> Error {
    Error::invalid(ErrorKind::Other, "the replies of one call do not fit a frame")
}

/// Numbers, marks, and what says how long something is.
const PLAIN_BYTES: usize = 128;
const LENGTH_BYTES: usize = 16;
/// The larger form of an address, with its mark.
const ADDRESS_BYTES: usize = 17;
const LEAST_CHUNK_BYTES: usize = 1024;
/// Attributes of an entry, with the names of user and group.
const METADATA_BYTES: usize = 2 * MAX_IDENTITY_BYTES + PLAIN_BYTES;

// The first request of a call is never refused for this.
const _: () = assert!(MAX_PATH_TEXT_BYTES + LENGTH_BYTES < MAX_REPLY_BYTES);
