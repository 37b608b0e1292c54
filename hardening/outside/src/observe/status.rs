//! What `/proc/PID/status` says about a jail.

use super::Finding;

/// The lines of one status file.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    text: String,
}

impl Status {
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        Some(Self { text })
    }

    pub(crate) fn of_self() -> Option<Self> {
        let text = std::fs::read_to_string("/proc/self/status").ok()?;
        Some(Self { text })
    }

    /// The value of the line `name`.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.text.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key == name).then(|| value.trim())
        })
    }

    /// The effective user id.
    pub(crate) fn effective_uid(&self) -> Option<u32> {
        self.field("Uid")?.split_whitespace().nth(1)?.parse().ok()
    }

    pub(crate) fn session(&self, pid: i32) -> Finding {
        // The first number is the one in the reader's namespace.
        let session = self.field("NSsid").and_then(|ids| ids.split_whitespace().next());
        self.compare("NSsid", session == Some(pid.to_string().as_str()))
    }

    pub(crate) fn capabilities(&self) -> Finding {
        let is_empty = |name| self.field(name).is_some_and(|set| set.bytes().all(|digit| digit == b'0'));
        let held_empty = ["CapInh", "CapPrm", "CapEff", "CapAmb"].into_iter().all(is_empty);
        if held_empty && is_empty("CapBnd") {
            return Finding::Confirmed(
                "CapInh, CapPrm, CapEff, CapBnd and CapAmb are 0 in /proc/PID/status".to_owned(),
            );
        }
        if held_empty && self.field("NoNewPrivs") == Some("1") {
            return Finding::Partial(format!(
                "the bounding set {} could not be dropped; moot under no_new_privs, all other sets are 0",
                self.field("CapBnd").unwrap_or("unknown")
            ));
        }
        Finding::Refuted("/proc/PID/status shows capabilities".to_owned())
    }

    pub(crate) fn identity(&self) -> Finding {
        let own = nix::unistd::geteuid().as_raw();
        let ids = |name| {
            let mut ids = self.field(name)?.split_whitespace();
            let first: u32 = ids.next()?.parse().ok()?;
            let all_same = ids.all(|id| id.parse() == Ok(first));
            all_same.then_some(first)
        };
        match (ids("Uid"), ids("Gid"), self.field("Groups")) {
            (Some(uid), Some(gid), Some("")) if uid != 0 && gid != 0 && uid != own => {
                Finding::Confirmed(format!("Uid {uid}, Gid {gid}, no groups in /proc/PID/status"))
            }
            (Some(uid), Some(gid), Some(groups)) if uid == own => Finding::Partial(format!(
                "Uid {uid}, Gid {gid}, groups [{groups}] in /proc/PID/status are the broker's own; only root can choose others"
            )),
            (Some(uid), Some(gid), Some(groups)) => {
                Finding::Refuted(format!("Uid {uid}, Gid {gid}, groups [{groups}] in /proc/PID/status"))
            }
            _ => Finding::Refuted("the ids in /proc/PID/status differ among each other".to_owned()),
        }
    }

    pub(crate) fn no_new_privs(&self) -> Finding {
        self.compare("NoNewPrivs", self.field("NoNewPrivs") == Some("1"))
    }

    /// Filter mode, and one filter more than the broker itself inherited to it.
    pub(crate) fn seccomp(&self, broker: Option<&Self>) -> Finding {
        if self.field("Seccomp") != Some("2") {
            return self.compare("Seccomp", false);
        }
        let filters = |status: &Self| status.field("Seccomp_filters")?.parse::<u32>().ok();
        match (filters(self), broker.and_then(filters)) {
            (Some(jail), Some(broker)) if jail == broker + 1 => Finding::Confirmed(format!(
                "Seccomp 2, {jail} filters, one more than the broker, in /proc/PID/status"
            )),
            // Before 5.9 the number of filters is not shown.
            (None, None) => Finding::Confirmed("Seccomp 2 in /proc/PID/status".to_owned()),
            (jail, broker) => {
                Finding::Refuted(format!("the jail has {jail:?} filters and the broker {broker:?}"))
            }
        }
    }

    pub(crate) fn speculation(&self) -> Finding {
        let names = ["Speculation_Store_Bypass", "SpeculationIndirectBranch"];
        let values: Vec<_> = names.iter().filter_map(|name| self.field(name)).collect();
        if values.len() < names.len() {
            return Finding::Invisible;
        }
        let seen = format!("{} in /proc/PID/status", values.join(", "));
        match values.iter().all(|value| HELD_BACK.contains(value)) {
            true => Finding::Confirmed(seen),
            false => Finding::Refuted(seen),
        }
    }

    pub(crate) fn signals(&self) -> Finding {
        let is_empty = |name| self.field(name).is_some_and(|set| set.bytes().all(|digit| digit == b'0'));
        match ["SigCgt", "SigIgn", "SigBlk"].into_iter().all(is_empty) {
            true => {
                Finding::Confirmed("no signal is caught, ignored or blocked in /proc/PID/status".to_owned())
            }
            false => Finding::Refuted("/proc/PID/status shows caught, ignored or blocked signals".to_owned()),
        }
    }

    pub(crate) fn threads(&self) -> Finding {
        self.compare("Threads", self.field("Threads") == Some("1"))
    }

    fn compare(&self, name: &str, holds: bool) -> Finding {
        let value = self.field(name).unwrap_or("missing").replace('\t', " ");
        let seen = format!("{name} {value} in /proc/PID/status");
        match holds {
            true => Finding::Confirmed(seen),
            false => Finding::Refuted(seen),
        }
    }
}

