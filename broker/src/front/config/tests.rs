//! Files, variables and flags on top of each other: what counts, what is refused, and where the refusal points.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::audit::AuditTarget;
use crate::policy::Mode;

/// A place for root's files and for the user's, both owned by whoever runs the test.
struct Host {
    root: PathBuf,
    variables: Vec<(OsString, OsString)>,
}

impl Host {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("rex-config-{}-{number}", std::process::id()));
        drop(fs::remove_dir_all(&root));
        for directory in ["etc/conf.d", "user"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        for directory in ["etc", "etc/conf.d", "user"] {
            fs::set_permissions(root.join(directory), fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self { root, variables: Vec::new() }
    }

    fn file(self, name: &str, text: &str) -> Self {
        let path = self.root.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
        self
    }

    fn root(self, text: &str) -> Self {
        self.file("etc/config.toml", text)
    }

    fn user(self, text: &str) -> Self {
        self.file("user/config.toml", text)
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    fn read(&self) -> Result<Layers, ConfigError> {
        let places = Places {
            system: self.root.join("etc"),
            user: Some(self.root.join("user/config.toml")),
            system_owner: nix::unistd::geteuid().as_raw(),
        };
        Layers::read(&places, self.variables.clone().into_iter())
    }

    fn with(&self, flags: &[(&str, &str)]) -> Result<Effective, ConfigError> {
        let given = flags.iter().map(|(flag, value)| Given { flag: (*flag).into(), value: value.into() });
        self.read()?.with_flags(&[], &given.collect::<Vec<_>>())
    }

    /// The refusal, with the host's root left out.
    fn refused(&self, flags: &[(&str, &str)]) -> String {
        let error = self.with(flags).expect_err("it is to be refused").to_string();
        error.replace(&self.root.display().to_string(), "")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.root));
    }
}

fn timeout(effective: &Effective) -> u64 {
    effective.limits().unwrap().timeout_seconds
}

#[test]
fn without_any_configuration_everything_is_the_default() {
    let effective = Host::new().with(&[]).unwrap();

    assert_eq!(effective.limits().unwrap(), crate::gate::limits::Limits::default());
    assert_eq!(effective.audit_log().unwrap(), AuditTarget::Usual);
    assert_eq!(effective.choice::<Mode>("policy-mode").unwrap(), Mode::Standard);
    assert_eq!(effective.text("require"), Some("core"));
    assert_eq!(effective.forbids().count(), 0);
}

#[test]
fn a_later_file_of_roots_wins_over_an_earlier_one() {
    let host = Host::new()
        .root("[limits]\ntimeout = 100\n")
        .file("etc/conf.d/20.toml", "[limits]\ntimeout = 7_200\n")
        .file("etc/conf.d/10.toml", "[limits]\ntimeout = 50\n")
        .file("etc/conf.d/.hidden.toml", "nonsense")
        .file("etc/conf.d/readme.txt", "nonsense");

    assert_eq!(timeout(&host.with(&[]).unwrap()), 7200);
}

#[test]
fn everybody_may_tighten() {
    let host = Host::new()
        .root("require = \"core\"\n[limits]\ntimeout = 100\n")
        .user("[limits]\ntimeout = 90\n")
        .variable("REX_BROKER_TIMEOUT", "80")
        .variable("REX_BROKER_REQUIRE", "strict")
        .variable("REX_BROKER_AUDIT_SYNC", "record")
        .variable("REX_BROKER_POLICY_MODE", "strict");

    assert_eq!(timeout(&host.with(&[]).unwrap()), 80);
    assert_eq!(timeout(&host.with(&[("timeout", "70")]).unwrap()), 70);
    assert_eq!(host.with(&[("require", "max")]).unwrap().text("require"), Some("max"));
}

#[test]
fn only_root_may_loosen_and_the_refusal_says_where() {
    let root = "# ours\n[limits]\ntimeout = 100\n";

    assert_eq!(
        Host::new().root(root).user("\n[limits]\ntimeout = 200\n").refused(&[]),
        "configuration refused: /user/config.toml:3: `limits.timeout` may be tightened and not loosened: \
         it is `100` (/etc/config.toml:3); only a file of root's in /etc/rex-broker, or a flag, may loosen it"
    );
    assert!(
        Host::new().variable("REX_BROKER_MEMORY", "257").refused(&[]).starts_with(
            "configuration refused: REX_BROKER_MEMORY: `limits.memory` may be tightened and not loosened: it is `256` (default)"
        )
    );
    assert_eq!(
        Host::new().root(root).refused(&[("timeout", "101")]),
        "configuration refused: --timeout: `limits.timeout` may be tightened and not loosened: \
         it is `100` (/etc/config.toml:3); it can be changed there alone"
    );
}

