//! What each level of protection would lack on this host.

use std::io::{self, Write};

use rex_outside::{Posture, Requirement};
use serde::Serialize;

/// A level, and what a jail on this host has less than it demands.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
pub(super) struct Level {
    /// `core`, `strict` or `max`.
    level: &'static str,
    /// Whether a run that requires it would start.
    can_be_had: bool,
    lacks: Vec<Lack>,
    /// Why that cannot be told; absent when it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown: Option<String>,
}

#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
struct Lack {
    id: &'static str,
    evidence: String,
    hint: &'static str,
}

/// Every level, as a jail that was made with everything shows it.
pub(super) fn all(posture: Result<Posture, String>) -> Vec<Level> {
    let levels =
        [("core", Requirement::core()), ("strict", Requirement::strict()), ("max", Requirement::max())];
    levels.into_iter().map(|(name, requirement)| Level::new(name, &requirement, posture.as_ref())).collect()
}

impl Level {
    fn new(level: &'static str, requirement: &Requirement, posture: Result<&Posture, &String>) -> Self {
        match posture {
            Err(reason) => {
                Self { level, can_be_had: false, lacks: Vec::new(), unknown: Some(reason.clone()) }
            }
            Ok(posture) => {
                let lacks: Vec<Lack> = posture
                    .missing(requirement)
                    .into_iter()
                    .map(|measure| Lack {
                        id: measure.id,
                        evidence: measure.evidence.clone(),
                        hint: measure.hint,
                    })
                    .collect();
                Self { level, can_be_had: lacks.is_empty(), lacks, unknown: None }
            }
        }
    }
}

/// Says it to people; what several levels lack is explained once.
pub(super) fn write(levels: &[Level], out: &mut impl Write) -> io::Result<()> {
    let mut told: Vec<&str> = Vec::new();
    for level in levels {
        let names: Vec<&str> = level.lacks.iter().map(|lack| lack.id).collect();
        match (&level.unknown, names.as_slice()) {
            (Some(reason), _) => writeln!(out, "  {:<7} cannot be told: {reason}", level.level)?,
            (None, []) => writeln!(out, "  {:<7} can be had", level.level)?,
            (None, names) => writeln!(out, "  {:<7} lacks {}", level.level, names.join(", "))?,
        }
        for lack in level.lacks.iter().filter(|lack| !told.contains(&lack.id)) {
            writeln!(out, "          {}: {}; what can be done: {}", lack.id, lack.evidence, lack.hint)?;
        }
        told.extend(names);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(level: &'static str, lacking: &[&'static str]) -> Level {
        let lacks = lacking.iter().map(|id| Lack { id, evidence: "seen".to_owned(), hint: "do" }).collect();
        Level { level, can_be_had: lacking.is_empty(), lacks, unknown: None }
    }

    #[test]
    fn what_two_levels_lack_is_explained_once() {
        let levels =
            [level("core", &[]), level("strict", &["cgroup"]), level("max", &["cgroup", "core_sched"])];
        let mut text = Vec::new();

        write(&levels, &mut text).unwrap();

        assert_eq!(
            String::from_utf8(text).unwrap(),
            "  core    can be had\n  strict  lacks cgroup\n          cgroup: seen; what can be done: do\n  \
             max     lacks cgroup, core_sched\n          core_sched: seen; what can be done: do\n"
        );
    }

    #[test]
    fn no_level_can_be_had_where_no_jail_can_be_made() {
        let levels = all(Err("no memory file".to_owned()));

        assert!(levels.iter().all(|level| !level.can_be_had));
        let mut text = Vec::new();
        write(&levels, &mut text).unwrap();
        assert!(String::from_utf8(text).unwrap().contains("core    cannot be told: no memory file"));
    }
}
