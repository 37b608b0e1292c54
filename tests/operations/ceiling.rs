//! Does a broker that is held to its ceiling do all that its policy permits, and nothing beyond when its own questions fail?
//!
//! The gate that says yes to everything is an engine with a policy that permits everything, in a thread that is held to what
//! another policy could permit: a broker that was taken over asks nobody either.

use std::fs;
use std::path::PathBuf;
use std::thread;

use rex_broker::policy::{Mode, Policies, PolicyText};
use rex_broker::run::ceiling::{Bounded, Ceiling};
use rex_ipc::file_system::{
    Attributes, CreateLink, DeleteDir, DeleteFile, MakeDir, MoveFile, OpenFile, WriteHow,
};
use rex_ipc::handle::{DirId, FileId};
use rex_outside::ceiling::Rights;
use rex_tests::malformed::Numbers;
use rex_tests::session::{ALLOW_ALL, PRINCIPAL, READ_WRITE, Refused, Session, name_text, path_text};
use rex_tests::size;
use rex_tests::tree::Tree;

use crate::file_system::writing::{self, REPLACE};

/// What is done in a directory of the tree; gives what was read.
type Act = fn(&mut Session, &str) -> Result<Vec<u8>, Refused>;

/// Every way in which content or names are read or changed, and that Landlock is asked about.
const ACTS: &[(&str, Act)] = &[
    ("read a file", |s, dir| s.cat(&s.text(&format!("{dir}/f")))),
    ("read a file further below", |s, dir| s.cat(&s.text(&format!("{dir}/full/g")))),
    ("list", |s, dir| list(s, dir)),
    ("list further below", |s, dir| list(s, &format!("{dir}/full"))),
    ("replace", |s, dir| write(s, dir, REPLACE, b"written")),
    ("write in place", |s, dir| write(s, dir, WriteHow::InPlace, b"written")),
    ("append", |s, dir| write(s, dir, WriteHow::Append, b"written")),
    // Of which a part lies elsewhere until it is complete.
    ("append much", |s, dir| write(s, dir, WriteHow::Append, &[b'x'; (1 << 20) + 1])),
    ("make a file", |s, dir| {
        let dir = open_dir(s, dir)?;
        let writer = writing::begin_file(s, dir, "new")?;
        writing::push(s, writer, b"new")?;
        done(writing::finish(s, writer))
    }),
    ("make a directory", |s, dir| {
        let dir = open_dir(s, dir)?;
        done(s.send(MakeDir { dir, path: path_text("made"), attributes: Attributes::default() }))
    }),
    ("make a link", |s, dir| {
        let dir = open_dir(s, dir)?;
        let target = path_text("nowhere");
        done(s.send(CreateLink { dir, name: name_text("link"), target, force: false }))
    }),
    ("rename", |s, dir| {
        let to = open_dir(s, dir)?;
        let file = open_file(s, to, "f")?;
        let id = FileId(s.number());
        done(s.send(MoveFile { file, to, name: name_text("h"), id, backup: false }))
    }),
    ("move to the other", |s, dir| {
        let from = open_dir(s, dir)?;
        let to = open_dir(s, if dir == "in" { "out" } else { "in" })?;
        let file = open_file(s, from, "m")?;
        let id = FileId(s.number());
        done(s.send(MoveFile { file, to, name: name_text("moved"), id, backup: false }))
    }),
    ("remove a file", |s, dir| {
        let dir = open_dir(s, dir)?;
        let file = open_file(s, dir, "gone")?;
        done(s.send(DeleteFile { file, force: false }))
    }),
    ("remove a directory", |s, dir| {
        let dir = open_dir(s, &format!("{dir}/empty"))?;
        done(s.send(DeleteDir { dir, force: false, recursive: false }))
    }),
    ("remove a tree", |s, dir| {
        let dir = open_dir(s, &format!("{dir}/full"))?;
        done(s.send(DeleteDir { dir, force: false, recursive: true }))
    }),
];

fn done<T>(result: Result<T, Refused>) -> Result<Vec<u8>, Refused> {
    result.map(|_| Vec::new())
}

fn open_dir(session: &mut Session, name: &str) -> Result<DirId, Refused> {
    let path = session.text(name);
    session.open_dir(&path)
}

fn open_file(session: &mut Session, dir: DirId, name: &str) -> Result<FileId, Refused> {
    session.open_file(dir, name)
}

