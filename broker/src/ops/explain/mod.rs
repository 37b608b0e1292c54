//! Which permissions a denied call lacks: not only the one that was refused first, but those that would be refused next.
//!
//! A call is a sequence of requests, and the policy is asked by name. Once a request is denied, the names that it and the
//! later ones would ask about follow from their texts: the path of a directory, a name in it, the handle that the jail
//! chose for it. These questions are put to the policy here, and nothing else happens: no system call is made, nothing
//! is recorded, and the script learns nothing. What depends on what is there (where a link leads, which directories are
//! missing, what a directory contains) cannot be known in this way, and is not claimed.

pub mod ahead;
pub mod names;

use rex_ipc::interface::Request;

use crate::gate::Recording;
use crate::gate::deciding::Deciding;
use crate::gate::explaining::refused;
use crate::gate::forbidden::Known;
use crate::host::handles::Handles;
use crate::policy::explain::Need;

/// Adds what the rest of a call lacks to the explanation of the refusal that ended it.
///
/// To be called while the handles that the call has opened are still there.
pub fn of_rest(
    deciding: &mut Deciding,
    recording: &mut dyn Recording,
    handles: &Handles,
    denied: &Request,
    rest: &[Request],
) {
    let Some(first) = deciding.explaining.take_refused() else { return };
    for asked in ahead::of(handles, std::iter::once(denied).chain(rest)) {
        if !deciding.explaining.may_name() {
            return;
        }
        let known = Known { inode: asked.place.inode, ..Known::default() };
        let is_lacking = |deciding: &mut Deciding, action| {
            asked.with(action, |question| deciding.refusal(question, known))
        };
        let Some(forbidden_by) = is_lacking(deciding, asked.action) else { continue };
        // A file that may not be read is read redacted where that is permitted.
        if let Some(instead) = asked.instead
            && is_lacking(deciding, instead).is_none()
        {
            continue;
        }
        asked.with(asked.action, |question| {
            if refused(question) == first {
                return;
            }
            let grant = deciding.granting(question, &forbidden_by);
            deciding.explaining.name();
            recording.explain_more(Need::of(question, &forbidden_by, asked.place.as_spelled), grant);
        });
    }
}
