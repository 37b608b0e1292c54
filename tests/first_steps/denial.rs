//! The README's way from a denied script to a policy that is enough, walked with its own commands.

use std::fs;
use std::process::Output;

use nix::unistd::{User, geteuid};
use rex_tests::pages::commands_of;
use rex_tests::program;
use rex_tests::scratch::Scratch;

use crate::{RELEASE_RUN, execute_built, readme};

/// What the README says on it.
fn section() -> String {
    let readme = readme();
    let (_, rest) = readme.split_once("\n## From a denial to a policy\n").expect("there is such a section");
    rest.split_once("\n## ").expect("another follows").0.to_owned()
}

/// Its commands, in their order.
pub(crate) fn commands() -> Vec<String> {
    commands_of(&section())
}

/// What it says the first command prints, for the user who runs this.
fn promised() -> String {
    let section = section();
    let (_, rest) = section.split_once("```text\n").expect("there is a block");
    let (block, _) = rest.split_once("```").expect("it ends");
    let user =
        User::from_uid(geteuid()).ok().flatten().map_or_else(|| "unknown".to_owned(), |user| user.name);
    block
        .replace(": you unauthorized", &format!(": {user} unauthorized"))
        .replace("User::\"you\"", &format!("User::\"{user}\""))
}

/// Where the commands are given: a place that has the example, so that what they write is not in the checkout.
struct Place {
    here: Scratch,
    home: Scratch,
}

impl Place {
    fn new() -> Self {
        let place = Self { here: Scratch::new(), home: Scratch::new() };
        let example = place.here.path().join("examples/first-steps");
        fs::create_dir_all(&example).expect("a directory can be made");
        for name in ["shells.rhai", "policy.cedar"] {
            let original = program::checkout().join("examples/first-steps").join(name);
            fs::copy(original, example.join(name)).expect("the example is there");
        }
        place
    }

    fn give(&self, command: &str) -> Output {
        let arguments = command.strip_prefix(RELEASE_RUN).expect("each command runs the program");
        execute_built(arguments, self.here.path(), self.home.path())
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("it is text")
}

/// What the script is to find, looked up without it.
fn accounts_with_a_shell() -> String {
    let accounts = fs::read_to_string("/etc/passwd").expect("every host has one");
    let fields = accounts.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found: Vec<String> = fields
        .filter(|fields| fields.len() == 7 && fields[6].ends_with("sh"))
        .map(|fields| format!("{}: {}\n", fields[0], fields[6]))
        .collect();
    found.concat()
}

#[test]
fn what_the_tool_says_leads_from_a_denial_to_a_policy() {
    let commands = commands();
    let [denied, keep, check, explain, enough] = commands.as_slice() else {
        panic!("the way has five commands: {commands:?}");
    };
    let place = Place::new();

    let refusal = place.give(denied);
    assert_eq!(refusal.status.code(), Some(77), "{}", text(&refusal.stderr));
    assert_eq!(text(&refusal.stdout), "");
    assert_eq!(text(&refusal.stderr), promised());

    // Nothing is put into the policy but what the refusal proposed.
    assert!(place.give(keep).status.success());
    let policy = fs::read_to_string(place.here.path().join("first-steps.cedar")).expect("it is kept");
    assert_eq!(policy.lines().count(), 2, "{policy}");
    for line in policy.lines() {
        assert!(text(&refusal.stderr).contains(&format!("    {line}\n")), "{line}");
    }

    let checked = place.give(check);
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stderr));
    let explained = place.give(explain);
    assert!(text(&explained.stdout).starts_with("permitted: "), "{}", text(&explained.stdout));

    let found = place.give(enough);
    assert_eq!(found.status.code(), Some(0), "{}", text(&found.stderr));
    assert_eq!(text(&found.stdout), accounts_with_a_shell());
}

// Without the rules that were proposed, the first policy is still too little.
#[test]
fn neither_policy_is_enough_by_itself() {
    let commands = commands();
    let enough = commands.last().expect("there is a last command");
    let place = Place::new();
    assert!(place.give(&commands[1]).status.success());

    let alone = enough.replace("--policy examples/first-steps/policy.cedar ", "--policy ");
    let refused = place.give(&alone);

    assert_ne!(&alone, enough);
    assert_eq!(refused.status.code(), Some(77), "{}", text(&refused.stderr));
    assert!(text(&refused.stderr).contains("file_system::Dir::\"/etc\""), "{}", text(&refused.stderr));
}