fn list(session: &mut Session, name: &str) -> Result<Vec<u8>, Refused> {
    let dir = open_dir(session, name)?;
    let mut names: Vec<String> =
        session.list(dir)?.into_iter().map(|entry| entry.name.as_str().to_owned()).collect();
    names.sort();
    Ok(names.join("\n").into_bytes())
}

fn write(session: &mut Session, dir: &str, how: WriteHow, content: &[u8]) -> Result<Vec<u8>, Refused> {
    let dir = open_dir(session, dir)?;
    let request = OpenFile { mode: READ_WRITE, ..session.opening_file(dir, "f") };
    let file = request.id;
    session.send(request)?;
    done(writing::write(session, file, how, content))
}

/// Two directories with the same in them.
fn tree() -> Tree {
    let tree = Tree::new();
    for dir in ["in", "out"] {
        for file in ["f", "m", "gone", "full/g"] {
            tree.file(format!("{dir}/{file}"), format!("{dir} {file}"));
        }
        tree.dir(format!("{dir}/empty"));
    }
    tree
}

/// What `speak` has of a session under `asked`, in a thread that is held to what `held` could permit, if to anything.
fn session<T: Send>(asked: &str, held: Option<&str>, speak: impl FnOnce(&mut Session) -> T + Send) -> T {
    let tree = tree();
    let outcome = thread::scope(|scope| {
        let thread = scope.spawn(move || {
            let mut session = Session::on_tree(tree, asked, |_| {});
            if let Some(held) = held {
                hold(&held.replace("{root}", &session.text("")), &[state()]);
            }
            let said = speak(&mut session);
            // It is removed by a thread that may.
            let Session { tree, .. } = session;
            (said, tree)
        });
        thread.join()
    });
    match outcome {
        Ok((said, _tree)) => said,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Where sessions note their temporary names.
fn state() -> PathBuf {
    let place = std::env::temp_dir().join(format!("rex-tests-state-{}", nix::unistd::geteuid()));
    fs::create_dir_all(&place).expect("it can be made");
    place
}

fn policies(text: &str) -> Policies {
    let loaded = Policies::load(&[PolicyText { name: "test", text }], Mode::Standard);
    loaded.unwrap_or_else(|errors| panic!("{text}: {:?}", errors.findings())).policies
}

/// Holds the calling thread, for good.
fn hold(policy: &str, also: &[PathBuf]) {
    let mut ceiling = Ceiling::of(&policies(policy), false).expect("the places can be looked at");
    assert_eq!(ceiling.unbounded(), None, "{policy}");
    for place in also {
        ceiling.give(place, Rights::change()).expect("it is there");
    }
    let (ceiling, _) = ceiling.build().expect("this kernel has Landlock");
    ceiling.enter().expect("and the thread can be held");
}

const ALL: &str = r#"[file_system::Action::"open", file_system::Action::"read", file_system::Action::"stat",
    file_system::Action::"write", file_system::Action::"create", file_system::Action::"delete",
    file_system::Action::"move", file_system::Action::"chown", file_system::Action::"chmod"]"#;

#[test]
fn a_broker_whose_gate_says_yes_to_everything_gets_at_nothing_that_the_policy_does_not_name() {
    let held = r#"
        permit(principal, action in [file_system::Action::"open", file_system::Action::"read", file_system::Action::"write",
            file_system::Action::"create", file_system::Action::"chown"], resource in file_system::Dir::"{root}/in");
        permit(principal, action in [file_system::Action::"delete", file_system::Action::"move"],
            resource is file_system::File in file_system::Dir::"{root}/in");
        permit(principal, action == file_system::Action::"delete", resource)
        when { [file_system::Dir::"{root}/in/empty", file_system::Dir::"{root}/in/full"].contains(resource) };"#;
    for (what, act) in ACTS {
        let free =
            session(ALLOW_ALL, None, |session| act(session, "out").map_err(|refused| format!("{refused:?}")));
        assert!(free.is_ok(), "{what}: nothing stops it otherwise: {free:?}");
        let within = session(ALLOW_ALL, Some(held), |session| match *what {
            // The other directory is beyond.
            "move to the other" => Ok(Vec::new()),
            _ => act(session, "in").map_err(|refused| format!("{refused:?}")),
        });
        assert!(within.is_ok(), "{what}: {within:?}");
        for dir in ["out", "in"] {
            if dir == "in" && *what != "move to the other" {
                continue;
            }
            let errno = session(ALLOW_ALL, Some(held), |session| {
                act(session, dir).map_err(|refused| refused.errno())
            });
            assert_eq!(errno, Err(Some(nix::libc::EACCES as u16)), "{what} in {dir}");
        }
    }
}

#[test]
fn where_everything_may_be_read_nothing_can_be_changed() {
    let held = r#"permit(principal, action in [file_system::Action::"open", file_system::Action::"read"],
                  resource in file_system::Dir::"{root}");"#;
    for (what, act) in ACTS {
        let errno =
            session(ALLOW_ALL, Some(held), |session| act(session, "in").map_err(|refused| refused.errno()));
        let expected = match what.starts_with("read") || what.starts_with("list") {
            true => Ok(()),
            false => Err(Some(nix::libc::EACCES as u16)),
        };
        assert_eq!(errno.map(drop), expected, "{what}");
    }
}

