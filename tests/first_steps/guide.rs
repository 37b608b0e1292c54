//! Every recipe of docs/guide.md runs under its policy, says what the page says, and needs each of its permissions.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Command, Output};
use std::sync::OnceLock;

use rex_tests::program;
use rex_tests::scratch::Scratch;

/// One recipe: what is there before it, the script, the policy, and the output.
struct Recipe {
    title: String,
    given: Option<String>,
    script: String,
    policy: String,
    output: String,
}

/// What needs a systemd is run on one by `tests/services`.
const ELSEWHERE: &str = "Restart a unit, and know whether it came up";

/// The recipes that are run here.
fn recipes() -> Vec<Recipe> {
    let mut recipes = all();
    let all = recipes.len();
    recipes.retain(|recipe| recipe.title != ELSEWHERE);
    assert_eq!(recipes.len(), all - 1, "{ELSEWHERE} is a recipe");
    recipes
}

fn all() -> Vec<Recipe> {
    let page = std::fs::read_to_string(program::checkout().join("docs/guide.md")).expect("there is a guide");
    page.split("\n## ").skip(1).filter_map(recipe).collect()
}

/// The recipe of a section; none where the section has no script.
fn recipe(section: &str) -> Option<Recipe> {
    let block = |language: &str| {
        let (_, rest) = section.split_once(&format!("```{language}\n"))?;
        Some(rest.split_once("\n```")?.0.to_owned())
    };
    let script = block("rhai")?;
    Some(Recipe {
        title: section.lines().next().unwrap_or_default().to_owned(),
        given: block("sh"),
        script,
        policy: block("cedar").expect("a recipe has a policy"),
        output: block("text").expect("a recipe has an output"),
    })
}

/// The port of a server which answers as the application of the recipes does, as long as the tests run.
fn application() -> u16 {
    static PORT: OnceLock<u16> = OnceLock::new();
    *PORT.get_or_init(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let port = listener.local_addr().expect("it listens").port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("it listens");
                let lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let request: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                let found = request.first().is_some_and(|line| line == "GET /health HTTP/1.1");
                let (status, body) = if found { ("200 OK", "{\"queue\": 3}") } else { ("404 Not Found", "") };
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                // Whoever is gone wants no answer.
                drop(stream.write_all(answer.as_bytes()));
            }
        });
        port
    })
}

impl Recipe {
    /// Runs it in a place of its own, with what is forbidden besides.
    fn run(&self, forbid: Option<&str>) -> (Output, String) {
        let scratch = Scratch::new();
        let demo = scratch.path().join("demo");
        std::fs::create_dir(&demo).expect("a directory can be made");
        let demo = demo.to_str().expect("its name is text").to_owned();
        let port = application();
        let here = |text: &str| {
            text.replace("/srv/demo", &demo).replace("localhost:8080", &format!("localhost:{port}"))
        };
        if let Some(given) = &self.given {
            let made =
                Command::new("sh").args(["-e", "-c", &here(given)]).status().expect("there is a shell");
            assert!(made.success(), "{}: what is given cannot be made", self.title);
        }
        let mut run = Command::new(program::path());
        run.arg("run").arg(scratch.file("recipe.rhai", here(&self.script)));
        run.arg("--policy").arg(scratch.file("recipe.cedar", here(&self.policy)));
        run.args(["--audit-log", "none"]);
        if let Some(forbid) = forbid {
            run.arg("--forbid").arg(scratch.file("forbid.cedar", here(forbid)));
        }
        let output = run.output().expect("the program can be started");
        let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
        let said = String::from_utf8(said).expect("it is text").replace(&demo, "/srv/demo");
        (output, said)
    }

    /// A prohibition for each pair of a statement and an action that it permits; where it is about everything below a
    /// directory, also one for its files alone, and one for its directories.
    fn without_one(&self) -> Vec<String> {
        let types = |prohibition: String| {
            let narrowed = |kind: &str| {
                let narrow = format!("resource is file_system::{kind} in ");
                prohibition.contains("resource in ").then(|| prohibition.replacen("resource in ", &narrow, 1))
            };
            [narrowed("File"), narrowed("Dir"), Some(prohibition)].into_iter().flatten().collect::<Vec<_>>()
        };
        self.without_one_action().into_iter().flat_map(types).collect()
    }

    fn without_one_action(&self) -> Vec<String> {
        let mut prohibitions = Vec::new();
        for statement in self.policy.split_inclusive(';').filter(|statement| statement.contains("permit")) {
            let head = statement.find("action ").expect("a statement says which action");
            let before = statement.get(..head).unwrap_or_default().replacen("permit", "forbid", 1);
            let rest = statement.get(head..).unwrap_or_default();
            let end = rest.find("resource").expect("a statement says which resource");
            let (actions, after) = rest.split_at(end);
            for action in actions.split(['[', ']', ',']).filter_map(|word| {
                let word = word.trim().trim_start_matches("action").trim_start_matches([' ', '=']);
                word.contains("::Action::").then_some(word.trim())
            }) {
                prohibitions.push(format!("{before}action == {action}, {after}"));
            }
        }
        prohibitions
    }
}

#[test]
fn every_recipe_says_what_the_page_says() {
    let recipes = recipes();

    assert!(recipes.len() >= 12, "{}", recipes.len());
    for recipe in recipes {
        let (output, said) = recipe.run(None);
        assert_eq!(output.status.code(), Some(0), "{}: {said}", recipe.title);
        assert_eq!(said.trim(), recipe.output.trim(), "{}", recipe.title);
    }
}

// "and again without each of its permissions to see that it needs them all"
#[test]
fn every_recipe_needs_each_of_its_permissions() {
    for recipe in recipes() {
        let prohibitions = recipe.without_one();
        assert!(!prohibitions.is_empty(), "{}", recipe.title);
        for prohibition in prohibitions {
            let (output, said) = recipe.run(Some(&prohibition));
            // An action that there is not for such a thing is refused, and nothing is proved by that.
            assert_ne!(output.status.code(), Some(65), "{}: {prohibition}: {said}", recipe.title);
            let same = output.status.code() == Some(0) && said.trim() == recipe.output.trim();
            assert!(!same, "{} works as well with {prohibition}", recipe.title);
        }
    }
}
