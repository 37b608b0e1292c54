//! What a program is given is known by what it is and not by its name alone: links, second names, names that were changed,
//! and what is mounted. Each against a control that it can reach.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use rex_tests::runs::{Ended, Run};
use rex_tests::tree::is_root;
use serde_json::json;

use crate::{execute, opened, real};

const READS: [&str; 2] = ["open", "read"];
const CHANGES: [&str; 5] = ["open", "read", "write", "create", "delete"];

/// A permit of these actions on everything in a directory.
fn permit(actions: &[&str], directory: &Path) -> String {
    let actions: Vec<String> =
        actions.iter().map(|action| format!("file_system::Action::\"{action}\"")).collect();
    let directory = directory.display();
    format!(
        "permit(principal, action in [{}], resource in file_system::Dir::\"{directory}\");\n",
        actions.join(", ")
    )
}

fn forbid(directory: &Path) -> String {
    format!("forbid(principal, action, resource in file_system::Dir::\"{}\");\n", directory.display())
}

/// A directory of the scratch space with a note in it.
fn directory(run: &Run, name: &str) -> std::path::PathBuf {
    let path = run.scratch.path().canonicalize().unwrap().join(name);
    fs::create_dir(&path).unwrap();
    fs::write(path.join("note"), format!("{name}\n")).unwrap();
    path
}

/// What a program tells on both its outputs, for each list of arguments; `before` comes first in the script.
fn told(run: Run, program: &str, before: &str, arguments: &[&[&str]], policy: &str) -> Ended {
    let script = format!(
        "{before}\n{}{}.map(|words| {{ let result = program.execute(ExecuteOptions().args(words).build()); \
         `${{result.exit_code}} ${{result.stdout}}` }})",
        opened(program),
        json!(arguments),
    );
    run.scratch.file("script.rhai", script);
    run.policy(&format!("{}{policy}", execute(program))).finish()
}

/// What `cat` tells of these files.
fn read(run: Run, before: &str, files: &[&Path], policy: &str) -> Ended {
    let words: Vec<[&str; 1]> = files.iter().map(|file| [file.to_str().unwrap()]).collect();
    let words: Vec<&[&str]> = words.iter().map(<[&str; 1]>::as_slice).collect();
    told(run, &real("/usr/bin/cat"), before, &words, policy)
}

fn output(ended: &Ended) -> String {
    let document = ended.document();
    document["output"].as_str().unwrap_or_else(|| panic!("{document}\n{}", ended.stderr)).to_owned()
}

#[test]
fn a_link_in_a_divided_place_leads_nowhere() {
    if !is_root() {
        return;
    }
    let outcome = |how: &str, is_link: bool| {
        let run = Run::of("").options(["--children", how]);
        let (inside, outside) = (directory(&run, "in"), directory(&run, "out"));
        let sub = inside.join("sub");
        if is_link {
            symlink(&outside, &sub).unwrap();
        } else {
            fs::create_dir(&sub).unwrap();
            fs::write(sub.join("note"), "out\n").unwrap();
        }
        // Something is left out below the link's name, so that its neighbours are looked for.
        let policy = format!("{}{}", permit(&READS, &inside), forbid(&sub.join("keys")));
        output(&read(run, "", &[&inside.join("note"), &sub.join("note")], &policy))
    };

    for how in ["confined", "approximate"] {
        assert_eq!(outcome(how, true), "[\"0 in\\n\", \"1 \"]", "{how}");
        assert_eq!(outcome(how, false), "[\"0 in\\n\", \"0 out\\n\"]", "{how}");
    }
    assert_eq!(outcome("unconfined", true), "[\"0 in\\n\", \"0 out\\n\"]");
}

#[test]
fn a_file_gets_no_second_name_from_a_program_unless_names_may_be_changed() {
    if !is_root() {
        return;
    }
    let ln = real("/usr/bin/ln");
    let outcome = |actions: &[&str], rest: &dyn Fn(&Path) -> String| {
        let run = Run::of("");
        let inside = directory(&run, "in");
        let policy = format!("{}{}", permit(actions, &inside), rest(&inside));
        let name = |name: &str| inside.join(name).to_str().unwrap().to_owned();
        let (note, second, link) = (name("note"), name("second"), name("link"));
        let words: [&[&str]; 2] = [&[&note, &second], &["-s", &note, &link]];
        output(&told(run, &ln, "", &words, &policy))
    };
    let unreadable = |inside: &Path| {
        format!(
            "forbid(principal, action == file_system::Action::\"read\", resource == file_system::File::\"{}/note\");\n",
            inside.display()
        )
    };

    assert_eq!(outcome(&CHANGES, &unreadable), "[\"1 \", \"0 \"]");
    assert_eq!(outcome(&CHANGES, &|_| String::new()), "[\"1 \", \"0 \"]");
    let all = [&CHANGES[..], &["move"]].concat();
    assert_eq!(outcome(&all, &|_| String::new()), "[\"0 \", \"0 \"]");
}

