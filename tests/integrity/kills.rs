//! Broker and jail are killed at random moments while files are written, copied and moved: what is there is old or new.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use rex_tests::runs::{Run, eventually};
use rex_tests::scratch::Scratch;

/// How often each kind of change is cut short.
const ROUNDS: u64 = 30;

#[test]
fn a_replaced_file_is_the_old_one_or_the_new_one() {
    let scene = Scene::new();
    let script = format!(
        r#"let d = DirConfig().path("{}").build().open(OpenDirOptions().build());
           loop {{
               for text in [{A}, {B}] {{
                   d.open_file("target", OpenFileOptions().write(true).build()).write(text, WriteOptions().build());
               }}
           }}"#,
        scene.text("work")
    );

    scene.cut_short(&script, |scene, killed| {
        assert!(is_whole(&scene.path("work/target")), "{killed}");
    });
}

#[test]
fn a_file_replaced_by_the_command_is_the_old_one_or_the_new_one() {
    let scene = Scene::new();
    let target = scene.text("work/target");
    let script = format!(
        r#"loop {{ write([write::replace], "{target}", {A}); write([write::replace], "{target}", {B}); }}"#
    );

    scene.cut_short(&script, |scene, killed| {
        assert!(is_whole(&scene.path("work/target")), "{killed}");
    });
}

