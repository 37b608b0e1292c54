//! What is done to a program between fork and exec, step by step.

use std::ffi::CString;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use nix::errno::Errno as Number;
use nix::sys::resource::{Resource, setrlimit};
use rex_agreed::calls::{Errno, Prctl, prctl, reset_signals};

use crate::calls;
use crate::filter;
use crate::landlock::Domain;
use crate::order::{Confinement, Handed, Order, Place, Rights, Text, Thing};
use crate::report::{Event, Step};

/// What a program is made of.
pub(crate) struct Program {
    /// What was ordered.
    pub(crate) order: Order,
    /// The texts.
    pub(crate) text: Text,
    /// What is executed.
    pub(crate) file: OwnedFd,
    /// What it is handed beside, or the same once more.
    pub(crate) handed: [OwnedFd; 2],
    /// Its standard descriptors.
    pub(crate) standard: [OwnedFd; 3],
    /// The objects of its places, in their order.
    pub(crate) objects: Vec<OwnedFd>,
}

/// Confines this process and becomes the program; says on `told` what was done.
pub(crate) fn run(program: &Program, told: File) -> ! {
    reset_signals();
    let mut steps = Steps { told, is_over: false };
    match program.order.confinement {
        Confinement::Unconfined => unconfined(program, &mut steps),
        _ => confined(program, &mut steps),
    }
    calls::exit(FAILED)
}

/// Takes steps, and none after one that failed.
struct Steps {
    told: File,
    is_over: bool,
}

impl Steps {
    fn take<T>(&mut self, step: Step, act: impl FnOnce() -> Result<T, Errno>) -> Option<T> {
        if self.is_over {
            return None;
        }
        let outcome = act();
        let event = match &outcome {
            Ok(_) => Event::Taken(step),
            Err(errno) => Event::Failed(step, *errno),
        };
        self.is_over = outcome.is_err();
        // A keeper that does not hear it takes the program for failed.
        if self.told.write_all(&event.to_bytes()).is_err() {
            calls::exit(FAILED);
        }
        outcome.ok()
    }
}

fn confined(program: &Program, steps: &mut Steps) {
    let Program { order, text, .. } = program;
    steps.take(Step::Session, || nix::unistd::setsid().map_err(number));
    let handed = steps.take(Step::Descriptors, || hand_over(program));
    steps.take(Step::Surroundings, || {
        nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_retain(0o077));
        nix::unistd::chdir("/").map_err(number)
    });
    steps.take(Step::Limits, || limit(order));
    steps.take(Step::Keyring, calls::new_keyring);
    steps.take(Step::NoNewPrivileges, || prctl(Prctl::SetNoNewPrivs, [1, 0, 0, 0]));
    // Before the change of user, which takes no capability with these bits set.
    steps.take(Step::Bounding, || bound_capabilities(order.capabilities));
    steps.take(Step::Securebits, || prctl(Prctl::SetSecurebits, [WITHOUT_AMBIENT, 0, 0, 0]));
    steps.take(Step::Groups, || groups(order));
    if let Some(group) = order.group {
        steps.take(Step::Group, || set_group(group));
    }
    if let Some(user) = order.user {
        steps.take(Step::User, || set_user(user));
    }
    steps.take(Step::Capabilities, || keep_capabilities(order.capabilities));
    steps.take(Step::Landlock, || enter_domain(program));
    steps
        .take(Step::Filter, || calls::install_filter(&filter::program(order.may_rename, may_connect(order))));
    if let Some(file) = handed {
        steps.take(Step::Execute, || execute(order, text, file));
    }
}