/// `fs/proc/array.c`: what the kernel prints for a task whose speculation is held back or harmless.
const HELD_BACK: [&str; 9] = [
    "not vulnerable",
    "thread force mitigated",
    "thread mitigated",
    "globally mitigated",
    "not affected",
    "conditional force disabled",
    "conditional disabled",
    "always disabled",
    "unsupported",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn status(text: &str) -> Status {
        Status { text: text.to_owned() }
    }

    const CONFINED: &str = "Uid:\t7\t7\t7\t7\nGid:\t7\t7\t7\t7\nGroups:\t \nCapInh:\t0000\nCapPrm:\t0000\nCapEff:\t0000\n\
         CapBnd:\t0000\nCapAmb:\t0000\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\nThreads:\t1\n";

    #[test]
    fn a_confined_process_is_recognized() {
        let status_of_jail = status(CONFINED);
        let broker = status("Seccomp_filters:\t0\n");

        for finding in [
            status_of_jail.capabilities(),
            status_of_jail.identity(),
            status_of_jail.no_new_privs(),
            status_of_jail.seccomp(Some(&broker)),
            status_of_jail.threads(),
        ] {
            assert!(matches!(finding, Finding::Confirmed(_)), "{finding:?}");
        }
    }

    #[test]
    fn one_wrong_line_is_enough() {
        type Case = (&'static str, &'static str, fn(&Status) -> Finding);
        let cases: [Case; 6] = [
            ("CapEff:\t0000", "CapEff:\t0001", Status::capabilities),
            ("Uid:\t7\t7", "Uid:\t7\t8", Status::identity),
            ("Groups:\t ", "Groups:\t4", Status::identity),
            ("NoNewPrivs:\t1", "NoNewPrivs:\t0", Status::no_new_privs),
            ("Seccomp:\t2", "Seccomp:\t0", |status| status.seccomp(None)),
            ("Threads:\t1", "Threads:\t2", Status::threads),
        ];
        for (right, wrong, look) in cases {
            let finding = look(&status(&CONFINED.replace(right, wrong)));
            assert!(matches!(finding, Finding::Refuted(_)), "{wrong}: {finding:?}");
        }
    }

    // fs/proc/array.c; each of the two lines is enough, and a kernel that shows neither shows nothing.
    #[test]
    fn speculation_that_is_not_held_back_is_seen() {
        let lines = |bypass: &str, branch: &str| {
            status(&format!("Speculation_Store_Bypass:\t{bypass}\nSpeculationIndirectBranch:\t{branch}\n"))
                .speculation()
        };

        for held_back in HELD_BACK {
            assert!(matches!(lines(held_back, held_back), Finding::Confirmed(_)), "{held_back}");
        }
        for open in
            ["thread vulnerable", "vulnerable", "unknown", "conditional enabled", "always enabled", ""]
        {
            assert!(matches!(lines(open, "always disabled"), Finding::Refuted(_)), "{open}");
            assert!(matches!(lines("not vulnerable", open), Finding::Refuted(_)), "{open}");
        }
        assert!(matches!(status("Threads:\t1\n").speculation(), Finding::Invisible));
    }

    // proc(5): masks of 64 signals in hexadecimal.
    #[test]
    fn a_signal_that_is_caught_ignored_or_blocked_is_seen() {
        let none = "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\n";

        assert!(matches!(status(none).signals(), Finding::Confirmed(_)));
        for name in ["SigBlk", "SigIgn", "SigCgt"] {
            let (line, one) = (format!("{name}:\t0000000000000000"), format!("{name}:\t0000000000000200"));
            assert!(matches!(status(&none.replace(&line, &one)).signals(), Finding::Refuted(_)), "{name}");
            assert!(matches!(status(&none.replace(&line, "")).signals(), Finding::Refuted(_)), "{name}");
        }
    }

    #[test]
    fn a_bounding_set_that_stays_is_moot_without_new_privileges() {
        let kept = CONFINED.replace("CapBnd:\t0000", "CapBnd:\t01ff");

        assert!(matches!(status(&kept).capabilities(), Finding::Partial(_)));
        let risky = kept.replace("NoNewPrivs:\t1", "NoNewPrivs:\t0");
        assert!(matches!(status(&risky).capabilities(), Finding::Refuted(_)));
    }

    #[test]
    fn an_inherited_filter_is_not_taken_for_the_jail_s() {
        let broker = status("Seccomp_filters:\t1\n");

        let finding = status(CONFINED).seccomp(Some(&broker));

        assert!(matches!(finding, Finding::Refuted(_)));
    }
}
