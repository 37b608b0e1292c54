//! Builds a jail's program for a build script: static, without an interpreter, the same for every build of the broker.

use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

/// Builds `package` of this workspace as a jail image, and tells the compiler its path in the variable `output_env`.
/// Returns the path.
///
/// The caller includes it with `include_bytes!(env!("..."))`. Under clippy the image is empty, because nothing runs.
///
/// # Panics
/// When the image cannot be built, or is not a static program: a build script has nobody to return an error to.
pub fn build(package: &str, output_env: &str) -> PathBuf {
    let root = workspace_root();
    for input in inputs(package) {
        println!("cargo:rerun-if-changed={}", root.join(input).display());
    }
    println!("cargo:rerun-if-env-changed={QUICK}");

    let image = match is_clippy() {
        true => Vec::new(),
        false => compile(&root, package, profile()),
    };
    let output = PathBuf::from(variable("OUT_DIR")).join(format!("{package}.image"));
    fs::write(&output, image).expect("the build directory can be written");
    println!("cargo:rustc-env={output_env}={}", output.display());
    output
}

/// Runs cargo once more, with flags and a target directory of its own, and checks what comes out.
fn compile(root: &Path, package: &str, profile: &str) -> Vec<u8> {
    let target = variable("TARGET");
    let directory = target_directory().join("jail-image");
    let mut cargo = Command::new(variable("CARGO"));
    for (name, _) in env::vars_os() {
        if name.to_str().is_none_or(is_ours_to_clear) {
            cargo.env_remove(&name);
        }
    }
    // RUSTFLAGS would be ignored here without a word, because cargo has already set the encoded form for this script.
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags(root, &directory).join("\u{1f}"));
    // ahash draws keys when it is compiled, and with them every build would have another digest. Who can read the program
    // can read them, so they keep nothing secret; see docs/adr/0002-hashing-seed.md.
    cargo.env("CONST_RANDOM_SEED", HASHING_KEYS);
    // The target is named so that the flags do not reach procedural macros; the directory differs so that no lock is shared.
    cargo
        .current_dir(root)
        .args(["build", "--locked", "--profile", profile, "--package", package, "--target", &target])
        .arg("--target-dir")
        .arg(&directory);
    let status = wait_for(cargo.spawn().expect("cargo can be run"), package);
    assert!(status.success(), "cannot build the image {package}: {status}");

    let program = directory.join(&target).join(profile).join(package);
    let bytes =
        fs::read(&program).unwrap_or_else(|error| panic!("cannot read {}: {error}", program.display()));
    assert!(
        is_static(&bytes),
        "the image {package} is not a static, position-independent program: its flags were lost"
    );
    bytes
}

/// Waits for the other cargo; says so to whoever sits in front of it when there is really something to build.
///
/// What a build script prints is shown at its end, if at all, and a warning would be shown again with every build.
fn wait_for(mut cargo: Child, package: &str) -> ExitStatus {
    let begun = Instant::now();
    let mut is_told = false;
    loop {
        if let Some(status) = cargo.try_wait().expect("a child can be waited for") {
            return status;
        }
        if !is_told && begun.elapsed() > NOTHING_TO_DO {
            is_told = true;
            // Without a terminal there is nobody to tell.
            if let Ok(mut terminal) = fs::OpenOptions::new().write(true).open("/dev/tty") {
                drop(writeln!(
                    terminal,
                    "\r\x1b[K    Building {package} with a cargo of its own: once, a minute or two"
                ));
            }
        }
        thread::sleep(LOOK_AGAIN);
    }
}

/// The target directory of the build this script belongs to: `<target>[/<triple>]/<profile>/build/<package>/out`.
///
/// Without the triple, so that every build of this checkout shares one image.
fn target_directory() -> PathBuf {
    let output = PathBuf::from(variable("OUT_DIR"));
    let above_profile = output.ancestors().nth(4).expect("cargo nests the output directory that deep");
    match above_profile.file_name() {
        Some(name) if name.to_str() == Some(&variable("TARGET")) => {
            above_profile.parent().expect("a triple is not the root").to_owned()
        }
        _ => above_profile.to_owned(),
    }
}

