//! The program under test: built by cargo when the first test asks for it, so that it is never older than its source.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Where `rex-broker` is, built from the present source in the profile of the calling test.
///
/// A path in the environment variable `REX_TESTS_PROGRAM` is used instead, as for an installed program; the test's
/// output says so.
///
/// # Panics
/// When it cannot be built. A test that ran without it would prove nothing.
pub fn path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();

    PATH.get_or_init(|| match std::env::var_os("REX_TESTS_PROGRAM") {
        Some(path) => {
            eprintln!("testing {} and not the present source", path.display());
            PathBuf::from(path)
        }
        None => build(&BuildPlace::of_this_test()),
    })
}

/// The root of the checkout.
pub fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the packages are below the root")
}

/// Where cargo put the running test, and so where the program belongs: `<target>[/<triple>]/<profile>/deps/<test>`.
#[derive(Debug, PartialEq, Eq)]
struct BuildPlace {
    target_directory: PathBuf,
    triple: Option<String>,
    profile: String,
}

impl BuildPlace {
    fn of_this_test() -> Self {
        let test = std::env::current_exe().expect("a test knows its own path");
        Self::of(&test).unwrap_or_else(|| panic!("{} was not built by cargo", test.display()))
    }

    fn of(test: &Path) -> Option<Self> {
        let profile_directory = test.parent()?.parent()?;
        let name = |path: &Path| path.file_name().and_then(OsStr::to_str).map(str::to_owned);
        let above = profile_directory.parent()?;
        let triple = name(above).filter(|name| name.contains("-unknown-linux-"));
        let target_directory = if triple.is_some() { above.parent()? } else { above };
        let profile = match name(profile_directory)?.as_str() {
            "debug" => "dev".to_owned(),
            other => other.to_owned(),
        };
        Some(Self { target_directory: target_directory.to_owned(), triple, profile })
    }
}

/// Cargo decides whether there is anything to do, and holds a lock while it does it.
fn build(place: &BuildPlace) -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    // The whole workspace, so that its features are those of `cargo test --workspace` and nothing is built twice.
    cargo
        .args([
            "build",
            "--locked",
            "--workspace",
            "--bin",
            "rex-broker",
            "--message-format=json-render-diagnostics",
        ])
        .args(["--profile", &place.profile])
        .arg("--target-dir")
        .arg(&place.target_directory)
        .current_dir(checkout())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    if let Some(triple) = &place.triple {
        cargo.args(["--target", triple]);
    }
    let output = cargo.output().expect("cargo can be run");
    assert!(output.status.success(), "rex-broker cannot be built: {}", output.status);
    let messages = String::from_utf8(output.stdout).expect("cargo's messages are text");
    let executable = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "rex-broker")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from));
    executable.expect("cargo says where it put rex-broker")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_and_the_target_are_those_of_the_test() {
        let place = |target: &str, triple: Option<&str>, profile: &str| BuildPlace {
            target_directory: target.into(),
            triple: triple.map(str::to_owned),
            profile: profile.to_owned(),
        };

        assert_eq!(BuildPlace::of(Path::new("/t/debug/deps/a-1")), Some(place("/t", None, "dev")));
        assert_eq!(BuildPlace::of(Path::new("/t/release/deps/a-1")), Some(place("/t", None, "release")));
        let triple = "x86_64-unknown-linux-gnu";
        let path = format!("/t/{triple}/debug/deps/a-1");
        assert_eq!(BuildPlace::of(Path::new(&path)), Some(place("/t", Some(triple), "dev")));
    }
}
