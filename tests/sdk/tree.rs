//! The files that every example finds, as the preface of the reference lists them.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rex_tests::program;

/// Where the examples say that the files are.
pub(crate) const PLACE: &str = "/srv/example";

/// Makes the files below a directory that exists.
pub(crate) fn make(preface: &str, below: &Path) {
    let listing = preface.split("```text\n/srv/example/\n").nth(1).expect("the preface lists the files");
    let lines = listing.lines().take_while(|line| !line.starts_with("```"));
    let mut made = vec![below.to_owned()];
    for line in lines {
        let line = line.trim();
        let (name, what) = line.split_once(' ').map_or((line, ""), |(name, what)| (name, what.trim()));
        let path = below.join(name);
        if let Some(target) = what.strip_prefix("-> ") {
            symlink(target, &path).expect("a link can be made");
            continue;
        }
        if name.ends_with('/') {
            fs::create_dir(&path).expect("a directory can be made");
        } else {
            fs::write(&path, content(name, what)).expect("a file can be written");
        }
        let mode = if path.is_dir() { 0o755 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("it is ours");
        made.push(path);
    }
    // Children first, because a new entry changes the time of its directory; the listing has parents first.
    for path in made.iter().rev() {
        let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(MODIFIED);
        File::open(path).and_then(|file| file.set_modified(moment)).expect("its time can be set");
    }
}

fn content(name: &str, what: &str) -> Vec<u8> {
    if what.starts_with('"') {
        let text: String = serde_json::from_str(what).unwrap_or_else(|error| panic!("{name}: {error}"));
        return text.into_bytes();
    }
    let fixture = program::checkout().join("tests/sdk/tree").join(name);
    fs::read(&fixture).unwrap_or_else(|error| panic!("{}: {error}", fixture.display()))
}

/// 2024-05-01T12:00:00Z, as the preface says.
const MODIFIED: u64 = 1_714_564_800;