/// Variables by which one cargo would influence the other; home, network and job server are meant to be shared.
fn is_ours_to_clear(name: &str) -> bool {
    const KEPT: [&str; 5] = ["CARGO_HOME", "CARGO_MAKEFLAGS", "CARGO_HTTP", "CARGO_NET", "CARGO_TERM"];

    let is_cargo = name.starts_with("CARGO") && !KEPT.iter().any(|kept| name.starts_with(kept));
    let is_wrapper = name.starts_with("RUSTC_") && name.ends_with("WRAPPER");
    is_cargo || is_wrapper || matches!(name, "RUSTFLAGS" | "LLVM_PROFILE_FILE")
}

/// Whether an ELF file can be loaded anywhere and needs no interpreter.
///
/// # Source
/// elf(5): 64-bit header, `e_type` at 16, `e_phoff` at 32, `e_phentsize` at 54, `e_phnum` at 56.
fn is_static(elf: &[u8]) -> bool {
    const INTERPRETER: u32 = 3;
    const POSITION_INDEPENDENT: u16 = 3;

    let half = |at: usize| Some(u16::from_le_bytes(elf.get(at..at + 2)?.try_into().ok()?));
    let wide = |at: usize| Some(u64::from_le_bytes(elf.get(at..at + 8)?.try_into().ok()?));
    let kinds = || -> Option<Vec<u32>> {
        let (start, size, count) = (wide(32)?, half(54)?, half(56)?);
        (0..u64::from(count))
            .map(|index| {
                let at = usize::try_from(start + index * u64::from(size)).ok()?;
                Some(u32::from_le_bytes(elf.get(at..at + 4)?.try_into().ok()?))
            })
            .collect()
    };
    elf.starts_with(b"\x7fELF\x02\x01")
        && half(16) == Some(POSITION_INDEPENDENT)
        && kinds().is_some_and(|kinds| !kinds.is_empty() && !kinds.contains(&INTERPRETER))
}

/// The profile of the image: always the same, but for people who change the jail many times a day.
///
/// # Panics
/// When a release is asked for with the quick image, which is larger and slower than the one that is shipped.
fn profile() -> &'static str {
    match env::var_os(QUICK) {
        None => "jail",
        Some(_) if variable("PROFILE") == "debug" => "jail-quick",
        Some(_) => panic!("{QUICK} is for debug builds: a release carries the image that is shipped"),
    }
}

/// The flags of the compiler: static, still loaded at a random address, and without the paths of whoever builds.
///
/// A path in the image would give it another digest in another place, and show up in what a script is told.
fn flags(root: &Path, directory: &Path) -> Vec<String> {
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")))
        .expect("cargo has a home");
    let mut flags: Vec<String> = STATIC.iter().map(|flag| (*flag).to_owned()).collect();
    if applies_packed_relocations() {
        flags.extend(PACKED.iter().map(|flag| (*flag).to_owned()));
    }
    // Of two prefixes that both match, the one that is named last is taken.
    let mut places = vec![(home.clone(), "/cargo".to_owned()), (root.to_owned(), "/rex-broker".to_owned())];
    places.push((directory.to_owned(), "/target".to_owned()));
    // Each registry unpacks its packages into a directory whose name depends on where it was fetched from.
    for registry in fs::read_dir(home.join("registry/src")).into_iter().flatten().flatten() {
        places.push((registry.path(), "/crates".to_owned()));
    }
    flags.extend(places.iter().map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display())));
    flags
}

/// Whether the C library that goes into the image reads addresses to be moved in their short form, in which they take a
/// fiftieth: glibc does since 2.36, and an older one would start the program without having moved them.
///
/// The static library is a part of the one that is installed, unless it is for another machine.
fn applies_packed_relocations() -> bool {
    let told = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    variable("TARGET") == variable("HOST")
        && told.is_ok_and(|told| is_new_enough(&String::from_utf8_lossy(&told.stdout)))
}

/// Whether this is what getconf(1) says of a C library that is new enough, such as `glibc 2.36`.
fn is_new_enough(told: &str) -> bool {
    let version = told.trim().strip_prefix("glibc ").and_then(|version| version.split_once('.'));
    version.is_some_and(|(major, minor)| match (major.parse::<u32>(), minor.parse::<u32>()) {
        (Ok(major), Ok(minor)) => (major, minor) >= (2, 36),
        _ => false,
    })
}

/// Clippy runs build scripts too, with itself in the place of the compiler.
fn is_clippy() -> bool {
    ["RUSTC_WORKSPACE_WRAPPER", "RUSTC_WRAPPER"]
        .iter()
        .filter_map(env::var_os)
        .any(|wrapper| wrapper.to_string_lossy().contains("clippy-driver"))
}

