//! A host of a test's own: `/etc` with a configuration, `/var/lib` with what outlives runs, and tokens that PyJWT has made.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rex_tests::program;
use rex_tests::runs::Run;
use rex_tests::scratch::Scratch;
use serde_json::Value;

/// What root has set up.
pub(crate) struct Host {
    scratch: Scratch,
}

impl Host {
    /// With the keys of the tokens; nothing where a test cannot have one, which is said then.
    pub(crate) fn new() -> Option<Self> {
        if !rex_tests::tree::is_root() {
            return None;
        }
        let host = Self { scratch: Scratch::new() };
        fs::create_dir_all(host.path("etc/rex-broker")).expect("a directory can be made");
        fs::create_dir_all(host.path("lib")).expect("a directory can be made");
        fs::copy("/etc/passwd", host.path("etc/passwd")).expect("there is one");
        host.write("etc/rex-broker/keys.json", &tokens()["jwks"].to_string());
        host.write(
            "etc/rex-broker/config.toml",
            "delegation-issuer = \"https://idp.example\"\ndelegation-audience = \"rex-broker:host-17\"\n\
             delegation-keys = \"/etc/rex-broker/keys.json\"\n",
        );
        let tried = host.behind(Run::of("1")).finish();
        if tried.code() == Some(NO_HOST) || tried.stderr.starts_with("unshare:") {
            rex_tests::skip::skipped("this host does not let a test have an /etc and a /var/lib of its own");
            return None;
        }
        assert_eq!(tried.code(), Some(0), "{}", tried.stderr);
        Some(host)
    }

    /// Where something of the host is, as the test sees it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Writes a file of the host.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it is below the host")).expect("a directory can be made");
        fs::write(path, text).expect("a file can be written");
    }

    /// The run on this host.
    pub(crate) fn behind(&self, run: Run) -> Run {
        let (etc, lib) = (self.path("etc"), self.path("lib"));
        let script = format!(
            "mount --bind \"$0\" /etc && mount --bind \"$1\" /var/lib || exit {NO_HOST}; shift; exec \"$@\""
        );
        let words: [&Path; 7] = [
            Path::new("unshare"),
            Path::new("--mount"),
            Path::new("sh"),
            Path::new("-c"),
            Path::new(&script),
            &etc,
            &lib,
        ];
        run.behind(words.map(Path::as_os_str))
    }

    /// A program on this host, to be given its words.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("unshare");
        command
            .args([
                "--mount",
                "sh",
                "-c",
                "mount --bind \"$0\" /etc && mount --bind \"$1\" /var/lib && shift && exec \"$@\"",
            ])
            .args([self.path("etc"), self.path("lib")])
            .arg(program);
        command
    }

    /// The run on this host with this token.
    pub(crate) fn with(&self, run: Run, token: &str) -> Run {
        let text =
            tokens()["tokens"][token]["token"].as_str().unwrap_or_else(|| panic!("no {token}")).to_owned();
        run.scratch.file("token", &text);
        let path = run.scratch.path().join("token");
        self.behind(run).options([Path::new("--delegation"), &path])
    }
}

/// What `broker/delegation/tests/peer/make_tokens.py` has made.
pub(crate) fn tokens() -> Value {
    let path = program::checkout().join("broker/delegation/tests/peer/tokens.json");
    serde_json::from_str(&fs::read_to_string(path).expect("they are kept")).expect("it is JSON")
}

/// The status of a shell that could not mount.
const NO_HOST: i32 = 99;