#[test]
fn a_flag_may_loosen_what_no_file_of_roots_has_a_value_for() {
    let host = Host::new().user("[limits]\ntimeout = 10\n").root("[limits]\nmemory = 64\n");

    assert_eq!(timeout(&host.with(&[("timeout", "9000")]).unwrap()), 9000);
    assert!(host.with(&[("memory", "65")]).is_err());
    assert!(host.with(&[("policy-mode", "rex"), ("hard-links", "allow"), ("audit-log", "none")]).is_ok());
}

#[test]
fn each_kind_of_setting_knows_what_is_looser() {
    for (pinned, flag, value) in [
        ("require = \"strict\"", "require", "core"),
        ("require = \"strict\"", "require", "strict,-seccomp3"),
        ("require = \"core\"", "require", "core,-landlock"),
        ("policy-mode = \"strict\"", "policy-mode", "standard"),
        ("policy-mode = \"standard\"", "policy-mode", "rex"),
        ("hard-links = \"refuse\"", "hard-links", "allow"),
        ("audit-sync = \"record\"", "audit-sync", "run"),
        ("child-socket = \"\"", "child-socket", "/run/a"),
        ("child-socket = \"/run/a:/run/b\"", "child-socket", "/run/a:/run/c"),
        ("audit-log = \"/var/log/a\"", "audit-log", "none"),
        ("audit-log = \"/var/log/a\"", "audit-log", "/tmp/a"),
        ("audit-log = \"fd:3\"", "audit-log", "fd:4"),
        ("limits = { max-calls = 5 }", "max-calls", "6"),
        ("limits = { max-calls-per-operation = \"9,open_dir=5\" }", "max-calls-per-operation", "9"),
        ("limits = { max-calls-per-operation = 9 }", "max-calls-per-operation", "open_dir=5"),
    ] {
        let refused = Host::new().root(pinned).refused(&[(flag, value)]);

        assert!(refused.contains("may be tightened and not loosened"), "{pinned} {value}: {refused}");
    }
    for (pinned, flag, value) in [
        ("require = \"core\"", "require", "strict"),
        ("require = \"core\"", "require", "core,+mdwe"),
        ("audit-log = \"none\"", "audit-log", "/tmp/a"),
        ("policy-mode = \"rex\"", "policy-mode", "strict"),
        ("child-socket = \"/run/a:/run/b\"", "child-socket", "/run/b"),
        ("limits = { max-calls = 5 }", "max-calls", "5"),
        ("limits = { max-calls-per-operation = 9 }", "max-calls-per-operation", "9,open_dir=5"),
    ] {
        assert!(Host::new().root(pinned).with(&[(flag, value)]).is_ok(), "{pinned} {value}");
    }
}

#[test]
fn sockets_of_programs_are_for_root_and_for_flags_to_name() {
    let named = |effective: &Effective| effective.sockets().unwrap();
    let flag = [("child-socket", "/run/a:/run/b")];

    assert!(named(&Host::new().with(&[]).unwrap()).is_empty());
    assert_eq!(named(&Host::new().with(&flag).unwrap()), ["/run/a", "/run/b"].map(PathBuf::from));
    let root = Host::new().root("child-socket = \"/run/b\"");
    assert_eq!(named(&root.with(&[]).unwrap()), [PathBuf::from("/run/b")]);
    assert!(Host::new().user("child-socket = \"/run/a\"").refused(&[]).contains("loosened"));
    assert!(Host::new().variable("REX_BROKER_CHILD_SOCKET", "/run/a").refused(&[]).contains("loosened"));
    for wrong in ["run/a", "/run/../a", "/run/./a", "/run//a", "/run/a/", "/run/a:", ":", "/"] {
        let refused = Host::new().root(&format!("child-socket = \"{wrong}\"")).refused(&[]);
        assert!(refused.contains("is no absolute path of a socket"), "{wrong}: {refused}");
    }
}

#[test]
fn rexs_policy_mode_is_no_way_around_roots() {
    let host = Host::new().root("policy-mode = \"standard\"\n");
    let mode = |host: &Host| {
        let effective = host.read().unwrap().with_flags(&[("policy-mode", "rex")], &[]).unwrap();
        effective.choice::<Mode>("policy-mode").unwrap()
    };

    assert_eq!(mode(&host), Mode::Standard);
    assert_eq!(mode(&Host::new()), Mode::Rex);
}