/// The package that calls lies directly below the root; so does `image`.
fn workspace_root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("the workspace is above its packages").to_owned()
}

/// What an image is made of, from the root. Nothing of the broker is, so that a change there builds no image.
fn inputs(package: &str) -> Vec<&'static str> {
    let own: &[&str] = match package {
        "rex-hostile" => &["tests/hostile", "hardening/acts/src", "hardening/acts/Cargo.toml"],
        "rex-worker" => &["jail/worker", "jail/dns"],
        // It speaks to no jail.
        "rex-spawner" => return [EVERY, &["hardening/spawner"]].concat(),
        _ => &["jail"],
    };
    [EVERY, SHARED, own].concat()
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|error| panic!("cargo sets {name} for build scripts: {error}"))
}

/// From what ahash makes the keys of hashers that ask for no seed.
const HASHING_KEYS: &str = "rex-broker";

/// A cargo that finds nothing to build is over by then.
const NOTHING_TO_DO: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Set, this asks for an image that is built quickly. It is read in debug builds only and ends any other.
const QUICK: &str = "REX_IMAGE_QUICK";

/// What every image is made of; not the tests of these packages.
const EVERY: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain.toml",
    "hardening/agreed/src",
    "hardening/agreed/Cargo.toml",
];

/// What those are made of that speak to a broker as a jail does.
const SHARED: &[&str] = &[
    "ipc/src",
    "ipc/protocol.json",
    "ipc/Cargo.toml",
    "hardening/inside/src",
    "hardening/inside/Cargo.toml",
];

const STATIC: [&str; 4] = ["-C", "target-feature=+crt-static", "-C", "relocation-model=pie"];
const PACKED: [&str; 2] = ["-C", "link-arg=-Wl,-z,pack-relative-relocs"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_change_the_image_is_cleared_and_the_rest_kept() {
        for name in
            ["CARGO_ENCODED_RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "CARGO_PROFILE_DEV_DEBUG", "RUSTFLAGS"]
        {
            assert!(is_ours_to_clear(name), "{name}");
        }
        for name in ["CARGO_HOME", "CARGO_NET_OFFLINE", "PATH", "CARGO_MAKEFLAGS"] {
            assert!(!is_ours_to_clear(name), "{name}");
        }
    }

    // As the manifests of the programs have it; `tests/architecture` holds that of the jail.
    #[test]
    fn an_image_is_built_anew_for_what_it_is_made_of_and_for_nothing_else() {
        for (package, folders) in [
            ("rex-jail", &["jail", "ipc", "hardening/agreed", "hardening/inside"][..]),
            ("rex-worker", &["jail/worker", "jail/dns", "ipc", "hardening/agreed", "hardening/inside"]),
            (
                "rex-hostile",
                &["tests/hostile", "ipc", "hardening/agreed", "hardening/inside", "hardening/acts"],
            ),
            ("rex-spawner", &["hardening/spawner", "hardening/agreed"]),
        ] {
            let inputs = inputs(package);
            for folder in folders {
                let is_whole = inputs.contains(folder);
                let has_sources = inputs.contains(&format!("{folder}/src").as_str());
                assert!(is_whole || has_sources, "{package} is not built anew for {folder}");
            }
            for input in &inputs {
                assert!(workspace_root().join(input).exists(), "{input}");
                let is_listed = folders.iter().any(|folder| input.starts_with(folder));
                assert!(is_listed || !input.contains('/'), "{package} is built anew for {input}");
            }
        }
    }

    #[test]
    fn an_older_c_library_or_another_one_is_told_from_one_that_reads_the_short_form() {
        for told in ["glibc 2.36\n", "glibc 2.41", "glibc 3.0\n"] {
            assert!(is_new_enough(told), "{told}");
        }
        for told in ["glibc 2.35\n", "glibc 1.99", "musl 2.40", "2.36", "glibc 2.x", ""] {
            assert!(!is_new_enough(told), "{told}");
        }
    }

    #[test]
    fn a_dynamic_program_is_told_from_a_static_one() {
        let this = fs::read("/proc/self/exe").unwrap();

        assert!(!is_static(&this));
        assert!(!is_static(b"#!/bin/sh\n"));
        assert!(!is_static(b""));
    }
}
