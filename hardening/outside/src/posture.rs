//! What a jail's confinement looks like from outside, where the jail cannot pretend.

use rex_agreed::{Layer, SelfReport};
use serde::Serialize;

use crate::jail::Jail;
use crate::measure::{Measure, State};
use crate::observe::{self, Finding, Observation, Status};
use crate::plan::Plan;
use crate::requirement::Requirement;

/// Everything that is known about a jail's confinement, checked from outside before the script is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Posture {
    /// One line per step, in the order of [`Layer::all`].
    pub measures: Vec<Measure>,
    /// The digest of the jail's program, in hexadecimal; filled in by whoever made the image.
    pub image_sha256: String,
    /// The jail's process id.
    pub pid: i32,
}

impl Posture {
    /// The measures that `requirement` asks for and that are not sufficiently in force; empty means the script may be sent.
    pub fn missing(&self, requirement: &Requirement) -> Vec<&Measure> {
        self.measures.iter().filter(|measure| !requirement.is_met(measure.layer(), measure.state)).collect()
    }

    /// The line about `layer`.
    pub fn measure(&self, layer: Layer) -> Option<&Measure> {
        self.measures.iter().find(|measure| measure.layer() == layer)
    }
}

/// What several processes of one kind have had at least.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Least {
    /// How many there were.
    pub count: u64,
    /// Of each step the measure of the one that had least of it; empty while there was none.
    pub measures: Vec<Measure>,
}

impl Least {
    /// Adds one more.
    pub fn add(&mut self, posture: &Posture) {
        self.count = self.count.saturating_add(1);
        for measure in &posture.measures {
            match self.measures.iter_mut().find(|known| known.layer() == measure.layer()) {
                None => self.measures.push(measure.clone()),
                Some(known) if (known.wanted, known.state) < (measure.wanted, measure.state) => {
                    known.clone_from(measure);
                }
                Some(_) => {}
            }
        }
    }
}

/// Looks at `jail` from outside, adds what was done at the spawn and what the jail says of itself, and judges each step.
///
/// A step counts only if nobody says that it failed and nothing that can be seen speaks against it. What could be seen by
/// somebody else only (`/proc/PID/fd` by root) is at best degraded. Nothing that [`Requirement::strict`] asks for rests on
/// the jail's word alone: it was done from outside, or set before exec by the broker's child and kept, or is seen. What
/// nobody can see (`rseq`, `vdso`, `core_sched`) rests on the image, which has seen no script yet.
///
/// To be called after the jail said that it is ready, and before it gets the script.
pub fn verify(jail: &Jail, report: &SelfReport, plan: &Plan) -> Posture {
    let status = Status::of(jail.pid());
    let own = Status::of_self();
    let now = Observation::of(jail.pid());
    let scene =
        Scene { jail, status: status.as_ref(), own: own.as_ref(), observed: now.or(&jail.observed), plan };
    let measures = Layer::all()
        .map(|layer| {
            let claim = claim(layer, jail, report, plan);
            judge(claim, scene.look_at(layer))
        })
        .collect();
    Posture { measures, image_sha256: String::new(), pid: jail.pid() }
}

/// Everything a finding may rest on.
struct Scene<'a> {
    jail: &'a Jail,
    status: Option<&'a Status>,
    own: Option<&'a Status>,
    observed: Observation,
    plan: &'a Plan,
}

impl Scene<'_> {
    fn look_at(&self, layer: Layer) -> Finding {
        match layer {
            Layer::UserNamespace
            | Layer::PidNamespace
            | Layer::MountNamespace
            | Layer::NetworkNamespace
            | Layer::IpcNamespace
            | Layer::UtsNamespace
            | Layer::CgroupNamespace => self.observed.namespace(layer),
            Layer::Descriptors => self.observed.descriptors(self.plan.forensics),
            Layer::Exec => self.observed.program(),
            Layer::Rlimits => observe::limits(self.jail.pid(), self.plan.forensics),
            Layer::Dumpable => observe::dumpable(self.jail.pid(), self.status),
            Layer::Cgroup => self.in_cgroup(),
            // About a millisecond, because the kernel walks through the whole address space.
            Layer::Mseal if self.plan.requires(layer) => observe::sealed(self.jail.pid()),
            Layer::Session => self.in_status(|status| status.session(self.jail.pid())),
            Layer::Capabilities => self.in_status(Status::capabilities),
            Layer::Uid => self.in_status(Status::identity),
            Layer::NoNewPrivs => self.in_status(Status::no_new_privs),
            Layer::Seccomp => self.in_status(|status| status.seccomp(self.own)),
            Layer::Speculation => self.in_status(Status::speculation),
            Layer::Signals => self.in_status(Status::signals),
            Layer::Threads => self.in_status(Status::threads),
            _ => Finding::Invisible,
        }
    }

    fn in_cgroup(&self) -> Finding {
        self.jail.cgroup.as_ref().map_or(Finding::Invisible, |cgroup| cgroup.look_at(self.jail.pid()))
    }

    fn in_status(&self, look: impl FnOnce(&Status) -> Finding) -> Finding {
        match self.status {
            Some(status) => look(status),
            None => Finding::Hidden("cannot read /proc/PID/status".to_owned()),
        }
    }
}

