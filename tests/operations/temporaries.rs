//! What a killed run leaves, and what the next one makes of it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rex_broker::host::file_system::temporaries::Temporaries;
use rex_tests::session::held_directory;
use rex_tests::tree::Tree;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A place for journals with one of a run that is dead, which has made names in `directory`.
fn dead_run(tree: &Tree, directory: &Path) -> PathBuf {
    let state = tree.dir("state");
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
    let metadata = directory.metadata().unwrap();
    let line = serde_json::json!({
        "directory": directory.to_str().unwrap(), "device": metadata.dev(), "inode": metadata.ino(),
    });
    // The kill has cut the second line short.
    fs::write(state.join(TOKEN), format!("{line}\n{{\"directory\":\"/")).unwrap();
    fs::set_permissions(state.join(TOKEN), fs::Permissions::from_mode(0o600)).unwrap();
    state
}

fn clean_up(state: &Path) {
    Temporaries::noted_in(Some(state.to_owned())).clean_up();
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn names_of_a_dead_run_are_removed_and_nothing_else() {
    let tree = Tree::new();
    let directory = tree.dir("d");
    let other = "fedcba98765432100123456789abcdef";
    for name in ["a", &format!(".rex-broker.{TOKEN}.1"), &format!(".rex-broker.{TOKEN}.2")] {
        fs::write(directory.join(name), "x").unwrap();
    }
    symlink("a", directory.join(format!(".rex-broker.{TOKEN}.3"))).unwrap();
    fs::write(directory.join(format!(".rex-broker.{other}.1")), "x").unwrap();
    fs::create_dir(directory.join(format!(".rex-broker.{TOKEN}.4"))).unwrap();
    let state = dead_run(&tree, &directory);

    clean_up(&state);

    let left = [format!(".rex-broker.{other}.1"), "a".to_owned()];
    assert_eq!(names(&directory), left);
    assert_eq!(names(&state), [""; 0]);
}

// Only the very directory that was noted: not another one under its name, and none behind a link.
#[test]
fn another_directory_under_the_name_is_left_alone() {
    for linked in [false, true] {
        let tree = Tree::new();
        let directory = tree.dir("d");
        let state = dead_run(&tree, &directory);
        let victim = format!(".rex-broker.{TOKEN}.1");
        fs::rename(&directory, tree.path("moved")).unwrap();
        match linked {
            true => drop(tree.link("moved", "d")),
            false => drop(tree.dir("d")),
        }
        fs::write(tree.path("d").join(&victim), "x").unwrap();

        clean_up(&state);

        assert_eq!(names(&tree.path("d")), [victim]);
        assert_eq!(names(&state), [""; 0]);
    }
}

#[test]
fn a_journal_that_others_may_write_to_is_not_believed() {
    for (what, mode) in [("journal", 0o666), ("place", 0o777)] {
        let tree = Tree::new();
        let directory = tree.dir("d");
        let victim = format!(".rex-broker.{TOKEN}.1");
        fs::write(directory.join(&victim), "x").unwrap();
        let state = dead_run(&tree, &directory);
        let open = if what == "journal" { state.join(TOKEN) } else { state.clone() };
        fs::set_permissions(open, fs::Permissions::from_mode(mode)).unwrap();

        clean_up(&state);

        assert_eq!(names(&directory), [victim], "{what}");
    }
}

#[test]
fn what_is_no_journal_does_no_harm() {
    let tree = Tree::new();
    let directory = tree.dir("d");
    let state = dead_run(&tree, &directory);
    fs::write(state.join("notes"), "x").unwrap();
    fs::create_dir(state.join("f".repeat(32))).unwrap();
    let lines = ["", "{}", "[1]", r#"{"directory":"../d","device":1,"inode":1}"#, "\u{1}\u{2}"];
    fs::write(state.join(TOKEN), lines.join("\n")).unwrap();

    clean_up(&state);

    assert_eq!(names(&state), ["f".repeat(32), "notes".to_owned()]);
}

#[test]
fn a_living_run_keeps_its_names_and_its_end_removes_them() {
    let tree = Tree::new();
    let path = tree.dir("d");
    let directory = held_directory(&path);
    let state = tree.path("state/made/here");
    let mut temporaries = Temporaries::noted_in(Some(state.clone()));
    let name = temporaries.name_in(&directory).unwrap();
    let text = name.entry().as_c_str().to_str().unwrap().to_owned();
    fs::write(path.join(&text), "x").unwrap();

    clean_up(&state);
    assert_eq!(names(&path), [text]);
    assert_eq!(names(&state).len(), 1);

    drop(name);
    drop(temporaries);
    assert_eq!(names(&path), [""; 0]);
    assert_eq!(names(&state), [""; 0]);
    assert_eq!(state.metadata().unwrap().mode() & 0o777, 0o700);
}

#[test]
fn without_a_place_for_journals_names_are_made_all_the_same() {
    let tree = Tree::new();
    let path = tree.dir("d");
    let directory = held_directory(&path);
    let mut temporaries = Temporaries::noted_in(None);

    let one = temporaries.name_in(&directory).unwrap();
    let other = temporaries.name_in(&directory).unwrap();

    assert_ne!(one.entry(), other.entry());
}
