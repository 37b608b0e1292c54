//! The next bytes of the program that runs, or its end.
//!
//! # Policy
//! What was asked for the program is asked again: `file_system::execute` on its file, with everything that it was given.

use rex_ipc::action::file_system::Execute;
use rex_ipc::bounded::Bytes;
use rex_ipc::failure::ErrorKind;
use rex_ipc::limits::MAX_CHUNK_BYTES;
use rex_ipc::program::{ProgramOutput, ReadProgram};

use crate::gate::error::Error;
use crate::host::programs::output;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;

impl Perform for ReadProgram {
    fn foresee(&self, _ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<ProgramOutput, Error> {
        let none = || Error::invalid(ErrorKind::IoError, "no program is running");
        let question = call.host.programs.question().ok_or_else(none)?;
        let permit = match question.is_beyond_rex {
            true => call.authorize_beyond_rex::<Execute, _>(question.executed)?,
            false => call.authorize::<Execute, _>(question.executed)?,
        };
        let room = MAX_CHUNK_BYTES.min(call.room_bytes.saturating_sub(OVERHEAD_BYTES));
        // Programs that write much write it to their standard output; what finds no room comes with the next reply.
        let of_error = (room / SHARE_OF_ERROR).max(1).min(room);
        let mut spaces = [vec![0; room - of_error], vec![0; of_error]];
        let [output, error] = &mut spaces;
        let (counts, end) =
            output::read(&permit, &mut call.host.programs, [output, error], &mut || call.pace.go_on())?;
        for (space, count) in spaces.iter_mut().zip(counts) {
            space.truncate(count);
            call.metered.count_read_bytes(count)?;
        }
        let [output, error] = spaces.map(|space| Bytes::new(space).unwrap_or_default());
        Ok(ProgramOutput { output, error, end })
    }
}

/// What part of a reply is kept for the standard error.
const SHARE_OF_ERROR: usize = 8;
/// Two lengths (at most 5 each), the end (3), count and failure mark of the reply.
const OVERHEAD_BYTES: usize = 32;
