//! How policy files and directories are read, whatever stands there.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::stat::Mode as FileMode;
use nix::unistd::{geteuid, mkfifo};
use rex_broker::policy::{Mode, Policies, PolicyErrors, PolicyText};
use rex_broker::run::input::{InputError, PolicySource, read_policies};
use rex_tests::scratch::Scratch;

use crate::with_room;

const PERMIT: &str = "permit(principal, action, resource);\n";

fn read<P: AsRef<Path>>(paths: &[P]) -> Result<Vec<PolicySource>, InputError> {
    read_policies(paths, Instant::now() + Duration::from_secs(5))
}

fn names(sources: &[PolicySource]) -> Vec<String> {
    let name = |source: &PolicySource| source.name.rsplit('/').next().unwrap().to_owned();
    sources.iter().map(name).collect()
}

/// How often each file may be refused, told by its message.
#[track_caller]
fn refused<P: AsRef<Path>>(paths: &[P], reason: &str, is_missing: bool) {
    let error = read(paths).unwrap_err();
    assert!(error.to_string().contains(reason), "{error}");
    assert_eq!(error.is_missing(), is_missing, "{error}");
}

#[test]
fn a_directory_stands_for_its_policy_files_in_the_order_of_their_names() {
    let scratch = Scratch::new();
    for name in ["b.cedar", "a.cedar", "10.cedar", ".hidden.cedar", "notes.txt", "c.cedar~", "cedar"] {
        scratch.file(name, format!("// {name}\n"));
    }
    for deeper in ["deeper", "old.cedar"] {
        fs::create_dir(scratch.path().join(deeper)).unwrap();
        scratch.file(&format!("{deeper}/d.cedar"), PERMIT);
    }
    symlink("deeper", scratch.path().join("link.cedar")).unwrap();
    let single = scratch.file("z", "// z\n");

    let sources = read(&[single.as_path(), scratch.path()]).unwrap();

    assert_eq!(names(&sources), ["z", "10.cedar", "a.cedar", "b.cedar"]);
    assert_eq!(sources[2].text, "// a.cedar\n");
}

#[test]
fn the_policies_of_several_files_hold_together_and_have_one_digest() {
    let texts = [
        PolicyText { name: "a", text: PERMIT },
        PolicyText { name: "b", text: "@id(\"x\") forbid(principal, action, resource);" },
    ];

    let both = Policies::load(&texts, Mode::Standard).unwrap().policies;
    let one = Policies::load(&texts[..1], Mode::Standard).unwrap().policies;

    assert_eq!(both.len(), 2);
    assert_eq!(both.place("x").unwrap().to_string(), "b:1:1");
    assert_ne!(both.digest(), one.digest());
}

// Editors of other systems write it; it says nothing about the text, and its columns are those that are shown.
#[test]
fn a_byte_order_mark_before_a_policy_says_nothing() {
    let load = |text: &str, mode| Policies::load(&[PolicyText { name: "a", text }], mode);
    let marked = format!("\u{feff}{PERMIT}");
    let long = format!("\u{feff}{}", PERMIT.repeat(5_000));

    let loaded = load(&marked, Mode::Strict).unwrap();

    assert_eq!(loaded.policies.len(), 1);
    assert_eq!(loaded.policies.place("policy0").unwrap().to_string(), "a:1:1");
    // The digest is that of the file, as `sha256sum` prints it.
    assert_ne!(loaded.policies.digest(), load(PERMIT, Mode::Strict).unwrap().policies.digest());
    assert_eq!(load(&long, Mode::Strict).unwrap().policies.len(), 5_000);
    for (text, column) in
        [("permit(principal, action, resourc);", 27), ("forbid(principal, action, resource is X);", 39)]
    {
        let errors = load(&format!("\u{feff}{text}"), Mode::Standard).unwrap_err();
        assert_eq!((errors.findings()[0].line, errors.findings()[0].column), (1, column), "{errors}");
        let sources = [PolicyText { name: "a", text: &format!("\u{feff}{text}") }];
        assert!(
            rex_broker::policy::render(errors.findings(), &sources, false).contains(&format!("1 | {text}\n"))
        );
    }
    // One mark, at the beginning; and Rex takes none.
    assert!(load(&format!("\u{feff}\u{feff}{PERMIT}"), Mode::Standard).is_err());
    assert!(load(&format!("{PERMIT}\u{feff}{PERMIT}"), Mode::Standard).is_err());
    assert!(load(&marked, Mode::Rex).is_err());
}

#[test]
fn what_is_no_policy_file_is_told_from_what_is_not_there() {
    let scratch = Scratch::new();
    let empty = scratch.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let binary = scratch.file("binary.cedar", [0xff, 0xfe, 0x00]);

    refused(&[scratch.path().join("none")], "No such file", true);
    refused(&[&empty], "no file *.cedar", false);
    refused(&[&binary], "UTF-8", false);
    fs::create_dir(empty.join("sub.cedar")).unwrap();
    refused(&[&empty], "no file *.cedar", false);
    symlink("nowhere", scratch.path().join("dangling.cedar")).unwrap();
    refused(&[scratch.path().join("dangling.cedar")], "No such file", true);
}

