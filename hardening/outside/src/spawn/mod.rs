//! How a jail comes to life: everything that can be taken away from outside is gone before its first instruction.

mod calls;
mod child;
mod domain;
mod namespaces;

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::fcntl::OFlag;
use nix::sys::resource::{Resource, getrlimit};
use rex_agreed::Layer;

use crate::cgroup::Cgroup;
use crate::identity::{self, Identity};
use crate::image::SealedImage;
use crate::jail::Jail;
use crate::measure::{Measure, State};
use crate::observe::Observation;
use crate::plan::Plan;
pub(crate) use calls::landlock_abi;
use child::{ANNOUNCEMENT, Orders, RECORD_BYTES};
use domain::Domain;
use namespaces::Forked;

/// Starts a jail from `image`, confined by every step of `plan` that can be taken from outside.
///
/// The jail then waits for its first frame on descriptor 3. What was achieved stands in [`Jail::steps`]; a step that
/// failed does not fail the start, because the caller decides by its requirement, and sends no script before.
///
/// Must be called by a thread that lives as long as the jail: the kernel kills the jail when that thread ends.
///
/// # Errors
/// [`SpawnError`] when there is no jail at all.
///
/// # Source
/// clone(2), user_namespaces(7), capabilities(7), landlock(7), execveat(2).
pub fn spawn(image: &SealedImage, plan: &Plan) -> Result<Jail, SpawnError> {
    match try_spawn(image, plan, None) {
        // Some hosts grant a user namespace and then refuse it its ids; the jail is complete without it.
        Err(SpawnError::Maps(error)) => {
            try_spawn(image, plan, Some(error.raw_os_error().unwrap_or(libc::EPERM)))
        }
        outcome => outcome,
    }
}

/// Spawns; with `user_refusal`, without trying a user namespace.
fn try_spawn(image: &SealedImage, plan: &Plan, user_refusal: Option<i32>) -> Result<Jail, SpawnError> {
    if let Some(errno) = plan.fault(Layer::Socket) {
        return Err(SpawnError::Socket(io::Error::from_raw_os_error(errno)));
    }
    let (socket, jail_end, socket_measures) = crate::socket::pair(plan).map_err(SpawnError::Socket)?;
    let (report, report_end) = pipe()?;
    let (release_end, release) = pipe()?;
    let identity = identity::claim(plan);
    let domain = Domain::deny_all(plan);
    let (cgroup, cgroup_refusal) = cgroup(plan);
    let limits = limits(plan);
    let orders = Orders {
        plan,
        socket: jail_end.as_raw_fd(),
        image: image.as_fd().as_raw_fd(),
        report: report_end.as_raw_fd(),
        release: release_end.as_raw_fd(),
        ruleset: domain.as_raw_fd(),
        landlock_flags: domain.flags(),
        identity: identity.to_become(),
        cgroup: cgroup.as_ref().map(Cgroup::as_raw_fd),
        last_capability: last_capability(),
        limits: &limits,
        announces: !nix::unistd::geteuid().is_root(),
    };

    let forked = namespaces::fork(plan, &orders, user_refusal)
        .map_err(|errno| SpawnError::Fork(io::Error::from_raw_os_error(errno)))?;
    // From here on the child is killed and reaped on every way out, by the drop of this.
    let mut jail = Jail::new(forked.pid, clone_fd(&forked.pidfd)?, socket);
    // The child's ends must not stay open here: their end is what tells each side that the other is gone.
    drop((jail_end, report_end, release_end));
    let records = release_child(&orders, &forked, &identity, report, release)?;

    jail.steps = socket_measures;
    jail.steps.push(match plan.fault(Layer::Image) {
        Some(errno) => Measure::from_errno(Layer::Image, errno, ""),
        None => image.measure(),
    });
    jail.steps.extend(measures(plan, &forked, &identity, &domain, &records));
    jail.steps.push(cgroup_measure(plan, &forked, cgroup.as_ref(), cgroup_refusal));
    jail.cgroup = cgroup;
    jail.observed = Observation::of(jail.pid());
    jail.uid_lock = identity.lock;
    Ok(jail)
}

/// Why there is no jail.
#[derive(Debug)]
pub enum SpawnError {
    /// The socket pair could not be made.
    Socket(io::Error),
    /// A pipe or descriptor could not be made.
    Pipe(io::Error),
    /// No child could be forked.
    Fork(io::Error),
    /// The child's user namespace could not be given its ids.
    Maps(io::Error),
    /// The child ended before it ran the jail's program.
    Died,
    /// The jail's program could not be run.
    Exec(io::Error),
}

impl fmt::Display for SpawnError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(error) => write!(formatter, "cannot make the jail's socket: {error}"),
            Self::Pipe(error) => write!(formatter, "cannot make a pipe for the jail: {error}"),
            Self::Fork(error) => write!(formatter, "cannot fork the jail: {error}"),
            Self::Maps(error) => {
                write!(formatter, "cannot write the id maps of the jail's user namespace: {error}")
            }
            Self::Died => write!(formatter, "cannot start the jail: it ended before it ran its program"),
            Self::Exec(error) => write!(formatter, "cannot run the jail's program: {error}"),
        }
    }
}

