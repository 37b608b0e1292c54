//! To whom a template's permission is granted, and from whom it is taken.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{GrantArguments, complain, print, read, show, texts};
use crate::audit;
use crate::policy::{Link, Mode, Policies, template_sha256};
use crate::result::Exit;
use crate::run::delegation::links;

/// Fills the slots of a template, for a while.
pub(super) fn grant(arguments: &GrantArguments) -> Exit {
    let sources = match read(&arguments.policy) {
        Ok(sources) => sources,
        Err(unread) => return unread.exit,
    };
    let texts = texts(&sources);
    let link = match link(arguments, template_sha256(&texts, &arguments.template)) {
        Ok(link) => link,
        Err((exit, reason)) => {
            complain(&reason);
            return exit;
        }
    };
    // What a run would make of it, and more strictly: nobody is going to look at this grant again.
    match Policies::load_linked(&texts, Mode::Standard, std::slice::from_ref(&link)) {
        Ok(loaded) => {
            show(&loaded.warnings, &texts);
            if !loaded.policies.links().any(|own| own == link.id) {
                return Exit::InputInvalid;
            }
        }
        Err(errors) => {
            show(errors.findings(), &texts);
            return Exit::InputInvalid;
        }
    }
    let id = link.id.clone();
    match links::grant(link) {
        Ok(()) => print(&format!("{id}\n")),
        Err(reason) => refused(&reason),
    }
}

/// Takes a grant away: from the next run, and from the next operation of each that goes on.
pub(super) fn revoke(id: &str) -> Exit {
    match links::revoke(id) {
        Ok(()) => Exit::Done,
        Err(reason) => refused(&reason),
    }
}

/// Prints the grants that hold, a line of JSON for each.
pub(super) fn list() -> Exit {
    match links::in_force() {
        Ok(links) => {
            let lines = links.iter().map(|link| serde_json::to_string(link).unwrap_or_default() + "\n");
            print(&lines.collect::<String>())
        }
        Err(reason) => refused(&reason),
    }
}

fn link(arguments: &GrantArguments, template_sha256: Option<String>) -> Result<Link, (Exit, String)> {
    let template = arguments.template.clone();
    let template_sha256 = template_sha256.ok_or_else(|| {
        (Exit::InputInvalid, format!("there is no template `{template}` in these policies"))
    })?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map(|now| now.as_secs());
    let now = now.map_err(|_| (Exit::Refused, "the clock of this host stands before 1970".to_owned()))?;
    let id = audit::run_id().map_err(|error| (Exit::Refused, format!("cannot get random bytes: {error}")))?;
    Ok(Link {
        id: id.chars().take(ID_DIGITS).collect(),
        template,
        template_sha256,
        principal: arguments.principal.clone(),
        resource: arguments.resource.clone(),
        expires: now.saturating_add(arguments.duration_seconds),
    })
}

fn refused(reason: &str) -> Exit {
    complain(reason);
    Exit::Refused
}

/// Enough to tell grants apart, and few enough to be typed.
const ID_DIGITS: usize = 12;
