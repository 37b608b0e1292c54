//! What a request is about, so that its failure can name it.
//!
//! The system says only what went wrong. A call is several requests, so that a script which is told "No such file or
//! directory" does not know which of its two paths is meant.

use rex_ipc::file_system::DirPlace;
use rex_ipc::handle::{AnyId, DirId, FileId};
use rex_ipc::interface::Request;

use crate::host::handles::Handles;

/// The name of what the request would make, open, change or remove, as the script spelled it.
pub fn object(handles: &Handles, request: &Request) -> Option<String> {
    let in_dir = |dir: DirId, name: &str| {
        let dir = handles.dir(dir).ok()?;
        let parent = dir.name.as_str();
        Some(if name.starts_with('/') {
            name.to_owned()
        } else {
            format!("{}/{name}", parent.strip_suffix('/').unwrap_or(parent))
        })
    };
    let file = |id: FileId| handles.file(id).ok().map(|file| file.origin.named.path.as_str().to_owned());
    let dir = |id: DirId| handles.dir(id).ok().map(|dir| dir.name.as_str().to_owned());
    let any = |id: AnyId| match id {
        AnyId::Dir(id) => dir(id),
        AnyId::File(id) => file(id),
    };
    match request {
        Request::OpenDir(request) => match &request.at {
            DirPlace::Path(path) => Some(path.as_str().to_owned()),
            DirPlace::Entry(dir, name) => in_dir(*dir, name.as_str()),
            DirPlace::Below(dir, path) => in_dir(*dir, path.as_str()),
        },
        Request::OpenFile(request) => in_dir(request.dir, request.name.as_str()),
        Request::OpenTarget(request) => in_dir(request.dir, request.name.as_str()),
        Request::MakeDir(request) => in_dir(request.dir, request.path.as_str()),
        Request::MakePath(request) => Some(request.path.as_str().to_owned()),
        Request::CreateLink(request) => in_dir(request.dir, request.name.as_str()),
        Request::DeletePath(request) => Some(request.path.as_str().to_owned()),
        Request::DeleteFile(request) => file(request.file),
        Request::DeleteDir(request) => dir(request.dir),
        Request::MoveFile(request) => in_dir(request.to, request.name.as_str()),
        Request::MoveDir(request) => in_dir(request.to, request.name.as_str()),
        Request::Copy(request) => file(request.to),
        Request::SetMode(request) => any(request.handle),
        Request::SetOwner(request) => any(request.handle),
        Request::OpenListing(request) => Some(request.path.as_str().to_owned()),
        Request::ListEntries(request) => dir(request.dir),
        Request::ListDetails(request) => dir(request.dir),
        Request::Stat(request) => any(request.handle),
        Request::StatEntry(request) => in_dir(request.dir, request.name.as_str()),
        Request::OpenLink(request) => in_dir(request.dir, request.name.as_str()),
        Request::ReadLink(request) => in_dir(request.dir, request.name.as_str()),
        Request::ReadChunk(request) => file(request.file),
        Request::ReadEnd(request) => file(request.file),
        Request::BeginWrite(request) => file(request.file),
        Request::Truncate(request) => file(request.file),
        Request::Allocate(request) => file(request.file),
        Request::SetXAttr(request) => file(request.file),
        Request::SetTimes(request) => file(request.file),
        _ => None,
    }
}
