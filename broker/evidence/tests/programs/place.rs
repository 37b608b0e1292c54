//! A place of its own for each test, and the two programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

pub(crate) const NAME: &str = "audit.example.org/host-17";

/// A directory that goes with the test.
pub(crate) struct Place(pub(crate) PathBuf);

impl Place {
    pub(crate) fn new() -> Place {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let place = std::env::temp_dir().join(format!("rex-evidence-place-{}-{number}", std::process::id()));
        fs::remove_dir_all(&place).ok();
        fs::create_dir_all(&place).unwrap();
        Place(place)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Records that look like those of the broker.
    pub(crate) fn records(&self, count: u64) {
        let lines: String = (0..count).map(record).collect();
        fs::write(self.path("audit.jsonl"), lines).unwrap();
    }

    /// Runs a program here. `None` stands for a status by a signal.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Ran {
        let path = match program {
            "rex-audit" => env!("CARGO_BIN_EXE_rex-audit"),
            "rex-verify" => env!("CARGO_BIN_EXE_rex-verify"),
            other => other,
        };
        Ran::of(Command::new(path).args(arguments).current_dir(&self.0).output().unwrap())
    }

    /// A key, a directory `log` and its public key in `log.vkey`.
    pub(crate) fn init(&self) {
        let ran = self.run("rex-audit", &["init", "--name", NAME, "--key", "key", "log"]);
        assert_eq!(ran.status, 0, "{}", ran.errors);
        fs::write(self.path("log.vkey"), ran.output).unwrap();
    }

    pub(crate) fn seal(&self) -> Ran {
        self.run("rex-audit", &["seal", "--key", "key", "--log", "audit.jsonl", "log"])
    }

    /// Records that are sealed.
    pub(crate) fn sealed(&self, count: u64) {
        self.records(count);
        let ran = self.seal();
        assert_eq!(ran.status, 0, "{}", ran.errors);
    }

    pub(crate) fn verify(&self, more: &[&str]) -> Ran {
        self.run("rex-verify", &[&["log", "--vkey-file", "log.vkey"], more].concat())
    }

    /// A copy of everything, as whoever attacks it would have it.
    pub(crate) fn copy(&self) -> Place {
        let copy = Place::new();
        copy_below(&self.0, &copy.0);
        copy
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

pub(crate) fn record(number: u64) -> String {
    format!(
        "{{\"run\":\"5f0c1d9a6be24c3f8d7e6a5b4c3d2e1f\",\"seq\":{number},\"time\":\"2026-11-30T07:05:00.000000042Z\",\
         \"event\":\"decision\",\"principal\":\"root\",\"policy\":\"9f86d081884c7d65\",\"operation\":\"open_file\",\
         \"claimed_line\":12,\"action\":\"file_system::Action::\\\"open\\\"\",\"resource_type\":\"file_system::File\",\
         \"resource\":\"/var/log/app-{number}.log\",\"decision\":\"permit\",\"policies\":[\"read-logs\"]}}\n"
    )
}

/// What a program did.
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) output: String,
    pub(crate) errors: String,
}

impl Ran {
    fn of(output: Output) -> Ran {
        Ran {
            status: output.status.code().unwrap_or(-1),
            output: String::from_utf8(output.stdout).unwrap(),
            errors: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

fn copy_below(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&target).unwrap();
            copy_below(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}
