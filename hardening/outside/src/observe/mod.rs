//! What other files under `/proc/PID` show: namespaces, descriptors, program, limits, and whether it can be attached to.

mod status;

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

use rex_agreed::{Layer, SOCKET_FD};

pub(crate) use status::Status;

/// What looking at one step showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// It is in force.
    Confirmed(String),
    /// Some of it is, and the rest does not matter.
    Partial(String),
    /// It is not.
    Refuted(String),
    /// Somebody with more rights could see it.
    Hidden(String),
    /// Nobody can see it from outside.
    Invisible,
}

/// What needs the right to attach to the jail, and is therefore looked at as early as possible.
///
/// An ordinary broker may look until the jail stops being dumpable; namespaces and descriptors do not change after that.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observation {
    /// Whether each namespace differs from the broker's.
    namespaces: Option<Vec<(Layer, bool, String)>>,
    descriptors: Option<Vec<i32>>,
    program: Option<String>,
}

impl Observation {
    /// What can be seen now.
    pub(crate) fn of(pid: i32) -> Self {
        // Between closing descriptors and becoming dumpable, exec takes a moment in which an ordinary broker sees nothing.
        let mut namespaces = read_namespaces(pid);
        for _ in 0..RETRIES {
            if namespaces.is_ok() {
                break;
            }
            std::thread::yield_now();
            namespaces = read_namespaces(pid);
        }
        Self {
            namespaces: namespaces.ok(),
            descriptors: read_descriptors(pid).ok(),
            program: fs::read_link(format!("/proc/{pid}/exe"))
                .ok()
                .map(|path| path.to_string_lossy().into_owned()),
        }
    }

    /// This, completed by what was seen `earlier`.
    pub(crate) fn or(self, earlier: &Self) -> Self {
        Self {
            namespaces: self.namespaces.or_else(|| earlier.namespaces.clone()),
            descriptors: self.descriptors.or_else(|| earlier.descriptors.clone()),
            program: self.program.or_else(|| earlier.program.clone()),
        }
    }

    pub(crate) fn namespace(&self, layer: Layer) -> Finding {
        let Some(namespaces) = &self.namespaces else {
            return Finding::Hidden("cannot read /proc/PID/ns".to_owned());
        };
        match namespaces.iter().find(|(candidate, _, _)| *candidate == layer) {
            Some((_, true, name)) => Finding::Confirmed(format!("{name}, not the broker's")),
            Some((_, false, name)) => Finding::Refuted(format!("{name} is the broker's")),
            None => Finding::Refuted("this kernel does not have it".to_owned()),
        }
    }

    /// The socket and nothing else; with forensics, the listener until it has been taken.
    pub(crate) fn descriptors(&self, forensics: bool) -> Finding {
        let Some(open) = &self.descriptors else {
            return Finding::Hidden("cannot read /proc/PID/fd".to_owned());
        };
        let seen = format!("open descriptors {open:?} in /proc/PID/fd");
        match (open.as_slice(), forensics) {
            ([SOCKET_FD], _) => Finding::Confirmed(seen),
            ([_, SOCKET_FD], true) => Finding::Partial(format!("{seen}; one is the forensics listener")),
            _ => Finding::Refuted(seen),
        }
    }

    pub(crate) fn program(&self) -> Finding {
        match &self.program {
            Some(program) if program.starts_with(PROGRAM) => {
                Finding::Confirmed(format!("/proc/PID/exe is {program}"))
            }
            Some(program) => Finding::Refuted(format!("/proc/PID/exe is {program}")),
            // Not hidden: that exec succeeded is known from the report pipe.
            None => Finding::Invisible,
        }
    }
}

/// Zero where it has to be, and bounded where it has to be.
pub(crate) fn limits(pid: i32, forensics: bool) -> Finding {
    let Ok(text) = fs::read_to_string(format!("/proc/{pid}/limits")) else {
        return Finding::Hidden("cannot read /proc/PID/limits".to_owned());
    };
    judge_limits(&text, forensics)
}

fn judge_limits(text: &str, forensics: bool) -> Finding {
    let hard = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().nth(1)
    };
    for name in ZERO {
        let value = hard(name);
        let is_listener = forensics && name == OPEN_FILES && value == Some("1");
        if value != Some("0") && !is_listener {
            return Finding::Refuted(format!("{name} is {} in /proc/PID/limits", value.unwrap_or("missing")));
        }
    }
    for name in BOUNDED {
        if hard(name).is_none_or(|value| value == "unlimited") {
            return Finding::Refuted(format!("{name} is not bounded in /proc/PID/limits"));
        }
    }
    Finding::Confirmed(format!(
        "{} limits are 0 and {} are bounded in /proc/PID/limits",
        ZERO.len(),
        BOUNDED.len()
    ))
}

