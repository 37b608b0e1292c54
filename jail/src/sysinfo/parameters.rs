//! The kernel's parameters, as sysctl(8) reads, writes and finds them.

use rex_ipc::bounded::Text;
use rex_ipc::failure::FailureClass;
use rex_ipc::file_system::{EntryType, OpenFile};
use rex_ipc::sysinfo::{LoadParameters, WriteParameter};
use rhai::NativeCallContext;

use super::tables::ENOENT;
use crate::error::family::{Kind, OTHER, SystemInfo};
use crate::error::{Fallible, TooLarge, too_large};
use crate::file_system::dir::DirHandle;
use crate::file_system::execute::collected;
use crate::file_system::options::{DirConfig, OpenDirOptions};
use crate::file_system::passed_over::PassedOver;
use crate::file_system::walk::{Step, Walk, WalkPlan};
use crate::file_system::whole;
use crate::handle::{OpenDirectory, OpenObject};
use crate::limits::{array_limit, string_limit};
use crate::pattern;
use crate::session::Session;
use crate::stray::{Decoding, Stray};
use crate::text::{self, Redaction, split};
use crate::value;

/// What scripts call the functions for parameters on; it holds nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct SysctlManager;

/// A parameter and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SysctlEntry {
    /// Its name.
    pub key: String,
    /// Its value, without white space around it.
    pub value: String,
}

/// The value of a parameter, without white space around it.
///
/// # Errors
/// `PermissionDenied`, which for Rex is `Other`; `Other` for the system's failures; the limit on strings.
pub fn read(context: &NativeCallContext, key: &str) -> Fallible<String> {
    let session = Session::of(context);
    are_of_host(&session)?;
    let path = format!("{ROOT}/{}", relative(&session, key));
    read_path(context, &session, &path)
        .map_err(|error| Kind::<SystemInfo>::of_file(error, session.is_rex_compat()))
}

/// Within a network namespace, whose parameters have the same paths, those of the host would be taken for its own.
fn are_of_host(session: &Session) -> Fallible<()> {
    if !session.is_inside() {
        return Ok(());
    }
    let message =
        "parameters of the kernel are those of the host, and not told or set within a network namespace";
    Err(Kind::<SystemInfo>::error(OTHER, message))
}

fn read_path(context: &NativeCallContext, session: &Session, path: &str) -> Fallible<String> {
    let (directory, name) = split(path, "file path")?;
    let (_, content) =
        whole::open_and_read(context, directory.as_str(), false, name.as_str(), Redaction::Accepted)?;
    value_of(session, path, content)
}

fn value_of(session: &Session, path: &str, content: Vec<u8>) -> Fallible<String> {
    let text = Decoding::new(Stray::usual(session), path).whole(content)?;
    Ok(text.trim().to_owned())
}

/// Sets a parameter. The value is written as it is, in one piece.
///
/// # Errors
/// `InvalidParameter` where there is no such parameter, `InvalidValue` where it does not take the value; `PermissionDenied`,
/// which for Rex is `Other`; `Other` for the system's other failures.
pub fn write(context: &NativeCallContext, key: &str, value: &str) -> Fallible<()> {
    let session = Session::of(context);
    are_of_host(&session)?;
    let invalid = |reason: &str| format!("Invalid sysctl value for {key}={value}: {reason}");
    let Some(text) = Text::new(value) else {
        return Err(Kind::<SystemInfo>::error("InvalidValue", invalid("Argument list too long")));
    };
    let as_ours = |error| Kind::<SystemInfo>::of_file(error, session.is_rex_compat());
    let path = value::path(&relative(&session, key)).map_err(as_ours)?;
    session.ask(value::line(context), WriteParameter { path, value: text }).map_err(|failed| {
        let number = failed.number;
        match failed.failure.class {
            FailureClass::System { errno: ENOENT } => Kind::<SystemInfo>::error_from(
                "InvalidParameter",
                format!("Invalid sysctl parameter: {key}"),
                number,
            ),
            FailureClass::System { errno: EINVAL } => {
                Kind::<SystemInfo>::error_from("InvalidValue", invalid("Invalid argument"), number)
            }
            _ => as_ours(failed.into()),
        }
    })
}

