//! What can be done while a network namespace is entered, and what is refused because it would be done in another one.

use rex_ipc::failure::ErrorKind;
use rex_ipc::interface::Request;

use crate::gate::error::Error;

/// Whether a request means the same in every network namespace, or is carried out in the one that was entered.
///
/// # Errors
/// `UnsupportedOperationError` for what would be done elsewhere than the script is.
pub(super) fn is_served(request: &Request) -> Result<(), Error> {
    let what = match request {
        // A row that is added has to say where it belongs: there is no arm for all others.
        Request::Connect(_)
        | Request::ListInterfaces(_)
        | Request::ReadSource(_)
        | Request::EnterNamespaces(_)
        | Request::LeaveNamespaces(_) => return Ok(()),
        // What this host says of names, what another exchange has left, and everything that belongs to no network namespace.
        Request::KnownAddresses(_)
        | Request::ReadResponse(_)
        | Request::Now(_)
        | Request::Sleep(_)
        | Request::RandomBytes(_)
        | Request::Log(_)
        | Request::Alarm(_)
        | Request::Metric(_)
        | Request::Close(_)
        | Request::OpenDir(_)
        | Request::OpenFile(_)
        | Request::ReadChunk(_)
        | Request::OpenListing(_)
        | Request::ListEntries(_)
        | Request::OpenLink(_)
        | Request::ReadLink(_)
        | Request::Stat(_)
        | Request::StatEntry(_)
        | Request::ListDetails(_)
        | Request::BeginWrite(_)
        | Request::BeginFile(_)
        | Request::WriteChunk(_)
        | Request::FinishWrite(_)
        | Request::AbandonWrite(_)
        | Request::Truncate(_)
        | Request::Allocate(_)
        | Request::Copy(_)
        | Request::MoveFile(_)
        | Request::MoveDir(_)
        | Request::DeleteFile(_)
        | Request::DeleteDir(_)
        | Request::DeletePath(_)
        | Request::MakeDir(_)
        | Request::MakePath(_)
        | Request::CreateLink(_)
        | Request::SetMode(_)
        | Request::SetOwner(_)
        | Request::SetXAttr(_)
        | Request::SetTimes(_)
        | Request::OpenTarget(_)
        | Request::ReadEnd(_)
        | Request::ReadProgram(_)
        | Request::BeginAnalysis(_)
        | Request::ListProcesses(_)
        | Request::SignalProcess(_)
        | Request::ListOpenFiles(_)
        | Request::FindRealPath(_)
        | Request::BeginTrace(_)
        | Request::ActOnUnit(_)
        | Request::UnitStatus(_)
        | Request::ReloadManager(_)
        | Request::StatFileSystem(_)
        | Request::Unmount(_)
        | Request::Uname(_)
        | Request::HostName(_)
        | Request::CountProcessors(_)
        | Request::ReadKernelLog(_) => return Ok(()),
        Request::BeginGet(_) => "a request to a server",
        Request::QueryName(_) => "a query of a name server",
        Request::BeginProgram(_) => "a program",
        Request::WriteParameter(_) | Request::LoadParameters(_) => "a change of parameters of the kernel",
    };
    let message = format!("{what} is not possible within a network namespace in this version");
    Err(Error::invalid(ErrorKind::UnsupportedOperationError, message))
}
