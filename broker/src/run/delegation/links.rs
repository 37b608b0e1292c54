//! Who was granted what a template permits: a file of root's, a line for each grant.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::state::State;
use super::{PLACE, now};
use crate::policy::Link;

/// The grants that hold now; none where nobody could have kept any: only root's are believed.
///
/// # Errors
/// When they cannot be read, or are not what was written.
pub fn in_force() -> Result<Vec<Link>, String> {
    // Nothing is made where nothing was granted.
    if !nix::unistd::geteuid().is_root() || !Path::new(PLACE).exists() {
        return Ok(Vec::new());
    }
    let now = now()?;
    let links = open()?.links()?;
    Ok(links.into_iter().filter(|link| link.expires > now).collect())
}

/// Keeps a grant.
///
/// # Errors
/// When it cannot be kept where nobody but root could have put it.
pub fn grant(link: Link) -> Result<(), String> {
    let now = now()?;
    open()?.change_links(|links| {
        links.retain(|other| other.expires > now);
        links.push(link);
        Ok(())
    })
}

/// Takes a grant away.
///
/// # Errors
/// When there is none of this id, or it cannot be taken away.
pub fn revoke(id: &str) -> Result<(), String> {
    open()?.change_links(|links| {
        let before = links.len();
        links.retain(|link| link.id != id);
        if links.len() == before { Err(format!("there is no grant {id}")) } else { Ok(()) }
    })
}

fn open() -> Result<State, String> {
    if !nix::unistd::geteuid().is_root() {
        return Err("grants are root's to give and to take".to_owned());
    }
    State::open(Path::new(PLACE)).map_err(|reason| format!("{PLACE}: {reason}"))
}

/// Whether a grant is over.
pub(super) fn is_over(link: &Link) -> bool {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(true, |now| now.as_secs() >= link.expires)
}

/// The grants in a text of a line for each.
pub(super) fn read(text: &str) -> Result<Vec<Link>, String> {
    let read = |(number, line)| {
        serde_json::from_str(line).map_err(|error| format!("line {} is damaged: {error}", number + 1))
    };
    text.lines().enumerate().map(read).collect()
}

/// The text of grants.
pub(super) fn written(links: &[Link]) -> Result<String, String> {
    let line =
        |link: &Link| serde_json::to_string(link).map(|line| line + "\n").map_err(|error| error.to_string());
    links.iter().map(line).collect()
}
