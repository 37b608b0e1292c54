//! Follows every link of a path.
//!
//! # Policy
//! `file_system::stat` on the file of that name, which Rex does not ask; for its scripts only a forbid counts.

use rex_ipc::action::file_system::Stat;
use rex_ipc::bounded::Text;
use rex_ipc::name;
use rex_ipc::process_system::{FindRealPath, RealPath};

use crate::gate::error::Error;
use crate::host::file_system::object::FilePath;
use crate::host::process_system::real_path;
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
        let path = PathName::parse(self.path.as_str())?;
        let permit = call.authorize_beyond_rex::<Stat, _>(FilePath(path))?;
        let (real, entry_type) = real_path::of(&permit)?;
        Ok(RealPath { path: Text::cut(&name::to_text(real.as_os_str().as_encoded_bytes())), entry_type })
    }
}