impl std::error::Error for SpawnError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Died => None,
            Self::Socket(error)
            | Self::Pipe(error)
            | Self::Fork(error)
            | Self::Maps(error)
            | Self::Exec(error) => Some(error),
        }
    }
}

/// Writes the maps, lets the child go, and reads what it reports until exec closes the pipe.
fn release_child(
    orders: &Orders<'_>,
    forked: &Forked,
    identity: &Identity,
    mut report: File,
    mut release: File,
) -> Result<Vec<(Layer, i32)>, SpawnError> {
    if orders.announces && forked.granted.has(Layer::UserNamespace) {
        let mut announcement = [0; RECORD_BYTES];
        report.read_exact(&mut announcement).map_err(|_| SpawnError::Died)?;
        debug_assert_eq!(announcement, ANNOUNCEMENT);
    }
    if forked.granted.has(Layer::UserNamespace) {
        namespaces::write_maps(forked.pid, identity).map_err(SpawnError::Maps)?;
    }
    release.write_all(&[1]).map_err(|_| SpawnError::Died)?;

    let mut bytes = Vec::new();
    report.read_to_end(&mut bytes).map_err(SpawnError::Pipe)?;
    let records: Vec<_> = bytes
        .chunks_exact(RECORD_BYTES)
        .filter_map(|record| {
            let errno = u16::from_le_bytes([record[1], record[2]]);
            Some((Layer::from_number(record[0])?, i32::from(errno)))
        })
        .collect();
    if let Some((_, errno)) = records.iter().find(|(layer, _)| *layer == Layer::Exec) {
        return Err(SpawnError::Exec(io::Error::from_raw_os_error(*errno)));
    }
    if records.is_empty() {
        return Err(SpawnError::Died);
    }
    Ok(records)
}

/// What parent and child did, as lines of the report.
fn measures(
    plan: &Plan,
    forked: &Forked,
    identity: &Identity,
    domain: &Domain,
    records: &[(Layer, i32)],
) -> Vec<Measure> {
    // A step with several parts reports several times; the first part that failed counts.
    let outcome = |layer: Layer| {
        let mut errnos = records.iter().filter(|(candidate, _)| *candidate == layer).map(|(_, errno)| *errno);
        let first = errnos.next()?;
        Some(errnos.fold(first, |worst, errno| if worst == 0 { errno } else { worst }))
    };
    let mut measures = vec![Measure::new(Layer::Exec, State::Enforced, "execveat closed the report pipe")];
    measures.extend(namespaces::layers().map(|layer| namespace_measure(plan, forked, layer)));
    for (layer, evidence) in CHILD_STEPS {
        if !plan.wants(layer) {
            measures.push(Measure::unwanted(layer));
            continue;
        }
        measures.push(match outcome(layer) {
            Some(errno) => Measure::from_errno(layer, errno, evidence),
            None => Measure::new(layer, State::Failed, "the child did not report it"),
        });
    }
    if plan.wants(Layer::Landlock) {
        measures.extend(domain.measures(outcome(Layer::Landlock)));
    } else {
        measures.push(Measure::unwanted(Layer::Landlock));
        measures.push(Measure::unwanted(Layer::LandlockScopes));
    }
    for measure in &mut measures {
        concede(measure, forked, identity);
    }
    measures
}

/// Turns what this caller cannot have into a degraded state with the reason.
fn concede(measure: &mut Measure, forked: &Forked, identity: &Identity) {
    let is_enforced = measure.state == State::Enforced;
    // CAP_SETPCAP: a user namespace of one's own comes with it.
    let lacks_bounding_set = !identity.may_drop_bounding_set && !forked.granted.has(Layer::UserNamespace);
    match (measure.layer(), &identity.concession) {
        (Layer::Uid, Some(concession)) if is_enforced => {
            *measure = Measure::new(Layer::Uid, State::Degraded, concession.clone());
        }
        (Layer::Uid, None) if is_enforced => {
            measure.evidence = format!("uid and gid {}, locked for this jail", identity.uid);
        }
        (Layer::Capabilities, _) if !is_enforced && lacks_bounding_set => {
            *measure = Measure::new(
                Layer::Capabilities,
                State::Degraded,
                "the bounding set could not be emptied; moot under no_new_privs",
            );
        }
        (Layer::Securebits, _) if !is_enforced && lacks_bounding_set => {
            *measure = Measure::new(
                Layer::Securebits,
                State::Degraded,
                "needs a capability that this user does not have; moot, because no program can be started",
            );
        }
        (Layer::Root, _) if is_enforced && !forked.granted.has(Layer::MountNamespace) => {
            *measure = Measure::new(
                Layer::Root,
                State::Degraded,
                "working directory is the host's root; without a mount namespace it stays in sight",
            );
        }
        _ => {}
    }
}

