//! Whether a name that is forbidden can be reached under another one.

use std::collections::HashMap;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rex_broker::policy::name::PathName;
use rex_ipc::bounded::Text;
use rex_ipc::file_system::{OpenDir, OpenFile, Permissions, SetMode, SetOwner};
use rex_ipc::handle::AnyId;
use rex_tests::session::{ALLOW_ALL, Session};
use rex_tests::tree::{Tree, is_root, with_mounts};

/// What the forbidden file contains.
const SECRET: &[u8] = b"the secret";

/// One way to spell the path of the forbidden file; `{root}` is the tree, `{child}` a process in the forbidden
/// directory that has the file open as its standard input.
struct Alias {
    path: &'static str,
    /// Whether it leads to the file when nothing is forbidden.
    leads_there: bool,
}

const fn leads(path: &'static str) -> Alias {
    Alias { path, leads_there: true }
}

const fn refused(path: &'static str) -> Alias {
    Alias { path, leads_there: false }
}

const ALIASES: &[Alias] = &[
    leads("{root}/secret/key"),
    leads("/{root}/secret/key"),
    leads("//{root}//secret//key"),
    leads("/.{root}/secret/key"),
    leads("{root}/./secret/key"),
    leads("{root}/secret/./key"),
    leads("{root}/secret/././/.//key"),
    refused("{root}/secret/key/"),
    refused("{root}/secret/key/."),
    refused("{root}/secret/../secret/key"),
    refused("{root}/other/../secret/key"),
    refused("{root}/.././../secret/key"),
    refused("{root}/secret/key/../key"),
    // Links: of the parent and of the file, absolute and relative, in chains, up and down again.
    leads("{root}/parent-absolute/key"),
    leads("{root}/parent-relative/key"),
    leads("{root}/parent-slash/key"),
    leads("{root}/parent-chain/key"),
    leads("{root}/parent-dotted/key"),
    leads("{root}/file-absolute"),
    leads("{root}/file-relative"),
    leads("{root}/file-chain"),
    leads("{root}/file-up-and-down"),
    leads("{root}/file-through-link-and-up"),
    leads("{root}/other/file-up"),
    leads("{root}/other/all/secret/key"),
    leads("{root}/other/all/parent-chain/key"),
    leads("{root}/other/all/file-chain"),
    leads("{root}/secret/self/key"),
    leads("{root}/secret/self/self/self/key"),
    leads("{root}/slash{root}/secret/key"),
    leads("{root}/slash/{root}/parent-relative/key"),
    refused("{root}/file-slash"),
    // Escapes that spell ordinary characters: U+10FF00 and the byte.
    leads("{root}/secret/\u{10FF6B}ey"),
    leads("{root}/\u{10FF73}ecret/key"),
    leads("{root}\u{10FF2F}secret/key"),
    leads("{root}/\u{10FF2E}/secret/key"),
    refused("{root}/other/\u{10FF2E}\u{10FF2E}/secret/key"),
    refused("{root}/other/\u{10FF2E}./secret/key"),
    refused("{root}/secret/key\u{10FF00}"),
    refused("{root}/secret/ke\u{10FFFF}"),
    // The kernel's own aliases.
    refused("/proc/self/root{root}/secret/key"),
    refused("/proc/thread-self/root{root}/secret/key"),
    refused("/proc/self/cwd/key"),
    leads("/proc/{child}/root{root}/secret/key"),
    leads("/proc/{child}/cwd/key"),
    leads("/proc/{child}/task/{child}/cwd/key"),
    leads("/proc/{child}/fd/0"),
    leads("/proc/{child}/root/proc/{child}/cwd/key"),
    refused("/dev/fd/0"),
    refused("/dev/stdin"),
];

/// The forbidden file, the ways to it, and the process that has it open.
struct Scene {
    session: Session,
    child: Child,
}

