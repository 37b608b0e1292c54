//! The mode of what is new where `chmod` is denied: it is made all the same, as in Rex, and the log says so.

use rex_ipc::action::file_system::Chmod;
use rex_ipc::bounded::Text;
use rex_ipc::file_system::Permissions;
use rex_ipc::interface::Needs;
use rex_ipc::runtime::{Log, LogLevel};

use crate::gate::error::Error;
use crate::gate::{Act, Allows, Permit};
use crate::ops::call::Call;
use crate::policy::name::PathName;

/// Asks whether what comes to stand at `path` may have `mode`; nothing where that is denied.
///
/// # Errors
/// Those of the gate but a denial; `Limit` when there are too many log lines.
pub fn permitted<'req, O, R>(
    call: &mut Call<'req, O>,
    resource: R,
    path: &PathName,
    mode: Permissions,
) -> Result<Option<Permit<'req, Chmod, R>>, Error>
where
    O: Needs<Chmod>,
    R: Allows<Chmod>,
{
    match call.authorize_act::<Chmod, _>(resource, Act::Mode(mode.bits())) {
        Ok(permit) => Ok(Some(permit)),
        // The denial itself is on record.
        Err(Error::Denied(_)) => tell(call, path, mode).map(|()| None),
        Err(error) => Err(error),
    }
}

/// Says it once for each path, and not for more paths than somebody reads.
fn tell<O>(call: &mut Call<'_, O>, path: &PathName, mode: Permissions) -> Result<(), Error> {
    let line = call.line;
    let told = &mut call.host.without_mode;
    if told.len() > MOST_LINES || !told.insert(path.as_str().to_owned()) {
        return Ok(());
    }
    let text = match told.len() > MOST_LINES {
        true => "more is made without its mode, because chmod is denied".to_owned(),
        false => format!("{path} is made without the mode {:#o}: chmod is denied", mode.bits()),
    };
    let message = Text::cut(&text);
    let cut = message.as_str().len() < text.len();
    // Archives are all that gives a mode to what is new.
    let function = Some(Text::cut("extract_archive"));
    call.telling.log(Log { level: LogLevel::Warn, line, message, cut, function })
}

/// As many lines as the jail writes of entries that were passed over.
const MOST_LINES: usize = 20;