/// Has sysctl(8) set what the files of the host name.
///
/// # Errors
/// `PermissionDenied`; `IoError` when the program fails; `Other` when it cannot be opened or started.
pub fn load(context: &NativeCallContext) -> Fallible<()> {
    let (session, line) = (Session::of(context), value::line(context));
    are_of_host(&session)?;
    let as_ours = |error| Kind::<SystemInfo>::of_file(error, session.is_rex_compat());
    let (dir, file) = (session.new_dir(), session.new_file());
    let open_dir = text::open_parent(dir, value::path("/usr/sbin").map_err(as_ours)?);
    let name = value::spelled("sysctl").map_err(as_ours)?;
    let open_file = OpenFile { follow: true, ..text::open_for_reading(file, dir, name) };
    let ask = LoadParameters { program: None };
    session.ask(line, ask).map_err(|failed| Kind::<SystemInfo>::of(failed, OTHER))?;
    session.perform(line, &(open_dir, open_file)).map_err(|failed| as_ours(failed.into()))?;
    let _open = (OpenDirectory::adopt(&session, dir), OpenObject::adopt(&session, file));
    let result = session
        .ask(line, LoadParameters { program: Some(file) })
        .and_then(|()| collected(&session, line))
        .map_err(|failed| Kind::<SystemInfo>::of(failed, OTHER))??;
    match result.exit_code {
        0 => Ok(()),
        code => {
            let message = format!("sysctl --system failed with exit code {code}: {}", result.stderr);
            Err(Kind::<SystemInfo>::error("IoError", message))
        }
    }
}

/// The parameters whose paths match a regular expression, by name. What may not be listed or read is passed over.
///
/// # Errors
/// `PermissionDenied`, which for Rex is `Other`, when `/proc/sys` may not be opened; `Other` for a pattern that is none and
/// for the system's failures; the limits on arrays and strings.
pub fn find(context: &NativeCallContext, pattern: &str) -> Fallible<Vec<SysctlEntry>> {
    let session = Session::of(context);
    are_of_host(&session)?;
    let mut found = found(context, &session, pattern)
        .map_err(|error| Kind::<SystemInfo>::of_file(error, session.is_rex_compat()))?;
    found.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(found)
}

fn found(context: &NativeCallContext, session: &Session, pattern: &str) -> Fallible<Vec<SysctlEntry>> {
    let place = DirConfig { path: Some(ROOT.into()) };
    let root = DirHandle::open(context, &place, &OpenDirOptions::default())?;
    let pattern = pattern::regex(pattern)?;
    let passed_over = PassedOver::new(context, None);
    let plan = WalkPlan { max_depth: u64::MAX, describe: false, follow_links: false };
    let (most, most_bytes) = (array_limit(session), string_limit(session));
    let mut bytes = 0_usize;
    let mut found = Vec::new();
    Walk::from_root(context, &root, plan, &passed_over)?.run(&mut |step: Step<'_>| {
        let name = step.entry.name();
        if step.entry.entry_type() != EntryType::File
            || NEVER_READ.contains(&name)
            || !pattern.is_match(step.path)
        {
            return Ok(());
        }
        let read = whole::read_in(context, step.entry.parent(), name, Redaction::Accepted)
            .and_then(|content| value_of(session, step.path, content));
        let Some(value) = passed_over.unless_raised(step.path, read)? else { return Ok(()) };
        let key = key_of(session, step.path);
        bytes = bytes.saturating_add(key.len()).saturating_add(value.len());
        if found.len() >= most {
            return Err(too_large(TooLarge::Array));
        }
        if bytes > most_bytes {
            return Err(too_large(TooLarge::Text));
        }
        found.push(SysctlEntry { key, value });
        Ok(())
    })?;
    Ok(found)
}

/// The path of a parameter below `/proc/sys`.
///
/// # Source
/// sysctl.d(5): "If the first separator is a slash, remaining slashes and dots are left intact. If the first separator is a
/// dot, dots are replaced with slashes, and slashes are replaced with dots." Rex replaces dots, and leaves slashes.
fn relative(session: &Session, key: &str) -> String {
    match key.find(['.', '/']).and_then(|at| key.as_bytes().get(at)) {
        _ if session.is_rex_compat() => key.replace('.', "/"),
        Some(b'.') => exchanged(key),
        _ => key.to_owned(),
    }
}

/// The name of the parameter with this path; for Rex a dot in it stands for two things.
fn key_of(session: &Session, path: &str) -> String {
    let below = path.strip_prefix(ROOT).map_or(path, |below| below.trim_start_matches('/'));
    if session.is_rex_compat() { below.replace('/', ".") } else { exchanged(below) }
}