impl Scene {
    fn under(policy: &str) -> Self {
        let tree = Tree::new();
        let key = tree.file("secret/key", SECRET);
        tree.dir("other");
        for (target, name) in [
            ("{root}/secret", "parent-absolute"),
            ("secret", "parent-relative"),
            ("secret//", "parent-slash"),
            ("parent-slash", "parent-chain"),
            ("./other/.././secret/.", "parent-dotted"),
            ("{root}/secret/key", "file-absolute"),
            ("secret/key", "file-relative"),
            ("./file-absolute", "file-chain"),
            ("secret/../secret/key", "file-up-and-down"),
            ("parent-relative/../secret/key", "file-through-link-and-up"),
            ("../secret/key", "other/file-up"),
            ("..", "other/all"),
            (".", "secret/self"),
            ("/", "slash"),
            ("secret/key/", "file-slash"),
        ] {
            tree.link(target, name);
        }
        let child = Command::new("sleep")
            .arg("1000")
            .current_dir(tree.path("secret"))
            .stdin(Stdio::from(std::fs::File::open(key).unwrap()))
            .spawn()
            .unwrap();
        Self { session: Session::on_tree(tree, policy, |_| {}), child }
    }

    fn path(&self, alias: &Alias) -> String {
        alias.path.replace("{root}", &self.session.text("")).replace("{child}", &self.child.id().to_string())
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const FORBIDS: &[(&str, &str)] = &[
    ("uid", r#"forbid(principal, action, resource == file_system::File::"{root}/secret/key");"#),
    ("in", r#"forbid(principal, action, resource in file_system::Dir::"{root}/secret");"#),
    (
        "like",
        r#"forbid(principal, action, resource is file_system::File)
        when { resource.path like "{root}/secret/k*" };"#,
    ),
    (
        "read",
        r#"forbid(principal, action in [file_system::Action::"read", file_system::Action::"redacted_read"],
        resource == file_system::File::"{root}/secret/key");"#,
    ),
];

#[test]
fn without_a_forbid_each_alias_does_what_the_table_says() {
    let mut scene = Scene::under(ALLOW_ALL);

    for alias in ALIASES {
        let path = scene.path(alias);
        let content = scene.session.cat(&path);
        match alias.leads_there {
            true => {
                assert_eq!(content.unwrap_or_else(|refused| panic!("{path}: {refused:?}")), SECRET, "{path}")
            }
            false => assert!(content.is_err(), "{path}"),
        }
    }
}

// W2: "table of aliases x (uid, `in`, `like`) forbids, all denied".
#[test]
fn no_alias_reaches_what_is_forbidden() {
    for (kind, forbid) in FORBIDS {
        let mut scene = Scene::under(&format!("{ALLOW_ALL} {forbid}"));
        for alias in ALIASES {
            let path = scene.path(alias);
            let refused = match scene.session.cat(&path) {
                Ok(content) => panic!("{path} under a forbid by {kind}: {content:?}"),
                Err(refused) => refused,
            };
            assert!(
                refused.is_denial() || !alias.leads_there,
                "{path} under a forbid by {kind}: {refused:?}"
            );
        }
    }
}

#[test]
fn no_alias_reaches_what_is_forbidden_when_links_are_not_followed() {
    for (kind, forbid) in FORBIDS {
        let mut scene = Scene::under(&format!("{ALLOW_ALL} {forbid}"));
        for alias in ALIASES {
            let path = scene.path(alias);
            let Some((parent, name)) = path.rsplit_once('/') else { continue };
            let Ok(dir) = scene.session.open_dir(if parent.is_empty() { "/" } else { parent }) else {
                continue;
            };
            let read = scene.session.open_file(dir, name).and_then(|file| scene.session.read(file, 0, 100));
            assert!(read.is_err(), "{path} under a forbid by {kind}");
        }
    }
}

#[test]
fn no_walk_by_handles_reaches_what_is_forbidden() {
    for (kind, forbid) in FORBIDS {
        let mut scene = Scene::under(&format!("{ALLOW_ALL} {forbid}"));
        let session = &mut scene.session;
        for steps in [
            &["secret", "key"][..],
            &["parent-absolute", "key"],
            &["parent-chain", "key"],
            &["other", "all", "secret", "key"],
            &["other", "all", "other", "all", "parent-dotted", "key"],
            &["other", "file-up"],
            &["file-chain"],
            &["secret", "self", "key"],
        ] {
            let (file, dirs) = steps.split_last().unwrap();
            let mut dir = session.root();
            let mut read = Ok(());
            for name in dirs {
                let opening = OpenDir { follow: true, ..session.opening_entry(dir, name) };
                dir = opening.id;
                read = session.send(opening).map(drop);
                if read.is_err() {
                    break;
                }
            }
            let content = read.and_then(|()| {
                let opening = OpenFile { follow: true, ..session.opening_file(dir, file) };
                let id = opening.id;
                session.send(opening)?;
                session.read(id, 0, 100)
            });
            assert!(content.unwrap_err().is_denial(), "{steps:?} under a forbid by {kind}");
        }
    }
}

// W2: "Hard links are a further alias"; design, 4: refused "when somebody else could have made one".
#[test]
fn a_hard_link_made_by_another_user_is_refused() {
    if !is_root() {
        return;
    }
    let forbid = r#"forbid(principal, action, resource in file_system::Dir::"{root}/secret");"#;
    let mut session = Session::with_policy(&format!("{ALLOW_ALL} {forbid}"));
    let key = session.tree.file("secret/key", SECRET);
    // link(2) by others needs a file that they may write, where fs.protected_hardlinks is set.
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let theirs = session.tree.dir("theirs");
    std::os::unix::fs::chown(&theirs, Some(OTHER_USER), Some(OTHER_USER)).unwrap();
    let linked = Command::new("ln")
        .args([key.as_path(), &theirs.join("link")])
        .uid(OTHER_USER)
        .gid(OTHER_USER)
        .status()
        .unwrap();
    assert!(linked.success());
    session.tree.link("theirs/link", "way");

    for name in ["theirs/link", "way"] {
        let path = session.text(name);
        assert!(session.cat(&path).unwrap_err().is_denial(), "{name}");
    }
    let reason = session.records.decided().into_iter().rev().find(|decided| !decided.permitted).unwrap();
    assert!(reason.policies[0].starts_with("built-in:"), "{reason:?}");

    // The operator may say that hard links are names like any other.
    session.services.host.hard_links = true;
    let path = session.text("theirs/link");
    assert_eq!(session.cat(&path).unwrap(), SECRET);
}

#[test]
fn a_file_with_two_names_is_refused_where_others_may_make_names() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("ours/a", SECRET);
    session.tree.hard_link("ours/a", "shared/b");
    let shared = session.path("shared");
    std::fs::set_permissions(shared, std::os::unix::fs::PermissionsExt::from_mode(0o1777)).unwrap();
    let (ours, theirs) = (session.text("ours/a"), session.text("shared/b"));

    assert_eq!(session.cat(&ours).unwrap(), SECRET);
    assert!(session.cat(&theirs).unwrap_err().is_denial());
}

// A script that may set modes could take away the sign by which such names are known.
#[test]
fn a_name_made_in_a_shared_directory_stays_refused_when_a_script_has_closed_the_directory() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("ours/a", SECRET);
    for (directory, mode) in [("shared", 0o777), ("private", 0o755)] {
        session.tree.hard_link("ours/a", &format!("{directory}/b"));
        std::fs::set_permissions(session.path(directory), std::os::unix::fs::PermissionsExt::from_mode(mode))
            .unwrap();
        let path = session.text(directory);
        let dir = session.open_dir(&path).unwrap();
        let permissions = Permissions::new(0o700).unwrap();
        session.send(SetMode { handle: AnyId::Dir(dir), permissions }).unwrap();
    }
    let (shared, private) = (session.text("shared/b"), session.text("private/b"));

    assert!(session.cat(&shared).unwrap_err().is_denial());
    assert_eq!(session.cat(&private).unwrap(), SECRET);
}

// Only root can make another user's directory its own.
#[test]
fn a_name_in_another_users_directory_stays_refused_when_a_script_has_taken_the_directory() {
    if !is_root() {
        return;
    }
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("ours/a", SECRET);
    session.tree.hard_link("ours/a", "theirs/b");
    std::os::unix::fs::chown(session.path("theirs"), Some(OTHER_USER), None).unwrap();
    let path = session.text("theirs");
    let dir = session.open_dir(&path).unwrap();
    let user = Some(Text::new("root").unwrap());
    session.send(SetOwner { handle: AnyId::Dir(dir), user, group: None }).unwrap();
    let link = session.text("theirs/b");

    assert!(session.cat(&link).unwrap_err().is_denial());
}

#[test]
fn a_file_of_another_user_with_two_names_is_refused() {
    if !is_root() {
        return;
    }
    let mut session = Session::with_policy(ALLOW_ALL);
    let file = session.tree.file("a", SECRET);
    session.tree.hard_link("a", "b");
    std::os::unix::fs::chown(file, Some(OTHER_USER), None).unwrap();

    for name in ["a", "b"] {
        let path = session.text(name);
        assert!(session.cat(&path).unwrap_err().is_denial(), "{name}");
    }
    std::fs::remove_file(session.path("b")).unwrap();
    let path = session.text("a");
    assert_eq!(session.cat(&path).unwrap(), SECRET);
}

// design, 4: "Bind mounts: the mounted path is the name."
#[test]
fn a_bind_mount_is_a_name_of_its_own() {
    if !is_root() {
        return;
    }
    with_mounts(|| {
        let forbid = r#"forbid(principal, action, resource in file_system::Dir::"{root}/secret");"#;
        let tree = Tree::new();
        tree.file("secret/key", SECRET);
        tree.mount_bind(tree.path("secret"), "mounted");
        let mut session = Session::on_tree(tree, &format!("{ALLOW_ALL} {forbid}"), |_| {});
        let (secret, mounted_key) = (session.text("secret/key"), session.text("mounted/key"));

        assert!(session.cat(&secret).unwrap_err().is_denial());
        assert_eq!(session.cat(&mounted_key).unwrap(), SECRET);
    });
}

// W2: "two spellings with the same inode and directory give the same uid".
#[test]
fn spellings_of_one_place_have_one_name() {
    let mut session = Session::with_policy(ALLOW_ALL);
    for name in ["a/b/c", "a/\u{e4}/c", "d"] {
        session.tree.dir(name);
    }
    session.tree.file("a/b/f", "");
    session.tree.file("a/b/c/f", "");
    session.tree.file("f", "");
    for (target, name) in [
        ("a/b", "l"),
        ("{root}/a", "m"),
        ("../l/c", "d/n"),
        ("..", "a/b/up"),
        ("b/../b/./c", "a/o"),
        ("/", "r"),
        ("../../f", "a/b/g"),
    ] {
        session.tree.link(target, name);
    }
    let words = [
        "a",
        "b",
        "c",
        "d",
        "l",
        "m",
        "n",
        "o",
        "up",
        "r",
        ".",
        "",
        "\u{e4}",
        "\u{10FF61}",
        "\u{10FFC3}\u{10FFA4}",
    ];
    let root = session.text("");
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut dirs: HashMap<(u64, u64), PathName> = HashMap::new();
    let mut files: HashMap<(u64, u64, u64), PathName> = HashMap::new();
    let mut opened = 0;

    for _ in 0..3_000 {
        let mut path = root.clone();
        for _ in 0..random.below(7) {
            path.push('/');
            path.push_str(words[random.below(words.len())]);
        }
        let opening = OpenDir { follow: true, ..session.opening_dir(&path) };
        let id = opening.id;
        if session.send(opening).is_err() {
            continue;
        }
        opened += 1;
        let dir = session.services.host.handles.dir(id).unwrap();
        let name = dirs.entry((dir.inode.device, dir.inode.number)).or_insert_with(|| dir.name.clone());
        assert_eq!(*name, dir.name, "{path}");
        for name in ["f", "g", "\u{10FF66}"] {
            let opening = OpenFile { follow: true, ..session.opening_file(id, name) };
            let file_id = opening.id;
            if session.send(opening).is_err() {
                continue;
            }
            let file = session.services.host.handles.file(file_id).unwrap();
            let parent = std::os::unix::fs::MetadataExt::ino(&file.name.parent().to_os().metadata().unwrap());
            let known = files
                .entry((file.inode.device, file.inode.number, parent))
                .or_insert_with(|| file.name.clone());
            assert_eq!(*known, file.name, "{path}/{name}");
            session.close(AnyId::File(file_id));
        }
        session.close(AnyId::Dir(id));
        session.records.clear();
    }

    assert!(opened > 300 && dirs.len() >= 6 && files.len() == 3, "{opened} {} {}", dirs.len(), files.len());
}

/// Marsaglia's xorshift: the same numbers in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

const OTHER_USER: u32 = 12_345;