/// Whether every mapping of the program, and something besides, can neither be removed nor changed.
///
/// The arena with its guards has no name there, so of it can be seen only that something without a name is sealed. A
/// broker that may not look has the jail's word, and as little right to what else `strict` asks for.
///
/// # Source
/// proc(5), `/proc/PID/smaps`, `VmFlags`; mseal(2): "sl" stands for a sealed mapping.
pub(crate) fn sealed(pid: i32) -> Finding {
    match fs::read_to_string(format!("/proc/{pid}/smaps")) {
        Ok(text) => judge_seals(&text),
        Err(_) => Finding::Invisible,
    }
}

fn judge_seals(text: &str) -> Finding {
    let (mut program, mut sealed_program, mut sealed_others) = (0, 0, 0);
    let mut is_program = false;
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("VmFlags:") => {
                let is_sealed = words.any(|flag| flag == "sl");
                program += usize::from(is_program);
                sealed_program += usize::from(is_program && is_sealed);
                sealed_others += usize::from(!is_program && is_sealed);
            }
            // Every other line of a mapping has a name and a colon; its first line has a range of addresses.
            Some(word) if !word.ends_with(':') => {
                is_program = words.nth(4).is_some_and(|path| path.starts_with(PROGRAM));
            }
            _ => {}
        }
    }
    let seen = format!(
        "{sealed_program} of {program} mappings of the program and {sealed_others} others are sealed in /proc/PID/smaps"
    );
    match (program, sealed_program, sealed_others) {
        (0, _, _) => Finding::Hidden("no mapping of the program in /proc/PID/smaps".to_owned()),
        // Kernels that seal have not always shown it.
        (_, 0, 0) => Finding::Hidden(seen),
        (all, sealed, 1..) if all == sealed => Finding::Confirmed(seen),
        _ => Finding::Refuted(seen),
    }
}

/// The files of a process that is not dumpable belong to root.
///
/// # Source
/// proc(5), `/proc/PID`: "the files inside each /proc/PID directory are normally owned by the effective user and effective
/// group ID of the process [...] the ownership is made root:root if the process's dumpable attribute is set to a value
/// other than 1".
pub(crate) fn dumpable(pid: i32, status: Option<&Status>) -> Finding {
    let owner = fs::metadata(format!("/proc/{pid}/status")).map(|file| file.uid());
    match (owner, status.and_then(Status::effective_uid)) {
        (Ok(owner), Some(uid)) if owner != uid => {
            Finding::Confirmed(format!("/proc/PID belongs to uid {owner} and not to {uid}"))
        }
        // A jail that is root, or whom this user namespace shows as it shows root, looks the same either way.
        (Ok(_), Some(0 | OVERFLOW_UID)) => Finding::Invisible,
        (Ok(owner), Some(_)) => Finding::Refuted(format!("/proc/PID belongs to the jail's uid {owner}")),
        _ => Finding::Hidden("cannot read /proc/PID/status".to_owned()),
    }
}

fn read_namespaces(pid: i32) -> io::Result<Vec<(Layer, bool, String)>> {
    NAMESPACE_FILES
        .iter()
        .map(|(layer, name)| {
            let theirs = fs::read_link(format!("/proc/{pid}/ns/{name}"))?;
            let ours = fs::read_link(format!("/proc/self/ns/{name}"))?;
            Ok((*layer, theirs != ours, theirs.to_string_lossy().into_owned()))
        })
        .collect()
}

fn read_descriptors(pid: i32) -> io::Result<Vec<i32>> {
    let mut open = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.parse().ok());
        open.push(number.ok_or_else(|| io::Error::other("unexpected name in /proc/PID/fd"))?);
    }
    open.sort_unstable();
    Ok(open)
}

/// How the kernel spells the memory file that the program is in.
const PROGRAM: &str = "/memfd:rex-jail";
const RETRIES: u32 = 20;
/// How ids without a name in this user namespace are shown.
const OVERFLOW_UID: u32 = 65_534;
const NAMESPACE_FILES: [(Layer, &str); 7] = [
    (Layer::UserNamespace, "user"),
    (Layer::PidNamespace, "pid"),
    (Layer::MountNamespace, "mnt"),
    (Layer::NetworkNamespace, "net"),
    (Layer::IpcNamespace, "ipc"),
    (Layer::UtsNamespace, "uts"),
    (Layer::CgroupNamespace, "cgroup"),
];
const OPEN_FILES: &str = "Max open files";
/// proc(5), `/proc/PID/limits`.
const ZERO: [&str; 10] = [
    OPEN_FILES,
    "Max file size",
    "Max processes",
    "Max core file size",
    "Max locked memory",
    "Max msgqueue size",
    "Max file locks",
    "Max nice priority",
    "Max realtime priority",
    "Max pending signals",
];
const BOUNDED: [&str; 3] = ["Max address space", "Max stack size", "Max cpu time"];

