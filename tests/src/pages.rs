//! What the documents tell readers to type.

/// The lines of the `sh` blocks of a page, without empty ones.
pub fn commands_of(page: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut in_block = false;
    for line in page.lines() {
        match line {
            "```sh" => in_block = true,
            "```" => in_block = false,
            command if in_block && !command.is_empty() => commands.push(command.to_owned()),
            _ => {}
        }
    }
    commands
}
