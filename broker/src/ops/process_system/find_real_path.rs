//! Follows every link of a path.
//!
//! # Policy
//! `file_system::stat` on the file of that name, and on the one that its links lead to, whether it is there or not. Rex asks
//! neither; for its scripts only a forbid counts.

use rex_ipc::action::file_system::Stat;
use rex_ipc::bounded::Text;
use rex_ipc::process_system::{FindRealPath, RealPath};

use crate::gate::error::Error;
use crate::host::file_system::object::FilePath;
use crate::host::process_system::{real_path, unguarded};
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;
use crate::ops::explain::names::Place;
use crate::policy::name::PathName;

impl Perform for FindRealPath {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        let place = Place::file(PathName::parse(self.path.as_str()).ok()?);
        ahead.ask_perhaps::<Stat>(&place);
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<RealPath, Error> {
        let given = PathName::parse(self.path.as_str())?;
        let mut permit = call.authorize_beyond_rex::<Stat, _>(FilePath(given.clone()))?;
        let real = unguarded::leads_to(&given);
        if real != given {
            permit = call.authorize_beyond_rex::<Stat, _>(FilePath(real.clone()))?;
        }
        let entry_type = real_path::kind(&permit)?;
        Ok(RealPath { path: Text::cut(real.as_str()), entry_type })
    }
}