/// As Rex does it: what goes wrong is said by the program that there is not, and ends it with 1.
fn unconfined(program: &Program, steps: &mut Steps) {
    let Program { order, text, .. } = program;
    let refuse = |what: &str, errno: Errno| -> ! {
        // Whoever does not read it learns the status.
        let text = format!("{what}: {}\n", Number::from_raw(errno));
        drop(std::io::stderr().write_all(text.as_bytes()));
        calls::exit(REX_FAILED)
    };
    // Of these Rex tells on its own standard error, which is not the program's.
    if hand_inherited(order.capabilities).is_err() {
        calls::exit(REX_FAILED);
    }
    let Some(file) = steps.take(Step::Descriptors, || hand_over(program)) else { return };
    if let Some(group) = order.group {
        let changed = set_group(group).and_then(|()| calls::set_no_groups());
        changed.unwrap_or_else(|errno| refuse(&format!("Failed to set GID {group}"), errno));
    }
    if let Some(user) = order.user {
        set_user(user).unwrap_or_else(|errno| refuse(&format!("Failed to set UID {user}"), errno));
    }
    // Behind a keeper that somebody has ended it would be nobody's. The change of user takes the signal away again.
    steps.take(Step::Descriptors, || prctl(Prctl::SetDeathSignal, [SIGKILL, 0, 0, 0]));
    if let Err(errno) = execute(order, text, file) {
        refuse("fexecve failed", errno);
    }
}

/// Clears what is inherited, and hands these on.
fn hand_inherited(capabilities: u64) -> Result<(), Errno> {
    let permitted = calls::permitted_capabilities()?;
    prctl(Prctl::CapAmbient, [CLEAR_AMBIENT, 0, 0, 0])?;
    calls::set_capabilities(capabilities, permitted, permitted)?;
    raise_ambient(capabilities)
}

/// Puts the descriptors where the program sees them, and has all others closed at exec. Gives the file to be executed.
fn hand_over(program: &Program) -> Result<RawFd, Errno> {
    let [input, output, error] = &program.standard;
    let [third, fourth] = &program.handed;
    let sources = [input, output, error, third, fourth].map(AsRawFd::as_raw_fd);
    // First out of each other's way, because a source may have the number of another's destination.
    let mut moved = [0; 5];
    for (slot, source) in moved.iter_mut().zip(sources) {
        *slot = calls::duplicate_above(source, OUT_OF_THE_WAY)?;
    }
    let file = calls::duplicate_above(program.file.as_raw_fd(), OUT_OF_THE_WAY)?;
    let count = match program.order.handed {
        Handed::Nothing => 3,
        Handed::Script => 4,
        Handed::Files => 5,
    };
    calls::close_from_at_exec(count as u32)?;
    for (target, source) in moved.into_iter().take(count).enumerate() {
        calls::duplicate_onto(source, target as RawFd)?;
    }
    Ok(file)
}

fn limit(order: &Order) -> Result<(), Errno> {
    let limits = [
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_NOFILE, order.open_files),
        (Resource::RLIMIT_NPROC, order.processes),
        (Resource::RLIMIT_MEMLOCK, MEMORY_LOCKED_BYTES),
        (Resource::RLIMIT_MSGQUEUE, 0),
        (Resource::RLIMIT_NICE, 0),
        (Resource::RLIMIT_RTPRIO, 0),
    ];
    for (resource, most) in limits {
        let (_, hard) = nix::sys::resource::getrlimit(resource).map_err(number)?;
        let most = most.min(hard);
        setrlimit(resource, most, most).map_err(number)?;
    }
    Ok(())
}

fn bound_capabilities(kept: u64) -> Result<(), Errno> {
    for capability in 0..u64::BITS {
        if kept & (1 << capability) == 0 {
            match prctl(Prctl::CapbsetDrop, [capability.into(), 0, 0, 0]) {
                // Beyond the last one that this kernel knows.
                Err(libc::EINVAL) => break,
                outcome => drop(outcome?),
            }
        }
    }
    Ok(())
}

/// Inside a user namespace of an ordinary user the groups cannot be changed, and none of them is worth more than the user.
fn groups(order: &Order) -> Result<(), Errno> {
    match calls::set_no_groups() {
        Err(libc::EPERM)
            if order.group.is_none() && order.user.is_none() && !nix::unistd::geteuid().is_root() =>
        {
            Ok(())
        }
        outcome => outcome,
    }
}

fn set_group(group: u32) -> Result<(), Errno> {
    let group = nix::unistd::Gid::from_raw(group);
    nix::unistd::setresgid(group, group, group).map_err(number)
}