#[test]
fn the_record_is_closed_when_it_is_handed_over_open_and_when_it_is_called_differently() {
    if !is_root() {
        return;
    }
    for how in ["confined", "approximate"] {
        let run = Run::of("").options(["--children", how]);
        let inside = directory(&run, "in");
        fs::create_dir(inside.join("old")).unwrap();
        fs::write(inside.join("old/note"), "old\n").unwrap();
        let log = fs::OpenOptions::new().append(true).create(true).open(inside.join("log")).unwrap();
        fcntl(&log, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
        let run = run.audit_log(format!("fd:{}", log.as_raw_fd()));
        let policy = permit(&READS, &inside);
        let ended = read(run, "", &[&inside.join("note"), &inside.join("log")], &policy);
        assert_eq!(output(&ended), "[\"0 in\\n\", \"1 \"]", "{how}");

        let run = Run::of("").options(["--children", how]);
        let inside = directory(&run, "in");
        fs::create_dir(inside.join("old")).unwrap();
        fs::write(inside.join("old/note"), "old\n").unwrap();
        let (now, later) = (inside.join("log"), inside.join("old/log"));
        let run = run.audit_log(&now);
        // The script waits until the log was renamed.
        let script = format!(
            "while !is_there(\"{}\") {{ sleep(1); }}\n{}[\"old/note\", \"old/log\"].map(|name| program.execute(ExecuteOptions().args([`{}/${{name}}`]).build()).stdout.len())",
            inside.join("go").display(),
            opened(&real("/usr/bin/cat")),
            inside.display(),
        );
        run.scratch.file(
            "script.rhai",
            format!("fn is_there(path) {{ try {{ cat(path); return true; }} catch {{ return false; }} }}\n{script}"),
        );
        let policy = format!("{}{}", execute(&real("/usr/bin/cat")), permit(&READS, &inside));
        let started = run.policy(&policy).start();
        started.wait_for_text(&now, "\"event\":\"start\"");
        fs::rename(&now, &later).unwrap();
        fs::write(inside.join("go"), "").unwrap();
        let ended = started.wait();
        assert_eq!(output(&ended), "[4, 0]", "{how}: {}", ended.message());
        assert!(fs::read_to_string(&later).unwrap().contains("begin_program"), "the log was there");
    }
}

#[test]
fn the_policy_is_closed_by_any_of_its_names() {
    if !is_root() {
        return;
    }
    let outcome = |has_second: bool| {
        let run = Run::of("");
        let inside = directory(&run, "in");
        if has_second {
            // The harness writes the policy into this file, which has this name already.
            let path = run.scratch.file("policy.cedar", "");
            fs::hard_link(path, inside.join("second")).unwrap();
        } else {
            fs::write(inside.join("second"), "another\n").unwrap();
        }
        let policy = permit(&READS, &inside);
        read(run, "", &[&inside.join("second")], &policy)
    };

    let with = outcome(true);
    assert!(with.message().contains("policy.cedar, which is closed to programs"), "{}", with.message());
    assert_eq!(output(&outcome(false)), "[\"0 another\\n\"]");
}

#[test]
fn a_link_on_the_way_to_the_policy_stays() {
    if !is_root() {
        return;
    }
    let rm = real("/usr/bin/rm");
    let run = Run::of("");
    let (inside, outside) = (directory(&run, "in"), directory(&run, "out"));
    fs::create_dir(inside.join("sub")).unwrap();
    for name in ["way", "sub/other"] {
        symlink(&outside, inside.join(name)).unwrap();
    }
    // The harness writes the policy through these links, and names the first.
    let given = run.scratch.path().join("policy.cedar");
    fs::remove_file(&given).unwrap();
    symlink(inside.join("way/more.cedar"), given).unwrap();
    let paths = ["way", "sub/other"].map(|name| inside.join(name).to_str().unwrap().to_owned());
    let policy = permit(&CHANGES, &inside);
    let ended = told(run, &rm, "", &[&[&paths[0]], &[&paths[1]]], &policy);

    assert_eq!(output(&ended), "[\"1 \", \"0 \"]");
    assert!(inside.join("way").is_symlink());
    assert!(!inside.join("sub/other").is_symlink());
}

#[test]
fn what_a_script_has_moved_is_what_it_was() {
    if !is_root() {
        return;
    }
    for how in ["confined", "approximate"] {
        let run = Run::of("").options(["--children", how]);
        let (inside, outside) = (directory(&run, "in"), directory(&run, "out"));
        fs::create_dir(inside.join("sub")).unwrap();
        fs::write(inside.join("own"), "own\n").unwrap();
        let moves = ["open", "move", "create", "delete", "write"];
        let policy =
            format!("{}{}{}", permit(&READS, &inside), permit(&moves, &inside), permit(&moves, &outside),);
        let before = format!(
            "mv(\"{}\", \"{}\"); mv(\"{}\", \"{}\");",
            outside.join("note").display(),
            inside.join("sub/moved").display(),
            inside.join("own").display(),
            inside.join("sub/own").display(),
        );

        let ended = read(run, &before, &[&inside.join("sub/moved"), &inside.join("sub/own")], &policy);

        assert!(inside.join("sub/moved").exists());
        assert_eq!(output(&ended), "[\"1 \", \"0 own\\n\"]", "{how}");
    }
}

#[test]
fn a_second_name_that_others_could_have_made_is_left_out() {
    if !is_root() {
        return;
    }
    let outcome = |options: &[&str]| {
        let run = Run::of("").options(options);
        let (inside, outside) = (directory(&run, "in"), directory(&run, "out"));
        fs::hard_link(outside.join("note"), inside.join("second")).unwrap();
        chown(&inside, Some(65534), None).unwrap();
        let policy = format!("{}{}", permit(&READS, &inside), forbid(&inside.join("keys")));
        output(&read(run, "", &[&inside.join("note"), &inside.join("second")], &policy))
    };

    assert_eq!(outcome(&[]), "[\"0 in\\n\", \"1 \"]");
    assert_eq!(outcome(&["--hard-links", "allow"]), "[\"0 in\\n\", \"0 out\\n\"]");
}

/// For this thread and what it starts.
pub(crate) fn own_mounts() {
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).unwrap();
}