/// Statements about the tree, which permit some of it and forbid some of that.
fn random_policy(numbers: &mut Numbers) -> String {
    const SOME: [&str; 6] = [
        ALL,
        ALL,
        r#"[file_system::Action::"open", file_system::Action::"read", file_system::Action::"stat"]"#,
        r#"[file_system::Action::"open", file_system::Action::"write", file_system::Action::"create", file_system::Action::"chown"]"#,
        r#"[file_system::Action::"open", file_system::Action::"delete", file_system::Action::"read"]"#,
        r#"[file_system::Action::"open", file_system::Action::"move", file_system::Action::"create", file_system::Action::"read"]"#,
    ];
    const WHERE: [&str; 9] = [
        r#"resource in file_system::Dir::"{root}""#,
        r#"resource in file_system::Dir::"{root}/in""#,
        r#"resource in file_system::Dir::"{root}/out""#,
        r#"resource in file_system::Dir::"{root}/in/full""#,
        r#"[file_system::File::"{root}/in/f", file_system::File::"{root}/out/f"].contains(resource)"#,
        r#"[file_system::Dir::"{root}/in", file_system::Dir::"{root}/in/empty", file_system::File::"{root}/in/gone"].contains(resource)"#,
        r#"resource.path like "{root}/in/f*""#,
        r#"resource.path like "{root}/*/new""#,
        r#"resource.path like "{root}/o*" || resource.path == "{root}/in""#,
    ];
    let mut pick = |from: &[&str]| from[numbers.below(from.len() as u64) as usize].to_owned();
    let mut policy = String::new();
    let mut statement = |effect: &str, actions: &str, place: &str| {
        policy.push_str(&format!("{effect}(principal, action in {actions}, resource) when {{ {place} }};\n"));
    };
    for _ in 0..2 {
        statement("permit", &pick(&SOME), &pick(&WHERE));
    }
    match pick(&["wide", "wide", "ways", "forbid"]).as_str() {
        "wide" => statement("permit", ALL, WHERE[numbers.below(3) as usize]),
        "ways" => statement("permit", r#"[file_system::Action::"open"]"#, WHERE[0]),
        _ => statement("forbid", SOME[2], WHERE[8]),
    }
    policy
}

// The tree that both begin with is the same, and so is what they do.
#[test]
fn what_cedar_permits_the_kernel_does_not_refuse() {
    const REQUESTS: u64 = 25;
    let mut numbers = Numbers::new(0x13);
    let (mut done, mut wanted) = (0, 0);
    for _ in 0..size::of("REX_TEST_CEILING", 400).div_ceil(REQUESTS) {
        let policy = random_policy(&mut numbers);
        let requests: Vec<(usize, &str)> = (0..REQUESTS)
            .map(|_| {
                let act = numbers.below(ACTS.len() as u64) as usize;
                (act, if numbers.below(3) == 0 { "out" } else { "in" })
            })
            .collect();
        let all = |session: &mut Session| -> Vec<Result<Vec<u8>, String>> {
            let act = |(act, dir): &(usize, &str)| {
                // The paths of the two trees differ.
                let root = session.text("");
                (ACTS[*act].1)(session, dir).map_err(|refused| format!("{refused:?}").replace(&root, "~"))
            };
            requests.iter().map(act).collect()
        };
        let free = session(&policy, None, all);
        let held = session(&policy, Some(&policy), all);
        for ((request, free), held) in requests.iter().zip(free).zip(held) {
            wanted += 1;
            done += usize::from(free.is_ok());
            let (what, dir) = (ACTS[request.0].0, request.1);
            match free {
                Ok(_) => assert_eq!(held, free, "{what} in {dir} under\n{policy}"),
                Err(_) => assert!(held.is_err(), "{what} in {dir} under\n{policy}"),
            }
        }
    }
    // What is never permitted shows nothing.
    assert!(done * 6 > wanted, "{done} of {wanted}");
}

/// The bounded sample policies, and the directories in which they permit something.
fn samples() -> Vec<(String, Vec<PathBuf>)> {
    let folder = rex_tests::program::checkout().join("policies/examples");
    let mut samples = Vec::new();
    for entry in fs::read_dir(folder).expect("there are samples") {
        let text = fs::read_to_string(entry.expect("they can be listed").path()).expect("and read");
        let ceiling = Ceiling::of(&policies(&text), false).expect("their places can be looked at");
        let places = ceiling.statements.iter().flat_map(|statement| &statement.places);
        let places: Vec<PathBuf> =
            places.filter_map(|given| given.given.as_ref().map(PathBuf::from)).collect();
        if ceiling.unbounded().is_none() && !places.is_empty() {
            samples.push((text, places));
        }
    }
    samples
}

// Siblings: what lies in the directories that the permitted places lie in, and in theirs.
#[test]
fn of_what_a_sample_denies_beside_what_it_permits_the_kernel_refuses_nearly_all() {
    let (mut refused, mut denied) = (0_usize, 0_usize);
    for (policy, places) in samples() {
        let mut engine = rex_broker::policy::Engine::new(policies(&policy), PRINCIPAL);
        let above = places.iter().flat_map(|place| place.ancestors().skip(1)).map(PathBuf::from);
        let mut above: Vec<PathBuf> = above.collect();
        above.sort();
        above.dedup();
        let siblings: Vec<(PathBuf, bool)> = above
            .iter()
            .flat_map(|dir| fs::read_dir(dir).into_iter().flatten().flatten())
            .filter(|entry| !places.iter().any(|place| place.starts_with(entry.path())))
            .filter_map(|entry| {
                let kind = entry.file_type().ok()?;
                (kind.is_dir() || kind.is_file()).then(|| (entry.path(), kind.is_dir()))
            })
            .filter(|(path, _)| !["/proc", "/sys", "/dev"].iter().any(|top| path.starts_with(top)))
            .collect();
        let siblings: Vec<(PathBuf, bool)> = siblings
            .into_iter()
            .filter(|(path, is_dir)| {
                use rex_broker::policy::{Question, ResourceRef};
                let path = path.to_str().unwrap_or_default();
                let resource = if *is_dir { ResourceRef::Dir(path) } else { ResourceRef::File(path) };
                let action = rex_ipc::action::ActionId::FileSystemRead;
                !engine.decide(&Question::new(action, resource)).permitted
            })
            .collect();
        let stopped = thread::spawn(move || {
            hold(&policy, &[]);
            let opened = siblings.iter().map(|(path, _)| fs::File::open(path));
            let errors = opened
                .filter_map(Result::err)
                .filter(|error| error.raw_os_error() == Some(nix::libc::EACCES));
            (errors.count(), siblings.len())
        });
        let (stopped, of) = stopped.join().expect("the thread ends");
        refused += stopped;
        denied += of;
    }
    assert!(denied > 20, "{denied}");
    assert!(refused * 100 >= denied * 95, "{refused} of {denied}");
}

// What needs other processes or workers cannot be held, and the pages say so: docs/threat-model.md.
#[test]
fn the_samples_without_a_bound_are_those_that_need_processes_or_workers() {
    let folder = rex_tests::program::checkout().join("policies/examples");
    let mut unbounded = Vec::new();
    for entry in fs::read_dir(folder).expect("there are samples") {
        let path = entry.expect("they can be listed").path();
        let text = fs::read_to_string(&path).expect("they can be read");
        let ceiling = Ceiling::of(&policies(&text), false).expect("their places can be looked at");
        for statement in ceiling.statements.iter().filter(|one| one.bounded == Bounded::Unbounded) {
            assert!(
                statement.reasons.iter().all(|reason| {
                    reason.starts_with("process_system::") || reason.starts_with("network::Action::\"GET\"")
                }),
                "{statement:?}"
            );
            unbounded.push(path.file_stem().and_then(|name| name.to_str()).unwrap_or_default().to_owned());
        }
    }
    unbounded.sort();
    unbounded.dedup();
    assert_eq!(unbounded, ["host-report", "http-client", "monitor", "on-call"]);
}