fn set_user(user: u32) -> Result<(), Errno> {
    let user = nix::unistd::Uid::from_raw(user);
    nix::unistd::setresuid(user, user, user).map_err(number)
}

/// Leaves this process with these capabilities, which it keeps at exec, and with no other.
fn keep_capabilities(kept: u64) -> Result<(), Errno> {
    prctl(Prctl::CapAmbient, [CLEAR_AMBIENT, 0, 0, 0])?;
    let with_last_means = kept | SETPCAP;
    calls::set_capabilities(kept, with_last_means, with_last_means)?;
    raise_ambient(kept)?;
    prctl(Prctl::SetSecurebits, [SECUREBITS, 0, 0, 0])?;
    calls::set_capabilities(kept, kept, kept)
}

fn raise_ambient(capabilities: u64) -> Result<(), Errno> {
    for capability in (0..u64::BITS).filter(|capability| capabilities & (1 << capability) != 0) {
        prctl(Prctl::CapAmbient, [RAISE_AMBIENT, capability.into(), 0, 0])?;
    }
    Ok(())
}

fn enter_domain(program: &Program) -> Result<(), Errno> {
    let Program { order, text, file, handed, objects, .. } = program;
    let domain = Domain::new()?;
    let executed = Rights::READ | Rights::EXECUTE;
    domain.allow(file.as_fd(), false, executed)?;
    if order.handed != Handed::Nothing {
        for handed in handed {
            match domain.allow(handed.as_fd(), false, Rights::READ) {
                // landlock(7): what lies on no file system of anybody, such as a memory file, is under no rule.
                Err(libc::EBADFD) => {}
                outcome => outcome?,
            }
        }
    }
    let mut objects = objects.iter();
    for Place { what, .. } in &text.places {
        if let Thing::Object { is_directory, rights } = what {
            let object = objects.next().ok_or(libc::EBADMSG)?;
            domain.allow(object.as_fd(), *is_directory, *rights)?;
        }
    }
    if order.confinement == Confinement::Confined {
        // Its own, which shows nothing but what it has started itself.
        let proc = File::open("/proc").map_err(crate::mounts::number_of)?;
        domain.allow(proc.as_fd(), true, Rights::READ | Rights::LIST)?;
    }
    domain.enter()
}

/// Without a root of its own a program would see every socket of the host.
fn may_connect(order: &Order) -> bool {
    order.may_connect && order.confinement == Confinement::Confined
}

fn execute(order: &Order, text: &Text, file: RawFd) -> Result<(), Errno> {
    if order.handed == Handed::Script {
        calls::may_execute(SCRIPT)?;
    }
    let words = |words: &[Vec<u8>]| -> Result<Vec<CString>, Errno> {
        words.iter().map(|word| CString::new(word.as_slice()).map_err(|_| libc::EINVAL)).collect()
    };
    let (arguments, environment) = (words(&text.arguments)?, words(&text.environment)?);
    Err(calls::execute(file, &arguments, &environment))
}

fn number(errno: Number) -> Errno {
    errno as Errno
}

const SIGKILL: u64 = libc::SIGKILL as u64;
/// What the shell says of a program that could not be executed.
const FAILED: i32 = 126;
const REX_FAILED: i32 = 1;
const SCRIPT: RawFd = 3;
/// Above the numbers that a program sees, and below the lowest limit on descriptors that a system has.
const OUT_OF_THE_WAY: RawFd = 16;
const MEMORY_LOCKED_BYTES: u64 = 64 << 10;
const RAISE_AMBIENT: u64 = 2;
const CLEAR_AMBIENT: u64 = 4;
/// `CAP_SETPCAP`, without which neither securebits nor ambient capabilities can be set.
const SETPCAP: u64 = 1 << 8;
/// NOROOT and NO_SETUID_FIXUP, set and locked, and KEEP_CAPS, locked.
const WITHOUT_AMBIENT: u64 = 0x2f;
/// And NO_CAP_AMBIENT_RAISE, set and locked.
const SECUREBITS: u64 = 0xef;
