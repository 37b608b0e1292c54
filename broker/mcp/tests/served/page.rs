//! Does the page on agents lead from a denial to a result, and say what is so?

use std::path::Path;
use std::process::{Command, Output, Stdio};

use rex_tests::pages::commands_of;
use rex_tests::program;
use rex_tests::scratch::Scratch;
use serde_json::json;

use crate::server::{Server, program as server};

fn page() -> String {
    std::fs::read_to_string(program::checkout().join("docs/agents.md")).expect("there is a page")
}

fn run(command: &str, directory: &Path) -> Output {
    let beside =
        |program: &Path| program.parent().expect("a program is in a directory").display().to_string();
    let path = format!(
        "{}:{}:{}",
        beside(server()),
        beside(program::path()),
        std::env::var("PATH").expect("there is one")
    );
    Command::new("bash")
        .args(["-e", "-c", command])
        .current_dir(directory)
        .env("PATH", path)
        .env("REX_BROKER_AUDIT_LOG", directory.join("audit.jsonl"))
        .stdin(Stdio::null())
        .output()
        .expect("there is a shell")
}

#[test]
fn the_page_leads_from_a_denial_to_a_result_in_few_commands() {
    let scratch = Scratch::new();
    let examples = format!("cp -r {}/examples .", program::checkout().display());
    assert!(run(&examples, scratch.path()).status.success());
    let commands = commands_of(&page());
    assert!(commands.len() < 9, "with the build there are ten: {commands:?}");

    let mut told = Vec::new();
    for command in &commands {
        let output = run(command, scratch.path());
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{command}: {errors}");
        told.push((String::from_utf8_lossy(&output.stdout).into_owned(), errors));
    }

    assert!(scratch.path().join(".mcp.json").exists());
    assert!(
        told[1].1.contains("denied: file_system::Action::\"open\" on file_system::File::\"/etc/passwd\""),
        "{told:?}"
    );
    assert!(told[1].1.contains("  permit(principal =="), "{told:?}");
    let last = &told.last().expect("there are commands").0;
    assert!(last.contains("root: /"), "{last}");
}

#[test]
fn the_page_names_every_tool_with_its_arguments() {
    let page = page();
    let mut server = Server::under("permit(principal, action, resource);");

    let id = server.ask("tools/list", json!({}));
    for tool in server.answer(id)["result"]["tools"].as_array().expect("there are tools") {
        let name = format!("`{}`", tool["name"].as_str().expect("it has a name"));
        let row = page.lines().find(|line| line.starts_with("| `") && line.contains(&name));
        let row = row.unwrap_or_else(|| panic!("the page does not name {name}"));
        for argument in tool["inputSchema"]["properties"].as_object().expect("it has arguments").keys() {
            assert!(row.contains(&format!("`{argument}`")), "{name} takes {argument}");
        }
    }
}