#[test]
fn policies_that_forbid_are_collected_and_none_is_taken_away() {
    let host = Host::new()
        .root("forbid = [\"/etc/a\", \"/etc/b\"]\n")
        .user("forbid = [\"/home/c\"]\n")
        .variable("REX_BROKER_FORBID", "/d:/e");

    let effective = host.with(&[("forbid", "f")]).unwrap();

    let forbids: Vec<&Path> = effective.forbids().map(Path::new).collect();
    assert_eq!(forbids, ["/etc/a", "/etc/b", "/home/c", "/d", "/e", "f"].map(Path::new));
}

#[test]
fn what_is_no_configuration_is_refused_with_its_line() {
    for (text, reason) in [
        ("\nlimits = 3\n", "2: there is no setting `limits`"),
        ("[limits]\n\ntimout = 3\n", "3: there is no setting `timout`; did you mean `timeout`?"),
        ("timeout = 3\n", "1: there is no setting `timeout` here; it is `limits.timeout`"),
        ("[limits]\nrequire = \"core\"\n", "2: there is no setting `require` here; it is `require`"),
        ("[limit]\ntimeout = 3\n", "1: there is no table `limit`"),
        ("[limits]\nmax-calls = \"3\"\n", "2: `limits.max-calls` wants a decimal number"),
        (
            "[limits]\ntimeout = \"3x\"\n",
            "2: `limits.timeout`: `3x` is no duration in whole seconds; write seconds, or",
        ),
        ("[limits]\ntimeout = \"0s\"\n", "2: `limits.timeout`: 0 is not in 1..=2592000"),
        ("[limits]\ntimeout = true\n", "2: `limits.timeout` wants a decimal number, or a duration in quotes"),
        ("[limits]\nmemory = \"1s\"\n", "2: `limits.memory`: `1s` is no size; write MiB, or"),
        (
            "[limits]\nmax-output = 1.5\n",
            "2: `limits.max-output` wants a decimal number, or a size in quotes",
        ),
        ("[limits]\ntimeout = 0x10\n", "2: `limits.timeout` wants a decimal number"),
        ("[limits]\ntimeout = 0\n", "2: `limits.timeout`: 0 is not in 1..=2592000"),
        ("[limits]\ntimeout = -1\n", "2: `limits.timeout`: "),
        ("policy-mode = \"lax\"\n", "1: `policy-mode`: `lax` is none of rex, standard, strict"),
        ("require = \"corre\"\n", "1: `require`: cannot read requirement"),
        ("audit-log = \"log\"\n", "1: `audit-log`: the path is not absolute"),
        ("audit-log = \"fd:x\"\n", "1: `audit-log`: `fd:` wants the number"),
        ("forbid = \"/a\"\n", "1: `forbid` wants a list of paths"),
        ("forbid = [\"a\"]\n", "1: `forbid`: the path is not absolute"),
        ("explain-denials = \"yes\"\n", "1: `explain-denials` wants true or false"),
        ("policy = [\"/a\"]\n", "1: there is no setting `policy`"),
        ("[limits]\ntimeout = 3\ntimeout = 4\n", "3: duplicate key"),
        ("[limits\n", "1: "),
        ("# \u{0}\n", "1: "),
    ] {
        let refused = Host::new().root(text).refused(&[]);

        let beginning = format!("configuration refused: /etc/config.toml:{reason}");
        assert!(refused.starts_with(&beginning), "{text:?}: {refused}");
    }
}

#[test]
fn a_variable_that_is_none_is_refused() {
    assert_eq!(
        Host::new().variable("REX_BROKER_TIMOUT", "3").refused(&[]),
        "configuration refused: REX_BROKER_TIMOUT: there is no such setting; did you mean `REX_BROKER_TIMEOUT`?"
    );
    assert!(Host::new().variable("REX_BROKER_TIMEOUT", "x").refused(&[]).contains("is no duration"));
    assert!(Host::new().variable("REX_BROKER_LOG", "debug").variable("LANG", "x").with(&[]).is_ok());
}

#[test]
fn what_others_may_write_is_no_configuration() {
    let chmod = |host: &Host, name: &str, mode| {
        fs::set_permissions(host.root.join(name), fs::Permissions::from_mode(mode)).unwrap();
    };

    for name in ["etc", "etc/config.toml", "etc/conf.d", "user/config.toml"] {
        for mode in [0o777, 0o775] {
            let host = Host::new().root("").user("");
            chmod(&host, name, mode);

            let refused = host.refused(&[]);
            assert!(
                refused.starts_with(&format!("configuration refused: /{name}: others may write")),
                "{refused}"
            );
        }
    }
}

#[test]
fn a_file_of_somebody_else_is_not_roots() {
    let host = Host::new().root("");
    let places = Places {
        system: host.root.join("etc"),
        user: None,
        system_owner: nix::unistd::geteuid().as_raw() + 1,
    };

    let error = Layers::read(&places, std::iter::empty()).unwrap_err().to_string();

    assert!(error.contains("and has to belong to user"), "{error}");
}