// The kernel writes pages, so that a broker killed within an append may leave its beginning; what was there before is
// never touched, and a jail that is killed leaves all of it or nothing.
#[test]
fn an_append_leaves_what_was_there_and_whole_additions_behind_it() {
    let scene = Scene::new();
    let target = scene.text("work/target");
    let script = format!(r#"loop {{ write("{target}", {A}); write("{target}", {B}); }}"#);

    scene.cut_short(&script, |scene, killed| {
        let content = fs::read(scene.path("work/target")).expect("it is there");
        let mut rest = content.as_slice();
        let mut expected = [(b'a', A_BYTES), (b'b', B_BYTES)].into_iter().cycle();
        // It begins with what was there at first.
        rest = rest.strip_prefix(vec![b'a'; A_BYTES].as_slice()).expect("what was there before is whole");
        while !rest.is_empty() {
            let (byte, bytes) = expected.next().expect("there is always a next one");
            let whole = rest.len().min(bytes);
            assert!(rest[..whole].iter().all(|found| *found == byte), "{killed}: the additions are mixed");
            assert!(whole == bytes || killed == "broker", "{killed}: an addition was cut short");
            rest = &rest[whole..];
        }
        fs::write(scene.path("work/target"), vec![b'a'; A_BYTES]).expect("it is ours");
    });
}

#[test]
fn a_file_written_in_place_is_whole_when_the_jail_is_killed() {
    let scene = Scene::new();
    let script = format!(
        r#"let d = DirConfig().path("{}").build().open(OpenDirOptions().build());
           let f = d.open_file("target", OpenFileOptions().write(true).build());
           loop {{ f.write_in_place({A}); f.write_in_place({B}); }}"#,
        scene.text("work")
    );

    scene.cut_short_by(&script, &["jail"], |scene, killed| {
        assert!(is_whole(&scene.path("work/target")), "{killed}");
    });
}

#[test]
fn a_copy_is_the_old_content_or_the_new_one() {
    let scene = Scene::new();
    let (a, b, target) = (scene.text("from/a"), scene.text("from/b"), scene.text("work/target"));
    let script =
        format!(r#"loop {{ cp([cp::force], "{a}", "{target}"); cp([cp::force], "{b}", "{target}"); }}"#);

    scene.cut_short(&script, |scene, killed| {
        assert!(is_whole(&scene.path("work/target")), "{killed}");
        assert!(is_whole(&scene.path("from/a")) && is_whole(&scene.path("from/b")), "{killed}");
    });
}

#[test]
fn a_moved_file_is_whole_at_one_of_its_names() {
    let scene = Scene::new();
    let (here, there) = (scene.text("work/target"), scene.text("from/there"));
    let script = format!(
        r#"try {{ mv("{there}", "{here}"); }} catch {{}}
           loop {{ mv("{here}", "{there}"); mv("{there}", "{here}"); }}"#
    );

    scene.cut_short(&script, |scene, killed| {
        let found = [scene.path("work/target"), scene.path("from/there")].map(|path| path.exists());
        assert_eq!(found.iter().filter(|found| **found).count(), 1, "{killed}: {found:?}");
        let place = if found[0] { "work/target" } else { "from/there" };
        assert!(is_whole(&scene.path(place)), "{killed}");
        if found[1] {
            fs::rename(scene.path("from/there"), scene.path("work/target")).expect("it is ours");
        }
    });
}

#[test]
fn a_file_moved_to_another_file_system_is_never_lost() {
    let scene = Scene::new();
    let Some(far) = scene.far() else { panic!("/dev/shm is no other file system than the temporary files'") };
    let (here, there) = (scene.text("work/target"), far.join("there"));
    let there = there.to_str().expect("it is text");
    let script = format!(
        r#"try {{ mv("{there}", "{here}"); }} catch {{}}
           loop {{ mv("{here}", "{there}"); mv("{there}", "{here}"); }}"#
    );

    scene.cut_short(&script, |scene, killed| {
        let places = [scene.path("work/target"), PathBuf::from(there)];
        let found: Vec<_> = places.iter().filter(|path| path.exists()).collect();
        // For a moment it is at both, whole.
        assert!(!found.is_empty(), "{killed}: it is lost");
        assert!(found.iter().all(|path| is_whole(path)), "{killed}");
        if places[1].exists() {
            fs::copy(&places[1], &places[0]).expect("it is ours");
            fs::remove_file(&places[1]).expect("it is ours");
        }
    });
    fs::remove_dir_all(far).expect("it is ours");
}

#[test]
fn a_directory_moved_to_another_file_system_is_never_lost() {
    let scene = Scene::new();
    let Some(far) = scene.far() else { panic!("/dev/shm is no other file system than the temporary files'") };
    let far_text = far.to_str().expect("it is text");
    let put_back = |scene: &Scene| {
        for place in [scene.path("work/target"), far.join("there")] {
            drop(fs::remove_file(&place));
            drop(fs::remove_dir_all(&place));
        }
        fs::create_dir_all(scene.path("work/target/sub")).expect("it is ours");
        for (name, byte, bytes) in MOVED {
            fs::write(scene.path("work/target").join(name), vec![byte; bytes]).expect("it is ours");
        }
    };
    put_back(&scene);
    let script = format!(
        r#"let open = |path| DirConfig().path(path).build().open(OpenDirOptions().build());
           let here = open.call("{}"); let there = open.call("{far_text}"); let options = MoveOptions().build();
           loop {{
               here.move(open.call("{}/target"), there, "there", options);
               there.move(open.call("{far_text}/there"), here, "target", options);
           }}"#,
        scene.text("work"),
        scene.text("work"),
    );

    scene.cut_short(&script, |scene, killed| {
        let places = [scene.path("work/target"), far.join("there")];
        let has = |place: &PathBuf| MOVED.map(|(name, ..)| place.join(name).exists());
        for (file, (name, ..)) in MOVED.iter().enumerate() {
            let found: Vec<_> = places.iter().filter(|place| has(place)[file]).collect();
            assert!(!found.is_empty(), "{killed}: {name} is lost");
            // The copy has the name only when it is complete, and the original goes only after that.
            assert!(found.iter().all(|place| is_whole(&place.join(name))), "{killed}: {name}");
        }
        let complete = places.iter().filter(|place| has(place) == [true; MOVED.len()]).count();
        assert!(complete >= 1, "{killed}: no place has the whole tree");
        put_back(scene);
    });
    fs::remove_dir_all(&far).expect("it is ours");
}

#[test]
fn each_file_of_an_archive_is_the_old_one_or_the_new_one() {
    let scene = Scene::new();
    for (name, byte, bytes) in [("a", b'a', A_BYTES), ("b", b'b', B_BYTES)] {
        let tree = scene.scratch.path().join(format!("tree-{name}"));
        fs::create_dir_all(tree.join("sub")).expect("it is ours");
        for file in ["target", "sub/target"] {
            fs::write(tree.join(file), vec![byte; bytes]).expect("it is ours");
        }
        let archive = scene.path(&format!("from/{name}"));
        let packed =
            Command::new("tar").arg("-czf").arg(archive).arg("-C").arg(tree).args(["target", "sub"]).status();
        assert!(packed.expect("there is tar").success());
    }
    let script = format!(
        r#"let open = |path| DirConfig().path(path).build().open(OpenDirOptions().build());
           let from = open.call("{}"); let to = open.call("{}"); let options = ExtractArchiveOptions().build();
           loop {{
               for name in ["b", "a"] {{
                   from.open_file(name, OpenFileOptions().read(true).build()).extract_archive(to, options);
               }}
           }}"#,
        scene.text("from"),
        scene.text("work"),
    );

    scene.cut_short(&script, |scene, killed| {
        assert!(is_whole(&scene.path("work/target")), "{killed}");
        let below = scene.path("work/sub/target");
        assert!(!below.exists() || is_whole(&below), "{killed}");
        // The next round sees again how what is missing is made.
        drop(fs::remove_dir_all(scene.path("work/sub")));
    });
}

// A long text comes in several frames; the file that was made for it does not stay without it.
#[test]
fn a_new_file_has_its_content_or_is_not_there_when_the_jail_is_killed() {
    let scene = Scene::new();
    let (target, new) = (scene.text("work/target"), scene.text("work/new"));
    let script = format!(r#"loop {{ write("{new}", {A}); mv("{new}", "{target}"); }}"#);

    scene.cut_short_by(&script, &["jail"], |scene, killed| {
        let new = scene.path("work/new");
        assert!(!new.exists() || is_whole(&new), "{killed}");
        assert!(is_whole(&scene.path("work/target")), "{killed}");
        drop(fs::remove_file(new));
    });
}

/// Directories to work in, and where the runs remember what they have to tidy up.
struct Scene {
    scratch: Scratch,
}

impl Scene {
    fn new() -> Self {
        let scratch = Scratch::new();
        for directory in ["work", "from", "state"] {
            fs::create_dir(scratch.path().join(directory)).expect("a directory can be made");
        }
        let scene = Self { scratch };
        fs::write(scene.path("work/target"), vec![b'a'; A_BYTES]).expect("it is ours");
        fs::write(scene.path("from/a"), vec![b'a'; A_BYTES]).expect("it is ours");
        fs::write(scene.path("from/b"), vec![b'b'; B_BYTES]).expect("it is ours");
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("it is text").to_owned()
    }

    /// A directory on another file system.
    fn far(&self) -> Option<PathBuf> {
        use std::os::unix::fs::MetadataExt;
        let far = self.far_path();
        fs::create_dir(&far).ok()?;
        (fs::metadata(&far).ok()?.dev() != fs::metadata(self.scratch.path()).ok()?.dev()).then_some(far)
    }

    fn far_path(&self) -> PathBuf {
        Path::new("/dev/shm").join(self.scratch.path().file_name().expect("it has a name"))
    }

    fn run(&self, script: &str) -> Run {
        Run::of(&format!("{TEXTS}{script}")).variable("XDG_STATE_HOME", self.path("state"))
    }

    fn cut_short(&self, script: &str, check: impl Fn(&Self, &str)) {
        self.cut_short_by(script, &["broker", "jail"], check);
    }

    /// Runs the script again and again, kills one of the two processes in the middle, and looks at what is there.
    fn cut_short_by(&self, script: &str, who: &[&str], check: impl Fn(&Self, &str)) {
        let mut random = 0x5eed_u64;
        let mut left_behind = 0_u32;
        let rounds = rex_tests::size::of("REX_TEST_KILLS", ROUNDS);
        for (round, killed) in (0..rounds).zip(who.iter().cycle()) {
            let before = self.fingerprint();
            let run = self.run(script).start();
            eventually("the script changes something", || (self.fingerprint() != before).then_some(()));
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(round);
            thread::sleep(Duration::from_micros(random >> 33 & 0x3fff));
            let process = if *killed == "jail" { run.jail() } else { run.broker() };
            kill(process, Signal::SIGKILL).expect("it runs");
            let ended = run.wait();
            if *killed == "jail" {
                assert_eq!(ended.jail_end(), "killed");
                assert_eq!(self.temporaries(), BTreeSet::new(), "the broker leaves nothing behind");
            }
            left_behind += u32::from(!self.temporaries().is_empty());
            check(self, killed);
        }
        // The next run that replaces anything removes what the killed ones have left.
        let own = self.text("from/own");
        let ended = self.run(&format!(r#"write([write::replace], "{own}", "x")"#)).finish();
        assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
        println!("{left_behind} of {rounds} rounds left a temporary file");
        assert_eq!(self.temporaries(), BTreeSet::new());
    }

    /// Something that changes with every change.
    fn fingerprint(&self) -> Option<(u64, i64, i64)> {
        use std::os::unix::fs::MetadataExt;
        let metadata = fs::metadata(self.path("work/target")).ok()?;
        Some((metadata.ino(), metadata.mtime(), metadata.mtime_nsec()))
    }

    /// Names that nobody has asked for.
    fn temporaries(&self) -> BTreeSet<String> {
        let asked_for = ["target", "a", "b", "there", "own", "sub", "new", "one", "two", "three"];
        let mut left = vec![self.path("work"), self.path("from"), self.far_path()];
        let mut found = BTreeSet::new();
        while let Some(directory) = left.pop() {
            // There is another file system in some scenes only.
            let Ok(entries) = fs::read_dir(&directory) else { continue };
            for entry in entries {
                let entry = entry.expect("it can be listed");
                let name = entry.file_name().into_string().expect("it is text");
                if !asked_for.contains(&name.as_str()) {
                    found.insert(name);
                } else if entry.path().is_dir() {
                    left.push(entry.path());
                }
            }
        }
        found
    }
}

/// Whether a file is one of the two texts and nothing between.
fn is_whole(path: &Path) -> bool {
    let content = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    content == vec![b'a'; A_BYTES] || content == vec![b'b'; B_BYTES]
}

/// What the directory that moves has in it.
const MOVED: [(&str, u8, usize); 3] =
    [("one", b'a', A_BYTES), ("sub/two", b'b', B_BYTES), ("sub/three", b'a', A_BYTES)];
const A_BYTES: usize = 300_000;
const B_BYTES: usize = 200_000;
/// The two texts, as the scripts call them.
const A: &str = "content_a";
const B: &str = "content_b";
const TEXTS: &str = r#"fn text(character, bytes) { let text = ""; text.pad(bytes, character); text }
    let content_a = text("a", 300000);
    let content_b = text("b", 200000);
"#;