fn exchanged(text: &str) -> String {
    let other = |character| match character {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    text.chars().map(other).collect()
}

const ROOT: &str = "/proc/sys";

/// Reading these tells of something that is deprecated, or does something.
const NEVER_READ: [&str; 3] = ["base_reachable_time", "retrans_time", "stat_refresh"];

/// Invalid argument; errno(3).
const EINVAL: u16 = 22;

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    fn bench() -> Bench {
        Bench::new()
            .file("/proc/sys/kernel/hostname", " tester\n")
            .file("/proc/sys/kernel/empty", "")
            .file("/proc/sys/net/ipv4/conf/eth0.5/forwarding", "1\n")
            .file("/proc/sys/net/ipv4/conf/all/forwarding", "0\n")
            .file("/proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n")
            .file("/proc/sys/vm/stat_refresh", "never")
            .link("/proc/sys/kernel/link", "hostname")
    }

    #[test]
    fn a_parameter_is_read_without_white_space_around_it() {
        for bench in [bench(), bench().like_rex()] {
            assert_eq!(
                bench.output(
                    r#"[sysctl_read("kernel.hostname"), SysctlManager().read("net.ipv4.ip_local_port_range"), sysctl_read("kernel.empty"),
                        SysctlManager().read("net/ipv4/ip_local_port_range")]"#
                ),
                r#"["tester", "32768\t60999", "", "32768\t60999"]"#
            );
            assert_eq!(bench.asked()[0], ["open_dir", "open_file", "read_chunk"]);
        }
    }

    // sysctl(8), sysctl.d(5).
    #[test]
    fn a_dot_in_a_name_can_be_said_in_two_ways() {
        let bench = || bench().file("/proc/sys/fs/a.b", "plain");

        for key in ["net.ipv4.conf.eth0/5.forwarding", "net/ipv4/conf/eth0.5/forwarding"] {
            assert_eq!(bench().output(&format!("sysctl_read(\"{key}\")")), "1", "{key}");
            assert!(
                bench().like_rex().failure(&format!("sysctl_read(\"{key}\")")).contains("os error"),
                "{key}"
            );
        }
        assert_eq!(
            bench().output(r#"[sysctl_read("fs.a/b"), sysctl_read("fs/a.b")]"#),
            r#"["plain", "plain"]"#
        );
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        for (key, message) in [
            ("kernel.none", "Other: No such file or directory (os error 2)"),
            ("none.at.all", "Other: No such file or directory (os error 2)"),
            ("kernel", "Other: Validation error: argument is not a file"),
            ("kernel.link", "Other: File error: file is a symbolic link but follow_symlinks is not enabled"),
        ] {
            let script = format!("SysctlManager().read(\"{key}\")");
            for bench in [bench(), bench().like_rex()] {
                let told = bench.failure(&script);
                assert!(told.starts_with(&format!("SysteminfoErrorKind: {message}")), "{key}: {told}");
            }
        }
        let text = bench().like_rex().failure(r#"sysctl_read("kernel.none")"#);
        assert!(text.starts_with("Runtime error: No such file or directory (os error 2) (line 1"), "{text}");
    }

    #[test]
    fn bytes_that_are_no_text_are_an_error_for_rex_only() {
        let bench = || Bench::new().file("/proc/sys/kernel/odd", b"a\xff\n");

        assert_eq!(bench().output(r#"sysctl_read("kernel.odd").len()"#), "2");
        assert!(
            bench()
                .like_rex()
                .failure(r#"sysctl_read("kernel.odd")"#)
                .contains("did not contain valid UTF-8")
        );
    }

    #[test]
    fn denials_are_denials_but_for_rex() {
        for (action, path) in [
            ("open", "/proc/sys/kernel"),
            ("open", "/proc/sys/kernel/hostname"),
            ("read", "/proc/sys/kernel/hostname"),
        ] {
            let script = r#"SysctlManager().read("kernel.hostname")"#;
            let message = bench().denying(action, path).failure(script);
            assert!(
                message.starts_with("SysteminfoErrorKind: PermissionDenied: Permission denied: "),
                "{message}"
            );
            let message = bench().denying(action, path).like_rex().failure(script);
            assert!(message.starts_with("SysteminfoErrorKind: Other: Permission denied: "), "{message}");
        }
        let denied = || bench().denying("write", "/proc/sys/kernel/hostname");
        let script = r#"SysctlManager().write("kernel.hostname", "x")"#;
        assert!(denied().failure(script).contains("SysteminfoErrorKind: PermissionDenied: "));
        assert!(denied().like_rex().failure(script).contains("SysteminfoErrorKind: Other: "));
    }

    #[test]
    fn a_parameter_is_written_as_it_is() {
        let bench = bench();

        bench.output(
            r#"sysctl_write("kernel.hostname", "new"); SysctlManager().write("net.ipv4.conf.eth0/5.forwarding", " 0 ")"#,
        );

        assert_eq!(bench.content("/proc/sys/kernel/hostname"), "new");
        assert_eq!(bench.content("/proc/sys/net/ipv4/conf/eth0.5/forwarding"), " 0 ");
        assert_eq!(bench.asked(), [["write_parameter"], ["write_parameter"]]);
    }

    #[test]
    fn what_cannot_be_written_has_a_kind() {
        for (key, text, message) in [
            ("kernel.none", "1", "InvalidParameter: Invalid sysctl parameter: kernel.none"),
            (
                "kernel.hostname",
                "EINVAL",
                "InvalidValue: Invalid sysctl value for kernel.hostname=EINVAL: Invalid argument",
            ),
            ("kernel.hostname", "EPERM", "Other: Operation not permitted (os error 1)"),
        ] {
            for bench in [bench(), bench().like_rex()] {
                let told = bench.failure(&format!("SysctlManager().write(\"{key}\", \"{text}\")"));
                assert!(told.starts_with(&format!("SysteminfoErrorKind: {message} (line 1")), "{told}");
            }
        }
        let told = bench().failure(r#"sysctl_write("kernel.none", "1")"#);
        assert!(told.starts_with("Runtime error: Invalid sysctl parameter: kernel.none (line 1"), "{told}");
        let told =
            bench().failure(r#"let v = "x"; v.pad(4096, "x"); SysctlManager().write("kernel.hostname", v)"#);
        assert!(told.starts_with("SysteminfoErrorKind: InvalidValue: "), "{told}");
        assert!(
            bench()
                .failure(r#"sysctl_write("kernel.hostname", 1)"#)
                .starts_with("Function not found: sysctl_write (&str")
        );
    }

    #[test]
    fn parameters_are_found_by_their_path() {
        for bench in [bench(), bench().like_rex()] {
            assert_eq!(
                bench.output(r#"sysctl_find("kernel.host")"#),
                r##"[#{"key": "kernel.hostname", "value": "tester"}]"##
            );
            assert_eq!(
                bench.output(
                    r#"SysctlManager().find("^/proc/sys/(kernel|vm)/").map(|e| [e.key, e.value, e.to_map()])"#
                ),
                r##"[["kernel.empty", "", #{"key": "kernel.empty", "value": ""}], ["kernel.hostname", "tester", #{"key": "kernel.hostname", "value": "tester"}]]"##
            );
        }
        assert_eq!(
            bench().output(r#"sysctl_find("forwarding$").map(|e| [e.key, sysctl_read(e.key)])"#),
            r#"[["net.ipv4.conf.all.forwarding", "0"], ["net.ipv4.conf.eth0/5.forwarding", "1"]]"#
        );
        assert_eq!(
            bench().like_rex().output(r#"sysctl_find("forwarding$").map(|e| e.key)"#),
            r#"["net.ipv4.conf.all.forwarding", "net.ipv4.conf.eth0.5.forwarding"]"#
        );
    }

    #[test]
    fn what_may_not_be_listed_or_read_is_passed_over() {
        for (action, path, expected) in [
            ("read", "/proc/sys", "[[], 1]"),
            ("open", "/proc/sys/net", r#"[["kernel.empty", "kernel.hostname"], 1]"#),
            ("read", "/proc/sys/net", r#"[["kernel.empty", "kernel.hostname"], 1]"#),
            ("open", "/proc/sys/kernel/hostname", r#"[["kernel.empty"], 1]"#),
            ("read", "/proc/sys/kernel/hostname", r#"[["kernel.empty"], 1]"#),
        ] {
            let pattern = if path.ends_with("net") { "." } else { "/kernel/" };
            let pattern = if pattern == "." { "hostname|empty|forwarding|range" } else { pattern };
            let script = format!("let f = sysctl_find(\"{pattern}\"); [f.map(|e| e.key), passed_over()]");
            assert_eq!(bench().denying(action, path).output(&script), expected, "{action} {path}");
        }
        let script = r#"SysctlManager().find(".")"#;
        let message = bench().denying("open", "/proc/sys").failure(script);
        assert!(message.starts_with("SysteminfoErrorKind: PermissionDenied: "), "{message}");
    }

    #[test]
    fn a_pattern_that_is_none_is_told_of_after_the_question() {
        let script = r#"SysctlManager().find("(")"#;

        let message = bench().failure(script);

        assert!(
            message
                .starts_with("SysteminfoErrorKind: Other: Validation error: Invalid regex pattern: '(' - "),
            "{message}"
        );
        assert!(bench().denying("open", "/proc/sys").failure(script).contains("PermissionDenied"));
    }
}