#[test]
fn what_is_no_file_does_not_hold_the_start() {
    let host = Host::new();
    nix::unistd::mkfifo(&host.root.join("etc/config.toml"), nix::sys::stat::Mode::S_IRWXU).unwrap();

    assert!(host.refused(&[]).ends_with("/etc/config.toml: is not a regular file"));

    let large = Host::new().root(&"#".repeat(1024 * 1024 + 1));
    assert!(large.refused(&[]).ends_with("is larger than 1048576 bytes"));
    let bytes = Host::new();
    fs::write(bytes.root.join("etc/config.toml"), b"# \xff").unwrap();
    assert!(bytes.refused(&[]).ends_with("is not UTF-8"));
}

#[test]
fn what_is_shown_is_a_configuration_that_says_the_same() {
    let host = Host::new()
        .root("forbid = [\"/etc/\\u001b[2J\\\"x\"]\naudit-log = \"/var/log/x\"\n[limits]\ntimeout = 9\n");
    let layers = host.read().unwrap();
    let effective = layers.with_flags(&[], &[]).unwrap();

    let mut shown = Vec::new();
    show::as_toml(&effective, &layers, false, &mut shown).unwrap();

    let shown = String::from_utf8(shown).unwrap();
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
    let again = Host::new().root(&shown);
    let again = again.with(&[]).unwrap();
    assert_eq!(again.limits().unwrap(), effective.limits().unwrap());
    assert_eq!(again.forbids().collect::<Vec<_>>(), effective.forbids().collect::<Vec<_>>());
    assert_eq!(again.audit_log().unwrap(), effective.audit_log().unwrap());
}

#[test]
fn who_asks_is_told_where_each_value_comes_from() {
    let host = Host::new().root("[limits]\ntimeout = 9\n").variable("REX_BROKER_MEMORY", "8");
    let layers = host.read().unwrap();
    let effective = layers.with_flags(&[], &[]).unwrap();

    let mut shown = Vec::new();
    show::as_toml(&effective, &layers, true, &mut shown).unwrap();

    let shown = String::from_utf8(shown).unwrap().replace(&host.root.display().to_string(), "");
    assert!(shown.contains("# read: /etc/config.toml\n# not there: /user/config.toml\n"), "{shown}");
    assert!(shown.contains("\ntimeout = 9  # /etc/config.toml:2\n"), "{shown}");
    assert!(shown.contains("\nmemory = 8  # REX_BROKER_MEMORY\n"), "{shown}");
    assert!(shown.contains("\nmax-calls = 100000000  # default\n"), "{shown}");
    let place = shown.lines().find(|line| line.starts_with("# audit-log = \"/")).unwrap();
    assert!(place.ends_with("/rex-broker/audit.jsonl\"  # default"), "{place}");
}

#[test]
fn durations_and_sizes_have_units_everywhere() {
    let host = Host::new()
        .root("[limits]\ntimeout = \"1h30m\"\nmemory = \"1GiB\"\nmax-bytes-per-operation = \"read_chunk=1G,2G\"\n")
        .user("[limits]\nmax-output = \"2M\"\n")
        .variable("REX_BROKER_MAX_CPU", "5m");
    let flags = [("timeout", "90s"), ("max-read-bytes", "1.5G"), ("memory", "64M")];

    let limits = host.with(&flags).unwrap().limits().unwrap();

    assert_eq!((limits.timeout_seconds, limits.max_cpu_seconds, limits.memory_mib), (90, 300, 64));
    assert_eq!((limits.max_output_bytes, limits.max_read_bytes), (2 << 20, 3 << 29));
    assert_eq!(limits.max_bytes_per_operation.to_string(), format!("{},read_chunk={}", 2_u64 << 30, 1 << 30));
}

// What is looser is told by what is meant, whatever it is written in.
#[test]
fn units_do_not_hide_what_is_looser() {
    for (root, flag, looser, tighter) in [
        ("timeout = \"1h\"", "timeout", "61m", "3600"),
        ("timeout = 60", "timeout", "2m", "1m"),
        ("memory = \"1G\"", "memory", "1025", "1000MB"),
        ("max-output = \"1M\"", "max-output", "1025K", "1MB"),
        ("max-bytes-per-operation = \"1G\"", "max-bytes-per-operation", "1G,copy=2G", "1G,copy=1M"),
    ] {
        let host = Host::new().root(&format!("[limits]\n{root}\n"));

        assert!(
            host.refused(&[(flag, looser)]).contains("may be tightened and not loosened"),
            "{root}, {looser}"
        );
        assert!(host.with(&[(flag, tighter)]).is_ok(), "{root}, {tighter}");
    }
}