/// A control group for the jail, or the reason why there is none.
fn cgroup(plan: &Plan) -> (Option<Cgroup>, Option<String>) {
    if !plan.wants(Layer::Cgroup) {
        return (None, None);
    }
    if let Some(errno) = plan.fault(Layer::Cgroup) {
        return (None, Some(io::Error::from_raw_os_error(errno).to_string()));
    }
    match Cgroup::create(plan) {
        Ok(cgroup) => (Some(cgroup), None),
        Err(error) => (None, Some(error.to_string())),
    }
}

fn cgroup_measure(plan: &Plan, forked: &Forked, cgroup: Option<&Cgroup>, refusal: Option<String>) -> Measure {
    let layer = Layer::Cgroup;
    match (cgroup, refusal) {
        _ if !plan.wants(layer) => Measure::unwanted(layer),
        (Some(cgroup), _) if forked.granted.has_cgroup() => {
            Measure::new(layer, State::Enforced, format!("forked into {}", cgroup.path().display()))
        }
        (Some(_), _) => {
            Measure::new(layer, State::Unsupported, "the fork into the control group was refused")
        }
        (None, refusal) => Measure::new(layer, State::Unsupported, refusal.unwrap_or_default()),
    }
}

fn namespace_measure(plan: &Plan, forked: &Forked, layer: Layer) -> Measure {
    if !plan.wants(layer) {
        return Measure::unwanted(layer);
    }
    if forked.granted.has(layer) {
        return Measure::new(layer, State::Enforced, "clone succeeded with its flag");
    }
    let errno = plan.fault(layer).or(forked.refusal).unwrap_or(libc::EPERM);
    let error = io::Error::from_raw_os_error(errno);
    Measure::new(layer, State::Unsupported, format!("clone with its flag: {error}"))
}

/// The limits of the jail, lowered where the broker's own hard limits are lower.
fn limits(plan: &Plan) -> Vec<(Resource, u64, u64)> {
    let mut limits: Vec<_> = NOTHING.iter().map(|resource| (*resource, 0, 0)).collect();
    let address_space = plan.arena_bytes + plan.stack_bytes + IMAGE_AND_SLACK_BYTES;
    for (resource, soft, hard) in [
        (Resource::RLIMIT_AS, address_space, address_space),
        (Resource::RLIMIT_STACK, plan.stack_bytes, plan.stack_bytes),
        // At the soft limit SIGXCPU tells the reason; init of a pid namespace ignores it, and the hard limit kills.
        (Resource::RLIMIT_CPU, plan.cpu_seconds, plan.cpu_seconds + 1),
    ] {
        let ceiling = getrlimit(resource).map_or(u64::MAX, |(_, hard)| hard);
        limits.push((resource, soft.min(ceiling), hard.min(ceiling)));
    }
    limits
}

/// The highest capability, from the kernel, because a crate's constant is as old as the crate.
fn last_capability() -> u32 {
    std::fs::read_to_string("/proc/sys/kernel/cap_last_cap")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(NEWEST_KNOWN_CAPABILITY)
}

fn pipe() -> Result<(File, File), SpawnError> {
    let (reader, writer) =
        nix::unistd::pipe2(OFlag::O_CLOEXEC).map_err(|errno| SpawnError::Pipe(errno.into()))?;
    Ok((reader.into(), writer.into()))
}

fn clone_fd(fd: &OwnedFd) -> Result<OwnedFd, SpawnError> {
    fd.as_fd().try_clone_to_owned().map_err(SpawnError::Pipe)
}

/// Steps that the child reports, with what their success means.
const CHILD_STEPS: [(Layer, &str); 13] = [
    (Layer::Session, "setsid succeeded"),
    (Layer::Stdio, "descriptors 0 to 2 closed before exec"),
    (Layer::Descriptors, "all but the socket closed before exec"),
    (Layer::Root, "pivot_root into an empty read-only tmpfs"),
    (Layer::Securebits, "set and locked"),
    (Layer::Capabilities, "bounding, ambient, permitted, effective and inheritable sets emptied"),
    (Layer::Uid, "changed"),
    (Layer::Rlimits, "set"),
    (Layer::Keyring, "new session keyring without permissions"),
    (Layer::NoNewPrivs, "set"),
    (Layer::Tsc, "set and read back before exec, which keeps it"),
    (Layer::Mdwe, "set and read back before exec, which keeps it"),
    (Layer::DeathSignal, "set after the change of user; the parent was alive afterwards"),
];
/// Limits that are zero from the start; the one on descriptors follows in the jail.
const NOTHING: [Resource; 9] = [
    Resource::RLIMIT_FSIZE,
    Resource::RLIMIT_NPROC,
    Resource::RLIMIT_CORE,
    Resource::RLIMIT_MEMLOCK,
    Resource::RLIMIT_MSGQUEUE,
    Resource::RLIMIT_LOCKS,
    Resource::RLIMIT_NICE,
    Resource::RLIMIT_RTPRIO,
    Resource::RLIMIT_SIGPENDING,
];
/// Room for the image and what the C library maps.
const IMAGE_AND_SLACK_BYTES: u64 = 64 << 20;
/// CAP_CHECKPOINT_RESTORE, the last one at the time of writing.
const NEWEST_KNOWN_CAPABILITY: u32 = 40;
