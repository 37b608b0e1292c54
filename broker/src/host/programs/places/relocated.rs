//! What this run has moved, for programs: what a program might not do to it under an earlier name it cannot do under the
//! new one.

use std::io;

use crate::policy::name::PathName;
use crate::policy::{Inner, InnerPlace};

/// The names that moved things have now, each with those that they had before.
#[derive(Debug, Default)]
pub struct Relocated {
    moves: Vec<(PathName, Vec<PathName>)>,
    has_forgotten: bool,
}

impl Relocated {
    /// Notes that something has moved, with everything below it.
    pub fn note(&mut self, from: &PathName, to: &PathName) {
        let mut earlier = vec![from.clone()];
        for (now, names) in &mut self.moves {
            if from.is_within(now) {
                earlier.extend(names.iter().filter_map(|name| along(from, now, name)));
            }
            // What it is called does not say whether it is still there; then more is left out than has to be.
            if let Some(moved) = along(now, from, to) {
                *now = moved;
            }
        }
        match self.moves.iter_mut().find(|(now, _)| now == to) {
            Some((_, names)) => names.append(&mut earlier),
            None => self.moves.push((to.clone(), earlier)),
        }
        for (_, names) in &mut self.moves {
            names.sort();
            names.dedup();
        }
        let count = self.moves.iter().map(|(_, names)| names.len()).sum::<usize>();
        if count > MAX_NAMES {
            self.moves.clear();
            self.has_forgotten = true;
        }
    }

    /// What was moved into a place, or what it lies in, and might have less done to it under one of its earlier names than
    /// may be done in that place.
    ///
    /// # Errors
    /// When more was moved than was kept.
    pub(super) fn closed_at(&self, place: &InnerPlace, inner: &Inner) -> io::Result<Vec<PathName>> {
        if self.has_forgotten {
            return Err(io::Error::other(format!(
                "this run has moved things with more than {MAX_NAMES} names, so that what they were is not known"
            )));
        }
        let is_less = |names: &[PathName]| names.iter().any(|name| !inner.grants(name, &place.rights));
        let at = self.moves.iter().filter(|(now, _)| now.is_within(&place.path) || place.path.is_within(now));
        Ok(at.filter(|(_, names)| is_less(names)).map(|(now, _)| now.clone()).collect())
    }
}

/// What a name becomes that lies in a directory which is called differently.
fn along(name: &PathName, directory: &PathName, now: &PathName) -> Option<PathName> {
    if !name.is_within(directory) {
        return None;
    }
    let rest = name.as_str().get(directory.as_str().len()..)?;
    PathName::parse(&format!("{}{rest}", now.as_str().trim_end_matches('/'))).ok()
}

/// All names together.
const MAX_NAMES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::InnerRight;

    fn name(text: &str) -> PathName {
        PathName::parse(text).unwrap()
    }

    fn place(path: &str) -> InnerPlace {
        InnerPlace { path: name(path), is_tree: true, rights: vec![InnerRight::Read], except: Vec::new() }
    }

    fn closed(relocated: &Relocated) -> Vec<PathName> {
        let inner = Inner { places: vec![place("/open")] };
        relocated.closed_at(&place("/open"), &inner).unwrap()
    }

    #[test]
    fn what_comes_from_elsewhere_is_closed_wherever_it_goes_and_what_was_there_is_not() {
        let mut relocated = Relocated::default();
        relocated.note(&name("/open/a"), &name("/open/b"));
        assert_eq!(closed(&relocated), []);

        relocated.note(&name("/other/x"), &name("/open/d/x"));
        assert_eq!(closed(&relocated), [name("/open/d/x")]);
        // With the directory that it is in, and by itself.
        relocated.note(&name("/open/d"), &name("/open/e"));
        relocated.note(&name("/open/e/x"), &name("/open/y"));
        assert!(closed(&relocated).contains(&name("/open/y")));
    }

    #[test]
    fn what_is_too_much_to_keep_gives_nothing() {
        let mut relocated = Relocated::default();
        for number in 0..=MAX_NAMES {
            relocated.note(&name("/other/x"), &name(&format!("/open/{number}")));
        }

        assert!(relocated.closed_at(&place("/open"), &Inner::default()).is_err());
    }
}