#[test]
fn a_pipe_that_nobody_writes_to_does_not_hold_the_reader_for_ever() {
    let scratch = Scratch::new();
    let path = scratch.path().join("pipe.cedar");
    mkfifo(&path, FileMode::from_bits_truncate(0o600)).unwrap();
    let begun = Instant::now();

    let error = read_policies(&[scratch.path()], Instant::now() + Duration::from_millis(300)).unwrap_err();

    assert!(error.to_string().contains("has not come to its end in time"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_pipe_that_somebody_writes_to_is_read() {
    let scratch = Scratch::new();
    let path = scratch.path().join("pipe.cedar");
    mkfifo(&path, FileMode::from_bits_truncate(0o600)).unwrap();

    let sources = std::thread::scope(|scope| {
        scope.spawn(|| {
            OpenOptions::new().write(true).open(&path).unwrap().write_all(PERMIT.as_bytes()).unwrap()
        });
        read(&[&path]).unwrap()
    });

    assert_eq!(sources[0].text, PERMIT);
}

#[test]
fn a_device_without_end_and_a_file_of_a_hundred_megabytes_are_refused_at_the_limit() {
    let scratch = Scratch::new();
    let large = scratch.path().join("large.cedar");
    // Sparse: it has a length and no blocks.
    fs::File::create(&large).unwrap().set_len(100 << 20).unwrap();
    let begun = Instant::now();

    refused(&["/dev/zero"], "larger than", false);
    refused(&[&large], "larger than", false);

    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn the_limit_holds_for_all_files_together() {
    let scratch = Scratch::new();
    for number in 0..3 {
        scratch.file(&format!("{number}.cedar"), " ".repeat(6 << 20));
    }

    refused(&[scratch.path()], "2.cedar: larger than", false);
}

#[test]
fn a_file_that_grows_while_it_is_read_ends_at_the_limit_or_where_it_was() {
    let scratch = Scratch::new();
    let path = scratch.file("growing.cedar", PERMIT);
    let stop = Arc::new(AtomicBool::new(false));

    let result = std::thread::scope(|scope| {
        let (stop_writing, path) = (Arc::clone(&stop), path.clone());
        let writing = path.clone();
        scope.spawn(move || {
            let mut file = OpenOptions::new().append(true).open(writing).unwrap();
            let piece = "// more\n".repeat(8_000);
            // Far beyond the limit, but not beyond the disk.
            for _ in 0..1_000 {
                if stop_writing.load(Ordering::Relaxed) {
                    return;
                }
                file.write_all(piece.as_bytes()).unwrap();
            }
        });
        let result = read(&[&path]);
        stop.store(true, Ordering::Relaxed);
        result
    });

    match result {
        Ok(sources) => assert!(sources[0].text.len() <= 16 << 20),
        Err(error) => assert!(error.to_string().contains("larger than"), "{error}"),
    }
}

#[test]
fn a_directory_of_too_many_files_is_refused() {
    let scratch = Scratch::new();
    for number in 0..=1_000 {
        scratch.file(&format!("{number}.cedar"), "");
    }

    refused(&[scratch.path()], "more than 1000 policy files", false);
}

#[test]
fn what_others_may_write_is_refused() {
    let scratch = Scratch::new();
    let path = scratch.file("a.cedar", PERMIT);
    let is_root = geteuid().is_root();
    let set = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();

    for (mode, is_refused) in [(0o600, false), (0o444, false), (0o664, is_root), (0o646, true), (0o666, true)]
    {
        set(&path, mode);
        let error = read(&[&path]).err().map(|error| (error.is_missing(), error.to_string()));
        assert_eq!(error.is_some(), is_refused, "{mode:o}: {error:?}");
        assert!(error.is_none_or(|(is_missing, text)| !is_missing && text.contains("may write")));
    }
    // A link is no way around it, nor is a directory in which everybody may put a file.
    let link = scratch.path().join("link.cedar");
    symlink(&path, &link).unwrap();
    refused(&[&link], "everybody may write", false);
    set(&path, 0o644);
    let open = scratch.path().join("open");
    fs::create_dir(&open).unwrap();
    scratch.file("open/a.cedar", PERMIT);
    set(&open, 0o1777);
    refused(&[&open], "everybody may write", false);
    set(&open, 0o755);
    assert_eq!(read(&[&open]).unwrap().len(), 1);
}

fn load(text: String) -> (Result<usize, PolicyErrors>, Duration) {
    with_room(move || {
        let begun = Instant::now();
        let loaded = Policies::load(&[PolicyText { name: "large", text: &text }], Mode::Rex);
        (loaded.map(|loaded| loaded.policies.len()), begun.elapsed())
    })
}

#[test]
fn a_million_policies_are_refused_before_they_are_parsed() {
    let short = "permit(principal,action,resource);";

    let (by_count, took) = load(short.repeat(400_000));
    let (by_length, _) = load(short.repeat(1_000_000));

    assert!(by_count.unwrap_err().to_string().contains("more than 100000 policies"));
    assert!(by_length.unwrap_err().to_string().contains("longer than 16777216 bytes"));
    // Parsing them takes ten times as long, also without optimization.
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn nesting_of_any_depth_is_refused_with_its_place() {
    for depth in [1_000, 20_000, 2_000_000] {
        let text = format!(
            "permit(principal, action, resource)\nwhen {{ {}true{} }};",
            "(".repeat(depth),
            ")".repeat(depth)
        );

        let errors = load(text).0.unwrap_err();

        let [finding] = errors.findings() else { panic!("{errors}") };
        assert_eq!((finding.line, finding.message.as_str()), (2, "the expression is nested too deeply"));
    }
}

#[test]
fn many_policies_with_a_doubt_each_are_shown_within_bounds() {
    let text = "permit(principal, action, resource) when { resource.path like \"/a*\" };\n".repeat(2_000);
    let sources = [PolicyText { name: "many", text: &text }];

    let loaded = Policies::load(&sources, Mode::Standard).unwrap();
    let shown = rex_broker::policy::render(&loaded.warnings, &sources, false);

    assert_eq!(loaded.warnings.len(), 2_000);
    assert!(shown.len() < 100_000 && shown.ends_with("and 1900 more findings\n"), "{}", shown.len());
}
