//! Programs that everybody has, each under the small policy that the page gives for it, and beyond it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use rex_tests::program::checkout;
use rex_tests::runs::Run;
use rex_tests::tree::is_root;

use crate::real;

/// A recipe of the page, about a directory of its own.
struct Recipe {
    run: Run,
    policy: String,
    script: String,
}

impl Recipe {
    fn of(program: &str) -> Self {
        let page = fs::read_to_string(checkout().join("docs/children.md")).expect("there is a page");
        let title = format!("\n### `{program}`\n");
        let (_, section) = page.split_once(&title).unwrap_or_else(|| panic!("no recipe for {program}"));
        let section = section.split_once("\n### ").map_or(section, |(section, _)| section);
        let run = Run::of("");
        let there = run.scratch.path().to_str().expect("it is text").to_owned();
        let block = |language: &str| {
            let (_, rest) = section.split_once(&format!("```{language}\n")).expect("it has one");
            let (text, _) = rest.split_once("\n```").expect("it ends");
            text.replace("/srv/app", &there)
        };
        Self { policy: block("cedar"), script: block("rhai"), run }
    }

    /// Where the page has `/srv/app`.
    fn place(&self, name: &str) -> PathBuf {
        self.run.scratch.path().join(name)
    }

    fn make(&self, name: &str, text: &str) {
        let path = self.place(name);
        fs::create_dir_all(path.parent().expect("it is in the place")).expect("it is ours");
        fs::write(path, text).expect("it is ours");
    }

    /// With something else in policy and script, which has it.
    fn with(mut self, old: &str, new: &str) -> Self {
        assert!(self.script.contains(old) || self.policy.contains(old), "{old}: {}", self.script);
        self.policy = self.policy.replace(old, new);
        self.script = self.script.replace(old, new);
        self
    }

    /// What the script makes of it, with another text in the place of one of its own, under the whole policy or without the
    /// statements that name this.
    fn outcome(&self, instead: (&str, &str), without: Option<&str>, options: &[&str]) -> String {
        let (old, new) = instead;
        assert!(self.script.contains(old), "{old}: {}", self.script);
        let all = self.policy.lines().count();
        let kept: Vec<&str> =
            self.policy.lines().filter(|line| !without.is_some_and(|place| line.contains(place))).collect();
        assert_eq!(kept.len() + usize::from(without.is_some()), all, "{without:?}");
        let run = Run::of(&self.script.replace(old, new)).policy(&kept.join("\n")).options(options);
        let ended = run.finish();
        let document = ended.document();
        document["output"].as_str().unwrap_or_else(|| panic!("{document}\n{}", ended.stderr)).to_owned()
    }
}

const AS_IT_STANDS: (&str, &str) = ("", "");

#[test]
fn tar_packs_what_it_may_read_where_it_may_write() {
    if !is_root() {
        return;
    }
    let recipe = Recipe::of("tar");
    recipe.make("data/note", "note\n");
    recipe.make("other/secret", "secret\n");
    fs::create_dir(recipe.place("backup")).unwrap();
    let archive = recipe.place("backup/data.tar");
    let listed = || {
        let output = Command::new("tar").arg("-tf").arg(&archive).output().expect("there is a tar");
        String::from_utf8(output.stdout).expect("names are text")
    };

    assert_eq!(recipe.outcome(AS_IT_STANDS, None, &[]), "0 ");
    assert_eq!(listed(), "./\n./note\n");

    fs::remove_file(&archive).unwrap();
    let beyond = ("/data\"]", "/other\"]");
    assert!(recipe.outcome(beyond, None, &[]).starts_with("2 "));
    assert_eq!(listed(), "");
    assert_eq!(recipe.outcome(beyond, None, &["--children", "unconfined"]), "0 ");
    assert_eq!(listed(), "./\n./secret\n");

    fs::remove_file(&archive).unwrap();
    assert!(recipe.outcome(AS_IT_STANDS, Some("/backup\""), &[]).starts_with("2 "));
    assert!(!archive.exists());
}

#[test]
fn git_tells_of_one_repository_and_changes_nothing() {
    if !is_root() {
        return;
    }
    let recipe = Recipe::of("git");
    for name in ["repository", "other"] {
        recipe.make(&format!("{name}/file"), "content\n");
        for words in [
            &["init", "-q"] as &[&str],
            &["add", "file"],
            &["-c", "user.name=N", "-c", "user.email=e@example.org", "commit", "-q", "-m", name],
        ] {
            let status = Command::new("/usr/bin/git")
                .arg("-C")
                .arg(recipe.place(name))
                .args(words)
                .env("GIT_CONFIG_GLOBAL", "/dev/null")
                .env("GIT_CONFIG_NOSYSTEM", "1")
                .status();
            assert!(status.expect("there is a git").success(), "{words:?}");
        }
    }
    let head = recipe.place("repository/.git/refs/heads");

    assert_eq!(recipe.outcome(AS_IT_STANDS, None, &[]), "0 repository\n");
    let elsewhere = ("/repository\"]", "/other\"]");
    assert!(recipe.outcome(elsewhere, None, &[]).starts_with("128 "));
    assert_eq!(recipe.outcome(elsewhere, None, &["--children", "unconfined"]), "0 other\n");
    assert!(recipe.outcome(AS_IT_STANDS, Some("/repository\""), &[]).starts_with("128 "));
    let branch = ("\"log\", \"--format=%s\"", "\"branch\", \"new\"");
    assert!(recipe.outcome(branch, None, &[]).starts_with("128 "));
    assert!(!head.join("new").exists());
    assert_eq!(recipe.outcome(branch, None, &["--children", "unconfined"]), "0 ");
    assert!(head.join("new").exists());
}

#[test]
fn python_runs_a_program_on_the_files_of_one_directory() {
    if !is_root() {
        return;
    }
    let python = real("/usr/bin/python3");
    let recipe = Recipe::of("python3").with("python3.11", python.trim_start_matches("/usr/bin/"));
    recipe.make("data/numbers.json", "[40, 2]");
    recipe.make("other/numbers.json", "[1, 1]");
    recipe.make("data/count.py", "import json, sys\nprint(sum(json.load(open(sys.argv[1]))))\n");

    assert_eq!(recipe.outcome(AS_IT_STANDS, None, &[]), "0 42\n");
    let elsewhere = ("/data/numbers", "/other/numbers");
    let refused = recipe.outcome(elsewhere, None, &[]);
    assert!(refused.starts_with("1 Traceback") && refused.contains("No such file or directory"), "{refused}");
    assert_eq!(recipe.outcome(elsewhere, None, &["--children", "unconfined"]), "0 2\n");
    assert!(recipe.outcome(AS_IT_STANDS, Some("/data\""), &[]).starts_with("2 "));
}

#[test]
fn curl_reaches_nothing() {
    if !is_root() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a loopback");
    let address = listener.local_addr().expect("it has one").to_string();
    let recipe = Recipe::of("curl").with("127.0.0.1:8000", &address);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("it is a connection");
            let _request = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nup");
        }
    });

    assert_eq!(recipe.outcome(AS_IT_STANDS, None, &["--children", "unconfined"]), "0 up");
    for how in ["confined", "approximate"] {
        assert_eq!(recipe.outcome(AS_IT_STANDS, None, &["--children", how]), "7 ", "{how}");
    }
    // Nor where the script itself may make requests of every kind.
    let all = Run::of(&recipe.script).policy(rex_tests::runs::PERMIT_ALL).finish();
    assert_eq!(all.document()["output"], "7 ", "{}", all.stderr);
}