#[test]
fn the_redaction_dictionary_is_closed_although_a_script_may_open_it() {
    if !is_root() {
        return;
    }
    own_mounts();
    let top = Path::new("/etc/opt");
    mount(Some("tmpfs"), top, Some("tmpfs"), MsFlags::empty(), None::<&str>).expect("there is an /etc/opt");
    let directory = top.join("rex");
    fs::create_dir(&directory).unwrap();
    let (dictionary, note) = (directory.join("rex_redaction.config"), directory.join("note"));
    fs::write(&dictionary, "public\n").unwrap();
    fs::write(&note, "note\n").unwrap();

    for how in ["confined", "approximate"] {
        let run = Run::of("").options(["--children", how]);
        let ended = read(run, "", &[&note, &dictionary], &permit(&READS, &directory));
        assert_eq!(output(&ended), "[\"0 note\\n\", \"1 \"]", "{how}");
    }
}

#[test]
fn the_record_is_closed_where_its_directory_is_mounted_once_more() {
    if !is_root() {
        return;
    }
    own_mounts();
    for how in ["confined", "approximate"] {
        let run = Run::of("").options(["--children", how]);
        let (inside, again) = (directory(&run, "in"), directory(&run, "again"));
        mount(Some(&inside), &again, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
        let run = run.audit_log(inside.join("log"));

        let ended = read(run, "", &[&again.join("note"), &again.join("log")], &permit(&READS, &again));

        assert!(again.join("log").exists());
        assert_eq!(output(&ended), "[\"0 in\\n\", \"1 \"]", "{how}");
        nix::mount::umount(&again).unwrap();
    }
}

#[test]
fn a_view_of_processes_that_is_mounted_in_a_place_is_left_out_and_a_disk_is_not() {
    if !is_root() {
        return;
    }
    own_mounts();
    for how in ["confined", "approximate"] {
        let run = Run::of("").options(["--children", how]);
        let inside = directory(&run, "in");
        let (view, disk) = (inside.join("view"), inside.join("disk"));
        for (path, kind) in [(&view, "proc"), (&disk, "tmpfs")] {
            fs::create_dir(path).unwrap();
            mount(Some(kind), path, Some(kind), MsFlags::empty(), None::<&str>).unwrap();
        }
        fs::write(disk.join("note"), "disk\n").unwrap();
        fs::set_permissions(&disk, fs::Permissions::from_mode(0o755)).unwrap();
        let policy = permit(&READS, &inside);

        let ended =
            read(run, "", &[&disk.join("note"), &view.join("version"), &inside.join("note")], &policy);

        assert!(view.join("version").exists());
        assert_eq!(output(&ended), "[\"0 disk\\n\", \"1 \", \"0 in\\n\"]", "{how}");
        for path in [&view, &disk] {
            nix::mount::umount(path).unwrap();
        }
    }
}