/// What parent, child and jail say about `layer`.
fn claim(layer: Layer, jail: &Jail, report: &SelfReport, plan: &Plan) -> Measure {
    let step = jail.steps.iter().find(|step| step.layer() == layer);
    if !plan.wants(layer) {
        return Measure::unwanted(layer);
    }
    match (step, report.outcome(layer)) {
        (Some(step), None | Some(SelfReport::SKIPPED)) => step.clone(),
        (Some(step), Some(0)) => {
            let mut step = step.clone();
            step.evidence.push_str("; the jail has looked, too");
            step
        }
        // What failed before stays as it is: its reason is the first one.
        (Some(step), Some(_)) if step.state != State::Enforced => step.clone(),
        (None, Some(SelfReport::SKIPPED)) => Measure::unwanted(layer),
        (_, Some(errno)) => Measure::from_errno(layer, errno.into(), "self-reported: set and read back"),
        // The filter comes after the report; a jail that cannot install it exits instead of saying that it is ready.
        (None, None) if layer == Layer::Seccomp => {
            Measure::new(layer, State::Enforced, "the jail said that it is ready")
        }
        (None, None) => Measure::new(layer, State::Failed, "nobody reported it"),
    }
}

/// Weighs what was said against what was seen.
fn judge(claim: Measure, finding: Finding) -> Measure {
    let layer = claim.layer();
    if !claim.wanted {
        return claim;
    }
    match (claim.state, finding) {
        // A step that failed is not saved by what is seen: something went otherwise than it was meant to.
        (State::Failed | State::Unsupported, _) => claim,
        (State::Enforced, Finding::Confirmed(seen)) => Measure::new(layer, State::Enforced, seen),
        (State::Degraded, Finding::Confirmed(seen)) => {
            Measure::new(layer, State::Degraded, format!("{}; {seen}", claim.evidence))
        }
        (_, Finding::Partial(seen)) => Measure::new(layer, State::Degraded, seen),
        (_, Finding::Refuted(seen)) => Measure::new(layer, State::Failed, seen),
        (State::Enforced, Finding::Hidden(why)) => {
            Measure::new(layer, State::Degraded, format!("self-reported: {}; {why}", claim.evidence))
        }
        (State::Degraded, Finding::Hidden(_)) | (_, Finding::Invisible) => claim,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claimed(state: State) -> Measure {
        Measure::new(Layer::Seccomp, state, "said")
    }

    #[test]
    fn both_what_is_said_and_what_is_seen_can_fail_a_step() {
        for state in [State::Enforced, State::Degraded] {
            assert_eq!(judge(claimed(state), Finding::Refuted("seen".into())).state, State::Failed);
        }
        for state in [State::Failed, State::Unsupported] {
            assert_eq!(judge(claimed(state), Finding::Confirmed("seen".into())).state, state);
            assert_eq!(judge(claimed(state), Finding::Partial("seen".into())).state, state);
        }
    }

    #[test]
    fn what_is_hidden_is_never_more_than_degraded() {
        let hidden = judge(claimed(State::Enforced), Finding::Hidden("why".into()));

        assert_eq!(hidden.state, State::Degraded);
        assert!(hidden.evidence.starts_with("self-reported"));
    }

    #[test]
    fn a_concession_stays_one_when_confirmed() {
        let confirmed = judge(claimed(State::Degraded), Finding::Confirmed("seen".into()));

        assert_eq!(confirmed.state, State::Degraded);
    }

    #[test]
    fn a_step_that_was_left_out_is_not_judged() {
        let left_out = judge(Measure::unwanted(Layer::Seccomp), Finding::Confirmed("seen".into()));

        assert_eq!(left_out.state, State::Failed);
        assert!(!left_out.wanted);
    }

    #[test]
    fn of_several_the_least_is_told() {
        let posture = |states: [State; 2]| Posture {
            measures: vec![
                Measure::new(Layer::Seccomp, states[0], format!("{:?}", states[0])),
                Measure::new(Layer::Mdwe, states[1], format!("{:?}", states[1])),
            ],
            image_sha256: String::new(),
            pid: 1,
        };
        let mut least = Least::default();
        assert_eq!(least, Least { count: 0, measures: Vec::new() });

        least.add(&posture([State::Enforced, State::Unsupported]));
        least.add(&posture([State::Degraded, State::Enforced]));
        least.add(&posture([State::Enforced, State::Enforced]));

        assert_eq!(least.count, 3);
        let told: Vec<_> = least.measures.iter().map(|measure| (measure.id, measure.state)).collect();
        assert_eq!(told, [("seccomp3", State::Degraded), ("mdwe", State::Unsupported)]);
        assert_eq!(least.measures[0].evidence, "Degraded", "with its own words");
    }

    #[test]
    fn a_posture_without_a_required_line_satisfies_nothing_less_than_its_lines() {
        let posture = Posture {
            measures: vec![Measure::unwanted(Layer::Seccomp)],
            image_sha256: String::new(),
            pid: 1,
        };

        let missing = posture.missing(&Requirement::core());

        assert_eq!(missing.len(), 1);
    }
}