#[cfg(test)]
mod tests {
    use super::*;

    // This process can be attached to, as a jail that only says otherwise.
    #[test]
    fn a_process_that_can_be_attached_to_is_seen() {
        let pid = std::process::id() as i32;
        let status = Status::of_self();

        let finding = dumpable(pid, status.as_ref());

        match status.as_ref().and_then(Status::effective_uid) {
            Some(0 | OVERFLOW_UID) => assert_eq!(finding, Finding::Invisible),
            _ => assert!(matches!(finding, Finding::Refuted(_)), "{finding:?}"),
        }
    }

    fn limits_text() -> String {
        let mut text =
            "Limit                     Soft Limit           Hard Limit           Units     \n".to_owned();
        for name in ZERO {
            text += &format!("{name:<26}0                    0                    units\n");
        }
        for name in BOUNDED {
            text += &format!("{name:<26}4096                 4096                 bytes\n");
        }
        text
    }

    #[test]
    fn limits_hold_only_when_all_do() {
        let text = limits_text();

        assert!(matches!(judge_limits(&text, false), Finding::Confirmed(_)));
        for name in ZERO {
            let line = format!("{name:<26}0                    0");
            let raised = text.replace(&line, &format!("{name:<26}0                    1"));
            assert!(matches!(judge_limits(&raised, false), Finding::Refuted(_)), "{name}");
        }
        let unbounded = text.replace("4096                 bytes", "unlimited            bytes");
        assert!(matches!(judge_limits(&unbounded, false), Finding::Refuted(_)));
    }

    #[test]
    fn a_seal_that_is_missing_on_the_program_is_seen() {
        let mapping = |path: &str, flags: &str| {
            format!(
                "7f0000000000-7f0000001000 r--p 00000000 00:01 17      {path}\nSize:                  4 kB\n\
                 THPeligible:           0\nVmFlags: rd mr mw me {flags}\n"
            )
        };
        let (text, data) = ("/memfd:rex-jail (deleted)", "");
        let seals = |mappings: &[(&str, &str)]| {
            judge_seals(&mappings.iter().map(|(path, flags)| mapping(path, flags)).collect::<String>())
        };

        assert!(matches!(
            seals(&[(text, "sl"), (text, "sl"), (data, "sl"), (data, "")]),
            Finding::Confirmed(_)
        ));
        assert!(matches!(seals(&[(text, "sl"), (text, ""), (data, "sl")]), Finding::Refuted(_)));
        assert!(matches!(seals(&[(text, "sl"), (text, "sl"), (data, "")]), Finding::Refuted(_)));
        assert!(matches!(seals(&[(text, ""), (text, ""), (data, "")]), Finding::Hidden(_)));
        assert!(matches!(seals(&[(data, "sl")]), Finding::Hidden(_)));
    }

    #[test]
    fn another_program_than_the_sealed_one_is_seen() {
        let observation =
            |program: &str| Observation { program: Some(program.to_owned()), ..Observation::default() };

        assert!(matches!(observation("/memfd:rex-jail (deleted)").program(), Finding::Confirmed(_)));
        for other in
            ["/usr/bin/rex-broker", "/memfd:other (deleted)", "/tmp/memfd:rex-jail", "/proc/self/exe"]
        {
            assert!(matches!(observation(other).program(), Finding::Refuted(_)), "{other}");
        }
        // This process, as a jail whose exec never happened would look.
        assert!(matches!(Observation::of(std::process::id() as i32).program(), Finding::Refuted(_)));
    }

    #[test]
    fn one_descriptor_more_is_seen() {
        let observation =
            |open: &[i32]| Observation { descriptors: Some(open.to_vec()), ..Observation::default() };

        assert!(matches!(observation(&[3]).descriptors(false), Finding::Confirmed(_)));
        assert!(matches!(observation(&[3, 4]).descriptors(false), Finding::Refuted(_)));
        assert!(matches!(observation(&[0, 3]).descriptors(true), Finding::Partial(_)));
        assert!(matches!(Observation::default().descriptors(false), Finding::Hidden(_)));
    }

    #[test]
    fn the_broker_s_own_namespaces_are_not_taken_for_new_ones() {
        let observation = Observation::of(std::process::id() as i32);

        for (layer, _) in NAMESPACE_FILES {
            assert!(matches!(observation.namespace(layer), Finding::Refuted(_)), "{layer}");
        }
    }
}
